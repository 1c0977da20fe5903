"""Tail calls of one kind as what a finding is about, where the two others are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from fuzz.triage.causes import Sighting, Suspect, Unknown, classify, name_of, united
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import same_cause
from fuzz.triage.tail_kinds import by_kind, the_only_kind
from generators.registry import make_case
from oracles.interpreter import Budget, run_case
from tests.triage.mistaken import BUCKET
from tests.triage.test_causes import cause_about
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS
from wasm.validate import validate
from wasm.valtypes import I32

DIRECT, INDIRECT, REF = (OPS[name] for name in ("return_call", "return_call_indirect", "return_call_ref"))
FEATURES = frozenset({"tail_call", "function_references", "reference_types", "bulk_memory"})


def direct(use: str) -> Case:
    """(func (export "f") (result i32)) hands 1 and 2 to a function that uses the second one."""
    builder = ModuleBuilder()
    callee = builder.func([I32, I32], [I32])
    callee.body += code(f"local.get 1  {use}")
    caller = builder.func([], [I32], export="f")
    caller.body += code(f"i32.const 1  i32.const 2  return_call {callee.index}")
    return Case(encode(builder.finish()), (Invocation("f"),), features=FEATURES)


def by_reference(use: str) -> Case:
    case = by_kind(direct(use), REF)
    assert case is not None
    return case


def one_more(*kinds: str) -> Callable[[Case], bool]:
    """An engine that gives one more than what tail calls of these kinds give, which is an i32."""
    plain = {OPS[kind]: OPS[kind.removeprefix("return_")] for kind in kinds}

    def wrong(case: Case) -> bool:
        module = decode(case.content)
        for func in module.funcs:
            func.body = [
                made
                for op, imm in func.body
                for made in ([(plain[op], imm), *code("i32.const 1  i32.add  return")] if op in plain else [(op, imm)])
            ]
        mine = run_case(replace(case, content=encode(module)), module, Budget(steps=10_000))
        return mine.outcomes != run_case(case, None, Budget(steps=10_000)).outcomes

    return wrong


CALL_ALONE = essentials(direct("i32.clz"), one_more("return_call"))
REF_ALONE = essentials(by_reference("i32.clz"), one_more("return_call_ref"))
ANY_BY_CALL = essentials(direct("i32.clz"), one_more("return_call", "return_call_ref"))


def test_one_kind_alone() -> None:
    assert Essentials(fixed=frozenset({"i32.clz", "return_call"}), tails=True, tail="return_call") == CALL_ALONE
    assert name_of(BUCKET, CALL_ALONE) == "mistaken: wrong value, return_call"
    assert name_of(BUCKET, REF_ALONE) == "mistaken: wrong value, return_call_ref"
    assert Essentials.of_words(REF_ALONE.words()) == REF_ALONE


def test_what_two_kinds_share() -> None:
    assert name_of(BUCKET, ANY_BY_CALL) == "mistaken: wrong value, tail calls"
    assert not ANY_BY_CALL.tail


def test_each_kind_has_its_cause() -> None:
    assert not same_cause(cause_about(CALL_ALONE), cause_about(REF_ALONE, 2))
    assert same_cause(cause_about(CALL_ALONE), cause_about(ANY_BY_CALL, 2))
    assert not same_cause(cause_about(ANY_BY_CALL), cause_about(REF_ALONE, 2))


def test_another_kind_is_no_sighting() -> None:
    known = cause_about(CALL_ALONE)
    again = Suspect(direct("i32.ctz"), BUCKET, (("mistaken", "1"),))
    assert classify(again, [known], one_more("return_call")) == Sighting((known,))
    other = Suspect(by_reference("i32.ctz"), BUCKET, (("mistaken", "1"),))
    assert isinstance(classify(other, [known], one_more("return_call_ref")), Unknown)


def test_a_kind_that_was_not_seen_yet_is_looked_at_once() -> None:
    known = cause_about(ANY_BY_CALL)
    other = Suspect(by_reference("i32.ctz"), BUCKET, (("mistaken", "1"),))
    wrong = one_more("return_call", "return_call_ref")
    assert isinstance(classify(other, [known], wrong), Unknown)
    again = cause_about(essentials(other.case, wrong), 2)
    assert same_cause(known, again)
    learned = replace(known, **united(known, again))
    assert learned.name == known.name
    assert classify(other, [learned], wrong) == Sighting((learned,))
    assert classify(Suspect(direct("i32.ctz"), BUCKET, other.dissenters), [learned], wrong) == Sighting((learned,))


def test_a_kind_beside_a_known_one() -> None:
    """What is known is taken out, and the other one alone is still wrong."""
    module = decode(by_reference("i32.ctz").content)
    caller = module.funcs[-1]
    unused = replace(caller, body=[*code("i32.const 1  i32.const 2"), (DIRECT, 0), OPS["end"].bare])
    module.funcs.append(unused)
    case = direct("i32.ctz").with_content(encode(module))
    answer = classify(
        Suspect(case, BUCKET, (("mistaken", "1"),)), [cause_about(CALL_ALONE)], one_more("return_call_ref")
    )
    assert isinstance(answer, Unknown)


@pytest.mark.parametrize(
    ("make", "kinds", "only"),
    [
        (direct, ("return_call",), "return_call"),
        (direct, ("return_call", "return_call_indirect"), ""),
        (by_reference, ("return_call_ref",), "return_call_ref"),
        (by_reference, ("return_call", "return_call_ref"), ""),
    ],
)
def test_all_kinds_are_asked(make: Callable[[str], Case], kinds: tuple[str, ...], only: str) -> None:
    case = make("i32.clz")
    assert one_more(*kinds)(case)
    assert the_only_kind(case, one_more(*kinds)) == only


def test_who_is_called_through_a_table_is_not_known() -> None:
    case = by_kind(direct("i32.clz"), INDIRECT)
    assert case is not None
    assert one_more("return_call_indirect")(case)
    assert the_only_kind(case, one_more("return_call_indirect")) == ""


def test_an_engine_without_references_is_not_asked_about_them() -> None:
    case = replace(direct("i32.clz"), features=frozenset({"tail_call"}))
    assert by_kind(case, REF) is None
    assert the_only_kind(case, one_more("return_call")) == ""


def test_cases_mean_the_same() -> None:
    changed = 0
    for target, index, kind in product(("calls", "tries", "refs"), range(12), (DIRECT, INDIRECT, REF)):
        case = make_case(target, 3, index)
        other = by_kind(case, kind)
        if other is None or other.content == case.content:
            continue
        changed += 1
        validate(decode(other.content))
        before, after = run_case(case), run_case(other)
        assert (before.outcomes, before.memories, before.globals) == (after.outcomes, after.memories, after.globals)
    assert changed > 5
