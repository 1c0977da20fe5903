"""All shapes, and which of them a case has."""

from __future__ import annotations

from typing import Final

from generators.shapes import flow, memory, references, trees
from generators.shapes.seen import Shape, modules_of
from wasm.case import Case

SHAPES: Final[tuple[Shape, ...]] = (*memory.SHAPES, *flow.SHAPES, *references.SHAPES, *trees.SHAPES)


def shapes_in(case: Case) -> set[str]:
    """The names of the shapes that some module of a case has."""
    found: set[str] = set()
    for seen in modules_of(case):
        found |= {shape.name for shape in SHAPES if shape.name not in found and shape.seen(seen)}
    return found
