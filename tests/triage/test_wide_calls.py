"""Calls with many results or parameters as what a finding is about, whatever they leave behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fuzz.campaign.steering import lesson_of
from fuzz.records.finding import Signature
from fuzz.triage.causes import Sighting, Suspect, Unknown, classify, name_of
from fuzz.triage.essentials import Essentials, essentials
from fuzz.triage.kin import akin, same_cause
from fuzz.triage.wide_calls import LEAST, is_firm, narrowed
from oracles.interpreter import Budget, run_case
from tests.triage.mistaken import BUCKET, Mistaken
from tests.triage.test_causes import ROTL, cause_about
from tests.triage.test_places import full_of
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS
from wasm.valtypes import I32, V128


def case_with(results: int, use: str) -> Case:
    """(func (export "f") (result i32)) calls a function of so many results 1, 2, 3 ... and uses the last one."""
    builder = ModuleBuilder()
    wide = builder.func([], [I32] * results)
    wide.body += code("  ".join(f"i32.const {number + 1}" for number in range(results)))
    caller = builder.func([], [I32], export="f")
    last = caller.local(I32)
    drops = "  drop" * (results - 1)
    caller.body += code(f"call {wide.index}  local.set {last}{drops}  local.get {last}  {use}")
    return Case(encode(builder.finish()), (Invocation("f"),), features=frozenset({"multi_value"}))


def wrong_from(least: int) -> Callable[[Case], bool]:
    """An engine that gives 0 for the last of so many results."""

    def wrong(case: Case) -> bool:
        module = decode(case.content)
        types = module.func_types()
        for func, type_ in zip(module.funcs, types[len(types) - len(module.funcs) :], strict=True):
            if len(type_.results) >= least and type_.results[-1] is I32:
                func.body = [*func.body[:-1], OPS["drop"].bare, (OPS["i32.const"], 0), func.body[-1]]
        mine = run_case(replace(case, content=encode(module)), module, Budget(steps=10_000))
        return mine.outcomes != run_case(case, None, Budget(steps=10_000)).outcomes

    return wrong


FIVE = essentials(case_with(5, "i32.const 3  i32.rotl"), wrong_from(4))
NINE = essentials(case_with(9, "i32.clz"), wrong_from(4))


def test_whatever_it_is_seen_by() -> None:
    assert Essentials(fixed=frozenset({"i32.rotl"}), shape=(("results", 5),), calls=True) == FIVE
    assert name_of(BUCKET, FIVE) == "mistaken: wrong value, results >= 5"
    assert same_cause(cause_about(FIVE), cause_about(NINE, 2))
    assert FIVE.words() == ("!calls", "results >= 5", "(i32.rotl)")
    assert Essentials.of_words(FIVE.words()) == FIVE


def test_an_instruction_beside_a_wide_call_is_not_about_it() -> None:
    assert essentials(case_with(5, "i32.const 3  i32.rotl"), Mistaken((ROTL,)).wrong).specific == {"i32.rotl"}


def test_limits_that_lie_apart_are_two() -> None:
    large = replace(FIVE, shape=(("results", 254),))
    assert not same_cause(cause_about(FIVE), cause_about(large, 2))
    assert same_cause(cause_about(replace(FIVE, shape=(("results", 250),))), cause_about(large, 2))
    assert not same_cause(cause_about(FIVE), cause_about(replace(FIVE, shape=(("params", 5),)), 2))


def test_one_more_sighting_and_what_is_none() -> None:
    known = cause_about(FIVE)
    suspect = Suspect(case_with(20, "i32.ctz"), BUCKET, (("mistaken", "1"),))
    assert classify(suspect, [known], wrong_from(4)) == Sighting((known,))
    # Two results come in registers: this is another mistake.
    answer = classify(Suspect(case_with(2, "i32.ctz"), BUCKET, (("mistaken", "1"),)), [known], wrong_from(2))
    assert isinstance(answer, Unknown)


def test_of_what_is_right_without_wide_calls_some_are_minimized_all_the_same() -> None:
    """Values that other mistakes need may go with the calls. The more of these came to the same, the fewer they are."""
    known = cause_about(FIVE)

    def sightings(examples: int) -> int:
        cases = [case_with(20, f"i32.const {number}  i32.rotl") for number in range(40)]
        full = full_of(examples)
        suspects = [Suspect(case, BUCKET, (("mistaken", "1"),), examples={1: examples}, full=full) for case in cases]
        return sum(classify(suspect, [known], wrong_from(4)) == Sighting((known,)) for suspect in suspects)

    assert sightings(2) == 40, "the examples that are stored of a cause are few enough"
    assert 26 <= sightings(3) < 40
    assert sightings(30) >= 35


def test_what_comes_and_goes_with_the_places_of_values_is_unknown() -> None:
    """An engine that is wrong only while nothing at all travels in globals."""

    def fragile(case: Case) -> bool:
        return not decode(case.content).globals

    case = case_with(5, "i32.ctz")
    assert not is_firm(case, LEAST, fragile)
    assert classify(Suspect(case, BUCKET, (("mistaken", "1"),)), [cause_about(FIVE)], fragile) == Unknown(
        case, (cause_about(FIVE),)
    )
    panic = Signature("mistaken", "compile", "crash", "index out of bounds: the len is N", "regalloc/operands.rs")
    known = replace(cause_about(FIVE), faces=(panic.key,), phase="compile", kind="crash")
    assert classify(Suspect(case, panic, (("mistaken", "1"),)), [known], fragile) == Sighting((known,)), "it says much"


def test_steering_goes_below_what_needs_memory() -> None:
    lesson = lesson_of(cause_about(FIVE), 10)
    assert lesson is not None
    assert lesson.avoid == ("results<3",)
    lesson = lesson_of(cause_about(replace(FIVE, shape=(("results", 254),))), 10)
    assert lesson is not None
    assert lesson.avoid == ("results<190",)


def test_nothing_is_wide() -> None:
    assert narrowed(case_with(2, "i32.ctz"), LEAST) is None


def test_what_may_be_about_wide_calls_is_part_of_what_is_known_to_be() -> None:
    """It was not minimized to the end, and goes away without wide calls, but without other calls as well."""
    case = case_with(5, "i32.const 3  i32.rotl")

    def fragile(one: Case) -> bool:
        return not decode(one.content).globals and wrong_from(4)(one)

    unsure = essentials(case, fragile, small=False)
    assert not unsure.calls
    assert unsure.perhaps == (("results", 5),)
    assert Essentials.of_words(unsure.words()) == unsure
    known = cause_about(FIVE)
    assert akin(known, cause_about(unsure, 2))
    assert akin(cause_about(unsure, 2), known)
    assert akin(known, replace(cause_about(unsure, 2), kind="crash"))
    assert not akin(cause_about(unsure), cause_about(unsure, 2)), "neither is known to be"
    assert not akin(cause_about(replace(FIVE, shape=(("results", 254),))), cause_about(unsure, 2)), "far too narrow"
    assert not akin(known, replace(cause_about(unsure, 2), shown_by=("another",)))


def test_what_the_host_gives_cannot_be_asked_about() -> None:
    """A host's results come as they are, whatever its callers' do: such a call may be what a finding is about."""
    builder = ModuleBuilder()
    host = builder.import_func("host", "seven", [], [I32] * 7)
    caller = builder.func([], [], export="f")
    caller.body += code(f"call {host}{'  drop' * 7}")
    case = Case(encode(builder.finish()), (Invocation("f"),), features=frozenset({"multi_value"}))
    unsure = essentials(case, lambda one: bool(decode(one.content).imports))
    assert unsure.perhaps == (("results", 7),)
    assert not unsure.calls
    assert akin(cause_about(replace(FIVE, shape=(("results", 7),))), replace(cause_about(unsure, 2), kind="crash"))


def test_vectors_among_results() -> None:
    """A reducer makes numbers of vectors where it can, so one that is left is part of it."""
    vectors = replace(FIVE, vectors=True)
    assert Essentials.of_words(vectors.words()) == vectors
    assert same_cause(cause_about(vectors), cause_about(replace(vectors, shape=(("results", 9),)), 2))
    assert not same_cause(cause_about(vectors), cause_about(FIVE, 2))
    many = replace(FIVE, shape=(("results", 252),))
    assert same_cause(cause_about(many), cause_about(replace(many, vectors=True), 2)), "their number is wrong"
    assert same_cause(cause_about(vectors), cause_about(replace(FIVE, rough=True), 2))


def test_vectors_among_wide_results_are_not_taken_out_for_ever() -> None:
    """One engine's mistakes: the last of five results or more, and a vector beside any that comes before it."""
    builder = ModuleBuilder()
    wide = builder.func([], [I32, V128, I32, I32])
    wide.body += code("i32.const 1  v128.const i32x4 0 0 0 0  i32.const 2  i32.const 3")
    caller = builder.func([], [I32], export="f")
    last = caller.local(I32)
    caller.body += code(f"call {wide.index}  local.set {last}  drop  drop  drop  local.get {last}")
    case = Case(encode(builder.finish()), (Invocation("f"),), features=frozenset({"multi_value", "simd"}))

    def wrong(case: Case) -> bool:
        vectors = any(V128 in type_.results for type_ in decode(case.content).func_types())
        return wrong_from(4 if vectors else 5)(case)

    known = cause_about(FIVE)
    suspect = Suspect(case, BUCKET, (("mistaken", "1"),))
    assert isinstance(classify(suspect, [known], wrong), Unknown)
    assert classify(suspect, [known], wrong_from(4)) == Sighting((known,)), "numbers would do"
    with_vectors = cause_about(replace(FIVE, vectors=True))
    assert classify(suspect, [with_vectors], wrong) == Sighting((with_vectors,))


