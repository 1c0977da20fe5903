"""Take locals out: reads become zeros, writes vanish.

    (module (func (local i32 i64 f32)
      nop local.get 1 i64.const 1 i64.add local.set 1 local.get 2 drop))

becomes, with ``nop`` to stay,

    (module (func nop f32.const 0 drop))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.operation import Operation, lifter_of
from fuzz.reduce.subject import Subject
from wasm.isa import Imm

TIER: Final = CODE


def edits(subject: Subject) -> list[Edit]:
    """The locals of all functions, those that no instruction names first."""
    lifter, possible = lifter_of(subject.module), []
    for k, func in enumerate(subject.module.funcs):
        graph = lifter.graph(k)
        uses = [0] * len(graph.locals)
        for op, imm in func.body:
            if Imm.LOCAL in op.imms:
                uses[imm] += 1
        possible += [((min(uses[i], 1), k, i), 1 + 2 * uses[i]) for i in range(graph.param_count, len(graph.locals))]
    return [Edit(what, weight) for what, weight in sorted(possible)]


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    operation = Operation(subject)
    for edit in edits:
        _, func, index = edit.what
        operation.surgery(func).lose_local(index)
    return operation.finish()
