"""Faults of the translation from Wasm to SSA: control, locals, handlers."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Rewrite

_TRANSLATE = Area.TRANSLATE
_STATE: Final = "compiler.translator"
_RULES: Final = "compiler.translate_rules"

FAULTS: Final = (
    Fault(
        "loop-misses-local", _TRANSLATE,
        "of the locals that a loop changes, the last one keeps its value from before the loop",
        "wazero #2503 (locals that revert)",
        (Rewrite(f"{_RULES}:_loop", "locals_ = t.assigned[t.position]", "locals_ = t.assigned[t.position][:-1]"),),
    ),
    Fault(
        "handlers-outermost-first", _TRANSLATE,
        "clauses of the outermost try_table are tried first",
        "wasmtime #10593 (handlers of try_call)",
        (Rewrite(f"{_STATE}:Translator._clauses", "for frame in reversed(self.frames):", "for frame in self.frames:"),),
    ),
    Fault(
        "payload-reversed", _TRANSLATE,
        "the values of an exception arrive in the opposite order",
        "wasmtime #11326 (exception payloads), class: order of many values",
        (Rewrite(f"{_STATE}:Translator._landing", 'if kind.endswith("_ref"):',
                 "if len({self.type_of(value) for value in values}) == 1:\n            values.reverse()\n"
                 '        if kind.endswith("_ref"):'),),
    ),
    Fault(
        "branch-arity-of-loop", _TRANSLATE,
        "a branch to a loop passes as many values as the loop has results",
        "class: label arity of loops (the official suite's loop.wast)",
        (Rewrite(f"{_RULES}:_loop", "len(params), len(results), height", "len(results), len(results), height"),),
    ),
    Fault(
        "br-table-first-edge", _TRANSLATE,
        "br_table with more than 255 entries takes entry i modulo 256",
        "wasmtime #10741's kind: an index in too few bits",
        (Rewrite(f"{_RULES}:_br_table", "for depth in labels), target_of",
                 "for depth in (labels[i & 255] for i in range(len(labels)))), target_of"),),
    ),
    Fault(
        "else-without-parameters", _TRANSLATE,
        "the else arm of an if gets its parameters in the opposite order",
        "class: block parameters (multi-value)",
        (Rewrite(f"{_RULES}:_else", "t.stack[frame.height :] = params", "t.stack[frame.height :] = params[::-1]"),),
    ),
    Fault(
        "br-on-null-keeps-null", _TRANSLATE,
        "br_on_null branches where the reference is not null",
        "wasmtime #11529 (null and bottom references)",
        (Rewrite(f"{_RULES}:_br_on_null", "t.branch(null, frame, values)",
                 "t.branch(null, frame, values, when=False)"),),
    ),
    Fault(
        "br-if-values-reversed", _TRANSLATE,
        "a conditional branch with several values of one type passes them in the opposite order",
        "class: order of a label's values (multi-value; wasm3 #220)",
        (Rewrite(f"{_RULES}:_br_if", "values = tuple(t.stack[-frame.arity :]) if frame.arity else ()",
                 "values = tuple(t.stack[-frame.arity :]) if frame.arity else ()\n"
                 "    values = values[::-1] if len({t.type_of(value) for value in values}) == 1 else values"),),
    ),
    Fault(
        "results-rotated", _TRANSLATE,
        "results of a call with more than 64 arguments arrive one place further on where they have one type",
        "wasmer #3940 (multi-value), wasm3 #220",
        (Rewrite(f"{_STATE}:Translator.call", "self.stack += self.emit(inst_op, args, imm, types)",
                 "found = self.emit(inst_op, args, imm, types)\n"
                 "            turned = len(args) > 64 and len(set(types)) == 1\n"
                 "            self.stack += found[1:] + found[:1] if turned else found"),),
    ),
)  # fmt: skip
"""The front end."""
