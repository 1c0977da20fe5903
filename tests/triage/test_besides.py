"""What is wrong only with memories besides the first is one cause, whatever instruction it is seen by."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from fuzz.triage.besides import besides
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import akin, same_cause
from oracles.interpreter import run_case
from tests.triage.test_causes import cause_about
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import MemArg
from wasm.module import Data, SegmentMode
from wasm.valtypes import I32


def case_of(text: str) -> Case:
    """One function without parameters beside two memories of a page; the second begins with bytes that are not zero."""
    builder = ModuleBuilder()
    builder.memory(1)
    builder.memory(1, export="m")
    builder.func([], [I32], export="f").body += code(text)
    builder.module.datas.append(Data(bytes(range(1, 17)), SegmentMode.ACTIVE, 1, (*code("i32.const 0"),)))
    features = frozenset({"multi_memory", "bulk_memory", "simd"})
    return Case(encode(builder.finish()), (Invocation("f"),), features=features)


def always_the_first(case: Case) -> bool:
    """An engine whose loads and stores take the first memory, whichever they name."""
    module = decode(case.content)
    for func in module.funcs:
        func.body = [(op, imm._replace(memory=0) if isinstance(imm, MemArg) else imm) for op, imm in func.body]
    mine, right = run_case(replace(case, content=encode(module), sites=())), run_case(case)
    return (mine.outcomes, mine.memories) != (right.outcomes, right.memories)


SEEN = [
    "i32.const 0  i32.load 1",
    "i32.const 4  i32.load8_u 1",
    "i32.const 0  f32.load 1  i32.reinterpret_f32",
    "i32.const 0  i32.const 7  i32.store 1  i32.const 0",
]


def test_all_accesses_are_one_cause() -> None:
    found = []
    for text in SEEN:
        case = case_of(text)
        assert always_the_first(case)
        about = essentials(case, always_the_first, wrong=always_the_first)
        assert about.besides == "memory"
        assert Essentials.of_words(about.words()) == about
        found.append(cause_about(about))
    assert all(same_cause(one, other) for one, other in itertools.combinations(found, 2))
    assert found[0].name == "mistaken: wrong value, i32.load of a memory besides the first"


def test_what_is_wrong_in_the_first_memory_too_is_another_cause() -> None:
    def loads_wrongly(case: Case) -> bool:
        return any(op.name == "i32.load" for func in decode(case.content).funcs for op, _ in func.body)

    assert besides(case_of("i32.const 0  i32.load 1"), loads_wrongly) == ""
    one, other = (cause_about(Essentials(frozenset({"i32.load"}), besides=word)) for word in ("", "memory"))
    assert not same_cause(one, other)
    assert not akin(one, other)


@pytest.mark.parametrize(
    ("rows", "same"),
    [({"i32.load", "i32.add"}, False), ({"i64.store16"}, True), ({"f32.load", "i32.reinterpret_f32"}, True)],
)
def test_more_than_an_access_is_more(rows: set[str], same: bool) -> None:
    one = cause_about(Essentials(frozenset({"i32.load"}), besides="memory"))
    assert same_cause(one, cause_about(Essentials(frozenset(rows), besides="memory"))) is same
