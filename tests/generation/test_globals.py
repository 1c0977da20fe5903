"""The target ``globals``: what its modules contain, that cases end, and that a wrong global shows."""

from __future__ import annotations

from collections import Counter

import pytest

from generators.registry import make_case
from oracles.interpreter.runner import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation, Returned
from wasm.encode import encode
from wasm.isa import OPS, Op
from wasm.module import ExternKind, Module
from wasm.valtypes import I32, NumType, RefType

COUNT = 300
RUN = 120


@pytest.fixture(scope="module")
def cases() -> list[tuple[Case, Module]]:
    made = [make_case("globals", 1, index) for index in range(COUNT)]
    return [(case, decode(case.content)) for case in made]


def test_kinds_of_globals(cases: list[tuple[Case, Module]]) -> None:
    """Every type, constant and variable, own and imported; the rarest is expected 12 times: below 1e-4."""
    own: Counter[tuple[str, bool]] = Counter()
    imported: Counter[tuple[str, bool]] = Counter()
    inits: Counter[str] = Counter()
    twice = most = exported = reexported = 0
    for _, module in cases:
        for item in module.globals:
            own[_name(item.type.type), item.type.mutable] += 1
            inits.update({op.name for op, _ in item.init})
        names = Counter((item.module, item.name) for item in module.imported(ExternKind.GLOBAL))
        twice += any(count > 1 for count in names.values())
        for item in module.imported(ExternKind.GLOBAL):
            imported[_name(item.type.type), item.type.mutable] += 1  # type: ignore[union-attr]
        most = max(most, len(module.globals))
        outside = [export.index for export in module.exports if export.kind is ExternKind.GLOBAL]
        exported += len(outside) > 1
        reexported += any(index < sum(names.values()) for index in outside)
    for name in ("i32", "i64", "f32", "f64", "v128", "func", "extern", "i31", "any", "eq", "typed", "typed null"):
        assert own[name, True] >= 4, name
        assert own[name, False] >= 2, name
    for name in ("i32", "i64", "f32", "f64"):
        assert imported[name, True] >= 3, name
        assert imported[name, False] >= 3, name
    for word in ("i32.add", "i64.mul", "global.get", "ref.func", "ref.null", "ref.i31", "struct.new"):
        assert inits[word] >= 3, word
    assert twice >= 20
    assert most >= 150
    assert COUNT / 3 < exported < COUNT * 2 / 3
    assert reexported >= 30


def _name(type_: NumType | RefType) -> str:
    if isinstance(type_, RefType):
        return type_.heap if isinstance(type_.heap, str) else "typed null" if type_.nullable else "typed"
    return type_.name


def test_cases_run_to_their_end(cases: list[tuple[Case, Module]]) -> None:
    """No open NaN is looked at; a trap before the last call site in at most 10%, where 4% are drawn: below 1e-3."""
    early = back = 0
    executed: Counter[Op] = Counter()
    for index, (case, module) in enumerate(cases[:RUN]):
        counts: dict[Op, int] = {}
        seen = run_case(case, module, counts=counts)
        executed.update(counts.keys())
        assert seen.instantiated
        assert seen.notes is not None
        assert seen.notes.nan_observed_at is None, index
        assert seen.notes.steps < 200_000
        ended = [isinstance(outcome, Returned) for outcome in seen.outcomes]
        assert all(ended) or "traps" in case.labels, index
        early += not all(ended[: max(site.use_at for site in case.sites) + 1])
        back += any(call.module == "reenter" for call in seen.host_calls)
    assert early <= RUN // 10
    assert back >= 5
    for name in ("global.get", "global.set", "call", "call_indirect", "throw"):
        assert executed[OPS[name]] >= 15, name


def test_a_wrong_global_shows(cases: list[tuple[Case, Module]]) -> None:
    """One read, or one write, of an i32 global is of another: six in ten are seen at the end, and more.

    What may be missed: two that hold the same, code that does not run, and what a later write covers.
    """
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for case, module in cases[:RUN]:
        for name in ("global.get", "global.set"):
            wrong = _changed(case, OPS[name])
            if wrong is not None:
                tried[name] += 1
                missed[name] += _seen(run_case(wrong)) == _seen(run_case(case, module))
    assert min(tried.values()) >= 30
    assert missed["global.get"] <= 0.4 * tried["global.get"]
    assert missed["global.set"] <= 0.4 * tried["global.set"]


def _changed(case: Case, op: Op) -> Case | None:
    """The case with the first access to a variable i32 global turned to another one."""
    module = decode(case.content)
    types = module.global_types()
    variables = [i for i, type_ in enumerate(types) if type_.type is I32 and type_.mutable]
    for func in module.funcs:
        for at, (row, imm) in enumerate(func.body):
            if row is op and imm in variables and len(variables) > 1:
                func.body[at] = (row, variables[(variables.index(imm) + 1) % len(variables)])
                return case.with_content(encode(module))
    return None


def _seen(observation: Observation) -> object:
    return observation.outcomes, observation.globals, observation.memories, observation.tables, observation.host_calls
