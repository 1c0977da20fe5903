"""A mutant does what the case does, to the last bit, and is a valid module for us and for others."""

from __future__ import annotations

import pytest
import wasmtime
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generators.registry import load_target, make_case, target_names
from oracles.interpreter import run_case
from oracles.mutants import mutant_of
from tests.mutants.conftest import shown
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Observation
from wasm.feature_use import required_features
from wasm.neutral.mutating import mutators

TARGETS = [name for name in target_names() if load_target(name).kind is CaseKind.WASM]
NAMES = tuple(mutators())


def foreign() -> wasmtime.Engine:
    """Wasmtime's validator with all that it has."""
    config = wasmtime.Config()
    for name in ("wasm_tail_call", "wasm_threads", "wasm_multi_memory", "wasm_memory64", "wasm_relaxed_simd",
                 "wasm_function_references", "wasm_gc", "wasm_exceptions", "wasm_wide_arithmetic",
                 "wasm_custom_page_sizes"):  # fmt: skip
        if hasattr(type(config), name):
            setattr(config, name, True)
    return wasmtime.Engine(config)


FOREIGN = foreign()


def same(case: Case, expected: Observation, mutant: Case, by: tuple[str, ...]) -> None:
    """Fail unless a mutant is one of the case."""
    assert shown(run_case(mutant)) == shown(expected), by
    assert {feature.value for feature in required_features(decode(mutant.content))} <= case.features
    names = [(export.name, export.kind) for export in decode(case.content).exports]
    assert [(export.name, export.kind) for export in decode(mutant.content).exports] == names
    if _takes(case.content):
        wasmtime.Module.validate(FOREIGN, mutant.content)


def _takes(content: bytes) -> bool:
    try:
        wasmtime.Module.validate(FOREIGN, content)
    except wasmtime.WasmtimeError:
        return False
    return True


@pytest.mark.parametrize("target", TARGETS)
def test_every_mutator_on_every_target(target: str) -> None:
    """Each by itself, on a case that is as small as any of a few."""
    case = min((make_case(target, 3, index) for index in range(4)), key=lambda one: len(one.content))
    expected, made = run_case(case), 0
    for name in NAMES:
        mutant = mutant_of(case, 1, frozenset((name,)))
        if mutant is not None:
            assert mutant.by == (name,) * len(mutant.by)
            assert mutant.case.content != case.content
            same(case, expected, mutant.case, mutant.by)
            made += 1
    assert made >= 5


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(TARGETS), st.integers(0, 300), st.integers(1, 1000))
def test_any_mutant_of_any_case(target: str, index: int, number: int) -> None:
    case = make_case(target, 11, index)
    mutant = mutant_of(case, number)
    if mutant is not None:
        same(case, run_case(case), mutant.case, mutant.by)


def test_mutants_of_mutants() -> None:
    """Mutators meet each other's work: ten one after the other."""
    case = make_case("control", 2, 6)
    expected, content = run_case(case), case
    for number in range(1, 11):
        mutant = mutant_of(content, number)
        assert mutant is not None
        same(case, expected, mutant.case, mutant.by)
        if len(mutant.case.content) < 40_000:
            content = mutant.case


def test_a_mutant_is_always_the_same() -> None:
    """By case and number; and others for other numbers."""
    contents = set()
    for number in range(1, 6):
        case = make_case("mixed", 1, 4)
        one = mutant_of(case, number)
        mutant_of.cache_clear()
        two = mutant_of(case, number)
        assert one is not None
        assert one == two
        assert one.case.provenance.mutant == number
        contents.add(one.case.content)
    assert len(contents) == 5


def test_most_cases_have_mutants_and_every_mutator_has_its_share() -> None:
    by: dict[str, int] = dict.fromkeys(NAMES, 0)
    made = tried = 0
    for index in range(2):
        for target in TARGETS:
            case = make_case(target, 21, index)
            for number in (1, 2):
                tried += 1
                mutant = mutant_of(case, number)
                if mutant is not None:
                    made += 1
                    for name in mutant.by:
                        by[name] += 1
    assert made >= 0.98 * tried
    assert min(by.values()) >= 2, by
