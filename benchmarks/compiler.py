"""What compiling costs and what the code is worth: compile time, moves and spills, run time beside Wasmtime's.

    python benchmarks/compiler.py [compile] [moves] [run] [--rounds 3] [--cases 100]

``compile``: CPU milliseconds per function, the best of ``--rounds``, and microseconds per Wasm instruction at 200,
1,000 and 5,000 instructions and for 50,000 locals, at opt none and speed, with both allocators; with and without
verifying every form and checking the allocation; and the share of each stage. ``moves``: static moves and spills per
function of generated cases. ``run``: ten loop kernels, ratios to Wasmtime in the same process; below 1 our code is
faster. Without a word, all three. ``benchmarks/native.py`` has calls per second and faults in a row. x86-64 Linux only.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import compiler_run

from compiler.errors import Unsupported
from compiler.pipeline import OPTS, REGALLOCS, Settings, compile_function
from generators.registry import make_case, wasm_target_names
from wasm.builder import FuncBuilder, ModuleBuilder
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.isa import MemArg
from wasm.module import Module
from wasm.validate import validate
from wasm.valtypes import F64, I32, I64, NumType

SIZES = (200, 1000, 5000)
LOCALS = 50_000
BARE = Settings(checker=False, verify=False)
_OPERATIONS = {
    I32: ("add", "sub", "mul", "xor", "and", "or", "shl", "shr_u", "eq"),
    I64: ("add", "sub", "mul", "xor", "and", "or", "shl", "shr_u"),
    F64: ("add", "sub", "mul", "div"),
}


class Workload:
    """A function of some size: statements on seven locals per type, a load or store in ten, loops and ifs, 40 deep."""

    def __init__(self, size: int) -> None:
        self.rng = random.Random(1)
        builder = ModuleBuilder()
        builder.memory(1)
        self.f: FuncBuilder = builder.func((I32, I64, F64), (I32, I64, F64))
        self.names: dict[NumType, list[int]] = {
            type_: [i, *range(first := self.f.local(type_, 6), first + 6)] for i, type_ in enumerate((I32, I64, F64))
        }
        self.fill(0, size - 3)
        for type_ in (I32, I64, F64):
            self.f.emit("local.get", self.names[type_][0])
        self.module = builder.finish()

    def name(self, type_: NumType) -> int:
        return self.rng.choice(self.names[type_])

    def fill(self, depth: int, end: int) -> None:
        """Statements until the body has ``end`` instructions or a few more."""
        f, rng = self.f, self.rng
        while len(f.body) < end:
            if depth == 4 or rng.random() > 0.1:
                self.statement()
                continue
            inner = min(end - 4, len(f.body) + 40)
            if rng.random() < 0.5:
                f.emit("local.get", self.name(I32))
                f.open("if")
                self.fill(depth + 1, inner)
                f.end()
            else:
                label = f.open("loop")
                self.fill(depth + 1, inner)
                f.emit("local.get", self.name(I32))
                f.br(label, "br_if")
                f.end()

    def statement(self) -> None:
        f, rng = self.f, self.rng
        type_ = rng.choice((I32, I32, I64, F64))
        if rng.random() < 0.1:
            f.emit("local.get", self.name(I32))
            if rng.random() < 0.5:
                f.emit(f"{type_}.load", MemArg(2, 8))
                f.emit("local.set", self.name(type_))
            else:
                f.emit("local.get", self.name(type_))
                f.emit(f"{type_}.store", MemArg(2, 8))
            return
        f.emit("local.get", self.name(type_))
        for _ in range(rng.randint(1, 3)):
            f.emit("local.get", self.name(type_))
            f.emit(f"{type_}.{rng.choice(_OPERATIONS[type_])}")
        f.emit("local.set", self.name(type_))


def many_locals() -> Module:
    """50,000 locals, of which a loop changes every twentieth and reads another."""
    builder = ModuleBuilder()
    f = builder.func((I32,), (I32,))
    f.local(I32, LOCALS - 1)
    label = f.open("loop")
    for i in range(20, LOCALS, 20):
        f.emit("local.get", i - 20)
        f.emit("local.get", i)
        f.emit("i32.add")
        f.emit("local.set", i)
    f.emit("local.get", LOCALS - 20)
    f.br(label, "br_if")
    f.end()
    f.emit("local.get", LOCALS - 20)
    return builder.finish()


def compile_once(module: Module, settings: Settings, stages: Counter[str] | None = None) -> float:
    """CPU milliseconds for function 0; with ``stages``, added to per stage."""
    context = ModuleContext.of(module)
    index = len(context.funcs) - len(module.funcs)
    start = last = time.process_time()

    def watch(stage: str, _result: Any) -> None:
        nonlocal last
        now = time.process_time()
        if stages is not None:
            stages[stage] += now - last
        last = now

    compile_function(module, context, index, settings, watch)
    return 1000 * (time.process_time() - start)


def compile_times(rounds: int) -> None:
    works = {f"{size:,} instructions": Workload(size).module for size in SIZES}
    works[f"{LOCALS:,} locals"] = many_locals()
    for module in works.values():
        validate(module)
    combinations = [(regalloc, opt) for regalloc in REGALLOCS for opt in OPTS]
    print("compile time, CPU ms per function and us per Wasm instruction; checked: verified and allocations proved")
    heads = "".join(f"{f'{regalloc} {opt}':>26}" for regalloc, opt in combinations)
    print(f"{'':32}{heads}")
    shares: dict[tuple[str, str], Counter[str]] = {key: Counter() for key in combinations}
    for what, module in works.items():
        size = len(module.funcs[0].body)
        for mode, base in (("bare", BARE), ("checked", Settings())):
            cells = ""
            for regalloc, opt in combinations:
                settings = replace(base, regalloc=regalloc, opt=opt)
                stages = shares[regalloc, opt] if mode == "bare" and what == "1,000 instructions" else None
                best = min(compile_once(module, settings, stages) for _ in range(rounds))
                cells += f"{best:>14.1f} ms {1000 * best / size:>6.1f} us"
            print(f"{f'{what}, {mode}':<32}{cells}")
    print("shares of the stages, 1,000 instructions, bare (the time up to each; ssa includes translation)")
    for (regalloc, opt), stages in shares.items():
        total = sum(stages.values())
        print(f"  {regalloc} {opt}: " + ", ".join(f"{name} {100 * part / total:.0f}%" for name, part in stages.items()))


def moves(cases: int) -> None:
    """Means per function over generated cases of every target that makes modules."""
    targets = wasm_target_names()
    print(f"static moves and spilled values per function, {cases} generated cases")
    for opt in OPTS:
        totals: dict[str, Counter[str]] = {regalloc: Counter() for regalloc in REGALLOCS}
        for i in range(cases):
            module = decode(make_case(targets[i % len(targets)], 1, i // len(targets)).content)
            for regalloc, total in totals.items():
                _count(module, replace(BARE, regalloc=regalloc, opt=opt), total)
        for regalloc, total in totals.items():
            number = total["functions"]
            means = ", ".join(f"{total[what] / number:.1f} {what}" for what in ("moves", "spills", "bytes"))
            print(f"  {regalloc:<14}opt={opt:<6} {means} in each of {number} functions")


def _count(module: Module, settings: Settings, total: Counter[str]) -> None:
    context = ModuleContext.of(module)

    def watch(stage: str, result: Any) -> None:
        if stage == "alloc":
            total.update(moves=result.stats["moves"], spills=result.stats["spills"], functions=1)

    for index in range(len(context.funcs) - len(module.funcs), len(context.funcs)):
        try:
            total["bytes"] += len(compile_function(module, context, index, settings, watch).code)
        except Unsupported:
            continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", choices=["compile", "moves", "run"], metavar="compile|moves|run")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cases", type=int, default=100)
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} CPUs")
    parts = {
        "compile": partial(compile_times, given.rounds),
        "moves": partial(moves, given.cases),
        "run": partial(compiler_run.run, given.rounds),
    }
    for name, part in parts.items():
        if not given.parts or name in given.parts:
            part()


if __name__ == "__main__":
    main()
