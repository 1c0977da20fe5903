"""What a person reads in the morning: a folder's causes, told apart by what is new, and what went wrong with the run.

One plain value that all formats of ``fuzz report`` are made of. Texts of engines and files stand in it as they are: who
renders it makes them harmless for its form (``fuzz.records.printable``, ``fuzz.records.markdown_text``).
"""

from __future__ import annotations

import enum
import hashlib
import re
from dataclasses import dataclass, field

from fuzz.records.explanation import Explanation
from fuzz.records.finding import Signature
from fuzz.records.history import Cause, EngineNight, Minimization, Night, SeenOn
from fuzz.records.stats import Stats
from fuzz.records.strip import Strip
from fuzz.records.summary import Summary
from oracles.judge.verdict import Dissent


class News(enum.StrEnum):
    """What the last night says of a cause (docs/reports.md has the rules)."""

    NEW = "new"
    AGAIN = "again"
    GONE = "gone"
    UNSEEN = "not seen"


class Group(enum.StrEnum):
    """The parts of a report, in their order: a known issue is told apart from what nobody has reported."""

    NEW = "new"
    AGAIN = "again"
    GONE = "gone"
    KNOWN = "known"
    UNSEEN = "not seen"


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a case's text; a guilty one is marked."""

    text: str
    guilty: bool = False


@dataclass(frozen=True, slots=True)
class Side:
    """Engines that did one thing in one step; ``wrong`` if the judge dissents with them there."""

    engines: tuple[str, ...]
    outcome: str
    wrong: bool


@dataclass(frozen=True, slots=True)
class Step:
    """The instantiation or a call: what the reference expects ("" where it was not compared) and what engines did."""

    call: str
    expected: str
    sides: tuple[Side, ...]

    @property
    def wrong(self) -> bool:
        return any(side.wrong for side in self.sides)


