"""The dissenting engines' own command lines, for someone who does not have this project: ``repro.sh`` of a bundle, and
one command at a time for an upstream report."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from fuzz.archive.repro_wheel import python_program, wanted_of
from fuzz.archive.stand_ins import stand_ins_of
from fuzz.records.morning import Command
from fuzz.records.printable import printable
from oracles.engine import BUILD, EngineId, UsageError, adapter, engine_names
from oracles.judge.verdict import Kind
from oracles.remote.shells import Shell
from oracles.versions import version_key
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Outcome, Trapped, Value
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


@dataclass(frozen=True, slots=True)
class Shown:
    """How an engine (its canonical id, at a release) dissents; ``answers`` are its outcomes, instantiation first."""

    engine: str
    release: str
    kind: Kind
    answers: tuple[Outcome, ...] = ()


def script(case: Case, dissents: Iterable[Shown], expected: Sequence[Outcome] = ()) -> str:
    """The script for a case; ``expected`` begins with the instantiation's outcome."""
    parts = [_HEAD]
    for shown in dissents:
        engine, name = shown.engine, shown.engine.split("@")[0].split(":")[0]
        parts.append(printable(f"# {engine}, release {shown.release or 'unknown'}: {shown.kind.value}").join("\n\n"))
        limit = f"timeout {_PATIENCE} " if shown.kind is Kind.HANG else ""
        if shown.kind in _NOT_BY_CALLS:
            parts.append(f"echo 'only fuzz replay . compares this ({shown.kind.value}): calls do not show it'\n")
        elif EngineId.read(engine).get(BUILD):
            parts.append(f"echo {shlex.quote(f'{_NO_COMMAND}: fuzz replay .')}\n")
        elif name == "wasmtime":
            parts.append(_wasmtime(shown, case, expected, limit))
        elif (make := getattr(adapter(name) if name in engine_names() else None, "shell", None)) is None:
            parts.append(f"echo {shlex.quote(f'{name} has no command line of its own: fuzz replay .')}\n")
        elif _another_trap(shown, expected):
            parts.append("echo 'only fuzz replay . tells one trap from another here'\n")
        else:
            parts.append(_script(make(EngineId.parse(engine), case.features), case, expected, limit))
    parts.append(_TAIL)
    return "".join(parts)


_NO_OPTION: Final = "a setting of this engine has no option of the command line that is known here"
_NO_COMMAND: Final = "a build of one's own is a library without a command line"

_NOT_BY_CALLS: Final = frozenset({Kind.STATE, Kind.HOST_CALLS, Kind.PROFILE, Kind.EXCEPTION})
"""What results of calls do not tell."""


def _another_trap(shown: Shown, expected: Sequence[Outcome]) -> bool:
    """Whether it traps where it should, for another reason."""
    pairs = zip(expected, shown.answers, strict=False)
    return any(isinstance(e, Trapped) and isinstance(a, Trapped) and not e.kinds & a.kinds for e, a in pairs)


def _settings(engine: str) -> dict[str, str] | None:
    """What an id asks Wasmtime to set, a preset of CPUs as the flags that are off; None for what no adapter takes."""
    id = EngineId.read(engine)
    try:
        settings: dict[str, str] = adapter("wasmtime").worker_settings(id)
    except UsageError:
        return None
    return settings | ({"features": id.get("features")} if id.get("features") else {})


