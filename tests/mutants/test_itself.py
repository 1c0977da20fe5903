"""An engine against itself: what counts as a difference, what does not, and what the campaign makes of one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fuzz.trial.bench import Bench
from fuzz.trial.itself import against_itself, known_to_reference, wrong_one
from oracles.engine import (
    Capabilities,
    Engine,
    EngineId,
    Limits,
    UsageError,
    risk,
)
from oracles.engine import open_engine as open_any
from oracles.engines.interpreter import InterpreterEngine
from oracles.engines.mutant import MutantEngine, id_of
from oracles.interpreter import run_case
from oracles.judge.itself import judge_itself
from oracles.judge.verdict import Agree, Disagree, Kind
from oracles.judge.vote import Voter
from oracles.mutants import mutant_of
from tests.mutants.conftest import call, case_of
from tests.triage.mistaken import Mistaken
from wasm.case import Case, Provenance
from wasm.decode import decode
from wasm.embedding import (
    Crashed,
    Exhausted,
    FreeNan,
    Observation,
    Outcome,
    Phase,
    ReferenceNotes,
    Rejected,
    Returned,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)
from wasm.features import DEFAULT
from wasm.traps import TrapKind

PRODUCTS = """(module (func (export "f") (param i64 i64) (result i64)
  (i64.xor (i64.mul (i64.add (local.get 0) (i64.const 3)) (local.get 1)) (i64.mul (local.get 1) (i64.const 5)))))"""
CASE = replace(case_of(PRODUCTS, call("f", "i64:3", "i64:5")), provenance=Provenance("arith", 1, 1))
FLOAT = case_of('(module (func (export "f") (result f32) (f32.div (f32.const 0) (f32.const 0))))', call("f"))
REFERENCE = run_case(CASE)
VOTER = Voter("mine")


class Mistake(InterpreterEngine):
    """The interpreter that takes ``i64.mul`` for ``i64.add``."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, "mine")

    def run(self, case: Case) -> Observation:
        seen = run_case(case, Mistaken(((("i64.mul",), "i64.add"),)).compiled(decode(case.content)))
        return replace(seen, engine=str(self.id), notes=None)

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        return dict.fromkeys(blocks, case.content)


