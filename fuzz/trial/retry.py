"""Suspicion is tried again, alone and in fresh workers, before it becomes a finding."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from fuzz import VERSION
from fuzz.records.finding import EngineRun, Finding, Signature
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench, Trial
from fuzz.trial.sequence import needed_history
from oracles.judge.itself import gave_up
from oracles.judge.verdict import Disagree, Dissent, Kind
from oracles.judge.vote import VALIDITY
from oracles.reference import REFERENCE
from wasm.case import Case, CaseKind
from wasm.embedding import Outcome

TRIES: Final = 3
PATIENCE: Final = 10
"""A hang or an exhaustion counts only if it still shows at this many times the limits."""

HISTORY_SECONDS: Final = 30.0
"""How long to look for the fewest earlier cases that a finding needs."""

IMPATIENT: Final = frozenset({Kind.HANG, Kind.EXHAUST, Kind.MEMORY})


def shows(trial: Trial, signature: Signature) -> bool:
    """Whether a trial shows a disagreement with this signature."""
    return isinstance(trial.verdict, Disagree) and any(shown == signature for shown, _ in split(trial.verdict))


def confirm(
    bench: Bench, trial: Trial, signature: Signature, dissents: Sequence[Dissent], before: Sequence[Case] = ()
) -> Finding | None:
    """Run a suspicious case again and make a finding of it; None for a hang that ends when given more time.

    A finding that does not repeat every time alone is tried again after those of the cases ``before`` it that it needs:
    the engine's state may matter (``fuzz.trial.sequence``). What does not repeat then either is kept with the numbers.
    """
    case = trial.case
    repeats = 0
    needed: tuple[Case, ...] = ()
    if dissents[0].kind in IMPATIENT:
        repeats = _patiently(bench, case, signature, [dissent.engine for dissent in dissents])
        if not repeats:
            return None
    else:
        engines = _dissenters(trial, signature, dissents) or tuple(bench.seats)
        repeats, trial = _repeats(bench, trial, signature, (), engines)
        if repeats < TRIES and before:
            needed = needed_history(bench, before, case, lambda one: shows(one, signature), HISTORY_SECONDS)
            if needed:
                repeats, trial = _repeats(bench, trial, signature, needed, engines)
    return finding(bench, trial, signature, repeats, before=needed)


def _dissenters(trial: Trial, signature: Signature, dissents: Sequence[Dissent]) -> tuple[str, ...]:
    """The engines that show a signature by themselves; none where engines are held against each other. What is a module
    is said by a validator, and whether that or one engine is meant is known only where others have the same one."""
    outcomes = (trial.reference.instantiation, *trial.reference.outcomes)
    shared = any(dissent.kind in VALIDITY for dissent in dissents)
    if shared or signature.family == REFERENCE or not is_referred(trial.case, outcomes):
        return ()
    return tuple(dissent.engine for dissent in dissents)


def is_referred(case: Case, outcomes: Iterable[Outcome]) -> bool:
    """Whether one engine alone shows something, by what the reference did: where it gave up, engines are held against
    each other. An allocation is held against its input."""
    return case.kind is CaseKind.MACHINE or not gave_up(outcomes)


def _repeats(
    bench: Bench, trial: Trial, signature: Signature, needed: Sequence[Case], engines: Collection[str]
) -> tuple[int, Trial]:
    """How many of ``TRIES`` runs in new processes show a signature, and the last trial of all engines that does. Before
    that it is asked of the ``engines`` that dissent, at first in processes from scratch: those that a nursery forks
    have one layout of addresses."""
    repeats = 0
    for attempt in range(TRIES):
        last = attempt == TRIES - 1
        bench.fresh(from_scratch=engines if attempt == 0 else ())
        again = bench.run_after(needed, trial.case, None if last else engines)
        if shows(again, signature):
            repeats, trial = repeats + 1, again if last else trial
    return repeats, trial


def _patiently(bench: Bench, case: Case, signature: Signature, engines: list[str]) -> int:
    """``TRIES`` if a hang or exhaustion repeats every time, once of them at ten times the limits; else 0. That comes
    first: what only takes long is most of what comes here, and need not be waited for again to its limits."""
    bench.fresh()
    patient = bench.patient(PATIENCE, engines)
    try:
        if not shows(patient.run(case), signature):
            return 0
    finally:
        patient.close()
    for _ in range(TRIES - 1):
        bench.fresh()
        if not shows(bench.run(case, engines), signature):
            return 0
    return TRIES


def finding(
    bench: Bench, trial: Trial, signature: Signature, repeats: int, notes: dict[str, str] | None = None,
    before: tuple[Case, ...] = (),
) -> Finding:  # fmt: skip
    """The finding that a trial shows, as far as it concerns one signature."""
    verdict = trial.verdict
    assert isinstance(verdict, Disagree)
    mine = next((dissents for key, dissents in split(verdict) if key == signature), verdict.dissents)
    runs = tuple(
        EngineRun(seen.engine, bench.release(seen.engine), _family(bench, seen.engine),
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
        before=before,
    )


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
