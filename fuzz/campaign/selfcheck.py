"""Looking for one fault that was put into the project on purpose, as a campaign would look for a real one.

Cases come from the targets in turn and run on the faulty part and on what judges it. A disagreement counts if the same
case shows none without the fault. For a fault of the compiler that is a worker with the fault beside the reference
interpreter; for one of the allocators, target ``regalloc`` as well, with the fault in this process; for one of the
interpreter, the interpreter with the fault beside the compiler and Wasmtime.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from fuzz.campaign.bench import Bench, Trial
from fuzz.faults.injection.catalogue import with_partner
from fuzz.faults.injection.fault import Area
from fuzz.faults.injection.mutants import Mutant, describe
from generators.registry import load_target, make_case
from oracles.engine import Capabilities, Engine, EngineId, Limits, open_engine
from oracles.engines.compiler import FAMILY, worker_of
from oracles.verdict import Disagree, Dissent
from oracles.worker_engine import WorkerEngine
from wasm.case import Case, CaseKind
from wasm.embedding import Phase, TimedOut

SETTINGS: Final = ("compiler", "compiler:regalloc=single_pass+opt=none", "compiler:regs=6+order=random-1")
"""The compiler's settings, of which each case meets one: both allocators, with and without simplification, few
registers, blocks in another order."""

JUDGES: Final = ("compiler", "wasmtime:opt=speed")
"""The engines that judge a faulty interpreter."""

ALLOCATORS: Final = "allocators"
WORKER: Final = "fuzz.faults.injection.worker"
LIMITS: Final = Limits(cpu_seconds=5.0)


@dataclass(frozen=True, slots=True)
class Search:
    """How to look: targets in turn from ``seed`` on, for so many CPU seconds (workers' included, but for their
    start-up) and so many cases at most."""

    targets: tuple[str, ...]
    seed: int
    seconds: float = 20.0
    cases: int = 100_000
    offline: bool = False


@dataclass(frozen=True, slots=True)
class Discovery:
    """Which case of which target shows the fault, on which engine, and who says so: the kind of dissent, or
    ``checker`` for the allocation checker, ``verifier`` for the compiler's verifiers, ``broken`` for a worker that
    could not be started or failed itself."""

    target: str
    index: int
    engine: str
    judge: str
    detail: str = ""


@dataclass(slots=True)
class Result:
    """What came of one search. ``noise`` counts cases that disagree without the fault too."""

    name: str
    area: str
    what: str
    reference: str = ""
    found: Discovery | None = None
    cpu: float = 0.0
    cases: int = 0
    noise: int = 0
    error: str = ""
    per_target: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        found = None
        if self.found is not None:
            found = {name: getattr(self.found, name) for name in Discovery.__slots__}
        rest = {name: getattr(self, name) for name in Result.__slots__ if name != "found"}
        return {**rest, "cpu": round(self.cpu, 2), "found": found}


def subject_of(name: str) -> Result:
    """An empty result for a fault or a mutant. Raises ``FaultError`` or ``ValueError`` for a name that is none."""
    if "#" in name:
        return Result(name, "mutant", describe(Mutant.parse(name)))
    fault = with_partner(name)[0]
    return Result(name, fault.area.value, fault.what, fault.reference)


def search(name: str, how: Search, known: dict[str, Capabilities]) -> Result:
    """Look for a fault, or with the name "" for none at all, which is the baseline. ``known`` are the capabilities of
    the compiler without the fault, by id (``capabilities``): a worker with a fault is not asked for its own."""
    result = subject_of(name) if name else Result("", "baseline", "no fault")
    with _Search(result, how, known) as running:
        running.run()
    return result


class _Search:
    """The engines with the fault (``faulty``) and, once there is a suspicion, without it (``clean``)."""

    def __init__(self, result: Result, how: Search, known: dict[str, Capabilities]) -> None:
        self.result, self.how, self.known = result, how, known
        self.faults = with_partner(result.name) if result.name and "#" not in result.name else ()
        self.settings = JUDGES if result.area == Area.INTERPRET.value else SETTINGS
        self.engines = (*self.settings, ALLOCATORS) if self._machines() else self.settings
        self.faulty = Bench(self.engines, LIMITS, how.offline, self._open_faulty)
        self.clean: Bench | None = None
        self.targets = tuple(name for name in how.targets if self._fits(name))

    def __enter__(self) -> _Search:
        return self

    def __exit__(self, *_: object) -> None:
        self.faulty.close()
        if self.clean is not None:
            self.clean.close()

    def _machines(self) -> bool:
        return self.result.area in (Area.ALLOCATE.value, "baseline")

    def _fits(self, target: str) -> bool:
        kind = load_target(target).kind
        return kind is CaseKind.WASM or (kind is CaseKind.MACHINE and self._machines())

    def _open_faulty(self, id: str, limits: Limits, offline: bool) -> Engine:
        if not self.result.name or self.settings is JUDGES:
            return self._open_clean(id, limits, offline)
        return self._open(id, limits, offline, (WORKER, self.result.name))

    def _open_clean(self, id: str, limits: Limits, offline: bool) -> Engine:
        return self._open(id, limits, offline, ())

    def _open(self, id: str, limits: Limits, offline: bool, command: tuple[str, ...]) -> Engine:
        """The engine, by ``command`` if it is the compiler; where its capabilities are known it starts when needed."""
        parsed = EngineId.parse(id)
        known = self.known.get(str(parsed))
        if parsed.name != FAMILY or known is None:
            return open_engine(id, limits, offline)
        worker = worker_of(parsed, limits, command) if command else worker_of(parsed, limits)
        return WorkerEngine(parsed, worker, limits, known)

    @contextmanager
    def _fault(self, case: Case) -> Iterator[None]:
        """The fault is in this process, if what runs the case is."""
        with ExitStack() as stack:
            if self.settings is JUDGES or case.kind is CaseKind.MACHINE:
                for fault in self.faults:
                    stack.enter_context(fault.inject())
            yield

    def run(self) -> None:
        result, how = self.result, self.how
        if self.faulty.broken:
            result.error = next(iter(self.faulty.broken.values()))
            return
        for number in range(how.cases):
            if result.found is not None or result.cpu >= how.seconds or not self.targets:
                return
            target = self.targets[number % len(self.targets)]
            turn = number // len(self.targets)
            start = time.process_time()
            case = make_case(target, how.seed, turn)
            only = self._chosen(case, turn + number)
            with self._fault(case):
                trial = self.faulty.run(case, only)
            result.cpu += time.process_time() - start + _worker_cpu(trial)
            result.cases += 1
            result.per_target[target] = result.per_target.get(target, 0) + 1
            self._judge(trial, target, turn, only)

    def _chosen(self, case: Case, turn: int) -> frozenset[str]:
        if case.kind is CaseKind.MACHINE:
            return frozenset((ALLOCATORS,))
        if self.settings is JUDGES:
            return frozenset(self.faulty.seats)
        return frozenset((self.settings[turn % len(self.settings)],))

    def _judge(self, trial: Trial, target: str, index: int, only: Collection[str]) -> None:
        found: Discovery | None = None
        if isinstance(trial.verdict, Disagree):
            for dissent in trial.verdict.dissents:
                word = judge_of(dissent)
                if len(self.faults) > 1 and dissent.phase == Phase.COMPILE.value:
                    continue  # what the faulty checker still sees says nothing about what it does not see
                found = Discovery(target, index, dissent.engine, word, (dissent.message or dissent.detail)[:300])
                break
        elif self.faulty.broken:
            engine, reason = next(iter(self.faulty.broken.items()))
            found = Discovery(target, index, engine, "broken", reason[:300])
        if found is None:
            return
        again = self._clean().run(trial.case, only)
        if isinstance(again.verdict, Disagree) or self._clean().broken:
            self.result.noise += 1
        else:
            self.result.found = found

    def _clean(self) -> Bench:
        if self.clean is None:
            self.clean = Bench(self.engines, LIMITS, self.how.offline, self._open_clean)
        return self.clean


def judge_of(dissent: Dissent) -> str:
    """Who found it, in a word (``Discovery``)."""
    text = dissent.message
    if text.startswith("CheckFailed") or ": wrong: " in text:
        return "checker"
    if text.startswith(("InvalidFunction", "InvalidMachineFunc")):
        return "verifier"
    return dissent.kind.value


def _worker_cpu(trial: Trial) -> float:
    """CPU seconds of workers; what runs in this process is measured here anyway, and so are the allocators."""
    spent = 0.0
    for seen in trial.observations:
        if seen.engine != ALLOCATORS:
            spent += sum(seconds for _, seconds in seen.cpu)
            outcomes = (seen.instantiation, *seen.outcomes)
            spent += sum(LIMITS.cpu_seconds for outcome in outcomes if isinstance(outcome, TimedOut))
    return spent


def capabilities(how: Search) -> dict[str, Capabilities]:
    """What the compiler can do in each setting when nothing is wrong with it."""
    bench = Bench(SETTINGS, LIMITS, how.offline)
    try:
        return {name: seat.capabilities for name, seat in bench.seats.items()}
    finally:
        bench.close()
