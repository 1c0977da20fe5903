"""Campaigns with mutants: findings are of cases that anybody can run again, and name the mutant that they are."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fuzz.archive.archive import Archive
from fuzz.archive.bundle import files
from fuzz.archive.bundles import read_findings
from fuzz.campaign.drawing import Benches
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.mutants import mutant_trial
from fuzz.campaign.settings import Settings
from fuzz.cli.main import main
from fuzz.records.finding import EngineRun, Finding, Signature
from fuzz.records.history import Series
from fuzz.records.stats import Stats
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.minimize import minimized
from fuzz.trial.retry import TRIES
from fuzz.trial.retry import finding as finding_of
from oracles.engine import Engine, EngineId, Limits, open_engine
from oracles.judge.verdict import Disagree, Dissent, Kind
from oracles.mutants import mutant_of
from tests.mutants.test_itself import CASE, Mistake, differing_number, open_mistake
from wasm.case import Case
from wasm.embedding import Observation, Unsupported

SERIES = Series(("arith",), 1, "1")


def ran(out: Path, cases: int, minimize: float = 0.0, **plan: Any) -> tuple[list[Finding], dict[str, Any]]:
    """Findings and the summary of a campaign on the engine that takes ``i64.mul`` for ``i64.add``."""
    archive, stream = Archive(out), io.StringIO()
    made = Plan(("mine",), SERIES, **{"opener": open_mistake, **plan})
    try:
        Campaign(made, Settings(None, cases, 1, 5, minimize, steer=False), archive, known.none(),
                 observer(True, stream)).run()  # fmt: skip
    finally:
        archive.close()
    (summary,) = [row for row in map(json.loads, stream.getvalue().splitlines()) if row["type"] == "summary"]
    return [finding for _, finding in read_findings(out)], summary


def test_mutants_are_run_beside_the_cases(tmp_path: Path) -> None:
    findings, summary = ran(tmp_path, 4, mutants=2)
    assert summary["cases"] == 4
    assert summary["mutants"] == 8
    assert {row["id"]: row["cases"] for row in summary["engines"]} == {"mine": 12, "interpreter": 12}
    assert findings
    assert not summary["errors"]


def test_a_mistake_is_found_by_mutants_alone(tmp_path: Path) -> None:
    """And kept as a plain case, smaller, of the engine that is wrong; where that is a mutant, it says which."""
    findings, summary = ran(tmp_path, 12, minimize=10.0, mutants=2, by_mutants=True)
    assert findings
    assert not summary["errors"]
    for finding in findings:
        assert {dissent.engine for dissent in finding.verdict.dissents} == {"mine"}
        assert finding.stable
    (finding, *_) = [one for one in findings if one.minimized is not None]
    assert b"\x7e" in finding.best.content  # i64.mul
    assert len(finding.best.content) < 80
    for one in findings:
        origin = one.case.provenance
        if origin.mutant:
            from generators.registry import make_case

            again = mutant_of(make_case(origin.target, origin.seed, origin.index), origin.mutant)
            assert again is not None
            assert again.case.content == one.case.content
            assert any(f"mutant{origin.mutant}" in path.name for path in (tmp_path / "findings").iterdir())


def test_without_a_fault_nothing_is_found() -> None:
    plan = Plan(("wasmtime:opt=speed",), SERIES)
    benches, stats = Benches(plan, lambda _: None), Stats()
    try:
        trial = benches.current.run(CASE)
        for number in range(1, 5):
            assert mutant_trial(benches, trial, number, stats, by_mutants=True) is None
    finally:
        benches.close()
    assert stats.mutants == 4
    assert stats.disagreements == 0
    assert stats.engine_cases == {"wasmtime:opt=speed": 4}


def test_what_the_reference_does_not_know_is_a_finding_of_the_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the engine that runs mutants stands in the finding; a smaller case has a mutant by the same choices."""
    import fuzz.trial.bench as bench_module

    def ignorant(case: Case, *_: object) -> Observation:  # noqa: ARG001
        return Observation("interpreter", Unsupported("a new proposal"))

    def opener(id: str, limits: Any, offline: bool) -> Any:
        if not id.startswith("mutant:"):
            return open_mistake(id, limits, offline)
        from oracles.engine import EngineId
        from oracles.engines.mutant import MutantEngine

        number = int(id.removeprefix("mutant:").partition(" ")[0])
        return MutantEngine(EngineId.read(id), limits, number, Mistake(EngineId.read("mine"), limits))

    number = differing_number()
    monkeypatch.setattr(bench_module, "run_case", ignorant)
    benches, stats = Benches(Plan(("mine",), SERIES, opener=opener), lambda _: None), Stats()
    trial = benches.current.run(CASE)
    assert not trial.compared
    found = mutant_trial(benches, trial, number, stats, by_mutants=False)
    assert found is not None
    assert isinstance(found.verdict, Disagree)
    assert {dissent.engine for dissent in found.verdict.dissents} <= {"mine", f"mutant:{number} of mine"}
    assert found.case == CASE
    assert set(benches.current.seats) == {"mine", f"mutant:{number} of mine"}
    bench = benches.current
    ((signature, _),) = split(found.verdict)
    smaller, work = minimized(bench, finding_of(bench, found, signature, TRIES), 6.0)
    assert work is not None
    assert smaller.minimized is not None
    assert len(smaller.minimized.content) < len(CASE.content)
    assert isinstance(bench.run(smaller.minimized).verdict, Disagree)
    assert mutant_of(smaller.minimized, number) is not None
    assert set(benches.for_case(0).seats) == {"mine"}


