"""Cases of every target: valid for all judges, the same everywhere, replayable from their choices."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
import wasmtime

from generators.choices import ChoiceSource
from generators.config import DEFAULT, EVERYTHING, Config
from generators.registry import GENERATOR_VERSION, load_target, make_case, source_of, target_names, wasm_target_names
from wasm.at_hand import at_hand
from wasm.case import Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.validate import validate

PROJECT = Path(__file__).resolve().parent.parent.parent
COUNT = 200
TARGETS = wasm_target_names()


@pytest.fixture(scope="module")
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    for name in ("function_references", "gc", "tail_call", "exceptions", "multi_memory", "memory64"):
        setattr(config, f"wasm_{name}", True)
    return wasmtime.Engine(config)


DIGEST = """
import hashlib
from generators.registry import make_case, target_names
found = hashlib.sha256()
make_case("calls", 99, 1)
for target in target_names():
    for index in range(12):
        c = make_case(target, 5, index)
        found.update(repr((c.contents, c.invocations, sorted(c.features), c.sites, sorted(c.labels))).encode())
print(found.hexdigest())
"""


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_at_hand_is_what_the_bytes_say(target: str) -> None:
    """The interpreter does not decode a case that was just made; what it takes instead has to be the same module."""
    kept = 0
    for index in range(16):
        case = make_case(target, 7, index)
        module = at_hand(case.content)
        assert at_hand(bytes(bytearray(case.content))) is None, "other bytes are not known, even if they are equal"
        if module is not None:
            kept += 1
            assert module == decode(case.content)
    assert kept == 16 or target in ("depth", "linked", "mutate"), "these make their bytes by themselves"


def test_the_registry_lists_the_folder() -> None:
    files = {path.stem for path in (PROJECT / "generators" / "targets").glob("*.py")} - {"__init__"}
    assert set(target_names()) == files
    for name in target_names():
        target = load_target(name)
        assert 20 < len(target.summary) < 120
        assert target.summary.endswith(".")
        assert target.needs <= DEFAULT.features


def test_unknown_and_impossible_targets_are_refused() -> None:
    with pytest.raises(ValueError, match=r"no target 'retruns': choose from .*returns"):
        load_target("retruns")
    with pytest.raises(ValueError, match="multi_value"):
        make_case("returns", 1, 0, DEFAULT.without(Feature.MULTI_VALUE))


@pytest.mark.parametrize("target", TARGETS)
def test_cases_are_valid(target: str, engine: wasmtime.Engine) -> None:
    """In Wasmtime, in our validator with exactly the stated features, and after a round trip through our codec."""
    for index in range(COUNT):
        case = make_case(target, 11, index)
        features = frozenset(Feature(name) for name in case.features)
        used: frozenset[Feature] = frozenset()
        for content in case.contents:
            wasmtime.Module.validate(engine, content)
            module = decode(content)
            used |= required_features(module)
            validate(module, features)
            if index % 10 == 0:
                assert encode(module) == content
        assert used == features
        check_case(case)


def check_case(case: Case) -> None:
    """Invocations fit their exports, and every call site points at an instruction that exists."""
    module = decode(case.content)
    types = module.func_types()
    imported = len(types) - len(module.funcs)
    exports = {export.name: types[export.index] for export in module.exports if export.kind.value == 0}
    assert case.invocations
    for invocation in case.invocations:
        kinds = [getattr(param, "name", "ref") for param in exports[invocation.export].params]
        assert [arg.type for arg in invocation.args] == kinds
    assert case.sites
    for site in case.sites:
        if site.kind == "host":
            assert site.func == -1
            type_ = exports[case.invocations[site.use_at].export]
            assert (len(type_.params), len(type_.results)) == (site.params, site.results)
        else:
            assert 0 < site.use_at < len(module.funcs[site.func - imported].body)


@pytest.mark.parametrize("target", TARGETS)
def test_wasm_tools_agrees(target: str, wasm_tools: str, tmp_path: Path) -> None:
    for index in range(0, COUNT, 20):
        path = tmp_path / f"{index}.wasm"
        for content in make_case(target, 11, index).contents:
            path.write_bytes(content)
            result = subprocess.run(
                [wasm_tools, "validate", "--features", "all", str(path)], capture_output=True, text=True, check=False
            )
            assert result.returncode == 0, f"{target} {index}: {result.stderr}"


@pytest.mark.parametrize(
    "missing",
    [
        (Feature.SIMD, Feature.RELAXED_SIMD),
        (Feature.TAIL_CALL,),
        (Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.GC),
        (Feature.GC,),
        (Feature.FUNCTION_REFERENCES, Feature.GC),
        tuple(Feature(name) for name in sorted(f.value for f in Feature) if name != "multi_value"),
    ],
)
def test_features_can_be_taken_away(missing: tuple[Feature, ...]) -> None:
    config = EVERYTHING.without(*missing)
    for target in TARGETS:
        if load_target(target).needs - config.features:
            continue
        for index in range(40):
            case = make_case(target, 3, index, config)
            assert not case.features & {feature.value for feature in missing}
            for content in case.contents:
                validate(decode(content), config.features)


def test_limits_are_kept() -> None:
    config = Config(max_params=30, max_results=40)
    for target in TARGETS:
        for index in range(60):
            for type_ in decode(make_case(target, 3, index, config).content).func_types():
                # The consumer of all results takes them as parameters.
                assert len(type_.params) <= 40
                assert len(type_.results) <= 40


@pytest.mark.parametrize("most", [1, 2, 3])
def test_narrow_limits_make_cases_too(most: int) -> None:
    """Functions that a case needs besides, as a host's way in, may have a few parameters more than its limit."""
    config = Config(max_params=most, max_results=most)
    for target in TARGETS:
        for index in range(20):
            types = decode(make_case(target, 1, index, config).content).func_types()
            assert max(len(type_.params) for type_ in types) < 12
            assert max(len(type_.results) for type_ in types) < 12


