"""What a folder's runs spent without getting anything for it, or could not use: lines with numbers."""

from __future__ import annotations

from collections.abc import Iterator

from fuzz.records.morning import Morning
from fuzz.report.words import percent


def wasted(morning: Morning) -> list[tuple[str, str]]:
    """What, and how much; only what there was."""
    return list(_wasted(morning))


def _wasted(morning: Morning) -> Iterator[tuple[str, str]]:
    stats = morning.summary.stats
    if stats.cases > stats.compared:
        lost = stats.cases - stats.compared
        yield (
            "cases on which no engine had a vote that counted",
            f"{lost:,} of {stats.cases:,} ({percent(lost, stats.cases)})",
        )
    for engine, silent in sorted(stats.engine_silent.items()):
        if silent:
            ran = stats.engine_cases.get(engine, 0)
            yield f"cases on which {engine} had no vote", f"{silent:,} of {ran:,} ({percent(silent, ran)})"
    for reason, number in stats.poisons.most_common(12):
        yield f"outcomes not compared: {reason}", f"{number:,}"
    for reason, number in stats.discarded.most_common(12):
        yield f"cases discarded: {reason}", f"{number:,}"
    returned = stats.outcomes.get("returned", 0)
    ended = sum(stats.outcomes.values())
    if ended > returned:
        yield (
            "invocations that did not return",
            f"{ended - returned:,} of {ended:,} ({percent(ended - returned, ended)})",
        )
    if stats.unstable:
        yield "findings that did not repeat every time", f"{stats.unstable:,}"
    if morning.waiting:
        yield "disagreements set aside that nobody has asked again yet", f"{morning.waiting:,}"
    for tried in morning.unfinished[:12]:
        yield (f"minimizing {tried.bundle} did not come to its end ({tried.ending.value})",
               f"{tried.before:,} to {tried.after:,} bytes in {tried.seconds:.0f} s")  # fmt: skip
    spent = stats.harness_cpu + sum(stats.engine_cpu.values())
    if spent:
        own = f"{stats.harness_cpu:.1f} of {spent:.1f} s ({percent(int(1000 * stats.harness_cpu), int(1000 * spent))})"
        yield "CPU seconds of the fuzzer itself (making, comparing, reducing)", own