def open_mistake(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    return Mistake(EngineId.read(id), limits)


def observation(*outcomes: Outcome, engine: str = "mine", phase: Phase = Phase.INVOKE) -> Observation:
    return Observation(engine, Returned(), phase, outcomes)


def returned(bits: int, type_: str = "i32") -> Returned:
    return Returned.of([Value(type_, bits)])


def judged(own: Outcome, mutant: Outcome, case: Case = CASE, reference: Observation = REFERENCE) -> Kind | None:
    """How a mutant differs."""
    verdict = judge_itself(case, observation(own), observation(mutant, engine="mutant:1 of mine"), reference, VOTER)
    return verdict.dissents[0].kind if isinstance(verdict, Disagree) else None


def test_another_answer_is_a_difference_whatever_the_reference_says() -> None:
    assert judged(returned(7), returned(8)) is Kind.VALUE
    assert judged(returned(7), returned(7)) is None
    assert judged(Trapped(frozenset({TrapKind.UNREACHABLE})), returned(7)) is Kind.TRAP
    integer, overflow = (Trapped(frozenset({kind})) for kind in list(TrapKind)[:2])
    assert judged(integer, overflow) is Kind.TRAP
    assert judged(returned(7), Crashed(11)) is Kind.CRASH


@pytest.mark.parametrize("limit", [Exhausted("stack"), Exhausted("fuel"), TimedOut(10.0)])
def test_a_mutant_may_take_more(limit: Outcome) -> None:
    assert judged(returned(7), limit) is None


def test_not_to_end_in_the_compiler_is_a_difference() -> None:
    own = observation(returned(7))
    for got, kind in ((TimedOut(10.0), Kind.HANG), (Rejected("no"), Kind.REJECT)):
        mutant = Observation("mutant:1 of mine", got, Phase.COMPILE)
        verdict = judge_itself(CASE, own, mutant, REFERENCE, VOTER)
        assert isinstance(verdict, Disagree)
        assert verdict.dissents[0].kind is kind


def test_free_nans_are_free_where_the_reference_says_so() -> None:
    plain, negative, other = 0x7FC00000, 0xFFC00000, 0x7FC00001
    one, two, three = (returned(bits, "f32") for bits in (plain, negative, other))
    reference = run_case(FLOAT)
    assert isinstance(reference.outcomes[0], Returned)
    assert reference.outcomes[0].free_nans == (FreeNan(0, 0, 32, True),)
    assert judged(one, two, FLOAT, reference) is None
    assert judged(one, three, FLOAT, reference) is Kind.VALUE  # no canonical one
    assert judged(one, two) is Kind.VALUE  # the case has no free one
    unknown = replace(reference, outcomes=(Unsupported("something"),), notes=None)
    assert judged(one, three, FLOAT, unknown) is None
    observed = replace(reference, notes=replace(reference.notes or ReferenceNotes(), nan_observed_at=0))
    assert judged(one, returned(7, "f32"), FLOAT, observed) is None


def test_without_the_reference_bits_count_where_nothing_makes_nans() -> None:
    unknown = Observation("interpreter", Unsupported("something"))
    assert judged(returned(0x7FC00000, "f32"), returned(0xFFC00000, "f32"), CASE, unknown) is Kind.VALUE
    assert judged(returned(1), returned(2), FLOAT, unknown) is Kind.VALUE


def test_without_the_reference_an_earlier_module_may_make_the_nans() -> None:
    unknown = observation(Unsupported("a new proposal"), engine="interpreter")
    linked = replace(CASE, before=(("m", FLOAT.content),))
    assert judged(returned(0x7FC00000, "f32"), returned(0xFFC00000, "f32"), CASE, unknown) is Kind.VALUE
    assert judged(returned(0x7FC00000, "f32"), returned(0xFFC00000, "f32"), linked, unknown) is None


def test_state_is_compared() -> None:
    own = replace(observation(returned(7)), globals=(("g", Value("i32", 1)),))
    mutant = replace(own, engine="mutant:1 of mine", globals=(("g", Value("i32", 2)),))
    verdict = judge_itself(CASE, own, mutant, replace(REFERENCE, globals=own.globals), VOTER)
    assert isinstance(verdict, Disagree)
    assert verdict.dissents[0].kind is Kind.STATE


def differing_number() -> int:
    """The first mutant on which the mistaken engine parts from itself."""
    bench = Bench(["mine"], opener=open_mistake)
    trial = bench.run(CASE)
    for number in range(1, 40):
        mutant = mutant_of(CASE, number)
        if mutant is not None and against_itself(bench, trial, mutant.case).dissents:
            return number
    raise AssertionError("no mutant shows the mistake")


def test_a_mistake_shows_without_anybody_else() -> None:
    number = differing_number()
    assert number <= 12
    bench = Bench(["mine"], opener=open_mistake)
    trial, mutant = bench.run(CASE), mutant_of(CASE, number)
    assert mutant is not None
    pair = against_itself(bench, trial, mutant.case)
    assert list(pair.dissents) == ["mine"]
    assert pair.dissents["mine"].engine == f"mutant:{number} of mine"
    assert known_to_reference(trial)
    wrong = wrong_one(bench, pair)
    assert wrong is not None
    assert isinstance(wrong.verdict, Disagree)
    assert {dissent.engine for dissent in wrong.verdict.dissents} == {"mine"}


def test_an_engine_that_is_right_agrees_with_itself() -> None:
    bench = Bench(["wasmtime:opt=speed"])
    trial = bench.run(CASE)
    for number in range(1, 9):
        mutant = mutant_of(CASE, number)
        assert mutant is not None
        assert not against_itself(bench, trial, mutant.case).dissents
    bench.close()


def test_the_engine_that_runs_mutants() -> None:
    """It gives what the engine behind it gives for the mutant; a reduced case has a mutant by the same choices."""
    number = differing_number()
    engine = MutantEngine(EngineId.read(id_of("mine", number)), Limits(), number, Mistake(EngineId("mine"), Limits()))
    mutant = mutant_of(CASE, number)
    assert mutant is not None
    seen = engine.run(CASE)
    assert seen.engine == f"mutant:{number} of mine"
    assert seen.outcomes == Mistake(EngineId("mine"), Limits()).run(mutant.case).outcomes
    assert seen.outcomes != Mistake(EngineId("mine"), Limits()).run(CASE).outcomes
    nothing = engine.run(replace(CASE, content=case_of("(module)").content, invocations=()))
    assert nothing.instantiation == Unsupported("no mutant")
    smaller = CASE.with_content(case_of(PRODUCTS.replace("(i64.const 5)", "(local.get 0)")).content)
    assert engine.run(smaller).outcomes


def test_ids() -> None:
    for written, canonical in (
        ("mutant:2 of wasmtime:opt=speed", "mutant:2 of wasmtime:opt=speed"),
        ("mutant: 1 of wasmtime@33.0.0:opt=none", "mutant:1 of wasmtime@33.0.0:opt=none"),
        ("mutant:3 of cmd:/usr/bin/cat {wasm}", "mutant:3 of cmd:/usr/bin/cat {wasm}"),
        ("mutant:3 of interpreter", "mutant:3 of interpreter"),
    ):
        assert str(EngineId.parse(written)) == canonical
        assert str(EngineId.parse(canonical)) == canonical
    for wrong in ("mutant", "mutant:2", "mutant:0 of wasmtime", "mutant:1 of nothing", "mutant:1 of mutant:2 of v8"):
        with pytest.raises(UsageError) as caught:
            EngineId.parse(wrong)
        assert "\n" not in str(caught.value)
    assert risk(EngineId.parse("mutant:2 of wasmtime")) == ""
    assert risk(EngineId.parse("mutant:3 of cmd:/usr/bin/cat {wasm}")) == "the command /usr/bin/cat {wasm}"


def test_a_release_goes_to_the_engine_behind() -> None:
    """A finding's engines are opened in the releases that showed it (``fuzz.cli.cases.pinned``)."""
    from oracles.engines.mutant import check

    id = EngineId.parse("mutant:2 of wasmtime:opt=none")
    assert str(check(replace(id, version="33.0.0"))) == "mutant:2 of wasmtime@33.0.0:opt=none"


def test_it_opens_like_any_engine() -> None:
    engine = open_any("mutant:1 of interpreter")
    seen = engine.run(CASE)
    assert seen.outcomes == REFERENCE.outcomes
    assert seen.engine == "mutant:1 of interpreter"
    assert isinstance(judge_itself(CASE, REFERENCE, seen, REFERENCE, VOTER), Agree)
    with pytest.raises(UsageError):
        engine.open_script()
