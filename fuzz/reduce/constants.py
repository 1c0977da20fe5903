"""The numbers in a module that may be smaller: constants in code and initialisers, memory offsets, alignments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from fuzz.reduce.subject import Subject
from fuzz.reduce.weights import instr_weight
from wasm.isa import Imm, Instr, MemArg
from wasm.module import Expr, Func, Global

Place: TypeAlias = tuple[str, int, int, str]
"""(``code`` or ``global``, item, instruction, which number)."""

_NUMBERS: Final = frozenset({Imm.I32, Imm.I64, Imm.F32, Imm.F64, Imm.V128})


def constants(subject: Subject) -> list[tuple[Place, int, int]]:
    """(place, value, bytes to gain) of every number that is not 0."""
    places: list[tuple[Place, int, int]] = []
    for k, func in enumerate(subject.module.funcs):
        _in("code", k, func.body, places)
    for k, item in enumerate(subject.module.globals):
        _in("global", k, item.init, places)
    return places


def _in(kind: str, k: int, body: list[Instr] | Expr, places: list[tuple[Place, int, int]]) -> None:
    for i, (op, imm) in enumerate(body):
        if not op.imms:
            continue
        if op.imms[0] in _NUMBERS:
            if imm:
                places.append(((kind, k, i, "value"), imm, max(1, instr_weight((op, imm)) - 2)))
        elif op.imms[0] is Imm.MEMARG:
            align, offset, _ = imm[0] if len(op.imms) > 1 else imm
            if offset:
                places.append(((kind, k, i, "offset"), offset, max(1, instr_weight((op, imm)) - 3)))
            if align and op.prefix != 0xFE:
                places.append(((kind, k, i, "align"), align, 1))


def _with(instr: Instr, part: str, value: int) -> Instr:
    op, imm = instr
    if part == "value":
        return (op, value)
    first, *rest = imm if len(op.imms) > 1 else (imm,)
    changed = MemArg(*first)._replace(**{part: value})
    return (op, (changed, *rest) if rest else changed)


def with_constants(subject: Subject, changes: Mapping[Place, int]) -> Subject:
    """The subject with the numbers at these places changed."""
    funcs, globals_ = list(subject.module.funcs), list(subject.module.globals)
    bodies: dict[int, list[Instr]] = {}
    inits: dict[int, list[Instr]] = {}
    for (kind, k, i, part), value in changes.items():
        if kind == "code":
            body = bodies.setdefault(k, list(funcs[k].body))
        else:
            body = inits.setdefault(k, list(globals_[k].init))
        body[i] = _with(body[i], part, value)
    for k, body in bodies.items():
        funcs[k] = Func(funcs[k].type_index, funcs[k].locals, body)
    for k, body in inits.items():
        globals_[k] = Global(globals_[k].type, tuple(body))
    return Subject(replace(subject.module, funcs=funcs, globals=globals_), subject.invocations)
