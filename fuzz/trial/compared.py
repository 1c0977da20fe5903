"""Which calls of a trial were really compared, and why the others were not: nothing is claimed that was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fuzz.trial.account import ending
from fuzz.trial.bench import Trial
from oracles.judge.verdict import Disagree, Poison
from wasm.case import CaseKind
from wasm.embedding import Crashed, Exhausted, Observation, Outcome, OutOfMemory, TimedOut, Unsupported

_GAVE_UP = (Exhausted, TimedOut, OutOfMemory, Unsupported, Crashed)
"""How the reference ends without an answer for others to be held against."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Of ``calls`` invocations, the numbers of those that at least two compared and of those that somebody did not come
    to. ``module`` says whether what became of the module itself was compared, ``instantiated`` whether anybody has an
    instance of it. ``reasons`` say what kept engines from comparing, most frequent first."""

    calls: int
    compared: frozenset[int]
    not_reached: frozenset[int]
    module: bool
    instantiated: bool
    reasons: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether there is nothing on which engines could be said to agree: no call where there are some, and else not
        even the module."""
        return not self.compared if self.calls and self.instantiated else not self.module

    def __str__(self) -> str:
        """``72 of 210 calls compared, 3 not reached``; for a module without calls, whether it was compared."""
        if not self.calls or not self.instantiated:
            return "no call made; instantiation compared" if self.module else "nothing compared"
        text = f"{len(self.compared)} of {self.calls} calls compared"
        return f"{text}, {len(self.not_reached)} not reached" if self.not_reached else text


def compared(trial: Trial) -> Compared:
    """What of a trial was compared. A dissent is a comparison too; what follows it in the same instance is not."""
    seen = (trial.reference, *trial.observations)
    ends = _ends(trial)
    total = len(trial.case.invocations)
    at = {call: [item for item in seen if _votes(item, call, ends)] for call in range(-1, total)}
    reached = [len(item.outcomes) for item in seen if item.engine not in trial.silent]
    instantiated = any(item.instantiated for item in seen)
    return Compared(
        total,
        frozenset(call for call in range(total) if len(at[call]) > 1),
        frozenset(range(min(reached, default=0), total)) if instantiated else frozenset(),
        len(at[-1]) > 1 or (trial.case.kind is CaseKind.MACHINE and trial.compared),
        instantiated,
        tuple(_reasons(trial, seen)),
    )


def answered(trial: Trial) -> range:
    """The calls that the reference has an answer for."""
    seen = trial.reference
    given_up = (call for call, outcome in enumerate(seen.outcomes) if isinstance(outcome, _GAVE_UP))
    return range(next(given_up, len(seen.outcomes)))


def not_compared(trial: Trial, engine: str, counted: Compared, where: str) -> str:
    """What had to be compared to say whether an engine is right ``where`` it was wrong (as in ``Dissent``), and was
    not, in words; "" for nothing."""
    done = counted.compared
    calls = len(trial.case.invocations)
    word, _, number = where.partition(" ")
    if not calls or not trial.reference.instantiated or word == "instantiate":
        return ""
    if word == "invoke" and number.isdigit() and int(number) < calls:
        return "" if int(number) in done else f"call {number} was not compared"
    left = [call for call in answered(trial) if call not in done]
    if left:
        return f"call {left[0]} was not compared"
    if word and word != "invoke" and any(poison.engine in (engine, "") for poison in trial.verdict.poisons):
        return f"{where} was not compared"
    return ""


def _ends(trial: Trial) -> dict[str, int]:
    """By engine, the first step (-1 is instantiation) that does not count any more."""
    verdict = trial.verdict
    ends = {poison.engine: poison.start for poison in verdict.poisons}
    if isinstance(verdict, Disagree):
        for dissent in verdict.dissents:
            word, _, number = dissent.where.partition(" ")
            if word == "invoke":
                ends[dissent.engine] = int(number) + 1
            elif word != "instantiate":
                ends[dissent.engine] = len(trial.case.invocations)
    return ends


def _votes(item: Observation, call: int, ends: dict[str, int]) -> bool:
    """Whether an observation says something at a step that counts."""
    if call >= ends.get(item.engine, call + 1):
        return False
    outcome = item.instantiation if call < 0 else item.outcomes[call] if call < len(item.outcomes) else None
    return outcome is not None and not isinstance(outcome, Unsupported) and not _reference_gave_up(item, call)


def _reference_gave_up(item: Observation, call: int) -> bool:
    if item.notes is None:
        return False
    return any(isinstance(outcome, _GAVE_UP) for outcome in (item.instantiation, *item.outcomes)[: call + 2])


def _reasons(trial: Trial, seen: Sequence[Observation]) -> list[str]:
    """Why votes did not count, and where an engine came to an end before its last call."""
    said = Counter(_poison_text(poison) for poison in trial.verdict.poisons)
    total = len(trial.case.invocations)
    for item in seen:
        if item.instantiated and len(item.outcomes) < total and item.outcomes:
            said[f"{item.engine} {_end_text(item.outcomes[-1])} in call {len(item.outcomes) - 1}"] += 1
        elif item.instantiated and len(item.outcomes) < total:
            said[f"{item.engine} made no call"] += 1
    return [text for text, _ in said.most_common()]


def _poison_text(poison: Poison) -> str:
    where = "" if poison.start < 0 else f" from call {poison.start} on"
    return f"{poison.engine}: {poison.reason}{where}"


def _end_text(outcome: Outcome) -> str:
    return {"timedout": "timed out", "outofmemory": "ran out of memory"}.get(ending(outcome), ending(outcome))
