"""Global value numbering: an instruction whose equal dominates it is replaced by that one's results.

    function gvn -> i32
    block 0 (v0:i32 v1:i32)
      v2:i32 = i32.add v0 v1
      branch v2 1() 2()
    block 1
      v3:i32 = i32.add v0 v1
      v4:i32 = i32.mul v3 v2
      return v4
    block 2
      v5:i32 = i32.mul v2 v2
      return v5
    ; becomes
    function gvn -> i32
    block 0 (v0:i32 v1:i32)
      v2:i32 = i32.add v0 v1
      branch v2 1() 2()
    block 1
      v4:i32 = i32.mul v2 v2
      return v4
    block 2
      v5:i32 = i32.mul v2 v2
      return v5

Equal means the same operation, immediates and operands, for operations without effects and for those that may only
trap: where the first did not trap, the second will not. What block 1 computed is not known in block 2: it does not
dominate it. (Click, "Global Code Motion / Global Value Numbering", 1995, restricted to the dominator tree.)
"""

from __future__ import annotations

from typing import Any

from compiler.dominators import dominators
from compiler.ir import Function, Inst, IrOp, ValueId, successors
from compiler.rewrite import map_block


def run(func: Function) -> bool:
    """Walk the dominator tree from the entry down. Returns whether anything changed."""
    tree = dominators(successors(func))
    children: dict[int, list[int]] = {block: [] for block in tree.order}
    for block in tree.order[1:]:
        children[tree.idom[block]].append(block)
    known: dict[Any, tuple[ValueId, ...]] = {}
    replaced: dict[ValueId, ValueId] = {}
    added: list[list[Any]] = []
    changed = False
    # Preorder with undo: a scope's entries end when its subtree does.
    stack: list[int] = [0]
    while stack:
        block = stack.pop()
        if block < 0:
            for key in added.pop():
                del known[key]
            continue
        mine: list[Any] = []
        changed |= _block(func, block, known, replaced, mine)
        added.append(mine)
        stack.append(-1)
        stack += children[block]
    if changed:
        # A use may stand in a block that was walked before its definition was merged (a loop's back edge).
        for each in func.blocks:
            map_block(each, lambda value: replaced.get(value, value))
    return changed


def _mergeable(inst: Inst) -> bool:
    if isinstance(inst.op, IrOp):
        return inst.op.effect in ("", "trap") and inst.op.name != "trapped"
    return True


def _block(
    func: Function,
    index: int,
    known: dict[Any, tuple[ValueId, ...]],
    replaced: dict[ValueId, ValueId],
    added: list[Any],
) -> bool:
    changed = False
    kept = []
    for inst in func.blocks[index].insts:
        inst.args = tuple(replaced.get(arg, arg) for arg in inst.args)
        if not _mergeable(inst):
            kept.append(inst)
            continue
        key = (inst.op, inst.imm, inst.args)
        earlier = known.get(key)
        if earlier is None:
            known[key] = inst.results
            added.append(key)
            kept.append(inst)
        else:
            replaced.update(zip(inst.results, earlier, strict=True))
            changed = True
    func.blocks[index].insts = kept
    return changed
