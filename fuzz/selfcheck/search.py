"""Looking for one fault that was put into the project on purpose, as a campaign would look for a real one.

Cases come from the target that has had the least CPU time so far, so that cheap targets get as much of it as dear ones,
and run on the faulty part and on what judges it. A disagreement counts if the same case shows none without the fault.
The targets may be other projects' generators (``generators.peer``): then the same judges look at their modules.

For a fault of the compiler that is a worker with the fault beside the reference interpreter; generators are
narrowed to the features that it has. For a fault of the allocators there is target ``regalloc`` as well, with the fault
in this process; for one of the interpreter, the interpreter with the fault beside the compiler and Wasmtime.

Where mutants are the judge, nothing is compared but the faulty part with itself (``fuzz.trial.itself``).
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from fuzz.faults.injection.catalogue import with_partner
from fuzz.faults.injection.fault import Area
from fuzz.faults.injection.mutants import Mutant, describe, exchanged
from fuzz.triage.signature import split
from fuzz.trial.bench import MACHINE_ENGINES, Bench, Trial
from fuzz.trial.children import children_cpu
from fuzz.trial.itself import Pair, against_itself, reference_itself, wrong_one
from fuzz.trial.minimize import minimized
from fuzz.trial.retry import TRIES, finding
from generators.config import DEFAULT
from generators.peer import NoModule, peer_names
from generators.registry import load_target, make_case
from oracles.engine import Capabilities, Engine, EngineId, Limits, open_engine
from oracles.engines.compiler import FAMILY, worker_of
from oracles.judge.verdict import Disagree, Dissent
from oracles.mutants import mutant_of
from oracles.remote.worker_engine import WorkerEngine
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Phase, TimedOut

SETTINGS: Final = ("compiler", "compiler:regalloc=single_pass+opt=none", "compiler:regs=6+order=random-1")
"""The compiler's settings, of which each case meets one: both allocators, with and without simplification, few
registers, blocks in another order."""

JUDGES: Final = ("compiler", "wasmtime:opt=speed")
"""The engines that judge a faulty interpreter."""

WORKER: Final = "fuzz.faults.injection.worker"
LIMITS: Final = Limits(cpu_seconds=5.0)


@dataclass(frozen=True, slots=True)
class Search:
    """How to look: cases of these targets (or peers) from ``seed`` on, for so many CPU seconds and so many cases at
    most. The time is that of generating, running and judging, workers' and peers' programs included, but not that of
    starting workers, nor that of trying what was found again and making it smaller.

    What is found is reduced for ``minimize`` seconds of wall time at most, 0 for not at all. ``generator`` is a name
    for tables. With ``mutants`` the faulty part is compared with itself, on so many neutral mutants of each case, and
    with nobody else.
    """

    targets: tuple[str, ...]
    seed: int
    seconds: float = 20.0
    cases: int = 100_000
    offline: bool = False
    minimize: float = 0.0
    generator: str = "ours"
    mutants: int = 0


@dataclass(frozen=True, slots=True)
class Discovery:
    """Which case of which target shows the fault, on which engine, and who says so: the kind of dissent, or
    ``checker`` for the allocation checker, ``verifier`` for the compiler's verifiers, ``broken`` for a worker that
    could not be started or failed itself. ``bytes`` is the size of the case, ``minimized`` that of the reduced one."""

    target: str
    index: int
    engine: str
    judge: str
    detail: str = ""
    bytes: int = 0
    minimized: int | None = None


@dataclass(slots=True)
class Spent:
    """What a target had of a search: cases, and CPU seconds."""

    cases: int = 0
    cpu: float = 0.0


@dataclass(slots=True)
class Result:
    """What came of one search. ``noise`` counts cases that disagree without the fault too."""

    name: str
    area: str
    what: str
    reference: str = ""
    generator: str = "ours"
    found: Discovery | None = None
    cpu: float = 0.0
    cases: int = 0
    noise: int = 0
    error: str = ""
    per_target: dict[str, Spent] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        spent = {name: {"cases": one.cases, "cpu": round(one.cpu, 2)} for name, one in self.per_target.items()}
        return {**asdict(self), "cpu": round(self.cpu, 2), "per_target": spent}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Result:
        """Read ``to_json``'s form, whatever else is in it."""
        rest = {name: data[name] for name in Result.__slots__ if name not in ("found", "per_target")}
        found = Discovery(**data["found"]) if data["found"] else None
        return Result(**rest, found=found, per_target={k: Spent(**v) for k, v in data["per_target"].items()})


