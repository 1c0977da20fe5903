"""When engines agree so much that the reference is not asked, and everything that is a reason to ask it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracles.judge.unanimity import unanimous
from oracles.judge.vote import Voter
from wasm.case import Case, CaseKind
from wasm.embedding import (
    Crashed,
    Exhausted,
    HostCall,
    Invocation,
    MemoryState,
    Observation,
    Outcome,
    Phase,
    Returned,
    TableState,
    Trapped,
    Unsupported,
    Value,
)
from wasm.traps import TrapKind

CASE = Case(b"", (Invocation("f"), Invocation("g")))
VOTERS = {
    "cranelift": Voter("cranelift", validator="wasmtime"),
    "winch": Voter("winch", validator="wasmtime"),
    "v8": Voter("v8", validator="v8"),
    "jsc": Voter("jsc", validator="jsc"),
}
SEVEN = Returned.of((Value("i32", 7),))
TRAP = Trapped(frozenset({TrapKind.UNREACHABLE}))


def saw(engine: str, *outcomes: Outcome) -> Observation:
    return Observation(engine, Returned(), Phase.INVOKE, outcomes or (SEVEN, TRAP))


def all_of(*engines: str) -> list[Observation]:
    return [saw(engine) for engine in engines]


THREE = all_of("cranelift", "v8", "jsc")


def test_three_engines_that_did_the_same_need_no_reference() -> None:
    assert unanimous(CASE, THREE, VOTERS)
    assert unanimous(CASE, all_of("cranelift", "winch", "v8", "jsc"), VOTERS)


def test_two_tiers_of_an_engine_are_one() -> None:
    assert not unanimous(CASE, all_of("cranelift", "v8"), VOTERS)
    assert not unanimous(CASE, all_of("cranelift", "winch", "v8"), VOTERS)


def test_messages_and_times_are_nothing_that_an_engine_did() -> None:
    worded = Trapped(TRAP.kinds, "wasm trap: unreachable")
    other = replace(saw("jsc", SEVEN, worded), cpu=(("compile", 1.0),))
    assert unanimous(CASE, [*THREE[:2], other], VOTERS)


@pytest.mark.parametrize(
    "other",
    [
        saw("jsc", Returned.of((Value("i32", 8),)), TRAP),
        saw("jsc", SEVEN, Trapped(frozenset({TrapKind.UNREACHABLE, TrapKind.INT_OVERFLOW}))),
        saw("jsc", SEVEN),
        replace(saw("jsc"), globals=(("g", Value("i32", 1)),)),
        replace(saw("jsc"), memories=(MemoryState("m", 1, ()),)),
        replace(saw("jsc"), tables=(TableState("t", 0, ()),)),
        replace(saw("jsc"), host_calls=(HostCall("m", "f", Returned()),)),
        replace(saw("jsc"), blind=frozenset({"globals"})),
        replace(saw("jsc"), before=(Returned(),)),
        Observation("jsc", Crashed(11, "", "")),
    ],
    ids=["value", "coarse trap", "stopped", "global", "memory", "table", "host call", "blind", "before", "crash"],
)
def test_anything_else_is_a_reason_to_ask(other: Observation) -> None:
    assert not unanimous(CASE, [*THREE[:2], other], VOTERS)
    # Nor is it enough that three others agree: whoever took the case has to.
    voters = VOTERS | {"fourth": Voter("fourth")}
    assert not unanimous(CASE, [*THREE, replace(other, engine="fourth")], voters)


@pytest.mark.parametrize("ending", [Exhausted("fuel"), Crashed(11, "", ""), Unsupported("f")], ids=str)
def test_what_is_left_to_an_engine_is_not_spared_though_all_did_it(ending: Outcome) -> None:
    assert not unanimous(CASE, [saw(seen.engine, SEVEN, ending) for seen in THREE], VOTERS)


def test_what_all_stopped_at_or_cannot_show_is_not_spared() -> None:
    assert not unanimous(CASE, [saw(seen.engine, SEVEN) for seen in THREE], VOTERS)
    assert not unanimous(CASE, [replace(seen, blind=frozenset({"tables"})) for seen in THREE], VOTERS)


def test_who_lacks_a_feature_says_nothing() -> None:
    lacks = Observation("winch", Unsupported("gc"))
    assert unanimous(CASE, [lacks, *THREE], VOTERS)
    assert not unanimous(CASE, [replace(lacks, engine="jsc"), *THREE[:2]], VOTERS)


def test_a_probe_that_contradicts_itself_counts_for_relaxed_instructions() -> None:
    voters = VOTERS | {"jsc": Voter("jsc", validator="jsc", contradicts=True)}
    assert unanimous(CASE, THREE, voters)
    assert not unanimous(replace(CASE, features=frozenset({"relaxed_simd"})), THREE, voters)


def test_only_modules_that_run_are_spared() -> None:
    assert not unanimous(replace(CASE, kind=CaseKind.BYTES), THREE, VOTERS)
