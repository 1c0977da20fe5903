"""Steering: once a cause is known, most further cases are made without what it needs, and the night goes to the rest.

It goes by epochs of case numbers, so that with one seed the cases are the same whatever ``--jobs`` is: what cases of
one epoch taught steers cases from the next but one on, and that does not begin before everything of the first is known.
What was known before the first case (``--known``, earlier nights in the folder) steers from the first case on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from fuzz.records.history import Cause
from fuzz.triage.essentials import Essentials
from fuzz.triage.known import KnownIssues
from fuzz.triage.wide_calls import least_of
from wasm.rewrite.avoid import avoidable

EPOCH: Final = 1000
BEFORE: Final = -1
"""The number of the case that taught what was known before the first one: it steers from the beginning."""

_SIZES: Final = ("results", "params")
"""The sizes of an essential shape that a generator can be told to stay below."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What to avoid (``Config.avoid``), and the number of the case that taught it; ``about`` says why in few words."""

    avoid: tuple[str, ...]
    number: int
    about: str
    epoch: int = EPOCH

    @property
    def begins(self) -> int:
        """The number of the first case that it steers."""
        return 0 if self.number < 0 else (self.number // self.epoch + 2) * self.epoch

    def __str__(self) -> str:
        return f"from case {self.begins} on mostly without {', '.join(self.avoid)}: {self.about}"


def lesson_of(cause: Cause, number: int, epoch: int = EPOCH) -> Lesson | None:
    """What a cause teaches; None if nothing that it needs can be avoided. Of a pattern one row is enough."""
    about = Essentials.of_words(cause.essentials)
    rows = sorted(name for name in about.specific if avoidable([name]))[:1]
    shape = tuple(least_of(dict(about.shape)).items()) if about.calls else about.shape
    sizes = [f"{name}<{least}" for name, least in shape if name in _SIZES] if not about.specific else []
    avoid = tuple(sorted(rows or sizes))
    return Lesson(avoid, number, f"cause {cause.id}, {cause.name}", epoch) if avoid else None


def lessons_of_issues(issues: KnownIssues) -> list[Lesson]:
    """What known issues teach from the first case on: an instruction of those that their entries name."""
    taught = []
    for entry in issues.entries:
        rows = sorted(name for name in entry.opcodes if avoidable([name]))[:1]
        if rows and not entry.expired(issues.today):
            taught.append(Lesson(tuple(rows), BEFORE, f"known issue {entry.id}"))
    return taught


def avoid_for(number: int, index: int, lessons: Iterable[Lesson]) -> tuple[str, ...]:
    """What case ``number``, of index ``index`` in its target, is made without: every second one in the first epoch
    of steering, three of four after that."""
    active = [lesson for lesson in lessons if lesson.begins <= number]
    if not active:
        return ()
    young = number < min(lesson.begins + lesson.epoch for lesson in active)
    if index % (2 if young else 4) == 0:
        return ()
    return tuple(sorted({word for lesson in active for word in lesson.avoid}))
