"""What else one cause shows as: a crash here may be a wrong value there, under another setting of the engine."""

from __future__ import annotations

from collections.abc import Sequence

from fuzz.records.finding import Finding, Signature
from fuzz.triage.essentials import Essentials, without
from fuzz.triage.kept_alive import kept_alive
from fuzz.triage.signature import is_telling, split
from fuzz.trial.bench import Bench
from oracles.judge.verdict import Disagree
from wasm.case import Case


def other_faces(bench: Bench, finding: Finding, about: Essentials, dead: bool) -> tuple[str, ...]:
    """Keys of the buckets, beside the finding's own, that its minimized case shows in the same family of engines and
    that go away with each of its essential instructions, or where what was forgotten stays alive.

    Something else that happens to show on a small case does not go away with them. Where no instruction is essential,
    only crashes that say much are taken for the same as a crash that does.
    """
    case, own = finding.best, finding.signature.bucket
    others = {one for one in _shown(bench, finding.before, case) if one != own and one.family == own.family}
    if about.lost:
        alive = kept_alive(case, about.lost) if others else None
        gone = others - _shown(bench, finding.before, alive) if alive is not None else set()
        return tuple(sorted(one.key for one in gone))
    if not about.specific:
        crashes = {one for one in others if one.kind == own.kind == "crash" and is_telling(one) and is_telling(own)}
        return tuple(sorted(one.key for one in crashes))
    for name in sorted(about.specific):
        for changed in without(case, name, dead) if others else ():
            others -= _shown(bench, finding.before, changed)
    return tuple(sorted(one.key for one in others))


def _shown(bench: Bench, before: Sequence[Case], case: Case) -> set[Signature]:
    verdict = bench.run_after(before, case).verdict
    return {key.bucket for key, _ in split(verdict)} if isinstance(verdict, Disagree) else set()
