"""The target ``tries``: what its modules contain, that its handlers run when they should, and which one does."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.control.try_tables import Clause, Handler, TryTable, settle
from generators.registry import make_case
from oracles.engine import Engine
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned, Threw
from wasm.module import Module

COUNT = 400
RUN = 70


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("tries", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def handler(level: int, tag: int | None, action: str, other: int = 0) -> Handler:
    return Handler(level, tag, (), action in ("rethrow", "keep"), action, other)


def test_the_first_clause_that_fits_catches() -> None:
    ends, turns = handler(0, 1, "results"), handler(1, 0, "other", 1)
    outer = TryTable(0, [Clause("catch", 1, ends)], [ends])
    inner = TryTable(1, [Clause("catch", 0, turns)], [turns])
    assert settle([outer, inner], 0) == (None, [turns, ends])
    assert settle([outer, inner], 1) == (None, [ends])
    assert settle([outer, inner], 2) == (2, [])
    late = handler(1, 0, "results")
    shadowed = TryTable(1, [Clause("catch_all", None, handler(1, None, "results")), Clause("catch", 0, late)])
    assert late not in settle([outer, shadowed], 0)[1]


def test_a_clause_may_jump_over_try_tables() -> None:
    """A handler of an outer guard is outside of all try_tables between, so these don't see what it throws."""
    far, middle = handler(0, 0, "rethrow"), handler(1, None, "results")
    tries = [
        TryTable(0, [Clause("catch", 0, far)], [far]),
        TryTable(1, [Clause("catch_all", None, middle)], [middle]),
        TryTable(2, [Clause("catch_ref", 0, far)], []),
    ]
    assert settle(tries, 0) == (0, [far])
    assert settle(tries, 1) == (None, [middle])


def test_cases_run_to_their_end(interpreter: Engine) -> None:
    """Nothing traps; exceptions get to the host only where that is meant; every site that is listed is passed."""
    escapes = throws = 0
    for index in range(RUN):
        case = make_case("tries", 77, index)
        observation = interpreter.run(case)
        notes = observation.notes
        assert notes is not None
        assert notes.nan_observed_at is None, index
        assert notes.steps < 1_000_000
        assert len(observation.outcomes) == len(case.invocations)
        for outcome in observation.outcomes:
            assert isinstance(outcome, Returned) or (isinstance(outcome, Threw) and "escapes" in case.labels), index
        inside = {i for i, site in enumerate(case.sites) if site.kind != "host"}
        assert inside <= notes.executed_sites, index
        escapes += "escapes" in case.labels
        throws += any(site.kind == "throw" for site in case.sites)
    assert escapes < RUN // 5
    assert throws > RUN // 3


def test_shapes(cases: list[tuple[Case, Module]]) -> None:
    """Each is expected ten times and more in 400 cases: a miss has a probability below 1e-3."""
    labels = Counter(label for case, _ in cases for label in case.labels)
    for name in ("one", "below", "pass", "local", "rounds", "retry", "kept", "deep", "escapes"):
        assert labels[name] >= 5, name
    kinds: Counter[str] = Counter()
    deepest = 0
    widest_results = widest_payload = 0
    tails = 0
    for _, module in cases:
        types = module.flat_types()
        for func in module.funcs:
            depth = 0
            opened: list[bool] = []
            for op, imm in func.body:
                if op.name == "try_table":
                    kinds.update(clause.kind for clause in imm[1])
                    opened.append(True)
                    depth += 1
                    deepest = max(deepest, depth)
                elif op.name in ("block", "loop", "if"):
                    opened.append(False)
                elif op.name == "end" and opened:
                    depth -= opened.pop()
                elif op.name.startswith("return_call") and depth:
                    tails += 1
                kinds[op.name] += op.name in ("throw", "throw_ref", "br_on_null")
        widest_payload = max(widest_payload, *(len(types[tag.type_index].composite.params) for tag in module.tags))  # type: ignore[union-attr]
        widest_results = max(widest_results, *(len(type_.results) for type_ in module.func_types()))
    for name in ("catch", "catch_ref", "catch_all", "catch_all_ref", "throw", "throw_ref", "br_on_null"):
        assert kinds[name] >= 30, name
    assert deepest >= 255
    assert tails >= 20
    assert widest_payload >= 510
    assert widest_results >= 510


def test_wide_cases(cases: list[tuple[Case, Module]]) -> None:
    """Over 20 results, parameters or payload values at some site: 41% are drawn; below 30% has 1e-5."""
    assert sum(any(site.wide for site in case.sites) for case, _ in cases) >= 0.3 * COUNT
