"""A candidate that never ends is refused without asking the engines, which would take their whole deadline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

from fuzz.records.finding import Finding, Signature
from fuzz.trial.bench import Bench
from fuzz.trial.minimize import same_finding
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import Invocation
from wasm.encode import encode
from wasm.isa import OPS
from wasm.valtypes import I32


@dataclass(slots=True)
class Asked:
    """A bench that keeps the cases that it is asked about and sees no disagreement of its own."""

    verdict: Disagree
    seats: dict[str, object] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)

    def run_after(self, before: Sequence[Case], case: Case) -> Asked:
        assert not before
        self.cases.append(case)
        return self


def counting(step: int) -> Case:
    """A loop from 1,000 down to 0 in steps of ``step``; without end if that is 0."""
    builder = ModuleBuilder()
    f = builder.func((), (), export="f")
    count = f.local(I32)
    f.body += ((OPS["i32.const"], 1000), (OPS["local.set"], count))
    f.open("loop")
    f.body += ((OPS["local.get"], count), (OPS["i32.const"], step), OPS["i32.sub"].bare)
    f.body += ((OPS["local.tee"], count), (OPS["br_if"], 0))
    f.end()
    return Case(encode(builder.finish()), (Invocation("f"),))


def found(case: Case) -> Finding:
    dissent = Dissent("wasmtime:opt=none", "cranelift", Kind.VALUE, "invoke", "invoke 0")
    verdict = Disagree((dissent,), ("interpreter",), ("cranelift",))
    return Finding(case, verdict, Signature("cranelift", "invoke", "value"), ())


def test_endless_candidates_are_refused() -> None:
    finding = found(counting(1))
    bench = Asked(finding.verdict)
    interesting = same_finding(cast(Bench, bench), finding)
    assert not interesting(counting(0))
    assert not bench.cases
    interesting(counting(8))
    assert len(bench.cases) == 1


def test_a_finding_about_the_end_itself_is_asked_about() -> None:
    finding = found(counting(0))
    bench = Asked(finding.verdict)
    same_finding(cast(Bench, bench), finding)(counting(0))
    assert len(bench.cases) == 1
