"""All three instruments on one finding, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from fuzz.explain.asking import Answer, Asker, OutOfTime, Subject
from fuzz.explain.fingerprint import fingerprint
from fuzz.explain.followed import At, Followed, Hidden
from fuzz.explain.operation import Finder
from fuzz.explain.splitting import guilty, named_function
from fuzz.records.explanation import Explanation, Operation
from fuzz.trial.bench import OpenEngine
from oracles.engine import EngineId, Limits, adapter, open_engine

INSTRUMENTS: Final = ("fingerprint", "split", "operation")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which instruments, and for how many seconds of wall time in all."""

    only: frozenset[str] = frozenset(INSTRUMENTS)
    seconds: float | None = None


def explain(
    subject: Subject, wish: Wish, limits: Limits | None = None, offline: bool = False, opener: OpenEngine = open_engine
) -> Explanation:  # fmt: skip
    """Everything that the instruments find out; what has no answer is in ``silent`` with the reason."""
    asker = Asker(subject, limits, offline, opener, wish.seconds)
    work = _Work(asker)
    try:
        for name, step in (("fingerprint", work.fingerprint), ("split", work.split), ("operation", work.operation),
                           ("stages", work.stages)):  # fmt: skip
            if name in wish.only or (name == "stages" and "fingerprint" in wish.only):
                work.run(name, step)
    finally:
        asker.close()
    return replace(work.made, silent=tuple(work.silent), cpu_seconds=round(asker.cpu_seconds, 2))


class _Work:
    """One explanation in the making."""

    def __init__(self, asker: Asker) -> None:
        self.asker = asker
        self.id = EngineId.parse(asker.subject.engine)
        self.made = Explanation(asker.subject.engine)
        self.silent: list[str] = []
        self.places: tuple[At, ...] = ()
        self._followed: Followed | None = None

    def run(self, name: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Hidden as hidden:
            self.silent.append(f"{name}: {hidden}")
        except OutOfTime:
            self.silent.append(f"{name}: the time was over")

    def followed(self) -> Followed:
        if self._followed is None:
            self._followed = Followed(self.asker.subject)
        return self._followed

    def fingerprint(self) -> None:
        switches = getattr(adapter(self.id.name), "switches", None)
        if switches is None:
            raise Hidden(f"{self.id.name} has no settings")
        found = fingerprint(str(self.id), switches(self.id), lambda other: self.asker.ask(None, other))
        if found is None:
            raise Hidden("no other setting could be asked")
        self.made = replace(self.made, fingerprint=found)

    def split(self) -> None:
        try:
            followed: Followed | None = self.followed()
        except Hidden:
            followed = None
        part = guilty(self.asker, followed)
        self.places = part.places
        self.made = replace(self.made, function=part.function)

    def operation(self) -> None:
        """The probes' answer, or else the split's where it leaves one instruction; and whether they contradict."""
        try:
            found = Finder(self.asker, self.followed()).operation()
        except Hidden as hidden:
            if len(self.places) != 1:
                raise
            self.silent.append(f"operation: {hidden}")
            found = self._only_place(self.places[0])
        self.made = replace(self.made, operation=found)
        self._compare(found)

    def _only_place(self, place: At) -> Operation:
        followed = self.followed()
        steps = [step for step in followed.run.steps if (step.func, step.at) == place]
        how = "wrong when all other computed values are replaced by the reference's, right when its own is as well"
        operands = followed.operands(steps[0]) if len(steps) == 1 else ()
        return Operation(*place, followed.text(place), operands, (), (), 1 if len(steps) == 1 else 0, how)

    def _compare(self, found: Operation) -> None:
        function = self.made.function
        if function is None:
            named = f"the first wrong operation is in it: {found.how}"
            self.made = replace(self.made, function=named_function(self.followed().module, found.function, named))
        elif function.index != found.function and "call" not in found.text:
            self.silent.append(
                f"contradiction: the split names function {function.index}, the first wrong operation is in function "
                f"{found.function}"
            )
        here = (found.function, found.position)
        if self.places and here not in self.places and found.actual:
            names = ", ".join(f"{self.followed().text(one)} ({one[0]}:{one[1]})" for one in self.places[:4])
            self.silent.append(f"contradiction: it is right only if one of these is replaced: {names}")

    def stages(self) -> None:
        stages = getattr(adapter(self.id.name), "stages", None)
        if stages is None:
            return

        def ask(id: EngineId) -> tuple[bool | None, str]:
            answer = self.asker.ask(None, str(id))
            reason = self.asker.reasons.get(str(id), "")
            return {Answer.WRONG: True, Answer.RIGHT: False, Answer.CANNOT: None}[answer], reason

        lines: list[str] = []
        try:
            for line in stages(self.id, ask):
                lines.append(line)  # noqa: PERF402  # what was found before the time was over is kept
        finally:
            self.made = replace(self.made, stages=tuple(lines))
