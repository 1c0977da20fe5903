"""A case for Wasmtime's Python package, where a release is at hand as a wheel and its command line is not.

The program needs nothing but the package, of any release from 0.30 on, and any Python that this runs on. Only what the
package can be asked for in all of them is asked for: the optimisation level; numbers in and out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from wasm.case import Case
from wasm.embedding import Exhausted, Outcome, Rejected, Returned, Threw, Trapped, Value

_PROGRAM: Final = r"""
import json, struct, sys
import wasmtime

def bits(type, value):
    if type == "i32": return value & 0xFFFFFFFF
    if type == "i64": return value & 0xFFFFFFFFFFFFFFFF
    if value != value: return "nan"
    return struct.unpack("<I", struct.pack("<f", value))[0] if type == "f32" else \
        struct.unpack("<Q", struct.pack("<d", value))[0]

def number(type, value):
    if type == "f32": return struct.unpack("<f", struct.pack("<I", value))[0]
    if type == "f64": return struct.unpack("<d", struct.pack("<Q", value))[0]
    width = 32 if type == "i32" else 64
    return value - (1 << width) if value >> (width - 1) else value

def ended(run):
    try:
        return "returned", run()
    except wasmtime.Trap as error:
        text = str(error)
        return ("exhausted" if "stack exhausted" in text or "stack overflow" in text else
                "threw" if "exception" in text else "trapped"), text
    except wasmtime.WasmtimeError as error:
        text = str(error)
        thrown = "exception" in text and "thrown" in text
        return "threw" if thrown else "trapped" if "wasm trap" in text else "rejected", text

def judge(name, seen, want):
    global wrong
    how, what = seen
    print(name, how, what)
    if want is None: return
    if how == want[0] and (how != "returned" or len(want) < 2 or what == want[1]): return
    wrong = True
    print("  expected", *want)

def config():
    config = wasmtime.Config()
    if OPT: config.cranelift_opt_level = OPT
    for feature in FEATURES:
        try: setattr(config, "wasm_" + feature, True)
        except Exception: pass
    return config

wrong = False
try:
    engine = wasmtime.Engine(config())
    store = wasmtime.Store(engine)
    content = open(FILE, "rb").read()
except Exception as error:
    print(error)
    sys.exit(2)
kept = []
def start():
    kept.append(wasmtime.Instance(store, wasmtime.Module(engine, content), []))
    return []
judge("instantiation", ended(start), START)
for name, args, types, want in CALLS if kept else ():
    func = kept[0].exports(store)[name]
    def call():
        got = func(store, *[number(*arg) for arg in args])
        got = [] if got is None else got if isinstance(got, list) else [got]
        return [[type, str(bits(type, value))] for type, value in zip(types, got)]
    judge(name, ended(call), want)
sys.exit(10 if wrong else 0)
"""

NUMBERS: Final = ("i32", "i64", "f32", "f64")
"""Types of values that a program can pass and compare."""


def python_program(case: Case, settings: Mapping[str, str], expected: Sequence[Outcome]) -> str | None:
    """The program's text; None for settings, arguments or results that not every release's package takes."""
    arguments = [arg for call in case.invocations for arg in call.args]
    if set(settings) - {"opt"} or any(arg.type not in NUMBERS for arg in arguments):
        return None
    wanted = wanted_of(case, expected)
    if wanted is None:
        return None
    calls: list[Any] = []
    for call, want in zip(case.invocations, wanted[1:], strict=True):
        types = [type_ for type_, _ in want[1]] if want and len(want) > 1 else []
        calls.append([call.export, [[arg.type, arg.bits] for arg in call.args], types, want])
    opt = settings.get("opt", "")
    constants = {
        "FILE": f"case{case.kind.suffix}", "OPT": opt, "FEATURES": sorted(case.features), "START": wanted[0],
        "CALLS": calls,
    }  # fmt: skip
    lines = [f"{name} = json.loads({json.dumps(json.dumps(value))})" for name, value in constants.items()]
    return _PROGRAM.replace("import wasmtime\n", "import wasmtime\n\n" + "\n".join(lines) + "\n", 1).lstrip()


def wanted_of(case: Case, expected: Sequence[Outcome]) -> list[Any] | None:
    """What a program compares with, the instantiation's outcome first: None for one that is not compared; a word, and
    for results a list of [type, bits in decimal]. None at all if there is one that it could not compare."""
    wanted = [_wanted(outcome) for outcome in expected[: 1 + len(case.invocations)]]
    if "" in wanted:
        return None
    return wanted + [None] * (1 + len(case.invocations) - len(wanted))


def _wanted(outcome: Outcome) -> Any:
    """One outcome; "" for one that cannot be compared."""
    match outcome:
        case Returned():
            if any(value.type not in NUMBERS for value in outcome.values):
                return ""
            return ["returned", [[value.type, _bits_of(value)] for value in outcome.values]]
        case Trapped():
            return ["trapped"]
        case Threw():
            return ["threw"]
        case Rejected():
            return ["rejected"]
        case Exhausted(what="stack"):
            return ["exhausted"]
        case _:
            return None


def _bits_of(value: Value) -> str:
    """A number's bits in decimal, as a word that JavaScript loses nothing of; "nan" for a NaN, whose bits neither the
    package nor JavaScript keeps."""
    infinity = {"f32": 0x7F800000, "f64": 0x7FF0000000000000}.get(value.type)
    magnitude = value.bits & ((1 << (31 if value.type == "f32" else 63)) - 1)
    return "nan" if infinity is not None and magnitude > infinity else str(value.bits)
