"""What is reduced: a module with the calls to make on it, and the order in which one is better than another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from wasm.embedding import Invocation
from wasm.encode import encode
from wasm.isa import Imm
from wasm.module import Module
from wasm.valtypes import NumType, PackedType

SortKey: TypeAlias = tuple[int, int, int, bytes]


@dataclass(frozen=True, slots=True)
class Subject:
    """A module and the invocations of its case. Both are values to the passes: an edit makes new ones."""

    module: Module
    invocations: tuple[Invocation, ...] = ()


def calls_size(invocations: tuple[Invocation, ...]) -> int:
    """What the calls count for, in bytes: a name, and each argument as its bits' worth."""
    return sum(
        1 + len(call.export) + sum(1 + (arg.bits.bit_length() + 7) // 8 + len(arg.ref) for arg in call.args)
        for call in invocations
    )


def sort_key(subject: Subject, content: bytes) -> SortKey:
    """The total order of reduction; ``content`` is the encoded module.

    Size in bytes first, since that is what a reader has to get through. Of one size, fewer instructions, then simpler
    types and constants: a zero says that the value does not matter. Last the bytes themselves, so that no two differ
    without an order: every accepted step goes down and the reducer must end.
    """
    instructions = sum(len(func.body) for func in subject.module.funcs)
    return (len(content) + calls_size(subject.invocations), instructions, complexity(subject.module), content)


_TYPE_WEIGHT: Final = {"i32": 0, "i64": 1, "f32": 2, "f64": 3, "v128": 4, "i8": 0, "i16": 0}
_CONSTANTS: Final = frozenset({Imm.I32, Imm.I64, Imm.F32, Imm.F64, Imm.V128})


def _type_weight(type_: object) -> int:
    return _TYPE_WEIGHT[type_.name] if isinstance(type_, NumType | PackedType) else 5


def complexity(module: Module) -> int:
    """How far types are from i32 and constants from zero."""
    total = 0
    for sub in module.flat_types():
        params, results = getattr(sub.composite, "params", ()), getattr(sub.composite, "results", ())
        total += sum(map(_type_weight, (*params, *results)))
    for func in module.funcs:
        total += sum(count * _type_weight(type_) for count, type_ in func.locals)
        for op, imm in func.body:
            if imm and op.imms[0] in _CONSTANTS:
                total += imm.bit_length()
            elif op.imms == (Imm.MEMARG,):
                total += imm[0] + imm[1].bit_length()
    return total + sum(g.init[0][1].bit_length() for g in module.globals if g.init and isinstance(g.init[0][1], int))


def subject_key(subject: Subject) -> SortKey:
    return sort_key(subject, encode(subject.module))
