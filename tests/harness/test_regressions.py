"""Every finding that was ever repaired is replayed from its bundle, on the engines that it names and on all our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fuzz.campaign.archive import read_bundle
from fuzz.campaign.bench import MACHINE_ENGINES, Bench
from fuzz.cli import main
from oracles.verdict import Agree
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
    bench = Bench(list(dict.fromkeys((*own, *(run.engine for run in finding.runs)))))
    try:
        assert not bench.broken
        for case in dict.fromkeys((finding.case, finding.best)):
            assert isinstance(bench.run(case).verdict, Agree)
    finally:
        bench.close()


def test_the_command_replays_a_bundle(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", str(BUNDLES[0])]) == 0
    assert "all agree" in capsys.readouterr().out
