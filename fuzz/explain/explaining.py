"""All three instruments on one finding, and what they say together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from fuzz.explain.asking import Answer, Asker, OutOfTime, Subject
from fuzz.explain.fingerprint import fingerprint
from fuzz.explain.followed import At, Followed, Hidden, Instructions
from fuzz.explain.operation import Finder
from fuzz.explain.replaying import replayable, replayed
from fuzz.explain.splitting import guilty, named_function, needed_places, needed_when_compiled
from fuzz.records.explanation import Explanation, Operation
from fuzz.records.printable import one_line
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
        self._places: tuple[At, ...] | None = None
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
        followed: Followed | None = None
        if not self.asker.subject.compiling:
            with suppress(Hidden):
                followed = self.followed()
        self.made = replace(self.made, function=guilty(self.asker, followed))

    def places(self) -> tuple[At, ...]:
        """The places without which it is right, asked for when they are needed."""
        if self._places is None:
            function = self.made.function.index if self.made.function is not None else None
            self._places = needed_places(self.asker, self.followed(), function)
        return self._places

    def operation(self) -> None:
        """What probes say of the case, or else of the case with all replaced that the split can do without; and
        whether they contradict."""
        if self.asker.subject.compiling:
            found = self._when_compiled()
        else:
            try:
                found = Finder(self.asker, self.followed(), self.places).operation()
            except Hidden as hidden:
                found = self._in_replayed(str(hidden))
        self.made = replace(self.made, operation=found)
        self._compare(found)

    def _when_compiled(self) -> Operation:
        """The instruction that does it without being executed."""
        if self.made.function is None:
            raise Hidden("nothing is executed before it is wrong")
        function = self.made.function.index
        places = needed_when_compiled(self.asker, function)
        followed = Instructions(self.asker.subject.case)
        if len(places) != 1:
            names = ", ".join(f"{followed.text(one)} ({one[0]}:{one[1]})" for one in places[:4])
            raise Hidden(f"nothing is executed before it is wrong{f'; it needs {names}' if names else ''}")
        how = "it shows when the module is compiled, and of what can be replaced it needs this one alone"
        detail = one_line(self.asker.subject.dissent.detail, 200)
        return Operation(*places[0], followed.text(places[0]), (), ("nothing of this",), (detail,), 0, how)

    def _in_replayed(self, reason: str) -> Operation:
        """With the values that are not to blame replaced, probes may show what they hide otherwise."""
        places = self.places()
        if not places:
            raise Hidden(reason)
        followed = self.followed()
        names = ", ".join(f"{followed.text(one)} ({one[0]}:{one[1]})" for one in places[:4])
        needs = f"{reason}. With all else replaced by what the reference computes, it still needs {names}"
        others = frozenset(followed.executed) - frozenset(places)
        made = replayed(followed, others, "multi_memory" in self.asker.features())
        if made is None:
            raise Hidden(reason)
        try:
            found = Finder(self.asker, Followed(replace(self.asker.subject, case=made.case))).operation()
        except Hidden:
            raise Hidden(needs) from None
        position = made.origins[found.function][found.position] if found.position >= 0 else found.position
        if position < 0 <= found.position:
            raise Hidden(needs)
        how = f"with what other places compute replaced by the reference's values: {found.how}"
        return replace(found, position=position, how=how)

    def _compare(self, found: Operation) -> None:
        function = self.made.function
        if function is None:
            named = f"the first wrong operation is in it: {found.how}"
            self.made = replace(self.made, function=named_function(self.followed().module, found.function, named))
        elif function.index != found.function and found.execution and "call" not in found.text:
            self.silent.append(
                f"contradiction: the split names function {function.index}, the first wrong operation is in function "
                f"{found.function}"
            )
        here = (found.function, found.position)
        if self._places and found.execution and here not in self._places and replayable(self.followed().op(here)):
            names = ", ".join(f"{self.followed().text(one)} ({one[0]}:{one[1]})" for one in self._places[:4])
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