@pytest.mark.parametrize("vectors", [True, False])
def test_whether_a_vector_has_to_be_among_the_results(vectors: bool) -> None:
    """The reducer left one. Plain calls tell whether an engine is wrong without it as well."""
    types = [I32, V128, I32, I32, I32]
    builder = ModuleBuilder()
    wide = builder.func([], types)
    wide.body += code("i32.const 1  v128.const i32x4 0 0 0 0  i32.const 2  i32.const 3  i32.const 4")
    caller = builder.func([], [I32], export="f")
    last = caller.local(I32)
    caller.body += code(f"call {wide.index}  local.set {last}  drop  drop  drop  drop  local.get {last}")
    case = Case(encode(builder.finish()), (Invocation("f"),), features=frozenset({"multi_value", "simd"}))

    def wrong(case: Case) -> bool:
        has = any(V128 in type_.results for type_ in decode(case.content).func_types())
        return (has or not vectors) and wrong_from(5)(case)

    about = essentials(case, wrong, wrong=wrong)
    assert about.shape == (("results", 5),)
    assert about.vectors is vectors
    assert essentials(case, wrong).vectors, "nothing else may be asked"


def test_what_goes_away_without_wide_calls_is_not_seen_where_there_are_none() -> None:
    """It says nothing else, so that it would be whatever looks like it."""
    unsure = Essentials(incidental=frozenset({"i32.ctz"}), perhaps=(("results", 9),))
    for about in (unsure, replace(unsure, placed=True)):
        assert about.reached_by(frozenset({"i32.rotl"}), {"results": 4})
        assert not about.reached_by(frozenset({"i32.rotl"}), {"results": 2, "params": 9})
    assert replace(unsure, specific=frozenset({"i32.rotl"})).reached_by(frozenset({"i32.rotl"}), {})
