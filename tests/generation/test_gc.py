"""What ``gc`` reaches: every instruction on objects, executed; deep and recursive types; casts of both ends."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from generators.registry import make_case
from oracles.interpreter.budget import Budget
from oracles.interpreter.runner import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation, Returned
from wasm.features import Feature
from wasm.isa import ROWS, Op
from wasm.module import Module
from wasm.traps import TrapKind
from wasm.valtypes import ArrayType, FuncType, PackedType, RefType, StructType

COUNT = 250
TRACED = 60
CASTS = ("ref.test", "ref.test_null", "br_on_cast", "br_on_cast_fail")

Run = tuple[Case, Module, Observation, dict[Op, int]]


class Casts:
    """Counts how casts ended: (instruction, whether it was the type)."""

    def __init__(self) -> None:
        self.ended: Counter[tuple[str, bool]] = Counter()
        self.open: tuple[str, int, int] | None = None

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:
        del imm, locals_
        if self.open is not None:
            name, where, position = self.open
            if where == func:
                if name.startswith("ref.test"):
                    hit = bool(stack[-1])
                else:
                    hit = (at == position + 1) is (name == "br_on_cast_fail")
                self.ended[name, hit] += 1
            self.open = None
        if op.name in CASTS:
            self.open = op.name, func, at


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    made = []
    for index in range(COUNT):
        case = make_case("gc", 1, index)
        counts: dict[Op, int] = {}
        made.append((case, decode(case.content), run_case(case, counts=counts), counts))
    return made


def test_every_instruction_on_objects_is_executed(runs: list[Run]) -> None:
    """Each in 6 of 250 cases or more; the rarest is expected in 15: missed by chance less than once in 100 seeds."""
    executed = Counter(op for _, _, _, counts in runs for op in counts)
    wanted = [row for row in ROWS if row.feature is Feature.GC]
    assert len(wanted) == 32
    assert not [(row.name, executed[row]) for row in wanted if executed[row] < 6]


def test_casts_succeed_and_fail() -> None:
    """Of the casts of each kind at least one in eight succeeds and one in eight fails, of hundreds."""
    casts = Casts()
    for index in range(TRACED):
        run_case(make_case("gc", 2, index), budget=Budget(steps=20_000), tracer=casts)
        casts.open = None
    for name in CASTS:
        hits, misses = casts.ended[name, True], casts.ended[name, False]
        assert hits + misses >= 40, name
        assert min(hits, misses) * 8 >= hits + misses, (name, hits, misses)


def test_cases_end(runs: list[Run]) -> None:
    """Before the host's last call of what a case is about, at most a tenth of the cases trap; after it each kind.
    The longest of 1,250 took 205,000 steps."""
    early = 0
    kinds: Counter[TrapKind] = Counter()
    for case, _, observation, _ in runs:
        notes = observation.notes
        assert notes is not None
        assert notes.nan_observed_at is None
        assert notes.steps < 300_000
        assert len(observation.outcomes) == len(case.invocations)
        last = max(site.use_at for site in case.sites if site.kind == "host")
        ended = [isinstance(outcome, Returned) for outcome in observation.outcomes]
        early += not all(ended[: last + 1])
        assert all(ended) or "traps" in case.labels
        for outcome in observation.outcomes:
            kinds.update(getattr(outcome, "kinds", ()))
    assert early <= COUNT // 10
    for kind in (TrapKind.NULL_REFERENCE, TrapKind.ARRAY_OOB, TrapKind.CAST_FAILURE, TrapKind.INDIRECT_TYPE_MISMATCH):
        assert kinds[kind] >= 5


def test_types(runs: list[Run]) -> None:
    """Chains of subtypes of every length to 8 and some over 30, recursive groups, packed and covariant fields."""
    depths: Counter[int] = Counter()
    seen: Counter[str] = Counter()
    for _, module, _, _ in runs:
        flat = module.flat_types()
        depth: list[int] = []
        words = set()
        for index, sub in enumerate(flat):
            depth.append(1 + max((depth[parent] for parent in sub.supertypes), default=-1))
            words |= described(module, index)
        depths[max(depth)] += 1
        words |= {"group" for group in module.types if len(group) > 1}
        seen.update(words)
    assert all(depths[depth] for depth in range(6))
    assert sum(count for depth, count in depths.items() if depth > 7) >= 4
    assert sum(count for depth, count in depths.items() if depth > 30) >= 1
    for word in ("group", "forward", "itself", "packed", "covariant", "contravariant", "array", "wide", "open"):
        assert seen[word] >= 5, word


def described(module: Module, index: int) -> set[str]:
    """What is remarkable about one type."""
    flat = module.flat_types()
    sub = flat[index]
    words = set() if sub.final else {"open"}
    composite = sub.composite
    parent = flat[sub.supertypes[0]].composite if sub.supertypes else None
    if isinstance(composite, FuncType):
        assert parent is None or isinstance(parent, FuncType)
        if parent is not None and parent.params != composite.params:
            words.add("contravariant")
        return words
    fields = composite.fields if isinstance(composite, StructType) else (composite.field,)
    words |= {"array"} if isinstance(composite, ArrayType) else set()
    words |= {"wide"} if len(fields) > 40 else set()
    words |= {"packed"} if any(isinstance(field.storage, PackedType) for field in fields) else set()
    heaps = [field.storage.heap for field in fields if isinstance(field.storage, RefType)]
    words |= {"itself"} if index in heaps else set()
    words |= {"forward"} if any(isinstance(heap, int) and heap > index for heap in heaps) else set()
    if parent is not None and not isinstance(parent, FuncType):
        above = parent.fields if isinstance(parent, StructType) else (parent.field,)
        words |= {"covariant"} if fields[: len(above)] != above else set()
    return words
