"""Integer vector instructions (spec 4.3.5 and 4.3.6) on v128 bit patterns."""

from __future__ import annotations

import operator

from wasm.semantics import ints
from wasm.semantics.lanes import (
    JOIN,
    JOIN_SIGNED,
    ONES,
    SHAPES,
    SPLIT,
    SPLIT_SIGNED,
    Split,
    lanewise_test,
    lanewise_two,
    repeat,
)
from wasm.semantics.registry import Pure, semantics


def wrapping(width: int) -> dict[str, Pure]:
    """``add``, ``sub`` and ``neg`` of all lanes by one operation on the whole vector.

    The top bit of each lane is kept out of the sum, where it stops carries, and put back by exclusive or.
    """
    top = repeat(width, 1 << (width - 1))
    low = ONES ^ top

    def add(a: int, b: int) -> int:
        return (a & low) + (b & low) ^ (a ^ b) & top

    def sub(a: int, b: int) -> int:
        return (a | top) - (b & low) ^ (a ^ b ^ top) & top

    return {"add": add, "sub": sub, "neg": lambda a: sub(0, a)}


def shifts(width: int) -> dict[str, Pure]:
    """Shifts of all lanes by one i32 count, taken modulo the lane width."""
    full = (1 << width) - 1
    count = width - 1
    every = repeat(width, 1)
    split, join = SPLIT_SIGNED[width], JOIN_SIGNED[width]

    def shl(a: int, b: int) -> int:
        b &= count
        return (a & every * (full >> b)) << b

    def shr_u(a: int, b: int) -> int:
        b &= count
        return a >> b & every * (full >> b)

    def shr_s(a: int, b: int) -> int:
        b &= count
        return join([x >> b for x in split(a)])

    return {"shl": shl, "shr_u": shr_u, "shr_s": shr_s}


def tests(width: int) -> dict[str, Pure]:
    """``all_true`` and ``bitmask``, both giving an i32."""
    split, signed = SPLIT[width], SPLIT_SIGNED[width]

    def all_true(a: int) -> int:
        return 1 if all(split(a)) else 0

    def bitmask(a: int) -> int:
        return sum(1 << i for i, x in enumerate(signed(a)) if x < 0)

    return {"all_true": all_true, "bitmask": bitmask}


def absolute(width: int) -> Pure:
    """The absolute value; of the least integer it is that integer's own bit pattern."""
    signed, join = SPLIT_SIGNED[width], JOIN[width]
    return lambda a: join(map(abs, signed(a)))


def saturating(width: int) -> dict[str, Pure]:
    """``add_sat`` and ``sub_sat``, signed and unsigned."""
    split, signed, join = SPLIT[width], SPLIT_SIGNED[width], JOIN[width]
    mask = (1 << width) - 1
    least, greatest = -(1 << (width - 1)), (1 << (width - 1)) - 1

    def clamp(x: int) -> int:
        return (least if x < least else min(x, greatest)) & mask

    def add_s(a: int, b: int) -> int:
        return join([clamp(x + y) for x, y in zip(signed(a), signed(b), strict=True)])

    def sub_s(a: int, b: int) -> int:
        return join([clamp(x - y) for x, y in zip(signed(a), signed(b), strict=True)])

    def add_u(a: int, b: int) -> int:
        return join([min(x + y, mask) for x, y in zip(split(a), split(b), strict=True)])

    def sub_u(a: int, b: int) -> int:
        return join([max(x - y, 0) for x, y in zip(split(a), split(b), strict=True)])

    return {"add_sat_s": add_s, "add_sat_u": add_u, "sub_sat_s": sub_s, "sub_sat_u": sub_u}


def comparisons(width: int) -> dict[str, Pure]:
    """``eq``, ``ne`` and the orders, signed and (but for i64x2) unsigned."""
    operators = {name: lanewise_test(width, getattr(operator, name), SPLIT[width]) for name in ("eq", "ne")}
    for name in ("lt", "gt", "le", "ge"):
        operators[f"{name}_s"] = lanewise_test(width, getattr(operator, name), SPLIT_SIGNED[width])
        if width < 64:
            operators[f"{name}_u"] = lanewise_test(width, getattr(operator, name), SPLIT[width])
    return operators


def extremes(width: int) -> dict[str, Pure]:
    """``min`` and ``max``, signed and unsigned."""
    split, signed, join, join_signed = SPLIT[width], SPLIT_SIGNED[width], JOIN[width], JOIN_SIGNED[width]
    return {
        "min_u": lambda a, b: join(map(min, split(a), split(b))),
        "max_u": lambda a, b: join(map(max, split(a), split(b))),
        "min_s": lambda a, b: join_signed(map(min, signed(a), signed(b))),
        "max_s": lambda a, b: join_signed(map(max, signed(a), signed(b))),
    }