def command(engine: str, release: str, case: Case, expected: Sequence[Outcome] = ()) -> Command:
    """How an engine, by its canonical id, shows a case without this project; ``expected`` as for ``script``."""
    name = engine.split("@")[0].split(":")[0]
    if EngineId.read(engine).get(BUILD):
        return Command(engine, why_not=_NO_COMMAND)
    if name == "wasmtime":
        if stand_ins_of(case) is None:
            return Command(engine, why_not="it imports host functions, which wasmtime wast does not have")
        if release and version_key(release) < version_key(_FLAGS_SINCE):
            return Command(engine, why_not=f"releases of Wasmtime before {_FLAGS_SINCE} have other options")
        if (flags := _wasmtime_flags(engine)) is None:
            return Command(engine, why_not=_NO_OPTION)
        return Command(engine, f"wasmtime wast {flags} case.wast", needs="case.wast")
    if (make := getattr(adapter(name) if name in engine_names() else None, "shell", None)) is None:
        return Command(engine, why_not=f"{name} has no command line of its own")
    shell = make(EngineId.parse(engine), case.features)
    program = _js_program(shell, case, expected)
    if not program:
        return Command(engine, why_not="JavaScript cannot make or compare these calls by itself")
    words = [*(f"{key}={shlex.quote(value)}" for key, value in shell.env.items() if value), shell.program]
    line = " ".join([*words, *map(shlex.quote, shell.flags), "repro.js"])
    return Command(engine, line, program.strip(), f"case{case.kind.suffix}")


def _wasmtime_flags(engine: str) -> str | None:
    """Options of the releases from 14 on; None where a setting has none that is known here. Without it the command
    would say that a finding is gone."""
    flags = ["-W", "all-proposals=y"]
    if (settings := _settings(engine)) is None:
        return None
    for key, value in settings.items():
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
        elif key == "cpu":
            flags += [part for flag in value.split(",") for part in ("-C", f"cranelift-has_{flag}=false")]
        elif key.startswith("flag."):
            flags += ["-C", f"cranelift-{key.removeprefix('flag.')}={value}"]
        else:
            return None
    return " ".join(map(shlex.quote, flags))


def _wasmtime(shown: Shown, case: Case, expected: Sequence[Outcome], limit: str) -> str:
    """By ``wasmtime wast``, which takes values of all types bit for bit, or by the Python package where it is here and
    the command is not."""
    if stand_ins_of(case) is None:
        return "echo 'the case imports host functions, which wasmtime wast does not have: fuzz replay .'\n"
    if (line := _wasmtime_flags(shown.engine)) is None:
        return f"echo {shlex.quote(f'{_NO_OPTION}: fuzz replay .')}\n"
    head = 'program=${WASMTIME:-wasmtime}\npython=${PYTHON:-python3}\nif command -v "$program" > /dev/null 2>&1; then\n'
    head += f'  {limit}"$program" wast {line} case.wast\n  judge $? 1\n'
    hopeless = _imports(case) or _another_trap(shown, expected)
    by_wheel = None if hopeless else python_program(case, _settings(shown.engine) or {}, expected)
    if by_wheel is None:
        return f'{head}else\n  have "$program" WASMTIME\nfi\n'
    release = shown.release if re.fullmatch(r"[\w.]+", shown.release) else "RELEASE"
    wheel = f"or pip install wasmtime=={release}, and set PYTHON to its python"
    return (
        f'{head}elif "$python" -c "import wasmtime" 2> /dev/null; then\n'
        f'  {limit}"$python" -c {shlex.quote(by_wheel)}\n  judge $? 10\n'
        f'else\n  have "$program" WASMTIME\n  echo {shlex.quote(wheel)}\nfi\n'
    )


_JS_COMPARE: Final = """
if (typeof console === "undefined") globalThis.console = { log: print };
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
"""
"""Runs a step (``ended``) and holds it against what is expected (``judge``), which sets ``wrong``."""

_JS_FILE: Final = """const modules = typeof process === "object" && process.getBuiltinModule;
const load = typeof require === "function" ? require : modules;
const read = load ? load("fs").readFileSync : (name) => new Uint8Array(readFile(name, "binary"));
for (let round = 0; round < ROUNDS; round++) {
  let instance;
  const start = ended(() => {
    const module = new WebAssembly.Module(read(FILE));
    instance = new WebAssembly.Instance(module, {});
  });
  judge("instantiation", start, START);
  if (instance) for (const [name, args, want] of CALLS) judge(name, ended(() => instance.exports[name](...args)), want);
}
if (load) process.exit(wrong ? 10 : 0);
if (wrong) throw new Error("wrong");
"""

