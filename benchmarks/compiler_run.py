"""Run time of ten loop kernels (``compiler_kernels.wat``): our compiler's code beside Wasmtime's, in one process."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import wasmtime

from compiler.pipeline import Settings
from oracles.compiled.hosting import Hosting
from oracles.compiled.link import Linker
from oracles.compiled.machine import machine
from oracles.compiled.program import Programs
from oracles.compiled.store import Instance, Store
from oracles.compiled.trampolines import Trampolines

COUNTS = {
    "lcg": 4_000_000, "mix64": 2_000_000, "sieve": 1_000_000, "copy": 500, "matmul": 120, "mandelbrot": 20_000,
    "gcd": 60_000, "fib": 30, "indirect": 2_000_000, "simd": 2_000,
}  # fmt: skip
"""What each kernel is called with: some ten milliseconds of work."""

Kernel = Callable[[str], int]
_TEXT = Path(__file__).with_name("compiler_kernels.wat")


def foreign(content: bytes, opt: str) -> Kernel:
    """Wasmtime's Cranelift at an optimisation level, without fuel."""
    config = wasmtime.Config()
    config.cranelift_opt_level = opt
    store = wasmtime.Store(wasmtime.Engine(config))
    exports = wasmtime.Instance(store, wasmtime.Module(store.engine, content), []).exports(store)
    return lambda name: exports[name](store, COUNTS[name]) & (1 << 64) - 1


def own(content: bytes, settings: Settings) -> Kernel:
    """Our code, entered in this process."""
    linker = Linker(Store(machine(), settings), Trampolines(machine()))
    instance = linker.instantiate(Programs(settings).get(content), Hosting(linker))
    assert isinstance(instance, Instance), instance

    def call(name: str) -> int:
        func = instance.exported_func(name)
        assert func is not None
        return int.from_bytes(linker.call(func, COUNTS[name].to_bytes(16, "little"))[:8], "little")

    return call


def run(rounds: int) -> None:
    """Print a line per kernel: milliseconds of CPU time, the best of the rounds, and ratios; their geometric means."""
    content = bytes(wasmtime.wat2wasm(_TEXT.read_text(encoding="utf-8")))
    kernels = {
        "ours": own(content, Settings(fuel=False)),
        "ours, fuel": own(content, Settings()),
        "ours, single_pass": own(content, Settings(regalloc="single_pass", fuel=False)),
        "ours, opt=none": own(content, Settings(opt="none", fuel=False)),
        "none": foreign(content, "none"),
        "speed": foreign(content, "speed"),
    }
    machine().refuel(None)
    ratios = (("ours", "none"), ("ours", "speed"), ("ours, fuel", "none"), ("ours, fuel", "speed"),
              ("ours, fuel", "ours"), ("ours, single_pass", "ours"), ("ours, opt=none", "ours"))  # fmt: skip
    print("run time, CPU ms of each kernel, and ratios; none and speed are Wasmtime's, fuel=off but where it says so")
    heads = [f"  {a} / {b}" for a, b in ratios]
    print(f"{'':12}{'ours':>8}{'none':>8}{'speed':>8}" + "".join(heads))
    logs = dict.fromkeys(ratios, 0.0)
    for name in COUNTS:
        answers = {kernel(name) for kernel in kernels.values()}
        assert len(answers) == 1, (name, answers)
        best = dict.fromkeys(kernels, math.inf)
        for _ in range(rounds):
            for who, kernel in kernels.items():
                start = time.process_time()
                kernel(name)
                best[who] = min(best[who], 1000 * (time.process_time() - start))
        line = f"{name:12}{best['ours']:8.2f}{best['none']:8.2f}{best['speed']:8.2f}"
        for (a, b), head in zip(ratios, heads, strict=True):
            logs[a, b] += math.log(best[a] / best[b]) / len(COUNTS)
            line += f"{best[a] / best[b]:{len(head)}.2f}"
        print(line)
    means = (f"{math.exp(value):{len(head)}.2f}" for value, head in zip(logs.values(), heads, strict=True))
    print(f"{'mean':36}" + "".join(means))
