"""The target ``locals``: how many there are, which indexes are used, what lives across calls, and that cases end."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.registry import make_case
from oracles.engine import Engine
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.limits import LOCALS
from wasm.module import Func, Module
from wasm.valtypes import FuncType

COUNT = 300
RUN = 60
CALLS = frozenset({"call", "call_indirect", "call_ref"})
ACCESSES = frozenset({"local.get", "local.set", "local.tee"})


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("locals", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def params(module: Module, func: Func) -> int:
    type_ = module.flat_types()[func.type_index].composite
    assert isinstance(type_, FuncType)
    return len(type_.params)


def size(module: Module, func: Func) -> int:
    return params(module, func) + sum(count for count, _ in func.locals)


def live_across_a_call(func: Func) -> set[int]:
    """Locals that are written before some call and read behind it, in the order of the text."""
    live: set[int] = set()
    written: dict[int, int] = {}
    calls = 0
    for op, imm in func.body:
        calls += op.name in CALLS
        if op.name == "local.get" and written.get(imm, calls) < calls:
            live.add(imm)
        elif op.name in ACCESSES:
            written[imm] = calls
    return live


def test_numbers_of_locals(cases: list[tuple[Case, Module]]) -> None:
    """The first choice of a case decides, which runs evenly through its range: over 1,000 in 20% of the cases, over
    16,384 in 6%, exactly the limit in 1%."""
    sizes = [max(size(module, func) for func in module.funcs) for _, module in cases]
    assert max(sizes) == LOCALS
    assert sum(n > 1000 for n in sizes) >= 0.17 * COUNT
    assert sum(n > 16384 for n in sizes) >= 0.04 * COUNT
    assert sorted(sizes)[COUNT // 2] < 300


def test_indexes(cases: list[tuple[Case, Module]]) -> None:
    """Each pair around an end of a LEB128 length, 8 or 12 bits is used: 127 in 53% of the cases, 255 in 35%, 4095 in
    9%, 16383 in 5%, the last possible one in 1%; half as often has a probability below 1e-3."""
    used: Counter[int] = Counter()
    for _, module in cases:
        indexes = {imm for func in module.funcs for op, imm in func.body if op.name in ACCESSES}
        used.update(indexes)
    for index, share in ((127, 0.53), (255, 0.35), (4095, 0.09), (16383, 0.05)):
        assert used[index] >= share / 2 * COUNT, index
        assert used[index + 1] >= share / 2 * COUNT, index
    assert used[LOCALS - 1]


def test_declarations(cases: list[tuple[Case, Module]]) -> None:
    """Over 100 declarations in 18% of the cases, empty ones in half; every type of local is in 5% and more."""
    many = empty = 0
    types: Counter[str] = Counter()
    for _, module in cases:
        many += any(len(func.locals) > 100 for func in module.funcs)
        empty += any(not count for func in module.funcs for count, _ in func.locals)
        types.update({str(type_) for func in module.funcs for count, type_ in func.locals if count})
    assert many >= 0.09 * COUNT
    assert empty >= 0.35 * COUNT
    for name in (
        "i32", "i64", "f32", "f64", "v128", "externref", "funcref", "i31ref", "anyref", "eqref", "structref",
        "arrayref", "nullref", "nullfuncref", "exnref", "(ref func)", "(ref i31)", "(ref 0)", "(ref null 0)",
    ):  # fmt: skip
        assert types[name] >= 3, name


def test_what_is_done_to_them(cases: list[tuple[Case, Module]]) -> None:
    """Read before written in 90% of the cases; an index from 256 on lives across a call in 30%, one from 4096 in 7%;
    half as often, or another step fewer than three times, has a probability below 1e-3."""
    seen: Counter[str] = Counter()
    for case, module in cases:
        live = {i for func in module.funcs for i in live_across_a_call(func)}
        seen["far"] += any(i >= 256 for i in live)
        seen["very far"] += any(i >= 4096 for i in live)
        unset = 0
        for func in module.funcs:
            written = set(range(params(module, func)))
            for op, imm in func.body:
                if op.name in ("local.set", "local.tee"):
                    written.add(imm)
                unset += op.name == "local.get" and imm not in written
        seen["unset"] += unset > 3
        seen.update({op.name for func in module.funcs for op, _ in func.body} | case.labels)
    assert seen["unset"] >= 0.75 * COUNT
    assert seen["far"] >= 0.15 * COUNT
    assert seen["very far"] >= 0.035 * COUNT
    for name in ("loop", "br_table", "try_table", "call", "call_indirect", "call_ref", "return_call", "ref.null",
                 "ref.is_null", "local.tee", "traps"):  # fmt: skip
        assert seen[name] >= 3, name


def test_cases_run_to_their_end(interpreter: Engine) -> None:
    """Every invocation returns and every site is passed, but for a labelled minority that traps at its end."""
    trapped = 0
    for index in range(RUN):
        case = make_case("locals", 77, index)
        observation = interpreter.run(case)
        notes = observation.notes
        assert notes is not None
        assert notes.nan_observed_at is None, index
        assert notes.steps < 500_000
        # A frame counts one more for every 64 locals.
        assert notes.depth < 200 + LOCALS // 64
        if all(isinstance(outcome, Returned) for outcome in observation.outcomes):
            assert len(observation.outcomes) == len(case.invocations)
            assert len(notes.executed_sites) == len(case.sites), index
        else:
            assert "traps" in case.labels
            trapped += 1
    assert trapped <= RUN // 10
