"""The dissenting engines' own command lines, for someone who does not have this project: ``repro.sh`` of a bundle, and
one command at a time for an upstream report."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from typing import Final

from fuzz.archive.stand_ins import stand_ins
from fuzz.records.morning import Command
from fuzz.records.printable import printable
from oracles.engine import EngineId, adapter, engine_names
from oracles.judge.verdict import Kind
from oracles.provision import version_key
from oracles.remote.shells import Shell
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Exhausted, Outcome, Rejected, Returned, Threw, Trapped, Value
from wasm.errors import WasmError

_HEAD: Final = """#!/bin/sh
# Shows the disagreement of this folder by the engines' own command lines. Exit status 1: one of them still shows it;
# 0: all that could be run are right; 125: none could be run (git bisect's word). Without this project; with it:
# fuzz replay .
cd "$(dirname "$0")" || exit 125
shown=0
ran=0

# judge STATUS WRONG...: what a command's status says: 0 is right; WRONG, a time-out and a death by a signal show it.
judge() {
  status=$1
  shift
  for wrong in "$@" 124; do
    if [ "$status" -eq "$wrong" ]; then ran=1 shown=1; return; fi
  done
  if [ "$status" -eq 0 ]; then ran=1
  elif [ "$status" -gt 128 ]; then ran=1 shown=1
  else echo "could not be run (exit status $status)"
  fi
}

# have PROGRAM VARIABLE: whether a program is here.
have() {
  command -v "$1" > /dev/null 2>&1 && return
  echo "$1 is not here: install it, or set $2 to its path"
  return 1
}
"""
_TAIL: Final = """
[ "$shown" -eq 1 ] && exit 1
[ "$ran" -eq 1 ] && exit 0
exit 125
"""
_PATIENCE: Final = 100
"""Seconds after which a finding about something that does not end is taken for shown."""

_FLAGS_SINCE: Final = "14.0.0"
"""The oldest release of Wasmtime that has the options which are written here."""

_OPT: Final = {"none": "0", "speed": "2", "speed_and_size": "s"}


def script(case: Case, dissents: Iterable[tuple[str, str, Kind]], expected: Sequence[Outcome] = ()) -> str:
    """The script for a case; ``dissents`` are (canonical engine id, its release, how it dissents), ``expected`` begins
    with the instantiation's outcome."""
    parts = [_HEAD]
    for engine, version, kind in dissents:
        name = engine.split("@")[0].split(":")[0]
        parts.append(printable(f"# {engine}, release {version or 'unknown'}: {kind.value}").join("\n\n"))
        limit = f"timeout {_PATIENCE} " if kind is Kind.HANG else ""
        if name == "wasmtime":
            parts.append(_wasmtime(engine, case, limit))
        elif (make := getattr(adapter(name) if name in engine_names() else None, "shell", None)) is not None:
            parts.append(_script(make(EngineId.parse(engine), case.features), case, expected, limit))
        else:
            parts.append(f"echo {shlex.quote(f'{name} has no command line of its own: fuzz replay .')}\n")
    parts.append(_TAIL)
    return "".join(parts)


def _settings(engine: str) -> dict[str, str]:
    """The settings of a canonical id; they follow the last colon, which no path contains after its last slash."""
    tail = engine.rsplit(":", 1)
    if len(tail) < 2 or "/" in tail[1]:
        return {}
    return {key: value or "on" for key, _, value in (item.partition("=") for item in tail[1].split("+"))}


def command(engine: str, release: str, case: Case, expected: Sequence[Outcome] = ()) -> Command:
    """How an engine, by its canonical id, shows a case without this project; ``expected`` as for ``script``."""
    name = engine.split("@")[0].split(":")[0]
    if name == "wasmtime":
        if stand_ins(case.content) is None:
            return Command(engine, why_not="it imports host functions, which wasmtime wast does not have")
        if release and version_key(release) < version_key(_FLAGS_SINCE):
            return Command(engine, why_not=f"releases of Wasmtime before {_FLAGS_SINCE} have other options")
        return Command(engine, f"wasmtime wast {_wasmtime_flags(engine)} case.wast", needs="case.wast")
    if (make := getattr(adapter(name) if name in engine_names() else None, "shell", None)) is None:
        return Command(engine, why_not=f"{name} has no command line of its own")
    shell = make(EngineId.parse(engine), case.features)
    program = _js_program(shell, case, expected)
    if not program:
        return Command(engine, why_not="JavaScript cannot make or compare these calls by itself")
    words = [*(f"{key}={shlex.quote(value)}" for key, value in shell.env.items() if value), shell.program]
    line = " ".join([*words, *map(shlex.quote, shell.flags), "repro.js"])
    return Command(engine, line, program.strip(), f"case{case.kind.suffix}")


def _wasmtime_flags(engine: str) -> str:
    """Options of the releases from 14 on."""
    flags = ["-W", "all-proposals=y"]
    for key, value in _settings(engine).items():
        if key == "opt":
            flags += ["-O", f"opt-level={_OPT.get(value, value)}"]
        elif key == "regalloc":
            flags += ["-O", f"regalloc-algorithm={value.replace('_', '-')}"]
        elif key == "checker":
            flags += ["-C", "cranelift-regalloc_checker=true"]
        elif key == "winch":
            flags = ["-C", "compiler=winch"]
        elif key == "pulley":
            flags += ["--target", "pulley64"]
        elif key.startswith("flag."):
            flags += ["-C", f"cranelift-{key.removeprefix('flag.')}={value}"]
    return " ".join(map(shlex.quote, flags))


