"""Modules with narrow calls: valid, and every call and every invocation gets what it got."""

from __future__ import annotations

import pytest

from fuzz.triage.wide_calls import passed
from generators.registry import make_case, wasm_target_names
from oracles.interpreter import run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Outcome, Returned, Value
from wasm.encode import encode
from wasm.fragment import code
from wasm.rewrite.through_globals import Parts, through_globals
from wasm.validate import validate
from wasm.valtypes import F32, I32, I64

NONE = range(0)
SOME = range(2, 1001)


def swapping() -> ModuleBuilder:
    """(func $swap (param i32 i64) (result i64 i32)), called by an export with the same type."""
    builder = ModuleBuilder()
    swap = builder.func([I32, I64], [I64, I32])
    swap.body += code("local.get 1  local.get 0")
    builder.func([I32, I64], [I64, I32], export="f").body += code(f"local.get 0  local.get 1  call {swap.index}")
    return builder


def test_both_sides() -> None:
    module = swapping().finish()
    assert through_globals(module, SOME, SOME) == {"f": Parts(("f<0", "f<1"), ("f>0", "f>1"))}
    validate(module)
    assert [(func.params, func.results) for func in module.func_types()[:2]] == [((), ())] * 2
    assert sorted(str(item.type.type) for item in module.globals) == ["i32", "i32", "i64", "i64"]


def test_what_is_narrow_stays() -> None:
    module = swapping().finish()
    assert through_globals(module, range(3, 9), range(3, 9)) is None


def test_hosts_keep_their_types() -> None:
    builder = ModuleBuilder()
    host = builder.import_func("env", "h", [I32, F32], [F32, I32])
    builder.func([], [F32, I32], export="f").body += code(f"i32.const 7  f32.const 1  call {host}")
    module = builder.finish()
    case = Case(encode(module), (Invocation("f"),), features=frozenset({"multi_value"}))
    changed = passed(case, SOME, SOME)
    assert changed is not None
    validate(decode(changed.content))
    before = run_case(case).outcomes[0]
    assert isinstance(before, Returned)
    assert folded(case, changed) == [before.values]
    assert [str(call) for call in run_case(changed).host_calls] == [str(call) for call in run_case(case).host_calls]


def folded(case: Case, changed: Case) -> list[Outcome | tuple[Value, ...]]:
    """What the changed case did, put together as the calls of the original one: the parts of a call in one."""
    found: list[Outcome | tuple[Value, ...]] = []
    outcomes = list(zip(changed.invocations, run_case(changed).outcomes, strict=False))
    for call in case.invocations:
        while outcomes and outcomes[0][0].export.startswith(f"{call.export}<"):
            outcomes.pop(0)
        if not outcomes:
            break
        outcome = outcomes.pop(0)[1]
        values = outcome.values if isinstance(outcome, Returned) else ()
        while outcomes and outcomes[0][0].export.startswith(f"{call.export}>"):
            part = outcomes.pop(0)[1]
            values += part.values if isinstance(part, Returned) else ()
        found.append(values if isinstance(outcome, Returned) else outcome)
    return found


@pytest.mark.parametrize("target", wasm_target_names())
@pytest.mark.parametrize("sides", [(NONE, SOME), (SOME, NONE), (SOME, SOME)], ids=["results", "params", "both"])
def test_generated_cases_mean_the_same(target: str, sides: tuple[range, range]) -> None:
    """But where a call through a table would have trapped because of its type: types may have become one."""
    for index in range(3):
        case = make_case(target, 11, index)
        changed = passed(case, *sides)
        if changed is None:
            continue
        validate(decode(changed.content))
        before = [one.values if isinstance(one, Returned) else one for one in run_case(case).outcomes]
        if not any("indirect" in str(one) for one in before):
            assert folded(case, changed) == before
