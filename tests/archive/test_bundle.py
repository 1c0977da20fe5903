"""Bundles: the script holds for the reference and any other engine, and bites; repro.sh asks for the right settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.archive.repro import Shown, command, script
from fuzz.archive.stand_ins import stand_ins
from fuzz.archive.wast import to_wast
from generators.registry import make_case
from oracles.engine import EngineId, EngineUnavailable, open_engine
from oracles.engines import webkit
from oracles.interpreter import run_case
from oracles.judge.verdict import Kind
from oracles.remote.shells import find_shell
from oracles.suite.spectest import run_suite
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.embedding import (
    Exhausted,
    FreeNan,
    Invocation,
    Outcome,
    Rejected,
    Returned,
    Threw,
    Trapped,
    Value,
)
from wasm.encode import encode
from wasm.fragment import code
from wasm.traps import TrapKind
from wasm.valtypes import EXTERNREF, F32, F64, I32, I64, V128


def failures(text: str, folder: Path, engine: str = "interpreter") -> list[str]:
    """What fails of a script run through an engine; skips where scripts cannot be read."""
    path = folder / "case.wast"
    path.write_text(text)
    opened = open_engine(engine)
    try:
        (result,) = run_suite([path], opened.open_script)
    finally:
        opened.close()
    if "wasm-tools" in result.error:
        pytest.skip(result.error)
    assert not result.error
    return [f"line {failure.line}: {failure.message}" for failure in result.failures]


def of(case: Case) -> tuple[Outcome, ...]:
    seen = run_case(case)
    return (seen.instantiation, *seen.outcomes)


@pytest.mark.parametrize("target", ["returns", "params", "calls"])
def test_scripts_of_generated_cases_hold_in_other_engines(target: str, tmp_path: Path) -> None:
    imported = 0
    for index in range(20):
        case = make_case(target, 11, index)
        found = stand_ins(case.content)
        if found is None or len(case.content) > 12_000:
            continue
        imported += bool(found)
        text = to_wast(case, of(case))
        for engine in ("interpreter", "wasmtime"):
            assert failures(text, tmp_path, engine) == []
    assert imported >= 1


def wide_case() -> tuple[Case, tuple[Outcome, ...]]:
    """A case that returns one of everything."""
    values = (
        Value("i32", 0xFFFFFFFF), Value("i64", 1 << 63), Value("f32", 0x7FA00001), Value("f64", 0xFFF0000000000000),
        Value("f64", 0x8000000000000001), Value("v128", 0x7FC00000_00000001_80000000_FFFFFFFF),
        Value("ref", 0, "extern:7"), Value("ref", 0, "null"),
    )  # fmt: skip
    m = ModuleBuilder()
    types = [I32, I64, F32, F64, F64, V128, EXTERNREF, EXTERNREF]
    f = m.func(types, types, export='a "name"\\')
    for i in range(len(types)):
        f.emit("local.get", i)
    case = Case(encode(m.finish()), (Invocation('a "name"\\', values),))
    return case, (Returned(), Returned.of(values))


def test_every_type_is_written_bit_for_bit(tmp_path: Path) -> None:
    case, outcomes = wide_case()
    assert of(case) == outcomes
    assert failures(to_wast(case, outcomes), tmp_path) == []


@pytest.mark.parametrize("position", range(6))
def test_a_script_fails_where_one_bit_is_another(position: int, tmp_path: Path) -> None:
    case, outcomes = wide_case()
    got = outcomes[1]
    assert isinstance(got, Returned)
    values = list(got.values)
    values[position] = Value(values[position].type, values[position].bits ^ 1)
    assert len(failures(to_wast(case, (Returned(), Returned.of(values))), tmp_path)) == 1


def test_free_nans_are_written_as_such() -> None:
    case, outcomes = wide_case()
    free = (FreeNan(2, 0, 32, True), FreeNan(4, 0, 64, False), FreeNan(5, 96, 32, True))
    got = outcomes[1]
    assert isinstance(got, Returned)
    text = to_wast(case, (Returned(), Returned(got.types, got.slots, got.refs, free)))
    assert "(f32.const nan:canonical)" in text
    assert "(f64.const nan:arithmetic)" in text
    assert "(v128.const f32x4 -nan:0x7fffff -0x0.0p+0 " in text
    assert " nan:canonical)" in text


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Trapped(frozenset({TrapKind.DIV_BY_ZERO})), '(assert_trap (invoke "f") "integer divide by zero")'),
        (Threw("t"), '(assert_exception (invoke "f"))'),
        (Exhausted("stack"), '(assert_exhaustion (invoke "f") "call stack exhausted")'),
        (Exhausted("fuel"), '\n(invoke "f")'),
    ],
)
def test_every_end_has_its_assertion(outcome: Outcome, words: str) -> None:
    m = ModuleBuilder()
    m.func([], [], export="f")
    case = Case(encode(m.finish()), (Invocation("f"),))
    assert words in to_wast(case, (Returned(), outcome))


def test_what_is_no_module_is_asserted_to_be_none() -> None:
    assert to_wast(Case(b"\0asm\1\0\0\0\xff", kind=CaseKind.BYTES), ()).startswith("(assert_malformed")
    m = ModuleBuilder()
    m.func([], [I32], export="f")
    invalid = Case(encode(m.finish()), kind=CaseKind.BYTES)
    assert to_wast(invalid, (Rejected("type mismatch"),)).startswith("(assert_invalid")


@pytest.mark.parametrize(
    ("engine", "flags"),
    [
        ("wasmtime@33.0.0:opt=none", ["-W", "all-proposals=y", "-O", "opt-level=0"]),
        ("wasmtime:opt=none+checker", ["-C", "cranelift-regalloc_checker=true"]),
        ("wasmtime:regalloc=single_pass", ["-O", "regalloc-algorithm=single-pass"]),
        ("wasmtime:winch", ["-C", "compiler=winch"]),
        ("wasmtime:pulley", ["--target", "pulley64"]),
        ("wasmtime@/a/b:c/lib.so:flag.has_avx=false", ["-C", "cranelift-has_avx=false"]),
        ("wasmtime:cpu=avx2", ["-C", "cranelift-has_avx512bitalg=false", "-C", "cranelift-has_avx512dq=false"]),
    ],
)
def test_repro_asks_the_engine_for_the_settings_that_dissented(engine: str, flags: list[str], tmp_path: Path) -> None:
    """With a stand-in for the engine's command that notes its arguments, and fails as the engine would."""
    case = make_case("returns", 11, 0)
    path = tmp_path / "repro.sh"
    path.write_text(script(case, [Shown(engine, "33.0.0", Kind.VALUE)]))
    command = tmp_path / "fake"
    command.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > arguments\nexit 1\n')
    command.chmod(0o755)
    ran = subprocess.run(["sh", str(path)], check=False, env={"WASMTIME": str(command), "PATH": "/usr/bin:/bin"})
    if stand_ins(case.content) is None:
        pytest.fail("choose a case that a script can hold")
    assert ran.returncode == 1
    given = (tmp_path / "arguments").read_text().splitlines()
    assert given[0] == "wast"
    assert given[-1] == "case.wast"
    assert " ".join(flags) in " ".join(given)


