"""Where the specification says what an instruction does: a table from groups of instructions to sections.

section(OPS["i32.rotl"])    Integer Operations, https://webassembly.github.io/spec/core/exec/numerics.html#...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import wasm.isa.aggregate
import wasm.isa.control
import wasm.isa.memory
import wasm.isa.numeric
import wasm.isa.vector  # noqa: F401  (the table below is checked against all rows by a test)
from wasm.features import Feature
from wasm.isa.row import Op

_CORE: Final = "https://webassembly.github.io/spec/core/exec"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the core specification, or a proposal's page."""

    title: str
    url: str


def _instructions(title: str) -> Section:
    return Section(title, f"{_CORE}/instructions.html#{title.lower().replace(' ', '-')}")


def _numerics(title: str) -> Section:
    return Section(title, f"{_CORE}/numerics.html#{title.lower().replace(' ', '-')}")


def _proposal(title: str, name: str, page: str) -> Section:
    return Section(f"{title} proposal", f"https://github.com/WebAssembly/{name}/blob/main/proposals/{page}")


_PROPOSALS: Final = {
    Feature.THREADS: _proposal("Threads", "threads", "threads/Overview.md"),
    Feature.LEGACY_EXCEPTIONS: _proposal(
        "Exception Handling (legacy)", "exception-handling", "exception-handling/legacy/Exceptions.md"
    ),
    Feature.WIDE_ARITHMETIC: _proposal("Wide Arithmetic", "wide-arithmetic", "wide-arithmetic/Overview.md"),
}
"""Features that are not in the core specification."""

_GROUPS: Final = (
    (r"unreachable|nop|drop|select(_t)?", _instructions("Parametric Instructions")),
    (r"throw(_ref)?|try_table", _instructions("Control Instructions")),
    (r"block|loop|if|else|end|br(_.*)?|(return_)?call(_.*)?|return", _instructions("Control Instructions")),
    (r"(local|global)\..*", _instructions("Variable Instructions")),
    (r"(table|elem)\..*", _instructions("Table Instructions")),
    (r"(memory|data)\..*|(i32|i64|f32|f64|v128)\.(load|store).*", _instructions("Memory Instructions")),
    (r"(ref|i31|struct|array|any|extern)\..*", _instructions("Reference Instructions")),
    (r"[if](32|64)\.const", _instructions("Numeric Instructions")),
    (r".*relaxed.*", _numerics("Relaxed Operations")),
    (r"(v128|[if]\d+x\d+)\..*", _instructions("Vector Instructions")),
    (
        r"i(32|64)\.(wrap|trunc|reinterpret|extend_i32).*|f(32|64)\.(convert|demote|promote|reinterpret).*",
        _numerics("Conversions"),
    ),
    (r"i(32|64)\..*", _numerics("Integer Operations")),
    (r"f(32|64)\..*", _numerics("Floating-Point Operations")),
)
"""By an instruction's name; the first one that fits says it."""


def section(op: Op) -> Section:
    """Where the specification says what this instruction does. Custom page sizes change no instruction."""
    if op.feature in _PROPOSALS:
        return _PROPOSALS[op.feature]
    return next(place for names, place in _GROUPS if re.fullmatch(names, op.name))
