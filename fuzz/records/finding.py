"""A finding: a case on which engines disagree, what it is recognised by, and how sure we are; JSON both ways."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from fuzz.records.typed import need_type
from oracles.judge.verdict import Disagree, verdict_from_json, verdict_to_json
from wasm.case import Case
from wasm.embedding import Outcome, outcome_from_json, outcome_to_json

FINDING_VERSION: Final = 1


_MUTE: Final = re.compile(r"(SIG[A-Z]+|exit status N|Segmentation fault at address N|)")
"""A death without a word, or running out of something, says as little as a wrong answer does."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What makes two findings the same bug.

    ``message`` is a template without numbers, registers and folders; ``place`` is a source file, and the function if
    known, without the line, which moves between releases. A wrong answer says little before it is minimized and is
    ``provisional`` until then; ``settings`` are then the dissenting engine settings, ``opcodes`` the minimized body's.
    """

    family: str
    phase: str
    kind: str
    message: str = ""
    place: str = ""
    settings: tuple[str, ...] = ()
    opcodes: tuple[str, ...] = ()
    provisional: bool = False

    @property
    def mute(self) -> bool:
        """Whether neither message nor place says anything of what is wrong."""
        return not self.place and _MUTE.fullmatch(self.message) is not None

    @property
    def key(self) -> str:
        """A short stable name, fit for a folder: readable words and eight hexadecimal digits."""
        parts = (self.family, self.phase, self.kind, self.message, self.place, *self.settings, *self.opcodes)
        digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]
        where = self.place.rsplit("/", 1)[-1].partition(".")[0]
        words = [self.family, self.kind, where or (self.opcodes[0] if len(self.opcodes) == 1 else "")]
        return "-".join(re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in words if word) + "-" + digest

    @property
    def bucket(self) -> Signature:
        """The signature as it is before minimizing: what duplicates are counted and capped by."""
        return Signature(self.family, self.phase, self.kind, self.message, self.place)

    def __str__(self) -> str:
        words = [self.family, f"{self.kind} in {self.phase}"]
        words += [f'"{self.message}"'] if self.message else []
        words += [f"at {self.place}"] if self.place else []
        words += [f"with {', '.join(self.settings)}"] if self.settings else []
        words += [f"in {' '.join(self.opcodes[:6])}{' ...' if len(self.opcodes) > 6 else ''}"] if self.opcodes else []
        return " ".join(words)

    def to_json(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "family": self.family,
            "phase": self.phase,
            "kind": self.kind,
            "message": self.message,
            "place": self.place,
            "settings": list(self.settings),
            "opcodes": list(self.opcodes),
            "provisional": self.provisional,
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Signature:
        return Signature(
            data["family"],
            data["phase"],
            data["kind"],
            data["message"],
            data["place"],
            tuple(data["settings"]),
            tuple(data["opcodes"]),
            data["provisional"],
        )


@dataclass(frozen=True, slots=True)
class EngineRun:
    """One engine's part in a finding: its canonical id, what it was, and what it did.

    ``version`` is the release that answered; ``outcomes`` begins with the instantiation's.
    """

    engine: str
    version: str
    family: str
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A disagreement with all that is needed to see it again.

    ``repeats`` of ``tries`` runs alone in fresh workers gave the same signature; an unstable one is kept all the same.
    A *sequence* needs the cases ``before`` it to have run in the same process.
    ``minimized`` is the reduced case. ``known`` is the id of a known issue. ``environment`` has platform, versions and
    notes as text. ``expected`` is the outcome of each invocation by the reference, or by the majority against it.
    """

    case: Case
    verdict: Disagree
    signature: Signature
    runs: tuple[EngineRun, ...]
    expected: tuple[Outcome, ...] = ()
    repeats: int = 0
    tries: int = 0
    minimized: Case | None = None
    known: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    before: tuple[Case, ...] = ()

    @property
    def stable(self) -> bool:
        return self.repeats == self.tries

    @property
    def best(self) -> Case:
        """The case to look at: the minimized one if there is one."""
        return self.minimized or self.case

    def to_json(self) -> dict[str, Any]:
        return {
            "version": FINDING_VERSION,
            "signature": self.signature.to_json(),
            "case": self.case.to_json(),
            "minimized": self.minimized.to_json() if self.minimized else None,
            "verdict": verdict_to_json(self.verdict),
            "expected": [outcome_to_json(outcome) for outcome in self.expected],
            "runs": [
                {
                    "engine": run.engine,
                    "version": run.version,
                    "family": run.family,
                    "outcomes": [outcome_to_json(outcome) for outcome in run.outcomes],
                }
                for run in self.runs
            ],
            "repeats": self.repeats,
            "tries": self.tries,
            "known": self.known,
            "environment": self.environment,
            **({"before": [case.to_json() for case in self.before]} if self.before else {}),
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Finding:
        """Read ``to_json``'s form. Raises ``ValueError`` for a version that this release does not know, ``KeyError``,
        ``TypeError`` or ``AttributeError`` for what is no finding."""
        if data.get("version") != FINDING_VERSION:
            raise ValueError(f"finding version {data.get('version')!r}: this release reads version {FINDING_VERSION}")
        json.dumps(data, ensure_ascii=False).encode()  # a ValueError, where there are halves of characters in it
        verdict = verdict_from_json(data["verdict"])
        if not isinstance(verdict, Disagree):
            raise ValueError("a finding's verdict must be a disagreement")
        runs = tuple(
            EngineRun(run["engine"], run["version"], run["family"], tuple(map(outcome_from_json, run["outcomes"])))
            for run in data["runs"]
        )
        finding = Finding(
            case=Case.from_json(data["case"]),
            verdict=verdict,
            signature=Signature.from_json(data["signature"]),
            runs=runs,
            expected=tuple(map(outcome_from_json, data["expected"])),
            repeats=data["repeats"],
            tries=data["tries"],
            minimized=Case.from_json(data["minimized"]) if data["minimized"] else None,
            known=data["known"],
            environment=data["environment"],
            before=tuple(map(Case.from_json, data.get("before", ()))),
        )
        need_type(finding, Finding, "finding")
        return finding
