"""One tiny module per feature, to ask an engine what it accepts; and one that every setting must compile.

Each is a few bytes of hand-written binary with its text beside it. The tests hold that our own validator accepts each
with its feature on and refuses it with that feature off.
"""

from __future__ import annotations

from typing import Final

from oracles.remote.wasmbytes import HEADER, code, leb, section
from wasm.features import Feature

_VOID: Final = b"\x60\0\0"


def _module(types: list[bytes], funcs: list[tuple[int, bytes]], before: bytes = b"", between: bytes = b"") -> bytes:
    """Types, sections before the code of lower number (``before``: 2; ``between``: 4, 5, 13, 6), and the code."""
    bodies = section(10, [code((), body) for _, body in funcs])
    return HEADER + section(1, types) + before + section(3, [leb(t) for t, _ in funcs]) + between + bodies


PROBES: Final[dict[Feature, bytes]] = {
    # (func (result i32 i32) (i32.const 1) (i32.const 2))
    Feature.MULTI_VALUE: _module([b"\x60\0\x02\x7f\x7f"], [(0, b"\x41\1\x41\2")]),
    # (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))
    Feature.BULK_MEMORY: _module([_VOID], [(0, b"\x41\0\x41\0\x41\0\xfc\x0b\0")], between=section(5, [b"\0\1"])),
    # (func (drop (ref.null extern)))
    Feature.REFERENCE_TYPES: _module([_VOID], [(0, b"\xd0\x6f\x1a")]),
    # (func (drop (i32x4.splat (i32.const 1))))
    Feature.SIMD: _module([_VOID], [(0, b"\x41\1\xfd\x11\x1a")]),
    # (func (drop (i8x16.relaxed_swizzle (i32x4.splat (i32.const 1)) (i32x4.splat (i32.const 1)))))
    Feature.RELAXED_SIMD: _module([_VOID], [(0, b"\x41\1\xfd\x11\x41\1\xfd\x11\xfd\x80\x02\x1a")]),
    # (func (return_call 0))
    Feature.TAIL_CALL: _module([_VOID], [(0, b"\x12\0")]),
    # (tag) (func (block $l (try_table (catch 0 $l))))
    Feature.EXCEPTIONS: _module([_VOID], [(0, b"\x02\x40\x1f\x40\1\0\0\0\x0b\x0b")], between=section(13, [b"\0\0"])),
    # (tag) (func (try (do) (catch_all)))
    Feature.LEGACY_EXCEPTIONS: _module([_VOID], [(0, b"\x06\x40\x19\x0b")], between=section(13, [b"\0\0"])),
    # (memory 1) (memory 1)
    Feature.MULTI_MEMORY: _module([], [], between=section(5, [b"\0\1", b"\0\1"])),
    # (table i64 1 funcref) (memory i64 1): the proposal is both, and early releases had memories only
    Feature.MEMORY64: _module([], [], between=section(4, [b"\x70\4\1"]) + section(5, [b"\4\1"])),
    # (global i32 (i32.add (i32.const 1) (i32.const 1)))
    Feature.EXTENDED_CONST: _module([], [], between=section(6, [b"\x7f\0\x41\1\x41\1\x6a\x0b"])),
    # (func (drop (ref.as_non_null (ref.null func))))
    Feature.FUNCTION_REFERENCES: _module([_VOID], [(0, b"\xd0\x70\xd4\x1a")]),
    # (type (struct)) (func (drop (struct.new 1)))
    Feature.GC: _module([_VOID, b"\x5f\0"], [(0, b"\xfb\0\1\x1a")]),
    # (memory 1 1 shared) (func (drop (i32.atomic.load (i32.const 0))))
    Feature.THREADS: _module([_VOID], [(0, b"\x41\0\xfe\x10\2\0\x1a")], between=section(5, [b"\3\1\1"])),
    # (memory 1 (pagesize 1))
    Feature.CUSTOM_PAGE_SIZES: _module([], [], between=section(5, [b"\x08\1\0"])),
    # (func (i64.mul_wide_u (i64.const 1) (i64.const 1)) (drop) (drop))
    Feature.WIDE_ARITHMETIC: _module([_VOID], [(0, b"\x42\1\x42\1\xfc\x16\x1a\x1a")]),
}

# (func (param i32 i32) (result i32) (local i32)
#   (loop (local.set 2 (i32.add (local.get 2) (i32.mul (local.get 0) (i32.const 12))))
#         (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
#   (i32.add (i32.mul (local.get 0) (i32.const 12)) (local.get 2)))
BASIC: Final = (
    HEADER
    + section(1, [b"\x60\x02\x7f\x7f\1\x7f"])
    + section(3, [b"\0"])
    + section(
        10,
        [
            code(
                [(1, b"\x7f")],
                b"\x03\x40\x20\2\x20\0\x41\x0c\x6c\x6a\x21\2\x20\1\x41\1\x6b\x22\1\x0d\0\x0b"
                b"\x20\0\x41\x0c\x6c\x20\2\x6a",
            )
        ],
    )
)
"""A module without features in which the optimiser, the allocator and the backend all have something to decide."""
