"""What ``fuzz selfcheck`` found, from the lines of its JSON: scores, lines for a terminal, tables for a page.

A row is a line of type ``search`` (docs/json.md). Rows of one fault with different ``generator`` stand side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]


def group_of(row: Row) -> str:
    """Faults of the checker are scored apart: each is looked for together with one of an allocator."""
    return {"mutant": "mutants", "check": "checker", "baseline": "baseline"}.get(row["area"], "faults")


def score(rows: Iterable[Row]) -> Row:
    """Of one generator: found and all by group and by area; how many each judge was the first to find; and for each
    target how many it was the first to find, its cases and CPU seconds, and what it found per CPU minute."""
    groups: dict[str, Counter[str]] = {}
    areas: dict[str, Counter[str]] = {}
    firsts: Counter[str] = Counter()
    judges: Counter[str] = Counter()
    cases: Counter[str] = Counter()
    cpu: Counter[str] = Counter()
    total = 0.0
    for row in rows:
        if not row["per_target"] and not row["error"]:
            continue  # nothing that this generator makes can be run on the faulty part
        total += row["cpu"]
        for table, key in ((groups, group_of(row)), (areas, row["area"])):
            count = table.setdefault(key, Counter(found=0, all=0))
            count["all"] += 1
            count["found"] += row["found"] is not None
        for name, spent in row["per_target"].items():
            cases[name] += spent["cases"]
            cpu[name] += spent["cpu"]
        if row["found"]:
            firsts[row["found"]["target"]] += 1
            judges[row["found"]["judge"]] += 1
    targets = {
        name: {"first": firsts[name], "cases": cases[name], "cpu": round(seconds, 1),
               "per_minute": round(60 * firsts[name] / seconds, 2) if seconds else 0.0}
        for name, seconds in sorted(cpu.items(), key=lambda item: (-firsts[item[0]], item[0]))
    }  # fmt: skip
    return {"groups": {name: dict(count) for name, count in groups.items()},
            "areas": {name: dict(count) for name, count in areas.items()},
            "judges": dict(judges.most_common()), "targets": targets, "cpu": round(total, 1)}  # fmt: skip


def heading() -> str:
    """Above the lines of ``line``."""
    words = _columns("found", "area", "fault", "generator", "target", "judge", "cases", "CPU s", "bytes")
    return words.rstrip()


def line(row: Row) -> str:
    """One search in a terminal."""
    found = row["found"]
    word = "error" if row["error"] else "yes" if found else "no"
    target, judge = (found["target"], found["judge"]) if found else ("", "")
    more = f"  {row['what']}" if row["area"] == "mutant" and not found else ""
    more += f"  {row['error'].strip().splitlines()[-1][:120]}" if row["error"] else ""
    fields = (word, row["area"], row["name"] or "(none)", row["generator"], target, judge, str(row["cases"]))
    return (_columns(*fields, f"{row['cpu']:.1f}", _size(found)) + more).rstrip()


def _columns(*words: str) -> str:
    found, area, name, generator, target, judge, cases, cpu, size = words
    return f"{found:6} {area:10} {name:40} {generator:15} {target:15} {judge:9} {cases:>6} {cpu:>7}  {size:14}"


def _size(found: Row | None, arrow: str = ">") -> str:
    if not found:
        return ""
    smaller = found["minimized"]
    return f"{found['bytes']} {arrow} {smaller}" if smaller is not None else str(found["bytes"])


def closing(generator: str, summary: Row) -> list[str]:
    """A score in a terminal."""
    groups = ", ".join(f"{name} {count['found']} of {count['all']}" for name, count in summary["groups"].items())
    lines = ["", f"{generator}: {groups} found in {summary['cpu']} CPU seconds"]
    lines.append("areas: " + ", ".join(f"{k} {c['found']}/{c['all']}" for k, c in summary["areas"].items()))
    lines.append("judges: " + ", ".join(f"{k} {n}" for k, n in summary["judges"].items()))
    for name, one in summary["targets"].items():
        lines.append(f"  {name:16} first {one['first']:3}  cases {one['cases']:6}  CPU s {one['cpu']:8}"
                     f"  per CPU minute {one['per_minute']}")  # fmt: skip
    return lines


# For a page.


def page(rows: Sequence[Row]) -> str:
    """Tables in Markdown: the scores of all generators, those of the targets, and every fault."""
    generators = list(dict.fromkeys(row["generator"] for row in rows))
    scores = {name: score(row for row in rows if row["generator"] == name) for name in generators}
    parts = [_scores(scores)]
    parts += [_targets(scores[name]) for name in generators if len(scores[name]["targets"]) > 1]
    for title in ("faults", "checker", "mutants"):
        mine = [row for row in rows if group_of(row) == title]
        if mine:
            parts.append(f"### {title.capitalize()}\n\n{_searches(mine, generators)}")
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _scores(scores: dict[str, Row]) -> str:
    kinds = [(kind, name) for kind in ("groups", "areas") for name in
             dict.fromkeys(name for one in scores.values() for name in one[kind])]  # fmt: skip
    kinds = [(kind, name) for kind, name in kinds if kind == "groups" or name not in ("mutant", "check", "baseline")]
    body = []
    for kind, name in kinds:
        cells = [name if kind == "groups" else f"of these, {name}"]
        for one in scores.values():
            count = one[kind].get(name)
            cells.append(f"{count['found']} of {count['all']}" if count else "")
        body.append(cells)
    body.append(["CPU seconds", *(str(one["cpu"]) for one in scores.values())])
    return _table(["found", *scores], body)


def _targets(summary: Row) -> str:
    body = [
        (name, str(one["first"]), str(one["cases"]), str(one["cpu"]), str(one["per_minute"]))
        for name, one in summary["targets"].items()
    ]
    return _table(("target", "first to find", "cases", "CPU seconds", "found per CPU minute"), body)


def _searches(rows: Sequence[Row], generators: Sequence[str]) -> str:
    """A row for each fault: all about the first generator's search, and for the others the CPU seconds to find it."""
    mine = [name for name in generators if any(row["generator"] == name for row in rows)]
    first, *others = mine
    by_name: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_name.setdefault(row["name"], {})[row["generator"]] = row
    body = []
    for name, columns in by_name.items():
        about = next(iter(columns.values()))
        title = f"{about['what']}" if about["area"] == "mutant" else f"`{name}`"
        cells = [title.replace("|", "\\|"), about["area"]]
        row = columns.get(first, {})
        found = row.get("found")
        if found:
            cells += [found["target"], found["judge"], str(row["cases"]), f"{row['cpu']:.1f}", _size(found, "→")]
        else:
            cells += ["**missed**", "", str(row["cases"]), f"{row['cpu']:.1f}", ""] if row else [""] * 5
        cells += [_short(columns.get(other)) for other in others]
        body.append(cells)
    head = ["fault", "area", "target", "judge", "cases", "CPU s", "bytes", *others]
    return _table(head, body)


def _short(row: Row | None) -> str:
    return "" if row is None else f"{row['cpu']:.1f} s" if row["found"] else "–"
