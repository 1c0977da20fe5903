"""Markdown, as for a CI job's summary page."""

from __future__ import annotations

from fuzz.records.markdown_text import markdown
from fuzz.records.summary import Summary
from fuzz.report.words import percent


def render(summary: Summary) -> str:
    """The whole report as text."""
    stats = summary.stats
    targets = markdown(", ".join(summary.targets)) or "no target"
    where = f"seed {summary.seed}" if len(summary.series) < 2 else f"{len(summary.series)} series"
    lines = [f"# {stats.cases} cases of {targets}, {where}", "", *_series(summary)]
    groups = summary.by_cause()
    new = sum(group[0].fresh and not group[0].known for group in groups)
    known = sum(bool(group[0].known) for group in groups)
    if not groups:
        lines += [f"No finding in the {stats.compared} cases that were compared.", ""]
    else:
        lines += [f"{new} new causes, {len(groups) - new - known} seen by earlier runs, {known} known issues.", ""]
        lines += ["| cause | cases | bytes | state | bundles |", "|---|---|---|---|---|"]
        for group in groups:
            first = group[0]
            name = markdown(first.title) + ("" if first.stable else " (unstable)")
            state = f"known: {first.known}" if first.known else "new" if first.fresh else "seen before"
            bundles = "<br>".join(markdown(stored.path.name) for stored in group)
            lines.append(f"| {name} | {first.count} | {first.size} | {markdown(state)} | {bundles} |")
        lines.append("")
    lines += (
        [*(f"Unreadable bundle: {markdown(line)}" for line in summary.unreadable), ""] if summary.unreadable else []
    )
    lines += ["| engine | cases | CPU s |", "|---|---|---|"]
    for engine, cases in sorted(stats.engine_cases.items()):
        lines.append(f"| {markdown(engine)} | {cases} | {stats.engine_cpu.get(engine, 0.0):.1f} |")
    lines += ["", *map(markdown, summary.notes)] if summary.notes else []
    lines += ["", "| cases that | number | share |", "|---|---|---|"]
    for word, number, whole in (
        ("have a wide call: more than 20 parameters or results", stats.wide_cases, stats.cases),
        ("have a call with 240 or more operands for the register allocator", stats.many_operands, stats.cases),
        ("used the last result of a wide call, of those that have one", stats.wide_passed_site, stats.wide_cases),
        ("were compared with some engine", stats.compared, stats.cases),
        ("let a NaN's bits, which are free, decide something", stats.nan_cases, stats.cases),
    ):
        lines.append(f"| {word} | {number} | {percent(number, whole)} |")
    for title, counts in (
        ("how invocations ended in the interpreter", stats.outcomes),
        ("outcomes that were not compared", stats.poisons),
        ("discarded cases", stats.discarded),
        ("sizes of the largest call", stats.shapes),
        ("operands around the limits, by kind of call", stats.operands_by_kind),
    ):
        if counts:
            lines += ["", f"| {title} | number |", "|---|---|"]
            lines += [f"| {markdown(key)} | {number} |" for key, number in sorted(counts.items(), key=_order)]
    return "\n".join(lines) + "\n"


def _series(summary: Summary) -> list[str]:
    """A table of the series, where there are several."""
    if len(summary.series) < 2:
        return []
    lines = ["| series | seed | generators | cases |", "|---|---|---|---|"]
    for one in summary.series:
        cells = (", ".join(one.targets), str(one.seed), one.generators, str(one.cases))
        lines.append(f"| {' | '.join(map(markdown, cells))} |")
    return [*lines, ""]


def _order(item: tuple[str, int]) -> tuple[str, int, str]:
    """Histograms in order of size: the words before the first number, then that number."""
    words, _, tail = item[0].replace(":", " ").rpartition(" ")
    head = tail.split("..")[0]
    return (words, int(head) if head.isdigit() else 0, item[0])
