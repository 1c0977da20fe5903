"""Time as an oracle: what counts as a cliff, with times that tests make up, and what a campaign makes of one."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import wasmtime

from fuzz.archive.archive import Archive
from fuzz.archive.bundles import read_findings
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.settings import Settings
from fuzz.cli.main import main
from fuzz.records.exit_code import ExitCode
from fuzz.records.finding import Finding
from fuzz.records.history import Series
from fuzz.report.live import observer
from fuzz.triage import known
from fuzz.trial.bench import Bench, Trial
from fuzz.trial.slowness import MEMORY, SAMPLES, Slowness, Usual, fitted, grown, instructions, measuring
from generators.registry import make_case, target_names
from oracles.engine import Capabilities, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine
from oracles.interpreter import run_case
from oracles.judge.verdict import Agree, Dissent, Kind
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Observation, Returned
from wasm.encode import encode
from wasm.features import ALL, DEFAULT
from wasm.rewrite.prefix import prefix
from wasm.validate import validate

Cost = Callable[[int], float]
LINEAR: Cost = lambda n: 0.001 + n * 2e-5  # noqa: E731
QUADRATIC: Cost = lambda n: 0.001 + n * n * 2e-7  # noqa: E731
ENGINE = "toy"
TOY = Path(__file__).parents[2] / "examples" / "programs" / "toy.py"


def module_of(count: int) -> Case:
    """A module with a function of about ``count`` instructions."""
    steps = "(i32.mul (local.get 0))" * (count // 2)
    return Case(bytes(wasmtime.wat2wasm(f'(module (func (export "f") (param i32) (result i32) local.get 0 {steps}))')))


def size(case: Case) -> int:
    return instructions(decode(case.content))


def trial_of(case: Case, seconds: float) -> Trial:
    seen = Observation(ENGINE, Returned(), cpu=(("compile", seconds), ("invoke", 9.0)))
    return Trial(case, {"": Observation("interpreter", Returned())}, (seen,), Agree())


def looked(cost: Cost, sizes: tuple[int, ...], measure: Cost | None = None) -> list[Dissent]:
    """What is found when an engine that takes ``cost`` compiles ``SAMPLES`` modules of each size; ``measure`` is what
    it takes when it is asked again."""
    watch, found = Slowness(), []
    for count in sizes:
        case = module_of(count)
        for _ in range(SAMPLES):
            found += watch.look(
                trial_of(case, cost(size(case))), lambda _, one: (measure or cost)(size(one)), {ENGINE: "toy"}
            )
    return found


SIZES = (40, 150, 600, 2500, 10_000)


def test_a_linear_compiler_is_not_told() -> None:
    assert looked(LINEAR, SIZES) == []


def test_a_quadratic_compiler_is_told_once() -> None:
    (dissent,) = looked(QUADRATIC, SIZES)
    assert (dissent.kind, dissent.engine, dissent.phase) == (Kind.SLOW, ENGINE, "compile")
    assert dissent.message == "mostly i32.mul"
    assert "power 2.0" in dissent.detail
    assert "times what is usual" in dissent.detail


def test_one_slow_run_is_noise() -> None:
    """Asked again it is quick."""
    watch = Slowness()
    small, large = module_of(600), module_of(2500)
    for _ in range(SAMPLES):
        assert not watch.look(trial_of(small, LINEAR(size(small))), lambda *_: None, {ENGINE: "toy"})
    asked: list[int] = []

    def quick(_: str, case: Case) -> float:
        asked.append(size(case))
        return LINEAR(size(case))

    assert not watch.look(trial_of(large, 3.0), quick, {ENGINE: "toy"})
    assert len(asked) == 2
    # It was not taken for usual either.
    assert watch.usual[ENGINE].of(size(large)) == pytest.approx(LINEAR(size(small)) * size(large) / size(small))


def test_what_is_dear_but_in_proportion_is_not_told() -> None:
    """Ten times as long as other modules of its size, at every size."""
    watch = Slowness()
    case = module_of(2500)
    for _ in range(SAMPLES):
        watch.look(trial_of(case, LINEAR(size(case))), lambda *_: None, {ENGINE: "toy"})
    dear = lambda _, one: 10 * LINEAR(size(one))  # noqa: E731
    assert not watch.look(trial_of(case, dear(ENGINE, case)), dear, {ENGINE: "toy"})


def test_short_times_are_never_told() -> None:
    assert looked(lambda n: n * n * 1e-10, SIZES) == []


def test_who_says_no_times_is_not_asked() -> None:
    watch = Slowness()
    trial = trial_of(module_of(40), 0.0)
    assert watch.look(trial, lambda *_: None, {ENGINE: "toy"}) == []
    assert watch.usual == {}


def test_usual_needs_samples() -> None:
    usual = Usual()
    for _ in range(SAMPLES - 1):
        usual.add(1000, 0.1)
    assert usual.of(1000) is None
    usual.add(1000, 0.1)
    assert usual.of(1000) == pytest.approx(0.1)
    assert usual.of(2000) == pytest.approx(0.2)
    assert usual.of(100) is None


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0, 3.0])
def test_the_power_that_fits(power: float) -> None:
    assert fitted([(n, 3e-6 * n**power) for n in (100, 200, 400, 800)]) == pytest.approx(power)
    assert fitted([(100, 1.0), (200, 2.0)]) is None
    assert fitted([(100, 1.0), (100, 2.0), (200, 2.0)]) is None


def test_growth_is_of_the_same_shape() -> None:
    case = module_of(4000)
    growth = grown(case, decode(case.content), ENGINE, lambda _, one: QUADRATIC(size(one)))
    assert growth is not None
    assert [points for points, _ in growth.points] == sorted({points for points, _ in growth.points})
    assert growth.points[-1][0] == size(case)
    assert growth.power == pytest.approx(2.0, abs=0.05)
    assert grown(case, decode(case.content), ENGINE, lambda *_: None) is None


@pytest.mark.parametrize("target", [name for name in target_names() if name not in ("modules", "regalloc")])
def test_the_beginnings_of_functions_are_valid(target: str) -> None:
    module = decode(make_case(target, 2, 1).content)
    for part in (0, 1, 3, 4, 7):
        shorter = decode(encode(prefix(module, part, 8)))
        validate(shorter, ALL)
        assert instructions(shorter) <= instructions(module) + 8 * sum(len(func.body) for func in shorter.funcs)
    whole = decode(encode(prefix(module, 8, 8)))
    assert [func.body for func in whole.funcs] == [func.body for func in module.funcs]


# In a campaign.


@dataclass(slots=True)
class Toy(InterpreterEngine):
    """The interpreter, which claims the times that its setting says."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, "toy")

    def run(self, case: Case) -> Observation:
        seconds = (QUADRATIC if self.id.get("quadratic") else LINEAR)(max(1, size(case)))
        return replace(run_case(case), engine=str(self.id), notes=None, cpu=(("compile", seconds),))


