"""What a folder has to tell in the morning: its causes with what the last night says of them.

new         first seen in the last night
again       seen in the last night, and before; or its smallest case, run again then, still showed it
gone        not seen in the last night, though it could have been: its smallest case was run again by a setting that
            shows it, which did what the reference does; or such a setting ran, on a release at least as new as the
            oldest one that showed it, with a vote that counted on a case of a target that it was seen with
not seen    not seen in the last night, which could not have seen it
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from fuzz.archive.archive import Reader
from fuzz.archive.bundles import FINDINGS
from fuzz.archive.examples import example
from fuzz.archive.recorded import summarized
from fuzz.archive.sighted import Sighted, sighted
from fuzz.records.history import Cause, Ending, EngineNight, Retest, StoredFinding
from fuzz.records.morning import CauseNews, Group, Morning, News, NightNews
from fuzz.records.stats import Stats
from fuzz.records.strip import State
from fuzz.triage.causes import setting_of
from oracles.engine import EngineId, UsageError
from oracles.versions import version_key

_GROUPS: Final = tuple(Group)


def morning(folder: Path) -> Morning:
    """All that a folder has to tell. Raises ``ArchiveError``."""
    with Reader(folder) as reader, reader.database.moment():
        nights = tuple(
            NightNews(night, tuple(reader.engines(night.id)), tuple(error.line for error in reader.errors(night.id)))
            for night in reader.nights()
        )
        last = nights[-1].night.id if nights else 0
        stats = reader.stats_of_night(last) if nights else Stats()
        seen = sighted(reader)
        causes = _causes(reader, nights, stats, seen)
        tried = [one for one in reader.minimizations() if one.night == last and one.ending is not Ending.FIXPOINT]
        return Morning(
            summarized(reader, seen), _place(folder), nights, causes, stats, len(reader.pending()), tuple(tried)
        )


def _place(folder: Path) -> str:
    """The folder relative to where we are, if it lies below; with slashes on every system."""
    try:
        return folder.resolve().relative_to(Path.cwd()).as_posix()
    except (OSError, ValueError):
        return Path(os.path.normpath(folder)).as_posix()


def _causes(
    reader: Reader, nights: tuple[NightNews, ...], stats: Stats, seen: Mapping[int, Sighted]
) -> tuple[CauseNews, ...]:
    found: dict[int, list[StoredFinding]] = {}
    loose: dict[str, list[StoredFinding]] = {}
    for row in reader.findings():
        if row.cause is None:
            loose.setdefault(row.signature.bucket.key, []).append(row)
        else:
            found.setdefault(reader.causes.root(row.cause), []).append(row)
    retests = reader.retests(nights[-1].night.id) if nights else {}
    told = []
    for cause in reader.causes.all():
        about = found.get(cause.id, []), seen.get(cause.id, Sighted())
        told.append(_told(reader, cause, *about, nights, stats, retests.get(cause.id, [])))
    of_buckets = reader.nights_of_buckets() if loose else {}
    told += [_loose(reader, rows, of_buckets.get(key, {}), nights, stats) for key, rows in loose.items()]
    return tuple(sorted(told, key=lambda news: (_GROUPS.index(news.group), not news.cause.id, news.cause.id)))


def _loose(
    reader: Reader, rows: list[StoredFinding], seen: dict[int, int], nights: tuple[NightNews, ...], stats: Stats
) -> CauseNews:
    """Findings of one bucket that nobody could give a cause, as in a run that minimizes nothing."""
    bucket = rows[0].signature.bucket
    engines = {seen.engine: seen.release for seen in reader.seen_on(bucket=bucket.key)}
    cause = Cause(
        0, str(bucket), bucket.kind, bucket.phase, bucket.family, faces=(bucket.key,),
        shown_by=tuple(sorted(filter(None, map(_setting, engines)))),
        wrong_in=tuple(sorted({f"{_name(engine)}@{release}" for engine, release in engines.items()})),
    )  # fmt: skip
    first, last = reader.first_seen(bucket=bucket.key), reader.last_seen(bucket=bucket.key)
    whole = Sighted(
        reader.times_seen(bucket=bucket.key), seen, tuple(sorted({row.target for row in rows})),
        tuple(reader.seen_on(bucket=bucket.key)), first.time if first else 0.0, last.time if last else 0.0,
    )  # fmt: skip
    return _told(reader, cause, rows, whole, nights, stats)


def _told(
    reader: Reader,
    cause: Cause,
    rows: list[StoredFinding],
    seen: Sighted,
    nights: tuple[NightNews, ...],
    stats: Stats,
    retests: Sequence[Retest] = (),
) -> CauseNews:
    of_night = {*seen.nights, *(row.night for row in rows), cause.night}
    on_record = {night: seen.nights.get(night, 0) for night in of_night if night}
    times = max(seen.cases, len(rows))
    state, why = _state(cause, tuple(sorted(on_record)), seen.targets, nights, stats, retests)
    if state is News.GONE and (earlier := sum(one.night.cases for one in nights[:-1])):
        why += f"; before, it showed on {times} of {earlier} cases"
    rows = sorted(rows, key=lambda row: (not row.stable, row.size, row.bundle))
    known = cause.known or next((row.known for row in rows if row.known), "")
    cause = replace(cause, known=known)
    best = rows[0] if rows else None
    return CauseNews(
        cause=cause,
        state=state,
        why=why,
        nights=tuple(sorted(on_record.items())),
        times=times,
        first=seen.first or min((row.time for row in rows), default=0.0),
        last=seen.last or max((row.time for row in rows), default=0.0),
        targets=seen.targets or tuple(sorted({row.target for row in rows})),
        seen_on=seen.seen_on,
        bundles=tuple(row.bundle for row in rows),
        example=example(reader.folder / FINDINGS / best.bundle, best.signature, cause) if best else None,
    )


def _state(
    cause: Cause, seen: tuple[int, ...], targets: tuple[str, ...], nights: tuple[NightNews, ...], stats: Stats,
    retests: Sequence[Retest],
) -> tuple[News, str]:  # fmt: skip
    if not nights:
        return News.AGAIN, "no night is recorded"
    last = nights[-1].night.id
    if last in seen:
        first = seen[0] == last
        return (
            (News.NEW, "first seen in the last night") if first else (News.AGAIN, "seen in the last night and before")
        )
    if retests and (told := _retested(cause, retests)) is not None:
        return told
    could, why = _could_see(cause, targets, nights[-1].engines, stats)
    return (News.GONE if could else News.UNSEEN), why


def _retested(cause: Cause, retests: Sequence[Retest]) -> tuple[News, str] | None:
    """What the smallest case says that was run again in the last night; None if nobody who shows it could answer."""
    showing = [one for one in retests if one.shows]
    if showing:
        who = ", ".join(f"{one.engine} ({one.release})" for one in showing)
        return News.AGAIN, f"its smallest case was run again in the last night: {who} still shows it"
    settings = set(cause.shown_by)
    good = [
        one
        for one in retests
        if one.state is State.GOOD
        and _setting(one.engine) in settings
        and _as_new(one.engine, one.release, cause.wrong_in)
    ]
    if not good:
        return None
    who = ", ".join(f"{one.engine} ({one.release})" for one in good)
    return News.GONE, f"its smallest case was run again in the last night: {who} did what the reference does"


def _could_see(
    cause: Cause, targets: tuple[str, ...], engines: Iterable[EngineNight], stats: Stats
) -> tuple[bool, str]:
    """Whether the last night could have shown a cause, and what that rests on."""
    if targets and not any(stats.targets.get(target) for target in targets):
        return False, f"the last night ran no case of {', '.join(targets)}"
    settings = set(cause.shown_by)
    ran = [part for part in engines if part.release and not part.trouble and _setting(part.engine) in settings]
    if not ran:
        return False, f"the last night did not run {', '.join(sorted(settings)) or 'an engine that shows it'}"
    able = [part for part in ran if _as_new(part.engine, part.release, cause.wrong_in)]
    if not able:
        older = ", ".join(f"{part.engine} {part.release}" for part in ran)
        return False, f"the last night ran only older releases than those that showed it: {older}"
    for part in able:
        votes = stats.engine_cases.get(part.engine, 0) - stats.engine_silent.get(part.engine, 0)
        if votes > 0:
            return (
                True,
                f"{part.engine} ({part.release}) answered on {votes} cases of the last night and did not show it",
            )
    return False, f"{able[0].engine} had no vote that counted on any case of the last night"


def _as_new(engine: str, release: str, wrong_in: Iterable[str]) -> bool:
    """Whether a release is at least as new as the oldest one of its engine that showed the cause."""
    name = _name(engine)
    pairs = (release.partition("@") for release in wrong_in)
    shown = [version for other, _, version in pairs if other == name]
    return not shown or version_key(release) >= min(map(version_key, shown))


def _setting(engine: str) -> str:
    try:
        return setting_of(engine)
    except UsageError:
        return ""


def _name(engine: str) -> str:
    try:
        return EngineId.read(engine).name
    except UsageError:
        return engine