def subject_of(name: str, generator: str = "ours") -> Result:
    """An empty result for a fault, a mutant, or with "" for the baseline. Raises ``FaultError`` or ``ValueError`` for a
    name that is none."""
    if not name:
        return Result("", "baseline", "no fault", generator=generator)
    if "#" in name:
        return Result(name, "mutant", describe(Mutant.parse(name)), generator=generator)
    fault = with_partner(name)[0]
    return Result(name, fault.area.value, fault.what, fault.reference, generator)


def search(name: str, how: Search, known: dict[str, Capabilities]) -> Result:
    """Look for a fault, or with the name "" for none at all, which is the baseline. ``known`` are the capabilities of
    the compiler without the fault, by id (``capabilities``): a worker with a fault is not asked for its own."""
    result = subject_of(name, how.generator)
    with _Search(result, how, known) as running:
        running.run()
    return result


class _Search:
    """The engines with the fault (``faulty``) and, once there is a suspicion, without it (``clean``)."""

    def __init__(self, result: Result, how: Search, known: dict[str, Capabilities]) -> None:
        self.result, self.how, self.known = result, how, known
        self.faults = with_partner(result.name) if result.name and "#" not in result.name else ()
        self.settings = JUDGES if result.area == Area.INTERPRET.value else SETTINGS
        self.engines = (*self.settings, *MACHINE_ENGINES) if self._machines() else self.settings
        self.faulty = Bench(self.engines, LIMITS, how.offline, self._open_faulty)
        self.clean: Bench | None = None
        self.config = DEFAULT
        if self.settings is SETTINGS and known:
            self.config = replace(DEFAULT, features=frozenset.intersection(*(one.features for one in known.values())))
        result.per_target = {name: Spent() for name in how.targets if self._fits(name)}

    def __enter__(self) -> _Search:
        return self

    def __exit__(self, *_: object) -> None:
        self.faulty.close()
        if self.clean is not None:
            self.clean.close()

    def _machines(self) -> bool:
        """Whether machine functions are cases: where the fault is in what the allocators do."""
        name = self.result.name
        allocates = self.result.area in (Area.ALLOCATE.value, "baseline") or name.startswith("compiler.regalloc.")
        return allocates and not self.how.mutants

    def _fits(self, name: str) -> bool:
        """Whether what a target makes can be run here. Target ``regalloc`` is for faults of the allocators."""
        if name in peer_names():
            return True
        target = load_target(name)
        if target.kind is CaseKind.MACHINE:
            return self._machines()
        return target.kind is CaseKind.WASM and target.needs <= self.config.features

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
                if "#" in self.result.name:
                    stack.enter_context(exchanged(Mutant.parse(self.result.name)))
            yield

    def run(self) -> None:
        result, how = self.result, self.how
        if self.faulty.broken:
            result.error = next(iter(self.faulty.broken.values()))
            return
        turns = dict.fromkeys(result.per_target, 0)
        while turns and result.found is None and result.cpu < how.seconds and sum(turns.values()) < how.cases:
            target = min(turns, key=self._share)
            self._one(target, turns[target])
            turns[target] += 1

    def _share(self, target: str) -> float:
        weight = 1.0 if target in peer_names() else load_target(target).weight
        return self.result.per_target[target].cpu / weight

    def _one(self, target: str, index: int) -> None:
        start = time.process_time() + children_cpu()
        try:
            case = make_case(target, self.how.seed, index, self.config)
        except NoModule:
            self._account(target, time.process_time() + children_cpu() - start, 0)
            return
        spent = time.process_time() + children_cpu() - start
        start = time.process_time()
        only = self._chosen(case, index)
        with self._fault(case):
            trial = self.faulty.run(case, only)
        self._account(target, spent + time.process_time() - start + _worker_cpu(trial.observations))
        if self.how.mutants:
            self._by_mutants(trial, target, index, only)
        else:
            self._judge(trial, target, index, only)

    def _broken(self, target: str, index: int, size: int) -> Discovery | None:
        """A worker that cannot be used any more has found the fault by itself."""
        if not self.faulty.broken:
            return None
        engine, reason = next(iter(self.faulty.broken.items()))
        word = "verifier" if "InvalidMachineFunc" in reason or "InvalidFunction" in reason else "broken"
        return Discovery(target, index, engine, word, reason[:300], size)

    def _by_mutants(self, trial: Trial, target: str, index: int, only: Collection[str]) -> None:
        """Hold the faulty part against itself; the same mutant without the fault must show nothing."""
        for number in range(1, self.how.mutants + 1):
            start = time.process_time()
            with self._fault(trial.case):
                pair = self._pair(self.faulty, trial, number, only)
            self._account(target, time.process_time() - start + _worker_cpu(pair.observations), 0)
            dissent = self._counting(pair.dissents.values())
            if dissent is None and self.faulty.broken:
                self._judge(trial, target, index, only)
                return
            if dissent is None:
                continue
            if self._pair(self._clean(), self._clean().run(trial.case, only), number, only, pair.mutant).dissents:
                self.result.noise += 1
                continue
            text = (dissent.message or dissent.detail)[:300]
            found = Discovery(target, index, dissent.engine, judge_of(dissent), text, len(trial.case.content))
            self.result.found = found
            if self.how.minimize and self.settings is not JUDGES:
                with self._fault(trial.case):
                    wrong = wrong_one(self.faulty, pair)
                    smaller = self._minimized(wrong.case, min(pair.dissents), only) if wrong is not None else None
                self.result.found = replace(found, minimized=smaller)
            return

    def _pair(self, bench: Bench, trial: Trial, number: int, only: Collection[str], mutant: Case | None = None) -> Pair:
        """What the part in question does with a mutant: the engines on a bench, or the reference."""
        if mutant is None:
            made = mutant_of(trial.case, number)
            if made is None:
                return Pair(trial, trial.case, (), {})
            mutant = made.case
        if self.settings is JUDGES:
            return reference_itself(bench, trial, mutant)
        return against_itself(bench, trial, mutant, only)

    def _counting(self, dissents: Iterable[Dissent]) -> Dissent | None:
        """The first dissent that counts: what a faulty checker still sees says nothing about what it does not see."""
        single = len(self.faults) <= 1
        return next((one for one in dissents if single or one.phase != Phase.COMPILE.value), None)

    def _account(self, target: str, seconds: float, cases: int = 1) -> None:
        self.result.cpu += seconds
        self.result.cases += cases
        spent = self.result.per_target[target]
        spent.cpu += seconds
        spent.cases += cases

    def _chosen(self, case: Case, index: int) -> frozenset[str]:
        """The engines that a case meets: of the compiler's settings one after the other."""
        if case.kind is CaseKind.MACHINE:
            return frozenset(MACHINE_ENGINES)
        if self.settings is JUDGES:
            return frozenset(self.faulty.seats)
        return frozenset((self.settings[index % len(self.settings)],))

    def _judge(self, trial: Trial, target: str, index: int, only: Collection[str]) -> None:
        size = trial.case.size
        found: Discovery | None = None
        if isinstance(trial.verdict, Disagree):
            dissent = self._counting(trial.verdict.dissents)
            if dissent is not None:
                text = (dissent.message or dissent.detail)[:300]
                found = Discovery(target, index, dissent.engine, judge_of(dissent), text, size)
        else:
            found = self._broken(target, index, size)
        if found is None:
            return
        again = self._clean().run(trial.case, only)
        if isinstance(again.verdict, Disagree) or self._clean().broken:
            self.result.noise += 1
            return
        self.result.found = found
        if self.how.minimize and isinstance(trial.verdict, Disagree):
            with self._fault(trial.case):
                smaller = self._minimized(trial.case, found.engine, only)
            self.result.found = replace(found, minimized=smaller)

    def _minimized(self, case: Case, engine: str, only: Collection[str]) -> int | None:
        """The size of the case when it is as small as it gets and ``engine`` still dissents; None if it is not steady
        enough to be made smaller."""
        bench = Bench(sorted(only), LIMITS, self.how.offline, self._open_faulty)
        try:
            trial = bench.run(case)
            for signature, dissents in split(trial.verdict) if isinstance(trial.verdict, Disagree) else ():
                if any(dissent.engine == engine for dissent in dissents):
                    found, _ = minimized(bench, finding(bench, trial, signature, TRIES), self.how.minimize)
                    return found.minimized.size if found.minimized else None
            return None
        finally:
            bench.close()

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


def _worker_cpu(observations: Iterable[Observation]) -> float:
    """CPU seconds of workers; what runs in this process is measured here anyway, and so are the allocators."""
    spent = 0.0
    for seen in observations:
        if seen.engine not in MACHINE_ENGINES:
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