def open_toy(id: str, limits: Limits, offline: bool) -> Toy:  # noqa: ARG001
    return Toy(EngineId.read(id), limits)


def ran(out: Path, engine: str, slow: bool = True, fail: bool = False) -> tuple[ExitCode, list[Finding], Any]:
    archive, stream = Archive(out), io.StringIO()
    plan = Plan((engine,), Series(("control",), 3, "1"), opener=open_toy, slow=slow)
    settings = Settings(None, 120, 1, fail_on_slow=fail, steer=False)
    try:
        summary = Campaign(plan, settings, archive, known.none(), observer(True, stream)).run()
    finally:
        archive.close()
    return summary.exit_code, [finding for _, finding in read_findings(out)], summary


def test_a_quadratic_compiler_is_a_finding_but_fails_nothing(tmp_path: Path) -> None:
    code, findings, summary = ran(tmp_path, "toy:quadratic")
    assert findings
    assert code is ExitCode.CLEAN
    assert not summary.errors
    for finding in findings:
        assert finding.signature.kind == "slow"
        assert finding.stable
        assert finding.minimized is None
        assert "grows with the power" in finding.verdict.dissents[0].detail
    assert len({finding.signature.bucket for finding in findings}) == len(findings)
    assert all(stored.cause for stored in summary.findings)
    readme = next((tmp_path / "findings").iterdir()) / "README.md"
    assert "slow" in readme.read_text()


