"""The finished run in ``reports/example`` is what today's code would write, and its finding shows again."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from pathlib import Path

import pytest

from fuzz.archive import bundle
from fuzz.archive.archive import Archive, Reader
from fuzz.archive.bundles import read_findings
from fuzz.archive.recorded import recorded
from fuzz.cli.main import main
from fuzz.records.finding import Finding
from fuzz.records.history import Ending
from fuzz.records.stats import Stats
from fuzz.report import formats
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
    used = sorted({file.name for file in only[0].iterdir()} - bundle.files(only[1]).keys())
    assert not used, f"reports/example was worked with ({', '.join(used)} came): git clean -fd reports/example"
    return only


def test_every_file_of_the_bundle_is_what_would_be_written(stored: tuple[Path, Finding]) -> None:
    path, finding = stored
    assert path.name == bundle.name(finding)
    written = {file.name: file.read_bytes() for file in path.iterdir()}
    assert written == bundle.files(finding)
    assert {file.name for file in path.iterdir() if file.stat().st_mode & 0o100} == bundle.EXECUTABLE


def test_the_archive_is_what_would_be_written(stored: tuple[Path, Finding], tmp_path: Path) -> None:
    path, finding = stored
    Archive(tmp_path).close()
    with Reader(EXAMPLE) as reader, Reader(tmp_path) as empty:
        for of in ("SELECT sql FROM sqlite_master WHERE sql != '' ORDER BY name", "PRAGMA user_version"):
            assert reader.database.rows(of) == empty.database.rows(of)
        (series,) = reader.series()
        assert (series.targets, series.seed) == (("arith",), 105)
        assert reader.done(series).ranges == [(0, 7)]
        (sums,) = reader.database.row("SELECT counts FROM series") or ("",)
        assert json.loads(sums) == Stats.from_json(json.loads(sums)).to_json()
        (night,) = reader.nights()
        assert (night.cases, night.exit_code) == (8, 1)
        assert {part.engine for part in reader.engines(night.id)} == {REFERENCE, ENGINE}
        (row,) = reader.findings()
        assert (row.bundle, row.signature, row.night) == (path.name, finding.signature, night.id)
        assert reader.bucket_counts() == {finding.signature.bucket.key: 2}
        assert [at.index for at in reader.sightings(bucket=finding.signature.bucket.key)] == [0, 3]
        (tried,) = reader.minimizations(path.name)
        assert (tried.before, tried.after) == (len(finding.case.content), len(finding.best.content))
        assert tried.ending is Ending.FIXPOINT
    summary = recorded(EXAMPLE)
    assert (summary.stats.cases, summary.stats.disagreements, len(summary.new)) == (8, 2, 1)
    assert {file.name for file in EXAMPLE.iterdir()} == {"archive.sqlite", "findings", "report"}


def test_the_case_is_the_one_that_its_origin_names(stored: tuple[Path, Finding]) -> None:
    origin = stored[1].case.provenance
    if version_of((origin.target,)) != origin.version:
        pytest.skip("another version of the generators makes other cases: run the command of reports/README.md again")
    assert make_case(origin.target, origin.seed, origin.index) == stored[1].case


def test_the_reference_still_expects_it_and_the_report_names_it(
    stored: tuple[Path, Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    finding = stored[1]
    bench = Bench([REFERENCE])
    seen = bench.run(finding.best).reference
    bench.close()
    assert (seen.instantiation, *seen.outcomes) == finding.expected
    dissent = next(run for run in finding.runs if run.engine == ENGINE)
    assert isinstance(dissent.outcomes[-1], Returned)
    assert dissent.outcomes[-1] != finding.expected[-1]
    assert main(["report", str(EXAMPLE)]) == 0
    with Reader(EXAMPLE) as reader:
        (cause,) = reader.causes.all()
    assert f"| cause {cause.id}: {cause.name} | 2 | {len(finding.best.content)} |" in capsys.readouterr().out


def test_the_release_that_showed_it_shows_it_again(
    stored: tuple[Path, Finding], capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["replay", str(stored[0]), "--offline"])
    said = capsys.readouterr()
    if code == 3:
        pytest.skip(said.err.strip())
    assert code == 1
    assert f"DISAGREEMENT: {stored[1].signature.bucket}" in said.out


def test_the_reports_are_what_would_be_written(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing in them is of the moment or of the machine, so they are the same to the byte. ``--update-stages`` writes
    them anew."""
    monkeypatch.chdir(REPORTS.parent)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    folder = EXAMPLE.relative_to(REPORTS.parent)
    names = sorted(item.name for item in pkgutil.iter_modules(formats.__path__))
    wanted = {importlib.import_module(f"fuzz.report.formats.{name}").FILE: ["--format", name] for name in names}
    wanted["upstream-1.md"] = ["--upstream", "1"]
    for name, asked in wanted.items():
        out = folder / "report" / name if request.config.getoption("--update-stages") else tmp_path / name
        assert main(["report", str(folder), *asked, "--out", str(out)]) == 0
        assert out.read_bytes() == (EXAMPLE / "report" / name).read_bytes(), name
    assert {file.name for file in (EXAMPLE / "report").iterdir()} == set(wanted)


def test_the_readme_names_every_file() -> None:
    named = set(re.findall(r"`([\w-]+\.\w+)`", (REPORTS / "README.md").read_text(encoding="utf-8")))
    assert {file.name for file in EXAMPLE.rglob("*") if file.is_file()} <= named
