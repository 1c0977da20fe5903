"""The engines of a run on one bench: run a case on all of them and judge it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from fuzz import VERSION
from generators.config import DEFAULT
from oracles.engine import Capabilities, Engine, EngineId, EngineUnavailable, Immediate, Limits, Pending, open_engine
from oracles.engines.interpreter import budget_of, left_in_memory
from oracles.engines.mutant import behind
from oracles.interpreter import run_case
from oracles.judge.compare import Fetch, judge
from oracles.judge.unanimity import families, unanimous
from oracles.judge.verdict import Verdict
from oracles.judge.vote import Voter
from oracles.reference import REFERENCE
from oracles.remote.worker_engine import WorkerEngine
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Outcome, Unsupported, Value
from wasm.features import Hosting, Lack
from wasm.semantics.relaxed import RelaxedProfile
from wasm.semantics.relaxed_probe import contradictions, profile_from_probe

DEFAULT_ENGINES: Final = (
    REFERENCE,
    "wasmtime:opt=speed",
    "wasmtime:opt=none+checker",
    "wasmtime:regalloc=single_pass+checker",
    "wasmtime:winch",
)

MACHINE_ENGINES: Final = ("allocators",)
"""The engines for targets that make machine functions."""

HISTORY: Final = 1000
"""How many earlier cases are remembered, for bugs that need them."""

OpenEngine: TypeAlias = Callable[[str, Limits, bool], Engine]
"""Opens an engine by its id (limits, offline). Raises ``EngineUnavailable`` or ``UsageError``."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One case run by all: the reference's observations by profile key, the engines', and the verdict."""

    case: Case
    references: Mapping[str, Observation]
    observations: tuple[Observation, ...]
    verdict: Verdict

    @property
    def reference(self) -> Observation:
        return self.references[""]

    @property
    def silent(self) -> frozenset[str]:
        """Engines without any vote on this case: nothing that they did was compared."""
        return frozenset(poison.engine for poison in self.verdict.poisons if poison.start < 0)

    @property
    def compared(self) -> bool:
        """Whether any engine had a vote. An allocation is held against its input by the checker: nobody else has to
        answer."""
        if self.case.kind is CaseKind.MACHINE:
            return any(not isinstance(seen.instantiation, Unsupported) for seen in self.observations)
        return not self.silent.issuperset(other.engine for other in self.observations)


@dataclass(frozen=True, slots=True)
class Seat:
    """An engine that works: its id, what it is, its relaxed-SIMD profile, and what the engine says of itself."""

    engine: str
    capabilities: Capabilities
    profile: RelaxedProfile
    voter: Voter
    notes: tuple[str, ...]

    @property
    def lacks(self) -> frozenset[Lack]:
        """What cases may have that is not for this engine."""
        return (DEFAULT.features - self.capabilities.features) | (frozenset(Hosting) - self.capabilities.hosting)


