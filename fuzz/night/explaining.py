"""Why each new cause is wrong, as far as the time for that goes: what ``fuzz explain`` says of its smallest case."""

from __future__ import annotations

import time

from fuzz.archive import learned
from fuzz.archive.bundles import read_bundle
from fuzz.archive.disk import write_file
from fuzz.campaign.afterwards import for_each_new
from fuzz.explain.asking import subject_of
from fuzz.explain.explaining import Wish, explain
from fuzz.explain.words import PAGE, lines, page
from fuzz.night.settings import Night
from fuzz.records.summary import Observer, Stored, Summary
from fuzz.trial.bench import Bench, OpenEngine
from fuzz.trial.limits import limits_for
from oracles.engine import open_engine


def explain_new(
    night: Night, summary: Summary, deadline: float, observer: Observer, opener: OpenEngine = open_engine
) -> None:
    """Explain the smallest finding of each new cause and keep that in its bundle."""
    for_each_new(summary, deadline, "reasons", observer, lambda new: _explained(night, new, deadline, opener))


def _explained(night: Night, stored: Stored, deadline: float, opener: OpenEngine) -> list[str]:
    """What was found out, a line each."""
    found = read_bundle(stored.path)
    limits = limits_for(found.best.size)
    dissenting = [dissent.engine for dissent in found.verdict.dissents]
    engines = [engine for engine in night.engines if engine in dissenting]
    bench = Bench(engines, limits, night.offline, opener)
    try:
        trial = bench.run_after(found.before, found.best)
    finally:
        bench.close()
    subjects = (subject_of(trial, engine, found.before) for engine in engines)
    subject = next(filter(None, subjects), None)
    if subject is None:
        return ["not explained: it did not show again"]
    made = explain(subject, Wish(seconds=deadline - time.monotonic()), limits, night.offline, opener)
    learned.keep_explanation(stored.path, made)
    write_file(stored.path / PAGE, page(learned.explanations(stored.path)).encode())
    return list(lines(made))
