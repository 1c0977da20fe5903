"""Compiled instances against the reference interpreter: wide calls to and from the host, exceptions, growth, state."""

from __future__ import annotations

import platform
from collections.abc import Iterator

import pytest

from oracles.engine import Engine, Limits, open_engine
from wasm.case import Case
from wasm.embedding import Entry, Invocation, Observation, Returned, Threw, Trapped, Value
from wasm.traps import TrapKind

wasmtime = pytest.importorskip("wasmtime", reason="wasmtime reads the modules' text: pip install wasmtime")
pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code is for x86-64")

SETTINGS = ("compiler", "compiler:opt=none+regs=6+regalloc=single_pass", "compiler:spill=all+order=random-7")
TYPES = ("i32", "i64", "f32", "f64", "v128", "externref")


@pytest.fixture(scope="module", params=SETTINGS)
def compiled(request: pytest.FixtureRequest) -> Iterator[Engine]:
    engine = open_engine(request.param, Limits(cpu_seconds=20.0))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def reference() -> Engine:
    return open_engine("interpreter")


def case(text: str, *invocations: Invocation) -> Case:
    return Case(bytes(wasmtime.wat2wasm(text)), invocations)


def both(compiled: Engine, reference: Engine, one: Case) -> Observation:
    """What compiled code does, which is what the reference does."""
    found, wanted = compiled.run(one), reference.run(one)
    assert found.instantiation == wanted.instantiation == Returned(), found.instantiation
    assert found.outcomes == wanted.outcomes
    assert found.host_calls == wanted.host_calls
    assert (found.globals, found.memories, found.tables) == (wanted.globals, wanted.memories, wanted.tables)
    return found


def argument(position: int) -> Value:
    type_ = TYPES[position % len(TYPES)]
    if type_ == "externref":
        return Value("ref", 0, "null" if position % 4 else f"extern:{position}")
    width = {"i32": 32, "f32": 30, "i64": 64, "f64": 62, "v128": 128}[type_]
    return Value(type_, position * 0x9E3779B97F4A7C15F39CC0605CEDC835 & (1 << width) - 1)


@pytest.mark.parametrize("width", [1, 8, 100, 1000])
@pytest.mark.parametrize("entry", list(Entry))
def test_wide_calls_to_and_from_the_host(compiled: Engine, reference: Engine, width: int, entry: Entry) -> None:
    """Arguments come from the host, go to an import, which makes as many results, which go back to the host."""
    types = " ".join(TYPES[i % len(TYPES)] for i in range(width))
    gets = " ".join(f"(local.get {i})" for i in range(width))
    text = f"""(module
      (import "env" "mix" (func $mix (param {types}) (result {types})))
      (func (export "through") (param {types}) (result {types}) (call $mix {gets}))
      (func (export "same") (param {types}) (result {types}) {gets}))"""
    arguments = tuple(map(argument, range(width)))
    calls = tuple(Invocation(name, arguments, entry) for name in ("through", "same"))
    found = both(compiled, reference, case(text, *calls))
    assert isinstance(found.outcomes[0], Returned)
    assert found.outcomes[1] == Returned.of(arguments)
    assert found.host_calls[0].args == Returned.of(arguments)


