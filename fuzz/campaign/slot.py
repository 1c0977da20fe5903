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
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from multiprocessing.connection import Connection
from zlib import crc32

from fuzz.archive.bundle import named
from fuzz.campaign.drawing import Benches
from fuzz.campaign.feedback import Feedback
from fuzz.campaign.garbage import rarely
from fuzz.campaign.messages import (
    Batch,
    Broken,
    Failed,
    Found,
    Hello,
    Idle,
    Minimize,
    Minimized,
    Order,
    Plan,
    Reconsider,
    Reconsidered,
    Report,
    RunCases,
    Stop,
)
from fuzz.campaign.mutants import mutant_trial
from fuzz.campaign.narrowing import Narrowing
from fuzz.campaign.sorting import Aside, New, Noted, Seen, Slow, sort
from fuzz.campaign.steering import avoid_for
from fuzz.records.finding import Finding
from fuzz.records.history import Ending, Minimization, Series, SetAside, sightings_of
from fuzz.records.stats import Stats
from fuzz.triage.signature import RUNS_NOTHING, split
from fuzz.trial.account import account, account_judge, account_spared
from fuzz.trial.bench import Bench, Trial
from fuzz.trial.children import children_cpu
from fuzz.trial.elsewhere import Placements
from fuzz.trial.parts import wrong_parts
from fuzz.trial.retry import TRIES, finding
from fuzz.trial.slowness import MEMORY, TIME, Slowness, as_verdict, measuring
from generators.config import DEFAULT
from generators.peer import NoModule
from generators.registry import avoided, make_case
from oracles.judge.unanimity import FAMILIES
from oracles.judge.verdict import Disagree, Verdict
from oracles.reference import REFERENCE
from wasm.case import Case

_SET_PDEATHSIG = 1


