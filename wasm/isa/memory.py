"""Rows: scalar memory access, bulk memory (spec 5.4.7) and the threads proposal's atomics (prefix 0xFE)."""

from __future__ import annotations

from wasm.features import Feature
from wasm.isa.row import Access, Imm, op
from wasm.traps import TrapKind as T

_OOB = (T.MEMORY_OOB,)


def _load(name: str, code: int, size: int, signed: bool = False) -> None:
    access = Access(size, "load", signed)
    op(name, code, f"addr -> {name[:3]}", Imm.MEMARG, access=access, traps=_OOB)


for _i, _type in enumerate(("i32", "i64", "f32", "f64")):
    _load(f"{_type}.load", 0x28 + _i, 8 if _type.endswith("64") else 4)
_narrow = [("i32", 8), ("i32", 16), ("i64", 8), ("i64", 16), ("i64", 32)]
for _i, (_type, _bits, _sign) in enumerate((t, b, s) for t, b in _narrow for s in "su"):
    _load(f"{_type}.load{_bits}_{_sign}", 0x2C + _i, _bits // 8, _sign == "s")
_stores = ["i32.store", "i64.store", "f32.store", "f64.store"] + [f"{t}.store{b}" for t, b in _narrow]
for _i, _name in enumerate(_stores):
    _type, _, _bits_text = _name.partition(".store")
    _size = int(_bits_text) // 8 if _bits_text else 8 if _type.endswith("64") else 4
    op(_name, 0x36 + _i, f"addr {_type} ->", Imm.MEMARG, access=Access(_size, "store"), traps=_OOB)

op("memory.size", 0x3F, "-> addr", Imm.MEMORY)
op("memory.grow", 0x40, "addr -> addr", Imm.MEMORY)
_BULK = Feature.BULK_MEMORY
op("memory.init", 8, "addr i32 i32 ->", Imm.DATA, Imm.MEMORY, prefix=0xFC, traps=_OOB, feature=_BULK)
op("data.drop", 9, "->", Imm.DATA, prefix=0xFC, feature=_BULK)
op("memory.copy", 10, None, Imm.MEMORY, Imm.MEMORY, prefix=0xFC, traps=_OOB, feature=_BULK)
op("memory.fill", 11, "addr i32 addr ->", Imm.MEMORY, prefix=0xFC, traps=_OOB, feature=_BULK)


def _atomic(name: str, code: int, signature: str, size: int, kind: str, *more: T) -> None:
    traps = (T.MEMORY_OOB, T.UNALIGNED_ATOMIC, *more)
    access = Access(size, kind)
    op(name, code, signature, Imm.MEMARG, prefix=0xFE, access=access, traps=traps, feature=Feature.THREADS)


_atomic("memory.atomic.notify", 0x00, "addr i32 -> i32", 4, "notify")
_atomic("memory.atomic.wait32", 0x01, "addr i32 i64 -> i32", 4, "wait", T.EXPECTED_SHARED_MEMORY)
_atomic("memory.atomic.wait64", 0x02, "addr i64 i64 -> i32", 8, "wait", T.EXPECTED_SHARED_MEMORY)
op("atomic.fence", 0x03, "->", Imm.ORDERING, prefix=0xFE, feature=Feature.THREADS)
_widths = [("i32", 32), ("i64", 64), ("i32", 8), ("i32", 16), ("i64", 8), ("i64", 16), ("i64", 32)]
for _i, (_type, _bits) in enumerate(_widths):
    _plain = _bits == int(_type[1:])
    _suffix = "" if _plain else f"{_bits}_u"
    _atomic(f"{_type}.atomic.load{_suffix}", 0x10 + _i, f"addr -> {_type}", _bits // 8, "load")
    _suffix = "" if _plain else str(_bits)
    _atomic(f"{_type}.atomic.store{_suffix}", 0x17 + _i, f"addr {_type} ->", _bits // 8, "store")
for _k, _rmw in enumerate(("add", "sub", "and", "or", "xor", "xchg", "cmpxchg")):
    for _i, (_type, _bits) in enumerate(_widths):
        _plain = _bits == int(_type[1:])
        _name = f"{_type}.atomic.rmw{'' if _plain else _bits}.{_rmw}{'' if _plain else '_u'}"
        _operands = f"addr {_type} {_type}" if _rmw == "cmpxchg" else f"addr {_type}"
        _atomic(
            _name, 0x1E + 7 * _k + _i, f"{_operands} -> {_type}", _bits // 8, "cmpxchg" if _rmw == "cmpxchg" else "rmw"
        )
