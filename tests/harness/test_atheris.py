"""The coverage-guided targets: what inputs mean, what counts as a finding, and real runs where Atheris is installed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.errors import Unsupported
from compiler.machine import AllocationError
from compiler.pipeline import REGALLOCS, Settings
from fuzz.atheris_targets import compiling, decoding, driver, inputs
from generators.config import Config
from generators.registry import source_of
from tests.conftest import PROJECT
from wasm.decode import decode
from wasm.errors import Malformed
from wasm.module import Module

EMPTY = b"\0asm\1\0\0\0"
BYTES = (
    b"",
    b"\0asm",
    EMPTY,
    EMPTY + b"\1\xff\xff\xff\xff\x0f",
    EMPTY + b"\1\5\xff\xff\xff\xff\x0f",
    EMPTY + b"\1\4\1\x60\0\0\3\2\1\0\n\4\1\2\0\x0b",
    EMPTY + b"\1\4\1\x60\0\0\3\2\1\0\n\5\1\3\0\x1a\x0b",
    bytes(range(256)),
)
needs_atheris = pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="no Atheris: pip install 'wasm-codegen-fuzz[atheris]'"
)


@pytest.mark.parametrize("data", BYTES, ids=range(len(BYTES)))
def test_bytes_for_the_decoder(data: bytes) -> None:
    decoding.test_one_input(data)


def test_another_exception_of_the_decoder_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: bytes) -> Module:
        if len(data) > 8:
            raise IndexError(data)
        raise Malformed("too short")

    monkeypatch.setattr(decoding, "decode", broken)
    decoding.test_one_input(EMPTY)
    with pytest.raises(IndexError):
        decoding.test_one_input(BYTES[5])


def test_an_encoder_that_loses_something_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "encode", lambda _module: EMPTY)
    decoding.test_one_input(EMPTY)
    with pytest.raises(decoding.RoundTripChanged):
        decoding.test_one_input(BYTES[5])


@pytest.mark.parametrize("data", [b"", b"\1\2\3", compiling.header(2, 2, 6, 0xFF) + b"\x20" + bytes(range(256))])
def test_bytes_for_the_compiler(data: bytes) -> None:
    compiling.test_one_input(data)


def test_both_allocators_compile_every_function_with_all_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, Settings]] = []
    monkeypatch.setattr(compiling, "compile_function", lambda _m, _c, index, settings: seen.append((index, settings)))
    data = compiling.header(1, 0, 7, 0b011_10_111) + b"\1\x80"
    compiling.test_one_input(data)
    module = decode(compiling.case_of(data).content)
    first = len(module.func_types()) - len(module.funcs)
    assert [index for index, _ in seen] == [first + i // 2 for i in range(2 * len(module.funcs))]
    for (_, found), regalloc in zip(seen, REGALLOCS * len(module.funcs), strict=True):
        assert found == Settings(regalloc, "none", 7, True, "random", 3, False, True, True)


def _raising(error: Exception) -> Callable[..., None]:
    def compile_function(*_arguments: object) -> None:
        raise error

    return compile_function


def test_only_unsupported_is_no_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "compile_function", _raising(Unsupported("nop")))
    compiling.test_one_input(b"")
    monkeypatch.setattr(compiling, "compile_function", _raising(AllocationError("too few registers")))
    with pytest.raises(AllocationError) as caught:
        compiling.test_one_input(b"")
    assert "at Settings(regalloc='backtracking'" in caught.value.__notes__[0]


def test_seeds_are_the_generators_cases() -> None:
    seeds = list(inputs.compile_seeds(2))
    assert len(set(seeds)) == 2 * len(compiling.TARGETS)
    for number, seed in enumerate(seeds[::2]):
        target = compiling.TARGETS[number]
        small = Config(max_params=2, max_results=2)
        assert compiling.case_of(seed).content == target.generate(source_of(target.name, 0, 0), small).content
    for seed in inputs.decode_seeds(1):
        decoding.test_one_input(seed)
        assert decode(seed).funcs


def test_seeds_and_modules_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert inputs.main(["seeds", "compile", str(tmp_path / "seeds"), "1"]) == 0
    seeds = sorted((tmp_path / "seeds").iterdir())
    assert len(seeds) == len(compiling.TARGETS)
    out = tmp_path / "out.wasm"
    assert inputs.main(["module", str(seeds[0]), str(out)]) == 0
    assert decode(out.read_bytes()).funcs
    capsys.readouterr()
    for wrong in ([], ["seeds", "nothing", "x"], ["seeds", "decode", "x", "many"], ["module", "nowhere", "x"]):
        assert inputs.main(wrong) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def _run(name: str, folder: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The fuzzer in a process of its own, in an empty folder, with a cache of its own."""
    (folder / "work").mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-m", f"fuzz.atheris_targets.{name}", *flags],
        cwd=folder / "work",
        env={**os.environ, "PYTHONPATH": str(PROJECT), "XDG_CACHE_HOME": str(folder / "a cache"), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("name", driver.FUZZ_TARGETS)
def test_without_atheris_one_line_says_what_to_install(name: str, tmp_path: Path) -> None:
    (tmp_path / "atheris.py").write_text("raise ImportError('not here')")
    done = _run(name, tmp_path, PYTHONPATH=f"{tmp_path}{os.pathsep}{PROJECT}")
    assert done.returncode == driver.UNUSABLE
    assert done.stdout == ""
    assert done.stderr == "coverage-guided fuzzing needs Atheris: pip install 'wasm-codegen-fuzz[atheris]'\n"


@needs_atheris
@pytest.mark.parametrize("name", driver.FUZZ_TARGETS)
def test_a_real_run(name: str, tmp_path: Path) -> None:
    """Some runs from seeds: no finding, coverage of the instrumented packages, new inputs."""
    corpus = tmp_path / "corpus"
    assert inputs.main(["seeds", name, str(corpus), "1"]) == 0
    before = len(list(corpus.iterdir()))
    done = _run(name, tmp_path, "-seed=1", f"-runs={before + 12}", "-print_final_stats=1", str(corpus))
    assert done.returncode == 0, done.stderr[-3000:]
    runs = [line for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units:")]
    assert int(runs[0].split()[1]) >= before
    assert "NEW    cov: " in done.stderr
    assert not list((tmp_path / "work").iterdir())


@needs_atheris
def test_what_starts_the_program_again_works(tmp_path: Path) -> None:
    """Merging starts argument 0 again, here out of a folder with a space in its name."""
    corpus, merged = tmp_path / "corpus", tmp_path / "merged"
    assert inputs.main(["seeds", "decode", str(corpus), "2"]) == 0
    merged.mkdir()
    done = _run("decode", tmp_path, "-merge=1", str(merged), str(corpus))
    assert done.returncode == 0, done.stderr[-3000:]
    assert 0 < len(list(merged.iterdir())) <= len(list(corpus.iterdir()))


@needs_atheris
def test_a_finding_ends_the_run_and_is_kept(tmp_path: Path) -> None:
    """A decoder that fails on every function body: the traceback is shown, the input is written."""
    (tmp_path / "sitecustomize.py").write_text(
        "import wasm.decode_instr, wasm.decode\n"
        "def broken(*_):\n"
        "    raise IndexError('planted')\n"
        "wasm.decode.read_instrs = wasm.decode_instr.read_instrs = broken\n"
    )
    corpus = tmp_path / "corpus"
    assert inputs.main(["seeds", "decode", str(corpus), "1"]) == 0
    path = f"{tmp_path}{os.pathsep}{PROJECT}"
    done = _run("decode", tmp_path, "-max_total_time=20", str(corpus), PYTHONPATH=path)
    assert done.returncode not in (0, driver.UNUSABLE)
    assert "IndexError: planted" in done.stdout + done.stderr
    (kept,) = (tmp_path / "work").iterdir()
    assert kept.name.startswith("crash-")
    assert decode(kept.read_bytes()).funcs
