"""Faults of simplification: folding, value numbering, forwarding, dead code, control flow."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Entry, Rewrite

_SIMPLIFY = Area.SIMPLIFY
_FOLD: Final = "compiler.simplify.fold"

FAULTS: Final = (
    Fault(
        "fold-trap-away", _SIMPLIFY,
        "a constant operation that traps is folded to 0",
        "spec #510 (dead code that traps), binaryen #7348 (constant folding)",
        (Rewrite(f"{_FOLD}:_Folder._inst", "except Trap:\n            return None",
                 "except Trap:\n            return [self._constant(inst.results[0], 0)]"),),
    ),
    Fault(
        "fold-select-swapped", _SIMPLIFY,
        "select by a constant takes the other operand",
        "wasmtime #4322 (select)",
        (Rewrite(f"{_FOLD}:_Folder._ir_op", "inst.args[0] if last else inst.args[1]",
                 "inst.args[1] if last else inst.args[0]"),),
    ),
    Fault(
        "fold-remainder-by-one", _SIMPLIFY,
        "x rem 1 is x",
        "CVE-2022-31169 (division by constants)",
        (Rewrite(f"{_FOLD}:_Folder._identity", "known[1] == _RIGHT_IDENTITY.get(name)",
                 'known[1] == _RIGHT_IDENTITY.get(name.replace("rem_", "div_"))'),),
    ),
    Fault(
        "fold-same-operands", _SIMPLIFY,
        "x xor x is x",
        "CVE-2023-27477's kind: both operands are one value",
        (Entry(f"{_FOLD}:_SAME", "xor", None),),
    ),
    Fault(
        "fold-and-with-constant", _SIMPLIFY,
        "x and 1 is x",
        "class: identities with the wrong constant",
        (Rewrite(f"{_FOLD}:_Folder._identity", 'if name in ("and", "mul") and known[1] == 0:',
                 'if name == "and" and known[1] == 1:\n            return self._alias(inst, inst.args[0])\n'
                 '        if name in ("and", "mul") and known[1] == 0:'),),
    ),
    Fault(
        "fold-branch-table-default", _SIMPLIFY,
        "br_table with the constant index one past its end goes to its last entry",
        ".NET runtime #123565",
        (Rewrite(f"{_FOLD}:_Folder._terminator", "targets[chosen] if chosen < len(targets) else default",
                 "targets[min(chosen, len(targets) - 1)] if chosen <= len(targets) and targets else default"),),
    ),
    Fault(
        "numbering-across-stores", _SIMPLIFY,
        "a read is replaced by an earlier equal one whatever stands between",
        "wasmtime #4163, #4349 (alias analysis)",
        (Rewrite("compiler.simplify.gvn:_mergeable", 'inst.op.effect in ("", "trap")',
                 'inst.op.effect in ("", "trap", "read")'),),
    ),
    Fault(
        "numbering-without-scopes", _SIMPLIFY,
        "a value is replaced by one that does not dominate it",
        "class: scoped value numbering (Cranelift's egraph elaboration)",
        (Rewrite("compiler.simplify.gvn:run", "del known[key]", "known[key]"),),
    ),
    Fault(
        "numbering-ignores-immediates", _SIMPLIFY,
        "lane operations are equal whichever lane they take",
        "CVE-2022-31104's kind: an immediate that is not looked at",
        (Rewrite("compiler.simplify.gvn:_block", "key = (inst.op, inst.imm, inst.args)",
                 "key = (inst.op, inst.imm if not isinstance(inst.imm, int) or not inst.args else 0, inst.args)"),),
    ),
    Fault(
        "load-forwarded-past-store", _SIMPLIFY,
        "a load is replaced by an earlier one although a store stands between",
        "wasmtime #4163 (redundant-load elimination)",
        (Rewrite("compiler.simplify.forward:_known", 'case "store":', 'case "no store":'),),
    ),
    Fault(
        "global-forwarded-past-call", _SIMPLIFY,
        "what is known of globals and memory outlives an indirect call",
        "wasmtime #4163 (redundant-load elimination)",
        (Rewrite("compiler.simplify.forward:_known", 'case "call" | "call_indirect" | "call_ref" | "helper":',
                 'case "call" | "call_ref" | "helper":'),),
    ),
    Fault(
        "dead-trap-removed", _SIMPLIFY,
        "an instruction that may trap is dead if nobody uses its result",
        "spec #510 (dead code that traps)",
        (Rewrite("compiler.simplify.dead:_removable", "return not inst.op.traps", "return True"),),
    ),
    Fault(
        "single-value-of-two-edges", _SIMPLIFY,
        "a block parameter is replaced by its argument on the first two edges, whatever the others pass",
        "cranelift #916 (wrong values behind redundant jumps)",
        (Rewrite("compiler.simplify.thread:_single_values", "for args in incoming[index]}",
                 "for args in incoming[index][:2]}"),),
    ),
    Fault(
        "threading-forgets-arguments", _SIMPLIFY,
        "an edge through an empty block passes that block's last argument in place of the others",
        "cranelift #916, wasmtime #1109 (fold_redundant_jumps)",
        (Rewrite("compiler.simplify.thread:_skip_empty", "tuple(given.get(arg, arg) for arg in after.args)",
                 "tuple(target.args[-1] if arg in given else arg for arg in after.args)"),),
    ),
)  # fmt: skip
"""Where an optimizer goes wrong."""
