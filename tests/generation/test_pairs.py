"""The enumeration of the target ``pairs``: complete, each meeting once, valid, and compared almost everywhere."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from generators.config import DEFAULT
from generators.enumeration.listing import BLOCK, blocks, case_of, met, totals
from generators.enumeration.pairs import pairs, spread
from generators.enumeration.rows import MASKS, operand_types, rows_for, usable
from generators.enumeration.writing import FORMS, SINKS
from generators.registry import load_target, make_case
from oracles.interpreter import run_case
from wasm.decode import decode
from wasm.features import Feature
from wasm.isa import OPS
from wasm.validate import validate
from wasm.valtypes import I32, V128

FEATURES = DEFAULT.features


def test_every_meeting_stands_in_one_block() -> None:
    every = [meeting for block in blocks(FEATURES) for meeting in block.meetings]
    assert len(every) == len(set(every)) == sum(totals(FEATURES).values())
    assert totals(FEATURES)["pairs"] == len(pairs(FEATURES))
    assert all(len(block.meetings) <= BLOCK for block in blocks(FEATURES))
    assert load_target("pairs").count is not None


def test_every_row_of_numbers_and_vectors_takes_part() -> None:
    makers = {pair.maker for pair in pairs(FEATURES)}
    takers = {(pair.taker.op, pair.taker.position) for pair in pairs(FEATURES)}
    for op in OPS.values():
        allowed = op.feature is None or op.feature in FEATURES
        if op.pure is not None and op.params and allowed:
            assert op in makers or len(op.results or ()) != 1
            assert all((op, position) in takers for position in range(len(op.params)))
    # And what loads and stores.
    assert OPS["f64.load"] in makers
    assert (OPS["v128.store16_lane"], 1) in takers
    assert OPS["i32.const"] not in makers


def test_the_number_of_pairs() -> None:
    rows = rows_for(FEATURES)
    assert len(pairs(FEATURES)) == sum(len(makers) * len(rows.takers[type_]) for type_, makers in rows.makers.items())
    assert operand_types(OPS["i32.load"]) == (I32,)
    assert sum(1 for op in usable(FEATURES) if op.access is None) == 373 - 4  # wide arithmetic is another proposal


def test_each_form_meets_each_sink_for_every_maker() -> None:
    """Of a maker with at least 72 takers; and each form and each sink for any other with nine."""
    of: dict[str, list[tuple[object, object]]] = {}
    for pair in pairs(FEATURES):
        other, _, sink = spread(pair)
        of.setdefault(pair.maker.name, []).append((other, sink))
    for seen in of.values():
        if len(seen) >= len(FORMS) * len(SINKS):
            assert len(set(seen)) == len(FORMS) * len(SINKS)
        elif len(seen) >= len(SINKS):
            assert {sink for _, sink in seen} == set(SINKS)


def test_masks_are_masks() -> None:
    assert all(len(mask) == 16 and all(0 <= lane < 32 for lane in mask) for mask in MASKS)
    assert len(MASKS) > 80


CHOSEN = sorted(random.Random(5).sample(range(len(blocks(FEATURES))), 24))


@pytest.mark.parametrize("index", CHOSEN)
def test_blocks_are_valid_and_state_their_features(index: int) -> None:
    case = make_case("pairs", 3, index)
    block = blocks(FEATURES)[index]
    module = decode(case.content)
    validate(module)
    assert case.features <= {feature.value for feature in (*block.features, Feature.MULTI_VALUE, Feature.BULK_MEMORY)}
    assert met(case).total() == len(block.meetings)
    assert case.provenance.index == index


def test_nearly_everything_is_compared() -> None:
    """What comes after a NaN's open bits decided something is not. Stated: under one in twenty invocations."""
    compared = every = 0
    for index in CHOSEN:
        case = make_case("pairs", 3, index)
        notes = run_case(case).notes
        assert notes is not None
        every += len(case.invocations)
        compared += len(case.invocations) if notes.nan_observed_at is None else notes.nan_observed_at
    assert compared > 0.95 * every


def test_a_seed_changes_arguments_and_no_meeting() -> None:
    block = blocks(FEATURES)[7]
    one, other = case_of(FEATURES, block, 1), case_of(FEATURES, block, 2)
    assert Counter(call.export for call in one.invocations) == Counter(call.export for call in other.invocations)
    assert one.content != other.content
    count = len(blocks(FEATURES))
    assert make_case("pairs", 1, 7).content == one.content
    assert make_case("pairs", 1, count + 7).content == case_of(FEATURES, block, 1001).content


def test_an_engine_without_vectors_goes_through_all_scalars() -> None:
    scalar = [block for block in blocks(FEATURES) if Feature.SIMD not in block.features]
    rows = rows_for(FEATURES - {Feature.SIMD, Feature.RELAXED_SIMD})
    assert not rows.makers[V128]
    assert sum(len(block.meetings) for block in scalar) > 20_000


def test_what_is_known_steers_nothing() -> None:
    from dataclasses import replace

    assert make_case("pairs", 1, 3, replace(DEFAULT, avoid=("i32.rotl",))).content == make_case("pairs", 1, 3).content
