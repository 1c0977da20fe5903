"""Machine code of functions: read from ELF files, disassembled, and only what differs of it."""

from __future__ import annotations

import platform

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wasmtime import Engine, Module, wat2wasm

from fuzz.explain.disassembly import difference, disassembled
from fuzz.explain.followed import Hidden
from oracles.engine import EngineId
from oracles.engines.wasmtime import machine_code
from oracles.remote.elf import NotElf, functions

WAT = """(module (import "m" "g" (func)) (memory 1)
  (func (export "f") (param i32 i32) (result i32)
    local.get 0 i32.const 3 i32.mul local.get 1 i32.const 5 i32.shl i32.add i32.load)
  (func (result i32) i32.const 7))"""
CONTENT = bytes(wat2wasm(WAT))
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64 is read")


@X86
def test_functions_of_a_module() -> None:
    code = machine_code(EngineId.parse("wasmtime"), CONTENT, True)
    assert set(code) == {0, 1}
    assert "  mov eax, 7" in disassembled(code[1])
    assert "  mov eax, 7" not in disassembled(code[0])


@X86
def test_only_what_differs() -> None:
    text = difference("wasmtime:opt=none", "wasmtime:opt=speed", CONTENT, 0, True)
    assert text.startswith("--- right: wasmtime:opt=speed\n+++ wrong: wasmtime:opt=none\n@@")
    with pytest.raises(Hidden, match="the same with"):
        difference("wasmtime", "wasmtime:features=exact", CONTENT, 1, True)
    with pytest.raises(Hidden, match="has no code"):
        difference("wasmtime", "wasmtime:opt=none", CONTENT, 2, True)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_broken_files_are_said_to_be_broken(data: st.DataObject) -> None:
    whole = bytes(Module(Engine(), WAT).serialize())
    at = data.draw(st.integers(0, 64) | st.integers(0, len(whole)))
    broken = whole[:at] + data.draw(st.binary(max_size=9)) + whole[at + data.draw(st.integers(0, 9)) :]
    try:
        functions(broken[: data.draw(st.integers(0, len(broken)))])
    except NotElf:
        return
