"""Wrong allocations as causes: the reason in the smallest case, and what is one mistake seen in several ways."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.records.finding import Signature
from fuzz.records.history import Cause
from fuzz.triage.causes import Sighting, Suspect, classify, is_bare, united
from fuzz.triage.essentials import Essentials
from fuzz.triage.kin import akin, same_cause
from fuzz.triage.signature import signature
from fuzz.trial.allocation import plainest, subject
from generators.registry import make_case
from oracles.interpreter import run_case
from oracles.judge.verdict import Dissent, Kind
from tests.triage.test_causes import cause_about
from wasm.decode import decode
from wasm.embedding import Trapped
from wasm.validate import validate

CHECKER = "compiler/regalloc/checker.py"
STORED = "backtracking: a slot lacks its value: it never comes"
CLOBBERED = "single_pass: a register lacks its value: it is clobbered"


def dissent(said: str, location: str = f"{CHECKER}:84", phase: str = "compile") -> Dissent:
    return Dissent("compiler", "compiler", Kind.CRASH, phase, "instantiate", said, said, location)


def complaint(reason: str, phase: str = "compile") -> Signature:
    lines = ("CheckFailed: func3:", reason, "block 7, inst 30: operand 1: int:0 should hold v7")
    return signature(dissent("\n".join(lines), phase=phase))


def cause(bucket: str, *reasons: str, **more: object) -> Cause:
    about = Essentials(reasons=frozenset(reasons), **more)  # type: ignore[arg-type]
    key = complaint(bucket).key
    return replace(cause_about(about), kind="crash", phase="compile", family="compiler", faces=(key,))


def test_the_reason_is_the_bucket_whatever_function_and_whenever_it_is_made() -> None:
    said = complaint(STORED)
    assert (said.message, said.place, said.phase) == (STORED, CHECKER, "compile")
    assert complaint(STORED, phase="invoke") == said
    assert complaint(CLOBBERED) != said


def test_where_compiled_code_died_is_anywhere() -> None:
    died = [signature(dissent(f"SIGSEGV at {where} (address 0x7f2b)", "compiled code", "invoke"))
            for where in ("func0+0x4d", "leave+0x1", "no code")]  # fmt: skip
    assert {one.message for one in died} == {"SIGSEGV"}
    assert died[0].phase == "invoke"
    assert died[0].mute


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        # Seen in different ways, and wrong for one reason in the smallest case.
        (cause(STORED, STORED), cause(f"{STORED} (along an edge)", STORED), True),
        (cause(STORED, STORED), cause(STORED, f"{STORED} (along an edge)"), False),
        (cause(STORED, STORED), cause(CLOBBERED, CLOBBERED), False),
        # One case shows it in both allocators.
        (cause(STORED, STORED, CLOBBERED), cause(CLOBBERED, CLOBBERED), True),
        # An index that is kept in too few bits is another mistake, unless it is not known how many it needs.
        (cause(STORED, STORED, shape=(("results", 257),)), cause(STORED, STORED), False),
        (cause(STORED, STORED, shape=(("results", 257),)), cause(STORED, STORED, rough=True), True),
        (cause(STORED, STORED, shape=(("results", 257),)), cause(STORED, STORED, shape=(("results", 260),)), True),
    ],
)
def test_the_same_cause(one: Cause, other: Cause, same: bool) -> None:
    assert same_cause(one, other, telling=True) is same_cause(other, one, telling=True) is same
    assert not akin(one, other)
    assert not is_bare(one)
    assert Essentials.of_words(Essentials.of_words(one.essentials).words()).words() == one.essentials


def test_every_further_complaint_is_a_sighting() -> None:
    known = replace(cause(STORED, STORED), shown_by=("compiler",), wrong_in=("compiler@1",))
    case = make_case("arith", 1, 0)
    suspect = Suspect(case, complaint(STORED), (("compiler", "1"),))
    assert classify(suspect, [known], lambda _case: True) == Sighting((known,))
    # Of two causes that have shown so, it is the one that was found with it.
    other = replace(cause(CLOBBERED, CLOBBERED), id=0, shown_by=("compiler",), wrong_in=("compiler@1",))
    other = replace(other, faces=(*other.faces, *known.faces))
    answer = classify(suspect, [other, known], lambda _case: True)
    assert isinstance(answer, Sighting)
    assert answer.causes[0] == known


def test_a_cause_learns_reasons() -> None:
    known, again = cause(STORED, STORED), cause(STORED, STORED, CLOBBERED)
    assert Essentials.of_words(united(known, again, telling=True)["essentials"]).reasons == {STORED, CLOBBERED}
    assert united(again, known, telling=True) == {}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (f"{STORED} (along an edge)", STORED, True),
        ("single_pass: a register lacks its value: it never comes", CLOBBERED, True),
        (STORED, "backtracking: a register lacks its value: it never comes", False),
        ("backtracking: a register lacks its value: it is clobbered", CLOBBERED, False),
        ("moves: a register lacks its value: another move at the same point overwrites it", CLOBBERED, False),
    ],
)
def test_which_complaints_stand_for_each_other(one: str, other: str, same: bool) -> None:
    assert (subject(complaint(one)) == subject(complaint(other))) is same


def test_what_orders_moves_may_also_fail() -> None:
    failed = signature(dissent("KeyError: 65", "compiler/regalloc/moves.py:56"))
    wrong = complaint("moves: a register lacks its value: another move at the same point overwrites it")
    assert subject(failed) == subject(wrong)
    other = signature(dissent("KeyError: 65", "compiler/regalloc/places.py:56"))
    assert subject(other) != subject(wrong)


def test_machine_functions_are_told_apart_likewise() -> None:
    """``compiler.regalloc.run`` says first whose answer is wrong."""
    one, other = (
        Signature("allocators", "compile", "crash", f"backtracking: wrong: {said}") for said in (STORED, CLOBBERED)
    )
    assert subject(one) == subject(replace(one, message=f"{one.message} (along an edge)"))
    assert subject(one) != subject(other)


def test_the_plainest_case() -> None:
    plain = plainest(make_case("arith", 1, 0))
    validate(decode(plain.content))
    assert all(isinstance(outcome, Trapped) for outcome in run_case(plain).outcomes)
