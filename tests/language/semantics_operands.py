"""Operand tuples for instructions with pure semantics: boundary values of each type, and random ones around them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

from wasm.isa import OPS, Imm, Op
from wasm.semantics import SEMANTICS

Operands = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """An instruction with its immediates fixed: what is compared. ``text`` is the instruction in the text format."""

    op: Op
    immediates: tuple[object, ...]
    text: str


def integers(width: int) -> list[int]:
    """Boundary bit patterns of an integer type."""
    mask = (1 << width) - 1
    values = {
        0,
        1,
        2,
        3,
        5,
        7,
        10,
        mask,
        mask - 1,
        mask - 2,
        0x5555_5555_5555_5555 & mask,
        0x1234_5678_9ABC_DEF0 & mask,
    }
    for k in range(1, width):
        values |= {1 << k, (1 << k) - 1, (1 << k) + 1, -(1 << k) & mask}
    return sorted(values)


def floats(width: int) -> list[int]:
    """Boundary bit patterns of a float type: both signs of specials, ties, limits of conversions, and NaNs."""
    fraction, bias = (23, 127) if width == 32 else (52, 1023)
    infinity = (2 * bias + 1) << fraction
    quiet = 1 << (fraction - 1)

    def power(k: int) -> int:
        return (bias + k) << fraction

    values = {
        0,
        1,
        2,
        quiet,
        (1 << fraction) - 1,
        1 << fraction,
        (1 << fraction) + 1,
        infinity - 1,
        infinity - 2,
        infinity,
    }
    values |= {
        infinity | quiet,
        infinity | 1,
        infinity | quiet | 1,
        infinity | quiet >> 1,
        infinity | (1 << fraction) - 1,
    }
    values |= {power(k) + d for k in (*range(-3, 5), fraction - 1, fraction, fraction + 1, 52, 53) for d in (-1, 0, 1)}
    values |= {power(k) + d for k in (7, 8, 15, 16, 31, 32, 62, 63, 64) for d in (-2, -1, 0, 1, 2)}
    values |= {power(0) + quiet, power(1) + quiet // 2, power(1) + quiet + quiet // 2}  # 1.5, 2.5, 3.5
    values |= {power(-1) - 2, power(-1) + quiet, power(3) + (1 << fraction - 4)}
    if width == 64:
        # Around the limits of demotion and of i32: half an f32 unit above the greatest f32, half the least subnormal.
        for k in (127, 128, -126, -127, -148, -149, -150, -151):
            values |= {power(k) + d for d in (-1, 0, 1)}
        values |= {power(127) + (0x1FFFFFF << 28) + d for d in (-1, 0, 1)} | {
            power(0) + (1 << 28) + d for d in (-1, 0, 1)
        }
        values |= {power(0) + (3 << 28) + d for d in (-1, 0, 1)}
        values |= {power(30) + (((1 << 30) - 1) << 22) + d << 0 for d in (0, 1 << 21, (1 << 22) - 1)}
        values |= {power(31) + d for d in (1 << 20, 1 << 21, (1 << 21) - 1)}
    sign = 1 << (width - 1)
    return sorted(values | {v | sign for v in values})


def _twice_rounded() -> list[int]:
    """i64 values at a tie of f32, and off it by less than a double can tell (for f32.convert_i64)."""
    mask = (1 << 64) - 1
    near = {sign * ((1 << k) + (1 << k - 24) + d) & mask for k in range(54, 64) for d in (-1, 0, 1) for sign in (1, -1)}
    return sorted(near | {(3 << k - 1) - (1 << k - 24) + d & mask for k in range(54, 64) for d in (-1, 0, 1)})


_POOLS: dict[str, list[int]] = {
    "i8": sorted({*integers(8), *range(40)}),
    "i16": integers(16),
    "i32": integers(32),
    "i64": integers(64) + _twice_rounded(),
    "f32": floats(32),
    "f64": floats(64),
}
_WIDTHS = {"i8": 8, "i16": 16, "i32": 32, "i64": 64, "f32": 32, "f64": 64}


def _scalar(kind: str, source: random.Random) -> int:
    """Mostly a boundary value, else a neighbour of one, a sparse integer, or any bits."""
    width = _WIDTHS[kind]
    pool = _POOLS[kind]
    choice = source.random()
    if choice < 0.55:
        return source.choice(pool)
    if choice < 0.65:
        return source.choice(pool) + source.randint(-3, 3) & (1 << width) - 1
    if choice < 0.75:
        # Few bits set: ties and double rounding in conversions.
        return sum({1 << source.randrange(width) for _ in range(3)})
    if choice < 0.85 and kind in ("f32", "f64"):
        # Moderate exponents, so that sums overlap and quotients are normal.
        fraction, bias = (23, 127) if kind == "f32" else (52, 1023)
        exponent = bias + source.randint(-fraction - 2, fraction + 12)
        return source.getrandbits(1) << (width - 1) | exponent << fraction | source.getrandbits(fraction)
    return source.getrandbits(width)


def _vector(kinds: list[str], source: random.Random) -> int:
    kind = source.choice(kinds)
    width = _WIDTHS[kind]
    return sum(_scalar(kind, source) << at for at in range(0, 128, width))


def _kinds(name: str) -> list[str]:
    """The lane types that an instruction's name speaks of; all for the bitwise ones."""
    named = re.findall(r"([if]\d+)x\d+", name)
    return sorted(set(named) & _POOLS.keys()) if named else sorted(_POOLS)


