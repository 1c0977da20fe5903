"""The finished run in ``reports/example`` is what today's code would write, and its finding shows again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from fuzz.archive import bundle
from fuzz.archive.archive import Series, read_findings, read_journal
from fuzz.archive.recorded import recorded
from fuzz.cli.main import main
from fuzz.records.finding import Finding
from fuzz.records.stats import Stats
from fuzz.trial.bench import Bench
from generators.registry import make_case, version_of
from oracles.reference import REFERENCE
from wasm.embedding import Returned

REPORTS = Path(__file__).resolve().parents[2] / "reports"
EXAMPLE = REPORTS / "example"
ENGINE = "wasmtime@33.0.0:opt=none"


@pytest.fixture(scope="module")
def stored() -> tuple[Path, Finding]:
    (only,) = read_findings(EXAMPLE)
    return only


def test_every_file_of_the_bundle_is_what_would_be_written(stored: tuple[Path, Finding]) -> None:
    path, finding = stored
    assert path.name == bundle.name(finding)
    written = {file.name: file.read_bytes() for file in path.iterdir()}
    assert written == bundle.files(finding)
    assert {file.name for file in path.iterdir() if file.stat().st_mode & 0o100} == bundle.EXECUTABLE


def test_the_journal_is_what_would_be_written(stored: tuple[Path, Finding]) -> None:
    path, finding = stored
    start, found, batch = read_journal(EXAMPLE)
    series = Series.from_json(start)
    assert start == {"row": "series", "journal": 1, **series.to_json()}
    assert found == {"row": "finding", "bundle": path.name, "bucket": finding.signature.bucket.key}
    assert batch == {"row": "batch", "numbers": list(range(8)), "stats": Stats.from_json(batch["stats"]).to_json()}
    lines = (EXAMPLE / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == [json.dumps(row, separators=(",", ":")) for row in (start, found, batch)]
    summary = recorded(EXAMPLE)
    assert (summary.stats.cases, summary.stats.disagreements, len(summary.new)) == (8, 2, 1)


def test_the_case_is_the_one_that_its_origin_names(stored: tuple[Path, Finding]) -> None:
    origin = stored[1].case.provenance
    if version_of((origin.target,)) != origin.version:
        pytest.skip("another version of the generators makes other cases: run the command of reports/README.md again")
    assert make_case(origin.target, origin.seed, origin.index) == stored[1].case


def test_the_reference_still_expects_it_and_the_report_names_it(
    stored: tuple[Path, Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    path, finding = stored
    bench = Bench([REFERENCE])
    seen = bench.run(finding.best).reference
    bench.close()
    assert (seen.instantiation, *seen.outcomes) == finding.expected
    dissent = next(run for run in finding.runs if run.engine == ENGINE)
    assert isinstance(dissent.outcomes[-1], Returned)
    assert dissent.outcomes[-1] != finding.expected[-1]
    assert main(["report", str(EXAMPLE)]) == 0
    assert f"| {finding.signature} | 2 | {len(finding.best.content)} |" in capsys.readouterr().out
    assert path.name in (EXAMPLE / "journal.jsonl").read_text(encoding="utf-8")


def test_the_release_that_showed_it_shows_it_again(
    stored: tuple[Path, Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["replay", str(stored[0]), "--offline"])
    said = capsys.readouterr()
    if code == 3:
        pytest.skip(said.err.strip())
    assert code == 1
    assert f"DISAGREEMENT: {stored[1].signature.bucket}" in said.out


def test_the_readme_names_every_file() -> None:
    named = set(re.findall(r"`([\w-]+\.\w+)`", (REPORTS / "README.md").read_text(encoding="utf-8")))
    assert {file.name for file in EXAMPLE.rglob("*") if file.is_file()} <= named
