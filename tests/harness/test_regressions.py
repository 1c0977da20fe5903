"""Every finding that was ever repaired is replayed from its bundle, on the engines that it names and on all our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.archive.bundles import read_bundle
from fuzz.cli.main import main
from fuzz.triage.signature import split
from fuzz.trial.bench import MACHINE_ENGINES, Bench
from oracles.engine import EngineId
from oracles.judge.verdict import Agree, Disagree
from wasm.case import CaseKind

BUNDLES = sorted(path.parent for path in Path(__file__).parents[2].glob("corpus/regressions/*/finding.json"))
ENGINES = (
    "compiler",
    "compiler:opt=none",
    "compiler:regalloc=single_pass",
    "compiler:regs=6",
    "compiler:spill=all",
    "compiler:opt=none+order=random-1",
    "wasmtime",
)


def test_there_are_some() -> None:
    assert BUNDLES


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_it_stays_repaired(folder: Path) -> None:
    finding = read_bundle(folder)
    own = MACHINE_ENGINES if finding.best.kind is CaseKind.MACHINE else ENGINES
    released = [run.engine for run in finding.runs if not EngineId.read(run.engine).unreleased]
    bench = Bench(list(dict.fromkeys((*own, *released))))
    try:
        assert not bench.broken
        for case in dict.fromkeys((finding.case, finding.best)):
            assert isinstance(bench.run(case).verdict, Agree)
    finally:
        bench.close()


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_a_build_that_has_a_bug_still_shows_it(folder: Path) -> None:
    """Some are bugs of builds that nobody mends, and a harness that does not see them any more has one itself."""
    finding = read_bundle(folder)
    builds = [run.engine for run in finding.runs if EngineId.read(run.engine).unreleased]
    if not builds:
        pytest.skip("it was found in this project's own code, and mended")
    bench = Bench(builds, offline=True)
    try:
        if bench.broken:
            pytest.skip(next(iter(bench.broken.values())))
        verdict = bench.run(finding.best).verdict
        assert isinstance(verdict, Disagree)
        assert finding.signature.bucket in [signature.bucket for signature, _ in split(verdict)]
    finally:
        bench.close()


def test_the_command_replays_a_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(BUNDLES[0])]) == 0
    assert "all agree" in capsys.readouterr().out


def test_a_refusal_takes_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Engines explain in several lines why they refuse a truncated module; the table has a row for each engine."""
    path = tmp_path / "truncated.wasm"
    path.write_bytes(b"\0asm\1\0\0\0\1")
    assert main(["replay", str(path), "--engine", "interpreter", "--engine", "wasmtime"]) == 0
    rows = capsys.readouterr().out.partition("instantiation\n")[2].partition("\n\n")[0].splitlines()
    assert [row.split()[0] for row in rows] == ["interpreter", "wasmtime:opt=speed"]
