"""Aims as text, as JSON, in files, and as functions: valid, compared, inside and outside told apart."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from generators.aims.aim import Aim, Apply, BadAim, digest, from_json, merged, parse, parts, result_type, text
from generators.aims.listing import Aims, blocks, case_of
from generators.aims.own import own_aims, read_list
from generators.aims.store import NoAims, names_at_hand, read_aims, write_aims
from generators.aims.writing import FORMS, variations
from generators.config import DEFAULT
from generators.enumeration.listing import BLOCK, met
from generators.registry import known_targets, load_target, make_case, version_of
from oracles.interpreter import run_case
from wasm.decode import decode
from wasm.features import Feature
from wasm.isa import OPS
from wasm.validate import validate
from wasm.valtypes import F64, I32

FEATURES = DEFAULT.features
ROTATION = Aim(
    parse("(i32.or (i32.shl x:i32 (i32.const $0)) (i32.shr_u x:i32 (i32.const $1)))"), ((7, 25),), ((7, 24),), ("a:1",)
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


# --- texts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("aim", own_aims(), ids=lambda aim: text(aim.tree)[:50])
def test_an_aim_of_ours_is_what_it_says(aim: Aim) -> None:
    assert parse(text(aim.tree)) == aim.tree
    assert from_json(aim.to_json()) == aim
    open_ = {int(word[1:]) for word in text(aim.tree).replace(")", " ").split() if word[0] == "$"}
    assert all(len(values) == len(open_) == max(open_, default=-1) + 1 for values in (*aim.inside, *aim.outside))
    assert not set(aim.inside) & set(aim.outside)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("(i32.add x:i32)", "other operands"),
        ("(i32.add x:i32 y:i64)", "other operands"),
        ("(i32.const)", "other operands"),
        ("(i32.load x:i32)", "other operands"),
        ("(select x:i32 y:i64 z:i32)", "select takes two values of one type"),
        ("(i32.plus x:i32 y:i32)", "line 1: neither an instruction"),
        ("x:i33", "its type is one of i32"),
        ("x:i32 y:i32", "is not one tree"),
    ],
)
def test_what_is_no_aim_is_told(wrong: str, told: str) -> None:
    with pytest.raises(BadAim, match=told):
        parse(wrong)


def test_types_of_results() -> None:
    assert result_type(parse("(f64.convert_i32_s x:i32)")) is F64
    assert result_type(parse("(i32.store @ x:i32)")) is None
    assert result_type(parse("(select x:f64 y:f64 (i32.eqz c:i32))")) is F64
    assert result_type(ROTATION.tree) is I32


def test_aims_of_several_rules_are_one() -> None:
    other = Aim(ROTATION.tree, ROTATION.inside, ROTATION.outside, ("b:2",))
    assert merged([ROTATION, other]) == (Aim(ROTATION.tree, ROTATION.inside, ROTATION.outside, ("a:1", "b:2")),)
    assert digest([ROTATION]) == digest([other])
    assert digest([ROTATION]) != digest([ROTATION, ROTATION])


# --- functions --------------------------------------------------------------------------------------------------------


def test_variations_are_inside_outside_and_with_what_is_shared_apart() -> None:
    found = variations(ROTATION)
    assert Counter((one.values, one.apart) for one in found) == {
        ((7, 25), ""): FORMS, ((7, 24), ""): FORMS, ((7, 25), "x"): FORMS,
    }  # fmt: skip


def test_every_variation_stands_in_one_block() -> None:
    aims = Aims("own", own_aims())
    every = [number for block in blocks(aims, FEATURES) for number, _ in block.variations]
    assert sorted(every) == list(range(len(every)))
    assert len(every) == sum(len(variations(aim)) for aim in aims.aims)
    assert all(len(block.variations) <= BLOCK for block in blocks(aims, FEATURES))


def test_blocks_are_valid_and_nearly_everything_is_compared() -> None:
    """What comes after a NaN's open bits decided something is not. Stated: under one in a hundred invocations."""
    target = load_target("rules")
    assert target.count is not None
    compared = every = 0
    for index in range(0, target.count(DEFAULT), 3):
        case = make_case("rules", 3, index)
        validate(decode(case.content))
        assert met(case)["variations"] == len({call.export for call in case.invocations})
        notes = run_case(case).notes
        assert notes is not None
        every += len(case.invocations)
        compared += len(case.invocations) if notes.nan_observed_at is None else notes.nan_observed_at
    assert compared > 0.99 * every


def test_a_tree_is_in_its_function_as_it_is() -> None:
    """The rows of an aim, in order, whatever its leaves and its sink are."""
    rows = [part.row for part in parts(ROTATION.tree) if isinstance(part, Apply)]
    for block in blocks(Aims("one", (ROTATION,)), FEATURES):
        module = decode(case_of(block, 1).content)
        numbers = [export.index for export in module.exports if export.name.startswith("r")]
        assert len(numbers) == len(block.variations)
        for number in numbers:
            names = [row.name for row, _ in module.funcs[number].body]
            assert Counter(rows) - Counter(names) == Counter()


def test_without_vectors_all_scalars_are_left() -> None:
    aims = Aims("own", own_aims())
    scalars = blocks(aims, FEATURES - {Feature.SIMD, Feature.RELAXED_SIMD})
    assert sum(len(block.variations) for block in scalars) > 1000
    assert all(OPS[part.row].feature is not Feature.SIMD for block in scalars for _, one in block.variations
               for part in parts(one.aim.tree) if isinstance(part, Apply))  # fmt: skip


def test_a_seed_changes_arguments_and_no_aim() -> None:
    target = load_target("rules")
    assert target.count is not None
    one, other = make_case("rules", 1, 2), make_case("rules", 2, 2)
    assert {call.export for call in one.invocations} == {call.export for call in other.invocations}
    assert one.invocations != other.invocations
    again = make_case("rules", 1, target.count(DEFAULT) + 2)
    assert {call.export for call in again.invocations} == {call.export for call in one.invocations}


# --- files ------------------------------------------------------------------------------------------------------------


def test_aims_of_a_release_are_a_target_of_their_own(cache: Path) -> None:
    assert names_at_hand() == ()
    aims = [aim.to_json() for aim in (ROTATION, *read_list("one | (i64.clz x:i64) |"))]
    path = write_aims("wasmtime@1.2.3", {"version": 1, "name": "wasmtime@1.2.3", "files": {}, "left": [], "aims": aims})
    assert path.is_relative_to(cache)
    assert "rules:wasmtime@1.2.3" in known_targets()
    case = make_case("rules:wasmtime@1.2.3", 1, 0)
    validate(decode(case.content))
    data = load_target("rules:wasmtime@1.2.3").data
    # A series with other aims is another series, whatever its name is.
    assert case.provenance.version == version_of(["rules:wasmtime@1.2.3"])
    assert data in case.provenance.version
    assert data == read_aims("wasmtime@1.2.3").digest()


def test_aims_that_are_not_there_are_told(cache: Path) -> None:
    with pytest.raises(NoAims, match=r"fuzz rules wasmtime@9\.9\.9 reads them"):
        make_case("rules:wasmtime@9.9.9", 1, 0)
    with pytest.raises(ValueError, match="pairs has no variants"):
        load_target("pairs:wasmtime@1.2.3")
    path = write_aims("wasmtime@1.2.4", {"version": 99})
    with pytest.raises(BadAim, match="fuzz rules writes it anew"):
        read_aims("wasmtime@1.2.4")
    path.write_text("not JSON")
    with pytest.raises(BadAim, match="no file of aims"):
        read_aims("wasmtime@1.2.4")
    assert cache.is_dir()