def _rounded(name: str, arguments: list[int], source: random.Random) -> int:
    """For a multiply-add: an addend that nearly cancels the product, which is where one rounding differs from two."""
    shape = name.split(".")[0]
    width = 32 if shape == "f32x4" else 64
    product: int = SEMANTICS[f"{shape}.mul"](*arguments)
    minus = 0 if "nmadd" in name else SEMANTICS[f"{shape}.neg"](0)
    return (product ^ minus) + (source.randint(-2, 2) << width * source.randrange(128 // width)) & (1 << 128) - 1


def operand_tuples(row: Row, count: int, seed: int = 0) -> Iterator[Operands]:
    """``count`` tuples, the same for the same row, count and seed.

    A single operand takes every boundary value first, also if these are more than ``count``.
    """
    source = random.Random(f"{row.text}/{seed}")
    params = [str(t) for t in row.op.params or ()]
    kinds = _kinds(row.op.name)
    made = 0
    if len(params) == 1 and params[0] in _POOLS:
        for value in _POOLS[params[0]]:
            yield (value,)
            made += 1
    while made < count:
        arguments = [_vector(kinds, source) if p == "v128" else _scalar(p, source) for p in params]
        kind = source.random()
        if kind < 0.1 and len(params) > 1 and params[0] == params[1]:
            arguments[1] = (
                arguments[0] + source.randint(-1, 1) & (1 << (128 if params[0] == "v128" else int(params[0][1:]))) - 1
            )
        elif kind < 0.4 and "madd" in row.op.name:
            arguments[2] = _rounded(row.op.name, arguments[:2], source)
        yield tuple(arguments)
        made += 1


def rows(lanes_per_op: int = 16) -> list[Row]:
    """Every instruction with pure semantics, one with immediates several times: each lane, some shuffle patterns."""
    found = []
    for name in SEMANTICS:
        op = OPS[name]
        if Imm.LANE in op.imms:
            lanes = {"8": 16, "16": 8, "32": 4, "64": 2}[re.findall(r"\d+", name)[0]]
            found += [Row(op, (i,), f"{name} {i}") for i in range(min(lanes, lanes_per_op))]
        elif Imm.LANES in op.imms:
            source = random.Random(name)
            for _ in range(lanes_per_op):
                pattern = tuple(source.randrange(32) for _ in range(16))
                found.append(Row(op, (pattern,), f"{name} {' '.join(map(str, pattern))}"))
        else:
            found.append(Row(op, (), name))
    return found
