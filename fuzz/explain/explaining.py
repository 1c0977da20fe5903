"""All three instruments on one finding, and what they say together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from fuzz.explain.asking import Answer, Asker, OutOfTime, Subject
from fuzz.explain.disassembly import difference
from fuzz.explain.equivalent import CALLS, Needed, thrown
from fuzz.explain.fingerprint import fingerprint
from fuzz.explain.followed import At, Followed, Hidden, Instructions
from fuzz.explain.items import GuiltyItem, guilty_item
from fuzz.explain.operation import Finder
from fuzz.explain.replaying import replayed
from fuzz.explain.splitting import BY_SETTINGS, before, guilty, named_function, needed_when_compiled, turning
from fuzz.records.explanation import Explanation, Operation
from fuzz.trial.bench import OpenEngine
from oracles.engine import EngineId, Limits, adapter, open_engine

INSTRUMENTS: Final = ("fingerprint", "split", "operation")


@dataclass(frozen=True, slots=True)
class Wish:
    """Which instruments, and for how many seconds of wall time in all. ``releases``: some in which it is said to be
    right, the nearest first; the machine code of one of them may be shown."""

    only: frozenset[str] = frozenset(INSTRUMENTS)
    seconds: float | None = None
    releases: tuple[str, ...] = ()


def explain(
    subject: Subject, wish: Wish, limits: Limits | None = None, offline: bool = False, opener: OpenEngine = open_engine
) -> Explanation:  # fmt: skip
    """Everything that the instruments find out; what has no answer is in ``silent`` with the reason."""
    asker = Asker(subject, limits, offline, opener, wish.seconds)
    work = _Work(asker, wish.releases)
    try:
        for name, step in (("fingerprint", work.fingerprint), ("split", work.split), ("operation", work.operation),
                           ("stages", work.stages), ("code", work.code)):  # fmt: skip
            if name in wish.only or (name in ("stages", "code") and "fingerprint" in wish.only):
                work.run(name, step)
    finally:
        asker.close()
    return replace(work.made, silent=tuple(work.silent), cpu_seconds=round(asker.cpu_seconds, 2))


_BETWEEN: Final = re.compile(r"call|throw")
"""What has to do with two functions: either may be compiled wrongly."""


class _Work:
    """One explanation in the making."""

    def __init__(self, asker: Asker, releases: Sequence[str] = ()) -> None:
        self.asker, self.releases = asker, releases
        self.id = EngineId.parse(asker.subject.engine)
        self.made = Explanation(asker.subject.engine)
        self.silent: list[str] = []
        self._turn: At | None = None
        self._asked_turn = False
        self._followed: Followed | None = None
        self._item: GuiltyItem | Hidden | None = None

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
        try:
            self.made = replace(self.made, function=guilty(self.asker, followed))
        except Hidden as hidden:
            self.made = replace(self.made, item=self._guilty_item(hidden).item)

    def _guilty_item(self, hidden: Hidden) -> GuiltyItem:
        """What is to blame where it is no function and nothing was called. Raises ``Hidden``."""
        if self.asker.subject.step != -1:
            raise hidden
        if self._item is None:
            try:
                self._item = guilty_item(self.asker)
            except Hidden as other:
                self._item = other
        if isinstance(self._item, Hidden):
            raise Hidden(f"{hidden}; {self._item}")
        return self._item

    def turn(self) -> At | None:
        """Where it turns right when values are replaced by the reference's, asked for when it is needed."""
        if not self._asked_turn:
            self._asked_turn = True
            with suppress(Hidden):
                self._turn = turning(self.asker, self.followed())
        return self._turn

    def operation(self) -> None:
        """What the function's instructions say, or else those of a segment or an initial value."""
        try:
            found = self._executed()
        except Hidden as hidden:
            if self.made.function is not None:
                raise
            item = self._guilty_item(hidden)
            if item.operation is None:
                raise
            self.made = replace(self.made, item=item.item, operation=item.operation)
        else:
            self.made = replace(self.made, operation=found)
            self._compare(found)

    def _executed(self) -> Operation:
        """What probes say of the case, or else of the case with all replaced that the split can do without; and
        whether they contradict."""
        if self.asker.subject.compiling:
            return self._when_compiled()
        try:
            return Finder(self.asker, self.followed(), self.turn).operation()
        except Hidden as hidden:
            return self._otherwise(hidden)

    def _when_compiled(self) -> Operation:
        """The instruction that does it without being executed."""
        if self.made.function is None:
            raise Hidden("nothing is executed before it is wrong")
        function = self.made.function.index
        places = needed_when_compiled(self.asker, function)
        instructions = Instructions(self.asker.subject.case)
        names = ", ".join(f"{instructions.text(one)} ({one[0]}:{one[1]})" for one in places[:4])
        if not places or not instructions.takes_all(places[-1], places[:-1]):
            raise Hidden(f"nothing is executed before it is wrong{f'; it needs {names}' if places else ''}")
        how = "it shows when the module is compiled, and of what can be replaced it needs this one alone"
        if len(places) > 1:
            how = f"it shows when the module is compiled, and of what can be replaced it needs {names}"
        sides = self.asker.subject.sides("that it is compiled")
        return Operation(*places[-1], instructions.text(places[-1]), (), *sides, 0, how)

    def _otherwise(self, hidden: Hidden) -> Operation:
        """What else can be tried where probes do not say it."""
        found = self._in_function(hidden)
        if found is not None:
            return found
        try:
            return self._needed(hidden)
        except Hidden:
            return self._in_replayed(str(hidden))

    def _in_function(self, hidden: Hidden) -> Operation | None:
        """Of the places at which it may crash, the only one in the function that alone is compiled wrongly."""
        function = self._split_by_settings()
        left = [one for one in hidden.suspects if one.function == function] if hidden.crashed else []
        if len(left) != 1:
            return None
        how = f"the engine crashes at one of {len(hidden.suspects)} instructions, and this one alone is in function"
        lost = "; a value that lives across it may be lost" if left[0].text.startswith("call") else ""
        return replace(left[0], how=f"{how} {function}{lost}")

    def _split_by_settings(self) -> int | None:
        """The function that alone is compiled wrongly, where the engine has settings to find that out."""
        function = self.made.function
        return function.index if function is not None and function.how.startswith(BY_SETTINGS) else None

    def _needed(self, hidden: Hidden) -> Operation:
        """The call or branch that makes it right if another instruction does the same. Raises ``Hidden``."""
        followed, function = self.followed(), self._split_by_settings()
        suspects = {(one.function, one.position) for one in hidden.suspects}
        if thrown(followed):
            suspects |= {place for place in followed.executed if followed.op(place).name in CALLS}
        if hidden.crashed:  # what another instruction does otherwise to memory or registers may be chance
            suspects = {place for place in suspects if place[0] == function}
        found = Needed(self.asker, followed).one_of(suspects, "probes leave open where it is")
        if function is None:
            self.made = replace(self.made, function=None)  # replacing values says less than replacing the call itself
        self._turn = None
        return found

    def _in_replayed(self, reason: str) -> Operation:
        """With all replaced that goes before where it turns right, probes may show what they hide otherwise."""
        place = self.turn()
        if place is None:
            raise Hidden(reason)
        followed = self.followed()
        where = f"{followed.text(place)} ({place[0]}:{place[1]})"
        turns = f"{reason}. When values are replaced by the reference's in order, {where} is where it turns right"
        made = replayed(followed, before(followed, place), "multi_memory" in self.asker.features())
        if made is None:
            raise Hidden(turns)
        try:
            found = Finder(self.asker, Followed(replace(self.asker.subject, case=made.case))).operation()
        except Hidden:
            raise Hidden(turns) from None
        position = made.origins[found.function][found.position] if found.position >= 0 else found.position
        if (found.function, position) != place:
            raise Hidden(turns)
        how = f"with all values before it replaced by the reference's: {found.how}"
        return replace(found, position=position, how=how)

    def _compare(self, found: Operation) -> None:
        function = self.made.function
        if function is None:
            named = f"the first wrong operation is in it: {found.how}"
            self.made = replace(self.made, function=named_function(self.followed().module, found.function, named))
        elif function.index != found.function and found.execution and not _BETWEEN.search(found.text):
            self.silent.append(
                f"contradiction: the split names function {function.index}, the first wrong operation is in function "
                f"{found.function}"
            )
            if self._split_by_settings() is None:  # what was seen says more than what replaced values did
                self.made = replace(
                    self.made, function=named_function(self.followed().module, found.function, found.how)
                )
        place = self._turn
        constant = found.text.split()[0].endswith(".const")  # which is never replaced: it turns right where it is taken
        if place is not None and not constant and found.execution and place != (found.function, found.position):
            where = f"{self.followed().text(place)} ({place[0]}:{place[1]})"
            text = f"when values are replaced by the reference's in order, it is {where} where it turns right"
            self.silent.append(f"contradiction: {text}")

    def code(self) -> None:
        """The function's machine code beside that of a right setting, or else of a right release, where the engine
        gives it."""
        function, settings = self.made.function, self.made.fingerprint
        if function is None or not hasattr(adapter(self.id.name), "machine_code"):
            return
        native = [id for id in settings.right if EngineId.parse(id).get("pulley") != "on"] if settings else []
        nearest = min(native, key=len) if native else self._right_release()
        if nearest:
            content = self.asker.subject.case.content
            number = function.index - Instructions(self.asker.subject.case).first
            offline = self.asker.offline or not native
            self.made = replace(self.made, code=difference(str(self.id), nearest, content, number, offline))

    def _right_release(self) -> str:
        """The first of the releases in which it is said to be right that is at hand and is; "" if there is none."""
        for release in self.releases:
            id = str(self.id.released(release))
            if id != str(self.id) and self.asker.ask(None, id, offline=True) is Answer.RIGHT:
                return id
        return ""

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
