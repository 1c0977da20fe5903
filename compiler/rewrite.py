"""Rewriting the values and block numbers that a terminator names."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir import (
    Branch,
    BranchTable,
    Inst,
    Jump,
    Return,
    TailCall,
    Target,
    Terminator,
    TrapNow,
    TryCall,
    ValueId,
)


def map_terminator(
    terminator: Terminator, value: Callable[[ValueId], ValueId], block: Callable[[int], int]
) -> Terminator:
    """The same terminator with every used value and every block number mapped; results keep their names."""

    def target(old: Target) -> Target:
        return Target(block(old.block), tuple(map(value, old.args)))

    def call(old: Inst) -> Inst:
        return Inst(old.op, tuple(map(value, old.args)), old.imm, old.results)

    match terminator:
        case Jump(only):
            return Jump(target(only))
        case Branch(condition, then, otherwise):
            return Branch(value(condition), target(then), target(otherwise))
        case BranchTable(index, found, default):
            return BranchTable(value(index), tuple(map(target, found)), target(default))
        case Return(values):
            return Return(tuple(map(value, values)))
        case TrapNow():
            return terminator
        case TailCall(inst):
            return TailCall(call(inst))
        case TryCall(inst, normal, handlers):
            return TryCall(call(inst), target(normal), tuple((tag, block(landing)) for tag, landing in handlers))
