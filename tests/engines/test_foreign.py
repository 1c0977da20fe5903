"""Other kinds of machines, for Wasmtime above all: what is missing is a line, what runs under qemu comes out right."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.cli.main import main
from oracles import emulation, provision
from oracles.builds import wasmtime as builds
from oracles.builds.manifest import Chosen, source
from oracles.builds.options import Build
from oracles.built import BuiltReleases
from oracles.emulation import TARGETS, cargo_settings, emulator, scaled
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError, open_engine, releases_for, risk
from oracles.remote.crash import read_crash
from oracles.remote.worker_engine import WorkerEngine
from tests.engines.conftest import Wat, has, only, open_or_skip
from wasm.embedding import Crashed, Invocation, Returned, Threw, Trapped, Unsupported, Value
from wasm.features import Feature

OTHERS = [name for name, target in TARGETS.items() if not target.is_own]
SMALL = "reservation=1M+guard=64K+growth=64K"


# Ids


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("wasmtime@50.0.1:opt=none+target=aarch64", "wasmtime@50.0.1:target=aarch64+opt=none"),
        ("wasmtime@33.0.0:target=riscv64+build=assertions", "wasmtime@33.0.0:build=assertions+target=riscv64"),
        ("wasmtime:target=aarch64+winch+collector=null", "wasmtime:target=aarch64+winch+collector=null"),
        ("wazero@1.12.0:interpreter+target=aarch64", "wazero@1.12.0:target=aarch64+interpreter"),
    ],
)
def test_a_target_is_a_setting_as_others(text: str, canonical: str) -> None:
    assert str(EngineId.parse(text)) == canonical


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wasmtime:target=arm64", r"target=arm64 is not possible \(did you mean aarch64\?\)"),
        ("wasmtime:target=aarch64+cpu=sse2", r"presets are of x86-64 CPUs: with a target write flag\.has_NAME=false"),
        ("wasmtime@20.0.0:target=aarch64", r"target=aarch64 is of Wasmtime 24\.0\.0 and later, not of 20\.0\.0"),
        ("wasmtime:collector=none", r"collector=none is not possible"),
        ("wazero:target=arm64", r"target=arm64 is not possible \(did you mean aarch64\?\): aarch64 is"),
        ("wazero:target=riscv64", r"target=riscv64 is not possible: aarch64 is"),
        ("endive:target=aarch64", r"target=aarch64 is no setting of Endive: it has interpreter"),
    ],
)
def test_what_cannot_be_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        EngineId.parse(text)


def test_wheels_can_be_bisected_and_builds_cannot(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    found = releases_for(EngineId.parse("wasmtime@50.0.1:target=aarch64"))
    assert found is not None
    assert found.name == "wasmtime-aarch64"
    assert releases_for(EngineId.parse("wasmtime@50.0.1:target=riscv64")) is None
    case = tmp_path / "case.wasm"
    case.write_bytes(b"\0asm\1\0\0\0")
    assert main(["bisect", str(case), "--engine", "wasmtime:target=riscv64", "--offline"]) in (2, 3)
    said = capsys.readouterr().err
    # Or what is missing here: qemu, the worker, a build.
    assert any(word in said for word in ("each would be a build", "not in the cache", "qemu", "older worker")), said


def test_wazero_has_its_releases_on_each_machine() -> None:
    found = releases_for(EngineId.parse("wazero:target=aarch64"))
    assert isinstance(found, BuiltReleases)
    assert (found.kept, found.since) == ("wazero-aarch64", "1.8.0")


def test_a_build_of_a_stranger_takes_trust() -> None:
    assert "a build of Wasmtime" in risk(EngineId.parse("wasmtime@29.0.0:target=s390x"))
    assert risk(EngineId.parse("wasmtime@29.0.0:target=aarch64")) == ""


# What is missing


@pytest.mark.parametrize("name", OTHERS)
def test_without_an_emulator_a_line_says_so(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineUnavailable) as caught:
        emulator(TARGETS[name])
    said = f"{name} is run by qemu-{name}, which is not installed: apt-get install qemu-user"
    assert str(caught.value) == said


@pytest.mark.parametrize("name", OTHERS)
def test_without_a_library_for_it_a_line_says_so(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / f"qemu-{name}"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("QEMU_LD_PREFIX", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=rf"{name} has no C library in .*: install libc6-.*-cross and libgcc"):
        emulator(TARGETS[name])
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / TARGETS[name].loader).touch()
    assert emulator(TARGETS[name])[0] == str(tool)
    assert emulator(TARGETS[name])[-2:] == ("-L", str(tmp_path))


def test_a_program_that_is_static_needs_no_library(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = TARGETS[OTHERS[0]]
    tool = tmp_path / f"qemu-{target.name}"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("QEMU_LD_PREFIX", str(tmp_path))
    assert emulator(target, static=True)[0] == str(tool)
    assert "-L" not in emulator(target, static=True)


def test_without_rusts_library_or_a_linker_a_line_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(emulation, "_rust_libraries", lambda: tmp_path)
    target = TARGETS[OTHERS[0]]
    with pytest.raises(EngineUnavailable, match=rf"is not installed: rustup target add {target.triple}$"):
        cargo_settings(target, "the worker")
    (tmp_path / target.triple).mkdir()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineUnavailable, match=rf"the worker is linked by {target.gnu}-gcc, which is not installed"):
        cargo_settings(target, "the worker")
    monkeypatch.setenv(f"CARGO_TARGET_{target.triple.upper().replace('-', '_')}_LINKER", "/usr/bin/my-linker")
    assert cargo_settings(target, "the worker") == {}


def test_a_machine_of_its_own_kind_needs_no_emulator() -> None:
    own = [target for target in TARGETS.values() if target.is_own]
    assert [emulator(target) for target in own] == [()] * len(own)
    assert [scaled(Limits(), target) for target in own] == [Limits()] * len(own)
    assert scaled(Limits(), TARGETS[OTHERS[0]]).cpu_seconds == 100


# Deaths


def test_the_emulators_line_about_an_end_is_no_part_of_a_crash() -> None:
    told = "qemu: uncaught target signal 6 (Aborted) - core dumped\n"
    panic = (
        "\nthread '<unnamed>' (9) panicked at cranelift/codegen/src/isa/aarch64/lower.rs:12:34:\nno rule\nnote: run\n"
    )
    assert read_crash(-6, panic + told) == Crashed(6, "no rule", "cranelift/codegen/src/isa/aarch64/lower.rs:12")
    assert read_crash(-4, "qemu: uncaught target signal 4 (Illegal instruction) - core dumped\n") == Crashed(
        4, "SIGILL"
    )


def test_the_emulators_own_end_is_nobodys_finding() -> None:
    said = "qemu-riscv64: ../../target/riscv/translate.c:213: decode_save_opc: Assertion `ctx->insn_start' failed."
    assert read_crash(-6, f"{said}\n") == Unsupported(f"the emulator fails: {said}")
    said = "ERROR:../../accel/tcg/cpu-exec.c:955:cpu_exec: assertion failed: (cpu == current_cpu)"
    assert read_crash(-6, f"**\n{said}\n") == Unsupported(f"the emulator fails: {said}")
    said = "../../tcg/tcg.c:3243: tcg fatal error"
    assert read_crash(-6, f"{said}\n") == Unsupported(f"the emulator fails: {said}")


@pytest.fixture(scope="module", params=[f"wasmtime:target={name}+{SMALL}" for name in OTHERS])
def foreign(request: pytest.FixtureRequest) -> Iterator[Engine]:
    opened = open_or_skip(request.param)
    yield opened
    opened.close()


LOOPS = '(module (func (export "f") (loop (br 0))))'


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGBUS])
def test_a_fault_of_the_program_is_a_crash_with_its_signal(foreign: Engine, wat: Wat, number: signal.Signals) -> None:
    assert isinstance(foreign, WorkerEngine)
    pending = foreign.start(wat(LOOPS, Invocation("f")))
    while foreign.process().progress() != (3, 0):
        assert pending.poll() is None
    while pending.poll() is None:  # the first one of ours takes Wasmtime's handler away, since it is nobody's trap
        os.kill(foreign.process().process.pid, number)
        time.sleep(0.1)
    assert only(pending.result()) == Crashed(number, number.name)
    assert only(foreign.run(wat('(module (func (export "f")))', Invocation("f")))) == Returned()


def test_a_panic_is_a_crash_with_its_place(wat: Wat) -> None:
    if "33.0.0" not in provision.installed("wasmtime-aarch64"):
        pytest.skip("wasmtime 33.0.0 for aarch64 is not in the cache")
    engine = open_or_skip("wasmtime@33.0.0:target=aarch64")
    text = (Path(__file__).parents[2] / "docs" / "found" / "wasmtime-36-table-copy.wat").read_text(encoding="utf-8")
    got = only(engine.run(wat(text, Invocation("up"))))
    engine.close()
    assert isinstance(got, Crashed)
    assert (got.signal, got.text) == (signal.SIGABRT, "called `Option::unwrap()` on a `None` value")
    assert got.location == "crates/wasmtime/src/runtime/vm/table.rs:965"


def test_an_abort_in_the_library_is_a_refusal_with_its_words(foreign: Engine) -> None:
    engine = open_engine(f"{foreign.id}+flag.no_such_flag=on", offline=True)
    with pytest.raises(EngineUnavailable, match="no_such_flag"):
        _ = engine.capabilities
    engine.close()


# What is run


def test_traps_by_signals_and_exceptions_with_payloads(foreign: Engine, wat: Wat) -> None:
    text = """(module (memory 1) (tag $t (export "t") (param f32 v128))
      (func (export "m") (result i32) (i32.load (i32.const 65536)))
      (func (export "d") (param i64) (result i64) (i64.div_s (i64.const 1) (local.get 0)))
      (func (export "x") (throw $t (f32.const nan:0x200001) (v128.const i64x2 1 2))))"""
    zero = (Value("i64", 0),)
    seen = foreign.run(wat(text, Invocation("m"), Invocation("d", zero), Invocation("x")))
    kinds = [sorted(kind.name for kind in one.kinds) for one in seen.outcomes if isinstance(one, Trapped)]
    assert kinds == [["MEMORY_OOB"], ["DIV_BY_ZERO"]]
    thrown = seen.outcomes[2]
    assert isinstance(thrown, Threw)
    assert [str(value) for value in thrown.payload.values] == ["f32:0x7fa00001", "v128:0x20000000000000001"]


def test_compiled_code_does_not_spoil_what_is_told_of_time(foreign: Engine, wat: Wat) -> None:
    """On riscv64 it changes a register of floats that is its caller's (docs/found/wasmtime-riscv64.md)."""
    gets = " ".join(f"(local.get {i})" for i in range(32))
    text = f"""(module (func $f (param {"f64 " * 32}) (result f64) {gets} {"f64.add " * 31})
      (func (export "f") (result f64) (call $f {"(f64.const 1.5) " * 32})))"""
    seen = foreign.run(wat(text, Invocation("f")))
    assert only(seen) == Returned.of([Value("f64", 0x4048000000000000)])
    assert all(0 <= seconds < 60 for _, seconds in seen.cpu)


