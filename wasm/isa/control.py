"""Rows: control, parametric, variable, table, reference instructions (spec 5.4.1 to 5.4.5) and legacy exceptions."""

from __future__ import annotations

from wasm.features import Feature
from wasm.isa.row import Imm, op
from wasm.traps import TrapKind as T

_CALL_INDIRECT = (T.UNDEFINED_ELEMENT, T.UNINITIALIZED_ELEMENT, T.INDIRECT_TYPE_MISMATCH)

op("unreachable", 0x00, None, traps=(T.UNREACHABLE,))
op("nop", 0x01, "->")
op("block", 0x02, None, Imm.BLOCK_TYPE)
op("loop", 0x03, None, Imm.BLOCK_TYPE)
op("if", 0x04, None, Imm.BLOCK_TYPE)
op("else", 0x05, None)
op("end", 0x0B, None)
op("br", 0x0C, None, Imm.LABEL)
op("br_if", 0x0D, None, Imm.LABEL)
op("br_table", 0x0E, None, Imm.LABELS)
op("return", 0x0F, None)
op("call", 0x10, None, Imm.FUNC)
op("call_indirect", 0x11, None, Imm.TYPE, Imm.TABLE, traps=_CALL_INDIRECT)

op("return_call", 0x12, None, Imm.FUNC, feature=Feature.TAIL_CALL)
op("return_call_indirect", 0x13, None, Imm.TYPE, Imm.TABLE, traps=_CALL_INDIRECT, feature=Feature.TAIL_CALL)
op("call_ref", 0x14, None, Imm.TYPE, traps=(T.NULL_REFERENCE,), feature=Feature.FUNCTION_REFERENCES)
# return_call_ref needs tail calls as well; the validator's feature rule adds that.
op("return_call_ref", 0x15, None, Imm.TYPE, traps=(T.NULL_REFERENCE,), feature=Feature.FUNCTION_REFERENCES)

op("throw", 0x08, None, Imm.TAG, feature=Feature.EXCEPTIONS)
op("throw_ref", 0x0A, None, traps=(T.NULL_REFERENCE,), feature=Feature.EXCEPTIONS)
op("try_table", 0x1F, None, Imm.BLOCK_TYPE, Imm.CATCHES, feature=Feature.EXCEPTIONS)

op("try", 0x06, None, Imm.BLOCK_TYPE, feature=Feature.LEGACY_EXCEPTIONS)
op("catch", 0x07, None, Imm.TAG, feature=Feature.LEGACY_EXCEPTIONS)
op("rethrow", 0x09, None, Imm.LABEL, feature=Feature.LEGACY_EXCEPTIONS)
op("delegate", 0x18, None, Imm.LABEL, feature=Feature.LEGACY_EXCEPTIONS)
op("catch_all", 0x19, None, feature=Feature.LEGACY_EXCEPTIONS)

op("drop", 0x1A, None)
op("select", 0x1B, None)
op("select_t", 0x1C, None, Imm.TYPES, mnemonic="select", feature=Feature.REFERENCE_TYPES)

op("local.get", 0x20, None, Imm.LOCAL)
op("local.set", 0x21, None, Imm.LOCAL)
op("local.tee", 0x22, None, Imm.LOCAL)
op("global.get", 0x23, None, Imm.GLOBAL, const=True)
op("global.set", 0x24, None, Imm.GLOBAL)

op("table.get", 0x25, None, Imm.TABLE, traps=(T.TABLE_OOB,), feature=Feature.REFERENCE_TYPES)
op("table.set", 0x26, None, Imm.TABLE, traps=(T.TABLE_OOB,), feature=Feature.REFERENCE_TYPES)
op("table.init", 12, None, Imm.ELEM, Imm.TABLE, prefix=0xFC, traps=(T.TABLE_OOB,), feature=Feature.BULK_MEMORY)
op("elem.drop", 13, "->", Imm.ELEM, prefix=0xFC, feature=Feature.BULK_MEMORY)
op("table.copy", 14, None, Imm.TABLE, Imm.TABLE, prefix=0xFC, traps=(T.TABLE_OOB,), feature=Feature.BULK_MEMORY)
op("table.grow", 15, None, Imm.TABLE, prefix=0xFC, feature=Feature.REFERENCE_TYPES)
op("table.size", 16, None, Imm.TABLE, prefix=0xFC, feature=Feature.REFERENCE_TYPES)
op("table.fill", 17, None, Imm.TABLE, prefix=0xFC, traps=(T.TABLE_OOB,), feature=Feature.REFERENCE_TYPES)

op("ref.null", 0xD0, None, Imm.HEAP, feature=Feature.REFERENCE_TYPES, const=True)
op("ref.is_null", 0xD1, None, feature=Feature.REFERENCE_TYPES)
op("ref.func", 0xD2, None, Imm.FUNC, feature=Feature.REFERENCE_TYPES, const=True)
op("ref.eq", 0xD3, "eqref eqref -> i32", feature=Feature.GC)
op("ref.as_non_null", 0xD4, None, traps=(T.NULL_REFERENCE,), feature=Feature.FUNCTION_REFERENCES)
op("br_on_null", 0xD5, None, Imm.LABEL, feature=Feature.FUNCTION_REFERENCES)
op("br_on_non_null", 0xD6, None, Imm.LABEL, feature=Feature.FUNCTION_REFERENCES)
