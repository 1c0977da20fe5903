"""One instruction feeds another: every instruction with a result, every operand position that takes its type."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generators.enumeration.rows import Taker, operand_types, rows_for, takes_address
from generators.enumeration.writing import FORMS, SINKS, Form, Meeting, Module, Sink, with_copies
from wasm.features import Feature
from wasm.isa import OPS, Op
from wasm.valtypes import F32, F64, I32, I64, V128, NumType


@dataclass(frozen=True, slots=True)
class Pair:
    """``maker`` gives what ``taker`` takes; ``row`` and ``column`` are their numbers among those of the type."""

    maker: Op
    taker: Taker
    row: int
    column: int


@lru_cache(maxsize=8)
def pairs(features: frozenset[Feature]) -> tuple[Pair, ...]:
    """All of them, type by type."""
    rows = rows_for(features)
    return tuple(
        Pair(maker, taker, row, column)
        for type_, makers in rows.makers.items()
        for row, maker in enumerate(makers)
        for column, taker in enumerate(rows.takers[type_])
    )


def spread(pair: Pair) -> tuple[Form, Form, Sink]:
    """The form of the taker's other operands, that of the maker's operands, and the sink.

    Over all takers of one maker, and over all makers of one taker, each form and each sink comes up, and since 8 forms
    and 9 sinks have no common divisor, each form with each sink (Chinese remainders).
    """
    mixed = pair.row + pair.column
    own = mixed // len(FORMS) + 3 * pair.row
    return FORMS[mixed % len(FORMS)], FORMS[own % len(FORMS)], SINKS[mixed % len(SINKS)]


def features_of_pair(pair: Pair) -> frozenset[Feature]:
    """The features of its rows, and of its sink."""
    _, _, sink = spread(pair)
    results = pair.taker.op.results or ()
    vector = sink is Sink.LANE or (sink is Sink.SHIFT and results[:1] not in ((I32,), (I64,)))
    needed = {pair.maker.feature, pair.taker.op.feature, Feature.SIMD if vector and results else None}
    return frozenset(feature for feature in needed if feature is not None)


def write_pair(module: Module, number: int, pair: Pair) -> None:
    """The function of a pair, with its number in the list."""
    other, own, sink = spread(pair)
    meeting = Meeting(module, f"p{number}", number + module.variation)
    maker, taker = pair.maker, pair.taker
    given = operand_types(taker.op)[taker.position]
    results = tuple(t for t in taker.op.results or () if isinstance(t, NumType))
    if _makes_nans_of_anything(maker, taker.op) and sink not in _HARMLESS:
        sink = _HARMLESS[number % len(_HARMLESS)]
    meeting.risky = _may_decide(maker, taker.op, sink)
    if len(results) == 1:
        meeting.before(sink, results[0])
    types = operand_types(taker.op)
    if other is Form.SAME and types.count(given) > 1:
        # A second copy of the value needs a local; without one the value stays on the stack, next to its taker.
        local = meeting.local(given)
        _make(meeting, maker, own, number)
        meeting.write((OPS["local.set"], local))
        with_copies(meeting, taker.op, number, taker.position, local)
    else:
        for position, type_ in enumerate(types):
            if position == taker.position:
                _make(meeting, maker, own, number)
            else:
                meeting.operand(type_, other, address=takes_address(taker.op, position))
        meeting.emit(taker.op, number)
    if len(results) == 1:
        results = meeting.after(sink, results[0])
    meeting.finish(results)


def _make(meeting: Meeting, maker: Op, form: Form, number: int) -> None:
    types = operand_types(maker)
    for position, type_ in enumerate(types):
        # The maker's operands differ in form, so that it is not a computation on constants alone.
        mine = form if position == number % len(types) else FORMS[(FORMS.index(form) + 3 * position) % len(FORMS)]
        meeting.operand(type_, mine, address=takes_address(maker, position))
    meeting.emit(maker, number // 3)


_HARMLESS: Final = (Sink.RETURNED, Sink.ARGUMENT, Sink.DROPPED)
"""Nothing is decided by the bits of what goes there."""
_BY_BITS: Final = ("reinterpret", "copysign", "neg", "abs", "replace_lane", "extract_lane", "splat", "convert_i")


def _may_decide(maker: Op, taker: Op, sink: Sink) -> bool:
    """Whether a bit of a NaN that the specification leaves open might decide about anything but a NaN."""
    if maker.nan and _floats_in(taker) != _floats_out(maker):
        return True
    free = taker.nan or (maker.nan and any(t in (F32, F64, V128) for t in taker.results or ()))
    number = sink in (Sink.BRANCH, Sink.ADDRESS) and taker.results != (V128,)
    return free and sink not in _HARMLESS and not number


def _makes_nans_of_anything(maker: Op, taker: Op) -> bool:
    """Whether lanes that are no floats of that width are computed on as if they were: many patterns of bits are NaNs,
    whatever the arguments are."""
    return taker.nan and taker.results == (V128,) and _floats_in(taker) != _floats_out(maker)


_COMPARES: Final = ("eq", "ne", "lt", "gt", "le", "ge")


def _floats_out(op: Op) -> str:
    """``f32`` or ``f64`` for a row whose result is such numbers, in one lane or several; "" for others."""
    first, _, word = op.name.partition(".")
    return first[:3] if first[:1] == "f" and word not in _COMPARES else ""


def _floats_in(op: Op) -> str:
    """The same for the operands of arithmetic and comparisons, which look at a NaN as a NaN, whatever its bits are."""
    first, _, word = op.name.partition(".")
    if any(part in word for part in _BY_BITS):
        return ""
    # ``trunc_sat_f32x4_s``, ``demote_f64x2_zero``: the source's type stands behind.
    for floats in ("f32", "f64"):
        if f"_{floats}" in word:
            return floats
    return first[:3] if first[:1] == "f" else ""
