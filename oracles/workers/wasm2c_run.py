"""Translate a module to C, compile it, and run all of its exports: what stands behind ``oracles.engines.wasm2c``.

    python wasm2c_run.py PACKAGE RUNTIME SECONDS MODULE HOW FLAG...

PACKAGE is wabt's folder, RUNTIME one in which objects of wasm2c's runtime are kept, SECONDS what compiling may take of
CPU time; HOW is a JSON object with lists of words, ``compile`` and ``link`` before files, ``conforming`` options for
the module's code, ``run`` before the program, and the environment ``env``. FLAGs are for the module's code alone. Each
export takes nothing and gives 64-bit integers; a line is printed for each, in their order:

    c0() => i64:1, i64:18446744073709551615
    c1() => error: Integer divide by zero

A line that begins with ``refused:``, ``unsupported:`` or ``internal compiler error`` says that there is none of that.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

EXPORT = re.compile(r"^/\* export: '(.*)' \*/\n(u64|struct wasm_multi_j+) (\w+)\(w2c_m\*\);", re.M)
RUNTIME = ("wasm-rt-impl.c", "wasm-rt-mem-impl.c", "wasm-rt-exceptions-impl.c")
CRASHED = re.compile(r"internal compiler error|PLEASE submit a bug report|signal terminated program")
_LATE = (-signal.SIGXCPU, -signal.SIGKILL)

VECTORS = """#include <simde/wasm/simd128.h>
#ifndef WASM_RT_SIMD_TYPE_DEFINED
#define WASM_RT_SIMD_TYPE_DEFINED
typedef simde_v128_t v128;
#endif
"""
HEAD = """#include <stdio.h>
#include "case.h"
#include "wasm-rt-impl.h"
#include "wasm-rt-exceptions.h"

static w2c_m instance;

static void failed(const char* name, wasm_rt_trap_t code) {
  printf("%s() => error: %s\\n", name, wasm_rt_strerror(code));
  fflush(stdout);
}

static void given(const char* name, const u64* values, int count) {
  printf("%s() =>", name);
  for (int i = 0; i < count; i++)
    printf("%s i64:%llu", i ? "," : "", (unsigned long long)values[i]);
  printf("\\n");
  fflush(stdout);
}

static int instantiated(void) {
  wasm_rt_trap_t code = wasm_rt_impl_try();
  if (code)
    return failed("ready", code), 0;
  wasm2c_m_instantiate(&instance);
  return 1;
}
"""
CALL = """
static void call_%(number)d(void) {
  wasm_rt_trap_t code = wasm_rt_impl_try();
  if (code) {
    failed("%(name)s", code);
    return;
  }
  %(type)s value = %(symbol)s(&instance);
  given("%(name)s", (const u64*)&value, %(count)d);
}
"""
MAIN = """
int main(void) {
  wasm_rt_init();
  if (!instantiated())
    return 0;
%s  return 0;
}
"""


def main_of(header: str) -> str:
    """The program around a module, from the header that wasm2c wrote."""
    rows = EXPORT.findall(header)
    calls = [
        CALL % {"number": k, "name": name, "type": type_, "symbol": symbol, "count": type_.count("j") or 1}
        for k, (name, type_, symbol) in enumerate(rows)
    ]
    return HEAD + "".join(calls) + MAIN % "".join(f"  call_{k}();\n" for k in range(len(rows)))


def say(kind: str, text: str) -> NoReturn:
    """No program to be run, and why."""
    print(f"{kind}: {' '.join(text.split())[:1500]}")
    sys.exit(1)


def run(argv: list[str], seconds: float = 0.0) -> subprocess.CompletedProcess[str]:
    def bounded() -> None:
        if seconds:
            most = max(1, round(seconds))
            resource.setrlimit(resource.RLIMIT_CPU, (most, most))

    return subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False, preexec_fn=bounded)


def compiled(argv: list[str], seconds: float = 0.0) -> None:
    """Compile something; ends the process where that fails."""
    done = run(argv, seconds)
    said = done.stderr + done.stdout
    # A driver tells the signal of the compiler proper by its name, gcc's among its words for a crash.
    if done.returncode in _LATE or "CPU time limit exceeded" in said or "Killed signal" in said:
        say("unsupported", f"{argv[0]} took longer than {seconds:.1f} s")
    if done.returncode < 0 or CRASHED.search(said):
        print(f"internal compiler error of {argv[0]}: {said[:2000]}", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    if done.returncode:
        say("unsupported", f"{argv[0]}: {said}")


def objects(compiler: list[str], package: Path, kept: Path) -> list[str]:
    """wasm2c's runtime, compiled once."""
    kept.mkdir(parents=True, exist_ok=True)
    made = []
    for name in RUNTIME:
        target = kept / f"{name}.o"
        if not target.exists():
            new = kept / f".{name}.{os.getpid()}.o"
            compiled([*compiler, "-O2", "-c", str(package / "wasm2c" / name), "-o", str(new)])
            os.replace(new, target)
        made.append(str(target))
    return made


def main() -> None:
    package, kept, seconds, module, text, *flags = sys.argv[1:]
    folder, how = Path(package), json.loads(text)
    os.environ.update(how["env"])
    translated = run([str(folder / "bin" / "wasm2c"), module, "-n", "m", "-o", "case.c", *FEATURES], float(seconds))
    if translated.returncode in _LATE:
        say("unsupported", f"wasm2c took longer than {seconds} s")
    if translated.returncode < 0:
        print(translated.stderr[:2000], file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGABRT)
    if translated.returncode:
        say("refused", translated.stderr)
    header = Path("case.h").read_text()
    if "v128" in header and "simd128.h" not in header:
        # wasm2c forgets the type where only functions that are not exported give a vector among several results.
        Path("case.h").write_text(VECTORS + header)
    Path("main.c").write_text(main_of(header))
    common = [*how["compile"], "-w", "-D_GNU_SOURCE", f"-I{folder / 'wasm2c'}", f"-I{folder / 'include'}", "-I."]
    runtime = objects(common, folder, Path(kept))
    compiled([*common, *how["conforming"], *flags, "-c", "case.c", "-o", "case.o"], float(seconds))
    compiled([*common, "-c", "main.c", "-o", "main.o"])
    compiled([*how["link"], "case.o", "main.o", *runtime, "-lm", "-lpthread", "-o", "program"])
    program = [*how["run"], "./program"]
    os.execv(program[0], program)


FEATURES = ("--enable-threads", "--enable-custom-page-sizes")

if __name__ == "__main__":
    main()
