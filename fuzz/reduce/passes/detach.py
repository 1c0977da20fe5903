"""Delete instructions but keep the traps below them: what might trap goes on being computed, and is dropped.

    (module (func (param i32)
      local.get 0 local.get 0 i32.div_s i32.const 5 i32.add local.set 0))

becomes, with ``i32.div_s`` to stay,

    (module (func (param i32) local.get 0 local.get 0 i32.div_s drop))

For bugs that sit in an instruction whose result is used further on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.operation import Operation
from fuzz.reduce.sites import every_instruction
from fuzz.reduce.subject import Subject
from wasm.rewrite.operands import Node

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    return every_instruction(subject, _above_a_trap)


def _above_a_trap(node: Node) -> bool:
    return bool(node.ins) and node.opens is None


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject, keep_traps=True)
    for edit in edits:
        _, func, index = edit.what
        operation.surgery(func).delete(index)
    return operation.finish()
