"""What each release is asked, and how its answer is read."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from fuzz.records.finding import Finding, Signature
from fuzz.records.strip import State
from fuzz.triage.signature import may_hold, split
from fuzz.trial.bench import Trial
from fuzz.trial.compared import answered, compared, not_compared
from oracles.cpu import cpu_flags
from oracles.engine import Limits
from oracles.judge.verdict import Disagree, Dissent
from wasm.case import Case
from wasm.embedding import Unsupported

_MOST_TRIES: Final = 20
_OTHERWISE: Final = 3
"""Tries of a release that is wrong, but not in the way that is asked for."""


@dataclass(frozen=True, slots=True)
class Question:
    """A case with what ran ``before`` it, and what makes a release bad.

    With ``bucket`` that is the finding of this bucket, seen at ``where`` (as in ``Dissent.where``); without, any
    disagreement with the reference. A release is run ``tries`` times, and is bad if it is so once.
    """

    case: Case
    before: tuple[Case, ...] = ()
    bucket: Signature | None = None
    where: str = ""
    tries: int = 1
    limits: Limits = field(default_factory=Limits)

    @property
    def tries_otherwise(self) -> int:
        """How often a release is run that is wrong in another way, in search of the one that is asked for."""
        return max(self.tries, _OTHERWISE) if self.bucket is not None else self.tries

    @property
    def case_hash(self) -> str:
        """The SHA-256 of what the case instantiates."""
        return self.case.content_hash

    @property
    def key(self) -> str:
        """What two questions have in common that have the same answers on this machine, whoever made the case."""
        limits = self.limits
        parts = [
            self.case.digest, [one.digest for one in self.before], self.bucket.key if self.bucket else "", self.where,
            self.tries, [limits.cpu_seconds, limits.memory_bytes, limits.wall_seconds, limits.steps], cpu_flags(),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def about(found: Finding, case: Case, limits: Limits, tries: int | None = None, engine: str = "") -> Question:
    """The question whether a release shows a finding, on its best case or on what a person made of that."""
    dissents = found.verdict.dissents
    mine = next((one for one in dissents if one.engine == engine), dissents[0])
    return Question(case, found.before, found.signature.bucket, mine.where, tries or tries_for(found), limits)


def tries_for(found: Finding) -> int:
    """How often to run a release so that a finding that shows only sometimes is missed once in thirty times or less."""
    if found.stable:
        return 1
    if not found.repeats:
        return _MOST_TRIES
    return min(_MOST_TRIES, math.ceil(3.5 * found.tries / found.repeats))


@dataclass(frozen=True, slots=True)
class Answer:
    """What a release did: its state, a line on why, and whether a bad one ``shows`` what was asked for.

    ``lasting`` says that it would be the same another time.
    """

    state: State
    why: str = ""
    shows: bool = False
    lasting: bool = True


def read(trial: Trial, engine: str, question: Question) -> Answer:
    """What one trial says of one engine in it: good only where it did what the reference did, as far as is asked."""
    verdict = trial.verdict
    if isinstance(verdict, Disagree):
        mine = tuple(dissent for dissent in verdict.dissents if dissent.engine == engine)
        if mine:
            return _bad(replace(verdict, dissents=mine), mine[0], question)
    seen = next((one for one in trial.observations if one.engine == engine), None)
    if seen is None:
        return Answer(State.CANNOT, "it gave no answer", lasting=False)
    if isinstance(seen.instantiation, Unsupported):
        return Answer(State.CANNOT, f"it does not have {seen.instantiation.what}")
    counted = compared(trial)
    missing = not_compared(trial, engine, counted, question.where)
    if counted.nothing or missing:
        reasons = "; ".join(reason.removeprefix(f"{engine}: ") for reason in counted.reasons[:3])
        return Answer(State.CANNOT, f"{missing or 'nothing was compared'}{f': {reasons}' if reasons else ''}")
    total, asked = len(trial.case.invocations), len(answered(trial))
    some = f"; {asked} of {total} calls have a reference" if asked < total and counted.instantiated else ""
    return Answer(State.GOOD, f"as the reference{some}")


def _bad(verdict: Disagree, first: Dissent, question: Question) -> Answer:
    told = f"{first.where}: {first.detail}"
    if question.bucket is None or may_hold(verdict, question.bucket):
        return Answer(State.BAD, told, shows=True)
    return Answer(State.BAD, f"wrong in another way, {split(verdict)[0][0].bucket}; {told}")


def worst(answers: Sequence[Answer]) -> Answer:
    """One answer out of those on the parts of a case: bad if any is, good only if all are."""
    order = (State.BAD, State.CANNOT, State.GOOD)
    return min(answers, key=lambda answer: order.index(answer.state))
