"""What the judge says about one case: who disagrees with whom, where, and who is probably wrong."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias


class Kind(Enum):
    """How an engine dissents; the first word of a signature (docs/judging.md)."""

    CRASH = "crash"
    HANG = "hang"
    MEMORY = "memory"
    REJECT = "reject"
    ACCEPT = "accept"
    VALUE = "value"
    TRAP = "trap"
    EXCEPTION = "exception"
    EXHAUST = "exhaust"
    STATE = "state"
    HOST_CALLS = "host_calls"
    PROFILE = "profile"
    SLOW = "slow"
    """Not the judge's: told by ``fuzz.trial.slowness``."""


@dataclass(frozen=True, slots=True)
class Dissent:
    """One engine's disagreement. ``where`` is ``instantiate``, ``invoke N``, ``memory NAME`` and the like.

    ``detail`` is one line for a person: expected against got. ``message`` and ``location`` come from a crash.
    """

    engine: str
    family: str
    kind: Kind
    phase: str
    where: str
    detail: str = ""
    message: str = ""
    location: str = ""


@dataclass(frozen=True, slots=True)
class Poison:
    """A vote that counts for nothing from an invocation on: ``engine`` ("" for all), why, and from where (-1: all)."""

    engine: str
    reason: str
    start: int = -1


@dataclass(frozen=True, slots=True)
class Agree:
    """All votes that count agree."""

    poisons: tuple[Poison, ...] = ()


@dataclass(frozen=True, slots=True)
class Disagree:
    """At least one engine dissents. ``suspects`` are the families in the minority, the reference among them or not."""

    dissents: tuple[Dissent, ...]
    agreeing: tuple[str, ...]
    suspects: tuple[str, ...]
    poisons: tuple[Poison, ...] = ()


Verdict: TypeAlias = Agree | Disagree


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """A JSON object; ``verdict_from_json`` reads it back."""
    poisons = [[p.engine, p.reason, p.start] for p in verdict.poisons]
    if isinstance(verdict, Agree):
        return {"verdict": "agree", "poisons": poisons}
    rows = [
        {
            "engine": d.engine, "family": d.family, "kind": d.kind.value, "phase": d.phase, "where": d.where,
            "detail": d.detail, "message": d.message, "location": d.location,
        }
        for d in verdict.dissents
    ]  # fmt: skip
    return {
        "verdict": "disagree",
        "dissents": rows,
        "agreeing": list(verdict.agreeing),
        "suspects": list(verdict.suspects),
        "poisons": poisons,
    }


def verdict_from_json(data: dict[str, Any]) -> Verdict:
    poisons = tuple(Poison(*row) for row in data["poisons"])
    if data["verdict"] == "agree":
        return Agree(poisons)
    dissents = tuple(Dissent(**{**row, "kind": Kind(row["kind"])}) for row in data["dissents"])
    return Disagree(dissents, tuple(data["agreeing"]), tuple(data["suspects"]), poisons)
