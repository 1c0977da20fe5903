"""The target ``tables``: what its modules contain, which instructions run and trap, and that a wrong element shows."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.registry import make_case
from oracles.interpreter.runner import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation, Returned, Trapped
from wasm.encode import encode
from wasm.isa import OPS, Op
from wasm.module import Elem, ExternKind, Module, SegmentMode
from wasm.traps import TrapKind

COUNT = 300
RUN = 150


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("tables", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def test_kinds_of_tables(cases: list[tuple[Case, Module]]) -> None:
    """Types, sizes, sources of elements; the rarest is expected 15 times: below 1e-5."""
    seen: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for _, module in cases:
        for table in module.tables:
            heap = table.type.ref.heap
            seen[heap if isinstance(heap, str) else "typed"] += 1
            seen["64-bit"] += table.type.index64
            seen["no null"] += not table.type.ref.nullable
            seen["initialiser"] += table.init is not None
            sizes[table.type.limits.minimum] += 1
            assert table.type.limits.maximum is not None
            assert table.type.limits.maximum <= 10_000
        imports = [(item.module, item.name) for item in module.imported(ExternKind.TABLE)]
        seen["imported"] += bool(imports)
        seen["twice"] += len(set(imports)) < len(imports)
        seen["subtypes"] += any(sub.supertypes for sub in module.flat_types())
        for elem in module.elems:
            listed = all(expr[0][0] is OPS["ref.func"] for expr in elem.init)
            seen[f"{elem.mode.value} {'functions' if listed else 'expressions'}"] += 1
    for name in ("func", "extern", "typed", "i31", "any", "eq", "64-bit", "no null", "initialiser", "imported", "twice",
                 "subtypes", "active functions", "active expressions", "passive functions", "passive expressions",
                 "declarative functions"):  # fmt: skip
        assert seen[name] >= 3, name
    assert min(sizes[size] for size in (1, 2, 4, 7, 8, 16, 17, 33)) >= 5
    assert max(sizes) == 1000


def test_what_runs_and_what_traps(cases: list[tuple[Case, Module]]) -> None:
    """Every table instruction runs; every kind of its traps happens, and only in labelled cases.

    A trap comes before the last call site in 20% of the cases, the share drawn; above 30% has a probability of 1e-2.
    """
    executed: Counter[Op] = Counter()
    kinds: Counter[TrapKind] = Counter()
    early = 0
    for index, (case, module) in enumerate(cases[:RUN]):
        counts: dict[Op, int] = {}
        seen = run_case(case, module, counts=counts)
        executed.update(counts.keys())
        assert seen.instantiated
        assert seen.notes is not None
        assert seen.notes.nan_observed_at is None, index
        ended = [isinstance(outcome, Returned) for outcome in seen.outcomes]
        assert all(ended) or "traps" in case.labels, index
        assert len(ended) == len(case.invocations)
        early += not all(ended[: max(site.use_at for site in case.sites) + 1])
        for outcome in seen.outcomes:
            if isinstance(outcome, Trapped):
                kinds.update(outcome.kinds)
    for name in ("call_indirect", "return_call_indirect", "call_ref", "return_call_ref", "table.get", "table.set",
                 "table.init", "elem.drop", "table.copy", "table.grow", "table.size", "table.fill", "ref.test",
                 "ref.cast"):  # fmt: skip
        assert executed[OPS[name]] >= 5, name
    for kind in (TrapKind.TABLE_OOB, TrapKind.UNDEFINED_ELEMENT, TrapKind.UNINITIALIZED_ELEMENT,
                 TrapKind.INDIRECT_TYPE_MISMATCH, TrapKind.CAST_FAILURE, TrapKind.NULL_REFERENCE):  # fmt: skip
        assert kinds[kind] >= 3, kind
    assert early <= 0.3 * RUN


def test_a_wrong_element_shows(cases: list[tuple[Case, Module]]) -> None:
    """Two functions that stand in one another's place in the first active segment: three in four show.

    What may be missed: what is overwritten before anybody looks, and functions that answer the same."""
    tried = missed = 0
    for case, module in cases[:RUN]:
        wrong = _swapped(case)
        if wrong is not None:
            tried += 1
            missed += _seen(run_case(wrong)) == _seen(run_case(case, module))
    assert tried >= RUN // 3
    assert missed <= 0.25 * tried


def _swapped(case: Case) -> Case | None:
    module = decode(case.content)
    for i, elem in enumerate(module.elems):
        if elem.mode is SegmentMode.ACTIVE and len(elem.init) > 1 and elem.init[0] != elem.init[1]:
            init = (elem.init[1], elem.init[0], *elem.init[2:])
            module.elems[i] = Elem(elem.type, init, elem.mode, elem.table, elem.offset)
            return case.with_content(encode(module))
    return None


def _seen(observation: Observation) -> object:
    return observation.outcomes, observation.globals, observation.memories, observation.tables, observation.host_calls
