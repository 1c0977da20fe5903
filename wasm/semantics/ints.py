"""Integer operators on bit patterns (spec 4.3.2), for any width; the scalar ones are registered for i32 and i64.

Every operand and every result is an unsigned integer below ``2**width``. The vector instructions use the same
functions at the widths 8 and 16 too.
"""

from __future__ import annotations

from wasm.semantics.registry import Pure, semantics
from wasm.traps import Trap, TrapKind


def arithmetic(width: int) -> dict[str, Pure]:
    """Wrapping arithmetic, bitwise operators, shifts and counts (``add`` ... ``popcnt``)."""
    mask = (1 << width) - 1
    half = 1 << (width - 1)
    count = width - 1  # shift counts are taken modulo the width, a power of two

    def rotl(a: int, b: int) -> int:
        b &= count
        return (a << b | a >> (width - b)) & mask

    def rotr(a: int, b: int) -> int:
        b &= count
        return (a >> b | a << (width - b)) & mask

    return {
        "add": lambda a, b: (a + b) & mask,
        "sub": lambda a, b: (a - b) & mask,
        "mul": lambda a, b: (a * b) & mask,
        "and": lambda a, b: a & b,
        "or": lambda a, b: a | b,
        "xor": lambda a, b: a ^ b,
        "shl": lambda a, b: (a << (b & count)) & mask,
        "shr_u": lambda a, b: a >> (b & count),
        "shr_s": lambda a, b: (((a ^ half) - half) >> (b & count)) & mask,
        "rotl": rotl,
        "rotr": rotr,
        "clz": lambda a: width - a.bit_length(),
        "ctz": lambda a: (a & -a).bit_length() - 1 if a else width,
        "popcnt": lambda a: a.bit_count(),
    }


def division(width: int) -> dict[str, Pure]:
    """Division and remainder; they trap on a zero divisor and, ``div_s`` only, on an overflowing quotient."""
    mask = (1 << width) - 1
    half = 1 << (width - 1)

    def div_s(a: int, b: int) -> int:
        if not b:
            raise Trap(TrapKind.DIV_BY_ZERO)
        if b == mask and a == half:
            raise Trap(TrapKind.INT_OVERFLOW)
        x, y = (a ^ half) - half, (b ^ half) - half
        # Python's // rounds towards minus infinity, Wasm's division towards zero.
        return (x // y if (x < 0) == (y < 0) else -(-x // y)) & mask

    def div_u(a: int, b: int) -> int:
        if not b:
            raise Trap(TrapKind.DIV_BY_ZERO)
        return a // b

    def rem_s(a: int, b: int) -> int:
        if not b:
            raise Trap(TrapKind.DIV_BY_ZERO)
        x, y = (a ^ half) - half, abs((b ^ half) - half)
        return (x % y if x >= 0 else -(-x % y)) & mask

    def rem_u(a: int, b: int) -> int:
        if not b:
            raise Trap(TrapKind.DIV_BY_ZERO)
        return a % b

    return {"div_s": div_s, "div_u": div_u, "rem_s": rem_s, "rem_u": rem_u}


def comparisons(width: int) -> dict[str, Pure]:
    """Comparisons giving 0 or 1. Flipping the sign bits turns signed order into unsigned order."""
    half = 1 << (width - 1)
    return {
        "eq": lambda a, b: 1 if a == b else 0,
        "ne": lambda a, b: 1 if a != b else 0,
        "lt_u": lambda a, b: 1 if a < b else 0,
        "gt_u": lambda a, b: 1 if a > b else 0,
        "le_u": lambda a, b: 1 if a <= b else 0,
        "ge_u": lambda a, b: 1 if a >= b else 0,
        "lt_s": lambda a, b: 1 if a ^ half < b ^ half else 0,
        "gt_s": lambda a, b: 1 if a ^ half > b ^ half else 0,
        "le_s": lambda a, b: 1 if a ^ half <= b ^ half else 0,
        "ge_s": lambda a, b: 1 if a ^ half >= b ^ half else 0,
    }


def sign_extension(width: int, source: int) -> Pure:
    """The low ``source`` bits of the operand, sign-extended to ``width`` bits."""
    mask = (1 << width) - 1
    low = (1 << source) - 1
    half = 1 << (source - 1)
    return lambda a: (((a & low) ^ half) - half) & mask


def _register() -> None:
    for width in (32, 64):
        operators = arithmetic(width) | division(width) | comparisons(width)
        operators["eqz"] = lambda a: 0 if a else 1
        for source in (8, 16, 32):
            if source < width:
                operators[f"extend{source}_s"] = sign_extension(width, source)
        for name, function in operators.items():
            semantics(f"i{width}.{name}")(function)


_register()