_JS_HEAD: Final = """// A test case of wasm-codegen-fuzz: NAME.
// It compares a module's calls with what a reference interpreter gives, and aborts, or throws, where they differ.
"""
_JS_ALONE: Final = """
const source = new Uint8Array(BYTES);
const stop = (text) => {
  console.log(text);
  try { new Function("text", "%AbortJS(text)")(text); } catch (e) {}
  if (typeof process === "object" && process.env.FUZZ_NO_ABORT !== "1") process.abort();
  throw new Error(text);
};
if (WebAssembly.validate(source)) {
  for (let round = 0; round < 3; round++) {
    let instance;
    const start = ended(() => { instance = new WebAssembly.Instance(new WebAssembly.Module(source), {}); });
    judge("instantiation", start, START);
    if (instance) for (const [name, args, want] of CALLS) {
      judge(name, ended(() => instance.exports[name](...args)), want);
    }
  }
  if (wrong) stop("wasm-codegen-fuzz: DISAGREEMENT in NAME");
} else console.log("this engine does not take the module");
"""


def _script(shell: Shell, case: Case, expected: Sequence[Outcome], limit: str) -> str:
    """By a JavaScript shell, which compares."""
    program = _js_program(shell, case, expected)
    if not program:
        return "echo 'JavaScript cannot make or compare these calls by itself: fuzz replay .'\n"
    env = " ".join(f"{name}={shlex.quote(value)}" for name, value in shell.env.items())
    variable = shell.program.upper()
    words = shell.evaluate or (*shell.flags, "-e")
    return (
        f"program=${{{variable}:-{shell.program}}}\n"
        f'have "$program" {variable} && {{\n'
        f'  env {env} {limit}"$program" {" ".join(map(shlex.quote, words))} {shlex.quote(program)}\n'
        f"  judge $? {shell.wrong}\n}}\n"
    )


def _js_program(shell: Shell, case: Case, expected: Sequence[Outcome]) -> str:
    """What the shell runs; "" where there are arguments or results that JavaScript cannot pass or tell apart."""
    calls = _js_calls(case, expected)
    constants = f"FILE = {_js_string(f'case{case.kind.suffix}')}, ROUNDS = {shell.rounds}"
    return f"{calls}const {constants};{_JS_COMPARE}{_JS_FILE}" if calls else ""


def driver(case: Case, expected: Sequence[Outcome], name: str) -> str:
    """A program for any JavaScript shell that has all in it and ends by itself with a crash where a call is wrong; ""
    where JavaScript cannot pass the arguments or tell the results apart. ``expected`` as for ``script``."""
    calls = _js_calls(case, expected)
    if not calls or case.kind is not CaseKind.WASM:
        return ""
    data = f"const BYTES = [{','.join(map(str, case.content))}];"
    parts = (_JS_HEAD.replace("NAME", name), calls, data, _JS_COMPARE, _JS_ALONE.replace("NAME", name))
    return "".join(parts)


def _js_calls(case: Case, expected: Sequence[Outcome]) -> str:
    """``CALLS`` and ``START``; "" where JavaScript cannot make or compare the calls."""
    simple = all(arg.type in ("i32", "i64") for call in case.invocations for arg in call.args)
    wanted = wanted_of(case, expected)
    if _imports(case) or not simple or wanted is None:
        return ""
    calls = [
        f"[{_js_string(call.export)}, [{', '.join(map(_js_number, call.args))}], {json.dumps(want)}]"
        for call, want in zip(case.invocations, wanted[1:], strict=True)
    ]
    return f"const CALLS = [{', '.join(calls)}], START = {json.dumps(wanted[0])};\n"


def _js_number(value: Value) -> str:
    return f"{value.bits}n" if value.type == "i64" else str(value.bits)


def _js_string(text: str) -> str:
    return '"' + "".join(c if c.isascii() and c.isalnum() else f"\\u{{{ord(c):x}}}" for c in text) + '"'


def _imports(case: Case) -> bool:
    """Whether the module imports anything, or others come before it; one that cannot be decoded imports nothing."""
    if case.before:
        return True
    try:
        return bool(decode(case.content).imports)
    except WasmError:
        return False
