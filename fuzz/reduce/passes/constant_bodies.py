"""Replace whole function bodies by constants: nothing, or a zero of each result's type.

    (module (func nop) (func (result i64) i64.const 1 i64.const 2 i64.add))

becomes, with ``nop`` to stay,

    (module (func nop) (func (result i64) i64.const 0))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import BULK, Edit
from fuzz.reduce.effects import default_value
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import declare_refs
from fuzz.reduce.weights import body_weight
from wasm.isa import OPS
from wasm.module import ExternKind, Func

TIER: Final = BULK


def edits(subject: Subject) -> list[Edit]:
    module = subject.module
    types = module.func_types()[len(module.imported(ExternKind.FUNC)) :]
    possible = []
    for k, (func, type_) in enumerate(zip(module.funcs, types, strict=True)):
        body = [instr for result in type_.results for instr in default_value(result)]
        saved = body_weight(func) - body_weight(Func(0, [], body)) - 1
        if saved > 0:
            possible.append(Edit((k, tuple(body)), saved))
    return sorted(possible, key=lambda edit: (-edit.weight, edit.what[0]))


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    funcs = list(subject.module.funcs)
    for edit in edits:
        k, body = edit.what
        funcs[k] = Func(funcs[k].type_index, [], [*body, OPS["end"].bare])
    return Subject(declare_refs(replace(subject.module, funcs=funcs)), subject.invocations)
