"""What a worker of a cluster does: it holds one slot for each run, and a task is one order to it.

The slot is a process of its own, the same as on one machine, so that the worker can answer the scheduler whatever a
case does, and a case that kills its slot does not kill the worker.
"""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from fuzz import VERSION
from fuzz.campaign.messages import Idle, Order, Plan, Report, RunCases, Stop
from fuzz.campaign.slot_process import start_slot

PACKAGES: Final = ("wasm", "compiler", "generators", "oracles", "fuzz")
IDLE_SECONDS: Final = 1800.0
"""A slot that gets no order for so long belongs to a run that was killed."""

LAST_SECONDS: Final = 2.0
"""What an idle slot has to end its engines."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was run: ``reason`` in one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Died:
    """The slot died; the worker is well."""

    exit_code: int


@cache
def code_version() -> str:
    """The project's version and a digest of its code: a case is the same only where the code is."""
    root = Path(__file__).resolve().parents[2]
    digest = hashlib.sha256()
    for path in sorted(file for package in PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return f"{VERSION} ({digest.hexdigest()[:12]})"


@dataclass(slots=True)
class _Held:
    """A slot that this process holds for a run."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    lock: threading.Lock = field(default_factory=threading.Lock)
    timer: threading.Timer | None = None

    def reports(self) -> list[Report]:
        """What it reports until it is ready for the next order."""
        reports: list[Report] = []
        while not (reports and isinstance(reports[-1], Idle)):
            reports.append(self.pipe.recv())
        return reports

    def end(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        if self.lock.acquire(blocking=False):  # it is idle, and ends by itself when its pipe does
            self.pipe.close()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(LAST_SECONDS)
        self.process.kill()
        self.process.wait()


_HELD: Final[dict[str, _Held]] = {}


def carry_out(
    run: str, version: str, plan: Plan, order: Order | None, seconds: float | None
) -> Sequence[Report] | Refused | Died:
    """Carry out one order of a run, or none: then its slot is started, which says hello. ``seconds`` are left of the
    run's time (its clock is another one)."""
    if version != code_version():
        return Refused(f"has this project in version {code_version()}, the run is of {version}: install the same")
    if order is None:  # whoever had a slot here before has lost it
        forget(run)
    held = _HELD.get(run)
    try:
        if held is None:
            held = _HELD[run] = _Held(*start_slot(plan))
            reports = held.reports()
            if order is None:
                return reports
        with held.lock:
            if held.timer is not None:
                held.timer.cancel()
            if isinstance(order, RunCases) and seconds is not None:
                order = replace(order, deadline=time.monotonic() + seconds)
            held.pipe.send(order)
            reports = held.reports()
            held.timer = threading.Timer(IDLE_SECONDS, forget, [run])
            held.timer.daemon = True
            held.timer.start()
            return reports
    except (EOFError, OSError):
        forget(run)
        return Died(held.process.wait() if held is not None else 0)


def stop(run: str) -> None:
    """End what the run's slot here has under way, with what there is of it."""
    held = _HELD.get(run)
    if held is not None:
        with suppress(OSError):
            held.pipe.send(Stop())


def forget(run: str) -> None:
    """End the run's slot here."""
    held = _HELD.pop(run, None)
    if held is not None:
        held.end()