EXCEPTIONS = """(module
  (import "throw" "tag" (tag $thrown (param i32 f64)))
  (import "throw" "it" (func $throws (param i64)))
  (import "reenter" "inner" (func $inner_by_host (param i32) (result i32)))
  (import "trap" "it" (func $traps))
  (tag $own (export "own") (param i32 v128 externref))
  (tag $other)
  (func $deep (param i32 externref)
    (if (i32.eqz (local.get 0))
      (then (throw $own (i32.const 5) (v128.const i64x2 3 4) (local.get 1)))
      (else (call $deep (i32.sub (local.get 0) (i32.const 1)) (local.get 1)))))
  (func (export "uncaught") (param externref) (call $deep (i32.const 100) (local.get 0)))
  (func (export "caught") (param externref) (result i32 v128 externref)
    (block $l (result i32 v128 externref)
      (block $no
        (try_table (catch $other $no) (catch $own $l) (call $deep (i32.const 1000) (local.get 0))))
      (unreachable)))
  (func (export "from host") (result i32 f64)
    (block $l (result i32 f64)
      (try_table (catch $thrown $l) (call $throws (i64.const 9))) (unreachable)))
  (func (export "rethrown") (result i32)
    (block $l (result exnref)
      (try_table (catch_all_ref $l) (call $throws (i64.const 1))) (unreachable))
    throw_ref)
  (func (export "inner") (param i32) (result i32)
    (if (i32.gt_u (local.get 0) (i32.const 20)) (then (call $traps)))
    (if (i32.gt_u (local.get 0) (i32.const 10))
      (then (throw $own (local.get 0) (v128.const i64x2 1 2) (ref.null extern))))
    (i32.add (local.get 0) (i32.const 1)))
  (func (export "across") (param i32) (result i32)
    (block $l (result i32 v128 externref)
      (return (try_table (result i32) (catch $own $l) (call $inner_by_host (local.get 0)))))
    drop drop (i32.mul (i32.const 100)))
  (func (export "across uncaught") (param i32) (result i32) (call $inner_by_host (local.get 0))))"""


def test_exceptions(compiled: Engine, reference: Engine) -> None:
    token = Value("ref", 0, "extern:7")
    calls = [Invocation(name, (token,)) for name in ("uncaught", "caught")]
    calls += [Invocation("from host"), Invocation("rethrown")]
    calls += [Invocation(name, (Value("i32", n),)) for name in ("across", "across uncaught") for n in (3, 13, 23)]
    calls += [Invocation(one.export, one.args, Entry.WRAPPER) for one in calls]
    found = both(compiled, reference, case(EXCEPTIONS, *calls))
    payload = Returned.of((Value("i32", 5), Value("v128", 4 << 64 | 3), token))
    assert found.outcomes[0] == Threw("own", payload)
    assert found.outcomes[1] == payload
    assert isinstance(found.outcomes[3], Threw)
    assert found.outcomes[4:7] == (
        Returned.of((Value("i32", 4),)),
        Returned.of((Value("i32", 1300),)),
        Trapped(frozenset((TrapKind.HOST,))),
    )


STATE = """(module
  (memory $m (export "m") 1 70) (memory $n (export "n") i64 2 3) (memory $full (export "full") 65536)
  (table $t (export "t") 3 10 funcref) (table $e (export "e") 2 externref)
  (global $g (export "g") (mut v128) (v128.const i64x2 1 2)) (global (export "r") funcref (ref.func $grow))
  (data $d "0123456789") (elem $s func $grow $fill)
  (func $grow (export "grow") (param i32) (result i32 i32)
    (memory.grow $m (local.get 0)) (memory.size $m))
  (func (export "grow64") (param i64) (result i64) (memory.grow $n (local.get 0)))
  (func $fill (export "fill") (param i32 i32 i32)
    (memory.fill $m (local.get 0) (local.get 1) (local.get 2)))
  (func (export "init") (param i32 i32 i32)
    (memory.init $m $d (local.get 0) (local.get 1) (local.get 2))
    (memory.copy $m $m (i32.add (local.get 0) (i32.const 3)) (local.get 0) (local.get 2))
    (memory.copy $n $m (i64.const 131000) (local.get 0) (local.get 2)))
  (func (export "drop") (data.drop $d) (elem.drop $s))
  (func (export "tables") (param i32 i32 i32)
    (table.init $t $s (local.get 0) (local.get 1) (local.get 2))
    (table.copy $t $t (i32.const 0) (local.get 0) (local.get 2)))
  (func (export "grow table") (param externref i32) (result i32)
    (table.fill $e (i32.const 0) (local.get 0) (i32.const 1))
    (table.grow $e (local.get 0) (local.get 1)))
  (func (export "ends") (i32.store8 $full (i32.const -1) (i32.const 7)) (i32.store $full (i32.const 0) (i32.const 9)))
  (func (export "outside") (i32.store $full (i32.const -1) (i32.const 7))))"""


