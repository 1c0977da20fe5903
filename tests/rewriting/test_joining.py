"""A module and one that imports from it in one: the whole does what the two did."""

from __future__ import annotations

from dataclasses import replace

from wasmtime import wat2wasm

from generators.registry import make_case
from oracles.interpreter import run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.features import ALL
from wasm.rewrite.joining import joined
from wasm.text import print_wat
from wasm.validate import validate

HOME = """(module
  (import "env" "h" (func $h)) (memory (export "m") 1) (global (export "g") i32 (i32.const 5))
  (func $s call $h) (start $s)
  (func (export "f") (param i32) (result i32) (local.get 0)) (data (i32.const 0) "a"))"""
USER = """(module
  (import "env" "k" (func $k)) (import "home" "f" (func $f (param i32) (result i32))) (import "home" "m" (memory 0))
  (import "home" "g" (global i32)) (import "home" "absent" (func $absent)) (global (export "own") i32 (global.get 0))
  (func $s call $k call $absent) (start $s) (data (i32.const 0) "b")
  (func (export "e") (result i32) (call $f (global.get 1))))"""
BOTH = """(module
  (type (;0;) (func))
  (type (;1;) (func (param i32) (result i32)))
  (type (;2;) (func))
  (type (;3;) (func (param i32) (result i32)))
  (type (;4;) (func (result i32)))
  (import "env" "h" (func (;0;) (type 0)))
  (import "env" "k" (func (;1;) (type 2)))
  (import "home" "absent" (func (;2;) (type 2)))
  (memory (;0;) 1)
  (global (;0;) i32 (i32.const 5))
  (global (;1;) i32 (global.get 0))
  (export "own" (global 1))
  (export "e" (func 6))
  (start 7)
  (func (;3;) (type 0)
    call 0
  )
  (func (;4;) (type 1) (param i32) (result i32)
    local.get 0
  )
  (func (;5;) (type 2)
    call 1
    call 2
  )
  (func (;6;) (type 4) (result i32)
    global.get 1
    call 4
  )
  (func (;7;) (type 0)
    call 3
    call 5
  )
  (data (;0;) (i32.const 0) "a")
  (data (;1;) (i32.const 0) "b")
)
"""


def test_what_is_imported_is_the_item_itself() -> None:
    whole = joined(decode(bytes(wat2wasm(HOME))), decode(bytes(wat2wasm(USER))), "home")
    validate(whole)
    assert print_wat(whole) == BOTH


def test_a_case_of_several_modules_and_the_same_as_one_mean_the_same() -> None:
    done = 0
    for index in range(60):
        case = make_case("linked", 6, index)
        seen = run_case(case)
        one = _in_one(case)
        if one is None or not all(isinstance(outcome, Returned) for outcome in seen.before):
            continue
        alone = run_case(one)
        assert alone.outcomes == seen.outcomes
        assert alone.host_calls == seen.host_calls
        assert (alone.memories, alone.globals) == (seen.memories, seen.globals)
        done += 1
    assert done > 20


def _in_one(case: Case) -> Case | None:
    """The case as one module; None where a declaration at a supertype makes that invalid."""
    module = decode(case.content)
    for name, content in reversed(case.before):
        module = joined(decode(content), module, name)
    try:
        validate(module, ALL)
    except WasmError:
        return None
    return replace(case, content=encode(module), before=(), sites=())