def _wasmtime(engine: str, case: Case, limit: str) -> str:
    """By ``wasmtime wast``, which takes values of all types bit for bit."""
    if stand_ins(case.content) is None:
        return "echo 'the case imports host functions, which wasmtime wast does not have: fuzz replay .'\n"
    return (
        "program=${WASMTIME:-wasmtime}\n"
        f'have "$program" WASMTIME && {{ {limit}"$program" wast {_wasmtime_flags(engine)} case.wast; judge $? 1; }}\n'
    )


_JS: Final = """
const view = new DataView(new ArrayBuffer(8));
const bits = {
  i32: (v) => BigInt(v >>> 0), i64: (v) => BigInt.asUintN(64, v),
  f32: (v) => (view.setFloat32(0, v), BigInt(view.getUint32(0))),
  f64: (v) => (view.setFloat64(0, v), view.getBigUint64(0)),
};
const same = (v, [type, want]) => want === "nan" ? Number.isNaN(v) : bits[type](v) === BigInt(want);
const ended = (run) => {
  try { const r = run(); return ["returned", r === undefined ? [] : Array.isArray(r) ? r : [r]]; }
  catch (e) {
    if (e instanceof WebAssembly.CompileError) return ["rejected", e];
    if (e instanceof RangeError) return ["exhausted", e];
    if (e instanceof WebAssembly.RuntimeError) return ["trapped", e];
    return [WebAssembly.Exception && e instanceof WebAssembly.Exception ? "threw" : "failed", e];
  }
};
let wrong = false;
const judge = (name, [how, what], want) => {
  console.log(name, how, how === "returned" ? what.map(String).join(" ") : String(what));
  if (!want) return;
  const values = want[1] || [];
  const all = () => what.length === values.length && what.every((v, i) => same(v, values[i]));
  if (how === want[0] && (how !== "returned" || all())) return;
  wrong = true;
  console.log("  expected", want[0], values.map(([type, bits]) => type + ":" + bits).join(" "));
};
for (let round = 0; round < ROUNDS; round++) {
  let instance;
  const start = ended(() => {
    const module = new WebAssembly.Module(require("fs").readFileSync(FILE));
    instance = new WebAssembly.Instance(module, {});
  });
  judge("instantiation", start, START);
  if (instance) for (const [name, args, want] of CALLS) judge(name, ended(() => instance.exports[name](...args)), want);
}
process.exit(wrong ? 10 : 0);
"""


def _script(shell: Shell, case: Case, expected: Sequence[Outcome], limit: str) -> str:
    """By a JavaScript shell, which compares."""
    program = _js_program(shell, case, expected)
    if not program:
        return "echo 'JavaScript cannot make or compare these calls by itself: fuzz replay .'\n"
    env = " ".join(f"{name}={shlex.quote(value)}" for name, value in shell.env.items())
    variable = shell.program.upper()
    return (
        f"program=${{{variable}:-{shell.program}}}\n"
        f'have "$program" {variable} && {{\n'
        f'  env {env} {limit}"$program" {" ".join(map(shlex.quote, shell.flags))} -e {shlex.quote(program)}\n'
        "  judge $? 10\n}\n"
    )


def _js_program(shell: Shell, case: Case, expected: Sequence[Outcome]) -> str:
    """What the shell runs; "" where there are arguments or results that JavaScript cannot pass or tell apart."""
    simple = all(arg.type in ("i32", "i64") for call in case.invocations for arg in call.args)
    wanted = [_js_expected(outcome) for outcome in expected]
    if _imports(case) or not simple or "" in wanted:
        return ""
    wanted += ["null"] * (1 + len(case.invocations) - len(wanted))
    calls = [
        f"[{_js_string(call.export)}, [{', '.join(map(_js_number, call.args))}], {want}]"
        for call, want in zip(case.invocations, wanted[1:], strict=False)
    ]
    constants = f"FILE = {_js_string(f'case{case.kind.suffix}')}, START = {wanted[0]}, ROUNDS = {shell.rounds}"
    return f"const CALLS = [{', '.join(calls)}], {constants};{_JS}"


def _js_expected(outcome: Outcome) -> str:
    """An outcome for the script to compare with: ``null`` for one that is not compared, "" for one that it cannot."""
    match outcome:
        case Returned():
            if any(value.type not in ("i32", "i64", "f32", "f64") for value in outcome.values):
                return ""
            values = ", ".join(f'["{value.type}", "{_js_bits(value)}"]' for value in outcome.values)
            return f'["returned", [{values}]]'
        case Trapped():
            return '["trapped"]'
        case Threw():
            return '["threw"]'
        case Rejected():
            return '["rejected"]'
        case Exhausted(what="stack"):
            return '["exhausted"]'
        case _:
            return "null"


def _js_bits(value: Value) -> str:
    """A number's bits in decimal; JavaScript does not keep those of a NaN."""
    infinity = {"f32": 0x7F800000, "f64": 0x7FF0000000000000}.get(value.type)
    magnitude = value.bits & (1 << (31 if value.type == "f32" else 63)) - 1
    return "nan" if infinity is not None and magnitude > infinity else str(value.bits)


def _js_number(value: Value) -> str:
    return f"{value.bits}n" if value.type == "i64" else str(value.bits)


def _js_string(text: str) -> str:
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\u{{{ord(c):x}}}" for c in text) + '"'


def _imports(case: Case) -> bool:
    """Whether the module imports anything; one that cannot be decoded imports nothing."""
    try:
        return bool(decode(case.content).imports)
    except WasmError:
        return False
