"""The target ``mutate``: its edits keep modules valid, change them, and rarely make them trap or run on."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from pathlib import Path

import pytest

from generators.choices import ChoiceSource
from generators.config import DEFAULT
from generators.mutation.bases import SEEDS, any_case, base_targets, seeds
from generators.mutation.editor import Editor
from generators.mutation.edits import make_edit
from generators.mutation.fuel import add_fuel, fuelled
from generators.mutation.guards import CodeReader, deep_functions, guarded
from generators.registry import make_case
from oracles.interpreter import Budget, run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.embedding import Invocation, Observation, Returned, Value
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.isa import OPS
from wasm.rewrite.merging import merged
from wasm.rewrite.spaces import Space
from wasm.validate import validate
from wasm.valtypes import I32, I64

PROJECT = Path(__file__).resolve().parents[2]
COUNT = 150


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [make_case("mutate", 1, index) for index in range(COUNT)]


def cut_short(case: Case, seen: Observation) -> bool:
    """Whether something did not return before the last call site."""
    last = max((site.use_at for site in case.sites if site.func < 0), default=-1)
    return not seen.instantiated or any(not isinstance(outcome, Returned) for outcome in seen.outcomes[: last + 1])


def test_cases_are_edited_valid_and_end(cases: list[Case]) -> None:
    """At most one in six is cut short, bases that do so on purpose included (11% of 2,000), and 3% have free NaNs."""
    short = nans = 0
    labels = Counter[str]()
    for case in cases:
        seen = run_case(case, budget=Budget(steps=20_000_000))
        short += cut_short(case, seen)
        nans += seen.notes is not None and seen.notes.nan_observed_at is not None
        labels.update(case.labels)
        assert seen.notes is not None
        assert seen.notes.steps < 10_000_000, case.provenance
    assert labels["edited"] > 0.8 * COUNT
    assert labels["spliced"] > COUNT // 12
    assert labels["unedited"] < COUNT // 20
    assert short < COUNT // 6
    assert nans <= 0.03 * COUNT


def test_seeds_are_cases_that_run_to_their_end() -> None:
    paths = sorted(SEEDS.glob("*.json"))
    assert len(paths) > 40
    assert len({path.name.partition("-")[0] for path in paths} & set(base_targets(DEFAULT))) > 8
    for path in paths:
        case = Case.from_json(json.loads(path.read_text(encoding="utf-8")))
        seen = run_case(case)
        assert all(isinstance(outcome, Returned) for outcome in seen.outcomes)
        assert len(case.content) < 4000


def test_without_seeds_cases_come_from_other_targets(tmp_path: Path) -> None:
    assert seeds(DEFAULT, tmp_path) == ()
    targets = Counter(
        any_case(ChoiceSource.seeded("base", index), DEFAULT).provenance.target for index in range(30)
    )  # fmt: skip
    assert targets["file"]  # one that was made now has no origin yet
    assert len(targets) > 3


def test_seeds_keep_to_the_features() -> None:
    config = DEFAULT.without(Feature.SIMD, Feature.RELAXED_SIMD, Feature.GC)
    plain = seeds(config)
    assert 0 < len(plain) < len(seeds(DEFAULT))
    assert all("simd" not in case.features for case in plain)


def counting() -> ModuleBuilder:
    """``f(i32) -> i64``: a loop of four rounds around a product, and a division by an odd number."""
    m = ModuleBuilder()
    f = m.func((I32,), (I64,), export="f")
    n, x = f.local(I32), f.local(I64)
    f.i32(4)
    f.emit("local.set", n)
    f.i64(7)
    f.emit("local.set", x)
    label = f.open("loop")
    f.emit("local.get", x)
    f.i64(3)
    f.emit("i64.mul")
    f.emit("local.set", x)
    f.emit("local.get", n)
    f.i32(1)
    f.emit("i32.sub")
    f.emit("local.tee", n)
    f.br(label, "br_if")
    f.end()
    f.emit("local.get", x)
    f.i64(5)
    f.emit("i64.add")
    f.emit("local.get", 0)
    f.emit("i64.extend_i32_u")
    f.i64(1)
    f.emit("i64.or")
    f.emit("i64.div_u")
    m.memory(1, 1)
    return m


def test_what_ends_loops_and_guards_divisions_is_kept() -> None:
    module = counting().finish()
    context = ModuleContext.of(module)
    body = module.funcs[0].body
    code = CodeReader(context).read(module.funcs[0])
    assert code is not None
    guards = guarded(code, body, False, frozenset())
    kept = [(body[at][0].name, body[at][1]) for at in sorted(guards.kept)]
    assert ("i32.const", 4) in kept
    assert ("i32.sub", None) in kept
    assert ("i64.or", None) in kept
    assert ("i64.const", 1) in kept
    assert ("i64.mul", None) not in kept
    assert ("i64.const", 3) not in kept
    assert not guards.open_loops


def test_edits_of_one_function_are_many_and_harmless() -> None:
    """Four edits each, 200 times: all valid, none traps, nearly all compute something else or differently."""
    calls = tuple(Invocation("f", (Value("i32", value),)) for value in (0, 6))
    different = set()
    for turn in range(200):
        module = counting().finish()
        reader = CodeReader(ModuleContext.of(module))
        editor = Editor.open(module, reader, DEFAULT, ChoiceSource.seeded("edit", turn), 0, deep_functions(module))
        assert editor is not None
        done = [make_edit(editor) for _ in range(4)]
        assert True in done
        validate(module)
        content = encode(module)
        seen = run_case(Case(content, calls))
        assert all(isinstance(outcome, Returned) for outcome in seen.outcomes), turn
        different.add(content)
    assert len(different) > 180


def test_fuel_ends_a_loop_and_gives_zeros() -> None:
    m = ModuleBuilder()
    f = m.func((), (I64,), export="f")
    f.br(f.open("loop"))
    f.end()
    f.i64(9)
    module = m.finish()
    context = ModuleContext.of(module)
    fuel = add_fuel(module, 50)
    (move,) = fuelled(module.funcs[0], context.func_type(0), fuel)
    assert move[0] == 1
    validate(module)
    assert run_case(Case(encode(module), (Invocation("f"),))).outcomes == (Returned.of([Value("i64", 0)]),)


def test_two_modules_in_one_do_what_each_did() -> None:
    """Where the host acts on an export of the second it finds none, since that is renamed: those are left out."""
    compared = 0
    for index in range(0, 72, 2):
        first, second = (make_case(target, 4, index) for target in ("arith", "memory"))
        if "hosted_memory" in second.labels:
            continue
        module, _, moved = merged(decode(first.content), decode(second.content), "b_")
        validate(module)
        calls = [Invocation(f"b_{call.export}", call.args, call.entry) for call in second.invocations]
        both = run_case(Case(encode(module), (*first.invocations, *calls)))
        alone = [run_case(case) for case in (first, second)]
        if len(alone[0].outcomes) == len(first.invocations):
            assert both.outcomes == alone[0].outcomes + alone[1].outcomes
            compared += 1
        assert moved(Space.TYPE, 0) == len(decode(first.content).flat_types())
    assert compared > 20


def test_the_instruction_of_a_call_site_is_found_again(cases: list[Case]) -> None:
    """Sites in functions that no edit touched directly still point at an instruction of their function."""
    for case in cases:
        module = decode(case.content)
        imported = len(module.func_types()) - len(module.funcs)
        for site in case.sites:
            if site.func >= 0:
                body = module.funcs[site.func - imported].body
                assert 0 < site.use_at < len(body)
                assert body[site.use_at][0] is not OPS["else"]


def test_a_seed_needs_what_its_module_needs_whatever_its_file_says(tmp_path: Path) -> None:
    """A file may be older than what is known of features: engines without one got modules that need it."""
    path = next(path for path in sorted(SEEDS.glob("gc-*.json")) if '"gc"' in path.read_text(encoding="utf-8"))
    told = json.loads(path.read_text(encoding="utf-8"))
    (tmp_path / "old.json").write_text(json.dumps(told | {"features": []}), encoding="utf-8")
    (case,) = seeds(DEFAULT, tmp_path)
    assert case.features == frozenset(told["features"])
    assert seeds(DEFAULT.without(Feature.GC), tmp_path) == ()


def test_the_files_of_seeds_say_what_they_need() -> None:
    for path in sorted(SEEDS.glob("*.json")):
        case = Case.from_json(json.loads(path.read_text(encoding="utf-8")))
        required = {feature.value for feature in required_features(decode(case.content))}
        assert case.features == required, path.name


def test_seeds_are_installed() -> None:
    """Where they are missing, the same index makes another case: every seed is package data."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert "corpus" in settings["packages"]["find"]["include"]
    assert SEEDS == PROJECT / "corpus" / "seeds"
    packed = {path for pattern in settings["package-data"]["corpus"] for path in (PROJECT / "corpus").glob(pattern)}
    assert packed >= set(SEEDS.glob("*.json"))
