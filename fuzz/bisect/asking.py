"""Asking one release: in workers of its own, as often as the question says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from fuzz.bisect.question import Answer, Question, read
from fuzz.records.strip import State
from fuzz.trial.bench import Bench, OpenEngine, Trial
from fuzz.trial.retry import IMPATIENT, PATIENCE
from oracles.engine import EngineId, UsageError
from oracles.judge.verdict import Disagree

_PASSING: Final = ("is not in the cache", "did not answer", "keeps dying", "closed in the middle", "has changed since")
"""What a worker may come to on a busy machine, and not another time."""


def ask(engine: EngineId, release: str, question: Question, opener: OpenEngine) -> Answer:
    """What a release, which is at hand, does. Whatever it does is an answer."""
    try:
        id = str(engine.released(release))
        bench = Bench([id], question.limits, True, opener)
    except UsageError as error:
        return Answer(State.CANNOT, str(error))
    try:
        return _unusable(bench, id) or _ask(bench, next(iter(bench.seats)), question)
    finally:
        bench.close()


def _unusable(bench: Bench, id: str) -> Answer | None:
    for reason in bench.broken.values():
        lasting = not any(words in reason for words in _PASSING)
        return Answer(State.CANNOT, reason.removeprefix(f"{id}: "), lasting=lasting)
    return None


def _ask(bench: Bench, engine: str, question: Question) -> Answer:
    """Try until the release shows what is asked for; it is bad too if it was wrong in any other way meanwhile."""
    found: Answer | None = None
    tries = question.tries
    number = 0
    for number, answer in enumerate(_answers(bench, engine, question), 1):
        if answer.state is State.BAD:
            tries = question.tries_otherwise
        if found is None or found.state is not State.BAD or answer.shows:
            found = answer
        if answer.shows or answer.state is State.CANNOT or number >= tries:
            break
    assert found is not None
    if found.state is State.BAD and number > 1:
        word = f"shown in try {number}" if found.shows else f"in {number} tries"
        return replace(found, why=f"{found.why} ({word} of {tries})")
    return replace(found, why=f"{found.why}, {number} times") if number > 1 else found


def _answers(bench: Bench, engine: str, question: Question) -> Iterator[Answer]:
    """One answer after another, each in new processes."""
    while True:
        trial = bench.run_after(question.before, question.case)
        yield _unusable(bench, engine) or _patient(bench, engine, question, trial)
        bench.fresh()


def _patient(bench: Bench, engine: str, question: Question, trial: Trial) -> Answer:
    """Running out of time or memory counts only if it still does with ten times as much."""
    answer = read(trial, engine, question)
    verdict = trial.verdict
    slow = isinstance(verdict, Disagree) and any(
        dissent.engine == engine and dissent.kind in IMPATIENT for dissent in verdict.dissents
    )
    if not slow:
        return answer
    patient = bench.patient(PATIENCE, [engine])
    try:
        again = patient.run_after(question.before, question.case)
        return _unusable(patient, engine) or read(again, engine, question)
    finally:
        patient.close()
