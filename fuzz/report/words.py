"""The final summary and progress in words, for terminals and plain logs alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from fuzz.records.summary import Summary
from fuzz.records.target_yield import TargetYield
from generators.config import DEFAULT
from generators.registry import load_target


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


_QUIET: Final = 8.0
"""Seconds without a report of cases after which the progress says so: a slow case is run several times to be sure."""


def progress_line(summary: Summary) -> str:
    """One line: how far, how fast, what was found."""
    stats = summary.stats
    rate = stats.all_cases / summary.wall_seconds if summary.wall_seconds > 1 and not summary.resumed else 0.0
    speed = f", {rate:.1f} cases/s" if rate else ""
    words = [f"{summary.wall_seconds:6.0f} s  {stats.all_cases} cases{speed}", *_under_way(summary)]
    words.append(f"{len(summary.findings)} findings")
    if summary.new_at is not None:
        words.append(f"the last new one {summary.wall_seconds - summary.new_at:.0f} s ago")
    return ", ".join(words)


def _under_way(summary: Summary) -> Iterator[str]:
    """What is being done beside running cases, and what is left of the budget."""
    now = summary.now
    quiet = summary.wall_seconds - summary.quiet_since
    if now.starting and not summary.stats.cases:
        yield "starting engines"
    elif now.running and quiet >= _QUIET:
        yield f"waiting {quiet:.0f} s for slow ones"
    if now.asking:
        yield "sorting what was set aside"
    if now.minimizing:
        more = f" ({now.queue} more wait)" if now.queue else ""
        yield f"minimizing {now.minimizing} finding{'s' if now.minimizing > 1 else ''}{more}"
    if now.seconds_left is not None:
        yield f"{now.seconds_left:.0f} s left" if now.seconds_left > 0 else "time is up for new cases"
    if now.cases_left is not None:
        yield f"{now.cases_left} cases left" if now.cases_left else "no cases left"


def summary_lines(summary: Summary) -> Iterator[str]:
    """The final summary: what was run, what was found, what was wasted."""
    stats = summary.stats
    state = "Interrupted" if summary.interrupted else "Done"
    mutants = f" and {stats.mutants} mutants" if stats.mutants else ""
    mutants += f" and {stats.spared} spared ones" if stats.spared else ""
    yield f"{state}: {stats.cases} cases{mutants} of {', '.join(summary.targets)} with seed {summary.seed} " + (
        f"in {summary.wall_seconds:.1f} s"
        + (f" ({summary.resumed} of them done by earlier runs in this folder)" if summary.resumed else "")
    )
    for engine, release in summary.engines.items():
        cpu = stats.engine_cpu.get(engine, 0.0)
        cases = stats.engine_cases.get(engine, 0)
        each = f", {1000 * cpu / cases:.1f} ms a case" if cases else ""
        silent = stats.engine_silent.get(engine, 0)
        each += f", {silent} not compared" if silent else ""
        yield f"  {engine} ({release}): {cases} cases, {cpu:.1f} s CPU{each}"
    yield f"  fuzz itself: {stats.harness_cpu:.1f} s CPU, {stats.generator_cpu:.1f} of them making cases"
    if stats.spared:
        yield f"  {stats.spared} more cases were not run by the interpreter: independent engines did the same on them"
    if stats.mutants:
        yield f"  {stats.mutants} neutral mutants of the cases were run beside them"
    yield from (f"  {note}" for note in (*summary.notes, *summary.narrowed))
    yield from _reached(summary)
    yield from _findings(summary)
    yield from _trouble(summary)


def _reached(summary: Summary) -> Iterator[str]:
    """What the cases were worth: the shapes they have and execute, how their calls ended, what was not compared."""
    stats = summary.stats
    if not stats.cases:
        return
    wide = (
        f"{percent(stats.wide_cases, stats.cases)} of the cases have a wide call (more than 20 parameters or results)"
    )
    if stats.wide_cases:
        wide += f"; {percent(stats.wide_passed_site, stats.wide_cases)} of these used its last result"
    yield f"Reached: {wide}"
    many = percent(stats.many_operands, stats.cases)
    yield f"  {many} have a call with 240 or more operands for the register allocator"
    for target, counts in sorted(stats.yields.items()):
        yield from _target(target, counts)
    yield f"  how invocations ended in the interpreter: {_numbers(stats.outcomes)}"
    yield f"  outcomes that were not compared: {_numbers(stats.poisons)}"
    if stats.nan_cases:
        yield f"  cases in which a NaN's bits, which are free, decided something: {stats.nan_cases}"
    if summary.allotted:
        yield f"  turns by now, by what targets gave: {allotment(summary.allotted)}"
    if stats.discarded:
        yield f"  discarded cases: {_numbers(stats.discarded)}"


def _numbers(counts: Counter[str]) -> str:
    """A histogram in a line, the largest first."""
    return ", ".join(f"{count} {word}" for word, count in counts.most_common()) or "none"


def allotment(parts: Mapping[str, float]) -> str:
    """The part of its turns that each target takes, those with the most first: ``all of simd; 41% of memory``."""
    by_part: dict[int, list[str]] = {}
    for name, part in sorted(parts.items()):
        by_part.setdefault(round(100 * part), []).append(name)
    told = [(part, ", ".join(names)) for part, names in sorted(by_part.items(), reverse=True)]
    return "; ".join(f"{'all' if part == 100 else f'{part}%'} of {names}" for part, names in told)


def _target(target: str, counts: TargetYield) -> Iterator[str]:
    endings = {
        "returned": counts.share("returned"),
        "trapped or threw": counts.share("trapped", "threw"),
        "exhausted": counts.share("exhausted", "timed out", "outofmemory"),
    }
    words = ", ".join(f"{100 * share:.1f}% {ending}" for ending, share in endings.items())
    wide = percent(counts.wide, counts.cases)
    yield f"  {target}: {counts.cases} cases, {wide} with a wide call; invocations: {words}"
    if counts.met:
        yield f"    {_met(target, counts)}"
    if counts.sampled:
        kinds = f"{len(counts.executed)} of {len(counts.generated)} kinds of instruction were executed"
        yield f"    in {counts.sampled} cases looked at closely {kinds}, of {len(counts.executed_features)} features"


def _met(target: str, counts: TargetYield) -> str:
    """What an enumerated target has gone through: ``pairs 62.0%, triples 61.8%``. A second round is no part of it."""
    loaded = load_target(target)
    total = loaded.meetings(DEFAULT) if loaded.meetings is not None else {}
    parts = (f"{kind} {min(100.0, 100 * counts.met[kind] / count):.1f}% of {count}" for kind, count in total.items())
    return f"gone through: {', '.join(parts)}{f'; {loaded.about}' if loaded.about else ''}"


_EXAMPLES: Final = 3
"""Bundles of a cause that are named; a person looks at one."""


def _findings(summary: Summary) -> Iterator[str]:
    if not summary.findings:
        what = "No disagreement"
        if summary.idle:
            what = "Nothing was compared: no engine could run any of these cases to an end that counts"
        elif not summary.stats.cases:
            what = "No case was run" + (" by the interpreter, and engines agreed" if summary.stats.spared else "")
        yield f"{what}. Records are in {summary.out}"
        return
    groups = summary.by_cause()
    known = sum(bool(group[0].known) for group in groups)
    new = sum(group[0].fresh and not group[0].known for group in groups)
    yield f"Causes: {new} new, {len(groups) - new - known} seen by earlier runs, {known} known issues"
    for group in groups:
        first = group[0]
        mark = f" known: {first.known}" if first.known else " NEW" if first.fresh else ""
        number = f"{first.cause}  " if first.cause else ""
        yield f"  {number}{first.title} [on {first.count} cases]{mark}{'' if first.stable else ' UNSTABLE'}"
        for stored in group[:_EXAMPLES]:
            yield f"    {stored.path} ({stored.size} bytes)"
        if len(group) > _EXAMPLES:
            more = f": fuzz causes {summary.out} show {first.cause}" if first.cause else ""
            yield f"    and {len(group) - _EXAMPLES} more{more}"
    yield from (f"  steered {line}" for line in summary.steered)


def _trouble(summary: Summary) -> Iterator[str]:
    for engine, reason in summary.broken.items():
        yield f"Unusable engine {engine}: {reason.removeprefix(f'{engine}: ')}"
    for error in summary.errors[:10]:
        yield f"Harness failure: {error}"
    if summary.errors:
        yield f"  details are in {summary.out / 'harness-errors.log'}; please attach that file to a report"
    for line in summary.unreadable:
        yield f"Unreadable bundle: {line}"
    for entry in summary.expired_known:
        yield f"Known issue {entry} has expired: renew or remove its entry"
    if summary.unmatched_known:
        yield "Known issues that were not seen in this run (remove the entry of what is fixed):"
    yield from (f"  {entry}" for entry in summary.unmatched_known)
