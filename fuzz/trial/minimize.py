"""Minimizing a finding without slipping to another one: the same signature, dissenters and agreeing engines."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Final

from fuzz.records.finding import Finding, Signature
from fuzz.reduce import Budget, ReduceError, Reduction, reduce_case
from fuzz.triage.essentials import without
from fuzz.triage.isolated import isolated, wrong_use
from fuzz.triage.neutral import row_of
from fuzz.triage.signature import ANSWERED, RUNS_NOTHING, may_hold, refined, split
from fuzz.trial.bench import Bench
from fuzz.trial.ddmin import fewest
from fuzz.trial.retry import finding as finding_of
from fuzz.trial.retry import is_referred
from oracles.interpreter import Budget as Steps
from oracles.interpreter import run_case
from oracles.judge.verdict import Disagree, Kind
from oracles.reference import REFERENCE
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Exhausted
from wasm.errors import WasmError


def same_finding(bench: Bench, found: Finding) -> Callable[[Case], bool]:
    """The question that the reducer asks of each candidate: one dissenter first, the others only if it dissents.

    A candidate that runs on for much longer than the finding is refused at once: a loop whose counter was taken away
    would cost each engine its whole deadline.
    """
    signature, before = found.signature.bucket, found.before
    dissenters = {dissent.engine for dissent in found.verdict.dissents}
    agreeing = set(found.verdict.agreeing)
    first = [min(dissenters)] if dissenters & set(bench.seats) and _referred(found) else None
    steps = _allowed(found.case)

    def is_interesting(case: Case) -> bool:
        if steps is not None and case.kind is CaseKind.WASM and _steps_of(case, steps) is None:
            return False
        if first is not None and not _may_show(bench, before, case, signature, first):
            return False
        verdict = bench.run_after(before, case).verdict
        if not isinstance(verdict, Disagree):
            return False
        mine = [dissents for key, dissents in split(verdict) if key.bucket == signature]
        return bool(mine) and {d.engine for d in mine[0]} == dissenters and agreeing <= set(verdict.agreeing)

    return is_interesting


def _referred(found: Finding) -> bool:
    """Whether one engine alone shows a finding."""
    return all(is_referred(found.case, run.outcomes) for run in found.runs if run.engine == REFERENCE)


_LONGER: Final = 4
_FEW: Final = 20_000
"""A candidate may take so many times the finding's steps, and so many more."""


def _steps_of(case: Case, most: int | None = None) -> int | None:
    """How many steps the reference takes; None if it does not end within ``most``, or within its own limits."""
    seen = run_case(case, None, Steps(steps=most) if most else None)
    if seen.notes is None or any(isinstance(outcome, Exhausted) for outcome in (seen.instantiation, *seen.outcomes)):
        return None
    return seen.notes.steps


def _allowed(case: Case) -> int | None:
    """How many steps a candidate may take; None for a finding that is about ends that do not come."""
    steps = _steps_of(case) if case.kind is CaseKind.WASM else None
    return None if steps is None else _LONGER * steps + _FEW


def _may_show(bench: Bench, before: Sequence[Case], case: Case, signature: Signature, only: list[str]) -> bool:
    """A quick look by one engine: whether it may show the finding."""
    verdict = bench.run_after(before, case, only).verdict
    return isinstance(verdict, Disagree) and may_hold(verdict, signature)


def wrong_likewise(bench: Bench, found: Finding) -> Callable[[Case], bool]:
    """Whether an engine that dissents on a finding is as wrong on another case: it gives a wrong answer of whatever
    kind there as here, or else shows the same bucket."""
    return _wrong(bench, found, found.signature.kind in ANSWERED)


def wrong_somehow(bench: Bench, found: Finding) -> Callable[[Case], bool]:
    """The same, but what died here without a word while it ran may as well give a wrong answer there."""
    bucket = found.signature.bucket
    died = bucket.kind == Kind.CRASH.value and bucket.mute and bucket.phase not in RUNS_NOTHING
    return _wrong(bench, found, died or bucket.kind in ANSWERED)


