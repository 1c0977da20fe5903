"""Instructions whose opcode depends on a type: reads of packed and other fields, casts with and without null."""

from __future__ import annotations

from typing import Final

from generators.refs.lattice import Defined
from wasm.isa import OPS, Instr
from wasm.valtypes import NumType, PackedType, RefType, StorageType

_STRUCT_GETS: Final = (OPS["struct.get_s"], OPS["struct.get_u"])
_ARRAY_GETS: Final = (OPS["array.get_s"], OPS["array.get_u"])
_CASTS: Final = (OPS["ref.cast"], OPS["ref.cast_null"])
_TESTS: Final = (OPS["ref.test"], OPS["ref.test_null"])


def width(storage: StorageType) -> int:
    """Bytes of a number in memory."""
    assert isinstance(storage, NumType | PackedType)
    return storage.bits // 8


def struct_get(type_: Defined, field: int, unsigned: int) -> Instr:
    """The instruction that reads a field of a struct; ``unsigned``, 0 or 1, is how a packed one is extended."""
    packed = isinstance(type_.fields[field].storage, PackedType)
    return _STRUCT_GETS[unsigned] if packed else OPS["struct.get"], (type_.index, field)


def array_get(type_: Defined, unsigned: int) -> Instr:
    """The instruction that reads an element of an array; ``unsigned`` as for ``struct_get``."""
    packed = isinstance(type_.fields[0].storage, PackedType)
    return _ARRAY_GETS[unsigned] if packed else OPS["array.get"], type_.index


def cast_to(type_: RefType) -> Instr:
    """``ref.cast`` to a type, whose null goes through as well where it has one."""
    return _CASTS[type_.nullable], type_.heap


def test_of(type_: RefType) -> Instr:
    """``ref.test`` of a type, which null is too where the type has one."""
    return _TESTS[type_.nullable], type_.heap