def test_show_makes_a_mutant_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--target", "arith", "--seed", "1", "--index", "1", "--mutant", "2"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(";; mutant 2 by ")
    assert "(module" in out


def test_the_judge_needs_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "arith", "--judge", "itself"]) == 2
    assert "--mutants 3" in capsys.readouterr().err


def test_only_what_is_run_has_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "regalloc", "--judge", "itself", "--mutants", "1"]) == 2
    assert "none of regalloc" in capsys.readouterr().err
    assert main(["run", "--target", "arith", "--mutants", "101"]) == 2
    assert "100 at most" in capsys.readouterr().err


class Mute(Mistake):
    """An engine that lacks everything."""

    def run(self, case: Case) -> Observation:  # noqa: ARG002
        return Observation(str(self.id), Unsupported("wasm"))


def open_mute(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    return Mute(EngineId.read(id), limits)


@pytest.mark.parametrize("by_mutants", [True, False])
def test_nothing_is_said_of_what_was_not_compared(by_mutants: bool, tmp_path: Path) -> None:
    """An engine without any vote, on cases and mutants, is one that was compared on no case."""
    findings, summary = ran(tmp_path, 3, mutants=2, by_mutants=by_mutants, opener=open_mute)
    assert not findings
    assert summary["compared_cases"] == 0
    (row,) = [row for row in summary["engines"] if row["id"] == "mine"]
    assert (row["cases"], row["silent_cases"]) == (9, 9)


def test_cases_are_compared_by_their_mutants(tmp_path: Path) -> None:
    _, summary = ran(tmp_path, 3, mutants=2, by_mutants=True)
    assert summary["compared_cases"] == 3
    (row,) = [row for row in summary["engines"] if row["id"] == "mine"]
    assert row["silent_cases"] == 0


def test_a_bundle_has_the_mutant_that_is_wrong() -> None:
    """Who has it does not need this project to see what was run."""
    number = differing_number()
    id = f"mutant:{number} of wasmtime:opt=speed"
    verdict = Disagree((Dissent(id, "cranelift", Kind.VALUE, "invoke", "invoke 0"),), (), ("cranelift",))
    runs = (EngineRun(id, "50.0.1", "cranelift", ()),)
    found = files(Finding(CASE, verdict, Signature("cranelift", "invoke", "value"), runs))
    mutant = mutant_of(CASE, number)
    assert mutant is not None
    assert found[f"mutant-{number:02}.wasm"] == mutant.case.content
    assert f"mutant-{number:02}.wasm".encode() in found["README.md"]
    assert b"--trust" not in found["README.md"]


def test_notes_are_about_the_engine_behind() -> None:
    bench = Bench(["mutant:1 of wasmtime:opt=speed"])
    try:
        assert bench.notes() == ("wasmtime: release wheels are built without debug assertions",)
    finally:
        bench.close()


def test_a_pair_is_replayed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As what ``fuzz replay`` is told to run, like any engine."""
    path = tmp_path / "case.json"
    path.write_text(json.dumps(replace(CASE).to_json()))
    assert Case.from_json(json.loads(path.read_text())) == CASE
    mutant = mutant_of(CASE, 3)
    assert mutant is not None
    assert Case.from_json(mutant.case.to_json()) == mutant.case
    assert main(["replay", str(path), "--engine", "mutant:3 of wasmtime:opt=speed"]) == 0
    assert "mutant:3 of wasmtime:opt=speed" in capsys.readouterr().out
    assert open_engine("mutant:3 of interpreter").run(CASE).outcomes
