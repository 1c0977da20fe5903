"""Rows: aggregates, casts and i31 (spec 5.4.6, prefix 0xFB)."""

from __future__ import annotations

from wasm.features import Feature
from wasm.isa.row import Imm, Op, op
from wasm.traps import TrapKind as T


def _gc(
    name: str,
    code: int,
    signature: str | None,
    *imms: Imm,
    traps: tuple[T, ...] = (),
    mnemonic: str = "",
    const: bool = False,
) -> Op:
    return op(
        name, code, signature, *imms, prefix=0xFB, traps=traps, feature=Feature.GC, mnemonic=mnemonic, const=const
    )


_NULL = (T.NULL_REFERENCE,)
_ARRAY = (T.NULL_REFERENCE, T.ARRAY_OOB)

_gc("struct.new", 0, None, Imm.TYPE, const=True)
_gc("struct.new_default", 1, None, Imm.TYPE, const=True)
_gc("struct.get", 2, None, Imm.TYPE, Imm.FIELD, traps=_NULL)
_gc("struct.get_s", 3, None, Imm.TYPE, Imm.FIELD, traps=_NULL)
_gc("struct.get_u", 4, None, Imm.TYPE, Imm.FIELD, traps=_NULL)
_gc("struct.set", 5, None, Imm.TYPE, Imm.FIELD, traps=_NULL)
_gc("array.new", 6, None, Imm.TYPE, traps=(T.ALLOCATION_TOO_LARGE,), const=True)
_gc("array.new_default", 7, None, Imm.TYPE, traps=(T.ALLOCATION_TOO_LARGE,), const=True)
_gc("array.new_fixed", 8, None, Imm.TYPE, Imm.COUNT, const=True)
_gc("array.new_data", 9, None, Imm.TYPE, Imm.DATA, traps=(T.MEMORY_OOB, T.ALLOCATION_TOO_LARGE))
_gc("array.new_elem", 10, None, Imm.TYPE, Imm.ELEM, traps=(T.TABLE_OOB, T.ALLOCATION_TOO_LARGE))
_gc("array.get", 11, None, Imm.TYPE, traps=_ARRAY)
_gc("array.get_s", 12, None, Imm.TYPE, traps=_ARRAY)
_gc("array.get_u", 13, None, Imm.TYPE, traps=_ARRAY)
_gc("array.set", 14, None, Imm.TYPE, traps=_ARRAY)
_gc("array.len", 15, "arrayref -> i32", traps=_NULL)
_gc("array.fill", 16, None, Imm.TYPE, traps=_ARRAY)
_gc("array.copy", 17, None, Imm.TYPE, Imm.TYPE, traps=_ARRAY)
_gc("array.init_data", 18, None, Imm.TYPE, Imm.DATA, traps=(*_ARRAY, T.MEMORY_OOB))
_gc("array.init_elem", 19, None, Imm.TYPE, Imm.ELEM, traps=(*_ARRAY, T.TABLE_OOB))
# The binary format has a code for each nullness of the target; in text both are one word with a reference type.
_gc("ref.test", 20, None, Imm.HEAP)
_gc("ref.test_null", 21, None, Imm.HEAP, mnemonic="ref.test")
_gc("ref.cast", 22, None, Imm.HEAP, traps=(T.CAST_FAILURE,))
_gc("ref.cast_null", 23, None, Imm.HEAP, mnemonic="ref.cast", traps=(T.CAST_FAILURE,))
_gc("br_on_cast", 24, None, Imm.CAST)
_gc("br_on_cast_fail", 25, None, Imm.CAST)
_gc("any.convert_extern", 26, None, const=True)
_gc("extern.convert_any", 27, None, const=True)
_gc("ref.i31", 28, "i32 -> (i31)", const=True)
_gc("i31.get_s", 29, "i31ref -> i32", traps=_NULL)
_gc("i31.get_u", 30, "i31ref -> i32", traps=_NULL)
