"""What ``fuzz explain`` says of faults whose place is known, and of findings in releases.

    python benchmarks/explaining.py faults [--count 20] [--seed 3] [--keep DIR] [--fault NAME ...]
    python benchmarks/explaining.py bundles DIR [DIR ...] [--count 20] [--seed 3] [--expect FILE]

``faults`` draws named faults of the compiler, looks for each (with the allocation checker off,
so that wrong allocations run), minimizes what is found for 20 s, and explains it with the faulty worker. One row each:
the function and instruction that are named, and whether they are among those that the fault is about (``EXPECTED``,
written by hand from the patched functions). ``bundles`` explains findings that are kept in folders of runs, or so many
drawn from them, with the engines that they name; ``--expect`` holds them against what is known of these releases
(``explaining_known.toml``, written by hand). The exit code is 1 if anything that is named is known to be wrong. CPU
seconds are those of all processes.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from fuzz.archive.bundles import read_bundle
from fuzz.explain.asking import subject_of
from fuzz.explain.explaining import Wish, explain
from fuzz.faults.injection.catalogue import all_faults
from fuzz.faults.injection.fault import Area
from fuzz.records.explanation import Explanation
from fuzz.selfcheck.search import LIMITS, WORKER
from fuzz.triage.signature import split
from fuzz.trial.bench import Bench
from fuzz.trial.children import children_cpu
from fuzz.trial.minimize import minimized
from fuzz.trial.retry import TRIES, finding
from generators.config import DEFAULT
from generators.registry import load_target, make_case, wasm_target_names
from oracles.engine import Capabilities, Engine, EngineId, Limits, open_engine
from oracles.engines.compiler import worker_of
from oracles.judge.verdict import Disagree
from oracles.remote.worker_engine import WorkerEngine
from wasm.case import Case

SETTINGS = ("compiler:checker=off", "compiler:regalloc=single_pass+opt=none+checker=off",
            "compiler:regs=6+order=random-1+checker=off")  # fmt: skip
AREAS = (Area.TRANSLATE, Area.SIMPLIFY, Area.LOWER, Area.ABI, Area.ALLOCATE, Area.EMIT)
ANY = r".*"
"""A wrong move may hit any value."""
CALLS = r"(return_)?call.*|the function's beginning|end|return|throw.*"
BRANCHES = r"(br|if|else|end|loop|block|select).*"
EXPECTED = {
    "index-sign-extended": r".*(load|store).*|f(32|64)\.convert_i32_u|i64\.extend_i32_u|(memory|table|array)\..*|"
    r".*_indirect",
    "multi-fixed-fixup-lost": CALLS,
    "fold-remainder-by-one": r"i(32|64)\.rem_[su]",
    "immediate-not-sign-extended": r"i64\..*",
    "load-forwarded-past-store": r".*load.*",
    "evicted-not-reloaded": ANY,
    "trunc-sat-negative-unsigned": r"i(32|64)\.trunc_sat_f(32|64)_u",
    "area-pointer-forgotten": CALLS,
    "late-use-ends-early": ANY,
    "trunc-lower-bound": r"i(32|64)\.trunc_f(32|64)_[su]",
    "flags-lost-before-branch": BRANCHES,
    "fold-and-with-constant": r"i(32|64)\.and",
    "trunc-sat-upper-bound": r"i(32|64)\.trunc_sat_f(32|64)_s",
    "float-order-of-nan": r"f(32|64)\.(lt|gt)",
    "i64x2-shr-s-of-constant": r"i64x2\.shr_s",
    "edge-moves-first-only": r"(br|if).*",
    "rem-of-least-by-minus-one": r"i(32|64)\.rem_s",
    "tail-call-area-lost": CALLS,
    "clobbers-ignored-single-pass": r"call.*",
    "bounds-off-by-one": r".*(load|store|atomic).*",
    "table-bounds-off-by-one": r"table\.(get|set).*|call_indirect.*|return_call_indirect.*",
    "indirect-type-unchecked": r".*call_indirect.*",
    "i64x2-mul-cross": r"i64x2\.mul",
    "fold-branch-table-default": r"br_table.*",
    "reuse-index-5-bits": ANY,
    "extend-8-as-16": r".*(extend8_s|load8_s|extend_i32_s|extend16_s).*",
    "v128-spilled-as-f64": ANY,
    "results-swapped-at-8-9": CALLS,
    "extract-lane-high-float": r"f64x2\.extract_lane 1",
    "branch-arity-of-loop": BRANCHES,
    "min-of-nan": r"f\d\d(x\d)?\.(p?min|p?max)",
    "br-table-first-edge": r"br_table.*",
    "inverse-condition-wrong": BRANCHES + r"|i(32|64)\.[gl][et]_[su]|.*trunc.*",
    "division-trap-kind": r"i(32|64)\.(div|rem)_[su]",
    "swizzle-out-of-range": r"i8x16\.(relaxed_)?swizzle",
    "shuffle-blend-mirrored": r"i8x16\.shuffle.*",
}
"""Which instructions a fault is about, by hand."""


def opener(fault: str, known: Capabilities):
    """Opens the compiler with a fault, or without one, in any setting."""

    def opened(id: str, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
        parsed = EngineId.parse(id)
        command = (WORKER, fault) if fault else ("oracles.compiled.worker_main",)
        return WorkerEngine(parsed, worker_of(parsed, limits, command), limits, known)

    return opened


def cases(config: Any, targets: list[str], seed: int) -> Iterator[Case]:
    index = 0
    while True:
        for target in targets:
            yield make_case(target, seed, index, config)
        index += 1


def found_with(fault: str, known: Capabilities, seed: int, most: int, seconds: float):
    """A minimized finding of a fault; None if none of the first ``most`` cases shows it."""
    config = replace(DEFAULT, features=known.features)
    targets = [name for name in wasm_target_names() if load_target(name).needs <= known.features]
    bench, clean = (Bench(list(SETTINGS), LIMITS, True, opener(name, known)) for name in (fault, ""))
    try:
        for number, case in zip(range(most), cases(config, targets, seed), strict=False):
            only = [SETTINGS[number % len(SETTINGS)]]
            trial = bench.run(case, only)
            if not isinstance(trial.verdict, Disagree) or isinstance(clean.run(case, only).verdict, Disagree):
                continue
            one = Bench(only, LIMITS, True, opener(fault, known))
            try:
                signature = split(one.run(case).verdict)[0][0]
                kept, _ = minimized(one, finding(one, trial, signature, TRIES), seconds)
            finally:
                one.close()
            return kept, only[0]
        return None
    finally:
        bench.close()
        clean.close()


def faults(args: argparse.Namespace) -> None:
    with_default = open_engine("compiler", LIMITS)
    known = with_default.capabilities
    with_default.close()
    names = sorted(name for name, fault in all_faults().items() if fault.area in AREAS)
    names = args.fault or random.Random(args.seed).sample(names, args.count)
    for name in names:
        kept = Path(args.keep) / f"{name}.json" if args.keep else None
        if kept is not None and kept.exists():
            data = json.loads(kept.read_text())
            case, engine = Case.from_json(data["case"]), data["engine"]
        else:
            found = found_with(name, known, args.seed, args.cases, args.minimize)
            if found is None:
                print(f"{name}: not found", flush=True)
                continue
            case, engine = found[0].best, found[1]
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_text(json.dumps({"case": case.to_json(), "engine": engine}))
        report(name, case, engine, opener(name, known), {"instruction": EXPECTED.get(name)}, args.only)


def report(name: str, case: Case, engine: str, how: Any, known: dict[str, Any], only: str) -> None:
    bench = Bench([engine], LIMITS, False, how)
    trial = bench.run(case)
    subject = subject_of(trial, next(iter(bench.seats), engine))
    bench.close()
    if subject is None:
        print(f"{name}: it does not show any more", flush=True)
        return
    before = children_cpu()
    made = explain(subject, Wish(frozenset(only.split(","))), LIMITS, False, how)
    place = made.function.index if made.function else f"{made.item.kind} {made.item.index}" if made.item else None
    text = made.operation.text if made.operation else None
    told = {"function": None if place is None else str(place), "instruction": text}
    words = {what: judged(known.get(what), found) for what, found in told.items()}
    COUNTS.update([f"{what} {word}" for what, word in words.items()] + ["findings"])
    said = ", ".join(f"{what} {word}" for what, word in words.items())
    print(f"{name} on {engine}: {said}, {made.cpu_seconds:.1f} s", flush=True)
    for line in lines(made):
        print(f"    {line}", flush=True)
    assert children_cpu() >= before


COUNTS: Counter[str] = Counter()
"""How often which word was said."""


def judged(known: str | None, found: str | None) -> str:
    """Whether what is named matches the expression that is known; ``-`` where nothing is named, ``named`` where nothing
    is known."""
    if found is None:
        return "-"
    return "named" if known is None else "right" if re.fullmatch(known, found) else "WRONG"


def lines(made: Explanation) -> list[str]:
    told = [f"fingerprint: {made.fingerprint.words}"] if made.fingerprint else []
    if made.function:
        told.append(f"function {made.function.index} {made.function.name}: {made.function.how}")
    if made.item:
        told.append(f"{made.item.kind} {made.item.index}: {made.item.how}")
    if made.operation:
        one = made.operation
        told.append(f"{one.function}:{one.position} {one.text} {one.operands} expected {one.expected} got {one.actual} "
                    f"at {one.execution}: {one.how}")  # fmt: skip
    return [*told, *(f"stage: {line}" for line in made.stages), *(f"silent: {line}" for line in made.silent)]


def bundles(args: argparse.Namespace) -> None:
    known = tomllib.loads(Path(args.expect).read_text()) if args.expect else {}
    paths = sorted((path for folder in args.dir for path in Path(folder).glob("findings/*")), key=str)
    if args.count:
        paths = sorted(random.Random(args.seed).sample(paths, args.count))
    for path in paths:
        found = read_bundle(path)
        run = next((run for run in found.runs if run.engine == found.verdict.dissents[0].engine), None)
        if run is not None:
            report(path.name, found.best, run.engine, open_engine, known.get(run.engine, {}).get(path.name, {}),
                   args.only)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="fingerprint,split,operation")
    actions = parser.add_subparsers(dest="action", required=True)
    drawn = actions.add_parser("faults")
    drawn.add_argument("--count", type=int, default=20)
    drawn.add_argument("--seed", type=int, default=3)
    drawn.add_argument("--cases", type=int, default=2500)
    drawn.add_argument("--minimize", type=float, default=20.0)
    drawn.add_argument("--keep")
    drawn.add_argument("--fault", action="append")
    kept = actions.add_parser("bundles")
    kept.add_argument("dir", nargs="+")
    kept.add_argument("--count", type=int, help="draw so many (default: all)")
    kept.add_argument("--seed", type=int, default=3)
    kept.add_argument("--expect", help="TOML: what is known, by engine and bundle")
    args = parser.parse_args()
    faults(args) if args.action == "faults" else bundles(args)
    print(", ".join(f"{word}: {count}" for word, count in sorted(COUNTS.items())))
    sys.exit(any(word.endswith("WRONG") for word in COUNTS))


if __name__ == "__main__":
    main()
