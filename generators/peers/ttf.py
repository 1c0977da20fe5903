"""Binaryen's ``wasm-opt --translate-to-fuzz``, from a wasm-opt on the PATH or npm's package ``binaryen``.

Sizes of the input and the coin for ``--denan`` are as in Binaryen's own ``fuzz_opt.py``, the largest inputs left out.
Releases that write the exception instructions of version 3.0 (``--emit-exnref``) get all features; older ones those
that they encode as the specification does.
"""

from __future__ import annotations

import atexit
import random
from pathlib import Path
from typing import Final

from generators.config import Config
from generators.peer import Peer, PeerMissing, find_program, log_uniform, run_program
from wasm.default_calls import default_calls
from wasm.embedding import Entry, Invocation
from wasm.features import Feature
from wasm.module import Module
from wasm.scratch import Scratch

VARIANTS: Final = ("",)

_OLD: Final = {
    "multivalue": Feature.MULTI_VALUE,
    "simd": Feature.SIMD,
    "bulk-memory": Feature.BULK_MEMORY,
    "extended-const": Feature.EXTENDED_CONST,
}
_NEW: Final = _OLD | {
    "reference-types": Feature.REFERENCE_TYPES,
    "tail-call": Feature.TAIL_CALL,
    "exception-handling": Feature.EXCEPTIONS,
    "gc": Feature.GC,
    "multimemory": Feature.MULTI_MEMORY,
    "memory64": Feature.MEMORY64,
    "relaxed-simd": Feature.RELAXED_SIMD,
}
_ALWAYS: Final = ("--enable-mutable-globals", "--enable-sign-ext", "--enable-nontrapping-float-to-int")
_REFILL: Final = "hangLimitInitializer"
"""The export that fills up the count of loop iterations and calls that may still happen."""


def open_peer(variant: str) -> Peer:  # noqa: ARG001
    """Raises ``PeerMissing``."""
    program = find_program("wasm-opt", Path("node_modules/.bin/wasm-opt"))
    if program is None:
        raise PeerMissing("ttf is Binaryen's wasm-opt, which is not here: npm install binaryen, or put it on the PATH")
    version = " ".join(run_program((program, "--version")).decode().split()[:3])
    modern = b"--emit-exnref" in run_program((program, "--help"))
    known = _NEW if modern else _OLD
    folder = Scratch("ttf")
    atexit.register(folder.close)
    given, made = Path(folder.path) / "input", Path(folder.path) / "made.wasm"

    def make(source: random.Random, config: Config) -> bytes:
        command: list[str | Path] = [program, "--translate-to-fuzz", given, "-o", made, "--quiet", *_ALWAYS]
        command += [f"--enable-{name}" for name, feature in known.items() if feature in config.features]
        if modern and Feature.EXCEPTIONS in config.features:
            command.append("--emit-exnref")
        if source.random() < 0.5:
            command.append("--denan")
        given.write_bytes(source.randbytes(log_uniform(source, 1024, 40 * 1024)))
        made.unlink(missing_ok=True)
        run_program(command)
        return made.read_bytes()

    return Peer(version, make, _calls)


def _calls(module: Module) -> tuple[Invocation, ...]:
    """The calls of each export begin with a full count, as Binaryen's runner has it."""
    calls: list[Invocation] = []
    refills = any(item.name == _REFILL for item in module.exports)
    for call in default_calls(module):
        fresh = not calls or calls[-1].export != call.export
        if call.export != _REFILL:
            if refills and fresh:
                calls.append(Invocation(_REFILL, (), Entry.WRAPPER))
            calls.append(call)
    return tuple(calls)
