"""The target ``pressure``: how many values of each class live across calls, over what, and that cases end."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

import pytest

from generators.registry import make_case
from oracles.engine import Engine
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.module import Func, Module
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, ValType

COUNT = 240
RUN = 60
CALLS = frozenset({"call", "call_indirect", "call_ref"})
INTEGERS: tuple[ValType, ...] = (I32, I64)
FLOATS: tuple[ValType, ...] = (F32, F64, V128)


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("pressure", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def live_across_calls(module: Module, func: Func) -> list[Counter[str]]:
    """For each call of a function, how many locals of each class are read behind it before they are written again.

    Counted in the order of the text: what lives only round a loop is left out, and so is the stack.
    """
    type_ = module.flat_types()[func.type_index].composite
    assert isinstance(type_, FuncType)
    types = [*type_.params, *(kind for count, kind in func.locals for _ in range(count))]
    calls = [at for at, (op, _) in enumerate(func.body) if op.name in CALLS]
    live: list[Counter[str]] = [Counter() for _ in calls]
    last = dict.fromkeys(range(len(type_.params)), -1)
    for at, (op, imm) in enumerate(func.body):
        if op.name == "local.get" and imm in last:
            kind = "int" if types[imm] in INTEGERS else "float" if types[imm] in FLOATS else "ref"
            for i in range(bisect_left(calls, last[imm]), bisect_left(calls, at)):
                live[i][kind] += 1
        if op.name in ("local.get", "local.set", "local.tee"):
            last[imm] = at
    return live


def test_live_values(cases: list[tuple[Case, Module]]) -> None:
    """More than 16 integers live across some call in 62% of the cases, floats or vectors in 57%, both across one call
    in 40%, more than 32 of both in 4%, more than 4 references in 11%: each bound is missed with less than 1e-3."""
    seen: Counter[str] = Counter()
    for _, module in cases:
        calls = [call for func in module.funcs for call in live_across_calls(module, func)]
        seen["int"] += any(call["int"] > 16 for call in calls)
        seen["float"] += any(call["float"] > 16 for call in calls)
        seen["both"] += any(call["int"] > 16 and call["float"] > 16 for call in calls)
        seen["far"] += any(call["int"] > 32 and call["float"] > 32 for call in calls)
        seen["ref"] += any(call["ref"] > 4 for call in calls)
    assert seen["int"] >= 0.48 * COUNT
    assert seen["float"] >= 0.45 * COUNT
    assert seen["both"] >= 0.28 * COUNT
    assert seen["far"] >= 2
    assert seen["ref"] >= 10


def test_what_they_live_across(cases: list[tuple[Case, Module]]) -> None:
    """Each is in at least 5% of the cases: fewer than two of 240 have a probability below 1e-4."""
    seen: Counter[str] = Counter()
    for case, module in cases:
        seen.update({op.name for func in module.funcs for op, _ in func.body})
        seen.update({site.kind for site in case.sites} | case.labels)
    for name in (
        "call_indirect", "call_ref", "return_call", "return_call_indirect", "return_call_ref", "try_table", "throw",
        "loop", "br_table", "if", "memory.fill", "memory.copy", "memory.grow", "i32.div_s",
        "i32.div_u", "i32.rem_s", "i32.shl", "i32.rotr", "i64.div_s", "i64.rem_u", "i64.shr_s", "f64.nearest",
        "f32.ceil", "select_t", "direct", "indirect", "ref", "import", "return", "tail", "self",
    ):  # fmt: skip
        assert seen[name] >= 2, name


def test_cases_run_to_their_end(interpreter: Engine) -> None:
    """Every invocation returns and every site is passed, but for a labelled minority that traps at its end."""
    trapped = 0
    for index in range(RUN):
        case = make_case("pressure", 77, index)
        observation = interpreter.run(case)
        notes = observation.notes
        assert notes is not None
        assert notes.nan_observed_at is None, index
        assert notes.steps < 500_000
        assert notes.depth < 200
        if all(isinstance(outcome, Returned) for outcome in observation.outcomes):
            assert len(observation.outcomes) == len(case.invocations)
            assert len(notes.executed_sites) == len(case.sites), index
        else:
            assert "traps" in case.labels
            trapped += 1
    assert trapped <= RUN // 10
