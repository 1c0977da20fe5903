"""Redundant reads inside a block: a load or global.get whose value is known from an earlier read or write.

    function forward -> i32
    block 0 (v0:i32 v1:i32)
      v2:i32 = load [(@i32.load, (2, 0, 0))] v0
      v3:i32 = load [(@i32.load, (2, 0, 0))] v0
      global.set [0] v3
      v4:i32 = global.get [0]
      store [(@i32.store, (2, 0, 0))] v0 v1
      v5:i32 = load [(@i32.load, (2, 0, 0))] v0
      v6:i32 = i32.add v4 v5
      return v6
    ; becomes
    function forward -> i32
    block 0 (v0:i32 v1:i32)
      v2:i32 = load [(@i32.load, (2, 0, 0))] v0
      global.set [0] v2
      store [(@i32.store, (2, 0, 0))] v0 v1
      v5:i32 = load [(@i32.load, (2, 0, 0))] v0
      v6:i32 = i32.add v2 v5
      return v6

A store ends what is known of memories; it does not forward its own value, since a narrow store changes its bits. Calls
and helpers end everything. A load that repeats an earlier one cannot trap where that one did not, since memories never
shrink.
"""

from __future__ import annotations

from typing import Any

from compiler.ir import Function, Inst, ValueId
from compiler.rewrite import map_block


def run(func: Function) -> bool:
    """Walk each block by itself. Returns whether anything changed."""
    replaced: dict[ValueId, ValueId] = {}

    def value(old: ValueId) -> ValueId:
        while old in replaced:
            old = replaced[old]
        return old

    for block in func.blocks:
        known: dict[Any, ValueId] = {}
        kept = []
        for inst in block.insts:
            inst.args = tuple(map(value, inst.args))
            value_read = _known(inst, known)
            if value_read is None:
                kept.append(inst)
            else:
                replaced[inst.results[0]] = value_read
        block.insts = kept
    if replaced:
        for block in func.blocks:
            map_block(block, value)
    return bool(replaced)


def _known(inst: Inst, known: dict[Any, ValueId]) -> ValueId | None:
    """The value that a read gives, if it is known; updates what is known."""
    match inst.op.name:
        case "load" | "global.get" | "memory.size" | "table.size" | "ref.func":
            key = (inst.op.name, inst.imm, inst.args)
            earlier = known.get(key)
            if earlier is None:
                known[key] = inst.results[0]
            return earlier
        case "global.set":
            # The two may name one global: imports can alias. Only the one that was written is known.
            for key in [key for key in known if key[0] == "global.get"]:
                del known[key]
            known[("global.get", inst.imm, ())] = inst.args[0]
        case "store":
            for key in [key for key in known if key[0] == "load"]:
                del known[key]
        case "call" | "call_indirect" | "call_ref" | "helper":
            known.clear()
    return None
