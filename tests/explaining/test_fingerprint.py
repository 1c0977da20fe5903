"""The settings that a finding needs, against tables of which settings are wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.explain.asking import Answer, OutOfTime
from fuzz.explain.fingerprint import fingerprint
from oracles.engine import EngineId, adapter, engine_names
from oracles.switches import Switch

FLAGS = ("a", "b", "c", "d", "e", "f")
SWITCHES = tuple(Switch(f"has_{one}=false", f"has_{one}", ((f"flag.has_{one}", "false"),), True) for one in FLAGS)
START = "wasmtime:opt=speed"


def off(id: str) -> frozenset[str]:
    return frozenset(key.removeprefix("flag.has_") for key, value in EngineId.parse(id).settings if value == "false")


def asking(wrong: Callable[[frozenset[str]], Answer], asked: dict[str, Answer]) -> Callable[[str], Answer]:
    def ask(id: str) -> Answer:
        asked[id] = wrong(off(id))
        return asked[id]

    return ask


@settings(deadline=None)
@given(st.frozensets(st.sampled_from(FLAGS)), st.frozensets(st.sampled_from(FLAGS)))
def test_what_is_needed_is_said_and_was_run(needed: frozenset[str], cannot: frozenset[str]) -> None:
    """A bug that needs some flags: exactly these are named, each was run, and no more was said than was run."""
    asked: dict[str, Answer] = {}

    def wrong(without: frozenset[str]) -> Answer:
        if without & cannot:
            return Answer.CANNOT
        return Answer.RIGHT if without & needed else Answer.WRONG

    found = fingerprint(START, SWITCHES, asking(wrong, asked))
    assert found is not None
    assert set(found.wrong) - {START} == {id for id, answer in asked.items() if answer is Answer.WRONG}
    assert set(found.right) == {id for id, answer in asked.items() if answer is Answer.RIGHT}
    assert set(found.cannot) == {id for id, answer in asked.items() if answer is Answer.CANNOT}
    for flag in FLAGS:
        assert (f"has_{flag}=false" in found.words) == (flag in needed - cannot)
    if needed - cannot:
        least = max(found.wrong, key=lambda id: len(off(id)))
        assert off(least) == frozenset(FLAGS) - needed - cannot


@settings(deadline=None)
@given(st.sets(st.frozensets(st.sampled_from(FLAGS), min_size=1), min_size=1, max_size=4))
def test_the_least_is_minimal(alternatives: set[frozenset[str]]) -> None:
    """A bug that any of several sets of flags makes: whatever is said to be all it needs is one of the minimal sets."""
    asked: dict[str, Answer] = {}

    def wrong(without: frozenset[str]) -> Answer:
        return Answer.RIGHT if all(without & one for one in alternatives) else Answer.WRONG

    found = fingerprint(START, SWITCHES, asking(wrong, asked))
    assert found is not None
    if "all it needs" not in found.words:
        return
    words = found.words.partition(",")[0]
    named = {flag for flag in FLAGS if f"has_{flag}" in words}
    least = max(found.wrong, key=lambda id: len(off(id)))
    for flag in named:
        assert wrong(off(least) | {flag}) is Answer.RIGHT
        assert off(least) | {flag} in {off(id) for id in found.right}


def test_no_switch_helps() -> None:
    found = fingerprint(START, SWITCHES[:2], lambda _: Answer.WRONG)
    assert found is not None
    assert found.words == "wrong at every setting that had an answer (4 settings)"


def test_a_group_where_one_by_one_does_not_help() -> None:
    """Right only without both of two."""
    both = Switch(
        "has_a+has_b all false", "one of has_a+has_b", (("flag.has_a", "false"), ("flag.has_b", "false")), True, True
    )
    found = fingerprint(
        START, (*SWITCHES[:2], both), lambda id: Answer.RIGHT if off(id) >= {"a", "b"} else Answer.WRONG
    )
    assert found is not None
    assert "right with" in found.words
    assert "has_a+has_b all false" in found.words


def test_when_the_time_is_over_nothing_more_is_said() -> None:
    left = 3

    def ask(id: str) -> Answer:
        nonlocal left
        left -= 1
        if left < 0:
            raise OutOfTime
        return Answer.RIGHT if "b" in off(id) else Answer.WRONG

    found = fingerprint(START, SWITCHES, ask)
    assert found is not None
    assert len(found.wrong) + len(found.right) == 4
    assert "has_b=false" in found.words
    assert "all it needs" not in found.words


IDS = (
    "wasmtime", "wasmtime:winch", "wasmtime:pulley", "wasmtime:opt=none+flag.has_avx=false", "v8", "v8:turbofan",
    "jsc:omg", "webkit:llint", "wasmer", "wasmer:opt=none", "wasmer:singlepass", "wazero", "wazero:interpreter",
    "endive", "endive:interpreter", "chicory", "chicory:interpreter", "graalwasm", "graalwasm:compiled", "compiler",
    "spidermonkey", "spidermonkey:ion", "firefox:baseline",
    "compiler:regs=6+spill=all+checker=off",
)  # fmt: skip


@pytest.mark.parametrize("id", IDS)
def test_every_switch_of_an_engine_is_another_id(id: str) -> None:
    parsed = EngineId.parse(id)
    switches = adapter(parsed.name).switches(parsed)
    made = [str(one.applied(parsed)) for one in switches]
    assert str(parsed) not in made
    assert len(set(made)) == len(made)


def test_engines_with_settings_say_which_matter() -> None:
    assert {name for name in engine_names() if hasattr(adapter(name), "switches")} == {
        "chicory",
        "compiler",
        "deno",
        "endive",
        "firefox",
        "graalwasm",
        "jsc",
        "regalloc2",
        "spidermonkey",
        "v8",
        "wasm2c",
        "wasmer",
        "wasmtime",
        "wazero",
        "webkit",
    }


def test_functions_are_split_between_compilers() -> None:
    """Of three functions the second one alone as the finding's setting compiles it."""

    def split(id: str, count: int = 3) -> str:
        parsed = EngineId.parse(id)
        return str(adapter(parsed.name).split(parsed, frozenset({1}), count))

    rest = "+flag.wasm-tiering-budget=1000000000"
    assert split("v8:turbofan") == f"v8:flag.wasm-lazy-compilation=off+flag.wasm-tier-mask-for-testing=2{rest}"
    assert (
        split("v8@26.1.0:liftoff")
        == f"v8@26.1.0:flag.wasm-lazy-compilation=off+flag.wasm-tier-mask-for-testing=5{rest}"
    )
    assert split("v8") == split("v8:turbofan", 32) == "None"
    assert split("compiler:regs=6") == "compiler:regs=6+only=1"
