"""Faults of the allocators: what an instruction asks for, live ranges, bundles, eviction, splitting, slots."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Rewrite

_ALLOC = Area.ALLOCATE
_BACK: Final = "compiler.regalloc.backtracking"
_SINGLE: Final = "compiler.regalloc.single_pass_inst"

FAULTS: Final = (
    Fault(
        "slot-index-u8", _ALLOC,
        "an operand's index is kept in 8 bits: from the 257th on, operands overwrite the first ones",
        "regalloc2 #226, wasmtime #10741",
        (Rewrite(f"{_BACK}.answer:_Writer.operands", "allocs[position >> 2][index] = place",
                 "allocs[position >> 2][index & 0xFF] = place"),),
    ),
    Fault(
        "fixup-slot-u8", _ALLOC,
        "the index of an operand that needs a fix-up move is kept in 8 bits",
        "regalloc2 #226 (MultiFixedRegFixup.to_slot)",
        (Rewrite(f"{_BACK}.answer:_Writer._operand", "self.allocs[number][index] = place",
                 "self.allocs[number][index & 0xFF] = place"),),
    ),
    Fault(
        "reuse-index-5-bits", _ALLOC,
        "the index of a reused input is kept in 5 bits (backtracking)",
        "regalloc2 operand encoding: Reuse(index) has 5 bits behind a debug assertion",
        (Rewrite(f"{_BACK}.ranges:_Builder._define", "ranges.reuses[number, constraint.number] = index",
                 "ranges.reuses[number, constraint.number & 31] = index"),),
    ),
    Fault(
        "reuse-index-5-bits-single-pass", _ALLOC,
        "the index of a reused input is kept in 5 bits (single pass)",
        "regalloc2 operand encoding: Reuse(index) has 5 bits behind a debug assertion",
        (Rewrite(f"{_SINGLE}:InstScan._fixed", "self.reused[constraint.number] = k",
                 "self.reused[constraint.number & 31] = k"),),
    ),
    Fault(
        "reuse-inputs-end-early", _ALLOC,
        "the other inputs of an instruction that reuses a register end before that register is written",
        "regalloc2: inputs beside a Reuse operand are extended to Late (ion/reg_traversal, fuzzed since 0.1)",
        (Rewrite(f"{_BACK}.ranges:_Builder._use", "THROUGH if is_late else BOTH if reuses else EARLY",
                 "THROUGH if is_late else EARLY"),),
    ),
    Fault(
        "late-use-ends-early", _ALLOC,
        "a late use holds its register while inputs are read only",
        "regalloc2 #240, wasmtime #11545 (late and early order)",
        (Rewrite("compiler.regalloc.requirements:operand_span", "if pos is OperandPos.LATE:\n        return THROUGH",
                 "if pos is OperandPos.LATE:\n        return EARLY"),),
    ),
    Fault(
        "early-def-begins-late", _ALLOC,
        "an early definition may share its register with an input",
        "regalloc2 #214 (fixed early operand against a bundle of several ranges), wasmtime #10539",
        (Rewrite("compiler.regalloc.requirements:operand_span", "return LATE if pos is OperandPos.LATE else THROUGH",
                 "return LATE"),),
    ),
    Fault(
        "minimal-bundle-loop", _ALLOC,
        "bundles of equal weight evict each other, and allocation never ends",
        "regalloc2 #218, #219, #220, wasmtime #10562",
        (Rewrite(f"{_BACK}.process:Process._probe", "if holder.weight >= weight:", "if holder.weight > weight:"),
         Rewrite(f"{_BACK}.process:Process._place", "if heaviest < lightest:", "if heaviest <= lightest:")),
    ),
    Fault(
        "limit-off-by-one", _ALLOC,
        "a limit on the register's encoding lets one register too many through",
        "regalloc2 #249 (Limit constraints)",
        (Rewrite(f"{_BACK}.process:Process._place", "if hw_of(place) >= need:", "if hw_of(place) > need:"),),
    ),
    Fault(
        "clobbers-ignored-single-pass", _ALLOC,
        "values stay in registers that a call clobbers",
        "wasmtime #10593 (clobbers of try_call)",
        (Rewrite(f"{_SINGLE}:InstScan._pass_through", "for place in {*self.early, *self.late, *self.clobbers}:",
                 "for place in {*self.early, *self.late}:"),),
    ),
    Fault(
        "evicted-not-reloaded", _ALLOC,
        "what single pass evicts from a register is not loaded back",
        "regalloc2 #217 and #233, wasmtime #10554",
        (Rewrite(f"{_SINGLE}:InstScan._commit_definitions",
                 "scan.groups.add(number, 1, DEFINITION, (scan.slot(vreg), home, scan.types[vreg]))",
                 "scan.slot(vreg)"),),
    ),
    Fault(
        "terminator-def-not-stored", _ALLOC,
        "a value that a branch itself defines does not reach its slot",
        "regalloc2 #240 and #246, wasmtime #11545 and #11850",
        (Rewrite(f"{_SINGLE}:InstScan._commit_definitions", "if slot != source:",
                 "if slot != source and not self.inst.edges:"),),
    ),
    Fault(
        "input-home-not-its-own", _ALLOC,
        "an input that may be anywhere is read from a register that something else gets in the same instruction",
        "regalloc2 #229 (fastalloc's Any operands)",
        (Rewrite(f"{_SINGLE}:InstScan._any", "and place not in self.early\n", "\n"),),
    ),
    Fault(
        "slots-shared-too-soon", _ALLOC,
        "a spill slot is given to the next value while the last one still needs it",
        "regalloc2: spill slots are shared where whole ranges are disjoint (ion/spill.rs); wasmtime #11597 is its like",
        (Rewrite(f"{_BACK}.answer:_Writer.share_slots", "if places and places[0][_FREE_FROM] <= start:",
                 "if places:"),),
    ),
    Fault(
        "frame-one-word-short", _ALLOC,
        "the frame has one spill slot too few",
        "wasmtime #12982 (stack return slot too small)",
        (Rewrite(f"{_BACK}.answer:_Writer.finish", "make_edits(kept, table), self.slots.words, stats)",
                 "make_edits(kept, table), max(self.slots.words - 1, 0), stats)"),),
    ),
    Fault(
        "wide-slot-misaligned", _ALLOC,
        "a v128's slot begins at any word, and a narrow slot may lie in its second half",
        "wasmtime #12944 (64 of 128 bits saved)",
        (Rewrite("compiler.regalloc.places:Slots.new", "self.words += 2", "self.words += 1"),),
    ),
    Fault(
        "bundles-overlap", _ALLOC,
        "bundles are merged although they overlap by one instruction",
        "regalloc2 #214 and #218 (minimal bundles with several ranges)",
        (Rewrite(f"{_BACK}.bundles:_join", "if start < end:", "if start < end - 4:"),),
    ),
    Fault(
        "live-range-misses-loop", _ALLOC,
        "liveness does not go round a loop's back edge",
        "wasmtime #11205 (a traversal that visits a successor twice, or never)",
        (Rewrite("compiler.regalloc.flow:_propagate", "if pred != defined and vreg not in live_in[pred]:",
                 "if pred != defined and pred <= index and vreg not in live_in[pred]:"),),
    ),
    Fault(
        "argument-not-live-out", _ALLOC,
        "a value that is only passed on along an edge is not live across the block's other edges",
        "regalloc2 #191 and #224 (operands of branches were not looked at)",
        (Rewrite("compiler.regalloc.flow:analyse", "for vreg in edge.args:", "for vreg in edge.args[:1]:"),),
    ),
    Fault(
        "reserved-register-shared", _ALLOC,
        "a register reserved for one value at an instruction is given to another one that lives through it",
        "regalloc2 #214 (fixed early use against a clobber)",
        (Rewrite(f"{_BACK}.process:Process._probe", "if reserved.owners[at] != vreg:",
                 "if reserved.owners[at] < vreg:"),),
    ),
    Fault(
        "split-leaves-gap", _ALLOC,
        "a piece of a split range is fed from where the value was two pieces ago",
        "regalloc2 #192 (stale flags of a split bundle)",
        (Rewrite(f"{_BACK}.answer:_Writer.splits", "if inside and place != source and place < SLOT_BASE:",
                 "if inside and place != source and source < SLOT_BASE:"),),
    ),
)  # fmt: skip
"""In the order of the pages of regalloc2's history that they come from."""
