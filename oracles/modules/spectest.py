"""The module ``spectest`` that the official suite imports from, as an ordinary module, so that no host has to make it.

    (global (export "global_i32") i32 (i32.const 666))   (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6)) (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref)               (table (export "table64") i64 10 20 funcref)
    (memory (export "memory") 1 2)
    (func (export "print")) (func (export "print_i32") (param i32)) ... that do nothing

``table64`` needs memory64; ``SPECTEST_NO_TABLE64`` is the module without it.
"""

from __future__ import annotations

import struct
from typing import Final

from wasm.builder import ModuleBuilder, const
from wasm.decode import decode
from wasm.encode import encode
from wasm.module import Export, ExternKind, Module
from wasm.valtypes import F32, F64, I32, I64, Limits, MemType, ValType

PRINTS: Final[dict[str, tuple[ValType, ...]]] = {
    "print": (),
    "print_i32": (I32,),
    "print_i64": (I64,),
    "print_f32": (F32,),
    "print_f64": (F64,),
    "print_i32_f32": (I32, F32),
    "print_f64_f64": (F64, F64),
}
_GLOBALS: Final[dict[ValType, int]] = {
    I32: 666,
    I64: 666,
    F32: int.from_bytes(struct.pack("<f", 666.6), "little"),
    F64: int.from_bytes(struct.pack("<d", 666.6), "little"),
}


def _build(table64: bool) -> bytes:
    builder = ModuleBuilder()
    for name, params in PRINTS.items():
        builder.func(params, export=name)
    for type_, bits in _GLOBALS.items():
        builder.global_(type_, const(f"{type_}.const", bits), mutable=False, export=f"global_{type_}")
    builder.memory(1, 2, export="memory")
    builder.table(10, 20, export="table")
    if table64:
        builder.table(10, 20, index64=True, export="table64")
    return encode(builder.finish())


def with_shared_memory() -> Module:
    """The module, with the shared memory that the threads proposal's scripts import."""
    module = decode(SPECTEST)
    module.memories.append(MemType(Limits(1, 2), shared=True))
    module.exports.append(Export("shared_memory", ExternKind.MEMORY, len(module.memories) - 1))
    return module


SPECTEST: Final = _build(True)
SPECTEST_NO_TABLE64: Final = _build(False)
