"""Machine functions go the way of all cases: judged, minimized, kept as bundles, replayed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.archive import bundle
from fuzz.cli.main import main
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.minimize import minimized
from fuzz.trial.retry import confirm
from generators.registry import make_case
from oracles.engine import Engine, EngineId, Limits, open_engine
from oracles.engines.allocators import AllocatorsEngine
from oracles.judge.verdict import Agree, Disagree, Kind
from wasm.case import Case, CaseKind
from wasm.embedding import Rejected, Returned, TimedOut, Unsupported


def wrong_on_reuse(text: str) -> tuple[str, ...]:
    """An allocator that fails on functions with a reuse constraint."""
    return ("backtracking: wrong: block 0, inst 1: operand 0 should hold v0",) if "reuse" in text else ()


def opener(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    return AllocatorsEngine(EngineId.parse(id), limits, wrong_on_reuse)


def faulty() -> tuple[Bench, Case]:
    bench = Bench(("allocators",), opener=opener)
    case = next(case for i in range(50) if b"reuse" in (case := make_case("regalloc", 1, i)).content)
    return bench, case


def test_sound_allocators_agree() -> None:
    bench = Bench(("allocators", "wasmtime"))
    trial = bench.run(make_case("regalloc", 1, 0))
    bench.close()
    assert isinstance(trial.verdict, Agree)
    kinds = [type(seen.instantiation) for seen in trial.observations]
    assert kinds == [Returned, Unsupported]
    assert [poison.engine for poison in trial.verdict.poisons] == ["wasmtime:opt=speed"]  # the other was judged


def test_a_wrong_allocation_becomes_a_small_bundle() -> None:
    bench, case = faulty()
    trial = bench.run(case)
    assert isinstance(trial.verdict, Disagree)
    ((signature, dissents),) = split(trial.verdict)
    found = confirm(bench, trial, signature, dissents)
    assert found is not None
    small, work = minimized(bench, found, 20.0)
    assert work is not None
    assert small.minimized is not None
    text = small.minimized.content.decode()
    assert "reuse" in text
    assert len(text.splitlines()) <= 8, text
    assert small.signature.kind == Kind.CRASH.value
    files = bundle.files(small)
    assert {"case.mach", "original.mach", "finding.json", "README.md", "repro.sh"} == set(files)
    assert json.loads(files["finding.json"])


def test_only_machine_functions_and_in_time() -> None:
    engine = open_engine("allocators", Limits())
    assert isinstance(engine.run(Case(b"\0asm\1\0\0\0")).instantiation, Unsupported)
    assert isinstance(engine.run(Case(b"no such text", kind=CaseKind.MACHINE)).instantiation, Rejected)

    def endless(_text: str) -> tuple[str, ...]:
        while True:
            pass

    slow = AllocatorsEngine(EngineId.parse("allocators"), Limits(cpu_seconds=0.2), endless)
    assert isinstance(slow.run(make_case("regalloc", 1, 0)).instantiation, TimedOut)


def test_the_command_line_takes_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--target", "regalloc", "--seed", "1", "--count", "1", "--out", str(tmp_path)]) == 0
    assert main(["replay", str(tmp_path / "regalloc-1-0.mach")]) == 0
    assert main(["show", "--target", "regalloc", "--seed", "1", "--index", "0"]) == 0
    assert "block 0" in capsys.readouterr().out
