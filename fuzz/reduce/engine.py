"""The reducer's core: what is kept, what is asked, what it cost.

``Search`` holds the best subject so far and takes candidates. A candidate costs a predicate run only if it is smaller
by ``sort_key``, was not asked before (by content hash), uses no feature that the input did not use, and is valid where
the input is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple, dataclass, field, replace
from itertools import islice

from fuzz.reduce.cache import Answers
from fuzz.reduce.subject import SortKey, Subject, calls_size, sort_key
from wasm.case import Case, CaseKind
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import features_of_bytes, required_features
from wasm.validate import validate

Predicate = Callable[[Case], bool]
Progress = Callable[[int, int], None]
"""Called after each run and each step with (runs so far, size of the best)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """When to stop: wall-clock seconds, predicate runs, or None for no bound; and whenever ``stop`` says so."""

    seconds: float | None = None
    runs: int | None = None
    stop: Callable[[], bool] | None = None


class OutOfBudget(Exception):
    """The budget is spent; the best subject so far is the answer."""


@dataclass(slots=True)
class PassStats:
    """What a pass did: candidates made, how many were not smaller or not valid, asked (runs), accepted, bytes saved."""

    candidates: int = 0
    larger: int = 0
    invalid: int = 0
    cached: int = 0
    runs: int = 0
    accepted: int = 0
    saved: int = 0

    def __add__(self, other: PassStats) -> PassStats:
        return PassStats(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class _Candidate:
    subject: Subject
    content: bytes
    key: SortKey
    digest: str


@dataclass(slots=True)
class Meter:
    """The cost so far. ``trace`` has (run number, size) for each accepted step."""

    budget: Budget
    started: float = field(default_factory=time.monotonic)
    runs: int = 0
    cached: int = 0
    trace: list[tuple[int, int]] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.started

    def check(self) -> None:
        """Raises ``OutOfBudget`` if another run may not start."""
        if self.budget.runs is not None and self.runs >= self.budget.runs:
            raise OutOfBudget
        if self.budget.seconds is not None and self.seconds >= self.budget.seconds:
            raise OutOfBudget
        if self.budget.stop is not None and self.budget.stop():
            raise OutOfBudget


class Search:
    """The best subject so far, and the way to a better one.

    ``jobs`` candidates are asked at a time. The first interesting one in their order is taken, so the result does not
    depend on ``jobs``; runs beyond it are counted and their answers kept.
    """

    def __init__(
        self, case: Case, subject: Subject, is_interesting: Predicate, meter: Meter, answers: Answers,
        on_progress: Progress | None = None, jobs: int = 1, valid: bool = True,
    ) -> None:  # fmt: skip
        self.case, self.is_interesting, self.meter, self.answers = case, is_interesting, meter, answers
        self.on_progress, self.jobs, self.valid = on_progress, max(1, jobs), valid
        self.features = required_features(subject.module)
        self.subject = subject
        self.content = case.content
        self.key = sort_key(subject, case.content)
        self.invalid: set[str] = set()
        self.pass_stats: dict[str, PassStats] = {}

    @property
    def size(self) -> int:
        return self.key[0]

    def case_of(self, subject: Subject, content: bytes) -> Case:
        case = self.case.with_content(content, subject.invocations)
        return replace(case, features=features_of_bytes(content)) if case.kind is CaseKind.BYTES else case

    def best(self) -> Case:
        """The best case so far; the input itself while nothing smaller was found."""
        if self.content == self.case.content and self.subject.invocations == self.case.invocations:
            return self.case
        return self.case_of(self.subject, self.content)

    def ask(self, case: Case) -> bool:
        """The predicate's answer, from the cache or by a run. Raises ``OutOfBudget``."""
        digest = case.digest
        known = self.answers.get(digest)
        if known is None:
            self.meter.check()
            self.meter.runs += 1
            known = self.is_interesting(case)
            self.answers.put(digest, known)
        else:
            self.meter.cached += 1
        return known

    def first(self, subjects: Iterable[Subject | None], stats: PassStats) -> int | None:
        """Take the first interesting one of the candidates; its position, or None. None in the iterable is skipped."""
        numbered = enumerate(subjects)
        if self.jobs == 1:
            for number, subject in numbered:
                candidate = self._checked(subject, stats)
                if candidate is not None and self._answer(candidate, stats):
                    self._accept(candidate, stats)
                    return number
            return None
        return self._first_of_many(numbered, stats)

    def try_one(self, subject: Subject | None, stats: PassStats) -> bool:
        return self.first((subject,), stats) is not None

    def _checked(self, subject: Subject | None, stats: PassStats) -> _Candidate | None:
        """The candidate, if it is worth a run: smaller, as valid as the input, of its features."""
        if subject is None:
            return None
        stats.candidates += 1
        try:
            content = encode(subject.module)
        except ValueError:
            stats.invalid += 1
            return None
        if len(content) + calls_size(subject.invocations) > self.key[0]:
            stats.larger += 1
            return None
        key = sort_key(subject, content)
        if key >= self.key:
            stats.larger += 1
            return None
        digest = self.case_of(subject, content).digest
        if digest in self.invalid:
            return None
        if self.valid and self.answers.get(digest) is None:
            try:
                validate(subject.module, self.features)
            except WasmError:
                stats.invalid += 1
                self.invalid.add(digest)
                return None
        return _Candidate(subject, content, key, digest)

    def _answer(self, candidate: _Candidate, stats: PassStats) -> bool:
        before = self.meter.runs
        interesting = self.ask(self.case_of(candidate.subject, candidate.content))
        if self.meter.runs > before:
            stats.runs += 1
            self._report()
        else:
            stats.cached += 1
        return interesting

    def _accept(self, candidate: _Candidate, stats: PassStats) -> None:
        stats.accepted += 1
        stats.saved += self.size - candidate.key[0]
        self.subject, self.content, self.key = candidate.subject, candidate.content, candidate.key
        self.meter.trace.append((self.meter.runs, self.size))
        self.answers.best(self.best())
        self._report()

    def _report(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.meter.runs, self.size)

    def _first_of_many(self, numbered: Iterator[tuple[int, Subject | None]], stats: PassStats) -> int | None:
        checked = (
            (n, candidate) for n, subject in numbered if (candidate := self._checked(subject, stats)) is not None
        )
        with ThreadPoolExecutor(self.jobs) as pool:
            while window := list(islice(checked, self.jobs)):
                spent = self._ask_all([candidate for _, candidate in window], pool, stats)
                for number, candidate in window:
                    if self.answers.get(candidate.digest):
                        self._accept(candidate, stats)
                        return number
                self._report()
                if spent:
                    raise OutOfBudget
        return None

    def _ask_all(self, candidates: list[_Candidate], pool: ThreadPoolExecutor, stats: PassStats) -> bool:
        """Get the answers for candidates at the same time, as far as the budget goes; whether it is spent."""
        running: dict[str, Future[bool]] = {}
        spent = False
        for candidate in candidates:
            if self.answers.get(candidate.digest) is not None:
                self.meter.cached += 1
                stats.cached += 1
            elif candidate.digest not in running:
                try:
                    self.meter.check()
                except OutOfBudget:
                    spent = True
                    break
                self.meter.runs += 1
                stats.runs += 1
                case = self.case_of(candidate.subject, candidate.content)
                running[candidate.digest] = pool.submit(self.is_interesting, case)
        for digest, future in running.items():
            self.answers.put(digest, future.result())
        return spent
