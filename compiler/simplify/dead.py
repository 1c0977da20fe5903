"""Dead code: instructions without effects whose results nobody uses, and block parameters that nobody reads.

    function dead -> i32
    block 0 (v0:i32)
      v1:i32 = i32.mul v0 v0
      jump 1(v0 v1)
    block 1 (v2:i32 v3:i32)
      v4:i32 = i32.add v3 v3
      v5:i32 = i32.shl v2 v2
      branch v5 1(v5 v4) 2()
    block 2
      return v2
    ; becomes
    function dead -> i32
    block 0 (v0:i32)
      jump 1(v0)
    block 1 (v2:i32)
      v5:i32 = i32.shl v2 v2
      branch v5 1(v5) 2()
    block 2
      return v2

Liveness starts from what has an effect and from terminators, and goes backwards from uses to makers; a parameter makes
the arguments at its place on every edge live. So values that only feed each other around a loop are dead, which a count
of uses would not find.
"""

from __future__ import annotations

from compiler.ir import Function, Inst, IrOp, ValueId
from compiler.rewrite import drop_params, terminator_uses


def _removable(inst: Inst) -> bool:
    if isinstance(inst.op, IrOp):
        return inst.op.effect in ("", "read")
    return not inst.op.traps


def run(func: Function) -> bool:
    """Mark from what has an effect, backwards; sweep the rest."""
    makers: dict[ValueId, Inst] = {}
    params: dict[ValueId, tuple[int, int]] = {}
    incoming: list[list[tuple[ValueId, ...]]] = [[] for _ in func.blocks]
    work: list[ValueId] = []
    for index, block in enumerate(func.blocks):
        params.update({param: (index, position) for position, param in enumerate(block.params)})
        for inst in block.insts:
            makers.update(dict.fromkeys(inst.results, inst))
            if not _removable(inst):
                work += inst.args
        own, targets = terminator_uses(block.terminator)
        work += own
        for target in targets:
            incoming[target.block].append(target.args)
    live: set[ValueId] = set()
    while work:
        value = work.pop()
        if value in live:
            continue
        live.add(value)
        inst_ = makers.get(value)
        if inst_ is not None:
            work += inst_.args
        elif value in params:
            index, position = params[value]
            work += [args[position] for args in incoming[index]]
    return _sweep(func, live)


def _sweep(func: Function, live: set[ValueId]) -> bool:
    changed = False
    for block in func.blocks:
        kept = [inst for inst in block.insts if not _removable(inst) or not live.isdisjoint(inst.results)]
        changed |= len(kept) != len(block.insts)
        block.insts = kept
    unread = {
        index: [position for position, param in enumerate(block.params) if param in live]
        for index, block in enumerate(func.blocks)
        if index and any(param not in live for param in block.params)
    }
    drop_params(func, unread)
    return changed or bool(unread)
