"""What a slot makes of a disagreement: one more sighting of a cause, something to find out about, or set aside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias
from zlib import crc32

from fuzz.campaign.messages import Knowledge
from fuzz.records import history
from fuzz.records.finding import Finding, Signature
from fuzz.records.history import Cause, SetAside
from fuzz.triage.causes import Sighting, Suspect, classify
from fuzz.triage.signature import may_hold
from fuzz.trial.bench import Bench, Trial
from fuzz.trial.compared import compared, not_compared
from fuzz.trial.elsewhere import Placements
from fuzz.trial.retry import IMPATIENT, confirm
from oracles.judge.verdict import Disagree, Dissent
from wasm.case import Case


@dataclass(frozen=True, slots=True)
class Seen:
    """One more sighting of these causes; of none if it was not seen again and so cannot be told apart."""

    causes: tuple[Cause, ...]


@dataclass(frozen=True, slots=True)
class New:
    """A finding to be recorded: an example of ``cause``, or something new, to be minimized from ``start`` on."""

    finding: Finding
    cause: int | None = None
    start: Case | None = None


@dataclass(frozen=True, slots=True)
class Aside:
    """To be asked again when more is known."""


@dataclass(frozen=True, slots=True)
class Slow:
    """Not a finding: it only took longer than it was given."""


Sorted: TypeAlias = Seen | New | Aside | Slow
_ASIDE: Final = Aside()
_SLOW: Final = Slow()
_ONE_IN: Final = 4


@dataclass(slots=True)
class Noted:
    """What comes of an order: sightings, what was set aside, what is known by now, and what is stored."""

    known: Knowledge
    stored: Mapping[str, int | None] = field(default_factory=dict)
    sightings: list[history.Sighting] = field(default_factory=list)
    set_aside: list[SetAside] = field(default_factory=list)

    def begin(self, bucket: str, cause: int | None) -> None:
        """Note a finding that was sent: its bucket is worked on from now on, or its cause has one example more."""
        if cause is None:
            self.known = replace(self.known, working=self.known.working | {bucket})
        else:
            self.known = replace(self.known, wanted=self.known.wanted - {cause})


def sort(
    bench: Bench, trial: Trial, signature: Signature, dissents: Sequence[Dissent], before: Sequence[Case],
    known: Knowledge, placements: Placements,
) -> Sorted:  # fmt: skip
    """Sort one disagreement of a trial. ``before`` are the cases that its engines' workers ran earlier."""
    bucket = signature.bucket
    dissenters = tuple((dissent.engine, bench.release(dissent.engine)) for dissent in dissents)
    elsewhere = placements.of(dissents[0].engine, bucket)
    shows = _shows(bench, bucket, dissents)

    def right_afresh(case: Case) -> bool:
        bench.fresh()
        return not shows(case)

    suspect = Suspect(trial.case, bucket, dissenters, elsewhere, known.examples, known.full, right_afresh)
    answer = classify(suspect, known.causes, shows)
    cause, start = None, None
    if isinstance(answer, Sighting):
        cause = answer.causes[0].id
        if cause not in known.wanted:
            return Seen(answer.causes)
    elif bucket.key in known.working:
        return _ASIDE
    else:
        start = answer.case
        if bucket.key in known.doubtful:
            bench.fresh()
            if not _shows(bench, bucket, dissents)(trial.case):
                return Seen(())
    finding = confirm(bench, trial, signature, dissents, before)
    if finding is None:
        return _SLOW
    return New(finding, cause, start)


def _shows(bench: Bench, bucket: Signature, dissents: Sequence[Dissent]) -> Callable[[Case], bool]:
    """Whether a case shows a bucket on one of the engines that did.

    To see that something takes too long takes long, each time; such findings are told apart by their instructions only.
    Where it could not be compared, which is no sign that it is right, one in ``_ONE_IN`` counts as if it did: a mistake
    that shows with NaNs alone would be taken for a known one for ever.
    """
    engines = [dissents[0].engine]

    def shows(case: Case) -> bool:
        if dissents[0].kind in IMPATIENT:
            return False
        trial = bench.run(case, engines)
        if isinstance(trial.verdict, Disagree):
            return may_hold(trial.verdict, bucket)
        counted = compared(trial)
        silent = counted.nothing or not_compared(trial, engines[0], counted, dissents[0].where)
        return bool(silent) and crc32(case.content) % _ONE_IN == 0

    return shows
