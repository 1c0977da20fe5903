"""One engine against itself: what it did with a case and what it did with a neutral mutant of it (docs/mutants.md).

The same rules as between engines (``oracles.judge.compare``), with the engine's own answers in the reference's place.
Of the reference only what it says about freedom is used, if it knows the case at all: which NaNs the specification
leaves open, and from where on one has decided something. Limits are not compared: a mutant may take more of everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from oracles.judge.compare import Fetch, judge
from oracles.judge.verdict import Verdict
from oracles.judge.vote import Voter
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import (
    Crashed,
    Exhausted,
    Observation,
    Outcome,
    OutOfMemory,
    Phase,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Unsupported,
)
from wasm.errors import WasmError

_LIMITS: Final = (Exhausted, TimedOut, OutOfMemory)
_GAVE_UP: Final = (*_LIMITS, Unsupported, Crashed)


def judge_itself(
    case: Case, own: Observation, mutant: Observation, reference: Observation, voter: Voter,
    steps: int = 50_000_000, fetch: Fetch | None = None,
) -> Verdict:  # fmt: skip
    """Whether an engine's observation of a mutant is what its ``own`` of the case promises.

    ``mutant.engine`` is another name than ``own.engine``; ``fetch`` knows both. Where the reference gave up on the
    case, everything is compared bit by bit if nothing in the module makes NaNs; else only outcomes, in which any NaN
    equals any other.
    """
    mutant, voters = unlimited(mutant), {own.engine: voter, mutant.engine: voter}
    if answered(reference):
        return judge(case, [mutant], _with_freedom(own, reference), voters, steps, fetch)
    if _makes_nans(case):
        return judge(case, [own, mutant], None, voters, steps, fetch)
    return judge(case, [mutant], own, voters, steps, fetch)


def answered(reference: Observation) -> bool:
    """Whether the reference knows the case to its end."""
    refused = isinstance(reference.instantiation, Rejected)
    return not refused and not gave_up((reference.instantiation, *reference.outcomes))


def gave_up(outcomes: Iterable[Outcome]) -> bool:
    """Whether an end is among these outcomes that says nothing of what should be."""
    return any(isinstance(outcome, _GAVE_UP) for outcome in outcomes)


def unlimited(seen: Observation) -> Observation:
    """An observation of a mutant in which a limit that was reached by running is something that it lacks: who needs
    more than the case did is not wrong. Not to end in the compiler still is."""
    if not seen.instantiated and seen.phase in (Phase.DECODE, Phase.COMPILE):
        return seen
    return replace(seen, instantiation=_excused(seen.instantiation), outcomes=tuple(map(_excused, seen.outcomes)))


def _excused(outcome: Outcome) -> Outcome:
    return Unsupported("limits: a mutant may need more") if isinstance(outcome, _LIMITS) else outcome


def _with_freedom(own: Observation, reference: Observation) -> Observation:
    pairs = zip(own.outcomes, reference.outcomes, strict=False)
    outcomes = tuple(_free(mine, theirs) for mine, theirs in pairs) + own.outcomes[len(reference.outcomes) :]
    return replace(own, outcomes=outcomes, notes=reference.notes)


def _free(mine: Outcome, theirs: Outcome) -> Outcome:
    """The engine's own outcome, knowing which NaNs in it are free. Where it is not the reference's, nobody knows."""
    match mine, theirs:
        case Returned(), Returned() if mine.types == theirs.types:
            return replace(mine, free_nans=theirs.free_nans)
        case Threw(), Threw() if mine.payload.types == theirs.payload.types:
            return replace(mine, payload=replace(mine.payload, free_nans=theirs.payload.free_nans))
        case _:
            return mine


def _makes_nans(case: Case) -> bool:
    """Whether any of its modules does: what an earlier one makes gets into the case's own."""
    try:
        modules = [decode(content) for content in case.contents]
    except WasmError:
        return True
    return any(op.nan for module in modules for func in module.funcs for op, _ in func.body)
