"""Binaryen's interpreter: what it says as it traps, and how its program's own crashes are read."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fuzz.triage.signature import template
from oracles.command.description import describe
from oracles.command.reading import ending
from oracles.engine import Engine, EngineId, UsageError
from oracles.engines import binaryen
from tests.engines.conftest import Wat, only, open_or_skip
from wasm.embedding import Crashed, Exhausted, Invocation, OutOfMemory, Returned, Trapped, Unsupported, Value
from wasm.traps import TrapKind


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    opened = open_or_skip("binaryen")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("(drop (i32.trunc_f64_u (f64.const 1e10)))", TrapKind.INT_OVERFLOW),
        ("(drop (i64.trunc_f32_s (f32.const nan)))", TrapKind.BAD_CONVERSION),
        ("(drop (i32.load offset=0xffffffff (i32.const -1)))", TrapKind.MEMORY_OOB),
        ("(memory.init $d (i32.const 0) (i32.const 1) (i32.const 9))", TrapKind.MEMORY_OOB),
        ("(memory.copy (i32.const 65535) (i32.const 0) (i32.const 9))", TrapKind.MEMORY_OOB),
        ("(memory.fill (i32.const 65535) (i32.const 0) (i32.const 9))", TrapKind.MEMORY_OOB),
        ("(table.init $e (i32.const 0) (i32.const 1) (i32.const 9))", TrapKind.TABLE_OOB),
        ("(table.set (i32.const 7) (ref.null func))", TrapKind.TABLE_OOB),
        ("(table.fill (i32.const 1) (ref.null func) (i32.const 9))", TrapKind.TABLE_OOB),
        ("(drop (ref.as_non_null (ref.null func)))", TrapKind.NULL_REFERENCE),
        ("(call_ref $t (ref.null $t))", TrapKind.NULL_REFERENCE),
        ("(drop (i31.get_s (ref.null i31)))", TrapKind.NULL_REFERENCE),
        ("(drop (ref.cast (ref struct) (ref.i31 (i32.const 1))))", TrapKind.CAST_FAILURE),
        ("(drop (array.get $a (array.new_default $a (i32.const 1)) (i32.const 1)))", TrapKind.ARRAY_OOB),
        ("(drop (array.new_data $a $d (i32.const 0) (i32.const 99)))", TrapKind.MEMORY_OOB),
        ("(array.fill $a (array.new_default $a (i32.const 1)) (i32.const 1) (i32.const 1) (i32.const 1))",
         TrapKind.ARRAY_OOB),
        ("(drop (i32.atomic.load (i32.const 1)))", TrapKind.UNALIGNED_ATOMIC),
        ("(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))", TrapKind.EXPECTED_SHARED_MEMORY),
    ],
)  # fmt: skip
def test_traps_that_it_tells_apart(code: str, kind: TrapKind, engine: Engine, wat: Wat) -> None:
    text = f"""(module (memory 1) (table 2 funcref) (type $a (array (mut i32))) (type $t (func))
      (data $d "abc") (elem $e func $f) (func $f (export "f") {code}))"""
    got = only(engine.run(wat(text, Invocation("f"))))
    assert isinstance(got, Trapped), got
    assert kind in got.kinds
    assert len(got.kinds) <= 3


def test_an_abort_of_its_program_is_a_crash_with_its_place_and_no_trap() -> None:
    description = describe({"command": "true {wasm}", "texts": dict(binaryen._TEXTS)}, "")
    said = "Aborted(Assertion failed: !type.isNull(), at: /b/src/wasm/literal.cpp,123,Literal)\n"
    assert ending(description, said, 0) == Crashed(0, "!type.isNull()", "src/wasm/literal.cpp:123")
    said = "unexpected op\nUNREACHABLE executed at /b/src/wasm-interpreter.h:99!\nAborted(native code called abort())\n"
    assert ending(description, said, 0) == Crashed(0, "unexpected op", "src/wasm-interpreter.h:99")
    said = "RuntimeError: unreachable\n    at wasm://wasm/026543da:wasm-function[1]:0x78\n"
    assert isinstance(ending(description, said, 0), Crashed)
    assert isinstance(ending(description, "[host limit stack limit]\n", 0), Exhausted)


def test_the_reason_of_a_refusal_is_no_list() -> None:
    for first, reason in [
        ("[parse exception: invalid element segment index (at 0:264)]", "invalid element segment index (at N:N)]"),
        ("[fuzz-exec] note result: c16 => 7\nwasm://wasm/026543da:1\n\n\nRuntimeError: memory access out of bounds",
         "RuntimeError: memory access out of bounds"),
    ]:  # fmt: skip
        assert template(first, binaryen.NOISE) == reason


def test_what_its_stack_and_its_size_do_not_take_it_is_not_asked(engine: Engine, wat: Wat) -> None:
    """Both overwrite its own data (docs/found/binaryen.md)."""
    for text, said in [
        (f'(module (func (export "f") (result i32) i32.const 0 {"i32.eqz " * 1000}))', "nested"),
        ('(module (memory 65536) (func (export "f")))', "a memory of more"),
        ('(module (memory i64 65537) (func (export "f")))', "a memory of more"),
    ]:
        got = engine.run(wat(text, Invocation("f"))).instantiation
        assert isinstance(got, Unsupported), got
        assert said in got.what
    got = engine.run(wat('(module (memory 40000) (func (export "f")))', Invocation("f"))).instantiation
    assert isinstance(got, OutOfMemory), got
    deep = f'(module (func (export "f") (result i32) i32.const 0 {"i32.const 0 i32.add " * 980}))'
    assert only(engine.run(wat(deep, Invocation("f")))) == Returned.of((Value("i32", 0),))


def test_it_has_no_settings() -> None:
    assert str(EngineId.parse("binaryen@132.0.0")) == "binaryen@132.0.0"
    for wrong in ("binaryen:level=O3", "binaryen@/path/to/wasm-opt"):
        with pytest.raises(UsageError, match="without settings"):
            EngineId.parse(wrong)
