"""What comes and goes with where values lie: which instructions, kinds of answers and settings show it is chance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest
from wasmtime import wat2wasm

from fuzz.records.finding import Signature
from fuzz.selfcheck.together import known_capabilities, open_faulty
from fuzz.triage.causes import Sighting, Suspect, Unknown, classify, name_of, says_little, united
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import akin, same_cause
from fuzz.triage.places import NOWHERE, Elsewhere
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.elsewhere import Placements
from oracles.engine import EngineId
from oracles.judge.verdict import Disagree
from oracles.switches import placements
from tests.triage.mistaken import BUCKET
from tests.triage.test_causes import cause_about
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Value
from wasm.isa import OPS


def case_of(text: str, argument: int) -> Case:
    """A function of one i32, with a memory, called once."""
    content = bytes(wat2wasm(f'(module (memory 1) (func (export "f") (param i32) (result i32) {text}))'))
    return Case(content, (Invocation("f", (Value("i32", argument),)),))


LOADS = case_of("local.get 0  i32.load  i32.const 3  i32.rotl  i32.clz", 5)
STORES = case_of("local.get 0  local.get 0  i32.ctz  i32.store  local.get 0", 5)


def test_the_same_engine_with_values_elsewhere() -> None:
    def written(engine: str) -> list[str]:
        return [str(id) for id in placements(EngineId.parse(engine))]

    assert written("wasmtime@50.0.1:opt=none") == ["wasmtime@50.0.1:opt=none+regalloc=single_pass"]
    assert written("wasmtime:winch") == []
    one_of_each = ["compiler:regalloc=single_pass", "compiler:regs=6", "compiler:spill=all", "compiler:order=reverse"]
    at_once = "compiler:regalloc=single_pass+regs=6+spill=all+order=reverse"
    assert written("compiler") == [*one_of_each, at_once]
    assert "compiler" in written("compiler:regs=6")
    assert written("v8:turbofan") == written("interpreter") == []


def lucky(place: int, case: Case) -> bool:
    """An engine whose accesses in the first function are wrong with the instructions before them in some numbers:
    with values elsewhere (``place``), in others."""
    body = [op.name for op, _ in decode(case.content).funcs[0].body]
    accesses = [at for at, name in enumerate(body) if name in ("i32.load", "i32.store")]
    return any((at + place) % 3 == 0 for at in accesses)


def elsewhere(case: Case) -> Elsewhere:
    here = next(place for place in range(3) if lucky(place, case))
    others = [place for place in range(3) if place != here]
    return Elsewhere(
        lambda one: not all(lucky(place, one) for place in others),
        lambda one: any(lucky(place, one) for place in others),
    )


def about(case: Case) -> Essentials:
    here = next(place for place in range(3) if lucky(place, case))
    return essentials(case, partial(lucky, here), elsewhere=elsewhere(case))


def test_only_what_is_right_everywhere_is_needed() -> None:
    found = about(case_of("local.get 0  i32.const 3  i32.rotl  i32.load  i32.clz", 5))
    assert found.by_places
    assert found.specific == {"i32.load"}, "without i32.rotl the load stands elsewhere, and that is all"
    assert found.incidental == {"i32.clz", "i32.rotl"}
    assert Essentials.of_words(found.words()) == found
    assert name_of(BUCKET, found) == "mistaken: wrong value, by where values lie"


def test_whatever_shows_it_is_one_cause() -> None:
    first, second = cause_about(about(LOADS)), cause_about(about(STORES), 2)
    assert same_cause(first, second)
    crash = replace(second, kind="crash", faces=("a crash",), shown_by=("another",))
    assert same_cause(first, crash), "it is chance what is left behind, and with which setting"
    assert not same_cause(first, crash, telling=True)
    assert not same_cause(first, replace(crash, phase="compile"))
    assert not same_cause(first, replace(crash, family="other"))
    assert not same_cause(first, cause_about(Essentials(frozenset({"i32.load"}), alone=True), 2))
    assert Essentials.of_words(united(first, second)["essentials"]).specific == frozenset()
    assert says_little(first), "more than one is looked at before others are taken for it"


@pytest.mark.parametrize("more", [Essentials(tails=True), Essentials(shape=(("results", 9),), calls=True)])
def test_what_else_is_known_stays_a_cause_of_its_own(more: Essentials) -> None:
    placed = cause_about(Essentials(placed=True))
    known = cause_about(replace(more, placed=True), 2)
    assert not same_cause(placed, known)
    assert not akin(placed, known)
    assert same_cause(known, replace(known, shown_by=("another",)))
    sure = cause_about(more, 3)
    assert not same_cause(sure, replace(sure, shown_by=("another",)))


PLACED = Essentials(placed=True)


def full_of(examples: int) -> frozenset[int]:
    """Cause 1, if it has the three examples that are stored unless somebody says otherwise."""
    return frozenset({1} if examples >= 3 else ())


def suspects(elsewhere: Elsewhere, examples: int = 0, about: Essentials = PLACED) -> Iterator[bool]:
    """Whether each of some suspects is a sighting of what comes and goes with where values lie, or of a cause ``about``
    something else, of which there are so many examples."""
    known = cause_about(about)
    for number in range(100):
        case = case_of(f"local.get 0  i32.load offset={number}", 0)
        suspect = Suspect(case, BUCKET, (("mistaken", "1"),), elsewhere, {1: examples}, full_of(examples))
        answer = classify(suspect, [known], lambda _: True)
        assert answer in (Sighting((known,)), Unknown(case))
        yield isinstance(answer, Sighting)


def test_a_suspect_is_asked_for_with_values_elsewhere() -> None:
    """Three in four: the others are minimized all the same, so that another mistake of that kind is found. The more of
    these came to the same, the fewer they are."""
    right = Elsewhere(lambda _: True, lambda _: True)
    assert 60 <= sum(suspects(right)) <= 90
    assert 90 < sum(suspects(right, 16)) < 100
    assert not any(suspects(Elsewhere(lambda _: False, lambda _: True))), "this is wrong wherever values lie"


def test_what_cannot_be_neutralized_is_doubted_too() -> None:
    """A cause of which only control flow was left would be whatever has that: once it has the examples that are stored
    of a cause, one in seven is minimized all the same, and fewer each time."""
    control = Essentials(fixed=frozenset({"local.get"}))
    assert all(suspects(NOWHERE, 2, control))
    assert 70 <= sum(suspects(NOWHERE, 3, control)) <= 95
    assert 90 < sum(suspects(NOWHERE, 20, control)) <= 100


NAN = Value("f32", 0x7FC0_0000)
STORE = """
(module (memory (export "c") 1)
  (func (export "b") (local f32 f32)
    local.get 1 f32.neg local.set 1
    local.get 1 i32.const 0 f32.const 0 f32.store align=1
    local.set 0
    i32.const 0 local.get 0 f32.store align=1))
