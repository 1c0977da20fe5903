"""The target ``startup``: forms and places of segments, kinds of imports, how start functions end, and what shows."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.registry import make_case
from oracles.interpreter.runner import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation, Returned, Threw, Trapped
from wasm.encode import encode
from wasm.isa import OPS, Op
from wasm.module import Data, ExternKind, Module, SegmentMode
from wasm.traps import TrapKind
from wasm.valtypes import FUNCREF, ref

COUNT = 300
RUN = 150
PAGE = 65536


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("startup", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def test_forms_and_places(cases: list[tuple[Case, Module]]) -> None:
    """All eight binary forms of element segments and three of data, with every kind of offset; the rarest is expected
    ten times: below 1e-3. Data end exactly at the end of a memory in at least a tenth of the modules."""
    forms: Counter[tuple[str, int]] = Counter()
    words: Counter[str] = Counter()
    exact = 0
    for _, module in cases:
        types = module.memory_types()
        ends = set()
        for elem in module.elems:
            listed = elem.type is ref("func", False) and all(expr[0][0] is OPS["ref.func"] for expr in elem.init)
            form = 0 if listed else 4
            if elem.mode is SegmentMode.ACTIVE:
                form |= 2 if elem.table or not (listed or elem.type is FUNCREF) else 0
            else:
                form |= 3 if elem.mode is SegmentMode.DECLARATIVE else 1
            forms["elem", form] += 1
            words.update(f"elem {op.name}" for expr in elem.init for op, _ in expr)
            words.update(f"offset {op.name}" for op, _ in elem.offset)
        for data in module.datas:
            active = data.mode is SegmentMode.ACTIVE
            forms["data", (2 if data.memory else 0) if active else 1] += 1
            words.update(f"offset {op.name}" for op, _ in data.offset)
            if active and len(data.offset) == 1 and data.offset[0][0].name.endswith("const"):
                ends.add(data.offset[0][1] + len(data.init) == types[data.memory].limits.minimum * PAGE)
        exact += True in ends
    assert all(forms["elem", form] >= 5 for form in range(8)), forms
    assert all(forms["data", form] >= 20 for form in range(3)), forms
    for word in ("elem ref.func", "elem ref.null", "elem global.get", "elem ref.i31", "elem struct.new",
                 "offset i32.const", "offset i64.const", "offset i32.add", "offset i32.sub", "offset i32.mul",
                 "offset global.get"):  # fmt: skip
        assert words[word] >= 3, word
    assert exact >= COUNT // 10


def test_imports_and_starts(cases: list[tuple[Case, Module]]) -> None:
    """Every kind of import; start functions of the module and of the host; ends on purpose in at most one of six."""
    seen: Counter[str] = Counter()
    for case, module in cases:
        for kind in ExternKind:
            seen[kind.name] += bool(module.imported(kind))
        if module.start is not None:
            seen["host start" if module.start < len(module.imported(ExternKind.FUNC)) else "own start"] += 1
        seen.update(case.labels)
    for name in ("FUNC", "TABLE", "MEMORY", "GLOBAL", "TAG"):
        assert seen[name] >= 20, name
    assert seen["own start"] > COUNT / 2
    assert seen["host start"] >= 5
    assert min(seen[label] for label in ("segment_traps", "start_traps")) >= 5
    assert seen["start_throws"] >= 2
    assert seen["segment_traps"] + seen["start_traps"] + seen["start_throws"] <= COUNT // 6


def test_what_runs(cases: list[tuple[Case, Module]]) -> None:
    """Instantiation fails only where a label says so, and calls trap only in cases labelled ``traps``."""
    executed: Counter[Op] = Counter()
    logged = failed = 0
    for index, (case, module) in enumerate(cases[:RUN]):
        counts: dict[Op, int] = {}
        seen = run_case(case, module, counts=counts)
        executed.update(counts.keys())
        assert seen.notes is not None
        assert seen.notes.nan_observed_at is None, index
        logged += bool(seen.host_calls)
        match seen.instantiation:
            case Returned():
                assert not case.labels & {"segment_traps", "start_traps", "start_throws"}, index
                assert all(isinstance(outcome, Returned) for outcome in seen.outcomes) or "traps" in case.labels, index
            case Trapped(kinds):
                failed += 1
                assert case.labels & {"segment_traps", "start_traps"}, index
                assert kinds <= {TrapKind.MEMORY_OOB, TrapKind.TABLE_OOB, TrapKind.UNREACHABLE}
            case outcome:
                failed += 1
                assert isinstance(outcome, Threw)
                assert "start_throws" in case.labels, index
    assert failed <= RUN // 5
    assert logged >= RUN // 5
    for name in ("memory.init", "data.drop", "table.init", "table.copy", "call_indirect", "global.set"):
        assert executed[OPS[name]] >= 5, name


def test_a_wrong_segment_shows(cases: list[tuple[Case, Module]]) -> None:
    """One bit of one active data segment: seven in ten show. The others are covered by a later segment or by the host,
    or lie where nobody looks in a memory that is private."""
    tried = missed = 0
    for case, module in cases[:RUN]:
        wrong = _flipped(case)
        if wrong is not None:
            tried += 1
            missed += _seen(run_case(wrong)) == _seen(run_case(case, module))
    assert tried >= RUN // 2
    assert missed <= 0.3 * tried


def _flipped(case: Case) -> Case | None:
    if case.labels & {"segment_traps", "start_traps", "start_throws"}:
        return None
    module = decode(case.content)
    for i, data in enumerate(module.datas):
        if data.mode is SegmentMode.ACTIVE and len(data.init) > 3:
            init = bytes([*data.init[:2], data.init[2] ^ 0x40, *data.init[3:]])
            module.datas[i] = Data(init, data.mode, data.memory, data.offset)
            return case.with_content(encode(module))
    return None


def _seen(observation: Observation) -> object:
    return observation.outcomes, observation.globals, observation.memories, observation.tables, observation.host_calls
