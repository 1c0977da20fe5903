"""Delete instructions of a module that is not valid: whole blocks first, then blocks' frames around what stays.

    (module (func block (result i32) f32.const 1 i32.eqz end loop nop end))

becomes, with ``block`` and ``i32.eqz`` to stay,

    (module (func block (result i32) i32.eqz end))

Operands and labels are left as they are: which of them matter for the engine's mistake is for the predicate to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Final

from fuzz.reduce.contract import CODE, Edit, Scope
from fuzz.reduce.sites import frames
from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import instr_weight
from wasm.module import Func

TIER: Final = CODE
SCOPE: Final = Scope.INVALID


def edits(subject: Subject) -> list[Edit]:
    """Edits (function, places): the instructions at these, or from the first to the last of a range."""
    whole, around = [], []
    for k, func in enumerate(subject.module.funcs):
        until = [0, *accumulate(map(instr_weight, func.body))]
        for marks in frames(func):
            whole.append(Edit((k, range(marks[0], marks[-1] + 1)), until[marks[-1] + 1] - until[marks[0]]))
            if len(marks) > 1:
                around.append(Edit((k, marks), sum(instr_weight(func.body[i]) for i in marks)))
    return whole + around


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    gone: dict[int, set[int]] = {}
    for edit in edits:
        k, places = edit.what
        gone.setdefault(k, set()).update(places)
    funcs = list(subject.module.funcs)
    for k, places in gone.items():
        body = [instr for i, instr in enumerate(funcs[k].body) if i not in places]
        funcs[k] = Func(funcs[k].type_index, funcs[k].locals, body)
    return Subject(replace(subject.module, funcs=funcs), subject.invocations)
