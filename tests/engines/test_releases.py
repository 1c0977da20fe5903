"""Old releases, where they are in the cache: known bugs show, and what a release cannot do is said."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracles import provision
from oracles.engine import Engine, EngineUnavailable, Limits, open_engine
from tests.engines.conftest import Wat, open_or_skip
from wasm.embedding import Entry, Invocation, Rejected, Returned, Threw, Trapped, Value
from wasm.features import Feature

RELEASES = ("33.0.0", "20.0.0", "1.0.1", "0.30.0")
SHIFT = """(module (func (export "f") (param i32 i32) (result i32)
  (i32.or (i32.shr_u (local.get 0) (i32.const 32)) (i32.shl (local.get 1) (i32.const 0)))))"""
COPYSIGN = """(module (memory 1) (func (export "f") (param f64) (result f64)
  (f64.copysign (local.get 0) (f64.load (i32.const 65528)))))"""


def cached(name: str) -> Engine:
    version = name.partition("@")[2].partition(":")[0]
    if version not in provision.installed("wasmtime"):
        pytest.skip(f"wasmtime {version} is not in the cache (fuzz engines install wasmtime@{version})")
    return open_engine(name, Limits(), offline=True)


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest) -> Iterator[Engine]:
    opened = cached(f"wasmtime@{request.param}")
    yield opened
    opened.close()


def test_a_release_runs_a_case_with_every_bit(release: Engine, wat: Wat) -> None:
    text = """(module (import "env" "h" (func $h (param i32 f64) (result f32 i64)))
      (memory (export "m") 1) (global (export "g") f32 (f32.const nan:0x200001))
      (func (export "f") (param i32 f32 f64 i64) (result i64 f64 f32 i32 f32 i64)
        local.get 3 local.get 2 local.get 1 local.get 0 (call $h (i32.const 3) (f64.const 1)))
      (func (export "t") unreachable) (func $r (export "r") (call $r)))"""
    given = tuple(map(Value.parse, ("i32:-1", "f32:0x7fa00002", "f64:0xfff4000000000003", "i64:0x123456789abcdef0")))
    calls = [Invocation("f", given, entry) for entry in Entry]
    case = wat(text, *calls, Invocation("t"), Invocation("r"))
    observation, wanted = release.run(case), open_engine("interpreter").run(case)
    assert observation.outcomes == wanted.outcomes
    assert observation.host_calls == wanted.host_calls
    assert observation.globals == wanted.globals
    assert observation.memories == wanted.memories


@pytest.mark.parametrize(("name", "result"), [("wasmtime@33.0.0:opt=none", 1), ("wasmtime:opt=none", 25)])
def test_wasmtime_12318(name: str, result: int, wat: Wat) -> None:
    engine = cached(name) if "@" in name else open_engine(name)
    outcome = engine.run(wat(SHIFT, Invocation("f", (Value("i32", 24), Value("i32", 1))))).outcomes[0]
    assert outcome == Returned.of([Value("i32", result)])
    engine.close()


@pytest.mark.parametrize(("name", "traps"), [("wasmtime@33.0.0:opt=none", True), ("wasmtime:opt=none", False)])
def test_wasmtime_12435(name: str, traps: bool, wat: Wat) -> None:
    engine = cached(name) if "@" in name else open_engine(name)
    outcome = engine.run(wat(COPYSIGN, Invocation("f", (Value("f64", 0x3FF << 52),)))).outcomes[0]
    assert isinstance(outcome, Trapped if traps else Returned)
    engine.close()


@pytest.mark.parametrize("name", ["wasmtime@44.0.0", "wasmtime"])
def test_an_uncaught_exception_shows_its_tag_and_payload(name: str, wat: Wat) -> None:
    """44.0.0 hands out the exception itself, later releases a reference to it."""
    engine = cached(name) if "@" in name else open_engine(name)
    text = """(module (tag $t (export "t") (param i32 f64)) (tag $u (export "u"))
      (func (export "f") (throw $t (i32.const 7) (f64.const 1.5))) (func (export "g") (throw $u)))"""
    case = wat(text, Invocation("f"), Invocation("g"), Invocation("f"))
    wanted = open_engine("interpreter").run(case).outcomes
    assert [isinstance(outcome, Threw) for outcome in wanted] == [True] * 3
    assert engine.run(case).outcomes == wanted
    engine.close()


@pytest.mark.parametrize(("name", "has"), [("wasmtime@20.0.0", False), ("wasmtime", True)])
def test_memory64_is_tables_too(name: str, has: bool) -> None:
    """20.0.0 had 64-bit memories only: a module with such a table must not be asked of it."""
    engine = cached(name) if "@" in name else open_engine(name)
    assert (Feature.MEMORY64 in engine.capabilities.features) is has
    engine.close()


def test_a_development_library_is_loaded_in_place_of_the_installed_one(wat: Wat, tmp_path: Path) -> None:
    installed = open_or_skip("wasmtime")
    copy = tmp_path / "libwasmtime.so"
    shutil.copy(installed.capabilities.library, copy)
    installed.close()
    engine = open_engine(f"wasmtime@{copy}:opt=none")
    found = engine.capabilities
    assert (found.version, found.library) == ("development", str(copy))
    outcome = engine.run(wat(SHIFT, Invocation("f", (Value("i32", 24), Value("i32", 1))))).outcomes[0]
    assert outcome == Returned.of([Value("i32", 25)])
    engine.close()


def test_the_exact_preset_has_the_features_that_a_case_names(wat: Wat) -> None:
    engine = open_engine("wasmtime:features=exact")
    text = '(module (func (export "f") (result i32) (drop (v128.const i64x2 1 2)) (i32.const 4)))'
    bare = wat(text, Invocation("f"))
    assert isinstance(engine.run(bare).instantiation, Rejected)
    named = wat(text, Invocation("f"), needs=("simd",))
    assert engine.run(named).outcomes == (Returned.of([Value("i32", 4)]),)
    everything = wat(text, Invocation("f"), needs=tuple(f.value for f in engine.capabilities.features))
    assert engine.run(everything).outcomes == engine.run(named).outcomes
    engine.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wasmtime@33.0.0:winch", "no effect"),
        ("wasmtime@33.0.0:regalloc=single_pass", "cannot take"),
        ("wasmtime@20.0.0:pulley", "cannot take pulley"),
        ("wasmtime@1.0.1:winch", "no effect"),
        ("wasmtime@0.30.0:checker", "cannot take checker"),
    ],
)
def test_a_setting_that_a_release_cannot_take_is_refused(name: str, message: str) -> None:
    engine = cached(name)
    with pytest.raises(EngineUnavailable, match=message):
        _ = engine.capabilities