def test_memories_of_which_little_was_touched(foreign: Engine, wat: Wat) -> None:
    """Of 256 MiB two blocks: which they are is said by the system, under an emulator too, or else by looking."""
    text = """(module (memory (export "m") 4096) (func (export "f")
      (i32.store8 (i32.const 0x0fffffff) (i32.const 7)) (i32.store8 (i32.const 70000) (i32.const 1))))"""
    case = wat(text, Invocation("f"))
    assert foreign.run(case).memories == open_engine("interpreter").run(case).memories


def test_without_its_vector_instructions_riscv64_has_no_vectors() -> None:
    engine = open_or_skip(f"wasmtime:target=riscv64+{SMALL}+flag.has_v=false")
    features = engine.capabilities.features
    engine.close()
    assert Feature.GC in features
    assert not features & {Feature.SIMD, Feature.RELAXED_SIMD}


def test_the_default_elides_bounds_checks_and_runs_too(wat: Wat) -> None:
    engine = open_or_skip("wasmtime:target=aarch64")
    text = '(module (memory 1) (func (export "f") (param i32) (result i32) (i32.load (local.get 0))))'
    calls = [Invocation("f", (Value("i32", at),)) for at in (65532, 65533, 0xFFFFFFFF)]
    kinds = [type(one).__name__ for one in engine.run(wat(text, *calls)).outcomes]
    engine.close()
    assert kinds == ["Returned", "Trapped", "Trapped"]


