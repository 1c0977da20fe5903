"""One file of a corpus: a case, what the reference says of it, and where it came from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fuzz.archive.disk import write_file
from fuzz.records.finding import Finding
from fuzz.records.regular_file import LARGEST, TOO_LARGE, read_regular
from oracles.engine import Limits, UsageError
from oracles.engines.interpreter import budget_of
from oracles.interpreter import run_case
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Outcome, Trapped, outcome_from_json, outcome_to_json

Outcomes = tuple[Outcome, ...]
"""The instantiation's outcome, then one for each call as far as the reference got."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A case. ``expected`` is what the reference did when it was put in, None for a machine function, or where nobody
    has asked; ``origin`` says what it showed, and where."""

    case: Case
    expected: Outcomes | None = None
    origin: str = ""

    @property
    def digest(self) -> str:
        """The same for the same content and calls, whoever made them."""
        return self.case.digest[:16]

    @property
    def file(self) -> str:
        words = re.sub(r"[^a-z0-9]+", "-", (self.origin or self.case.provenance.target).lower()).strip("-")
        return f"{words[:60].strip('-') or 'case'}-{self.digest}.json"

    def to_json(self) -> dict[str, Any]:
        expected = None if self.expected is None else list(map(outcome_to_json, self.expected))
        return {**self.case.to_json(), "expected": expected, "origin": self.origin}

    def write(self, folder: Path) -> Path:
        """Put it into a folder. Raises ``ArchiveError``."""
        path = folder / self.file
        write_file(path, json.dumps(self.to_json()).encode() + b"\n")
        return path


def entry_of(case: Case, origin: str = "") -> Entry:
    """A case with what the reference says of it."""
    return Entry(case, reference(case), origin)


def entry_of_finding(finding: Finding) -> Entry:
    """A finding's best case."""
    return entry_of(finding.best, origin_of(finding))


def origin_of(finding: Finding) -> str:
    """What it shows in a few words, for the file's name."""
    return str(finding.signature.bucket)


def read_entry(path: Path) -> Entry:
    """Read a file. Raises ``UsageError``."""
    try:
        data = json.loads(read_regular(path, LARGEST, TOO_LARGE))
        told = data.get("expected")
        expected = None if told is None else tuple(map(outcome_from_json, told))
        return Entry(Case.from_json(data), expected, str(data.get("origin", "")))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is no case of a corpus: {' '.join(str(error).split())}") from None


def reference(case: Case) -> Outcomes | None:
    """What the reference does with a case; None for one that it does not run."""
    if case.kind is CaseKind.MACHINE:
        return None
    return outcomes_of(run_case(case, None, budget_of(Limits())))


def outcomes_of(seen: Observation) -> Outcomes:
    return (seen.instantiation, *seen.outcomes)


def same(expected: Outcomes, now: Outcomes) -> bool:
    """Whether the reference still says what it said, bit for bit; words in messages are free to change."""
    return len(expected) == len(now) and all(_plain(a) == _plain(b) for a, b in zip(expected, now, strict=True))


def _plain(outcome: Outcome) -> dict[str, Any]:
    told = outcome_to_json(outcome)
    if isinstance(outcome, Trapped) or told["kind"] == "rejected":
        told.pop("message", None)
    return told
