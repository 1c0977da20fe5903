"""Encode, decode, decode and validate, print: MB/s and instructions per second of process CPU time, median of runs.

    python benchmarks/codec.py [--runs 7] [MODULE.wasm ...]

Without files it measures a module made on the spot from a fixed seed, with the mix of instructions that generated
modules have (locals, constants of all lengths, arithmetic, memory, short blocks, vectors). The encoder remembers short
instructions, so from the second run on it knows them all, as in a reducer.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from wasm.builder import FuncBuilder, ModuleBuilder
from wasm.decode import decode
from wasm.encode import encode
from wasm.features import ALL
from wasm.isa import MemArg
from wasm.module import Module
from wasm.text import print_wat
from wasm.validate import validate
from wasm.valtypes import F64, I32, I64, V128


def _statement(f: FuncBuilder, rng: random.Random) -> None:
    match rng.randrange(6):
        case 0 | 1:
            f.emit("local.get", rng.randrange(4))
            f.i32(rng.getrandbits(rng.choice((6, 8, 16, 32))))
            f.emit(rng.choice(("i32.add", "i32.mul", "i32.xor", "i32.rotl")))
            f.emit("local.set", rng.randrange(4))
        case 2:
            f.emit("local.get", 4)
            f.i64(rng.getrandbits(rng.choice((6, 64))))
            f.emit("i64.add")
            f.emit("local.set", 4)
        case 3:
            f.emit("local.get", 5)
            f.emit("f64.const", rng.getrandbits(62))
            f.emit("f64.mul")
            f.emit("local.set", 5)
        case 4:
            f.i32(rng.randrange(4096))
            f.emit("local.get", rng.randrange(4))
            f.emit("i32.store", MemArg(2, rng.choice((0, 4, 8, 500))))
        case _:
            f.emit("local.get", 6)
            f.emit("local.get", 6)
            f.emit("i32x4.add")
            f.emit("local.set", 6)


def example(functions: int = 50, statements: int = 60) -> Module:
    """A valid module, the same on every machine."""
    rng = random.Random(1)
    b = ModuleBuilder()
    b.memory(1)
    for _ in range(functions):
        f = b.func([I32, I32, I32, I32], [I32])
        for type_ in (I64, F64, V128):
            f.local(type_)
        for _ in range(statements // 6):
            f.open("block")
            f.emit("local.get", 0)
            f.emit("br_if", 0)
            for _ in range(6):
                _statement(f, rng)
            f.end()
        f.emit("local.get", 1)
        if f.index:
            f.emit("drop")
            for place in range(4):
                f.emit("local.get", place)
            f.emit("call", rng.randrange(f.index))
    return b.finish()


def seconds(work: Callable[[], object], runs: int) -> float:
    """The median process CPU time of one call, over ``runs`` series of at least 0.1 s each."""
    once = time.process_time()
    work()
    repeat = max(1, int(0.1 / max(time.process_time() - once, 1e-6)))
    found = []
    for _ in range(runs):
        start = time.process_time()
        for _ in range(repeat):
            work()
        found.append((time.process_time() - start) / repeat)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--runs", type=int, default=7)
    options = parser.parse_args()
    data = [path.read_bytes() for path in options.files] or [encode(example())]
    modules = [decode(one) for one in data]
    size, count = sum(map(len, data)), sum(len(f.body) for m in modules for f in m.funcs)
    print(f"{len(data)} modules, {size} bytes, {count} instructions; load {os.getloadavg()[0]:.1f}")

    def decode_and_validate() -> None:
        for one in data:
            validate(decode(one), ALL)

    for name, work in (
        ("encode", lambda: [encode(module) for module in modules]),
        ("decode", lambda: [decode(one) for one in data]),
        ("decode + validate", decode_and_validate),
        ("print", lambda: [print_wat(module) for module in modules]),
    ):
        took = seconds(work, options.runs)
        print(f"{name:18} {took * 1e3:8.2f} ms  {size / took / 1e6:7.2f} MB/s  {count / took / 1e6:6.2f} M instr/s")


if __name__ == "__main__":
    main()
