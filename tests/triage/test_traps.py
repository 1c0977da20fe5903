"""Traps that do not come: which instruction should trap, and which of them are one cause."""

from __future__ import annotations

from dataclasses import replace

from wasmtime import wat2wasm

from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import akin
from fuzz.triage.neutral import Trapping, trapping
from oracles.interpreter import run_case
from tests.triage.mistaken import Mistake, Mistaken
from tests.triage.test_causes import case_of as computing
from tests.triage.test_causes import cause_about
from wasm.case import Case, Invocation
from wasm.embedding import Trapped, Value
from wasm.traps import TrapKind


def case_of(body: str, argument: int = 0x8000_0000) -> Case:
    """A function of one i32 with a memory, called once."""
    content = bytes(wat2wasm(f'(module (memory 1) (func (export "f") (param i32) {body}))'))
    return Case(content, (Invocation("f", (Value("i32", argument),)),), features=frozenset({"simd"}))


def unbounded(case: Case) -> bool:
    """An engine that reads and writes something where an access is out of bounds."""
    ends = run_case(case).outcomes
    return any(isinstance(one, Trapped) and TrapKind.MEMORY_OOB in one.kinds for one in ends)


LOAD = case_of("local.get 0  i32.load  i32.ctz  drop")
STORE = case_of("local.get 0  i32.const 8  i32.rotl  i32.const 24  i32.rotl  v128.const i64x2 0 0  v128.store")


def test_where_a_case_traps() -> None:
    assert trapping(LOAD) == Trapping("i32.load", 0x8000_0000)
    assert trapping(STORE) == Trapping("v128.store", 0x8000_0000)
    assert trapping(case_of("local.get 0  i32.const 0  i32.div_u  drop")) == Trapping("i32.div_u")
    assert trapping(case_of("unreachable")) == Trapping("unreachable")
    assert trapping(case_of("local.get 0  i32.load  drop", 0)) is None


def test_an_access_that_should_trap_is_what_it_is_about() -> None:
    """There is no value that could stand in its place, so neutralizing leaves it where it is."""
    about = essentials(LOAD, unbounded)
    assert about.specific == {"i32.load"}
    assert about.untrapped
    assert Essentials.of_words(about.words()) == about
    assert not essentials(case_of("local.get 0  i32.load  drop", 0), lambda _: True).untrapped


def test_all_accesses_without_bounds_are_one() -> None:
    load, store = cause_about(essentials(LOAD, unbounded)), cause_about(essentials(STORE, unbounded), 2)
    assert akin(load, store)
    assert akin(load, replace(store, kind="crash"))
    assert not akin(load, replace(store, kind="crash", phase="compile"))
    assert not akin(load, replace(store, family="other"))
    assert not akin(load, cause_about(Essentials(frozenset({"v128.store"})), 2)), "that one has its bounds"


def dead(name: str) -> Essentials:
    return Essentials(frozenset({name}), untrapped=True)


def test_what_is_taken_away_with_its_trap_is_one() -> None:
    """Both are right where less is optimized."""
    first, second = (
        replace(cause_about(dead(name)), kind="trap", hidden_by=("mistaken:opt=none",))
        for name in ("i32.rem_s", "i32.trunc_f32_u")
    )
    assert akin(first, second)
    assert not akin(first, replace(second, hidden_by=())), "it is wrong without optimizing as well"
    both = [replace(one, hidden_by=("interpreter", "another:opt=none")) for one in (first, second)]
    assert not akin(*both), "that others are right says nothing"
    alone = Essentials(frozenset({"i32.trunc_f32_u"}), untrapped=True, alone=True)
    assert not akin(first, replace(second, essentials=alone.words())), "wherever it stands, it does not trap"


SIGNED: Mistake = (("f32.convert_i32_u",), "f32.convert_i32_s")


def test_what_takes_an_unsigned_number_as_a_signed_one_is_one() -> None:
    """An address of 2^31 or more, and an operand that is widened: both are right without the top bit."""
    access = essentials(LOAD, unbounded)
    assert access.high
    wrong = Mistaken((SIGNED,)).wrong
    convert = computing("local.get 0  f32.convert_i32_u  i32.reinterpret_f32  i32.popcnt", 0xFFFF_FFFF)
    widened = essentials(convert, wrong, wrong=wrong)
    assert (widened.alone, widened.high, widened.specific) == (True, True, {"f32.convert_i32_u"})
    assert Essentials.of_words(widened.words()) == widened
    first, second = replace(cause_about(access), kind="crash"), cause_about(widened, 2)
    assert akin(first, second)
    assert not akin(first, replace(second, essentials=replace(widened, high=False).words()))
    assert not essentials(case_of("local.get 0  i32.load  drop", 0x1_0000), unbounded).high


def test_accesses_whose_bounds_come_too_soon_are_one() -> None:
    """Wasmtime up to 38.0.0 traps for an atomic wait, or notify, of a memory's last bytes."""
    wait, notify = (
        replace(cause_about(Essentials(fixed=frozenset({name})), number), kind="trap")
        for number, name in enumerate(("memory.atomic.wait32", "memory.atomic.notify"), 1)
    )
    assert akin(wait, notify)
    assert not akin(wait, replace(notify, faces=("another trap",)))
    both = Essentials(fixed=frozenset({"memory.atomic.wait32", "table.get"}))
    assert not akin(wait, replace(notify, essentials=both.words())), "it may be about the table"
    assert not akin(wait, replace(notify, essentials=dead("memory.atomic.notify").words())), "that one should trap"
