"""Faults of the allocators: parallel moves, moves on edges, fix-ups, and the removal of redundant moves."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Rewrite

_ALLOC = Area.ALLOCATE
_BACK: Final = "compiler.regalloc.backtracking"

FAULTS: Final = (
    Fault(
        "move-cycle-not-kept", _ALLOC,
        "a cycle of moves is opened without keeping the value that is overwritten first",
        "regalloc2's parallel-move resolver (fuzz target moves)",
        (Rewrite("compiler.regalloc.moves:_cycle", "keeper if source == start else source", "source"),),
    ),
    Fault(
        "cycle-scratch-in-use", _ALLOC,
        "a cycle keeps its value in the scratch register that its own memory-to-memory moves go through",
        "regalloc2 #229 (scratch register of stack-to-stack moves)",
        (Rewrite("compiler.regalloc.moves:_cycle", "if in_memory else", "if False else"),),
    ),
    Fault(
        "move-order-ignored", _ALLOC,
        "a move runs although another one still has to read its target",
        "regalloc2's parallel-move resolver (fuzz target moves)",
        (Rewrite("compiler.regalloc.moves:resolve", "if not readers.get(target) and source != target]",
                 "if readers.get(target, 0) < 2 and source != target]"),),
    ),
    Fault(
        "edge-moves-first-only", _ALLOC,
        "moves are made on the first edge of a branch only",
        "wasmtime #11205 (several edges to one block)",
        (Rewrite(f"{_BACK}.answer:_Writer.edges", "for edge in flow.insts[last].edges or ():",
                 "for edge in (flow.insts[last].edges or ())[:1]:"),),
    ),
    Fault(
        "edge-moves-of-first-predecessor-only", _ALLOC,
        "where several ways meet, moves are made on the first of them only",
        "wasmtime #11205 (several edges to one block)",
        (Rewrite(f"{_BACK}.answer:_Writer.edges", "for edge in flow.insts[last].edges or ():",
                 "for edge in [e for e in flow.insts[last].edges or () if flow.predecessors[e.block][0] == block]:"),),
    ),
    Fault(
        "branch-operands-not-copied", _ALLOC,
        "a branch's or protected call's operands are not copied to the registers that they must be in",
        "regalloc2 #191 and #240 (operands of branches)",
        (Rewrite(f"{_BACK}.answer:_Writer._copy_in", "if key in self.copied:",
                 "if key in self.copied or self.flow.insts[number].edges:"),),
    ),
    Fault(
        "edge-moves-at-wrong-end", _ALLOC,
        "moves of an edge into a block with several predecessors stand at that block's start",
        "regalloc2 #240 (moves around a branch's own operands)",
        (Rewrite("compiler.regalloc.flow:Flow.moves_at_start", "return len(self.predecessors[target]) == 1",
                 "return len(self.predecessors[target]) <= 2"),),
    ),
    Fault(
        "edge-slot-not-stored", _ALLOC,
        "a block parameter that lives in memory is not stored on edges where it also has a register",
        "regalloc2 #246 (a value live into a block that a branch defines)",
        (Rewrite(f"{_BACK}.answer:_Writer.edges", "if slot >= SLOT_BASE and self.stored.get(arg) != slot:",
                 "if slot >= SLOT_BASE and place >= SLOT_BASE and self.stored.get(arg) != slot:"),),
    ),
    Fault(
        "definition-not-stored", _ALLOC,
        "a value with a slot is not stored where it is defined",
        "regalloc2 #217 (spilled definitions of fastalloc)",
        (Rewrite(f"{_BACK}.answer:_Writer._copy_out", "targets = {lives, self.stored.get(vreg, lives)} - {source}",
                 "targets = {lives} - {source}"),),
    ),
    Fault(
        "multi-fixed-fixup-lost", _ALLOC,
        "of several copies of one value into fixed registers some are taken for copies of a neighbouring instruction",
        "regalloc2's fixup_multi_fixed_vregs (#226)",
        (Rewrite(f"{_BACK}.answer:_Writer._copy_in", "key = number << 7 | target", "key = number >> 2 << 7 | target"),),
    ),
    Fault(
        "redundant-move-past-clobber", _ALLOC,
        "a reload is removed although a call has clobbered the register since",
        "regalloc2's redundant-move eliminator",
        (Rewrite(f"{_BACK}.redundant:_needed", "value.pop(place_of(preg), None)", "place_of(preg)"),),
    ),
    Fault(
        "redundant-move-past-definition", _ALLOC,
        "a move is removed although its source has been defined anew since",
        "regalloc2's redundant-move eliminator",
        (Rewrite(f"{_BACK}.redundant:_needed", "if operand.kind is OperandKind.DEF:",
                 "if operand.kind is OperandKind.DEF and len(inst.operands) < 3:"),),
    ),
    Fault(
        "moves-narrowed", _ALLOC,
        "register moves of an i64 at a split copy the lower half only",
        "wasmtime #12982 and #11597 (width of a moved value)",
        (Rewrite(f"{_BACK}.answer:_Writer._edge", "(source, target, self.types[vreg])",
                 "(source, target, next((t for t in self.types if t.bits == 32), self.types[vreg])"
                 " if self.types[vreg].name == 'i64' else self.types[vreg])"),),
    ),
)  # fmt: skip
"""Moves between instructions."""