def test_it_fails_where_that_is_asked_for(tmp_path: Path) -> None:
    code, findings, _ = ran(tmp_path, "toy:quadratic", fail=True)
    assert findings
    assert code is ExitCode.FINDINGS


def test_nobody_looks_unless_asked(tmp_path: Path) -> None:
    assert ran(tmp_path, "toy:quadratic", slow=False)[1] == []


def test_a_linear_compiler_is_clean(tmp_path: Path) -> None:
    code, findings, _ = ran(tmp_path, "toy:linear")
    assert findings == []
    assert code is ExitCode.CLEAN


@pytest.mark.parametrize(("cost", "told"), [("1e-9 * n * n", True), ("1e-5 * n", False)])
def test_a_program_that_speaks_the_protocol(cost: str, told: bool, tmp_path: Path) -> None:
    """The example in Python, which says what it took; here by the length of the module."""
    text, times = TOY.read_text(), 'struct.pack("<5d", time.process_time(), 0, 0, 0, 0)'
    assert times in text
    claimed = 'struct.pack("<5d", time.process_time(), COST, 0, 0, 0)'.replace("COST", cost)
    made = text.replace(times, f'(lambda n: {claimed})(sum(header["blobs"]))')
    path = tmp_path / "toy.py"
    path.write_text(made)
    bench = Bench([f"program:python3 {path}"])
    (name,) = bench.seats
    watch, found = Slowness(), []
    try:
        for count in (600, 2500, 10_000, 40_000):
            case = module_of(count)
            for _ in range(SAMPLES):
                found += watch.look(bench.run(case), measuring(bench), {name: "toy"})
    finally:
        bench.close()
    assert [dissent.kind for dissent in found] == [Kind.SLOW] * told
    assert case.kind is CaseKind.WASM


@pytest.mark.parametrize(("taken", "told"), [("n * n // 40", True), ("400 * n", False)])
def test_a_program_that_takes_memory(taken: str, told: bool, tmp_path: Path) -> None:
    """The example in Python, which holds so many bytes for a module of n bytes while it has the case, and no longer."""
    text, times = TOY.read_text(), 'struct.pack("<5d", time.process_time(), 0, 0, 0, 0)'
    held = f'(lambda n: (b"x" * ({taken})) and {times})(sum(header["blobs"]))'
    path = tmp_path / "toy.py"
    path.write_text(text.replace(times, held))
    bench = Bench([f"program:python3 {path}"], Limits(peaks=True))
    (name,) = bench.seats
    watch, found = Slowness(MEMORY), []
    try:
        for count in (600, 2500, 10_000, 40_000):
            case = module_of(count)
            for _ in range(SAMPLES):
                found += watch.look(bench.run(case), measuring(bench, MEMORY), {name: "toy"})
    finally:
        bench.close()
    assert [dissent.kind for dissent in found] == [Kind.SLOW] * told
    if told:
        assert found[0].message == "memory, mostly i32.mul"
        assert "MiB to compile" in found[0].detail


def test_nobody_measures_memory_unless_asked() -> None:
    bench = Bench([f"program:python3 {TOY}"])
    try:
        assert [seen.peak for seen in bench.observe(module_of(600))] == [None]
    finally:
        bench.close()


def test_the_exit_code_needs_somebody_who_looks(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--target", "arith", "--fail-on", "slow"]) == 2
    assert "--slow" in capsys.readouterr().err
