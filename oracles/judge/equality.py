"""When two results are the same: bits, NaNs that the spec leaves open, references by identity, memory without taint."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import Final

from wasm.embedding import (
    Crashed,
    Exhausted,
    FreeNan,
    MemoryState,
    Outcome,
    OutOfMemory,
    Rejected,
    Returned,
    Threw,
    TimedOut,
    Trapped,
    Unsupported,
    Value,
)

BLOCK: Final = 1 << 16
"""Bytes per block of ``MemoryState``."""

_MANTISSA: Final = {32: 23, 64: 52}
_FLOATS: Final = {"f32": 32, "f64": 64}


class Nans(Enum):
    """How NaNs compare: by their bits but for the free ones that the reference names, or any with any.

    ``ANY`` is for engines compared without the reference, which alone knows which NaNs are free.
    """

    FREE_ONLY = "free only"
    ANY = "any"


def is_nan(bits: int, width: int) -> bool:
    mantissa = _MANTISSA[width]
    exponent = (1 << width - 1) - (1 << mantissa)
    return bits & exponent == exponent and bits & (1 << mantissa) - 1 != 0


def allowed_nan(bits: int, width: int, canonical: bool) -> bool:
    """Whether a pattern is one that spec 4.3.3 allows: either canonical NaN, or any arithmetic one (quiet bit set)."""
    mantissa = _MANTISSA[width]
    if not is_nan(bits, width):
        return False
    payload = bits & (1 << mantissa) - 1
    quiet = 1 << mantissa - 1
    return payload == quiet if canonical else bool(payload & quiet)


def same_ref(a: str, b: str) -> bool:
    """References by identity; ``nonnull`` fits all but null, ``func`` (unnamed) fits any function.

    Spec 2.3.4: null is one value whatever its type; an engine may be unable to tell more than that of a reference.
    """
    if a == b:
        return True
    if "null" in (a, b):
        return False
    if "nonnull" in (a, b):
        return True
    return "func" in (a, b) and a.startswith("func") and b.startswith("func")


def first_difference(want: Returned, got: Returned, nans: Nans = Nans.FREE_ONLY) -> str | None:
    """Where results part, in one line; None if they are the same. ``want`` may carry free NaNs."""
    if want.slots == got.slots and want.types == got.types and want.refs == got.refs:
        return None
    if want.types != got.types:
        return f"types: expected ({' '.join(want.types)[:200]}), got ({' '.join(got.types)[:200]})"
    for i, (a, b) in enumerate(zip(want.values, got.values, strict=True)):
        if a == b:
            continue
        if a.type == "ref":
            same = same_ref(a.ref, b.ref)
        else:
            same = _same_bits(a, b, [nan for nan in want.free_nans if nan.index == i], nans)
        if not same:
            return f"result {i} of {len(want.types)}: expected {a}, got {b}"
    return None


def _same_bits(want: Value, got: Value, free: Iterable[FreeNan], nans: Nans) -> bool:
    mask = 0
    for nan in free:
        lane = (1 << nan.width) - 1
        if not allowed_nan(got.bits >> nan.offset & lane, nan.width, nan.canonical):
            return False
        mask |= lane << nan.offset
    if (want.bits ^ got.bits) & ~mask == 0:
        return True
    if nans is Nans.FREE_ONLY:
        return False
    if want.type in _FLOATS:
        width = _FLOATS[want.type]
        return is_nan(want.bits, width) and is_nan(got.bits, width)
    return want.type == "v128" and any(_same_lanes(want.bits, got.bits, width) for width in (32, 64))


def _same_lanes(a: int, b: int, width: int) -> bool:
    lane = (1 << width) - 1
    pairs = [(a >> shift & lane, b >> shift & lane) for shift in range(0, 128, width)]
    return all(x == y or (is_nan(x, width) and is_nan(y, width)) for x, y in pairs)


def differing_blocks(a: MemoryState, b: MemoryState) -> list[int]:
    """Indices of the 64 KiB blocks whose checksums differ; a block that is not listed is all zero."""
    left, right = dict(a.blocks), dict(b.blocks)
    return sorted(i for i in left.keys() | right.keys() if left.get(i) != right.get(i))


def in_block(block: int, ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The parts of byte ranges (start, end) of a memory that lie in a block, counted from the block's start."""
    base = block * BLOCK
    cut = [(max(start - base, 0), min(end - base, BLOCK)) for start, end in ranges]
    return [(start, end) for start, end in cut if start < end]


def masked(content: bytes, parts: Sequence[tuple[int, int]]) -> bytes:
    """A block's content with the given parts zeroed; short content is filled up with zeros."""
    buffer = bytearray(content.ljust(BLOCK, b"\0"))
    for start, end in parts:
        buffer[start:end] = bytes(end - start)
    return bytes(buffer)


def show(outcome: Outcome) -> str:
    """An outcome in a few words, at most one line; many results are cut short."""
    match outcome:
        case Returned():
            values = outcome.values if len(outcome.types) <= 6 else outcome.values[:5]
            more = "" if len(outcome.types) <= 6 else f", ... {len(outcome.types)} values"
            return f"returned ({', '.join(map(str, values))}{more})"
        case Trapped():
            return f"trapped: {' or '.join(sorted(kind.value for kind in outcome.kinds)) or outcome.message}"
        case Threw():
            return f"threw {outcome.tag} {show(outcome.payload).removeprefix('returned ')}"
        case Exhausted():
            return f"exhausted its {outcome.what}"
        case OutOfMemory():
            return "out of memory"
        case Rejected():
            return f"refused the module: {outcome.message}"[:300]
        case Unsupported():
            return f"lacks {outcome.what.removeprefix('no ')}"
        case Crashed():
            return f"crashed: {outcome.text.strip().splitlines()[0][:200] if outcome.text.strip() else outcome.signal}"
        case TimedOut():
            return f"did not end within {outcome.seconds:g} s"


def first_byte(a: bytes, b: bytes) -> int:
    """The index of the first byte in which two blocks differ; they must."""
    words = zip(struct.iter_unpack("<Q", a), struct.iter_unpack("<Q", b), strict=True)
    start = next((i * 8 for i, (x, y) in enumerate(words) if x != y), 0)
    return next(i for i in range(start, len(a)) if a[i] != b[i])