def test_state(compiled: Engine, reference: Engine) -> None:
    def call(name: str, *numbers: int, ref: str = "", type_: str = "i32") -> Invocation:
        values = tuple(Value(type_, number & (1 << int(type_[1:])) - 1) for number in numbers)
        return Invocation(name, ((Value("ref", 0, ref),) if ref else ()) + values)

    calls = (
        call("grow", 3), call("grow", 66), call("grow", 67), call("grow", -1),
        call("grow64", 1, type_="i64"), call("grow64", 1, type_="i64"), call("grow64", -1, type_="i64"),
        call("fill", 65530, 0x1AB, 20), call("fill", 70 * 65536 - 1, 1, 2), call("fill", -1, 1, -1),
        call("init", 100, 2, 7), call("init", 100, 2, 9), call("tables", 1, 0, 2), call("tables", 2, 0, 2),
        call("grow table", 5, ref="extern:3"), call("grow table", 0, ref="null"), call("drop"),
        call("init", 0, 0, 1), call("init", 0, 0, 0), call("tables", 0, 0, 1), call("ends"), call("outside"),
    )  # fmt: skip
    found = both(compiled, reference, case(STATE, *calls))
    kinds = "".join("t" if isinstance(outcome, Trapped) else "r" for outcome in found.outcomes)
    assert kinds == "rrrrrrrrttrtrtrrrtrtrt"
    assert {memory.export: memory.pages for memory in found.memories} == {"m": 70, "n": 3, "full": 65536}
    dumped = compiled.dump(case(STATE, *calls), (("full", 65535), ("m", 0), ("m", 70)))
    assert dumped["full", 65535] == bytes(65535) + b"\7"
    assert dumped["m", 0][100:110] == b"2342345678"
    assert dumped["m", 70] == b""


CONSTANTS = """(module
  (type $s (struct (field i8 externref (ref null $s)))) (type $a (array i16))
  (global $g (ref $s) (struct.new $s (i32.const 511) (ref.null extern) (struct.new_default $s)))
  (global (export "array") (mut anyref) (array.new $a (i32.const 70000) (i32.const 3)))
  (global (export "fixed") anyref (array.new_fixed $a 2 (i32.const 1) (i32.const 2)))
  (global (export "number") anyref (ref.i31 (i32.const -1)))
  (func (export "struct") (result (ref $s)) (global.get $g))
  (func (export "same") (param i31ref) (result i32 i32 i32)
    (ref.eq (global.get $g) (global.get $g)) (ref.eq (local.get 0) (ref.i31 (i32.const 5)))
    (i31.get_s (local.get 0))))"""


def test_aggregates_of_constant_expressions(compiled: Engine, reference: Engine) -> None:
    calls = [Invocation("same", (Value("ref", 0, ref),)) for ref in ("i31:5", "i31:2147483647", "null")]
    found = both(compiled, reference, case(CONSTANTS, Invocation("struct"), *calls))
    assert found.outcomes[0] == Returned(
        ("ref",), bytes(16), ("struct(i8:0xff,ref:null,ref:struct(i8:0x0,ref:null,ref:null))",)
    )
    assert isinstance(found.outcomes[3], Trapped)


def test_a_compiler_failure_is_a_crash_of_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the compiler raises is an outcome with its place, never an exception of the harness."""
    from compiler.pipeline import Settings
    from oracles.compiled import program
    from wasm.embedding import Crashed

    def fails(*_: object, **__: object) -> None:
        raise IndexError("of the compiler")

    monkeypatch.setattr(program, "compile_function", fails)
    with pytest.raises(program.Refused) as refused:
        program.Programs(Settings()).get(bytes(wasmtime.wat2wasm("(module (func))")))
    assert isinstance(refused.value.outcome, Crashed)
    assert refused.value.outcome.text == "IndexError: of the compiler"
