"""Known minima, and how many predicate runs they may take."""

from __future__ import annotations

import re
import sys
from typing import Any

import pytest
import wasmtime

from fuzz.reduce import Budget, command_predicate, reduce_case
from generators.registry import make_case
from wasm.builder import ModuleBuilder, const
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.module import Module
from wasm.validate import validate
from wasm.valtypes import F64, I32, I64, V128, FuncType, ValType


def wide_module(results: int, params: int) -> Module:
    """A wide function called directly, through a table and by a tail call, its results folded; and junk around it."""
    kinds: tuple[ValType, ...] = (I32, I64, F64, V128)
    made = ModuleBuilder()
    takes = [kinds[k % 3] for k in range(params)]
    gives = [kinds[k % 4] for k in range(results)]
    wide = made.func(takes, gives)
    for type_ in gives:
        wide.emit(f"{type_}.const", 7)
    table = made.table(1)
    made.elem([wide.index], offset=0, table=table)
    tail = made.func(takes, gives)
    for k in range(params):
        tail.emit("local.get", k)
    tail.emit("return_call", wide.index)
    state = made.global_(I64, const("i64.const", 5))
    main = made.func([I32], [I32], export="main")
    for target in (wide, tail):
        for type_ in takes:
            main.emit(f"{type_}.const", 3)
        main.emit("call", target.index)
        for _ in gives:
            main.emit("drop")
    for type_ in takes:
        main.emit(f"{type_}.const", 9)
    main.i32(0)
    main.emit("call_indirect", (made.func_type(takes, gives), table))
    for _ in gives:
        main.emit("drop")
    main.emit("global.get", state)
    main.emit("i32.wrap_i64")
    return made.finish()


def widest_call(module: Module) -> int:
    """The most results of any call, direct or not."""
    types, flat = module.func_type_indices(), module.flat_types()
    widest = 0
    for func in module.funcs:
        for op, imm in func.body:
            if op.name in ("call", "call_indirect"):
                composite = flat[types[imm] if op.name == "call" else imm[0]].composite
                if isinstance(composite, FuncType):
                    widest = max(widest, len(composite.results))
    return widest


@pytest.mark.parametrize("threshold", [3, 37, 254])
def test_the_count_of_results_is_exact(threshold: int) -> None:
    """A call with 300 mixed results comes down to exactly as many as it takes, and little else is left.

    That is: a wide function, only ``unreachable``, and a narrow one that calls it. It takes 35 bytes besides the
    results' types, and two more where counts take a second byte.
    """
    case = Case(encode(wide_module(300, 40)))
    made = reduce_case(case, lambda c: widest_call(decode(c.content)) >= threshold)
    assert made.finished
    assert widest_call(decode(made.case.content)) == threshold
    assert len(made.case.content) <= threshold + 37
    assert made.runs <= 120


def test_the_count_of_parameters_is_exact() -> None:
    def wanted(case: Case) -> bool:
        module = decode(case.content)
        types = module.func_types()
        calls = [types[imm] for func in module.funcs for op, imm in func.body if op.name == "call"]
        return any(len(type_.params) >= 17 for type_ in calls)

    made = reduce_case(Case(encode(wide_module(30, 90))), wanted)
    assert max(len(type_.params) for type_ in decode(made.case.content).func_types()) == 17
    assert made.runs <= 150


def test_narrowing_keeps_what_is_computed(kit: Any) -> None:
    """The positions that do not matter go; what the others compute, and their order, stays."""
    before = """(module
      (func $f (param i32 f64 i32) (result i32 f32 i32) local.get 2 f32.const 1 local.get 0)
      (func (export "main") (result i32) (local i32)
        i32.const 11 f64.const 1 i32.const 22 call $f i32.const 100 i32.mul local.set 0 drop local.get 0 i32.sub))"""

    def answer(module: Module) -> object:
        if not any(item.name == "main" for item in module.exports):
            return None
        store = wasmtime.Store()
        instance = wasmtime.Instance(store, wasmtime.Module(store.engine, encode(module)), [])
        main = instance.exports(store)["main"]
        assert isinstance(main, wasmtime.Func)
        return main(store)

    assert answer(kit.module_of(before)) == 22 - 1100
    made = kit.reduce_with(["narrow_positions"], before, lambda module: answer(module) == 22 - 1100)
    assert made.func_types() == [FuncType((I32, I32), (I32, I32)), FuncType((), (I32,))]


