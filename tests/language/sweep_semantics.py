"""Compare every instruction's semantics with two foreign engines on many operand tuples.

Run by hand from the project's root: ``python -m tests.language.sweep_semantics --rows 'f32.*' --count 10000``.
The suite runs a bounded sample of the same (test_semantics.py). Exit code 1 if anything differs.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tests.language.semantics_engines import (
    NODE,
    Difference,
    Engine,
    Node,
    Wasmtime,
    differences,
    node_rows,
    probe,
)
from tests.language.semantics_operands import Row, operand_tuples, rows
from wasm.semantics import Pure
from wasm.semantics.relaxed import relaxed_semantics
from wasm.semantics.relaxed_probe import contradictions, profile_from_probe


def sweep(
    engine: Engine,
    chosen: Sequence[Row],
    count: int,
    seed: int,
    relaxed: Mapping[str, Pure],
    done: Callable[[Row, int], None] | None = None,
) -> list[Difference]:
    """All disagreements; ``count`` tuples an instruction, shared out over the immediates it is run with."""
    variants = Counter(row.op.name for row in chosen)
    found: list[Difference] = []
    for index, row in enumerate(chosen):
        tuples = list(operand_tuples(row, -(-count // variants[row.op.name]), seed))
        found += differences(engine, index, row, tuples, relaxed.get(row.op.name))
        if done:
            done(row, len(tuples))
    return found


def relaxed_meanings(engine: Engine, chosen: Sequence[Row]) -> dict[str, Pure]:
    """The relaxed instructions as this engine chose them; AssertionError if it contradicts itself."""
    answers = probe(engine, chosen)
    profile = profile_from_probe(answers)
    assert not contradictions(answers), contradictions(answers)
    return relaxed_semantics(profile)


def _report(
    name: str, engine: Engine, chosen: Sequence[Row], count: int, seed: int, relaxed: Mapping[str, Pure]
) -> int:
    tuples: Counter[str] = Counter()
    started = time.process_time()
    found = sweep(engine, chosen, count, seed, relaxed, lambda row, n: tuples.update({row.op.name: n}))
    for difference in found[:50]:
        print(difference)
    print(
        f"{name}: {len(tuples)} instructions, {tuples.total()} operand tuples, {len(found)} differences,"
        f" {time.process_time() - started:.0f} s CPU in this process"
    )
    return len(found)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Compare the semantics with Wasmtime and, where there is one, node.")
    parser.add_argument("--rows", default=".*", help="regular expression for instruction names")
    parser.add_argument("--count", type=int, default=10_000, help="operand tuples an instruction")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    every = rows()
    chosen = [row for row in every if re.fullmatch(options.rows, row.op.name)]
    relaxed = relaxed_meanings(Wasmtime(every), every)
    wrong = _report("wasmtime", Wasmtime(chosen), chosen, options.count, options.seed, relaxed)
    if NODE is None:
        print("node: not found, left out")
        return 1 if wrong else 0
    chosen = node_rows(chosen)
    with Node(chosen) as node:
        wrong += _report("node", node, chosen, options.count, options.seed, {})
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
