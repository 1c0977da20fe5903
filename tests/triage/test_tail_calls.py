"""Tail calls as what a finding is about, whatever they leave behind."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from fuzz.triage.causes import Sighting, Suspect, Unknown, classify, name_of
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import akin, same_cause
from fuzz.triage.tail_calls import untailed
from generators.registry import make_case
from oracles.interpreter import Budget, run_case
from tests.triage.mistaken import BUCKET, Mistaken
from tests.triage.test_causes import ROTL, cause_about
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS
from wasm.validate import validate
from wasm.valtypes import I32

TAILS = frozenset({"return_call", "return_call_indirect", "return_call_ref"})


def case_with(call: str, use: str) -> Case:
    """(func (export "f") (result i32)) hands 1 and 2 to a function that uses the second one."""
    builder = ModuleBuilder()
    builder.table(1)
    callee = builder.func([I32, I32], [I32])
    callee.body += code(f"local.get 1  {use}")
    caller = builder.func([], [I32], export="f")
    caller.body += code(f"i32.const 1  i32.const 2  {call} {callee.index}")
    return Case(encode(builder.finish()), (Invocation("f"),), features=frozenset({"tail_call"}))


def loses_arguments(case: Case) -> bool:
    """An engine that gives 0 for a tail call's last argument."""
    module = decode(case.content)
    for func in module.funcs:
        lost = dict.fromkeys(TAILS, (OPS["drop"].bare, (OPS["i32.const"], 0)))
        func.body = [made for op, imm in func.body for made in (*lost.get(op.name, ()), (op, imm))]
    mine = run_case(replace(case, content=encode(module)), module, Budget(steps=10_000))
    return mine.outcomes != run_case(case, None, Budget(steps=10_000)).outcomes


CLZ = essentials(case_with("return_call", "i32.clz"), loses_arguments)
ROTATED = essentials(case_with("return_call", "i32.const 3  i32.rotl"), loses_arguments)


def test_whatever_it_is_seen_by() -> None:
    assert Essentials(fixed=frozenset({"i32.clz", "return_call"}), tails=True) == CLZ
    assert name_of(BUCKET, CLZ) == "mistaken: wrong value, tail calls"
    assert Essentials.of_words(CLZ.words()) == CLZ
    assert same_cause(cause_about(CLZ), cause_about(ROTATED, 2))


def test_an_instruction_behind_a_tail_call_is_not_about_it() -> None:
    about = essentials(case_with("return_call", "i32.const 3  i32.rotl"), Mistaken((ROTL,)).wrong)
    assert about.specific == {"i32.rotl"}
    assert not about.tails
    assert not same_cause(cause_about(about), cause_about(CLZ, 2))
    assert not akin(cause_about(about), cause_about(CLZ, 2))


def test_one_more_sighting_and_what_is_none() -> None:
    known = cause_about(CLZ)
    suspect = Suspect(case_with("return_call", "i32.ctz"), BUCKET, (("mistaken", "1"),))
    assert classify(suspect, [known], loses_arguments) == Sighting((known,))
    plain = Suspect(case_with("call", "i32.const 3  i32.rotl"), BUCKET, (("mistaken", "1"),))
    assert classify(plain, [known], Mistaken((ROTL,)).wrong) == Unknown(plain.case)
    beside = Suspect(case_with("return_call", "i32.const 3  i32.rotl"), BUCKET, (("mistaken", "1"),))
    answer = classify(beside, [known], Mistaken((ROTL,)).wrong)
    assert isinstance(answer, Unknown)
    assert answer.without == (known,)


def test_what_was_not_minimized_is_about_tail_calls_as_well() -> None:
    assert essentials(case_with("return_call", "i32.clz"), loses_arguments, small=False) == CLZ


def test_cases_mean_the_same() -> None:
    changed = 0
    for target, index in product(("calls", "tries", "params"), range(10)):
        case = make_case(target, 3, index)
        plain = untailed(case)
        if plain is None:
            continue
        changed += 1
        validate(decode(plain.content))
        before, after = run_case(case), run_case(plain)
        assert (before.outcomes, before.memories, before.globals) == (after.outcomes, after.memories, after.globals)
    assert changed > 5


def test_where_there_is_no_tail_call() -> None:
    assert untailed(case_with("call", "i32.clz")) is None
