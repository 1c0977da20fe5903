"""The same case with a call and a return in place of each tail call: a finding that goes away with that is about them.

    return_call $f      ->      call $f  return

A tail call takes its own frame down before it goes on, and what it leaves behind when it does so wrongly is anything.
Inside of a handler the two differ, since the handler of a frame that is gone catches nothing; and so they do where
calls nest too deeply. The reference has the last word on whether a changed case means the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from fuzz.triage.neutral import STEPS
from fuzz.triage.readable import module_of
from oracles.interpreter import Budget, run_case
from wasm.case import Case
from wasm.encode import encode
from wasm.isa import OPS, Instr

_PLAIN: Final = {OPS[f"return_{name}"]: OPS[name] for name in ("call", "call_indirect", "call_ref")}
TAIL_CALLS: Final = frozenset(op.name for op in _PLAIN)
_OPENS: Final = frozenset({"block", "loop", "if", "try_table"})


def untailed(case: Case, rows: Collection[str] = TAIL_CALLS) -> Case | None:
    """The case without these tail calls; None if it has none, or would not mean the same."""
    module = module_of(case)
    if module is None:
        return None
    if not any(op.name in rows for func in module.funcs for op, _ in func.body):
        return None
    for func in module.funcs:
        func.body = _without(func.body, rows)
    changed = case.with_content(encode(module))
    before, after = (run_case(one, None, Budget(steps=STEPS)) for one in (case, changed))
    same = (before.instantiation, before.outcomes) == (after.instantiation, after.outcomes)
    return changed if same and changed.content != case.content else None


def _without(body: list[Instr], rows: Collection[str]) -> list[Instr]:
    made: list[Instr] = []
    around: list[str] = []
    for op, imm in body:
        if op.name in _OPENS:
            around.append(op.name)
        elif op.name == "end" and around:
            around.pop()
        if op.name in rows and "try_table" not in around:
            made += [(_PLAIN[op], imm), OPS["return"].bare]
        else:
            made.append((op, imm))
    return made