@dataclass(frozen=True, slots=True)
class Command:
    """How an engine shows a case by its own command line; ``script`` is JavaScript to save as ``repro.js``, or "".

    ``needs`` names the file that the command reads. ``why_not`` says why there is none.
    """

    engine: str
    line: str = ""
    script: str = ""
    needs: str = ""
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """The finding of a cause to look at: its smallest one that repeats.

    ``file`` is the bundle's file with the text that ``lines`` has (``first`` is the number of the first one, from 1;
    ``whole`` how many there are); ``marked`` says what a guilty line is. ``script`` is the case with assertions.
    ``releases`` pairs each engine that ran with its release. ``before`` is how many cases have to run before it.
    ``trouble`` says why the bundle could not be read: then there is nothing else.
    """

    bundle: str
    signature: Signature
    file: str = ""
    size: int = 0
    original_size: int = 0
    minimized: bool = False
    repeats: int = 0
    tries: int = 0
    origin: str = ""
    lines: tuple[Line, ...] = ()
    first: int = 1
    whole: int = 0
    marked: str = ""
    script: str = ""
    steps: tuple[Step, ...] = ()
    dissents: tuple[Dissent, ...] = ()
    agreeing: tuple[str, ...] = ()
    releases: tuple[tuple[str, str], ...] = ()
    commands: tuple[Command, ...] = ()
    before: int = 0
    environment: tuple[tuple[str, str], ...] = ()
    strips: tuple[Strip, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    trouble: str = ""

    @property
    def stable(self) -> bool:
        return self.repeats == self.tries

    def release(self, engine: str) -> str:
        """What answered; "" where nobody noted it."""
        return dict(self.releases).get(engine, "")


@dataclass(frozen=True, slots=True)
class CauseNews:
    """A cause and what there is to tell of it. Findings that nobody could give a cause are here by their bucket, with
    id 0.

    ``why`` says what ``state`` rests on. ``nights`` pairs nights with the cases on which it was seen in them, oldest
    first; ``times`` counts all cases. ``bundles`` are all stored findings, the example's first.
    """

    cause: Cause
    state: News
    why: str
    nights: tuple[tuple[int, int], ...]
    times: int
    first: float
    last: float
    targets: tuple[str, ...]
    seen_on: tuple[SeenOn, ...]
    bundles: tuple[str, ...]
    example: Example | None = None

    @property
    def group(self) -> Group:
        return Group.KNOWN if self.cause.known and self.state is not News.UNSEEN else Group(self.state.value)

    @property
    def name(self) -> str:
        """How a person names it to a command: its number, or the bundle where it has none."""
        return str(self.cause.id) if self.cause.id else next(iter(self.bundles), "")

    @property
    def title(self) -> str:
        return f"cause {self.cause.id}: {self.cause.name}" if self.cause.id else self.cause.name

    @property
    def key(self) -> str:
        """A name that is the same in every folder in which it is found with the same essentials."""
        about = self.essentials or self.cause.faces or (self.cause.name,)
        parts = (self.cause.family, self.cause.kind, self.cause.phase, *sorted(about))
        words = (re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-") for word in parts[:2])
        return f"{'-'.join(words)}-{hashlib.sha256(chr(0).join(parts).encode('utf-8', 'replace')).hexdigest()[:8]}"

    @property
    def essentials(self) -> tuple[str, ...]:
        """The instructions and sizes without which it goes away."""
        return tuple(word for word in self.cause.essentials if not word.startswith(("~", "?", "(", "!")))

    @property
    def link(self) -> str:
        """Where it is reported, if that is an address on the web."""
        return self.cause.link if re.match(r"https?://\S+\Z", self.cause.link) else ""

    @property
    def issue(self) -> str:
        """The known issue in words; "" for none."""
        return self.cause.link or self.cause.known

    def in_night(self, night: int) -> int:
        """On how many cases it was seen then."""
        return dict(self.nights).get(night, 0)


@dataclass(frozen=True, slots=True)
class NightNews:
    """A night: its engines, those that could not be used among them, and the lines of the harness's failures."""

    night: Night
    engines: tuple[EngineNight, ...] = ()
    errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """Something of the run that did not work: ``kind`` is engine, harness, bundle or night."""

    kind: str
    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Morning:
    """All of it. ``summary`` has the counts of the whole folder, ``stats`` those of the last night; ``place`` is the
    folder, relative to where the command was given if it lies below that. ``waiting`` disagreements were set aside
    and not asked again yet; ``unfinished`` are the last night's minimizations that did not come to their end.
    """

    summary: Summary
    place: str
    nights: tuple[NightNews, ...] = ()
    causes: tuple[CauseNews, ...] = ()
    stats: Stats = field(default_factory=Stats)
    waiting: int = 0
    unfinished: tuple[Minimization, ...] = ()

    @property
    def last(self) -> NightNews | None:
        return self.nights[-1] if self.nights else None

    def begun(self, night: int) -> float:
        """When a night began; 0 where nobody noted it."""
        return next((one.night.started for one in self.nights if one.night.id == night), 0.0)

    def of(self, group: Group) -> tuple[CauseNews, ...]:
        return tuple(news for news in self.causes if news.group is group)

    @property
    def idle(self) -> bool:
        """Whether the last night ran cases and no engine had a vote that counted on any of them."""
        return bool(self.stats.cases) and not self.stats.compared

    @property
    def failures(self) -> tuple[Failure, ...]:
        """What went wrong with the last night, and bundles that cannot be read, whenever that was noticed."""
        found = [Failure("bundle", "a bundle cannot be read", line) for line in self.summary.unreadable]
        if self.last is None:
            return tuple(found)
        broken = (part for part in self.last.engines if part.trouble)
        found += [
            Failure("engine", f"{part.engine} could not be used", part.trouble.removeprefix(f"{part.engine}: "))
            for part in broken
        ]
        found += [Failure("harness", "the harness failed", line) for line in self.last.errors]
        night = self.last.night
        if night.interrupted:
            found.append(Failure("night", "the run was interrupted", f"it ended after {night.cases} cases"))
        elif not night.ended:
            text = "it was killed, or is still under way: what it had not recorded is done again by the next run"
            found.append(Failure("night", "the run did not come to its end", text))
        if self.idle:
            text = f"no engine had a vote that counted on any of {self.stats.cases} cases"
            found.append(Failure("night", "nothing was compared", text))
        else:
            found += [
                Failure("night", f"{engine} was compared on no case", f"it ran {ran} and had no vote that counted")
                for engine, ran in sorted(self.stats.engine_cases.items())
                if ran and self.stats.engine_silent.get(engine, 0) >= ran
            ]
        if night.ended and not self.stats.cases:
            found.append(Failure("night", "no case was run", "there is nothing to tell"))
        return tuple(found)
