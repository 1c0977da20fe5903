"""Who runs a campaign's slots: processes here, or (``fuzz.campaign.cluster``) the workers of a cluster.

The campaign speaks to each slot over a pipe, wherever the slot is; a pipe that ends is a slot that has died.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, Protocol

from fuzz.campaign.messages import Plan
from fuzz.campaign.slot import slot_main
from wasm.scratch import sweep

BATCH: Final = 8
"""Cases per order: about a second's work, so that little is lost to a kill and the parent is rarely asked."""

MAX_DEATHS: Final = 5
"""A slot that dies is a failure of the harness; after this many no other one is started."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a slot: a line, and whether that is a failure of the harness."""

    text: str
    failure: bool = True


class Runner(Protocol):
    """One slot as the campaign sees it: orders go into the ``pipe``, reports come out."""

    pipe: Connection

    def end(self, patience: float) -> None:
        """End the slot, which has ``patience`` seconds to do so by itself."""

    def fate(self) -> Fate:
        """Why its pipe has ended."""


class Crew(Protocol):
    """All slots of a run. An order has ``batch`` cases. The ``complaint`` says why there are no slots, where that is no
    failure of one of them."""

    batch: int
    complaint: str

    def start(self, plan: Plan, running: int) -> Runner | None:
        """Start one more slot beside those that are running; None if there is nobody to run it just now."""

    def useless(self, runner: Runner) -> None:
        """No engine works where this slot runs, so no other one is to be started there."""

    def hopes(self) -> bool:
        """Whether slots may come by themselves, now that there are none."""

    def close(self) -> None:
        """Let go of all that was taken for the run, once. All slots have been ended."""


@dataclass(slots=True)
class _Process:
    process: BaseProcess
    pipe: Connection

    def end(self, patience: float) -> None:
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join(5)

    def fate(self) -> Fate:
        self.process.join(5)
        return Fate(f"a slot died (exit code {self.process.exitcode})")


@dataclass(slots=True)
class Processes:
    """Slots that are processes of this machine, ``most`` of them."""

    most: int
    started: int = 0
    batch: int = BATCH
    complaint: str = ""

    def start(self, plan: Plan, running: int) -> Runner | None:
        if running >= self.most or self.started >= self.most + MAX_DEATHS - 1:
            return None
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        with shielded():
            process = context.Process(target=slot_main, args=(theirs, plan), daemon=True)
            process.start()
            theirs.close()
        self.started += 1
        return _Process(process, ours)

    def useless(self, runner: Runner) -> None:  # noqa: ARG002
        self.most = 0

    def hopes(self) -> bool:
        return False

    def close(self) -> None:
        """Those that were killed have left their temporary folders behind."""
        sweep()


@contextmanager
def shielded() -> Iterator[None]:
    """An interrupt from the terminal is for the parent, so what is started meanwhile starts with it blocked."""
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)