@pytest.mark.parametrize(("results", "params"), [(0, 300), (300, 0), (21, 21)])
def test_wide_modules_come_down_to_a_call(results: int, params: int) -> None:
    """``(func call 0)`` calling itself is the smallest module with a call: 26 bytes."""
    made = reduce_case(
        Case(encode(wide_module(results, params))),
        lambda c: any(op.name == "call" for func in decode(c.content).funcs for op, _ in func.body),
    )
    validate(decode(made.case.content))
    assert len(made.case.content) == 26
    assert made.runs <= 90


def refusal(content: bytes) -> str:
    """Why our validator refuses the bytes, without numbers; "" if it does not."""
    try:
        validate(decode(content))
    except WasmError as error:
        return re.sub(r"0x[0-9a-f]+|[0-9]+", "N", str(error))
    return ""


def test_a_mistake_in_a_large_module_is_cut_out() -> None:
    """As an engine finds it that takes a module for valid: all that is left is the mistake, in at most 45 bytes.

    Cut as bytes alone, the same modules stay at hundreds of bytes after ten thousand runs.
    """
    found = 0
    for index in range(200):
        case = make_case("modules", 5, index)
        text = refusal(case.content)
        if found == 12 or not text.startswith("type mismatch") or len(case.content) < 200:
            continue
        found += 1
        made = reduce_case(case, lambda c, text=text: refusal(c.content) == text)
        assert refusal(made.case.content) == text
        assert len(made.case.content) <= 45, (index, text)
        assert made.runs <= 1500, (index, text)
    assert found == 12


def test_bytes_that_are_a_valid_module_are_edited_as_one() -> None:
    """As an engine finds it that refuses a valid module: the table's first value stays, and a function for it."""
    case = Case(encode(wide_module(100, 20)), kind=CaseKind.BYTES)

    def wanted(candidate: Case) -> bool:
        return not refusal(candidate.content) and any(
            op.name == "call_indirect" for func in decode(candidate.content).funcs for op, _ in func.body
        )

    made = reduce_case(case, wanted)
    assert wanted(made.case)
    assert len(made.case.content) <= 39
    assert made.runs <= 400


def test_bytes_in_the_middle_of_a_body_go_with_two_sizes() -> None:
    """What cannot be decoded: a block type in six bytes, among a hundred instructions."""
    body = bytes((0, *[1] * 50, 2, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x0B, *[1] * 50, 0x0B))
    head = b"\0asm\1\0\0\0" + bytes((1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10, len(body) + 2, 1, len(body)))
    case = Case(head + body, kind=CaseKind.BYTES)
    text = refusal(case.content)
    assert "too long" in text
    made = reduce_case(case, lambda c: refusal(c.content) == text)
    assert len(made.case.content) <= 40
    assert made.runs <= 1500


def test_budget_of_runs() -> None:
    """The budget is kept, and what was reached by then is the result."""
    case = Case(encode(wide_module(300, 40)))
    made = reduce_case(case, lambda c: widest_call(decode(c.content)) >= 254, budget=Budget(runs=20))
    assert not made.finished
    assert made.runs <= 21, "the last check of the result comes on top"
    assert len(made.case.content) < len(case.content)


def test_foreign_predicate(kit: Any, wasm_tools: str) -> None:
    """A command as predicate: wasm-tools finds every step valid."""
    program = (
        "import subprocess, sys; path = sys.argv[1]; "
        f"ok = subprocess.run([{wasm_tools!r}, 'validate', path], capture_output=True).returncode == 0; "
        f"text = subprocess.run([{wasm_tools!r}, 'print', path], capture_output=True, text=True).stdout; "
        "sys.exit(0 if ok and 'f64.mul' in text else 1)"
    )
    case = kit.case_of(
        '(module (func (param f64) (result f64) local.get 0 local.get 0 f64.mul) (func (export "f") nop) (memory 1))'
    )
    made = reduce_case(case, command_predicate([sys.executable, "-c", program]))
    assert kit.has("f64.mul")(decode(made.case.content))
    assert len(made.case.content) < 60
