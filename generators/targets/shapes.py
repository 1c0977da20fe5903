"""Shapes that bugs of released engines needed: addresses, joins, loops and calls as their regression tests have them.

Each statement writes one shape of ``generators.shapes`` on drawn operands: what Wasmtime, V8, WebKit and SpiderMonkey
were mended for in the last two years and random programs hardly meet. Functions that trap are called last.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.module.function import Function
from generators.program.parts import Emit, Part
from generators.program.program import Program
from generators.refs.host_statements import open_hosts
from generators.shapes import objects, paths, places
from generators.shapes.places import Write
from wasm.case import Case
from wasm.features import Feature
from wasm.valtypes import I32, I64

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
WEIGHT: Final = 3.0
COST: Final = 24.0

_WRITES: Final = (*places.WRITES, *paths.WRITES, *objects.WRITES)
_MOST: Final = 8
_FUNCTIONS: Final = 2


def generate(source: ChoiceSource, config: Config) -> Case:
    """One or two functions of up to eight statements each."""
    if source.one_in(2):
        config = config.without(Feature.FUNCTION_REFERENCES, Feature.GC)
    usable = [write for _, write, needs in _WRITES if needs <= config.features]
    program = Program.open(source, config)
    if config.allows(Feature.GC) and source.one_in(2):
        open_hosts(program, source.fork("hosts"))
    for i in range(source.between(1, _FUNCTIONS)):
        drawn = source.fork(f"f{i}")
        fn = program.function(drawn, (I32, I64), (I64,), f"f{i}", times=2)
        for _ in range(drawn.between(1, _MOST)):
            drawn.pick(usable)(program, fn, drawn)
        program.close_function(fn, drawn)
    return program.close()


def _part(write: Write) -> Emit:
    def emit(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
        del room
        write(program, fn, source)

    return emit


PARTS: Final = tuple(Part(name, needs, _part(write)) for name, write, needs in _WRITES)
