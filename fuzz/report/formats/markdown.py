"""Markdown, as for a CI job's summary page."""

from __future__ import annotations

from fuzz.records.summary import Summary
from fuzz.report.words import percent


def render(summary: Summary) -> str:
    """The whole report as text."""
    stats = summary.stats
    lines = [f"# {stats.cases} cases of {', '.join(summary.targets)}, seed {summary.seed}", ""]
    lines += [f"{len(summary.new)} new findings, {len(summary.findings) - len(summary.new)} known.", ""]
    if summary.findings:
        lines += ["| finding | times | bytes | known | bundle |", "|---|---|---|---|---|"]
        for stored in summary.findings:
            name = _cell(str(stored.signature)) + ("" if stored.stable else " (unstable)")
            about = f"{stored.count} | {stored.size} | {_cell(stored.known)} | {_cell(stored.path.name)}"
            lines.append(f"| {name} | {about} |")
        lines.append("")
    lines += [*(f"Unreadable bundle: {line}" for line in summary.unreadable), ""] if summary.unreadable else []
    lines += ["| engine | cases | CPU s |", "|---|---|---|"]
    for engine, cases in sorted(stats.engine_cases.items()):
        lines.append(f"| {_cell(engine)} | {cases} | {stats.engine_cpu.get(engine, 0.0):.1f} |")
    lines += ["", *summary.notes] if summary.notes else []
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
            lines += [f"| {_cell(key)} | {number} |" for key, number in sorted(counts.items(), key=_order)]
    return "\n".join(lines) + "\n"


def _order(item: tuple[str, int]) -> tuple[str, int, str]:
    """Histograms in order of size: the words before the first number, then that number."""
    words, _, tail = item[0].replace(":", " ").rpartition(" ")
    head = tail.split("..")[0]
    return (words, int(head) if head.isdigit() else 0, item[0])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
