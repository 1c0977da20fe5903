"""Delete instructions of a module that is not valid: whole blocks first, then blocks' frames around what stays.

Operands and labels are left as they are: which of them matter for the engine's mistake is for the predicate to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import CODE, Edit, Scope
from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import instr_weight
from wasm.module import Func

TIER: Final = CODE
SCOPE: Final = Scope.INVALID
_OPENS: Final = frozenset(("block", "loop", "if", "try", "try_table"))
_DIVIDES: Final = frozenset(("else", "catch", "catch_all"))
_CLOSES: Final = frozenset(("end", "delegate"))


def edits(subject: Subject) -> list[Edit]:
    """Edits (function, the instructions that go)."""
    whole, around = [], []
    for k, func in enumerate(subject.module.funcs):
        for marks in frames(func):
            span = tuple(range(marks[0], marks[-1] + 1))
            whole.append(Edit((k, span), sum(instr_weight(func.body[i]) for i in span)))
            if len(marks) > 1:
                around.append(Edit((k, marks), sum(instr_weight(func.body[i]) for i in marks)))
    return whole + around


def frames(func: Func) -> list[tuple[int, ...]]:
    """Each instruction by itself, a block by the places of its opener, its dividers and its end; in order."""
    found: list[list[int]] = []
    nested: list[list[int]] = []
    for i, (op, _) in enumerate(func.body[:-1]):
        if op.name in _OPENS:
            nested.append([i])
            found.append(nested[-1])
        elif nested and op.name in _DIVIDES:
            nested[-1].append(i)
        elif nested and op.name in _CLOSES:
            nested.pop().append(i)
        else:
            found.append([i])
    return [tuple(marks) for marks in found]


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
