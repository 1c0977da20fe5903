"""A suspicion is tried again on the engines that dissent, unless what they show tells something only beside others."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.retry import TRIES, confirm
from generators.registry import make_case
from oracles.engine import Capabilities, EngineId, Limits
from oracles.engines.interpreter import InterpreterEngine
from oracles.judge.verdict import Disagree, Kind
from wasm.case import Case
from wasm.embedding import Observation, Phase, Rejected
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