@pytest.mark.parametrize("version", ["24.0.0", "33.0.0", "43.0.0"])
def test_older_releases_run_with_the_same_worker(version: str, wat: Wat) -> None:
    if version not in provision.installed("wasmtime-aarch64"):
        pytest.skip(f"wasmtime {version} for aarch64 is not in the cache")
    engine = open_or_skip(f"wasmtime@{version}:target=aarch64")
    text = """(module (import "env" "h" (func $h (param i32 externref) (result f32 externref)))
      (table (export "t") 3 externref) (global (export "g") v128 (v128.const i64x2 5 6))
      (func (export "f") (param i32 externref) (result f32 externref)
        (table.set (i32.const 1) (local.get 1)) (call $h (local.get 0) (local.get 1))))"""
    given = (Value("i32", 7), Value.parse("ref:extern:9"))
    case = wat(text, Invocation("f", given))
    seen, wanted = engine.run(case), open_engine("interpreter").run(case)
    assert has(engine, Feature.SIMD)
    engine.close()
    assert (seen.outcomes, seen.host_calls, seen.globals, seen.tables) == (
        wanted.outcomes, wanted.host_calls, wanted.globals, wanted.tables)  # fmt: skip


# Garbage collectors


def test_a_build_can_choose_its_collector_where_it_has_several() -> None:
    text = source(Chosen(("gc", "gc-drc", "gc-copying"), ()))
    assert "0 => (*config).collector(wasmtime::Collector::DeferredReferenceCounting)," in text
    assert "2 => (*config).collector(wasmtime::Collector::Copying)," in text
    assert "Collector::Null" not in text
    assert source(Chosen(("gc",), ())) == "pub use wasmtime_c_api::*;\n"


