"""Binaryen's interpreter, by ``wasm-opt --fuzz-exec-before`` of its npm package, in node: ``binaryen@VERSION``, or the
newest at hand.

Each case becomes a module that imports nothing and whose exports give 64-bit integers (``oracles.command``), since the
floats that it prints have lost bits; one process of some tenths of a second calls them all. Its compilers would take
most of that, so V8 is held to its first one and to what is called. As an optimizer Binaryen is
``transformed:by=binaryen``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from oracles.built import tool
from oracles.command.launching import command_engine
from oracles.engine import Engine, EngineId, Limits, UsageError
from oracles.transformers import binaryen

CONTRACT: Final = ("binaryen",)
RELEASES: Final = binaryen.RELEASES
NOISE: Final = re.compile(r"^\[parse exception: |^\[fuzz-exec\] .*|^wasm://wasm/.*")
"""What stands before a reason in brackets, which would be taken for a list; what it prints before a crash."""
_NODE: Final = ("--liftoff-only", "--wasm-lazy-compilation", "--stack-size=3900")
"""With the usual stack (in KiB) it does not come through a function of a thousand results."""
_NESTING: Final = 1000
"""It recurses over expressions and is built with 5 MiB of stack, which no option changes and nothing checks: beyond it,
data are overwritten. Operations with two operands reached 1,000 to 1,400, those with one 1,400 to 2,000, on 132."""
_MEMORY: Final = (1 << 32) - 1
"""It is a 32-bit program: of a larger memory it takes the size modulo 2^32 (docs/found/binaryen.md)."""
_RESULT: Final = r"^\[fuzz-exec\] export {export}\n(?P<result>(?:(?!\[fuzz-exec\] export ).*\n?)*)"
_VALUE: Final = r"(?m)(?:=> |^)(-?\d+)$"
_SEGMENT: Final = r"\[trap (?:out of bounds|dropped) segment access in "
_TEXTS: Final[Mapping[str, str]] = {
    "unreachable": r"\[trap unreachable\]", "integer divide by zero": r"\[trap i\d+\.(?:div|rem)_[su] by 0",
    "integer overflow": r"\[trap i\d+\.(?:div_s|trunc[SU]Float) overflow",
    "invalid conversion to integer": r"\[trap trunc[SU]Float of nan",
    "out of bounds memory access":
        rf"\[trap (?:highest|offset|final) > memory|\[trap out of bounds memory|{_SEGMENT}(?:memory|array\.\w+_data)",
    "out of bounds table access":
        rf"\[trap (?:out of bounds table|RuntimeTable::\w+ out of bounds)|{_SEGMENT}(?:table|array\.\w+_elem)",
    "undefined element": r"\[trap out of bounds table", "uninitialized element": r"\[trap null target in call_indirect",
    "indirect call type mismatch": r"\[trap (?:callIndirect: non-subtype|cast failure in call_indirect)",
    "null reference": r"\[trap (?:null ref|null target in call_ref|null descriptor)",
    "cast failure": r"\[trap cast error",
    "out of bounds array access": rf"\[trap (?:array oob|out of bounds array)|{_SEGMENT}array",
    "expected shared memory": r"\[trap cannot atomic\.wait a non-shared",
    "unaligned atomic": r"\[trap unaligned atomic",
    "exhausted": r"\[host limit (?:stack|interpreter recursion) limit",
    "out of memory": r"\[host limit (?:(?:bad )?allocation|memory too large)",
    "rejected": r"\[parse exception|\[wasm-validator error|^Fatal: ",
}  # fmt: skip
"""What it says of a trap; a text of it may stand for several."""


def check(id: EngineId) -> EngineId:
    """The canonical form: it has no settings. Raises ``UsageError``."""
    if id.settings or id.path:
        raise UsageError("binaryen is an npm package without settings: write binaryen or binaryen@VERSION")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching the release if it is asked for and missing."""
    version, folder = RELEASES.chosen(id.version, offline)
    # Asking for each feature by a process of its own would take half a minute.
    asked = binaryen.open_transformer(version, {}, limits, offline)
    features = sorted(feature.value for feature in asked.features)
    asked.close()
    program = folder / "node_modules" / "binaryen" / "bin" / "wasm-opt"
    command = [tool("node", "binaryen"), *_NODE, str(program)]
    data: dict[str, Any] = {
        "name": "binaryen", "calls": "all", "nesting": _NESTING, "memory": _MEMORY,
        "command": [*command, "-all", "--fuzz-exec-before", "{wasm}"],
        "version": [*command, "--version"], "features": features, "result": _RESULT, "value": _VALUE,
        "texts": dict(_TEXTS),
    }  # fmt: skip
    return command_engine(id, lambda _: data, limits, patience=limits.wall_factor, library=program)