class Bench:
    """Open engines with the reference beside them. Engines that cannot be opened are in ``broken`` with the reason.

    ``reference_cpu`` and ``own_cpu`` are the CPU seconds of this process that were the reference's, and other engines'.
    ``history`` has the cases that the workers have run since they were started, the latest ``HISTORY`` of them.
    """

    def __init__(
        self, ids: Sequence[str], limits: Limits | None = None, offline: bool = False, opener: OpenEngine = open_engine
    ) -> None:
        self.limits = limits or Limits()
        self.engines: dict[str, Engine] = {}
        self.seats: dict[str, Seat] = {}
        self.broken: dict[str, str] = {}
        self.reference_cpu = 0.0
        self.own_cpu = 0.0
        self.history: deque[Case] = deque(maxlen=HISTORY)
        self._offline, self._opener = offline, opener
        for id in ids:
            if id != REFERENCE:
                self._open(id)

    def _open(self, id: str) -> None:
        try:
            engine = self._opener(id, self.limits, self._offline)
            self.engines[str(engine.id)] = engine
            self.seats[str(engine.id)] = _seat(engine)
        except EngineUnavailable as error:
            self.broken[id] = str(error)
            self.engines.pop(id, None)

    def run(self, case: Case, only: Collection[str] | None = None) -> Trial:
        """Run a case on all engines at once, or on those of ``only``, and judge it."""
        chosen, seen, pending = self._begun(case, only)
        reference = self._refer(case, RelaxedProfile())
        self._ended(seen, pending)
        return self._tried(case, chosen, seen, reference)

    def run_sparing(self, case: Case) -> Trial | tuple[Observation, ...]:
        """``run``, but where engines agree so much that the reference is not asked: then what they did, unjudged."""
        chosen, seen, pending = self._begun(case, None)
        self._ended(seen, pending)
        observations = tuple(seen[name] for name in chosen if name in seen)
        if unanimous(case, observations, {name: self.seats[name].voter for name in seen}):
            return observations
        return self._tried(case, chosen, seen, self._refer(case, RelaxedProfile()))

    def _tried(self, case: Case, chosen: list[str], seen: dict[str, Observation], reference: Observation) -> Trial:
        """The trial of a case that all engines have run, judged."""
        references = self._profiled(case, reference, seen)
        observations = tuple(seen[name] for name in chosen if name in seen)
        voters = {name: self.seats[name].voter for name in seen}
        fetch = self._fetcher(case, references)
        return Trial(
            case, references, observations, judge(case, observations, references, voters, self.limits.steps, fetch)
        )

    def observe(self, case: Case, only: Collection[str] | None = None) -> tuple[Observation, ...]:
        """Run a case on all engines at once, or on those of ``only``, without the reference and without a verdict."""
        chosen, seen, pending = self._begun(case, only)
        self._ended(seen, pending)
        return tuple(seen[name] for name in chosen if name in seen)

    def _begun(
        self, case: Case, only: Collection[str] | None
    ) -> tuple[list[str], dict[str, Observation], dict[str, Pending]]:
        """The engines that a case is run on, what those that lack something for it did, and what is under way."""
        self.history.append(case)
        chosen = [name for name in self.seats if name in self.engines and (only is None or name in only)]
        seen: dict[str, Observation] = {}
        pending: dict[str, Pending] = {}
        for name in chosen:
            lacking = _lacking(case, self.seats[name])
            if lacking:
                seen[name] = Observation(name, Unsupported(lacking))
                continue
            try:
                pending[name] = self.engines[name].start(case)
            except EngineUnavailable as error:
                self._lost(name, str(error))
        return chosen, seen, pending

    def _ended(self, seen: dict[str, Observation], pending: Mapping[str, Pending]) -> None:
        """Wait for what is under way, and add it to what was seen."""
        for name, running in pending.items():
            start = time.process_time()
            try:
                seen[name] = running.result()
            except EngineUnavailable as error:
                self._lost(name, str(error))
            if isinstance(running, Immediate):
                self.own_cpu += time.process_time() - start

    def faults(self) -> list[str]:
        """What workers have said of mistakes of their own so far, in cases that were given up for it."""
        return [text for engine in self.engines.values() if isinstance(engine, WorkerEngine) for text in engine.faults]

    def _lost(self, name: str, reason: str) -> None:
        self.broken[name] = reason
        engine = self.engines.pop(name, None)
        if engine is not None:
            engine.close()

    def _refer(self, case: Case, profile: RelaxedProfile) -> Observation:
        if case.kind is CaseKind.MACHINE:
            return Observation(REFERENCE, Unsupported("machine functions"))
        start = time.process_time()
        seen = run_case(case, None, budget_of(self.limits), profile)
        self.reference_cpu += time.process_time() - start
        return seen

    def _profiled(self, case: Case, reference: Observation, seen: Iterable[str]) -> dict[str, Observation]:
        """The reference under the profile of each engine, if the case executed a relaxed instruction at all."""
        references = {"": reference}
        if reference.notes is None or not reference.notes.relaxed_used:
            return references
        for name in seen:
            key = self.seats[name].voter.profile
            if key not in references:
                references[key] = self._refer(case, self.seats[name].profile)
        return references

    def _fetcher(self, case: Case, references: Mapping[str, Observation]) -> Fetch:
        def fetch(of: Observation, blocks: tuple[tuple[str, int], ...]) -> Mapping[tuple[str, int], bytes]:
            key = next((key for key, one in references.items() if one is of), None)
            if key is None:
                return self.engines[of.engine].dump(case, blocks)
            profiles = [seat.profile for seat in self.seats.values() if seat.voter.profile == key]
            return left_in_memory(case, blocks, self.limits, profiles[0] if profiles else RelaxedProfile())

        return fetch

    def notes(self) -> tuple[str, ...]:
        """What a reader must know of the engines' builds, a line each."""
        lines = {f"{behind(name).name}: {note}" for name, seat in self.seats.items() for note in seat.notes}
        return tuple(sorted(lines))

    def lacking(self) -> tuple[str, ...]:
        """What engines lack of what cases have, a line each."""
        lines = []
        for name, seat in self.seats.items():
            missing = sorted(one.value for one in seat.lacks)
            if missing and CaseKind.WASM in seat.capabilities.kinds:
                lines.append(f"{name} lacks {', '.join(missing)}: cases with these are not compared on it")
        return tuple(lines)

    @property
    def independent(self) -> int:
        """How many engines without code in common there are."""
        return families(seat.voter for seat in self.seats.values())

    def release(self, engine: str) -> str:
        """The release of an engine of this bench, by its canonical id; the reference's is the project's."""
        return VERSION if engine == REFERENCE else self.seats[engine].capabilities.version

    def run_after(self, before: Sequence[Case], case: Case, only: Collection[str] | None = None) -> Trial:
        """``run``, but where there are cases ``before`` it, in new processes that have run these and nothing else."""
        if before:
            self.fresh()
            for earlier in before:
                self.run(earlier, only)
        return self.run(case, only)

    def fresh(self, from_scratch: Collection[str] = ()) -> None:
        """End all workers: the next case meets new processes; those of the engines ``from_scratch`` are started from
        their programs' beginning."""
        self.history.clear()
        for name, engine in self.engines.items():
            engine.renew(name in from_scratch)

    def patient(self, factor: int, only: Collection[str]) -> Bench:
        """Another bench with some of the engines and ``factor`` times the limits on time and memory."""
        limits = replace(
            self.limits, cpu_seconds=self.limits.cpu_seconds * factor, memory_bytes=self.limits.memory_bytes * factor
        )
        return Bench([name for name in self.seats if name in only], limits, self._offline, self._opener)

    def close(self) -> None:
        for engine in self.engines.values():
            engine.close()


