"""What reports say of a cause, in plain words that every format puts into its own form. Nothing here is escaped."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from shlex import quote
from typing import Final

from fuzz.records.history import Night
from fuzz.records.morning import CauseNews, Example, Group, Morning
from fuzz.records.printable import one_line
from fuzz.records.strip_text import in_short

FAULTS: Final = {
    "value": "computes a wrong value",
    "trap": "ends with a wrong trap, or traps where nothing should",
    "crash": "crashes",
    "hang": "does not come to an end",
    "memory": "runs out of memory",
    "reject": "refuses a valid module",
    "accept": "accepts an invalid module",
    "exception": "throws a wrong exception",
    "exhaust": "exhausts its stack where it should not, or does not where it should",
    "state": "leaves wrong memory, globals or tables behind",
    "host_calls": "calls the host wrongly",
    "slow": "takes more to compile than in proportion",
    "profile": "does not keep to the deterministic profile",
}
"""By the kind of a dissent (docs/judging.md): what the family of engines does."""

_HEADINGS: Final = {
    Group.NEW: "New",
    Group.AGAIN: "Again",
    Group.GONE: "Gone",
    Group.KNOWN: "Known issues",
    Group.UNSEEN: "Not seen",
}


def heading(group: Group) -> str:
    return _HEADINGS[group]


def count(number: int, thing: str, more: str = "") -> str:
    """``1 case``, ``2 cases``; with thousands apart."""
    return f"{number:,} {thing if number == 1 else more or thing + 's'}"


def moment(seconds: float) -> str:
    """A time in UTC, to the minute: a report says the same wherever it is made."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds)) if seconds else "an unknown time"


def day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds)) if seconds else "unknown"


