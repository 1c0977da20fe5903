"""The reference interpreter: fib, LCG and sieve beside PyPI's pywasm in one run, and milliseconds for generated cases.

    python benchmarks/interpreter.py [--pywasm PYTHON] [--cases 100]

``PYTHON`` is an interpreter that has pywasm (``python -m venv DIR; DIR/bin/pip install pywasm``); by default this one,
if it has it, else the column is left out. All figures are process CPU time, the best of three, start-up and decoding
left out; the two take turns, so that both see the same machine. An instruction is everything but block, loop, end and
else. ``first tier`` is this interpreter without compiling hot code.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generators.registry import make_case
from oracles.interpreter import Instance, Store, instantiate, invoke, load, run_case
from wasm.builder import FuncBuilder, ModuleBuilder
from wasm.embedding import Returned, Value
from wasm.encode import encode
from wasm.isa import OPS, MemArg, Op
from wasm.module import Module
from wasm.valtypes import I32, I64

UNCOUNTED = {OPS[name] for name in ("block", "loop", "end", "else")}
WORKER = """
import sys, time, pywasm
best = 1e9
for _ in range(int(sys.argv[3])):
    runtime = pywasm.core.Runtime()
    instance = runtime.instance_from_file(sys.argv[1])
    start = time.process_time()
    result = runtime.invocate(instance, "f", [int(sys.argv[2])])
    best = min(best, time.process_time() - start)
