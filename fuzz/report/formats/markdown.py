"""Markdown, as for a CI job's summary page."""

from __future__ import annotations

from fuzz.records.summary import Summary
from fuzz.report.words import percent


def render(summary: Summary) -> str:
    """The whole report as text."""
    stats = summary.stats
    lines = [f"# {stats.cases} cases of {', '.join(summary.targets)}, seed {summary.seed}", ""]
    lines += [f"{len(summary.new)} new findings, {len(summary.bundles) - len(summary.new)} known.", ""]
    if summary.bundles:
        lines += ["| finding | times | bytes | known | bundle |", "|---|---|---|---|---|"]
        for row in summary.bundles:
            name = _cell(str(row.signature)) + ("" if row.stable else " (unstable)")
            lines.append(f"| {name} | {row.count} | {row.size} | {_cell(row.known)} | {_cell(row.path.name)} |")
        lines.append("")
    lines += [*(f"Unreadable bundle: {line}" for line in summary.unreadable), ""] if summary.unreadable else []
    lines += ["| engine | cases | CPU s |", "|---|---|---|"]
    for engine, cases in sorted(stats.engine_cases.items()):
        lines.append(f"| {_cell(engine)} | {cases} | {stats.engine_cpu.get(engine, 0.0):.1f} |")
    lines += ["", *summary.notes] if summary.notes else []
    lines += ["", "| yield | cases | share |", "|---|---|---|"]
    for word, number, whole in (
        ("wide: more than 20 values at a call site", stats.wide_cases, stats.cases),
        ("240 operands or more at a call site", stats.many_operands, stats.cases),
        ("executed past a wide site, of the wide ones", stats.wide_passed_site, stats.wide_cases),
        ("compared with some engine's vote", stats.compared, stats.cases),
        ("NaN bits observed", stats.nan_cases, stats.cases),
    ):
        lines.append(f"| {word} | {number} | {percent(number, whole)} |")
    for title, counts in (
        ("how invocations ended (reference)", stats.outcomes),
        ("votes that did not count", stats.poisons),
        ("discarded", stats.discarded),
        ("shape of call sites", stats.shapes),
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
