"""Slots on a cluster: the workers of a Dask scheduler, each of which holds one slot. An order to a slot is a task.

    dask scheduler                                              on one machine
    dask worker ADDRESS --nworkers 8 --nthreads 1               on each of the others
    fuzz run --target mixed --time 8h --cluster ADDRESS --out OUT

Workers come and go: a new one gets a slot, and what one had that has gone is done again. The scheduler decides nothing;
every task is pinned to the worker whose slot it is for, since the slot's processes are there. Reports come back as the
result of the task, so a finding is with the parent when its order has ended.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import importlib
import logging
import re
import threading
import time
import uuid
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import wait
from typing import Any, Final

from fuzz.campaign.cluster_worker import Died, Refused, carry_out, code_version, forget, stop
from fuzz.campaign.crew import MAX_DEATHS, Fate, Runner, shielded
from fuzz.campaign.messages import Idle, Order, Plan, RunCases, Stop
from oracles.engine import UsageError

CONNECT: Final = 15.0
"""Seconds that a scheduler has to answer at first."""

LOOK: Final = 2.0
"""Seconds between two looks at which workers there are."""

PATIENCE: Final = 60.0
"""Seconds without any worker, or any answer from the scheduler, after which the run ends."""

CASES: Final = 48
"""Cases per order: a task costs some milliseconds of CPU here, in the scheduler and in the worker together."""

_LOCAL: Final = re.compile(r"local(?::([1-9][0-9]{0,3}))?")
_ADDRESS: Final = re.compile(r"[a-z]+://[^\s/]+:\d+|(?!local:)[^\s/:]+:\d+")
_QUIET: Final = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.tick.interval": "1s",
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.worker.daemon": True,
}
"""For a cluster that we start: what it would measure and move around is nothing to us."""


def open_cluster(address: str, cpus: int) -> Cluster:
    """The cluster at an address, or with ``local`` or ``local:N`` one of N (``cpus``) workers here.

    Raises ``UsageError`` where there is none, or Dask is not installed.
    """
    try:
        dask: Any = importlib.import_module("dask")
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise UsageError(
            "--cluster needs Dask: pip install 'wasm-codegen-fuzz[cluster]', here and on every worker"
        ) from None
    for name in ("distributed", "distributed.client"):  # what is wrong is said by us, once
        logging.getLogger(name).setLevel(logging.CRITICAL)
    local = _LOCAL.fullmatch(address)
    if local is None and not _ADDRESS.fullmatch(address):
        raise UsageError(f"--cluster {address}: write the scheduler's address as tcp://HOST:8786, or local or local:N")
    here = None
    try:
        with shielded():
            if local is not None:
                dask.config.set(_QUIET)
                here = distributed.LocalCluster(
                    n_workers=int(local[1] or cpus), threads_per_worker=1, processes=True, memory_limit=0,
                    dashboard_address=":0", silence_logs=50,
                )  # fmt: skip
            client = distributed.Client(here or address, timeout=CONNECT, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        told = " ".join(str(error).split())[:200] or type(error).__name__
        raise UsageError(f"no Dask scheduler answers at {address}: start one with 'dask scheduler' ({told})") from None
    return Cluster(address, client, here)


@dataclass(slots=True)
class Cluster:
    """The slots of a run on the workers of a cluster (``Crew``). ``busy`` are those in use, by the worker's address,
    ``left_out`` the workers that are of no use, ``here`` the cluster if we have started it."""

    address: str
    client: Any
    here: Any = None
    batch: int = CASES
    complaint: str = ""
    run: str = field(default_factory=lambda: uuid.uuid4().hex)
    busy: dict[str, _Remote] = field(default_factory=dict)
    left_out: set[str] = field(default_factory=set)
    deaths: Counter[str] = field(default_factory=Counter)
    workers: frozenset[str] = frozenset()
    looked: float = 0.0
    lonely_since: float | None = None
    answered: float = field(default_factory=time.monotonic)

    def start(self, plan: Plan, running: int) -> Runner | None:  # noqa: ARG002
        self._look()
        free = sorted(self.workers - self.busy.keys() - self.left_out)
        if not free or not self.connected:
            return None
        runner = self.busy[free[0]] = _Remote(self, plan, free[0])
        runner.begin()
        return runner

    @property
    def connected(self) -> bool:
        return bool(self.client.status == "running")

    def _look(self) -> None:
        """See which workers there are, and tell the slots on those that have gone."""
        if time.monotonic() < self.looked + LOOK:
            return
        self.looked = time.monotonic()
        try:
            self.workers = frozenset(self.client.nthreads())
            self.answered = time.monotonic()
        except Exception:  # Dask has many ways to say that nobody answers
            if self.client.status != "closed" and time.monotonic() < self.answered + PATIENCE:
                return
            self.workers = frozenset()
            self.complaint = f"the scheduler at {self.address} does not answer any more"
        for address in self.busy.keys() - self.workers:
            self.busy.pop(address).lost()

    def useless(self, runner: Runner) -> None:
        assert isinstance(runner, _Remote)
        self.left_out.add(runner.address)
        self.busy.pop(runner.address, None)

    def ended(self, runner: _Remote, fate: Fate) -> None:
        """A slot has ended by itself: it may be started again where that does not happen all the time."""
        self.busy.pop(runner.address, None)
        self.looked = 0.0
        self.deaths[runner.address] += fate.failure
        if self.deaths[runner.address] >= MAX_DEATHS or runner.refused:
            self.left_out.add(runner.address)

    def hopes(self) -> bool:
        """Whether a worker may still come: for a while, and not only those that are of no use."""
        if self.complaint or (self.workers and self.workers <= self.left_out):
            return False
        now = time.monotonic()
        if self.lonely_since is None or self.busy:
            self.lonely_since = now
        if now < self.lonely_since + PATIENCE:
            return True
        self.complaint = f"the scheduler at {self.address} has had no worker for {PATIENCE:.0f} s"
        return False

    def close(self) -> None:
        with suppress(Exception), shielded():
            if self.workers:
                self.client.run(forget, self.run, workers=sorted(self.workers), on_error="ignore")
        with suppress(Exception):
            self.client.close(timeout=5)
        with suppress(Exception):
            if self.here is not None:
                self.here.close(timeout=5)


class _Remote:
    """A slot on a worker (``Runner``): a thread here hands its orders on as tasks, and what comes of them back."""

    def __init__(self, cluster: Cluster, plan: Plan, address: str) -> None:
        self.cluster, self.plan, self.address = cluster, plan, address
        self.refused = False
        self.pipe, self._theirs = Pipe()
        self._woken, self._wake = Pipe(duplex=False)
        self._fate = Fate(f"worker {address} has gone; what it had is done again", failure=False)
        self._thread = threading.Thread(target=self._serve, name=f"slot on {address}", daemon=True)

    def begin(self) -> None:
        self._thread.start()

    def lost(self) -> None:
        """The worker has gone."""
        with suppress(OSError):
            self._wake.send("lost")

    def end(self, patience: float) -> None:
        self._thread.join(patience + 1.0)

    def fate(self) -> Fate:
        self._thread.join(5)
        self.cluster.ended(self, self._fate)
        return self._fate

    def _serve(self) -> None:
        try:
            order: Order | None = None
            while self._carry_out(order):
                order = self._next()
                if order is None:
                    break
        except (EOFError, OSError, concurrent.futures.CancelledError, asyncio.CancelledError):
            pass  # the run is over, or the worker or the scheduler has gone
        except Exception as error:
            if not self.cluster.connected:
                return
            told = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            self.refused = isinstance(error, ImportError | AttributeError)
            text = "does not have this project, or not all that it needs" if self.refused else "failed"
            self._fate = Fate(f"worker {self.address} {text} ({told})")
        finally:
            self._theirs.close()

    def _next(self) -> Order | None:
        """The next order; None if the worker has gone."""
        while True:
            if self._woken in wait([self._theirs, self._woken]) and self._woken.recv() == "lost":
                return None
            if self._theirs.poll():
                order: Order = self._theirs.recv()
                if not isinstance(order, Stop):  # nothing is under way
                    return order
                self._theirs.send(Idle())

    def _carry_out(self, order: Order | None) -> bool:
        """One task; whether the slot is there for more."""
        seconds = None
        if isinstance(order, RunCases) and order.deadline is not None:
            seconds = order.deadline - time.monotonic()
        cluster = self.cluster
        future = cluster.client.submit(
            carry_out, cluster.run, code_version(), self.plan, order, seconds,
            workers=[self.address], allow_other_workers=False, pure=False, retries=0,
        )  # fmt: skip
        future.add_done_callback(lambda _: self._done())
        if not self._finished(future):
            return False
        result = future.result()
        future.release()
        if isinstance(result, Refused):
            self.refused = True
            self._fate = Fate(f"worker {self.address} {result.reason}")
            return False
        if isinstance(result, Died):
            self._fate = Fate(f"a slot on worker {self.address} died (exit code {result.exit_code})")
            return False
        for report in result:
            self._theirs.send(report)
        return True

    def _done(self) -> None:
        with suppress(OSError):
            self._wake.send("done")

    def _finished(self, future: Any) -> bool:
        """Wait for a task; whether it came to an end. The pipe's end cancels it, ``Stop`` hurries it."""
        try:
            while True:
                ready: list[Any] = wait([self._theirs, self._woken])
                if self._woken in ready:
                    lost = self._woken.recv() == "lost"
                    if lost:
                        future.cancel()
                    return not lost
                if isinstance(self._theirs.recv(), Stop):
                    self.cluster.client.run(stop, self.cluster.run, workers=[self.address], on_error="ignore")
        except (EOFError, OSError):
            future.cancel()
            raise
