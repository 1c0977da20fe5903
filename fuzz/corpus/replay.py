"""A corpus as a regression test: every case on every engine, and the reference held to what it said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fuzz.corpus.entry import Entry, outcomes_of, same
from fuzz.trial.bench import Bench
from oracles.judge.verdict import Disagree


@dataclass(frozen=True, slots=True)
class Replayed:
    """A case's outcome: a line for each thing that is ``wrong``; ``compared`` if any engine had a vote."""

    path: Path
    wrong: tuple[str, ...]
    compared: bool


def replay(bench: Bench, cases: Iterable[tuple[Path, Entry]]) -> Iterator[Replayed]:
    """Run each case in turn on the engines of a bench."""
    for path, entry in cases:
        trial = bench.run(entry.case)
        wrong = []
        if entry.expected is not None and not same(entry.expected, outcomes_of(trial.reference)):
            wrong.append("the reference does not say any more what is expected")
        if isinstance(trial.verdict, Disagree):
            wrong += [f"{one.engine}, {one.where}: {one.detail}" for one in trial.verdict.dissents]
        yield Replayed(path, tuple(wrong), trial.compared)