print(best, result[0])
"""


def fib() -> Module:
    """The recursive definition."""
    builder = ModuleBuilder()
    f = builder.func([I32], [I32], export="f")
    f.emit("local.get", 0)
    f.i32(2)
    f.emit("i32.lt_s")
    f.open("if", results=[I32])
    f.emit("local.get", 0)
    f.else_()
    for less in (1, 2):
        f.emit("local.get", 0)
        f.i32(less)
        f.emit("i32.sub")
        f.emit("call", f.index)
    f.emit("i32.add")
    f.end()
    return builder.finish()


def lcg() -> Module:
    """A 64-bit linear congruential generator with a shift and a xor, n times."""
    builder = ModuleBuilder()
    f = builder.func([I32], [I64], export="f")
    x = f.local(I64)
    label = f.open("loop")
    f.emit("local.get", x)
    f.i64(6364136223846793005)
    f.emit("i64.mul")
    f.i64(1442695040888963407)
    f.emit("i64.add")
    f.emit("local.tee", x)
    f.emit("local.get", x)
    f.i64(33)
    f.emit("i64.shr_u")
    f.emit("i64.xor")
    f.emit("local.set", x)
    f.emit("local.get", 0)
    f.i32(1)
    f.emit("i32.sub")
    f.emit("local.tee", 0)
    f.br(label, "br_if")
    f.end()
    f.emit("local.get", x)
    return builder.finish()


def sieve() -> Module:
    """The number of primes below n (at most 65,536)."""
    builder = ModuleBuilder()
    builder.memory(1)
    f = builder.func([I32], [I32], export="f")
    i, j, count = f.local(I32), f.local(I32), f.local(I32)
    f.i32(2)
    f.emit("local.set", i)
    done, outer = f.open("block"), f.open("loop")
    f.emit("local.get", i)
    f.emit("local.get", 0)
    f.emit("i32.ge_u")
    f.br(done, "br_if")
    f.emit("local.get", i)
    f.emit("i32.load8_u", MemArg(0, 0))
    f.emit("i32.eqz")
    f.open("if")
    _add(f, count, 1)
    f.emit("local.get", i)
    f.emit("local.set", j)
    inner = f.open("loop")
    f.emit("local.get", j)
    f.i32(1)
    f.emit("i32.store8", MemArg(0, 0))
    f.emit("local.get", j)
    f.emit("local.get", i)
    f.emit("i32.add")
    f.emit("local.tee", j)
    f.emit("local.get", 0)
    f.emit("i32.lt_u")
    f.br(inner, "br_if")
    f.end()
    f.end()
    _add(f, i, 1)
    f.br(outer)
    f.end()
    f.end()
    f.emit("local.get", count)
    return builder.finish()


def _add(f: FuncBuilder, local: int, number: int) -> None:
    f.emit("local.get", local)
    f.i32(number)
    f.emit("i32.add")
    f.emit("local.set", local)


def ours(module: Module, argument: int, tiering: bool) -> tuple[float, int]:
    """CPU seconds of a call in a new instance, and its result. What was compiled counts as well."""
    best, result = 1e9, 0
    for _ in range(3):
        instance = instantiate(module, {}, Store(tiering=tiering))
        assert isinstance(instance, Instance)
        start = time.process_time()
        outcome = invoke(instance, "f", (Value("i32", argument),))
        best = min(best, time.process_time() - start)
        assert isinstance(outcome, Returned)
        result = outcome.values[0].bits
    return best, result


def executed(module: Module, argument: int) -> int:
    counts: dict[Op, int] = {}
    instance = instantiate(module, {}, Store(counts=counts))
    assert isinstance(instance, Instance)
    invoke(instance, "f", (Value("i32", argument),))
    return sum(number for op, number in counts.items() if op not in UNCOUNTED)


def theirs(python: str, module: Module, argument: int) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "module.wasm"
        file.write_bytes(encode(module))
        command = [python, "-c", WORKER, str(file), str(argument), "3"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, result = done.stdout.split()
    return float(seconds), int(result) & (1 << 64) - 1


def kernels(python: str | None) -> None:
    print(f"{'':<8}{'argument':>9}{'first tier':>12}{'both tiers':>12}{'pywasm':>9}{'ratio':>8}   (M instructions/s)")
    # pywasm gets a smaller argument: its rate does not depend on it, and the run ends.
    for make, argument, small in ((fib, 21, 15), (lcg, 100_000, 3_000), (sieve, 60_000, 2_000)):
        module = make()
        work = executed(module, argument)
        first, result = ours(module, argument, False)
        both, same = ours(module, argument, True)
        assert result == same
        row = f"{make.__name__:<8}{argument:>9}{work / first / 1e6:>12.2f}{work / both / 1e6:>12.1f}"
        if python is not None:
            seconds, other = theirs(python, module, small)
            width = 0xFFFFFFFF if make is not lcg else (1 << 64) - 1
            assert other & width == ours(module, small, True)[1], make.__name__
            rate = executed(module, small) / seconds
            row += f"{rate / 1e6:>9.3f}{work / both / rate:>7.0f}x"
        print(row)


def cases(count: int) -> None:
    columns = f"{'instructions':>13}{'steps':>9}{'median ms':>11}{'mean ms':>9}{'95 %':>8}"
    print(f"\n{'case':<10}{columns}   (run_case, module decoded)")
    for target in ("returns", "params", "calls"):
        times, sizes, steps = [], [], []
        for index in range(count):
            case = make_case(target, 1, index)
            module = load(case.content)
            assert isinstance(module, Module)
            sizes.append(sum(len(func.body) for func in module.funcs))
            start = time.process_time()
            found = run_case(case, module)
            times.append(1000 * (time.process_time() - start))
            steps.append(found.notes.steps if found.notes else 0)
        print(
            f"{target:<10}{statistics.median(sizes):>13.0f}{statistics.median(steps):>9.0f}{statistics.median(times):>11.2f}"
            f"{statistics.mean(times):>9.2f}{sorted(times)[int(0.95 * count)]:>8.2f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the reference interpreter.")
    here = sys.executable if importlib.util.find_spec("pywasm") else None
    parser.add_argument("--pywasm", metavar="PYTHON", default=here, help="an interpreter that has pywasm")
    parser.add_argument("--cases", type=int, default=100, help="generated cases per target")
    options = parser.parse_args()
    kernels(options.pywasm)
    cases(options.cases)


if __name__ == "__main__":
    main()
