"""Instructions that make objects, fill them and look at them, written by others: what they do stays the same."""

from __future__ import annotations

from collections import Counter

import pytest
from wasmtime import wat2wasm

from fuzz.triage.equivalent_heap import makes
from fuzz.triage.essentials import essentials
from fuzz.triage.kin import same_cause
from fuzz.triage.neutral import executed_rows, neutralized
from fuzz.triage.neutral_code import Form
from generators.registry import make_case
from oracles.interpreter import run_case
from tests.triage.test_causes import cause_about
from wasm.case import Case, Invocation
from wasm.decode import decode
from wasm.embedding import Trapped, Value
from wasm.isa import OPS
from wasm.traps import TrapKind
from wasm.validate import validate

ROWS = sorted(op.name for op in OPS.values() if makes(op))


def test_whatever_modules_do_with_them() -> None:
    """Values, state and traps stay, and most of the time the instruction is gone from where it was reached."""
    changed: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for target, count in (("gc", 24), ("refs", 8)):
        for index in range(count):
            case = make_case(target, 6, index)
            before = run_case(case)
            for name in sorted(executed_rows(case) & set(ROWS)):
                without = neutralized(case, (name,), Form.CALLED)
                if without is None:
                    continue
                validate(decode(without.content))
                after = run_case(without)
                seen = (after.outcomes, after.memories, after.globals)
                assert seen == (before.outcomes, before.memories, before.globals), (target, index, name)
                changed[name] += 1
                gone[name] += name not in executed_rows(without)
    assert set(changed) == set(ROWS), "each is met"
    assert sum(gone.values()) >= 0.9 * sum(changed.values())


def case_of(body: str, *arguments: int) -> Case:
    """A function of i32s that gives one, with an array type of bytes (0), one of i64 (1) and a struct (2)."""
    params = "(param i32)" * len(arguments)
    text = f"""(module
      (type (array (mut i8))) (type (array (mut i64))) (type (struct (field (mut i16)) (field (mut f32))))
      (func (export "f") {params} (result i32)
        (local (ref null 0)) (local (ref null 1)) (local (ref null 2)) {body}))"""
    calls = (Invocation("f", tuple(Value("i32", one) for one in arguments)),)
    return Case(bytes(wat2wasm(text)), calls, features=frozenset({"gc", "reference_types", "function_references"}))


@pytest.mark.parametrize(
    ("body", "row", "kind"),
    [
        ("(array.fill 0 (ref.null 0) (i32.const 0) (i32.const 0) (i32.const 0)) i32.const 1", "array.fill",
         "null reference"),
        ("(array.fill 0 (array.new_default 0 (i32.const 3)) (i32.const -1) (i32.const 0) (i32.const 2)) i32.const 1",
         "array.fill", "out of bounds array access"),
        ("(array.copy 1 1 (array.new_default 1 (i32.const 3)) (i32.const 0) (array.new_default 1 (i32.const 3))"
         " (i32.const 2) (i32.const 2)) i32.const 1", "array.copy", "out of bounds array access"),
        ("(drop (ref.cast (ref 2) (ref.cast (ref null any) (ref.null none)))) i32.const 1", "ref.cast", "cast failure"),
        ("(drop (ref.cast (ref null 2) (ref.cast (ref any) (ref.i31 (i32.const 1))))) i32.const 1", "ref.cast_null",
         "cast failure"),
        ("(drop (ref.as_non_null (ref.null 2))) i32.const 1", "ref.as_non_null", "null reference"),
    ],
)  # fmt: skip
def test_it_traps_as_before(body: str, row: str, kind: str) -> None:
    case = case_of(body)
    without = neutralized(case, (row,), Form.CALLED)
    assert without is not None
    for one in (case, without):
        assert run_case(one).outcomes == (Trapped(frozenset({TrapKind(kind)})),)


@pytest.mark.parametrize(("to", "source"), [(0, 3), (3, 0), (2, 2), (1, 2)])
def test_what_overlaps_is_copied_as_if_it_did_not(to: int, source: int) -> None:
    body = f"""(local.set 0 (array.new_fixed 0 8 {" ".join(f"(i32.const {n})" for n in range(1, 9))}))
      (array.copy 0 0 (local.get 0) (i32.const {to}) (local.get 0) (i32.const {source}) (i32.const 5))
      {" ".join(f"(i32.mul (array.get_u 0 (local.get 0) (i32.const {at})) (i32.const {11**at}))" for at in range(8))}
      {"i32.add " * 7}"""
    case = case_of(body)
    without = neutralized(case, ("array.copy",), Form.CALLED)
    assert without is not None
    assert run_case(without).outcomes == run_case(case).outcomes


def test_what_fills_wrongly_is_what_it_is_about() -> None:
    """Whatever made the array and whatever reads it: one cause, not one for each."""
    first = case_of("""(local.set 0 (array.new_default 0 (i32.const 4)))
      (array.fill 0 (local.get 0) (i32.const 0) (i32.const 7) (i32.const 4))
      (array.get_u 0 (local.get 0) (i32.const 2))""")
    second = case_of("""(local.set 1 (array.new 1 (i64.const 5) (i32.const 9)))
      (array.fill 1 (local.get 1) (i32.const 1) (i64.const 3) (i32.const 2))
      (i32.wrap_i64 (array.get 1 (local.get 1) (i32.const 1))) (i32.add (array.len (local.get 1)))""")
    one, other = essentials(first, skipping), essentials(second, skipping)
    assert one.specific == other.specific == {"array.fill"}
    assert same_cause(cause_about(one), cause_about(other, 2))


def skipping(case: Case) -> bool:
    """An engine whose ``array.fill`` does nothing."""
    module = decode(case.content)
    for func in module.funcs:
        func.body = [one for instr in func.body
                     for one in ([OPS["drop"].bare] * 4 if instr[0].name == "array.fill" else [instr])]  # fmt: skip
    return run_case(case, module).outcomes != run_case(case).outcomes
