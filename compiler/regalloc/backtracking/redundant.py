"""Removal of moves that copy a value to where it is already: two reloads with nothing in between, for one.

Within a block, places are numbered by the value that they are known to hold; a move whose source and target have one
number, at least as wide as the move, does nothing. Blocks without a candidate are not looked at.
"""

from __future__ import annotations

from compiler.machine import OperandKind
from compiler.regalloc.flow import Flow
from compiler.regalloc.moves import PlacedMove
from compiler.regalloc.places import Place, place_of
from compiler.regalloc.positions import Point, next_inst, point

_WIDEST = 128


def without_redundant(
    flow: Flow, allocs: list[list[Place]], moves: list[tuple[Point, PlacedMove]]
) -> list[tuple[Point, PlacedMove]]:
    """The moves, in order, less the redundant ones. ``allocs`` has the places of each instruction's operands."""
    kept: list[tuple[Point, PlacedMove]] = []
    at = 0
    for block in range(len(flow.func.blocks)):
        end = point(flow.first[block + 1], 0)
        begin = at
        pairs = set()
        candidate = False
        while at < len(moves):
            where, (source, target, _) = moves[at]
            if where >= end:
                break
            pair = (source, target) if source < target else (target, source)
            candidate = candidate or pair in pairs
            pairs.add(pair)
            at += 1
        mine = moves[begin:at]
        kept += _needed(flow, allocs, mine) if candidate else mine
    return kept


def _needed(
    flow: Flow, allocs: list[list[Place]], moves: list[tuple[Point, PlacedMove]]
) -> list[tuple[Point, PlacedMove]]:
    """Those of one block's moves that change something."""
    value: dict[Place, int] = {}
    width: dict[Place, int] = {}
    fresh = 0
    kept = []
    # What runs before the first move changes nothing that is known: nothing is.
    number = next_inst(moves[0][0])
    for at, move in moves:
        while number < next_inst(at):
            inst = flow.insts[number]
            for place, operand in zip(allocs[number], inst.operands, strict=True):
                if operand.kind is OperandKind.DEF:
                    value.pop(place, None)
            for preg in inst.clobbers:
                value.pop(place_of(preg), None)
            number += 1
        source, target, type_ = move
        if source not in value:
            fresh += 1
            value[source] = fresh
            width[source] = _WIDEST
        if value.get(target) == value[source] and width[target] >= type_.bits:
            continue
        kept.append((at, move))
        value[target] = value[source]
        width[target] = min(width[source], type_.bits)
    return kept
