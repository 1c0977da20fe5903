"""Which settings a finding needs: the case under every switch of its engine, and the fewest with which it is wrong.

First each switch alone, from the finding's own id. Then all that changed nothing at once, and where that does not show
the finding any more, one by one, as long as it still does: what is left on is what it needs. Each of these switches is
then tried once more from there: only what was run and was right is said to be needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fuzz.explain.asking import Answer, OutOfTime
from fuzz.records.explanation import Fingerprint
from oracles.engine import EngineId, UsageError
from oracles.switches import Switch


@dataclass(slots=True)
class _Table:
    """What was asked, by id."""

    ask: Callable[[str], Answer]
    answers: dict[str, Answer] = field(default_factory=dict)
    late: bool = False

    def of(self, id: EngineId, switches: Sequence[Switch]) -> tuple[EngineId | None, Answer]:
        """The id with these switches and its answer; None where the settings exclude each other."""
        try:
            for switch in switches:
                id = switch.applied(id)
        except UsageError:
            return None, Answer.CANNOT
        name = str(id)
        if name not in self.answers:
            if self.late:
                return None, Answer.CANNOT
            try:
                self.answers[name] = self.ask(name)
            except OutOfTime:
                self.late = True
                return None, Answer.CANNOT
        return id, self.answers[name]


def fingerprint(engine: str, switches: Sequence[Switch], ask: Callable[[str], Answer]) -> Fingerprint | None:
    """Find out by asking, from an id on which it is wrong; None where nothing could be asked.

    ``ask`` is given canonical ids; it may raise ``OutOfTime``, from when on nothing more is asked.
    """
    start = EngineId.parse(engine)
    table = _Table(ask, {str(start): Answer.WRONG})
    singles = [one for one in switches if not one.group]
    repairs = [one for one in singles if table.of(start, [one])[1] is Answer.RIGHT]
    groups = [] if repairs else [one for one in switches if one.group]
    repairs += [one for one in groups if table.of(start, [one])[1] is Answer.RIGHT]
    least = _least(table, start, [one for one in singles if one.plainer])
    askable = [one for one in singles if one.plainer and table.of(start, [one])[1] is not Answer.CANNOT]
    needed = [one for one in askable if _is_changed(least, one) and table.of(least, [one])[1] is Answer.RIGHT]
    if len(table.answers) < 2:
        return None
    by = {answer: tuple(sorted(id for id, one in table.answers.items() if one is answer)) for answer in Answer}
    words = _words(table, start, least, needed, repairs)
    return Fingerprint(words, by[Answer.WRONG], by[Answer.RIGHT], by[Answer.CANNOT])


def _is_changed(id: EngineId, switch: Switch) -> bool:
    """Whether a switch changes an id at all."""
    try:
        return switch.applied(id) != id
    except UsageError:
        return False


def _least(table: _Table, start: EngineId, plainer: Sequence[Switch]) -> EngineId:
    """The id with as many switches as it is still wrong with."""
    harmless = [one for one in plainer if table.of(start, [one])[1] is Answer.WRONG and _is_changed(start, one)]
    return _with_most(table, start, harmless)


def _with_most(table: _Table, start: EngineId, switches: Sequence[Switch]) -> EngineId:
    """All of them at once if it is still wrong, else half by half."""
    if not switches:
        return start
    id, answer = table.of(start, switches)
    if id is not None and answer is Answer.WRONG:
        return id
    if len(switches) == 1:
        return start
    half = len(switches) // 2
    return _with_most(table, _with_most(table, start, switches[:half]), switches[half:])


def _words(table: _Table, start: EngineId, least: EngineId, needed: Sequence[Switch], repairs: Sequence[Switch]) -> str:
    """The sentence. ``needed`` were right when switched alone from ``least``, ``repairs`` from ``start``."""
    right = list(dict.fromkeys(one.off for one in (*repairs, *needed)))
    asked = len(table.answers)
    unknown = sum(answer is Answer.CANNOT for answer in table.answers.values())
    counted = f" ({asked} settings asked, {unknown} of them without an answer)" if unknown else f" ({asked} settings)"
    if not right:
        wrong = sum(answer is Answer.WRONG for answer in table.answers.values())
        if wrong == 1:
            return f"wrong as it is; no other setting had an answer{counted}"
        return f"wrong at every setting that had an answer{counted}"
    on = list(dict.fromkeys(one.on for one in (*needed, *(one for one in repairs if not one.plainer))))
    head = f"wrong with {_all(on)}" if on else f"wrong with {start}"
    if needed and least != start:
        head += ", which is all it needs"
    return f"{head}; right with {_any(right)}{counted}"


def _all(words: Sequence[str]) -> str:
    return " and ".join(words)


def _any(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
