"""Faults of the allocation checker, each paired with a fault of an allocator that it then lets through."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Rewrite

_CHECK = Area.CHECK
_PLACE: Final = "compiler.regalloc.checker"
_STATE: Final = "compiler.regalloc.checker_state"

FAULTS: Final = (
    Fault(
        "checker-skips-branches", _CHECK,
        "uses by terminators are not checked",
        "regalloc2 #191 and #224, wasmtime #10585",
        (Rewrite(f"{_PLACE}:_Checker._block", "for k, vreg, place in early_uses:",
                 "for k, vreg, place in early_uses if inst.edges is None else ():"),),
        "branch-operands-not-copied",
    ),
    Fault(
        "checker-ignores-clobbers", _CHECK,
        "a clobbered register still holds what it held",
        "regalloc2 #224 (clobbers on branches)",
        (Rewrite(f"{_PLACE}:_Checker._block", "state.write(preg, NOTHING, 64)", "state.get(preg)"),),
        "clobbers-ignored-single-pass",
    ),
    Fault(
        "checker-meets-with-the-first", _CHECK,
        "where ways meet, what one of them knows is believed",
        "regalloc2's checker: the meet is an intersection (checker.rs)",
        (Rewrite(f"{_STATE}:State.meet", "common = vregs & other.get(place)", "common = vregs"),),
        "edge-moves-of-first-predecessor-only",
    ),
    Fault(
        "checker-forgets-width", _CHECK,
        "a narrow move is believed to carry a wide value",
        "regalloc2's checker knows no widths at all (wasmtime #11597, #12982)",
        (Rewrite(f"{_STATE}:State.move", "if self.types[v] <= bits)", ")"),),
        "moves-narrowed",
    ),
    Fault(
        "checker-trusts-operands", _CHECK,
        "what an operand should hold is taken to be what it holds",
        "regalloc2 #191 (operands that were not looked at)",
        (Rewrite(f"{_PLACE}:_Checker._block", "for k, vreg, place in early_uses:",
                 "for k, vreg, place in early_uses:\n"
                 "                if inst.operands[k].constraint.kind is ConstraintKind.REG:\n"
                 "                    continue"),),
        "move-cycle-not-kept",
    ),
    Fault(
        "checker-renames-nothing-away", _CHECK,
        "a block parameter's value of the last iteration passes for that of this one",
        "regalloc2's checker: block parameters are a parallel move (checker.rs)",
        (Rewrite(f"{_STATE}:State.rename", "self.end(param)", "self.get(args[0])"),),
        "edge-slot-not-stored",
    ),
)  # fmt: skip
"""Found when the pair is found by what the wrong code does, not by what is left of the checker."""