def test_cases_do_not_depend_on_the_process() -> None:
    """Other hash seeds, and something else made before: the same cases."""
    seen = set()
    for hash_seed in ("0", "1", "424242"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(PROJECT)}
        command = [sys.executable, "-c", DIGEST]
        seen.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(seen) == 1


@pytest.mark.parametrize("target", TARGETS)
def test_choices_replay(target: str) -> None:
    generate = load_target(target).generate
    for index in range(40):
        source = source_of(target, 8, index)
        case = generate(source, DEFAULT)
        again = generate(ChoiceSource.replay(source.recorded()), DEFAULT)
        assert again == case


@pytest.mark.parametrize("target", TARGETS)
def test_no_choices_give_the_simplest_case(target: str) -> None:
    case = load_target(target).generate(ChoiceSource.replay(b""), DEFAULT)
    assert len(case.content) < 250
    assert len(decode(case.content).funcs) <= 3
    assert len(case.invocations) <= 3


def test_provenance_says_how_to_make_it_again() -> None:
    found = make_case("returns", 21, 4).provenance
    assert (found.target, found.seed, found.index, found.version) == ("returns", 21, 4, GENERATOR_VERSION)
    assert make_case(found.target, found.seed, found.index) == make_case("returns", 21, 4)
    assert make_case("returns", 21, 5).content != make_case("returns", 21, 4).content
    assert make_case("returns", 22, 4).content != make_case("returns", 21, 4).content


def test_any_bytes_make_a_valid_case() -> None:
    """Raw bytes, as a coverage-guided fuzzer gives them."""
    noise = ChoiceSource.seeded("noise")
    for length in (1, 3, 10, 50, 200, 1000, 4000):
        for target in TARGETS:
            for _ in range(4):
                case = load_target(target).generate(ChoiceSource.replay(noise.bytes(length)), DEFAULT)
                for content in case.contents:
                    validate(decode(content))
                check_case(case)


def test_a_row_as_wide_as_may_be_takes_no_reference_more() -> None:
    """A block of 1,000 results that br_on_non_null leaves would have 1,001."""
    case = make_case("control", 1, 608)
    assert max(site.results for site in case.sites) == 1000
    validate(decode(case.content), frozenset(map(Feature, case.features)))


def test_no_function_stores_hundreds_of_host_tokens() -> None:
    """1,331 stores in one function kept Wasmtime's checker of allocations for over a minute of a first run."""
    for index in (133, 371):
        module = decode(make_case("returns", 3957487327, index).content)
        assert max(sum(row.name == "table.set" for row, _ in func.body) for func in module.funcs) <= 32


PINNED = "12:0d594b34d63008ba"


def test_a_new_program_needs_a_new_version() -> None:
    """Who changes what a saved (target, seed, index) stands for raises GENERATOR_VERSION and pins the new digest.

    ``mutate`` is not among them: it draws from corpus/, which grows.
    """
    found = hashlib.sha256()
    for target in sorted(set(TARGETS) - {"mutate"}):
        for index in range(12):
            found.update(b"".join(make_case(target, 1, index).contents))
    assert f"{GENERATOR_VERSION}:{found.hexdigest()[:16]}" == PINNED
