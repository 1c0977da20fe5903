"""An engine with releases, in this process: the interpreter, which some releases do not follow.

``Shop`` is its registry, with a file for each release that was fetched; ``history`` has a letter for each release:

    +  right        -  a result has a bit flipped        x  dies instead        ?  refuses to start
    ~  as -, but only each third time that it is run     /  cannot be fetched
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from oracles.engine import Capabilities, Engine, EngineId, EngineUnavailable, Limits
from oracles.engines.interpreter import InterpreterEngine, budget_of
from oracles.interpreter import run_case
from wasm.case import Case
from wasm.embedding import Crashed, Observation, Outcome, Phase, Returned
from wasm.features import DEFAULT


@dataclass
class Shop:
    """``Releases`` of ``sold`` 1.0, 2.0 and so on; ``runs`` counts what they were asked."""

    folder: Path
    history: str
    room: int = 100
    name: str = "sold"
    runs: Counter[str] = field(default_factory=Counter)
    fetched: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    asked_for_list: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return [f"{number}.0" for number in range(1, len(self.history) + 1)]

    def letter(self, release: str) -> str:
        return self.history[self.names().index(release)]

    def offered(self) -> Sequence[str]:
        self.asked_for_list += 1
        return self.names()

    def at_hand(self) -> Sequence[str]:
        return [name for name in self.names() if (self.folder / name).exists()]

    def fetch(self, version: str) -> None:
        if self.letter(version) == "/":
            raise EngineUnavailable(f"sold {version} could not be fetched: no network")
        with self.lock:
            self.fetched.append(version)
            (self.folder / version).write_bytes(bytes(self.room))

    def size(self, version: str) -> int:
        return (self.folder / version).stat().st_size

    def remove(self, version: str) -> bool:
        self.removed.append(version)
        (self.folder / version).unlink()
        return True

    def open(self, id: str, limits: Limits, offline: bool) -> Engine:
        read = EngineId.read(id)
        assert not offline or (self.folder / read.version).exists(), "asked before it was fetched"
        if self.letter(read.version) == "?":
            raise EngineUnavailable(f"{id}: this release cannot take it")
        return Sold(read, limits, self)


@dataclass
class Sold(InterpreterEngine):
    shop: Shop

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(self.id.version, DEFAULT, "sold")

    def run(self, case: Case) -> Observation:
        self.shop.runs[self.id.version] += 1
        seen = replace(run_case(case, budget=budget_of(self.limits)), engine=str(self.id), notes=None)
        letter = self.shop.letter(self.id.version)
        if letter == "x":
            return Observation(
                str(self.id), Crashed(6, "index out of bounds", "sold-1.0/src/emit.rs:17"), Phase.COMPILE
            )
        if letter == "-" or (letter == "~" and self.shop.runs[self.id.version] % 3 == 0):
            return replace(seen, outcomes=tuple(map(_flipped, seen.outcomes)))
        return seen


def _flipped(outcome: Outcome) -> Outcome:
    if not isinstance(outcome, Returned) or not outcome.slots:
        return outcome
    return replace(outcome, slots=bytes([outcome.slots[0] ^ 1]) + outcome.slots[1:])


def open_sold(id: str, limits: Limits, offline: bool) -> Engine:
    """``Shop.open`` for other processes: ``SOLD_SHOP`` has the folder and the history."""
    folder, _, history = os.environ["SOLD_SHOP"].partition(" ")
    return Shop(Path(folder), history).open(id, limits, offline)
