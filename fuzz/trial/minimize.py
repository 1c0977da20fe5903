"""Minimizing a finding without slipping to another one: the same signature, dissenters and agreeing engines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from fuzz.records.finding import Finding, Signature
from fuzz.reduce import Budget, ReduceError, reduce_case
from fuzz.triage.signature import refined, split
from fuzz.trial.bench import Bench
from fuzz.trial.retry import finding as finding_of
from oracles.interpreter import Budget as Steps
from oracles.interpreter import run_case
from oracles.judge.verdict import Disagree
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Exhausted
from wasm.errors import WasmError


def same_finding(bench: Bench, finding: Finding) -> Callable[[Case], bool]:
    """The question that the reducer asks of each candidate: one dissenter first, the others only if it dissents.

    A candidate that runs on for much longer than the finding is refused at once: a loop whose counter was taken away
    would cost each engine its whole deadline.
    """
    signature = finding.signature.bucket
    dissenters = {dissent.engine for dissent in finding.verdict.dissents}
    agreeing = set(finding.verdict.agreeing)
    first = [min(dissenters)] if dissenters & set(bench.seats) else None
    steps = _allowed(finding.case)

    def is_interesting(case: Case) -> bool:
        if steps is not None and case.kind is CaseKind.WASM and _steps_of(case, steps) is None:
            return False
        if first is not None and not any(_bucket(bench, case, signature, first)):
            return False
        verdict = bench.run(case).verdict
        if not isinstance(verdict, Disagree):
            return False
        mine = [dissents for key, dissents in split(verdict) if key.bucket == signature]
        return bool(mine) and {d.engine for d in mine[0]} == dissenters and agreeing <= set(verdict.agreeing)

    return is_interesting


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


def _bucket(bench: Bench, case: Case, signature: Signature, only: list[str]) -> list[bool]:
    """For each finding of a quick look by one engine: whether it may be ours (the family may still turn)."""
    verdict = bench.run(case, only).verdict
    if not isinstance(verdict, Disagree):
        return []
    return [replace(key.bucket, family="") == replace(signature, family="") for key, _ in split(verdict)]


def minimized(
    bench: Bench, finding: Finding, seconds: float, progress: Callable[[int, int], None] | None = None
) -> Finding:
    """The finding with its minimized case, refined signature, and what the engines do with that case.

    Unstable findings come back as they are.
    """
    if not finding.repeats:
        return finding
    bench.fresh()
    question = same_finding(bench, finding)
    try:
        smaller = reduce_case(finding.case, question, budget=Budget(seconds=seconds), on_progress=progress).case
    except ReduceError:
        return finding
    return finding_about(bench, finding, smaller) or finding


def finding_about(bench: Bench, finding: Finding, smaller: Case) -> Finding | None:
    """The same finding told about its minimized case; None if that does not show it."""
    trial = bench.run(smaller)
    wanted = finding.signature.bucket
    if not isinstance(trial.verdict, Disagree):
        return None
    signature = next((key for key, _ in split(trial.verdict) if key.bucket == wanted), None)
    if signature is None:
        return None
    again = finding_of(bench, trial, signature, finding.repeats, finding.environment)
    try:
        final = refined(signature, again.verdict.dissents, decode(smaller.content))
    except WasmError:
        final = signature
    return replace(again, case=finding.case, minimized=smaller, signature=final, known=finding.known)
