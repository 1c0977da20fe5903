"""A suspicion is tried again on the engines that dissent, unless what they show tells something only beside others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.retry import TRIES, confirm
from generators.registry import make_case
from oracles.engine import Capabilities, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine
from oracles.judge.verdict import Disagree, Kind
from wasm.case import Case
from wasm.embedding import Observation, Phase, Rejected, TimedOut
from wasm.features import DEFAULT


@dataclass(slots=True)
class Tier(InterpreterEngine):
    """Two compilers behind one validator; that of ``tier:strict`` refuses everything."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", DEFAULT, str(self.id), validator="tier")

    def run(self, case: Case) -> Observation:
        if self.id.get("strict"):
            return Observation(str(self.id), Rejected("no code for this"), Phase.COMPILE)
        return replace(InterpreterEngine.run(self, case), engine=str(self.id), notes=None)


def open_tier(id: str, limits: Limits, offline: bool) -> Tier:  # noqa: ARG001
    """What ``Bench`` asks for."""
    return Tier(EngineId.read(id), limits)


def test_what_one_compiler_refuses_repeats_though_its_validator_is_another_ones_too() -> None:
    """The dissenter by itself would be told as its validator: nothing would repeat but where all engines are asked."""
    bench = Bench(("tier", "tier:strict"), opener=open_tier)
    trial = bench.run(make_case("arith", 1, 1))
    assert isinstance(trial.verdict, Disagree)
    ((signature, dissents),) = split(trial.verdict)
    assert (signature.kind, signature.family) == (Kind.REJECT.value, "tier:strict")
    finding = confirm(bench, trial, signature, dissents, [make_case("arith", 1, 0)])
    assert finding is not None
    assert (finding.repeats, finding.before) == (TRIES, ())


@pytest.mark.parametrize(
    ("needs", "asked", "repeats"),
    [(40.0, [10.0, 100.0], None), (400.0, [10.0, 100.0, 10.0, 10.0], TRIES)],
    ids=["what ends when given more time is asked once more", "what does not is a hang"],
)
def test_what_only_takes_long_is_not_waited_for_again(needs: float, asked: list[float], repeats: int | None) -> None:
    limits: list[float] = []

    class Slow(InterpreterEngine):
        """Needs so many CPU seconds for each case, and notes those that it was given."""

        def run(self, case: Case) -> Observation:
            limits.append(self.limits.cpu_seconds)
            seen = replace(InterpreterEngine.run(self, case), engine="slow", notes=None)
            gone = self.limits.cpu_seconds < needs
            return replace(seen, outcomes=(TimedOut(self.limits.cpu_seconds),), phase=Phase.INVOKE) if gone else seen

    bench = Bench(("slow",), opener=lambda id, given, _: Slow(EngineId.read(id), given))
    trial = bench.run(make_case("arith", 1, 1))
    assert isinstance(trial.verdict, Disagree)
    ((signature, dissents),) = split(trial.verdict)
    finding = confirm(bench, trial, signature, dissents)
    assert limits == asked
    assert (finding.repeats if finding else None) == repeats