def average(width: int) -> Pure:
    """The unsigned average, rounded up."""
    return lanewise_two(width, lambda x, y: x + y + 1 >> 1)


def narrowing(width: int) -> dict[str, Pure]:
    """Two vectors of ``2 * width`` bit lanes to one of ``width`` bits, signed sources saturated to the target."""
    signed, join = SPLIT_SIGNED[2 * width], JOIN[width]
    mask = (1 << width) - 1
    least, greatest = -(1 << (width - 1)), (1 << (width - 1)) - 1

    def narrow_s(a: int, b: int) -> int:
        return join([(least if x < least else min(x, greatest)) & mask for x in signed(a) + signed(b)])

    def narrow_u(a: int, b: int) -> int:
        return join([0 if x < 0 else min(x, mask) for x in signed(a) + signed(b)])

    return {f"narrow_i{2 * width}x{64 // width}_{sign}": f for sign, f in (("s", narrow_s), ("u", narrow_u))}


def _extend(split: Split, part: slice, width: int) -> Pure:
    join, mask = JOIN[width], (1 << width) - 1
    return lambda a: join([x & mask for x in split(a)[part]])


def _extended_product(split: Split, part: slice, width: int) -> Pure:
    join, mask = JOIN[width], (1 << width) - 1
    return lambda a, b: join([x * y & mask for x, y in zip(split(a)[part], split(b)[part], strict=True)])


def _extended_pair_sum(split: Split, width: int) -> Pure:
    join, mask = JOIN[width], (1 << width) - 1

    def add_pairs(a: int) -> int:
        lanes = split(a)
        return join([x + y & mask for x, y in zip(lanes[::2], lanes[1::2], strict=True)])

    return add_pairs


def widening(width: int) -> dict[str, Pure]:
    """From lanes half as wide: ``extend``, ``extmul``, ``extadd_pairwise``, signed and unsigned."""
    source = width // 2
    shape = f"i{source}x{SHAPES[source]}"
    low, high = slice(0, SHAPES[width]), slice(SHAPES[width], SHAPES[source])
    operators: dict[str, Pure] = {}
    for sign, split in (("s", SPLIT_SIGNED[source]), ("u", SPLIT[source])):
        for half, part in (("low", low), ("high", high)):
            operators[f"extend_{half}_{shape}_{sign}"] = _extend(split, part, width)
            operators[f"extmul_{half}_{shape}_{sign}"] = _extended_product(split, part, width)
        if width < 64:  # there is no i64x2.extadd_pairwise
            operators[f"extadd_pairwise_{shape}_{sign}"] = _extended_pair_sum(split, width)
    return operators


_POPCOUNT = bytes(i.bit_count() for i in range(256))


@semantics("i8x16.popcnt")
def popcount(a: int) -> int:
    return int.from_bytes(a.to_bytes(16, "little").translate(_POPCOUNT), "little")


@semantics("i16x8.q15mulr_sat_s")
def q15_multiply(a: int, b: int) -> int:
    """Q15 fixed-point products, rounded to nearest (halves up); -1 * -1 saturates."""
    signed = SPLIT_SIGNED[16]
    products = zip(signed(a), signed(b), strict=True)
    return JOIN[16]([min(x * y + 0x4000 >> 15, 0x7FFF) & 0xFFFF for x, y in products])


@semantics("i32x4.dot_i16x8_s")
def dot(a: int, b: int) -> int:
    """Signed products, added in pairs, wrapping."""
    signed = SPLIT_SIGNED[16]
    products = [x * y for x, y in zip(signed(a), signed(b), strict=True)]
    return JOIN[32]([x + y & 0xFFFF_FFFF for x, y in zip(products[::2], products[1::2], strict=True)])


def _register() -> None:
    for width, count in SHAPES.items():
        operators = wrapping(width) | shifts(width) | tests(width) | comparisons(width) | {"abs": absolute(width)}
        if width < 64:
            operators |= extremes(width)
        if width < 32:
            operators |= saturating(width) | narrowing(width) | {"avgr_u": average(width)}
        if width > 8:
            operators |= widening(width) | {"mul": lanewise_two(width, ints.arithmetic(width)["mul"])}
        for name, function in operators.items():
            semantics(f"i{width}x{count}.{name}")(function)


_register()
