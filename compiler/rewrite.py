"""Rewriting SSA: values that blocks and terminators use, their targets, block parameters and their arguments."""

from __future__ import annotations

from collections.abc import Callable

from compiler.ir import (
    Block,
    Branch,
    BranchTable,
    Function,
    Inst,
    Jump,
    Return,
    TailCall,
    Target,
    Terminator,
    TrapNow,
    TryCall,
    ValueId,
    targets,
)


def terminator_uses(terminator: Terminator) -> tuple[tuple[ValueId, ...], tuple[Target, ...]]:
    """The values that a terminator itself uses, and its targets (whose arguments are used as well)."""
    match terminator:
        case Branch(condition=value) | BranchTable(index=value):
            return (value,), targets(terminator)
        case Return(values):
            return values, ()
        case TailCall(call) | TryCall(call=call):
            return call.args, targets(terminator)
        case Jump() | TrapNow():
            return (), targets(terminator)


def map_targets(terminator: Terminator, change: Callable[[Target], Target]) -> Terminator:
    """The same terminator with each target changed; a protected call's landing blocks are targets without arguments."""
    match terminator:
        case Jump(only):
            return Jump(change(only))
        case Branch(condition, then, otherwise):
            return Branch(condition, change(then), change(otherwise))
        case BranchTable(index, cases, default):
            return BranchTable(index, tuple(map(change, cases)), change(default))
        case TryCall(call, normal, handlers):
            return TryCall(call, change(normal), tuple((tag, change(Target(block)).block) for tag, block in handlers))
        case Return() | TrapNow() | TailCall():
            return terminator


def map_terminator(
    terminator: Terminator, value: Callable[[ValueId], ValueId], block: Callable[[int], int]
) -> Terminator:
    """The same terminator with every used value and every block number mapped; results keep their names."""

    def call(old: Inst) -> Inst:
        return Inst(old.op, tuple(map(value, old.args)), old.imm, old.results)

    changed = map_targets(terminator, lambda old: Target(block(old.block), tuple(map(value, old.args))))
    match changed:
        case Branch(condition, then, otherwise):
            return Branch(value(condition), then, otherwise)
        case BranchTable(index, cases, default):
            return BranchTable(value(index), cases, default)
        case Return(values):
            return Return(tuple(map(value, values)))
        case TailCall(inst):
            return TailCall(call(inst))
        case TryCall(inst, normal, handlers):
            return TryCall(call(inst), normal, handlers)
        case Jump() | TrapNow():
            return changed


def map_block(block: Block, value: Callable[[ValueId], ValueId]) -> None:
    """Map every value that the block uses."""
    for inst in block.insts:
        inst.args = tuple(map(value, inst.args))
    block.terminator = map_terminator(block.terminator, value, lambda number: number)


def drop_params(func: Function, keep: dict[int, list[int]]) -> None:
    """Keep only the listed positions of the parameters of the listed blocks, and of the arguments on edges to them."""
    if not keep:
        return

    def change(target: Target) -> Target:
        positions = keep.get(target.block)
        if positions is None:
            return target
        return Target(target.block, tuple(target.args[position] for position in positions))

    for index, block in enumerate(func.blocks):
        block.terminator = map_targets(block.terminator, change)
        if index in keep:
            block.params = tuple(block.params[position] for position in keep[index])
