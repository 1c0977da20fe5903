"""``fuzz selfcheck``."""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

from fuzz.campaign.searches import run_searches
from fuzz.campaign.selfcheck import Result, Search, capabilities
from fuzz.faults.injection.catalogue import all_faults
from fuzz.faults.injection.fault import Area
from fuzz.faults.injection.mutants import sample
from generators.registry import GENERATOR_VERSION, load_target, target_names
from oracles.engine import UsageError
from wasm.case import CaseKind


def selfcheck(args: argparse.Namespace) -> int:
    """Look for every chosen fault; 0 if each was found, 1 if one was missed, 3 if a search failed."""
    if args.list:
        _list()
        return 0
    names = _names(args)
    how = Search(_targets(args.target), args.seed, args.seconds, offline=args.offline)
    if args.json:
        _say({"type": "selfcheck", "version": 1, "generators": GENERATOR_VERSION, "targets": list(how.targets),
              "seed": how.seed, "seconds": how.seconds, "searches": len(names)})  # fmt: skip
    else:
        print(_row("found", "area", "fault", "target", "judge", "cases", "CPU s"))
    results = []
    for result in run_searches(names, how, capabilities(how), args.jobs or len(os.sched_getaffinity(0))):
        results.append(result)
        if args.json:
            _say({"type": "search", **result.to_json()})
        else:
            print(_line(result), flush=True)
    summary = score(results)
    if args.json:
        _say({"type": "score", **summary})
    else:
        print("\n".join(_closing(summary, results)))
    failed = [result for result in results if result.error]
    return 3 if failed else 0 if all(result.found for result in results if result.name) else 1


def _names(args: argparse.Namespace) -> list[str]:
    """What to look for: the named faults, or all; then the mutants. Raises ``UsageError``."""
    known = all_faults()
    chosen: list[str] = list(dict.fromkeys(args.fault or ()))
    for name in chosen:
        if name not in known:
            raise UsageError(f"no fault {name!r}: fuzz selfcheck --list names them")
    mutants = [mutant.name for mutant in sample(args.mutants, args.mutant_seed)]
    if args.baseline:
        return [""]
    return chosen + mutants if chosen or mutants else list(known)


def _targets(text: str | None) -> tuple[str, ...]:
    """The named targets, or all that make modules to run or machine functions. Raises ``UsageError``."""
    kinds = (CaseKind.WASM, CaseKind.MACHINE)
    if text is None:
        return tuple(name for name in target_names() if load_target(name).kind in kinds)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in target_names():
            raise UsageError(f"no target {name!r}: there are {', '.join(target_names())}")
    if not names:
        raise UsageError(f"--target names nothing: there are {', '.join(target_names())}")
    return names


def _list() -> None:
    for fault in all_faults().values():
        pair = f" (with {fault.partner})" if fault.partner else ""
        print(f"{fault.name:32} {fault.area.value:10} {fault.what}{pair}\n{'':44}after {fault.reference}")


# What is printed.


def score(results: Iterable[Result]) -> dict[str, Any]:
    """Found and all: of the named faults but the checker's, of the checker's, of the mutants; by area; and how many
    each target and each judge was the first to find."""
    groups: dict[str, Counter[str]] = {}
    areas: dict[str, Counter[str]] = {}
    targets: Counter[str] = Counter()
    judges: Counter[str] = Counter()
    cpu = 0.0
    for result in results:
        cpu += result.cpu
        group = "mutants" if result.area == "mutant" else "checker" if result.area == Area.CHECK.value else "faults"
        for table, key in ((groups, group), (areas, result.area)):
            count = table.setdefault(key, Counter(found=0, all=0))
            count["all"] += 1
            count["found"] += result.found is not None
        if result.found is not None:
            targets[result.found.target] += 1
            judges[result.found.judge] += 1
    counts = {name: {key: dict(count) for key, count in table.items()} for name, table in
              (("groups", groups), ("areas", areas))}  # fmt: skip
    return {**counts, "targets": dict(targets.most_common()), "judges": dict(judges.most_common()),
            "cpu": round(cpu, 1)}  # fmt: skip


def _row(*words: str) -> str:
    found, area, name, target, judge, cases, cpu = words
    return f"{found:6} {area:10} {name:40} {target:9} {judge:9} {cases:>6} {cpu:>7}"


def _line(result: Result) -> str:
    found = result.found
    word = "error" if result.error else "yes" if found else "no"
    target, judge = (found.target, found.judge) if found else ("", "")
    name = result.name or "(none)"
    more = f"  {result.what}" if result.area == "mutant" and not found else ""
    more += f"  {result.error.strip().splitlines()[-1][:120]}" if result.error else ""
    return _row(word, result.area, name, target, judge, str(result.cases), f"{result.cpu:.1f}") + more


def _closing(summary: dict[str, Any], results: list[Result]) -> list[str]:
    lines = ["", *(f"{name}: {count['found']} of {count['all']} found" for name, count in summary["groups"].items())]
    lines.append("areas: " + ", ".join(f"{k} {c['found']}/{c['all']}" for k, c in summary["areas"].items()))
    lines += [
        f"first found by {title}: " + ", ".join(f"{k} {n}" for k, n in summary[title].items())
        for title in ("targets", "judges")
    ]
    lines.append(f"CPU seconds: {summary['cpu']}")
    noise = sum(result.noise for result in results)
    if noise:
        lines.append(f"{noise} cases disagree without any fault: run them with fuzz run")
    return lines


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)
