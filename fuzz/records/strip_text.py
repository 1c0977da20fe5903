"""A strip in words, and as a line with a sign for each release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fuzz.records.strip import Range, State, Strip, Tried

SIGNS: Final = {State.GOOD: ".", State.BAD: "X", State.CANNOT: "?"}
UNASKED: Final = "-"
LEGEND: Final = "X bad, . good, ? cannot be asked, - not asked"
_WIDTH: Final = 100
_NAMED: Final = 4
_LONGEST: Final = 140


def signs(strip: Strip) -> str:
    """One sign for each release on offer, oldest first."""
    states = {one.release: SIGNS[one.state] for one in strip.tried}
    return "".join(states.get(release, UNASKED) for release in strip.offered)


def sign_lines(strip: Strip) -> Iterator[str]:
    """``signs`` in lines that begin with the release of their first sign."""
    text = signs(strip)
    width = max(map(len, strip.offered), default=0)
    for start in range(0, len(text), _WIDTH):
        yield f"{strip.offered[start]:{width}}  {text[start : start + _WIDTH]}"


def words(strip: Strip) -> Iterator[str]:
    """What is known of the releases, a line each. Nothing is said of one that was not asked."""
    ranges = strip.ranges()
    if not ranges:
        good = [one.release for one in strip.tried if one.state is State.GOOD]
        yield f"nothing bad was met: {_count(len(good), strip)} good{f', {_names(good)}' if good else ''}"
    for one in ranges:
        yield from _range(strip, one)
    yield from _refusals(strip)
    others = [one for one in strip.tried if one.state is State.BAD and one.why.startswith("wrong in another way")]
    yield from (f"{one.release} is {one.why}" for one in others[:_NAMED])


def in_short(strip: Strip) -> str:
    """Where it is bad, in a sentence that names the engine; "" where no release gave an answer."""
    told = [line for one in strip.ranges() for line in _range(strip, one)]
    if not told and any(one.state is State.GOOD for one in strip.tried):
        told = [next(words(strip))]
    return f"{strip.engine}: {'; '.join(told)}." if told else ""


def _count(number: int, strip: Strip) -> str:
    return f"of {len(strip.offered)} releases {len(strip.tried)} were asked, {number} of them are"


def _range(strip: Strip, found: Range) -> Iterator[str]:
    only = found.first_bad == found.last_bad
    span = f"bad in {found.first_bad}" if only else f"bad from {found.first_bad} to {found.last_bad}"
    inside = strip.offered[strip.offered.index(found.first_bad) : strip.offered.index(found.last_bad) + 1]
    asked = sum(one.release in inside and one.state is not State.CANNOT for one in strip.tried)
    share = f" ({asked} of these {len(inside)} were asked)" if asked < len(inside) else ""
    ends = f": {_older_end(strip, found)}, {_newer_end(strip, found)}" if len(strip.offered) > 1 else ""
    yield f"{span}{share}{ends}"
    yield from _between(strip, found.last_good, "good", found.first_bad, "bad")
    yield from _between(strip, found.last_bad, "bad", found.first_fixed, "good")


def _older_end(strip: Strip, found: Range) -> str:
    if found.last_good:
        return f"last good {found.last_good}"
    if found.first_bad == strip.offered[0]:
        return "which is the oldest release"
    return _nothing_beyond(strip, strip.offered[: strip.offered.index(found.first_bad)], "older")


def _newer_end(strip: Strip, found: Range) -> str:
    if found.first_fixed:
        return f"first fixed {found.first_fixed}"
    if found.last_bad == strip.offered[-1]:
        return "not fixed in the newest release"
    return _nothing_beyond(strip, strip.offered[strip.offered.index(found.last_bad) + 1 :], "newer")


def _nothing_beyond(strip: Strip, beyond: Sequence[str], which: str) -> str:
    asked = any(one.release in beyond for one in strip.tried)
    return f"no {which} release that could be asked is good" if asked else f"no {which} release was asked"


def _between(strip: Strip, older: str, is_older: str, newer: str, is_newer: str) -> Iterator[str]:
    """What lies between a good and a bad release, and was not asked or cannot be."""
    if not older or not newer:
        return
    gap = strip.offered[strip.offered.index(older) + 1 : strip.offered.index(newer)]
    cannot = [one.release for one in strip.tried if one.release in gap]
    unasked = [release for release in gap if release not in cannot]
    if cannot:
        yield f"between {older} ({is_older}) and {newer} ({is_newer}): {_names(cannot)} cannot be asked"
    if unasked:
        yield f"between {older} ({is_older}) and {newer} ({is_newer}): {_names(unasked)} not asked"


def _refusals(strip: Strip) -> Iterator[str]:
    """Which releases could not be asked, those with one reason together."""
    reasons: dict[str, list[str]] = {}
    for one in strip.tried:
        if one.state is State.CANNOT:
            reasons.setdefault(_plain(one), []).append(one.release)
    yield from (f"cannot be asked: {_names(releases)}: {why}" for why, releases in reasons.items())


def _plain(one: Tried) -> str:
    """A reason without the release's own number, so that the same reason of two releases is one."""
    why = one.why.replace(one.release, "this release")
    return why if len(why) <= _LONGEST else f"{why[:_LONGEST]} ..."


def _names(releases: Sequence[str] | Iterable[str]) -> str:
    """A few releases by name, of many the ends and how many they are."""
    names = list(releases)
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{len(names)} between {names[0]} and {names[-1]}"
