"""Which instructions make and take which type, read off the table, and the immediates that they get."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from generators.draw.values import CONST
from wasm.features import Feature
from wasm.isa import ADDR, OPS, Imm, MemArg, Op
from wasm.valtypes import I32, NumType

_LEFT_OUT: Final = frozenset({*CONST.values(), OPS["memory.init"], OPS["memory.grow"], OPS["memory.fill"]})
"""Constants are a form of operand; what grows or fills would move the end of memory for the functions after it."""
_KINDS: Final = ("load", "store", "rmw", "cmpxchg")


@dataclass(frozen=True, slots=True)
class Taker:
    """An operand position of an instruction."""

    op: Op
    position: int


@dataclass(frozen=True, slots=True)
class Rows:
    """The instructions for one set of features: ``makers`` by the type that they give, ``takers`` by what they take.
    An address counts as an i32."""

    makers: dict[NumType, tuple[Op, ...]]
    takers: dict[NumType, tuple[Taker, ...]]


@lru_cache(maxsize=32)
def rows_for(features: frozenset[Feature]) -> Rows:
    """The rows that make numbers and vectors of them, or move them to and from memory."""
    makers: dict[NumType, list[Op]] = {type_: [] for type_ in CONST}
    takers: dict[NumType, list[Taker]] = {type_: [] for type_ in CONST}
    for op in usable(features):
        if op.results and len(op.results) == 1 and isinstance(op.results[0], NumType):
            makers[op.results[0]].append(op)
        for position, type_ in enumerate(operand_types(op)):
            takers[type_].append(Taker(op, position))
    return Rows(
        {type_: tuple(found) for type_, found in makers.items()},
        {type_: tuple(found) for type_, found in takers.items()},
    )


def usable(features: frozenset[Feature]) -> Iterator[Op]:
    """The rows with operands, all of them numbers, vectors or an address, that are pure or access memory."""
    for op in OPS.values():
        if not op.params or op.results is None or op in _LEFT_OUT or not (op.feature is None or op.feature in features):
            continue
        numeric = all(isinstance(t, NumType) or t == ADDR for t in (*op.params, *op.results))
        if numeric and (op.pure is not None or (op.access is not None and op.access.kind in _KINDS)):
            yield op


def operand_types(op: Op) -> tuple[NumType, ...]:
    """The types of a row's operands, with a 32-bit memory."""
    types = (I32 if type_ == ADDR else type_ for type_ in op.params or ())
    return tuple(type_ for type_ in types if isinstance(type_, NumType))


def takes_address(op: Op, position: int) -> bool:
    """Whether an operand is an address."""
    return op.params is not None and op.params[position] == ADDR


def access_bytes(op: Op) -> int:
    """How many bytes of memory a row touches; 0 for none."""
    return op.access.bytes if op.access is not None else 0


def immediates(op: Op, number: int, memory: int = 0) -> Any:
    """A row's immediates, going through what there is with ``number``: lanes, masks of shuffles, small offsets."""
    values = [_immediate(op, kind, number, memory) for kind in op.imms]
    return None if not values else values[0] if len(values) == 1 else tuple(values)


def _immediate(op: Op, kind: Imm, number: int, memory: int) -> Any:
    if kind is Imm.MEMARG:
        natural = access_bytes(op).bit_length() - 1
        # Atomic accesses must be aligned as they say (spec 3.4.9, threads).
        exact = op.access is not None and op.feature is Feature.THREADS
        return MemArg(natural if exact else number % (natural + 1), 0, memory)
    if kind is Imm.LANE:
        return number % lanes_of(op)
    if kind is Imm.LANES:
        return MASKS[number % len(MASKS)]
    if kind is Imm.ORDERING:
        return 0
    raise ValueError(f"{op.name} has an immediate that is not enumerated: {kind.name}")


def lanes_of(op: Op) -> int:
    """How many lanes an instruction chooses from: ``i16x8.extract_lane_s``, ``v128.load32_lane``."""
    if op.access is not None:
        return 16 // op.access.bytes
    return int(op.name.partition(".")[0].partition("x")[2])


def _masks() -> tuple[tuple[int, ...], ...]:
    """Shuffles that machines have an instruction for, and their neighbours: by width of what moves."""
    found: list[tuple[int, ...]] = []

    def add(width: int, lanes: list[int]) -> None:
        found.append(tuple(lane * width + byte for lane in lanes for byte in range(width)))

    for width in (1, 2, 4, 8):
        n = 16 // width
        add(width, list(range(n)))  # the first operand
        add(width, list(range(n, 2 * n)))  # the second one
        add(width, [i // 2 + n * (i % 2) for i in range(n)])  # low halves in turn
        add(width, [n // 2 + i // 2 + n * (i % 2) for i in range(n)])  # high halves in turn
        add(width, [2 * i for i in range(n)])  # even ones of both
        add(width, [2 * i + 1 for i in range(n)])  # odd ones of both
        add(width, [i - i % 2 + n * (i % 2) for i in range(n)])  # even ones of each in turn
        add(width, [i + 1 if i % 2 == 0 else n + i for i in range(n)])  # odd ones of each in turn
        add(width, [0] * n)  # broadcasts
        add(width, [n - 1] * n)
        add(width, [2 * n - 1] * n)
        add(width, list(reversed(range(n))))
        add(width, [i ^ 1 for i in range(n)])  # neighbours swapped
        for distance in sorted({1, n // 2, n - 1}):
            add(width, [i + distance for i in range(n)])  # windows over both
            add(width, [(i + distance) % n for i in range(n)])  # rotations of one
        add(width, [i if i % 2 else n + i for i in range(n)])  # blends
        add(width, [i if i < n // 2 else n + i for i in range(n)])
    # One byte off from what has an instruction.
    off = [(*mask[:-1], (mask[-1] + 1) % 32) for mask in found[::3]]
    return tuple(dict.fromkeys((*found, *off)))


MASKS: Final = _masks()
"""Masks of ``i8x16.shuffle``."""