@pytest.mark.parametrize("id", ["wasmtime:collector=null", "wasmtime:target=aarch64+collector=null"])
def test_a_wheel_has_no_setter_for_a_collector(id: str) -> None:
    engine = open_or_skip(id.replace("+collector=null", "").replace("collector=null", "opt=none"))
    engine.close()
    engine = open_engine(id, offline=True)
    with pytest.raises(EngineUnavailable, match="collector=null is of a build: the C API of this release has no"):
        _ = engine.capabilities
    engine.close()


GARBAGE = """(module (type $s (struct (field i32) (field (ref null $s))))
  (func (export "f") (result i32) (local $i i32) (local $s (ref null $s))
    (loop $l
      (local.set $s (struct.new $s (local.get $i) (if (result (ref null $s)) (i32.and (local.get $i) (i32.const 1))
        (then (local.get $s)) (else (ref.null $s)))))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 2000))))
    (struct.get $s 0 (struct.get $s 1 (local.get $s)))))"""


@pytest.mark.parametrize(
    ("target", "collector"), [(target, name) for target in ("", *OTHERS) for name in ("drc", "null")]
)
def test_collectors_of_a_build_are_proved_and_run(target: str, collector: str, wat: Wat) -> None:
    release = open_or_skip("wasmtime:opt=none").capabilities.version
    if not builds.is_at_hand(release, Build(), target):
        pytest.skip(f"wasmtime@{release}:build is not at hand")
    where = f"+target={target}" if target else ""
    engine = open_or_skip(f"wasmtime@{release}:build{where}+collector={collector}")
    got = only(engine.run(wat(GARBAGE, Invocation("f"))))
    engine.close()
    assert got == Returned.of([Value("i32", 1998)])


def test_the_collector_that_is_so_already_is_refused() -> None:
    release = open_or_skip("wasmtime:opt=none").capabilities.version
    target = next((name for name in ("", *OTHERS) if builds.is_at_hand(release, Build(), name)), None)
    if target is None or (target and shutil.which(f"qemu-{target}") is None):
        pytest.skip(f"wasmtime@{release}:build is not at hand")
    where = f"+target={target}" if target else ""
    try:
        engine = open_engine(f"wasmtime@{release}:build{where}+collector=copying", offline=True)
    except EngineUnavailable as error:
        pytest.skip(str(error))
    with pytest.raises(EngineUnavailable, match="collector=copying has no effect in this release"):
        _ = engine.capabilities
    engine.close()