@pytest.mark.parametrize(
    "engine",
    ["wasmtime:nan=canonical", "wasmtime:fuel", "wasmtime:guard=0", "wasmtime:opt=none+features=exact",
     "wasmtime@33.0.0:build=assertions", "wasmtime:guard=much", "cmd:/bin/mywasm {wasm}"],
)  # fmt: skip
def test_repro_says_gone_of_nothing_that_it_cannot_set(engine: str, tmp_path: Path) -> None:
    """Without the setting the engine is right, which says nothing of the finding."""
    case = make_case("returns", 11, 0)
    (tmp_path / "repro.sh").write_text(script(case, [Shown(engine, "33.0.0", Kind.VALUE)]))
    (tmp_path / "right").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "right").chmod(0o755)
    environment = {"WASMTIME": str(tmp_path / "right"), "PATH": "/usr/bin:/bin"}
    ran = subprocess.run(["sh", "repro.sh"], check=False, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert ran.returncode == 125
    assert "fuzz replay ." in ran.stdout
    assert command(engine, "33.0.0", case).why_not


def here(shell: str, engine: str) -> str:
    """A shell's executable, or a skipped test where there is none."""
    try:
        return webkit.find(EngineId(engine)) if shell == "jsc" else find_shell(shell, EngineId(engine), offline=True)
    except EngineUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("engine", "sign", "shell", "variable"),
    [
        ("v8:liftoff", "--liftoff-only", "node", "NODE"),
        ("deno:turbofan", "eval --v8-flags=--single-threaded", "deno", "DENO"),
        ("jsc:bbq", "BUN_JSC_useWasmIPInt=0", "bun", "BUN"),
        ("jsc@1.4.5:omg", "ROUNDS = 2", "bun", "BUN"),
        ("webkit:bbq", "--useWasmIPInt=0", "jsc", "JSC"),
    ],
)
def test_repro_runs_in_a_javascript_shell(engine: str, sign: str, shell: str, variable: str, tmp_path: Path) -> None:
    m = ModuleBuilder()
    f = m.func([I32, I64], [I64, I32], export='odd "name"')
    for name, imm in (("local.get", 1), ("local.get", 0)):
        f.emit(name, imm)
    case = Case(encode(m.finish()), (Invocation('odd "name"', (Value("i32", 5), Value("i64", 1 << 40))),))
    path = tmp_path / "repro.sh"
    path.write_text(script(case, [Shown(engine, "1.2.3", Kind.VALUE)]))
    (tmp_path / "case.wasm").write_bytes(case.content)
    assert sign in path.read_text()
    found = here(shell, engine.split(":")[0].split("@")[0])
    env = os.environ | {variable: found}
    ran = subprocess.run(["sh", str(path)], check=False, capture_output=True, text=True, env=env)
    assert 'odd "name" returned 1099511627776 5' in ran.stdout
    assert ran.returncode == 0, ran.stdout + ran.stderr


