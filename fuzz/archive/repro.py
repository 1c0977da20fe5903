"""``repro.sh``: the dissenting engines' own command lines, for someone who does not have this project."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import Final

from fuzz.archive.stand_ins import stand_ins
from fuzz.records.printable import printable
from oracles.engine import EngineId, adapter, engine_names
from oracles.judge.verdict import Kind
from oracles.remote.shells import Shell
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Value
from wasm.errors import WasmError

_HEAD: Final = """#!/bin/sh
# Shows the disagreement of this folder by the engines' own command lines: exit status 1 if one of them still shows it.
# Without this project; with it: fuzz replay .
cd "$(dirname "$0")" || exit 2
shown=0
"""

_OPT: Final = {"none": "0", "speed": "2", "speed_and_size": "s"}


def script(case: Case, dissents: Iterable[tuple[str, str, Kind]]) -> str:
    """The script for a case; ``dissents`` are (canonical engine id, its release, how it dissents)."""
    parts = [_HEAD]
    for engine, version, kind in dissents:
        name = engine.split("@")[0].split(":")[0]
        parts.append(printable(f"# {engine}, release {version or 'unknown'}: {kind.value}").join("\n\n"))
        if name == "wasmtime":
            parts.append(_wasmtime(engine, case))
        elif (make := getattr(adapter(name) if name in engine_names() else None, "shell", None)) is not None:
            parts.append(_script(make(EngineId.parse(engine), case.features), case))
        else:
            parts.append(f"echo {shlex.quote(f'{name} has no command line of its own: fuzz replay .')}\n")
    parts.append("\nexit $shown\n")
    return "".join(parts)


def _settings(engine: str) -> dict[str, str]:
    """The settings of a canonical id; they follow the last colon, which no path contains after its last slash."""
    tail = engine.rsplit(":", 1)
    if len(tail) < 2 or "/" in tail[1]:
        return {}
    return {key: value or "on" for key, _, value in (item.partition("=") for item in tail[1].split("+"))}


def _wasmtime(engine: str, case: Case) -> str:
    """By ``wasmtime wast``, which takes values of all types bit for bit (flags of the releases from 14 on)."""
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
    if stand_ins(case.content) is None:
        return "echo 'the case imports host functions, which wasmtime wast does not have: fuzz replay .'\n"
    line = " ".join(map(shlex.quote, flags))
    return f'"${{WASMTIME:-wasmtime}}" wast {line} case.wast || shown=1\n'


_JS: Final = """
const module = new WebAssembly.Module(require("fs").readFileSync("case.wasm"));
const show = (v) => Array.isArray(v) ? v.map(show).join(" ") : String(v);
let lines;
for (let round = 0; round < ROUNDS; round++) {
  lines = [];
  const { exports } = new WebAssembly.Instance(module, {});
  for (const [name, args] of CALLS) {
    try { lines.push(name + " returned " + show(exports[name](...args))); }
    catch (e) { lines.push(name + " " + String(e)); }
  }
}
console.log(lines.join("\\n"));
"""


def _script(shell: Shell, case: Case) -> str:
    """By a JavaScript shell, printing what it gives; for arguments that JavaScript can pass."""
    simple = all(arg.type in ("i32", "i64") for call in case.invocations for arg in call.args)
    if _imports(case) or not simple:
        return "echo 'JavaScript cannot make these calls by itself: fuzz replay .'\n"
    calls = [f"[{_js_string(call.export)}, [{', '.join(map(_js_number, call.args))}]]" for call in case.invocations]
    program = f"const CALLS = [{', '.join(calls)}], ROUNDS = {shell.rounds};{_JS}"
    env = " ".join(f"{name}={shlex.quote(value)}" for name, value in shell.env.items())
    command = f'"${{{shell.program.upper()}:-{shell.program}}}" {" ".join(map(shlex.quote, shell.flags))}'
    return (
        f"env {env} {command} -e {shlex.quote(program)} || shown=1\n"
        "echo 'expected: see README.md'\n"
    )  # fmt: skip


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
