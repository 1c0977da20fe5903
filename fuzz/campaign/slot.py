"""A slot: one process with its own engine workers, which runs batches of cases and sends what it found.

Slots are started by ``fuzz.campaign.loop`` and die with it. Nothing of a case goes through the parent but findings.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from fuzz import VERSION
from fuzz.campaign.feedback import Feedback
from fuzz.records.finding import Finding
from fuzz.records.history import Ending, Minimization, Series, SetAside, Sighting, sightings_of
from fuzz.records.stats import Stats
from fuzz.triage.signature import split
from fuzz.trial.account import account
from fuzz.trial.bench import Bench, OpenEngine, Trial
from fuzz.trial.children import children_cpu
from fuzz.trial.retry import confirm
from generators.config import DEFAULT
from generators.peer import NoModule
from generators.registry import make_case
from oracles.engine import Limits, open_engine
from oracles.judge.verdict import Disagree
from oracles.reference import REFERENCE
from wasm.case import Case


@dataclass(frozen=True, slots=True)
class Plan:
    """What all slots of a run have in common. ``feedback`` is the folder of ``fuzz.campaign.feedback``, if it is on.

    ``opener`` opens engines; it is replaced in tests only.
    """

    engines: tuple[str, ...]
    series: Series
    limits: Limits = field(default_factory=Limits)
    offline: bool = False
    feedback: Path | None = None
    opener: OpenEngine = open_engine


# --- from the parent --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCases:
    """Run these cases until ``deadline`` (by ``time.time``); of the ``full`` buckets no more examples are wanted."""

    numbers: tuple[int, ...]
    full: frozenset[str]
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Minimize:
    finding: Finding
    bundle: str
    seconds: float


Order: TypeAlias = RunCases | Minimize

# --- to the parent ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hello:
    """The engines that work: (id, release), those that do not: (id, reason), and what a reader must know of them."""

    engines: tuple[tuple[str, str], ...]
    broken: tuple[tuple[str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    finding: Finding


@dataclass(frozen=True, slots=True)
class Batch:
    """These cases were run; each disagreement on them is a sighting for each engine, or was set aside."""

    numbers: tuple[int, ...]
    stats: Stats
    sightings: tuple[Sighting, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class Minimized:
    """What came of an order to minimize; ``work`` tells of it for the archive."""

    finding: Finding
    bundle: str
    work: Minimization


@dataclass(frozen=True, slots=True)
class Broken:
    """An engine that cannot be used any more."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The harness itself failed: an exception's text, and the case's number if one was under way."""

    text: str
    number: int | None


@dataclass(frozen=True, slots=True)
class Idle:
    """Ready for the next order."""


Report: TypeAlias = Hello | Found | Batch | Minimized | Broken | Failed | Idle

_SET_PDEATHSIG = 1


def slot_main(pipe: Connection, plan: Plan) -> None:
    """The process: orders come in, reports go out; ends when the parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    _die_with_parent()
    slot = _Slot(pipe, plan)
    try:
        slot.serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        slot.bench.close()


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent does, however that happens (Linux; elsewhere EOF does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() == 1:
            os._exit(1)


class _Slot:
    def __init__(self, pipe: Connection, plan: Plan) -> None:
        self.pipe, self.plan = pipe, plan
        self.bench = Bench(plan.engines, plan.limits, plan.offline, plan.opener)
        self.told: set[str] = set(self.bench.broken)
        self.feedback = Feedback.open(plan.feedback) if plan.feedback is not None else None
        self.config = replace(DEFAULT, seeds=plan.feedback)

    def send(self, report: Report) -> None:
        self.pipe.send(report)

    def serve(self) -> None:
        versions = tuple((name, seat.capabilities.version) for name, seat in self.bench.seats.items())
        self.send(Hello(versions, tuple(self.bench.broken.items()), self.bench.notes()))
        while True:
            self.send(Idle())
            order: Order = self.pipe.recv()
            match order:
                case RunCases():
                    self.run_cases(order)
                case Minimize():
                    self.minimize(order)

    def run_cases(self, order: RunCases) -> None:
        stats = Stats()
        done: list[int] = []
        batch: list[Case] = []
        sightings: list[Sighting] = []
        start, before, engines = time.process_time(), self.bench.reference_cpu, self.bench.own_cpu
        for number in order.numbers:
            if order.deadline is not None and time.time() >= order.deadline:
                break
            target, index = self.plan.series.case(number)
            try:
                case = self.make(target, index, stats)
                sightings += self.one(case, batch, stats, order.full)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except NoModule as error:
                stats.discarded[str(error)] += 1
            except Exception:  # a fault of ours in one case must not end the night
                stats.discarded["harness error"] += 1
                self.send(Failed(f"case {target} {self.plan.series.seed} {index}: {traceback.format_exc()}", number))
            else:
                batch.append(case)
            done.append(number)
        interpreter = self.bench.reference_cpu - before
        stats.engine_cpu[REFERENCE] = interpreter
        stats.harness_cpu += time.process_time() - start - interpreter - (self.bench.own_cpu - engines)
        self.send(Batch(tuple(done), stats, tuple(sightings)))

    def make(self, target: str, index: int, stats: Stats) -> Case:
        """Make a case. Programs that generators start have ended by then, so their time is that of waited-for children;
        this process's own was not yet counted, theirs is added to the harness's."""
        own, others = time.process_time(), children_cpu()
        try:
            return make_case(target, self.plan.series.seed, index, self.config)
        finally:
            spent = children_cpu() - others
            stats.harness_cpu += spent
            stats.generator_cpu += spent + time.process_time() - own

    def one(self, case: Case, batch: list[Case], stats: Stats, full: frozenset[str]) -> list[Sighting]:
        """Run a case, count it, and send what it shows; gives each engine's disagreements."""
        trial = self.bench.run(case)
        account(stats, trial)
        if self.feedback is not None:
            self.feedback.consider(case)
        for name, reason in self.bench.broken.items():
            if name not in self.told:
                self.told.add(name)
                self.send(Broken(name, reason))
        if isinstance(trial.verdict, Disagree):
            return self.suspect(trial, batch, stats, full)
        return []

    def suspect(self, trial: Trial, batch: list[Case], stats: Stats, full: frozenset[str]) -> list[Sighting]:
        sightings: list[Sighting] = []
        assert isinstance(trial.verdict, Disagree)
        for signature, dissents in split(trial.verdict):
            key = signature.bucket.key
            if key not in full:
                finding = confirm(self.bench, trial, signature, dissents, batch)
                if finding is None:
                    stats.poisons["slow, not hung"] += 1
                    continue
                stats.unstable += not finding.stable
                self.send(Found(finding))
            stats.buckets[key] += 1
            sightings += sightings_of(trial.case, key, dissents, self.release)
        return sightings

    def release(self, engine: str) -> str:
        return VERSION if engine == REFERENCE else self.bench.seats[engine].capabilities.version

    def minimize(self, order: Minimize) -> None:
        from fuzz.trial.minimize import minimized

        finding, work = order.finding, None
        start = time.monotonic()
        ending = Ending.FAILED
        try:
            finding, work = minimized(self.bench, finding, order.seconds)
            if work is not None:
                ending = Ending.FIXPOINT if work.finished else Ending.BUDGET
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception:  # the finding is worth more than its minimized form
            self.send(Failed(f"minimizing {order.bundle}: {traceback.format_exc()}", None))
        self.bench.fresh()
        tried = Minimization(order.bundle, len(order.finding.best.content), len(finding.best.content),
                             time.monotonic() - start, work.runs if work else 0, ending)  # fmt: skip
        self.send(Minimized(finding, order.bundle, tried))
