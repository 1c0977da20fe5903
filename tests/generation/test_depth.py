"""Chains and nests: every instruction that gives what it takes, in each shape, valid and quick to execute."""

from __future__ import annotations

import pytest

from generators.config import DEFAULT
from generators.enumeration.depth import LENGTHS, case_of_depth, depths
from generators.enumeration.rows import operand_types, usable
from generators.registry import make_case
from oracles.interpreter import run_case
from wasm.decode import decode
from wasm.embedding import Exhausted, Returned
from wasm.validate import validate

EVERY = depths(DEFAULT.features)


def test_every_row_that_gives_what_it_takes() -> None:
    rows = {item.op for item in EVERY if item.shape != "blocks"}
    for op in usable(DEFAULT.features):
        own = op.results is not None and len(op.results) == 1 and op.results[0] in operand_types(op)
        assert (op.name in rows) is own, op.name
    assert {item.op for item in EVERY if item.shape == "blocks"} == {"block", "loop", "if", "try_table"}
    assert {item.shape for item in EVERY} == {"left", "right", "shared", "blocks"}


def test_the_shortest_come_first() -> None:
    lengths = [item.length for item in EVERY]
    assert lengths == sorted(lengths)
    assert sorted(set(lengths)) == list(LENGTHS)
    assert make_case("depth", 1, 0).content == case_of_depth(EVERY[0], 1).content
    assert make_case("depth", 1, len(EVERY)).content == case_of_depth(EVERY[0], 2).content


@pytest.mark.parametrize("length", [10, 1000])
def test_they_are_valid_and_end(length: int) -> None:
    """A sample of each length; no row is left out over both."""
    chosen = [item for item in EVERY if item.length == length]
    for number, item in enumerate(chosen):
        if length > 10 and number % 9:
            continue
        case = case_of_depth(item, 3)
        module = decode(case.content)
        validate(module)
        assert sum(op.name == item.op for op, _ in module.funcs[0].body) >= length
        assert not any(isinstance(outcome, Exhausted) for outcome in run_case(case).outcomes)


def test_a_hundred_thousand() -> None:
    item = next(one for one in EVERY if (one.op, one.shape, one.length) == ("i64.rotl", "right", 100_000))
    assert isinstance(run_case(case_of_depth(item, 1)).outcomes[0], Returned)
