"""Control flow: jumps through empty blocks, unreachable blocks, parameters with one value, and chains of blocks.

    function thread -> i32
    block 0 (v0:i32 v1:i32)
      branch v0 1(v1) 2()
    block 1 (v2:i32)
      jump 3(v2 v0)
    block 2
      jump 3(v0 v0)
    block 3 (v3:i32 v4:i32)
      v5:i32 = i32.add v3 v4
      jump 4(v5)
    block 4 (v6:i32)
      return v6
    ; becomes
    function thread -> i32
    block 0 (v0:i32 v1:i32)
      branch v0 1(v1) 1(v0)
    block 1 (v3:i32)
      v5:i32 = i32.add v3 v0
      return v5

In this order: the edges into blocks 1 and 2 go on to block 3, nothing leads to those two any more, v4 is v0 on every
edge, and block 4 is the rest of block 3.
"""

from __future__ import annotations

from compiler.dominators import reverse_postorder
from compiler.ir import Branch, Function, Jump, Target, TryCall, ValueId, successors, targets
from compiler.rewrite import drop_params, map_block, map_targets, terminator_uses


def run(func: Function) -> bool:
    """The four steps once, each of which makes work for the next. Returns whether anything changed."""
    changed = _skip_empty(func)
    changed |= _remove_unreachable(func)
    changed |= _single_values(func)
    changed |= _merge_chains(func)
    return changed


def _skip_empty(func: Function) -> bool:
    """An edge to a block that only jumps on goes to that jump's target.

    A protected call's edges stay as they are: its results exist on the normal edge alone, which therefore keeps a block
    of its own, and a landing block begins with ``caught``.
    """
    foreign = _read_elsewhere(func)
    onward = {
        index: (block.params, block.terminator.target)
        for index, block in enumerate(func.blocks)
        # Were a parameter read elsewhere, it would no longer dominate that reader.
        if not block.insts and isinstance(block.terminator, Jump) and foreign.isdisjoint(block.params)
    }
    changed = False

    def follow(target: Target) -> Target:
        nonlocal changed
        for _ in range(8):  # an endless loop of empty blocks has no end to follow
            jump = onward.get(target.block)
            if jump is None or jump[1].block == target.block:
                break
            params, after = jump
            given = dict(zip(params, target.args, strict=True))
            target = Target(after.block, tuple(given.get(arg, arg) for arg in after.args))
            changed = True
        return target

    for block in func.blocks:
        if isinstance(block.terminator, Jump | Branch):
            block.terminator = map_targets(block.terminator, follow)
    return changed


def _read_elsewhere(func: Function) -> set[ValueId]:
    """Block parameters that another block than their own reads."""
    home = {param: index for index, block in enumerate(func.blocks) for param in block.params}
    foreign: set[ValueId] = set()
    for index, block in enumerate(func.blocks):
        own, outgoing = terminator_uses(block.terminator)
        for values in (own, *(target.args for target in outgoing), *(inst.args for inst in block.insts)):
            foreign.update(value for value in values if home.get(value, index) != index)
    return foreign


def _remove_unreachable(func: Function) -> bool:
    order = sorted(reverse_postorder(successors(func)))
    if len(order) == len(func.blocks):
        return False
    number = {old: new for new, old in enumerate(order)}
    func.blocks = [func.blocks[old] for old in order]
    for block in func.blocks:
        block.terminator = map_targets(block.terminator, lambda old: Target(number[old.block], old.args))
    return True


def _single_values(func: Function) -> bool:
    """A parameter whose arguments are one value on every edge (or itself) is that value."""
    incoming: list[list[tuple[ValueId, ...]]] = [[] for _ in func.blocks]
    for block in func.blocks:
        for target in targets(block.terminator):
            incoming[target.block].append(target.args)
    replaced: dict[ValueId, ValueId] = {}

    def value(old: ValueId) -> ValueId:
        while old in replaced:
            old = replaced[old]
        return old

    keep: dict[int, list[int]] = {}
    for index, block in enumerate(func.blocks):
        if not index or not incoming[index]:
            continue
        for position, param in enumerate(block.params):
            incoming_values = {value(args[position]) for args in incoming[index]} - {param}
            if len(incoming_values) == 1:
                replaced[param] = incoming_values.pop()
        kept = [position for position, param in enumerate(block.params) if param not in replaced]
        if len(kept) != len(block.params):
            keep[index] = kept
    drop_params(func, keep)
    if replaced:
        for block in func.blocks:
            map_block(block, value)
    return bool(replaced)


def _merge_chains(func: Function) -> bool:
    """A block whose only way in is a jump becomes the rest of the block that jumps there."""
    ways = [0] * len(func.blocks)
    protected: set[int] = set()
    for block in func.blocks:
        for target in targets(block.terminator):
            ways[target.block] += 1
        if isinstance(block.terminator, TryCall):
            protected |= {landing for _, landing in block.terminator.handlers}
    replaced: dict[ValueId, ValueId] = {}
    gone: set[int] = set()
    for index, block in enumerate(func.blocks):
        if index in gone:
            continue
        while isinstance(block.terminator, Jump):
            target = block.terminator.target
            if ways[target.block] != 1 or target.block in (0, index) or target.block in protected:
                break
            after = func.blocks[target.block]
            replaced.update(zip(after.params, target.args, strict=True))
            block.insts += after.insts
            block.terminator = after.terminator
            gone.add(target.block)
            after.params, after.insts = (), []
    if not gone:
        return False

    def value(old: ValueId) -> ValueId:
        while old in replaced:
            old = replaced[old]
        return old

    if replaced:
        for index, block in enumerate(func.blocks):
            if index not in gone:
                map_block(block, value)
    _remove_unreachable(func)
    return True