def repro(tmp_path: Path, engine: str, kind: Kind, *expected: Outcome, **variables: str) -> tuple[int, str]:
    """The exit status of a case's repro.sh and what it prints."""
    m = ModuleBuilder()
    f = m.func([I32, F64], [I32, F64], export="f")
    for name, imm in (("local.get", 0), ("local.get", 1)):
        f.emit(name, imm)
    g = m.func([], [F32], export="g")
    g.body += code("f32.const 0  f32.const 0  f32.div")
    m.func([], [], export="h").body += code("unreachable")
    calls = (Invocation("g"), Invocation("h"))
    case = Case(encode(m.finish()), calls)
    (tmp_path / "case.wasm").write_bytes(case.content)
    path = tmp_path / "repro.sh"
    path.write_text(script(case, [Shown(engine, "1.2.3", kind)], (Returned(), *expected)))
    env = {"PATH": "/usr/bin:/bin", **variables}
    ran = subprocess.run(["sh", str(path)], check=False, capture_output=True, text=True, env=env)
    return ran.returncode, ran.stdout + ran.stderr


NAN, TRAP = Returned.of([Value("f32", 0x7FC00000)]), Trapped(frozenset({TrapKind.UNREACHABLE}))


@pytest.mark.parametrize(
    ("engine", "shell", "variable"),
    [("v8", "node", "NODE"), ("jsc", "bun", "BUN"), ("deno", "deno", "DENO"), ("webkit", "jsc", "JSC")],
)
def test_repro_compares_in_a_javascript_shell(engine: str, shell: str, variable: str, tmp_path: Path) -> None:
    """1 only if it saw the bug, 0 if the engine is right."""
    found = here(shell, engine)
    assert repro(tmp_path, engine, Kind.VALUE, NAN, TRAP, **{variable: found})[0] == 0
    for wrong in ((Returned.of([Value("f32", 0)]), TRAP), (NAN, Returned()), (TRAP, TRAP)):
        status, said = repro(tmp_path, engine, Kind.VALUE, *wrong, **{variable: found})
        assert status == 1
        assert "  expected " in said


