"""A real engine with a fault: the interpreter in this process, whose results beyond the 40th have a bit flipped.

``wrong`` gives wrong values. ``crash`` says that it panics where a call has more than 40 results; ``flaky`` gives a
wrong value the first time that a process sees a case; ``hang`` claims a time-out unless it has patience; ``dies``
kills its whole process, as a fault of the harness would.
"""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, replace

from oracles.engine import Capabilities, EngineId, EngineUnavailable, Limits
from oracles.engines.interpreter import InterpreterEngine, budget_of
from oracles.interpreter import run_case
from wasm.case import Case
from wasm.embedding import Crashed, Observation, Outcome, Phase, Returned, TimedOut
from wasm.features import DEFAULT

WIDE = 40
_SEEN: set[bytes] = set()


@dataclass(slots=True)
class Faulty(InterpreterEngine):
    """``Engine`` for tests."""

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1.2.3", DEFAULT, "faulty")

    def run(self, case: Case) -> Observation:
        seen = replace(run_case(case, budget=budget_of(self.limits)), engine=str(self.id), notes=None)
        wide = [i for i, outcome in enumerate(seen.outcomes) if _wide(outcome)]
        if not wide:
            return seen
        match dict(self.id.settings):
            case {"crash": "on"}:
                text = f"index out of bounds: the len is 256 but the index is {len(case.content)}"
                return Observation(str(self.id), Crashed(6, text, "backend-0.1.2/src/emit.rs:17"), Phase.COMPILE)
            case {"flaky": "on"}:
                if case.content in _SEEN:
                    return seen
                _SEEN.add(case.content)
            case {"hang": "on"}:
                if self.limits.cpu_seconds > 10:
                    return seen
                return replace(seen, outcomes=(*seen.outcomes[: wide[0]], TimedOut(10)), phase=Phase.INVOKE)
            case {"dies": "on"}:
                os.kill(os.getpid(), signal.SIGKILL)
        return replace(seen, outcomes=tuple(map(_flipped, seen.outcomes)))


def _wide(outcome: Outcome) -> bool:
    return isinstance(outcome, Returned) and len(outcome.types) > WIDE


def _flipped(outcome: Outcome) -> Outcome:
    """The 41st result with its lowest bit flipped (a reference is left alone)."""
    if not isinstance(outcome, Returned) or not _wide(outcome) or outcome.types[WIDE] == "ref":
        return outcome
    slots = bytearray(outcome.slots)
    slots[16 * WIDE] ^= 1
    return replace(outcome, slots=bytes(slots))


def open_faulty(id: str, limits: Limits, offline: bool) -> Faulty:  # noqa: ARG001
    """Opens ``faulty[:FAULT]``; ``missing`` cannot be opened."""
    name, _, fault = id.partition(":")
    if name == "missing":
        raise EngineUnavailable(f"{id}: there is no such engine: install it")
    return Faulty(EngineId(name, "", "", ((fault, "on"),) if fault else ()), limits)