def slot_main(pipe: Connection, plan: Plan) -> None:
    """The process: orders come in, reports go out; ends when the parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A request to end that goes to all processes of a job is for the parent as well. A handler, since workers would
    # inherit SIG_IGN.
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    _die_with_parent()
    slot = _Slot(pipe, plan)
    try:
        slot.serve()
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    finally:
        slot.benches.close()
        slot.placements.close()


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent does, however that happens (Linux; elsewhere EOF does)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() == 1:
            os._exit(1)


def referred(target: str, index: int, sparing: int) -> bool:
    """Whether the reference runs a case whatever the engines did: one in ``sparing``, which goes by nothing that cases
    are made or counted by (remainders of the index, and multiples of roots)."""
    return sparing == 1 or crc32(f"{target} {index}".encode()) % sparing == 0


def unsparing(bench: Bench, sparing: int) -> Iterator[str]:
    """That nothing can be spared with the engines of a bench, where it was asked for."""
    if sparing > 1 and bench.independent < FAMILIES:
        yield f"the interpreter runs every case: --sparing needs {FAMILIES} engines without common code"


class _Slot:
    def __init__(self, pipe: Connection, plan: Plan) -> None:
        self.pipe, self.plan = pipe, replace(plan, limits=replace(plan.limits, peaks=plan.slow))
        self.told: set[str] = set()
        self.narrowing = Narrowing()
        self.benches = Benches(self.plan, self.greet)
        self.placements = Placements(plan.limits, plan.offline, plan.opener)
        self.slowness = [Slowness(TIME), Slowness(MEMORY)] if plan.slow else []
        self.feedback = Feedback.open(plan.feedback) if plan.feedback is not None else None
        self.config = replace(DEFAULT, seeds=plan.feedback or plan.seeds)

    def send(self, report: Report) -> None:
        self.pipe.send(report)

    @property
    def bench(self) -> Bench:
        """The bench that is in use: another one for other engines."""
        return self.benches.current

    def greet(self, bench: Bench) -> None:
        """Tell of a bench's engines."""
        self.told |= set(bench.broken)
        versions = tuple((name, seat.capabilities.version) for name, seat in bench.seats.items())
        broken, targets = tuple(bench.broken.items()), self.plan.series.names
        notes = (*bench.notes(), *unsparing(bench, self.plan.sparing))
        if self.plan.narrow:
            self.narrowing = Narrowing.of(bench)
            narrowed, left_out = tuple(self.narrowing.lines(targets)), self.narrowing.left_out(targets)
            self.send(Hello(versions, broken, notes, narrowed, left_out))
        else:
            self.send(Hello(versions, broken, (*notes, *bench.lacking())))

    def serve(self) -> None:
        self.greet(self.bench)
        rarely()
        settled = False
        while True:
            self.send(Idle())
            order: Order = self.pipe.recv()
            match order:
                case RunCases():
                    self.run_cases(order)
                    if not settled:  # by now the targets have been read and their tables made
                        settled = True
                        rarely()
                case Reconsider():
                    self.reconsider(order)
                case Minimize():
                    self.minimize(order)
                case Stop():
                    pass  # what was to be ended has ended
            self.placements.rest()

    def run_cases(self, order: RunCases) -> None:
        stats = Stats()
        done: list[int] = []
        noted = Noted(order.knowledge)
        start, before, engines = time.process_time(), self.benches.reference_cpu, self.benches.own_cpu
        for number in order.numbers:
            if order.deadline is not None and time.monotonic() >= order.deadline:
                break
            series = self.plan.series
            target, index = series.case(number)
            began = self._spent(stats)
            try:
                self.benches.for_case(number)
                avoid = {*avoid_for(order.place, index, order.knowledge.lessons)}
                avoid.update(self.narrowing.avoid_for(target, index))
                case = self.make(target, series.seed, index, stats, tuple(sorted(avoid)))
                trial = self.run(case) if referred(target, index, self.plan.sparing) else self.run_sparing(case, stats)
                if trial is not None:
                    account(stats, trial, not self.plan.by_mutants)
                stats.target_cpu[target] = stats.target_cpu.get(target, 0.0) + self._spent(stats) - began
                if self.feedback is not None:
                    self.feedback.consider(case)
                if trial is not None:
                    self.suspect_all(trial, series, number, stats, noted)
                    self.time(trial, series, number, stats)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except NoModule as error:
                stats.discarded[str(error)] += 1
            except Exception:  # a fault of ours in one case must not end the night
                stats.discarded["harness error"] += 1
                self.send(Failed(f"case {target} {series.seed} {index}: {traceback.format_exc()}", number))
            done.append(number)
        interpreter = self.benches.reference_cpu - before
        stats.engine_cpu[REFERENCE] = interpreter
        stats.harness_cpu += time.process_time() - start - interpreter - (self.benches.own_cpu - engines)
        self.send(Batch(tuple(done), stats, tuple(noted.sightings), tuple(noted.set_aside)))

    def _spent(self, stats: Stats) -> float:
        """CPU seconds up to now of this process, of engines that have others, and of programs that made cases."""
        here = time.process_time() - self.benches.own_cpu
        return here + stats.harness_cpu + sum(stats.engine_cpu.values())

    def reconsider(self, order: Reconsider) -> None:
        """Cases that were counted before: only what they show now is noted."""
        stats = Stats()
        noted = Noted(order.knowledge, order.stored)
        for item in order.items:
            target, seed, index = item.case
            try:
                _, avoid = avoided(item.series.version)
                case = self.make(target, seed, index, stats, avoid)
                if case.provenance.version != item.series.version:
                    continue  # generators of another version do not make it any more: it stays a sighting
                self.benches.for_case(item.number)
                self.suspect_all(self.run(case), item.series, item.number, stats, noted, item.bucket)
            except (EOFError, BrokenPipeError, ConnectionResetError):
                raise
            except NoModule:
                pass
            except Exception:
                self.send(Failed(f"case {target} {seed} {index}: {traceback.format_exc()}", item.number))
        self.send(Reconsidered(order.items, tuple(noted.sightings), tuple(noted.set_aside)))

    def make(self, target: str, seed: int, index: int, stats: Stats, avoid: tuple[str, ...] = ()) -> Case:
        """Make a case. Programs that generators start have ended by then, so their time is that of waited-for children;
        this process's own was not yet counted, theirs is added to the harness's."""
        own, others = time.process_time(), children_cpu()
        try:
            return make_case(target, seed, index, replace(self.config, avoid=avoid) if avoid else self.config)
        finally:
            spent = children_cpu() - others
            stats.harness_cpu += spent
            stats.generator_cpu += spent + time.process_time() - own

    def run(self, case: Case) -> Trial:
        """Run a case on all engines, and tell of those that broke."""
        trial = self.bench.run(case)
        self.tell_broken()
        return trial

    def run_sparing(self, case: Case, stats: Stats) -> Trial | None:
        """``run``, or None where the engines agreed by themselves: then that is counted."""
        done = self.bench.run_sparing(case)
        self.tell_broken()
        if isinstance(done, Trial):
            return done
        account_spared(stats, case, done)
        return None

    def tell_broken(self) -> None:
        """Tell of engines that broke, and of workers that failed themselves."""
        for fault in self.bench.faults():
            if fault not in self.told:
                self.told.add(fault)
                self.send(Failed(fault, None))
        for name, reason in self.bench.broken.items():
            if name not in self.told:
                self.told.add(name)
                self.send(Broken(name, reason))

    def suspect_all(
        self, trial: Trial, series: Series, number: int, stats: Stats, noted: Noted, only: str = ""
    ) -> None:
        """``suspect``, for what a trial shows and what its mutants do."""
        if not self.plan.by_mutants:
            self.suspect(trial, series, number, stats, noted, only)
        tally = Stats()
        for which in range(1, self.plan.mutants + 1):
            self.benches.for_case(number)
            suspicious = mutant_trial(self.benches, trial, which, tally, self.plan.by_mutants)
            if suspicious is not None:
                self.suspect(suspicious, series, number, stats, noted, only)
        if self.plan.by_mutants:
            account_judge(tally, trial)
        stats.add(tally)

    def time(self, trial: Trial, series: Series, number: int, stats: Stats) -> None:
        """Send what an engine compiles for too long or with too much memory, where that is asked for. It is no
        disagreement: nothing of it is asked again or made smaller."""
        families = {name: seat.capabilities.family for name, seat in self.bench.seats.items()} if self.slowness else {}
        for dissent in chain.from_iterable(
            watch.look(trial, measuring(self.bench, watch.quantity), families) for watch in self.slowness
        ):
            verdict = as_verdict(dissent)
            ((signature, _),) = split(verdict)
            found = finding(self.bench, replace(trial, verdict=verdict), signature, TRIES)
            stats.buckets[signature.bucket.key] += 1
            self.send(Found(found, SetAside(series, number, signature.bucket.key)))

    def suspect(self, trial: Trial, series: Series, number: int, stats: Stats, noted: Noted, only: str = "") -> None:
        """Sort what a trial shows (of bucket ``only``, if one is named), send findings, and note the rest."""
        for one in self._apart(trial):
            self._suspect(one, series, number, stats, noted, only)

    def _apart(self, trial: Trial) -> Iterator[Trial]:
        """The trials of a case's parts that are wrong by themselves, where it has parts; else its own."""
        if not isinstance(trial.verdict, Disagree):
            return
        engines = {dissent.engine for dissent in trial.verdict.dissents} - {REFERENCE}

        def look(part: Case) -> Verdict:
            return self.bench.run(part, engines).verdict

        parts = list(wrong_parts(trial.case, trial.verdict, look))
        yield from (self.run(part) for part in parts)
        if not parts:
            yield trial

    def _suspect(self, trial: Trial, series: Series, number: int, stats: Stats, noted: Noted, only: str) -> None:
        if not isinstance(trial.verdict, Disagree):
            return
        before = tuple(self.bench.history)[:-1]
        for signature, dissents in split(trial.verdict):
            key = signature.bucket.key
            if only not in ("", key):
                continue
            # Its version tells what it was made without, so that it can be made again.
            origin = trial.case.provenance
            aside = SetAside(replace(series, version=origin.version or series.version), number, key)
            if (name := named(key, origin)) in noted.stored:
                # To find it out once more would take long, and keep what else is in the case waiting.
                stats.buckets[key] += 1
                noted.sightings += sightings_of(trial.case, key, dissents, self.bench.release, noted.stored[name])
                continue
            sorted_ = sort(self.bench, trial, signature, dissents, before, noted.known, self.placements)
            causes: tuple[int | None, ...] = (None,)
            match sorted_:
                case Slow():
                    stats.poisons["slow, not hung"] += 1
                    continue
                case Aside():
                    noted.set_aside.append(aside)
                case Seen(seen):
                    causes = tuple(cause.id for cause in seen) or (None,)
                case New(finding, cause, start):
                    stats.unstable += not finding.stable
                    causes = (cause,)
                    noted.begin(key, cause)
                    self.send(Found(finding, aside, cause, start))
            stats.buckets[key] += 1
            # What is set aside is a sighting too: asked again it may not show, without what ran before it.
            for one in causes:
                noted.sightings += sightings_of(trial.case, key, dissents, self.bench.release, one)

    def minimize(self, order: Minimize) -> None:
        from fuzz.triage.essentials import Essentials, essentials, left_by
        from fuzz.trial.allocation import reason_of
        from fuzz.trial.faces import other_faces
        from fuzz.trial.minimize import minimized, same_finding, wrong_likewise, wrong_somehow

        finding, work, about = order.finding, None, None
        faces: tuple[str, ...] = ()
        hidden = ""
        self.benches.for_engines({run.engine for run in finding.runs})
        if not self._has_dissenters(finding):
            self.send(Minimized(finding, order.bundle, None))
            return
        start = time.monotonic()
        ending = Ending.FAILED
        try:
            finding, work = minimized(self.bench, finding, order.seconds, order.start, self.pipe.poll)
            if work is not None:
                ending = Ending.FIXPOINT if work.finished else Ending.BUDGET
            if self.pipe.poll():
                ending = Ending.INTERRUPTED
            elif work is not None and finding.minimized is not None:
                dead = finding.signature.phase in RUNS_NOTHING
                engine = min(dissent.engine for dissent in finding.verdict.dissents)
                elsewhere = self.placements.of(engine, finding.signature.bucket, finding.before)
                left = Essentials(left=True) if left_by(finding.before) else None
                found = left or reason_of(self.bench, finding, order.seconds) or essentials(
                    finding.minimized, same_finding(self.bench, finding), dead=dead,
                    seconds=max(10.0, order.seconds), wrong=wrong_likewise(self.bench, finding),
                    somehow=wrong_somehow(self.bench, finding), small=ending is Ending.FIXPOINT, elsewhere=elsewhere,
                )  # fmt: skip
                faces = other_faces(self.bench, finding, found, dead)
                if found.placed:
                    hidden = self.placements.right_in(engine, finding.before, finding.minimized)
                # Sizes that the reducer had no time to lower are nobody's.
                sure = ending is Ending.FIXPOINT or found.alone or found.reasons or found.left
                shape = found.shape if found.calls else ()
                about = (found if sure else replace(found, shape=shape, rough=True)).words()
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise
        except Exception:  # the finding is worth more than its minimized form
            self.send(Failed(f"minimizing {order.bundle}: {traceback.format_exc()}", None))
        self.bench.fresh()
        tried = Minimization(order.bundle, order.finding.best.size, finding.best.size,
                             time.monotonic() - start, work.runs if work else 0, ending)  # fmt: skip
        self.send(Minimized(finding, order.bundle, tried, about, faces, (hidden,) if hidden else ()))

    def _has_dissenters(self, finding: Finding) -> bool:
        """Whether the engines that dissent are on the bench, in the releases that do."""
        releases = {run.engine: run.version for run in finding.runs}
        names = {dissent.engine for dissent in finding.verdict.dissents} - {REFERENCE}
        return all(name in self.bench.seats and self.bench.release(name) == releases.get(name) for name in names)
