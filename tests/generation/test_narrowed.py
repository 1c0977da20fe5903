"""Cases without a feature, or what some hosts lack: what an engine lacks, no case that is made for it needs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from generators.config import DEFAULT, Config
from generators.registry import avoided, load_target, make_case, sample_of, target_names, wasm_target_names
from oracles.interpreter import run_case
from oracles.remote.protocol import Flavour, encode_case
from wasm.case import COLLECTS, CaseKind
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.feature_use import required_features
from wasm.features import Feature, Hosting, with_dependents
from wasm.hostmix import acts, behaviour, idle
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


# --- what some hosts lack --------------------------------------------------------------------------------------------

NO_ACTS = replace(DEFAULT, avoid=(Hosting.ACTING_HOSTS.value,))
IDLE = Flavour(frozenset("ilfdvec"), True, acts=False, links=True)
"""A worker whose host does not act; what it is put is decided before it runs."""
ACTING = {"gc": 0.42, "refs": 0.35, "memory": 0.12, "startup": 0.15, "shapes": 0.06, "mixed": 0.06}
"""Targets, and a share of their cases with hosts that act: 62%, 55%, 30%, 37%, 22% and 22% are expected, and 40 cases
have less than this in one of 100 seeds."""


@pytest.mark.parametrize("target", wasm_target_names())
def test_no_host_acts_where_it_must_not(target: str) -> None:
    """Before, a worker of such an engine refused up to two thirds of a target's cases; now none, and each is as it was
    but for the names of modules, so that it computes and ends by itself. A sixth of the cases is run."""
    if load_target(target).enumerated is not None:
        assert make_case(target, 8, 0, NO_ACTS) == make_case(target, 8, 0), "what is listed has no hosts that act"
        return
    refused = 0
    for index in range(40):
        whole, case = make_case(target, 8, index), make_case(target, 8, index, NO_ACTS)
        plain, words = avoided(case.provenance.version)
        assert (plain, words) == (whole.provenance.version, NO_ACTS.avoid)
        assert encode_case(case, IDLE).refused is None
        was, module = decode(whole.content), decode(case.content)
        if all(idle(one.module) == one.module for one in was.imports):
            assert replace(case, provenance=whole.provenance) == whole, "byte for byte"
            continue
        # One that has nothing to act on is not refused, but has another name, too.
        refused += encode_case(whole, IDLE).refused is not None
        assert COLLECTS not in case.labels
        validate(module, DEFAULT.features)
        assert [one.name for one in module.imports] == [one.name for one in was.imports]
        assert (module.types, module.funcs, module.exports) == (was.types, was.funcs, was.exports)
        assert (case.invocations, case.sites) == (whole.invocations, whole.sites)
        if index % 6 == 1:
            seen = run_case(case)
            returned = [site.use_at for site in case.sites if site.func < 0]
            assert all(isinstance(seen.outcomes[at], Returned) for at in returned)
    assert refused >= 40 * ACTING.get(target, 0), refused


def test_names_of_modules_whose_functions_do_nothing_besides() -> None:
    ends = {
        "env": "env", "": "", "throw": "throw", "reenter": "reenter", "collect": "idle+collect",
        "grow+write": "idle+grow+write", "collect+throw": "throw", "write+reenter": "reenter",
        "callback": "idle+callback", "collect+callback": "idle+collect+callback", "grow+env": "idle+grow+env",
        "growth": "growth",
    }  # fmt: skip
    for module, name in ends.items():
        assert idle(module) == name == idle(name)
        assert not acts(name)
        assert behaviour(name) is (behaviour("env") if "callback" in module else behaviour(module))


def test_a_target_that_links_modules_is_nothing_without() -> None:
    with pytest.raises(ValueError, match="target linked needs linked_modules, which an engine lacks"):
        make_case("linked", 1, 0, replace(DEFAULT, avoid=(Hosting.LINKED_MODULES.value,)))
    words = tuple(sorted(one.value for one in Hosting))
    case = make_case("calls", 1, 0, replace(DEFAULT, avoid=words))
    assert avoided(case.provenance.version)[1] == words
    assert all(make_case(name, 4, 1).before == () for name in wasm_target_names() if name != "linked")
