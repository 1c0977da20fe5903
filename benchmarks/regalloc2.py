"""Our allocators beside regalloc2's on the same machine functions: functions per CPU second, moves, slots.

    python benchmarks/regalloc2.py [--count 400] [--seed 1] [--release 0.15.2]

All four get each function in the form that fastalloc can be asked (``oracles.machine.dialect``); those are counted that
all four allocate. Ours are in Python, regalloc2 in Rust. regalloc2 gives each float two words, since its moves have no
type, and ours one where that is enough, so slots are counted here and not words.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compiler.machine import Allocations, MachineEnv, MachineFunc, SpillSlot
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS
from generators.registry import make_case
from oracles.engine import Limits, open_engine
from oracles.engines.regalloc2 import Regalloc2Engine
from oracles.machine.dialect import Dialect, adapted
from oracles.machine.flat import CONSTRAINTS, answer, written
from oracles.machine.judging import parsed
from oracles.remote.protocol import encode_frame
from oracles.remote.worker_calls import await_reply

ALGORITHMS = ("ion", "fastalloc")


MORE = 200
"""How often a function is allocated for its time: the CPU time of a process moves on in steps."""


def asked(engine: Regalloc2Engine, blob: bytes, more: int) -> tuple[dict[str, object], bytes, float]:
    """Header and body of the answer, and the CPU seconds of the worker for it."""
    process = engine.process()
    before = process.cpu_before
    process.send(encode_frame({"do": "case", "more": more, "blobs": [len(blob)]}, [blob]), 100.0)
    reply = await_reply(process, 100.0)
    assert reply is not None
    return *reply, process.cpu_before - before


def asked_alone(engine: Regalloc2Engine, func: MachineFunc, env: MachineEnv) -> tuple[Allocations, float] | None:
    """regalloc2's allocation and its CPU seconds; None where it has none."""
    blob = written(func, env)
    header, body, once = asked(engine, blob, 0)
    if "refused" in header:
        return None
    found = answer(body, func)
    assert not check(func, env, found)
    return found, (asked(engine, blob, MORE)[2] - once) / MORE


def counts(found: Allocations) -> tuple[int, int, int]:
    """Moves, those of them to or from memory, and slots that anything is in."""
    moves = [edit.move for edit in found.edits]
    memory = [one for one in moves if isinstance(one.source, SpillSlot) or isinstance(one.target, SpillSlot)]
    places = {place for row in found.operands for place in row} | {p for one in moves for p in (one.source, one.target)}
    return len(moves), len(memory), sum(isinstance(place, SpillSlot) for place in places)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--release", default="0.15.2")
    args = parser.parse_args()
    engines = {}
    for algorithm in ALGORITHMS:
        engine = open_engine(f"regalloc2@{args.release}:{algorithm}", Limits())
        assert isinstance(engine, Regalloc2Engine)
        engines[algorithm] = engine
        print(f"regalloc2 {engine.capabilities.version}, {algorithm}")
    dialect = Dialect(frozenset(CONSTRAINTS[:4]), fast=True)
    seconds: dict[str, float] = defaultdict(float)
    total: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    done = insts = 0
    for index in range(args.count):
        func, env = parsed(make_case("regalloc", args.seed, index).content)
        func = adapted(func, env, dialect)
        found: dict[str, tuple[Allocations, float]] = {}
        for algorithm, engine in engines.items():
            if (given := asked_alone(engine, func, env)) is not None:
                found[algorithm] = given
        if len(found) < len(engines):
            continue
        for name, allocate in ALLOCATORS.items():
            start = time.process_time()
            ours = allocate(func, env)
            found[name] = ours, time.process_time() - start
            assert not check(func, env, ours)
        done += 1
        insts += sum(len(block.insts) for block in func.blocks)
        for name, (one, cpu) in found.items():
            seconds[name] += cpu
            total[name] = [a + b for a, b in zip(total[name], counts(one), strict=True)]
    print(f"{done} of {args.count} functions that all allocate, {insts} instructions; seed {args.seed}")
    print(f"{'':<14}{'functions/s':>12}{'us/inst':>10}{'moves':>10}{'of memory':>11}{'slots':>9}  beside ion")
    for name in (*ALGORITHMS, *ALLOCATORS):
        moves, memory, slots = total[name]
        base = total["ion"]
        ratios = " ".join(f"{one / max(1, other):.2f}" for one, other in zip(total[name], base, strict=True))
        speed = f"{done / seconds[name]:>12.0f}{1e6 * seconds[name] / insts:>10.1f}"
        print(f"{name:<14}{speed}{moves:>10}{memory:>11}{slots:>9}  {ratios}")
    for engine in engines.values():
        engine.close()


if __name__ == "__main__":
    main()