@pytest.mark.parametrize(
    ("does", "status"),
    [("exit 0", 0), ("exit 1", 1), ("kill -ABRT $$", 1), ("exit 2", 125), ("exit 127", 125)],
)
def test_repro_tells_what_it_saw_from_what_it_could_not_run(does: str, status: int, tmp_path: Path) -> None:
    """A flag that a release does not have is no bug of it, and neither is a release that is not there."""
    command = tmp_path / "fake"
    command.write_text(f"#!/bin/sh\n{does}\n")
    command.chmod(0o755)
    assert repro(tmp_path, "wasmtime:opt=none", Kind.VALUE, NAN, TRAP, WASMTIME=str(command))[0] == status


def test_repro_says_what_calls_do_not_show(tmp_path: Path) -> None:
    """Never "gone" where nothing of it was compared."""
    status, said = repro(tmp_path, "wasmtime", Kind.STATE, NAN, TRAP, WASMTIME="/bin/true")
    assert (status, "only fuzz replay . compares this (state)" in said) == (125, True)
    other = (Returned(), NAN, Trapped(frozenset({TrapKind.MEMORY_OOB})))
    case = Case(b"", (Invocation("g"), Invocation("h")))
    text = script(case, [Shown("v8", "1", Kind.TRAP, other)], (Returned(), NAN, TRAP))
    assert "only fuzz replay . tells one trap from another here" in text


def test_repro_by_the_package_of_a_release(tmp_path: Path) -> None:
    """Where there is no command line, Wasmtime's own Python package compares."""
    have = {"WASMTIME": "/nonexistent/wasmtime", "PYTHON": sys.executable}
    for engine in ("wasmtime", "wasmtime:opt=none"):
        status, said = repro(tmp_path, engine, Kind.VALUE, NAN, TRAP, **have)
        assert status == 0, said
    for wrong in ((Returned.of([Value("f32", 0)]), TRAP), (NAN, Returned()), (TRAP, TRAP)):
        status, said = repro(tmp_path, "wasmtime:opt=none", Kind.VALUE, *wrong, **have)
        assert (status, "  expected " in said) == (1, True), said
    # What the package cannot be asked for is not compared at all.
    status, said = repro(tmp_path, "wasmtime:winch", Kind.VALUE, NAN, TRAP, **have)
    assert (status, "/nonexistent/wasmtime is not here" in said) == (125, True)
    status, said = repro(tmp_path, "wasmtime", Kind.VALUE, NAN, TRAP, **have | {"PYTHON": "/nonexistent/python"})
    assert (status, "pip install wasmtime==1.2.3, and set PYTHON to its python" in said) == (125, True)


def test_repro_without_its_engine(tmp_path: Path) -> None:
    for engine, variable in (("wasmtime", "WASMTIME"), ("v8", "NODE")):
        status, said = repro(tmp_path, engine, Kind.VALUE, NAN, TRAP, **{variable: "/nonexistent/engine"})
        assert status == 125
        assert f"/nonexistent/engine is not here: install it, or set {variable} to its path" in said
    status, said = repro(tmp_path, "compiler", Kind.VALUE, NAN, TRAP)
    assert (status, "fuzz replay ." in said) == (125, True)
    assert repro(tmp_path, "v8", Kind.VALUE, Returned.of([Value("v128", 1)]), TRAP, NODE="/bin/false")[0] == 125
