"""Suspicion is tried again, alone and in fresh workers, before it becomes a finding."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz import VERSION
from fuzz.records.finding import EngineRun, Finding, Signature
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench, Trial
from oracles.judge.verdict import Disagree, Dissent, Kind
from oracles.reference import REFERENCE
from wasm.case import Case

TRIES: Final = 3
PATIENCE: Final = 10
"""A hang or an exhaustion counts only if it still shows at this many times the limits."""

_IMPATIENT: Final = frozenset({Kind.HANG, Kind.EXHAUST, Kind.MEMORY})


def shows(trial: Trial, signature: Signature) -> bool:
    """Whether a trial shows a disagreement with this signature."""
    return isinstance(trial.verdict, Disagree) and any(shown == signature for shown, _ in split(trial.verdict))


def confirm(
    bench: Bench, trial: Trial, signature: Signature, dissents: Sequence[Dissent], before: Sequence[Case] = ()
) -> Finding | None:
    """Run a suspicious case again and make a finding of it; None for a hang that ends when given more time.

    A finding that does not repeat every time is kept with the numbers. One that never repeats is tried once more after
    the cases that came before it in its batch: the engine's state may have mattered.
    """
    case = trial.case
    repeats = 0
    notes: dict[str, str] = {}
    if dissents[0].kind in _IMPATIENT:
        repeats = _patiently(bench, case, signature, [dissent.engine for dissent in dissents])
        if not repeats:
            return None
    else:
        for _ in range(TRIES):
            bench.fresh()
            again = bench.run(case)
            if shows(again, signature):
                repeats += 1
                trial = again
        if not repeats and before and _after(bench, before, case, signature):
            notes["depends"] = f"shows only after the {len(before)} cases before it in its batch"
    return finding(bench, trial, signature, repeats, notes)


def _patiently(bench: Bench, case: Case, signature: Signature, engines: list[str]) -> int:
    """``TRIES`` if a hang or exhaustion repeats every time, the last time at ten times the limits; else 0."""
    for _ in range(TRIES - 1):
        bench.fresh()
        if not shows(bench.run(case, engines), signature):
            return 0
    bench.fresh()
    patient = bench.patient(PATIENCE, engines)
    try:
        return TRIES if shows(patient.run(case), signature) else 0
    finally:
        patient.close()


def _after(bench: Bench, before: Sequence[Case], case: Case, signature: Signature) -> bool:
    bench.fresh()
    for earlier in before:
        bench.run(earlier)
    return shows(bench.run(case), signature)


def finding(
    bench: Bench, trial: Trial, signature: Signature, repeats: int, notes: dict[str, str] | None = None
) -> Finding:
    """The finding that a trial shows, as far as it concerns one signature."""
    verdict = trial.verdict
    assert isinstance(verdict, Disagree)
    mine = next((dissents for key, dissents in split(verdict) if key == signature), verdict.dissents)
    runs = tuple(
        EngineRun(seen.engine, _version(bench, seen.engine), _family(bench, seen.engine),
                  (seen.instantiation, *seen.outcomes))
        for seen in (trial.reference, *trial.observations)
    )  # fmt: skip
    basis = trial.reference
    if signature.family == REFERENCE:
        # The majority contradicts the reference: what the others answer is what to expect.
        basis = next((seen for seen in trial.observations if seen.engine == mine[0].engine), basis)
    return Finding(
        case=trial.case,
        verdict=replace(verdict, dissents=mine),
        signature=signature,
        runs=runs,
        expected=(basis.instantiation, *basis.outcomes),
        repeats=repeats,
        tries=TRIES,
        environment=_environment(bench) | (notes or {}),
    )


def _version(bench: Bench, engine: str) -> str:
    return VERSION if engine == REFERENCE else bench.seats[engine].capabilities.version


def _family(bench: Bench, engine: str) -> str:
    return REFERENCE if engine == REFERENCE else bench.seats[engine].capabilities.family


def _environment(bench: Bench) -> dict[str, str]:
    notes = bench.notes()
    facts = {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "python": platform.python_version(),
        "harness": VERSION,
    }
    return facts | ({"notes": "; ".join(notes)} if notes else {})