"""


@pytest.mark.parametrize(("fault", "placed"), [("index-register-without-rex", True), ("float-order-of-nan", False)])
def test_a_fault_of_the_compiler(fault: str, placed: bool) -> None:
    """A register of an address, which is another one with another allocator; a comparison, wrong in every register."""
    text = (
        STORE
        if placed
        else """
    (module (func (export "b") (param f32) (result i32) (f32.lt (local.get 0) (f32.const 1))))
    """
    )
    opener = partial(open_faulty, fault, known_capabilities())
    engine = "compiler:order=random-1+regs=6"
    with closing(Bench([engine], None, True, opener)) as bench:
        case = Case(bytes(wat2wasm(text)), (Invocation("b", () if placed else (NAN,)),))
        verdict = bench.run(case).verdict
        assert isinstance(verdict, Disagree)
        ((signature, _),) = split(verdict)
        with closing(Placements(None, True, opener)) as places:
            asked = places.of(engine, signature.bucket)
            assert asked.wrong(case)
            assert asked.right(case) is placed
            assert bool(places.right_in(engine, (), case)) is placed
            crash = Signature("compiler", "compile", "crash", "no registers left")
            assert not places.of(engine, crash).right(case), "nothing was run"


def test_behind_a_handler_it_is_another_cause() -> None:
    """A frame that is not found again after a landing comes and goes with where values lie as a wrong register does."""
    rows = frozenset({"try_table", "throw", "memory.copy"})
    plain = Essentials(fixed=frozenset({"memory.copy"}), placed=True)
    handled = Essentials(fixed=rows, placed=True, payload=True)
    register, landing = cause_about(plain), cause_about(handled, 2)
    assert landing.name == "mistaken: wrong value, by where values lie behind a handler"
    assert not same_cause(register, landing)
    assert not akin(register, landing)
    assert same_cause(landing, cause_about(replace(handled, payload=False, fixed=rows - {"memory.copy"}), 3))
    assert same_cause(register, cause_about(replace(handled, rough=True), 3)), "nobody knows whether it needs one"
    elsewhere = cause_about(Essentials(fixed=rows - {"memory.copy"}), 3)
    assert akin(landing, elsewhere), "what it shows as is chance"
    assert not akin(cause_about(replace(handled, placed=False), 4), elsewhere), "that one is about the values thrown"
    wide = cause_about(Essentials(shape=(("results", 5),), calls=True), 5)
    assert akin(wide, cause_about(replace(plain, perhaps=(("results", 5),)), 6))
    assert not akin(wide, cause_about(replace(handled, perhaps=(("results", 5),)), 6))
    assert not handled.reached_by(frozenset({"memory.copy", "throw"}), {})
    assert handled.reached_by(frozenset({"try_table", "throw_ref"}), {})


def test_what_nobody_made_small_may_be_so_too() -> None:
    """In an engine that is known to be wrong in places, until a later run finds out more about it."""
    placed = cause_about(Essentials(placed=True))
    large = Essentials(fixed=frozenset(list(OPS)[:40]), rough=True)
    assert akin(placed, cause_about(large, 2))
    assert akin(cause_about(large), cause_about(Essentials(placed=True), 2))
    assert not akin(placed, cause_about(replace(large, rough=False), 2))
    assert not akin(placed, cause_about(replace(large, fixed=frozenset({"br_table"})), 2)), "one row says something"
    assert not akin(placed, cause_about(replace(large, specific=frozenset({"f64.sqrt"})), 2)), "it says something"
    assert not akin(placed, replace(cause_about(large, 2), family="other"))
    assert not akin(placed, replace(cause_about(large, 2), phase="compile"))
    assert not akin(cause_about(replace(large, placed=True)), cause_about(large, 2)), "neither is known to be"
