"""The final summary and progress in words, for terminals and plain logs alike."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fuzz.records.stats import Stats
from fuzz.records.summary import Summary


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


_QUIET: Final = 8.0
"""Seconds without a report of cases after which the progress says so: a slow case is run several times to be sure."""


def progress_line(summary: Summary) -> str:
    """One line: how far, how fast, what was found."""
    stats = summary.stats
    fresh = stats.cases
    rate = fresh / summary.wall_seconds if summary.wall_seconds > 1 and not summary.resumed else 0.0
    speed = f", {rate:.1f} cases/s" if rate else ""
    quiet = summary.wall_seconds - summary.quiet_since
    waiting = f", waiting {quiet:.0f} s for slow ones" if quiet >= _QUIET else ""
    return (
        f"{summary.wall_seconds:6.0f} s  {stats.cases} cases{speed}{waiting}, "
        f"{percent(stats.wide_passed_site, stats.wide_cases)} of wide ones past their site, "
        f"{len(summary.bundles)} findings stored"
    )


def summary_lines(summary: Summary) -> Iterator[str]:
    """The final summary: what was run, what was found, what was wasted."""
    stats = summary.stats
    state = "Interrupted" if summary.interrupted else "Done"
    yield f"{state}: {stats.cases} cases of {', '.join(summary.targets)} with seed {summary.seed} " + (
        f"in {summary.wall_seconds:.1f} s"
        + (f" ({summary.resumed} of them done by earlier runs in this folder)" if summary.resumed else "")
    )
    for engine, release in summary.engines.items():
        cpu = stats.engine_cpu.get(engine, 0.0)
        cases = stats.engine_cases.get(engine, 0)
        each = f", {1000 * cpu / cases:.1f} ms a case" if cases else ""
        silent = stats.engine_silent.get(engine, 0)
        each += f", no vote in {silent}" if silent else ""
        yield f"  {engine} ({release}): {cases} cases, {cpu:.1f} s CPU{each}"
    yield f"  harness: {stats.harness_cpu:.1f} s CPU, {stats.generator_cpu:.1f} of them making cases"
    yield from (f"  {note}" for note in summary.notes)
    yield from _yield(summary)
    yield from _findings(summary)
    yield from _trouble(summary)


def _yield(summary: Summary) -> Iterator[str]:
    stats = summary.stats
    if not stats.cases:
        return
    yield (
        f"Yield: {percent(stats.wide_cases, stats.cases)} wide (more than 20 values), "
        f"{percent(stats.many_operands, stats.cases)} with 240 or more operands at a call site; "
        f"{percent(stats.wide_passed_site, stats.wide_cases)} of the wide ones executed past their wide site"
    )
    yield from _targets(stats)
    endings = ", ".join(f"{count} {ending}" for ending, count in stats.outcomes.most_common())
    yield f"  invocations by the reference: {endings or 'none'}"
    poisons = ", ".join(f"{count} {reason}" for reason, count in stats.poisons.most_common())
    yield f"  votes that did not count: {poisons or 'none'}; NaN bits observed in {stats.nan_cases} cases"
    if stats.discarded:
        yield "  discarded: " + ", ".join(f"{count} {reason}" for reason, count in stats.discarded.most_common())


def _targets(stats: Stats) -> Iterator[str]:
    for target, found in sorted(stats.yields.items()):
        wide = f"{percent(found.wide, found.cases)} wide"
        if found.wide:
            wide += f" ({percent(found.passed_wide, found.wide)} of them executed past it)"
        ends = [
            f"{100 * share:.1f}% {word}"
            for word, share in (
                ("returned", found.share("returned")),
                ("trapped or threw", found.share("trapped", "threw")),
                ("exhausted", found.share("exhausted", "timed out", "outofmemory")),
            )
        ]
        line = f"  {target}: {found.cases} cases, {wide}; invocations {', '.join(ends)}"
        if found.sampled:
            standing = len(found.generated)
            executed = f"{len(found.executed)} of the {standing} instructions in them"
            line += f"; {found.sampled} sampled cases executed {executed}, of {len(found.executed_features)} features"
        yield line


def _findings(summary: Summary) -> Iterator[str]:
    if not summary.bundles:
        what = "No disagreement"
        if summary.idle:
            what = "Nothing was compared: no engine has a vote on any of these cases"
        elif not summary.stats.cases:
            what = "No case was run"
        yield f"{what}. Records are in {summary.out}"
        return
    new = summary.new
    yield f"Findings: {len(new)} new, {len(summary.bundles) - len(new)} known (stored; all counts below)"
    for row in sorted(summary.bundles, key=lambda row: (bool(row.known), row.signature.key)):
        marks = (f" known: {row.known}" if row.known else "") + ("" if row.stable else " UNSTABLE")
        yield f"  {row.signature} [{row.count} times]{marks}"
        yield f"    {row.path} ({row.size} bytes)"


def _trouble(summary: Summary) -> Iterator[str]:
    for engine, reason in summary.broken.items():
        yield f"Unusable engine {engine}: {reason}"
    for error in summary.errors[:10]:
        yield f"Harness failure: {error}"
    if summary.errors:
        yield f"  details are in {summary.out / 'harness-errors.log'}; please attach that file to a report"
    for line in summary.unreadable:
        yield f"Unreadable bundle: {line}"
    for entry in summary.expired_known:
        yield f"Known issue {entry} has expired: renew or remove its entry"
    for entry in summary.unmatched_known:
        yield f"Known issue {entry} was not seen in this run: remove its entry if it is fixed"