def stamp(seconds: float) -> str:
    """A time in UTC as ISO 8601 has it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def span(seconds: float) -> str:
    """How long something took: ``45 s``, ``12 min``, ``7 h 30 min``."""
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes = round(whole / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def lasted(night: Night) -> str:
    """How long a night was; "" where nobody noted it."""
    return span(night.ended - night.started) if night.started and night.ended else ""


def headline(morning: Morning) -> str:
    """All in a sentence: ``2 new causes, 5 seen again, 1 gone, 1 known issue.``"""
    if not morning.causes:
        if morning.idle:
            return "Nothing was compared: no engine had a vote that counted."
        return f"No finding in the {count(morning.summary.stats.compared, 'case')} compared."
    words = {
        Group.NEW: ("new cause", "new causes"),
        Group.AGAIN: ("seen again", "seen again"),
        Group.GONE: ("gone", "gone"),
        Group.KNOWN: ("known issue", "known issues"),
        Group.UNSEEN: ("not seen", "not seen"),
    }
    found = [(group, len(morning.of(group))) for group in Group]
    parts = [count(number, *words[group]) for group, number in found if number or group is Group.NEW]
    return f"{', '.join(parts)}."


def who(news: CauseNews) -> str:
    """The engines that are wrong, with releases: ``wasmtime@33.0.0:opt=none, v8:turbofan (13.1.0)``."""
    example = news.example
    if example is None or not example.dissents:
        return ", ".join(news.cause.shown_by) or news.cause.family
    engines = list(dict.fromkeys(dissent.engine for dissent in example.dissents))
    named = [named_with_release(engine, example.release(engine)) for engine in engines[:3]]
    return ", ".join(named) + (f" and {len(engines) - 3} more" if len(engines) > 3 else "")


def named_with_release(engine: str, release: str) -> str:
    return engine if not release or f"@{release}" in engine else f"{engine} ({release})"


def brief(news: CauseNews) -> str:
    """What is wrong, and what was seen."""
    cause = news.cause
    does = FAULTS.get(cause.kind, cause.kind)
    where = " while it compiles" if cause.kind in ("crash", "hang", "memory") and cause.phase == "compile" else ""
    about = f" in cases with {listed(news.essentials)}" if news.essentials else ""
    detail = one_line(_detail(news.example), 300) if news.example else ""
    parts = [f"{capital(cause.family)} {does}{where}{about} ({who(news)})."]
    parts += [f"{capital(detail)}."] if detail else []
    return " ".join(parts)


def sentence(news: CauseNews) -> str:
    """``brief``, and what was found out since: releases, the first wrong operation, settings."""
    parts = [brief(news)]
    if news.example:
        parts += [words for strip in news.example.strips if (words := in_short(strip))]
        parts += list(_explained(news.example))
    return " ".join(parts)


def capital(text: str) -> str:
    """With a first letter as sentences have it; the others stay."""
    return text[:1].upper() + text[1:]


def _detail(example: Example) -> str:
    for dissent in example.dissents:
        told = dissent.message.strip().splitlines()[:1] or [""]
        place = f" at {dissent.location}" if dissent.location else ""
        if text := (dissent.detail or told[0]).strip().rstrip("."):
            return text + place
    return ""


def listed(names: Iterable[str], most: int = 6) -> str:
    """``a, b and c``; of more than ``most`` the first ones."""
    names = list(names)
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else ""


def _explained(example: Example) -> Iterator[str]:
    for told in example.explanations:
        if told.operation is not None:
            done = told.operation
            yield (f"The first wrong operation is {one_line(done.text, 120)} of ({', '.join(done.operands)}): it gives "
                   f"({', '.join(done.actual)}), not ({', '.join(done.expected)}).")  # fmt: skip
        if told.fingerprint is not None:
            yield capital(one_line(told.fingerprint.words, 300)).rstrip(".") + "."


def since(news: CauseNews, morning: Morning) -> str:
    """Since when it is known, and how often it was seen."""
    last = morning.last
    words = f"first seen {moment(news.first)}"
    words += f", last seen {moment(news.last)}" if news.last != news.first else ""
    words += f"; on {count(news.times, 'case')}"
    if last is not None and news.in_night(last.night.id) and len(news.nights) > 1:
        words += f", {news.in_night(last.night.id)} of them in the last night"
    return words


def to_do(news: CauseNews) -> str:
    """What a person does next; ``commands`` has how."""
    match news.group:
        case Group.NEW | Group.AGAIN:
            after = ", then say here what its link is" if news.cause.id else ""
            return f"see it again, report it to the engine's maintainers{after}"
        case Group.GONE if news.cause.known:
            return "close the known issue if the release in use has the fix"
        case Group.GONE:
            return "ask the releases between before you call it fixed"
        case Group.KNOWN:
            return f"nothing: it is {news.issue}"
        case _:
            return "run the engine and the target that showed it again"


def commands(news: CauseNews, place: str) -> list[str]:
    """The commands for that."""
    if not news.bundles:
        return []
    folder = quote(place)
    lines = [f"fuzz replay {quote(within(place, bundle(news)))}"]
    if news.group in (Group.NEW, Group.AGAIN):
        lines.append(f"fuzz report {folder} --upstream {quote(news.name)}")
        lines += [f"fuzz causes {folder} known {news.cause.id} --link URL"] if news.cause.id else []
    return lines


def advice(morning: Morning) -> list[str]:
    """What there is to do on this morning, the first thing first."""
    new, again, gone = (len(morning.of(group)) for group in (Group.NEW, Group.AGAIN, Group.GONE))
    lines = []
    if morning.failures:
        lines.append("Mend what went wrong with the run: what it could not run, it has not tested.")
    if new:
        lines.append(f"Report {count(new, 'new cause')}: each one's section below has a report to paste.")
    if again:
        words = "was seen before and is nobody's" if again == 1 else "were seen before and are nobody's"
        lines.append(f"{count(again, 'cause')} {words} known issue yet: report them, or say what their links are.")
    if gone:
        lines.append(f"{count(gone, 'cause')} did not show any more: see whether a release fixed what was reported.")
    return lines or ["Nothing."]


def bundle(news: CauseNews) -> str:
    return next(iter(news.bundles), "")


def within(place: str, *parts: str) -> str:
    """The path of a bundle, or of a file in one, as seen from where the command was given."""
    return str(PurePosixPath(place, "findings", *parts))


def file_of(news: CauseNews, place: str) -> str:
    """The file to point at, as seen from where the command was given; the folder where there is none."""
    if news.example is None or not news.example.file:
        return place
    return within(place, news.example.bundle, news.example.file)


def guilty_line(news: CauseNews) -> int:
    """The number of the first guilty line of the file, from 1; 1 where none is known."""
    if news.example is not None:
        for number, line in enumerate(news.example.lines, news.example.first):
            if line.guilty:
                return number
    return 1