def canonical(ids: Iterable[str]) -> list[str]:
    """Engine ids in canonical form, each once, in order. Raises ``UsageError``."""
    return list(dict.fromkeys(str(EngineId.parse(id)) for id in ids))


def default_engines(kinds: Iterable[CaseKind]) -> tuple[str, ...]:
    """The engines of a run whose targets make cases of these kinds, when the user names none."""
    wanted = set(kinds)
    machine = MACHINE_ENGINES if CaseKind.MACHINE in wanted else ()
    return (DEFAULT_ENGINES if wanted != {CaseKind.MACHINE} else ()) + machine


def _lacking(case: Case, seat: Seat) -> str:
    """What an engine would need to take a case; "" if nothing."""
    if case.kind not in seat.capabilities.kinds:
        return f"{case.kind.value} cases"
    assert seat.voter.features is not None
    return "" if case.features <= seat.voter.features else ", ".join(sorted(case.features - seat.voter.features))


def _names(capabilities: Capabilities) -> frozenset[str]:
    return frozenset(feature.value for feature in capabilities.features)


def _seat(engine: Engine) -> Seat:
    capabilities = engine.capabilities
    profile, notes = RelaxedProfile(), capabilities.notes
    wrong: list[str] = []
    if capabilities.relaxed:
        answers = [_bits(outcome) for _, outcome in capabilities.relaxed]
        profile, wrong = profile_from_probe(answers), contradictions(answers)
    if wrong:
        text = f"{capabilities.family}'s answers fit no choice that the specification allows: {', '.join(wrong)}"
        notes = (*notes, text)
    key = "" if profile == RelaxedProfile() else repr(profile.to_dict())
    voter = Voter(capabilities.family, _names(capabilities), key, bool(wrong), capabilities.validator)
    return Seat(str(engine.id), capabilities, profile, voter, notes)


def _bits(outcome: Outcome) -> int:
    """The vector that a probe gave; a probe that did anything else gives a value that fits no profile."""
    values: tuple[Value, ...] = getattr(outcome, "values", ())
    return values[0].bits if len(values) == 1 else -1