def _wrong(bench: Bench, found: Finding, answers: bool) -> Callable[[Case], bool]:
    """Whether an engine shows a finding's bucket on another case, or, if ``answers`` are as good, any wrong answer."""
    bucket = found.signature.bucket
    engines = [min(dissent.engine for dissent in found.verdict.dissents)]
    dissents = set(engines) & set(bench.seats)

    def wrong(case: Case) -> bool:
        verdict = bench.run_after(found.before, case, engines).verdict if dissents else None
        if not isinstance(verdict, Disagree):
            return False
        answered = answers and any(key.kind in ANSWERED for key, _ in split(verdict))
        return answered or (bucket.kind not in ANSWERED and may_hold(verdict, bucket))

    return wrong


def minimized(
    bench: Bench, found: Finding, seconds: float, start: Case | None = None, stop: Callable[[], bool] | None = None
) -> tuple[Finding, Reduction | None]:
    """The finding with its minimized case, refined signature, and what the engines do with that case; and the work.

    It goes on from the smallest case that there is, or from ``start`` if that shows the finding; where one instruction
    is all that is wrong in that, from the instruction by itself. Unstable findings come back as they are, and so does
    one that cannot be reduced; there is no work to tell then. When ``stop`` says so the smallest so far is the answer.
    """
    if not found.repeats:
        return found, None
    bench.fresh()
    question = same_finding(bench, found)
    try:
        begin = start if start is not None and question(start) else found.best
        begin = _instruction_of(bench, found, begin, question, time.monotonic() + seconds) or begin
        work = reduce_case(begin, question, budget=Budget(seconds=seconds, stop=stop))
    except ReduceError:
        return found, None
    smaller = finding_about(bench, found, work.case) or found
    if found.before and smaller is not found and not (stop is not None and stop()):
        smaller = _shorter_history(bench, smaller, seconds)
    return smaller, work


_SUSPECTS: Final = 3


def _instruction_of(
    bench: Bench, found: Finding, case: Case, question: Callable[[Case], bool], deadline: float = math.inf
) -> Case | None:
    """A smaller case with nothing but the instruction that a case is about, if there is one that is wrong by itself and
    without which the case is right. After the deadline no further one is tried."""
    if found.signature.bucket.kind not in ANSWERED or found.before:
        return None
    wrong = wrong_likewise(bench, found)
    dissenters = [dissent.engine for dissent in found.verdict.dissents]
    barred: list[str] = []
    for _ in range(_SUSPECTS):
        use = wrong_use(case, wrong, barred) if time.monotonic() < deadline else None
        if use is None:
            return None
        changed = without(case, row_of(use[0]), dead=False)
        if changed and not any(_may_show(bench, (), one, found.signature.bucket, dissenters) for one in changed):
            alone = isolated(case, [use])
            return alone if alone.size < case.size and question(alone) else None
        barred.append(row_of(use[0]))
    return None


def _shorter_history(bench: Bench, found: Finding, seconds: float) -> Finding:
    """The same sequence with fewer and smaller cases before its last one, which is small already."""
    deadline = time.monotonic() + seconds

    def shows_after(before: Sequence[Case]) -> bool:
        return same_finding(bench, replace(found, before=tuple(before)))(found.best)

    before = fewest(found.before, shows_after, deadline)
    for at, case in enumerate(before):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        with suppress(ReduceError):
            question = partial(_shows_with, shows_after, before, at)
            before[at] = reduce_case(case, question, budget=Budget(left)).case
    again = replace(found, before=tuple(before))
    return again if shows_after(before) else found


def _shows_with(shows_after: Callable[[Sequence[Case]], bool], before: list[Case], at: int, case: Case) -> bool:
    """Whether a sequence shows it with another case at one place."""
    return shows_after([*before[:at], case, *before[at + 1 :]])


def finding_about(bench: Bench, found: Finding, smaller: Case) -> Finding | None:
    """The same finding told about its minimized case; None if that does not show it."""
    trial = bench.run_after(found.before, smaller)
    wanted = found.signature.bucket
    if not isinstance(trial.verdict, Disagree):
        return None
    signature = next((key for key, _ in split(trial.verdict) if key.bucket == wanted), None)
    if signature is None:
        return None
    again = finding_of(bench, trial, signature, found.repeats, found.environment, found.before)
    try:
        final = refined(signature, again.verdict.dissents, decode(smaller.content))
    except WasmError:
        final = signature
    return replace(again, case=found.case, minimized=smaller, signature=final, known=found.known)
