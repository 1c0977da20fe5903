"""Calls of compiled code: in the worker's process, through the worker, and faults in a row that one process survives.

    python benchmarks/native.py [--calls 20000] [--faults 10000]

Prints calls per second of wall-clock time, and microseconds each, for: an entry without arguments, a call with three
arguments and a result through its trampoline, a helper call from compiled code, a trap, a fault, a call of a host
function and back; then the same little call as cases through the engine's worker. x86-64 Linux only.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from compiler.pipeline import Settings
from oracles.compiled.hosting import Hosting
from oracles.compiled.link import Linker
from oracles.compiled.machine import machine
from oracles.compiled.program import Programs
from oracles.compiled.store import Instance, Store
from oracles.compiled.trampolines import Trampolines
from oracles.engine import open_engine
from tests.native.border import Bench
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.module import Module
from wasm.valtypes import I32


def module() -> Module:
    builder = ModuleBuilder()
    types = (I32, I32, I32), (I32,)
    host = builder.import_func("env", "mix", *types)
    for name, instructions in (("add", (("i32.add", None),) * 2), ("through", (("call", host),))):
        func = builder.func(*types, export=name)
        for i in range(3):
            func.emit("local.get", i)
        for instruction, immediate in instructions:
            func.emit(instruction, immediate)
    return builder.finish()


def rate(name: str, count: int, action: Callable[[], object]) -> None:
    """The best of three rounds."""
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            action()
        best = min(best, time.perf_counter() - start)
    print(f"{name:44} {count / best:12,.0f} /s {best / count * 1e6:10.2f} us")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--faults", type=int, default=10_000)
    given = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.2f} on {os.cpu_count()} CPUs")
    bench = Bench(machine())
    bench.machine.owners[bench.context] = lambda _request: None
    rate("entry without arguments", given.calls, lambda: bench.enter("returning"))
    rate("entry and a helper call", given.calls, lambda: bench.enter("asking"))
    rate("trap", given.calls, lambda: bench.run("trapping"))
    for kind, signal in (("read", "SIGSEGV"), ("illegal", "SIGILL")):
        rate(f"fault ({signal})", given.faults, partial(bench.run, kind))
    program = Programs(Settings()).get(encode(module()))
    linker = Linker(Store(machine(), Settings()), Trampolines(machine()))
    instance = linker.instantiate(program, Hosting(linker))
    assert isinstance(instance, Instance)
    for name in ("add", "through"):
        func = instance.exported_func(name)
        assert func is not None
        slots = b"".join(i.to_bytes(16, "little") for i in range(3))
        rate(f"{name} (3 arguments) through trampolines", given.calls, partial(linker.call, func, slots))
    engine = open_engine("compiler")
    calls = tuple(Invocation("add", tuple(Value("i32", i) for i in range(3))) for _ in range(1000))
    case = Case(encode(module()), calls)
    engine.run(case)
    start = time.perf_counter()
    for _ in range(10):
        engine.run(case)
    spent = time.perf_counter() - start
    print(f"{'calls through the worker, 1,000 a case':44} {10_000 / spent:12,.0f} /s {spent / 10_000 * 1e6:10.2f} us")
    small = Case(encode(module()), calls[:1])
    rate("cases through the worker, code remembered", 500, lambda: engine.run(small))
    engine.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
