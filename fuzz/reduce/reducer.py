"""``reduce_case``: the smallest case that is still interesting."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from compiler.machine_text import parse_case
from fuzz.reduce.bytes_search import ByteSearch, reduce_bytes
from fuzz.reduce.cache import Answers
from fuzz.reduce.engine import Budget, Meter, OutOfBudget, PassStats, Predicate, Progress, Search
from fuzz.reduce.errors import NotInteresting, TooEasy, Unreadable, UnreadableMachine, Unsteady
from fuzz.reduce.linked import EMPTY_MODULE, Linked
from fuzz.reduce.machine import SMALLEST, search_machine
from fuzz.reduce.schedule import Pass, all_passes, run_passes
from fuzz.reduce.subject import Subject, calls_size
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.features import ALL
from wasm.validate import validate

_UNBOUNDED: Final = Budget()


@dataclass(frozen=True, slots=True)
class Reduction:
    """The outcome. ``runs`` predicate runs and ``cached`` answers known before were used in ``seconds`` of wall time.

    ``trace`` has (run number, size in bytes) for each accepted step; ``finished`` says that no pass gets further, else
    the budget was spent.
    """

    case: Case
    runs: int
    cached: int
    seconds: float
    trace: tuple[tuple[int, int], ...]
    passes: dict[str, PassStats]
    finished: bool


def reduce_case(
    case: Case,
    is_interesting: Predicate,
    *,
    budget: Budget = _UNBOUNDED,
    on_progress: Progress | None = None,
    cache: Path | None = None,
    cache_key: str = "",
    jobs: int = 1,
    passes: Sequence[Pass] | None = None,
) -> Reduction:
    """Reduce a case as long as ``is_interesting`` holds; every accepted step satisfied it, and the result once more.

    Modules (``CaseKind.WASM``) are edited as modules and stay valid, with no feature that the input does not use, one
    after the other where there are several (``Case.before``); raw
    bytes (``BYTES``) are edited as a module where they are one, valid or not, and then cut as bytes; machine functions
    (``MACHINE``) lose what they can in text form.
    ``cache`` names a folder that keeps all answers and the best case: the same reduction started again there goes on
    where it stopped. ``cache_key`` names the predicate, so that answers of
    another one are not believed. ``jobs`` predicates run at a time (in threads); the result does not depend on it.
    The predicate is asked about the input and about the empty module first.

    Raises ``NotInteresting``, ``TooEasy``, ``Unsteady``, ``Unreadable`` or ``UnreadableMachine`` (all
    ``ReduceError``).
    """
    meter = Meter(budget)
    answers = Answers(cache, f"{cache_key}:{case.digest}")
    try:
        run = _Run(case, is_interesting, meter, answers, on_progress, jobs)
        match case.kind:
            case CaseKind.WASM:
                return run.module(all_passes() if passes is None else passes)
            case CaseKind.BYTES:
                return run.raw_bytes()
            case CaseKind.MACHINE:
                return run.machine()
    finally:
        answers.close()


@dataclass(slots=True)
class _Run:
    """One reduction with all that its kinds of reducers share."""

    case: Case
    is_interesting: Predicate
    meter: Meter
    answers: Answers
    on_progress: Progress | None
    jobs: int

    def module(self, passes: Sequence[Pass]) -> Reduction:
        start = self.answers.stored_best() or self.case
        if start.before:
            return self._linked(start, passes)
        try:
            subject = Subject(decode(start.content), start.invocations)
            validate(subject.module, ALL)
        except WasmError as error:
            raise Unreadable(str(error)) from None
        search = Search(
            start, subject, self.is_interesting, self.meter, self.answers, self.on_progress, self.jobs
        )  # fmt: skip
        finished = True
        try:
            self._check_predicate(search.ask, start)
            run_passes(search, passes)
        except OutOfBudget:
            finished = False
        return self._report(search.best(), search.pass_stats, finished)

    def _linked(self, start: Case, passes: Sequence[Pass]) -> Reduction:
        """A case of several modules (``fuzz.reduce.linked``)."""

        def one(case: Case, is_interesting: Predicate, answers: Answers) -> tuple[Case, dict[str, PassStats]]:
            subject = Subject(decode(case.content), case.invocations)
            search = Search(case, subject, is_interesting, self.meter, answers, self.on_progress, self.jobs)
            with suppress(OutOfBudget):
                run_passes(search, passes)
            return search.best(), search.pass_stats

        work = Linked(start, self.is_interesting, self.meter, self.answers, one)
        try:
            for content in start.contents:
                validate(decode(content), ALL)
        except WasmError as error:
            raise Unreadable(str(error)) from None
        finished = False
        with suppress(OutOfBudget):
            self._check_predicate(work.ask, start)
            finished = work.run()
        return self._report(work.best, work.passes, finished)

    def raw_bytes(self) -> Reduction:
        start = self.answers.stored_best() or self.case
        search = ByteSearch(start, self.is_interesting, self.meter, self.answers, self.on_progress)
        passes = {"bytes": search.stats}
        finished = True
        try:
            self._check_predicate(search.ask, start)
            # Each finds what the other cannot, and they order what is of one length differently.
            before = len(start.content) + 1
            while len(search.data) < before:
                before = len(search.data)
                self._as_module(search, passes)
                reduce_bytes(search)
        except OutOfBudget:
            finished = False
        return self._report(search.best, passes, finished)

    def _as_module(self, search: ByteSearch, passes: dict[str, PassStats]) -> None:
        """Where the bytes are a module's, valid or not, edit it as one: bytes alone do not tell what goes together."""
        try:
            subject = Subject(decode(search.data))
        except WasmError:
            return
        content = encode(subject.module)
        if content != search.data and not search.ask(search.best.with_content(content)):
            return
        try:
            validate(subject.module, ALL)
            valid = True
        except WasmError:
            valid = False
        edited = Search(
            search.best, subject, self.is_interesting, self.meter, self.answers, self.on_progress, self.jobs, valid
        )  # fmt: skip
        try:
            run_passes(edited, all_passes(valid))
        finally:
            search.best = edited.best()
            for name, stats in edited.pass_stats.items():
                passes[name] = passes[name] + stats if name in passes else stats

    def machine(self) -> Reduction:
        start = self.answers.stored_best() or self.case
        try:
            parse_case(start.content.decode())
        except ValueError as error:
            raise UnreadableMachine(str(error)) from None
        search = ByteSearch(start, self.is_interesting, self.meter, self.answers, self.on_progress)
        finished = True
        try:
            self._check_predicate(search.ask, start)
            search_machine(start.content.decode(), lambda text: search.consider(text.encode()))
        except OutOfBudget:
            finished = False
        return self._report(search.best, {"machine": search.stats}, finished)

    def _check_predicate(self, ask: Predicate, start: Case) -> None:
        if not ask(start):
            raise NotInteresting
        smallest = SMALLEST.encode() if self.case.kind is CaseKind.MACHINE else EMPTY_MODULE
        if ask(Case(smallest, kind=self.case.kind)):
            raise TooEasy
        self.meter.trace.append((self.meter.runs, start.size + calls_size(start.invocations)))

    def _report(self, best: Case, passes: dict[str, PassStats], finished: bool) -> Reduction:
        if best.contents != self.case.contents or best.invocations != self.case.invocations:
            self.meter.runs += 1
            if not self.is_interesting(best):
                raise Unsteady
        meter = self.meter
        return Reduction(best, meter.runs, meter.cached, meter.seconds, tuple(meter.trace), passes, finished)
