"""What ``shapes`` makes is what recognisers see, and how often; what a case computes is determined."""

from __future__ import annotations

from collections import Counter

from generators.config import EVERYTHING
from generators.registry import make_case
from generators.shapes import flow, memory
from generators.shapes.catalogue import SHAPES, shapes_in
from oracles.interpreter import run_case
from wasm.decode import decode
from wasm.embedding import Returned

COUNT = 200
ELSEWHERE = {
    "one global imported twice", "one memory imported twice", "one table imported twice",
    "size or growth of a memory that is as large as can be", "a call of more than 16 results in a try_table",
    "a reference on the stack below a try_table with a call", "an imported function that is exported",
}  # fmt: skip
"""Of memory and flow, what other targets make."""


def test_names_are_unique() -> None:
    names = [shape.name for shape in SHAPES]
    assert len(set(names)) == len(names) >= 100


def test_every_shape_of_memory_and_flow_is_made() -> None:
    """The rarest (waiting at memory's end, in 15 of 1,000 cases) is not asked for. Of the others an array from elements
    that are gone is as rare: in none of 200 cases with a probability of 5%; the rest are in 30 and more of 1,000, and
    each in none with one of 0.2% at most."""
    seen: Counter[str] = Counter()
    for index in range(COUNT):
        seen.update(shapes_in(make_case("shapes", 1, index, EVERYTHING)))
    wanted = {shape.name for shape in (*memory.SHAPES, *flow.SHAPES)} - ELSEWHERE
    assert wanted - set(seen) <= {"notify or wait by a constant, at the last bytes of its memory"}
    assert seen["an if without else whose parameters are subtypes of its results"] >= 5


def test_cases_run_to_their_end() -> None:
    """What traps are functions of their own; no open NaN is looked at."""
    for index in range(COUNT):
        case = make_case("shapes", 2, index, EVERYTHING)
        observation = run_case(case, decode(case.content))
        assert observation.instantiated
        assert observation.notes is not None
        assert observation.notes.nan_observed_at is None, index
        for call, outcome in zip(case.invocations, observation.outcomes, strict=True):
            if not call.export.startswith(("past", "trap")) and "traps" not in case.labels:
                assert isinstance(outcome, Returned), (index, call.export)
