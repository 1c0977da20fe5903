"""Each pass teaches by the example in its docstring: one input, one output. Here the pass runs on the one and makes the
other.

    MODULE, custom sections, calls            in WebAssembly text, indented
    becomes, with ``nop`` and ``b"`` to stay,
    MODULE, custom sections, calls            the whole result of this pass alone

What has to stay is a piece of the result's text, or ``i64.const > 0`` and ``i64.const & 0x300``: some such constant is
above a number, or has all the bits of a mask.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fuzz.reduce.cache import Answers
from fuzz.reduce.engine import Budget, Meter, Search
from fuzz.reduce.schedule import Pass, all_passes, run_passes
from fuzz.reduce.subject import Subject, subject_key
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.features import ALL
from wasm.module import Custom
from wasm.validate import validate

_EXAMPLE = re.compile(r"\n\n((?:    .*\n)+)\nbecomes, with (.*) to stay,\n\n((?:    .*\n?)+)")
_CUSTOM = re.compile(r'\(@custom "(\w+)" "(\w*)"\)')
_CALL = re.compile(r'\(invoke "(\w+)"((?: \(\w+\.const \w+\))*)\)')
_ARGUMENT = re.compile(r"\((\w+)\.const (\w+)\)")
_HOLDS = re.compile(r"(\w+\.const) ([>&]) (\w+)")

PASSES = {spec.name: spec for spec in (*all_passes(valid=False), *all_passes())}
OF_VALID = {spec.name for spec in all_passes()}


def subject_of(kit: Any, text: str) -> Subject:
    """A module with its custom sections and calls, from text."""
    module = kit.module_of(_CALL.sub("", _CUSTOM.sub("", text)))
    module.customs = [Custom(name, data.encode()) for name, data in _CUSTOM.findall(text)]
    calls = tuple(
        Invocation(name, tuple(Value(type_, int(bits, 0)) for type_, bits in _ARGUMENT.findall(arguments)))
        for name, arguments in _CALL.findall(text)
    )
    return Subject(module, calls)


def text_of(kit: Any, subject: Subject) -> str:
    """The text, in lines of one blank between two words; equal texts are equal subjects."""
    bare = replace(subject.module, customs=[])
    customs = [f'(@custom "{custom.name}" "{custom.data.decode()}")' for custom in subject.module.customs]
    calls = [
        " ".join([f'(invoke "{call.export}"', *(f"({arg.type}.const {arg.bits})" for arg in call.args)]) + ")"
        for call in subject.invocations
    ]
    return "\n".join([*(" ".join(line.split()) for line in kit.text(bare).splitlines()), *customs, *calls])


def stays(kit: Any, what: str) -> Callable[[Subject], bool]:
    """The test that a piece of the docstring asks for."""
    holds = _HOLDS.fullmatch(what)
    if holds is None:
        return lambda subject: what in text_of(kit, subject)
    name, sign, number = holds[1], holds[2], int(holds[3], 0)

    def test(subject: Subject) -> bool:
        bits = [imm for func in subject.module.funcs for op, imm in func.body if op.name == name]
        bits += [arg.bits for call in subject.invocations for arg in call.args if f"{arg.type}.const" == name]
        return any(value > number if sign == ">" else value & number == number for value in bits)

    return test


def reduced(kit: Any, spec: Pass, before: Subject, conditions: list[str]) -> Subject:
    """What this pass alone makes of a subject, as long as the conditions hold."""
    tests = [stays(kit, what) for what in conditions]
    assert all(test(before) for test in tests), "the example's input is not interesting"
    valid = spec.name in OF_VALID
    kind = CaseKind.WASM if valid else CaseKind.BYTES

    def wanted(case: Case) -> bool:
        subject = Subject(decode(case.content), case.invocations)
        return all(test(subject) for test in tests)

    case = Case(encode(before.module), before.invocations, kind=kind)
    search = Search(case, before, wanted, Meter(Budget()), Answers(None, ""), valid=valid)
    run_passes(search, [spec])
    best = search.best()
    return Subject(decode(best.content), best.invocations)


@pytest.mark.parametrize("name", sorted(PASSES))
def test_example(kit: Any, name: str) -> None:
    spec = PASSES[name]
    examples = _EXAMPLE.findall(importlib.import_module(f"fuzz.reduce.passes.{name}").__doc__ or "")
    assert examples, "the docstring has no example: before, what has to stay, after"
    for before_text, said, after_text in examples:
        before, after = subject_of(kit, before_text), subject_of(kit, after_text)
        conditions = re.findall("``(.*?)``", said)
        made = reduced(kit, spec, before, conditions)
        assert text_of(kit, made) == text_of(kit, after)
        assert subject_key(made) < subject_key(before)
        again = reduced(kit, spec, made, conditions)
        assert subject_key(again) == subject_key(made), "a pass that made no progress must make none on a rerun"
        if name in OF_VALID:
            validate(made.module, ALL)
