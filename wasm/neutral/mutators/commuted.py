"""Operands the other way round, for what does not mind, and for comparisons that have a mirror image.

    local.get 0  local.get 1  i32.lt_s      ->      local.get 1  local.get 0  i32.gt_s

Where more than locals and numbers are the operands, they are exchanged through two new locals.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from wasm.isa import OPS, Instr, Op
from wasm.module import Module
from wasm.neutral.draws import Draws, many
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import FuncCode, in_functions
from wasm.valtypes import NumType

WEIGHT: Final = 3
_FEW: Final = 6
_SAME: Final = frozenset({
    "add", "mul", "and", "or", "xor", "eq", "ne", "min", "max", "min_s", "min_u", "max_s", "max_u", "avgr_u",
    "add_sat_s", "add_sat_u", "q15mulr_sat_s", "dot_i16x8_s",
})  # fmt: skip
"""The part of a name behind the dot of what gives the same for operands that are exchanged, whatever the type."""
_MIRRORED: Final = {"lt": "gt", "le": "ge", "gt": "lt", "ge": "le"}


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Some or all instructions of a function that can be exchanged."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    places = [at for at in code.reachable if code.body[at][0] in exchangeable()]
    for at in many(draws, places, _FEW):
        _exchange(code, at, exchangeable()[code.body[at][0]])
    return code.write()


@lru_cache(maxsize=1)
def exchangeable() -> dict[Op, Op]:
    """For each row of two operands of one type that can be exchanged: the row that then gives the same."""
    found = {}
    for op in OPS.values():
        shape, _, word = op.name.partition(".")
        if op.params is None or len(op.params) != 2 or op.params[0] != op.params[1] or op.imms or op.pure is None:
            continue
        stem, _, sign = word.partition("_")
        other = word if word in _SAME else f"{_MIRRORED.get(stem, '')}{'_' if sign else ''}{sign}"
        if f"{shape}.{other}" in OPS:
            found[op] = OPS[f"{shape}.{other}"]
    return found


def _exchange(code: FuncCode, at: int, row: Op) -> None:
    left, right = code.graph.nodes[at].ins
    middle, start = code.spans.start(right), code.spans.start(left)
    if 0 <= start < middle and left.maker + 1 == middle and right.maker + 1 == at:
        first, second = code.body[start:middle], code.body[middle:at]
        if _still(first) and _still(second):
            code.replace(start, at + 1, [*second, *first, row.bare])
            return
    types = [row.params[0] if row.params else None] * 2
    if not code.room(2) or not all(isinstance(type_, NumType) for type_ in types):
        return
    one, other = (code.local(type_) for type_ in types)  # type: ignore[arg-type]
    swap: list[Instr] = [(OPS["local.set"], one), (OPS["local.set"], other), (OPS["local.get"], one),
                         (OPS["local.get"], other)]  # fmt: skip
    code.replace(at, at + 1, [*swap, row.bare])


def _still(piece: list[Instr]) -> bool:
    """Whether it makes no difference when it is run: nothing in it traps, writes, or reads what others write."""
    return all(op.name == "local.get" or op.name.endswith(".const") or (op.pure and not op.traps) for op, _ in piece)
