"""Asking an engine whether a case is wrong on it as the finding is: the one question of all three instruments."""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from fuzz.records.finding import Signature
from fuzz.records.printable import one_line
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench, OpenEngine, Trial
from fuzz.trial.children import children_cpu
from oracles.engine import EngineId, Limits, UsageError, open_engine
from oracles.judge.verdict import Disagree, Dissent
from wasm.case import Case
from wasm.embedding import Phase, Unsupported
from wasm.semantics.relaxed import RelaxedProfile

_OPEN: Final = 2
"""Benches that are kept open besides the finding's own."""
_INVOKE: Final = re.compile(r"invoke (\d+)\Z")


_SIDES: Final = re.compile(r"expected: (.*?); got: (.*)", re.DOTALL)


class Answer(Enum):
    """What became of a case on an engine: it shows the finding, it was compared and agrees, or neither is known."""

    WRONG = "wrong"
    RIGHT = "right"
    CANNOT = "cannot"


class OutOfTime(Exception):
    """The time for explaining is over."""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is to be explained: a case after ``before`` is wrong on an engine (a canonical id) with this ``bucket``.
    ``dissent`` is the engine's own."""

    case: Case
    engine: str
    bucket: Signature
    dissent: Dissent
    before: tuple[Case, ...] = ()

    @property
    def compiling(self) -> bool:
        """Whether it shows when the module is compiled, before anything runs."""
        return self.dissent.phase in (Phase.DECODE.value, Phase.COMPILE.value)

    @property
    def step(self) -> int:
        """The invocation that is wrong: -1 for the instantiation, their number for what is left at the end."""
        if self.dissent.where == "instantiate":
            return -1
        matched = _INVOKE.match(self.dissent.where)
        return int(matched[1]) if matched else len(self.case.invocations)

    def sides(self, wanted: str) -> tuple[tuple[str], tuple[str]]:
        """What was expected and what came, a line each; ``wanted`` where the finding has no word on the former."""
        matched = _SIDES.fullmatch(self.dissent.detail)
        expected, got = matched.groups() if matched else (wanted, self.dissent.detail)
        return (one_line(expected, 200),), (one_line(got, 200),)


def subject_of(trial: Trial, engine: str, before: Sequence[Case] = ()) -> Subject | None:
    """The finding of one engine in a trial; None if it does not dissent."""
    if isinstance(trial.verdict, Disagree):
        for signature, dissents in split(trial.verdict):
            for dissent in dissents:
                if dissent.engine == engine:
                    return Subject(trial.case, engine, signature.bucket, dissent, tuple(before))
    return None


class Asker:
    """Runs cases on the finding's engine under any settings, beside the reference.

    ``opener`` opens engines as in ``Bench``. ``ask`` raises ``OutOfTime`` from ``seconds`` of wall time on.
    """

    def __init__(
        self, subject: Subject, limits: Limits | None = None, offline: bool = False, opener: OpenEngine = open_engine,
        seconds: float | None = None,
    ) -> None:  # fmt: skip
        self.subject, self.offline = subject, offline
        self._limits, self._opener = limits, opener
        self._benches: OrderedDict[str, Bench] = OrderedDict()
        self._deadline = None if seconds is None else time.monotonic() + seconds
        self._started = time.process_time() + children_cpu()
        self.reasons: dict[str, str] = {}
        """Why an engine id could not be asked, by id."""

    @property
    def cpu_seconds(self) -> float:
        """CPU time of this process and of the workers that have ended; complete after ``close``."""
        return time.process_time() + children_cpu() - self._started

    def ask(self, case: Case | None = None, id: str | None = None, offline: bool = False) -> Answer:
        """Whether a case (the finding's own by default) shows the finding on an engine (the finding's own).
        ``offline``: only if it is at hand."""
        return self.look(case, id, offline)[0]

    def look(
        self, case: Case | None = None, id: str | None = None, offline: bool = False
    ) -> tuple[Answer, Trial | None]:
        """``ask``, and the trial; None where there was none."""
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise OutOfTime
        engine = id or self.subject.engine
        bench = self._bench(engine, offline)
        if not bench.seats or bench.broken:
            self.reasons[engine] = next(iter(bench.broken.values()), "it cannot be opened")
            return Answer.CANNOT, None
        (name,) = bench.seats
        trial = bench.run_after(self.subject.before, case or self.subject.case)
        if bench.broken:
            self.reasons[engine] = next(iter(bench.broken.values()))
            self._benches.pop(engine).close()  # the next question gets a new one
            return Answer.CANNOT, None
        return self._judged(trial, name), trial

    def _judged(self, trial: Trial, name: str) -> Answer:
        verdict, wanted = trial.verdict, replace(self.subject.bucket, family="")
        if isinstance(verdict, Disagree):
            for signature, dissents in split(verdict):
                if any(dissent.engine == name for dissent in dissents):
                    if replace(signature.bucket, family="") == wanted:
                        return Answer.WRONG
                    self.reasons[name] = f"it is wrong in another way there: {dissents[0].detail[:100]}"
                    return Answer.CANNOT
        for poison in verdict.poisons:
            if poison.engine in ("", name) and poison.start <= self.subject.step:
                self.reasons[name] = f"not compared: {poison.reason}"
                return Answer.CANNOT
        seen = next((one for one in trial.observations if one.engine == name), None)
        if seen is None or isinstance(seen.instantiation, Unsupported):
            self.reasons[name] = f"unsupported: {seen.instantiation.what}" if seen else "it gave no answer"  # type: ignore[union-attr]
            return Answer.CANNOT
        return Answer.RIGHT

    def _bench(self, engine: str, offline: bool = False) -> Bench:
        bench = self._benches.get(engine)
        if bench is None:
            try:
                EngineId.parse(engine)
            except UsageError as error:
                raise ValueError(str(error)) from None
            while len(self._benches) > _OPEN:
                oldest = next(name for name in self._benches if name != self.subject.engine)
                self._benches.pop(oldest).close()
            bench = self._benches[engine] = Bench([engine], self._limits, self.offline or offline, self._opener)
        self._benches.move_to_end(engine)
        return bench

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        """The contents at the end of (exported memory, 64 KiB block) pairs on the finding's engine, run once more."""
        bench = self._bench(self.subject.engine)
        engine = next(iter(bench.engines.values()))
        for earlier in self.subject.before:
            engine.run(earlier)
        return engine.dump(case, blocks)

    def name(self) -> str:
        """The engine's id as its observations have it."""
        return next(iter(self._bench(self.subject.engine).seats))

    def profile(self) -> RelaxedProfile:
        """The engine's choices among the results that relaxed SIMD allows."""
        return self._bench(self.subject.engine).seats[self.name()].profile

    def features(self) -> frozenset[str]:
        """The names of the features that the finding's engine has."""
        seats = self._bench(self.subject.engine).seats
        return frozenset(one.value for seat in seats.values() for one in seat.capabilities.features)

    def close(self) -> None:
        for bench in self._benches.values():
            bench.close()
        self._benches.clear()
