"""Cases without a feature: what an engine lacks, no case that is made for it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generators.config import DEFAULT, Config
from generators.registry import avoided, load_target, make_case, sample_of, target_names
from wasm.case import CaseKind
from wasm.decode import decode
from wasm.feature_use import required_features
from wasm.features import Feature, with_dependents
from wasm.validate import validate

FEATURES = sorted(DEFAULT.features, key=str)
CASES = 6
"""Of each target and feature; of what one feature's absence could let through, most shows in a third of the cases."""


def without(*features: Feature) -> Config:
    return replace(DEFAULT, avoid=tuple(sorted(feature.value for feature in features)))


@pytest.mark.parametrize("target", [name for name in target_names() if load_target(name).kind is not CaseKind.MACHINE])
def test_no_case_needs_what_it_is_made_without(target: str) -> None:
    """For every single feature: no case has it, or anything that builds on it, or the target cannot do without."""
    listed = load_target(target).enumerated is not None
    # Reading off an enumeration anew takes a second; only what is in it somewhere is of interest.
    some = {name for index in sample_of(target, 12) for name in make_case(target, 5, index).features} if listed else ()
    for feature in [one for one in FEATURES if not listed or one.value in some]:
        gone = with_dependents({feature})
        if gone & load_target(target).needs:
            with pytest.raises(ValueError, match=f"target {target} needs "):
                make_case(target, 5, 0, without(feature))
            continue
        for index in sample_of(target, 1 if listed else CASES):
            case = make_case(target, 5, index, without(feature))
            assert not {one.value for one in gone} & case.features, (feature, index)
            assert avoided(case.provenance.version)[1] == (feature.value,)
            if case.kind is CaseKind.WASM:
                modules = [decode(content) for content in case.contents]
                assert {one.value for module in modules for one in required_features(module)} <= case.features
                for module in modules:
                    validate(module, DEFAULT.features - gone)


REAL = {
    "graalwasm": {"exceptions", "function_references", "gc", "memory64", "tail_call"},
    "winch": {"exceptions", "function_references", "gc", "reference_types", "relaxed_simd"},
    "wasmer:singlepass": {
        "exceptions", "function_references", "gc", "memory64", "relaxed_simd", "simd", "tail_call"
    },
    "one without most": {feature.value for feature in FEATURES} - {"multi_value", "bulk_memory"},
}  # fmt: skip


@pytest.mark.parametrize("engine", REAL)
def test_what_a_real_engine_lacks_goes_together(engine: str) -> None:
    gone = {Feature(name) for name in REAL[engine]}
    for target in ("calls", "linked", "locals", "memory", "mixed", "modules", "mutate", "pairs", "startup", "tables"):
        if with_dependents(gone) & load_target(target).needs:
            continue
        for index in range(CASES):
            assert not REAL[engine] & make_case(target, 6, index, without(*gone)).features, (target, index)


def test_a_narrowed_case_can_be_made_again_and_steered_too() -> None:
    config = replace(DEFAULT, avoid=("exceptions", "gc", "i64.mul", "results<40"))
    for index in range(8):
        case = make_case("calls", 3, index, config)
        plain, words = avoided(case.provenance.version)
        assert words == config.avoid
        assert case == make_case("calls", 3, index, replace(DEFAULT, avoid=words))
        assert plain == make_case("calls", 3, index).provenance.version
        ops = {op.name for func in decode(case.content).funcs for op, _ in func.body}
        assert "i64.mul" not in ops
        assert not case.features & {"exceptions", "gc"}
    assert avoided(make_case("pairs", 3, 0, config).provenance.version)[1] == ("exceptions", "gc")
