"""Reading an engine's ``RelaxedProfile`` from what it answers to a few operands.

Each case is one relaxed instruction with operands on which the allowed choices differ; together the cases of one
instruction tell every two of its choices apart. An engine is asked all cases in order and its results, as bit patterns,
are handed to ``profile_from_probe``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from wasm.semantics.floats import F32, F64, FloatFormat
from wasm.semantics.lanes import JOIN, ONES, SPLIT
from wasm.semantics.relaxed import INSTRUCTIONS, OPTIONS, RelaxedProfile

ProbeCase = tuple[str, tuple[int, ...]]
"""Instruction name and operands as v128 bit patterns."""


def _v(width: int, *lanes: int) -> int:
    """A vector from leading lanes, negative ones in two's complement; the rest is zero."""
    mask = (1 << width) - 1
    return JOIN[width]([lane & mask for lane in lanes] + [0] * (128 // width - len(lanes)))


def _madd_cases() -> Iterable[ProbeCase]:
    # The greatest value times 2 minus itself overflows unless fused; (1 + e)(1 + d) loses e * d unless fused.
    f32 = (
        _v(32, 0x7F7FFFFF, 0x3F800002, 0x3FC00000),
        _v(32, 0x40000000, 0x3F800100, 0x40000000),
        _v(32, 0xFF7FFFFF, 0xBF800102, 0x3F800000),
    )
    f64 = (
        _v(64, 0x7FEFFFFFFFFFFFFF, 0x3FF0000000400000),
        _v(64, 0x4000000000000000, 0x3FF0000020000000),
        _v(64, 0xFFEFFFFFFFFFFFFF, 0xBFF0000020400000),
    )
    for shape, (a, b, c), form in (("f32x4", f32, F32), ("f64x2", f64, F64)):
        signs = _v(form.width, *[form.sign] * (128 // form.width))
        yield f"{shape}.relaxed_madd", (a, b, c)
        yield f"{shape}.relaxed_nmadd", (a ^ signs, b, c)


def _minimum_maximum_cases() -> Iterable[ProbeCase]:
    for shape, form, one in (("f32x4", F32, 0x3F800000), ("f64x2", F64, 0x3FF0000000000000)):
        nan, minus = form.canonical_nan, form.sign
        for name in ("min", "max"):
            for a, b in (((nan, one), (one, nan)), ((0, minus), (minus, 0)), ((one, nan), (minus | one, nan))):
                yield f"{shape}.relaxed_{name}", (_v(form.width, *a), _v(form.width, *b))


def _truncation_cases() -> Iterable[ProbeCase]:
    f32 = (F32.canonical_nan, 0xBF800000, 0x4F800000, 0xFF800000), (0x7F800000, 0x4F000000, 0x3FC00000, 0xCF800000)
    f64 = (
        (F64.canonical_nan, 0xBFF0000000000000),
        (0x41F0000000000000, 0xFFF0000000000000),
        (0x7FF0000000000000, 0x41E0000000000000),
        (0x3FF8000000000000, 0xC1F0000000000000),
    )
    for shape, width, zero, rows in (("f32x4", 32, "", f32), ("f64x2", 64, "_zero", f64)):
        for sign in "su":
            for row in rows:
                yield f"i32x4.relaxed_trunc_{shape}_{sign}{zero}", (_v(width, *row),)


def _laneselect_cases() -> Iterable[ProbeCase]:
    for shape, width in (("i8x16", 8), ("i16x8", 16), ("i32x4", 32), ("i64x2", 64)):
        top = 1 << (width - 1)
        # Only the lane's top bit; all but it; in wider lanes also the top bit of a byte that is not the top one.
        masks = _v(width, top, top - 1), _v(width, 0x80, top | 0x7F)
        for mask in masks:
            yield f"{shape}.relaxed_laneselect", (0x5A << 120 | 0x1234 << 8 | 0xA5, ONES, mask)
            yield f"{shape}.relaxed_laneselect", (0, ONES, mask)


def _integer_cases() -> Iterable[ProbeCase]:
    letters = _v(8, *range(0x41, 0x51))
    yield "i8x16.relaxed_swizzle", (letters, _v(8, *range(8, 24)))
    yield "i8x16.relaxed_swizzle", (letters, _v(8, 15, 16, 17, 31, 32, 63, 64, 112, 126, 127, 128, 129, 143, 144, 255))
    # Sums at both ends of the i16 range, with second operands that are negative as signed bytes.
    first = _v(8, *[-128] * 4, *[127] * 4, *[-128] * 4, *[127] * 4)
    second = _v(8, *[-128] * 4, *[-1] * 4, *[-127] * 4, *[127] * 4)
    yield "i16x8.relaxed_dot_i8x16_i7x16_s", (first, second)
    yield "i32x4.relaxed_dot_i8x16_i7x16_add_s", (first, second, _v(32, 1, 2, 3, 4))
    yield "i16x8.relaxed_q15mulr_s", (_v(16, -0x8000, -0x7FFF, 0x7FFF), _v(16, -0x8000, -0x8000, 0x7FFF))


def probe_cases() -> list[ProbeCase]:
    """The questions, in the order in which ``profile_from_probe`` takes the answers."""
    return [
        *_integer_cases(),
        *_truncation_cases(),
        *_madd_cases(),
        *_laneselect_cases(),
        *_minimum_maximum_cases(),
    ]


_CASES = probe_cases()


def _same(name: str, expected: int, actual: int) -> bool:
    """Equal bits, or a NaN in the same lanes: which NaN is not what a profile is about. A negative number is no answer,
    and the same as none."""
    form: FloatFormat | None = {"f32x4": F32, "f64x2": F64}.get(name.split(".")[0])
    if expected == actual or form is None or actual < 0:
        return expected == actual
    lanes = zip(SPLIT[form.width](expected), SPLIT[form.width](actual), strict=True)
    return all(x == y or (form.is_nan(x) and form.is_nan(y)) for x, y in lanes)


def _remaining(name: str, results: Sequence[int]) -> list[Enum]:
    """The choices for an instruction under which every answer to its cases is right."""
    field, make = INSTRUCTIONS[name]
    answers = [(operands, result) for (case, operands), result in zip(_CASES, results, strict=True) if case == name]
    return [
        choice
        for choice in OPTIONS[field]
        for meaning in (make(choice),)
        if all(_same(name, meaning(*operands), result) for operands, result in answers)
    ]


def contradictions(results: Sequence[int]) -> list[str]:
    """The instructions whose answers fit none of the choices that the spec and its test suite allow.

    ``results`` are the v128 bit patterns for ``probe_cases()``, in order; ValueError if their number is another.
    """
    return [name for name in INSTRUCTIONS if not _remaining(name, results)]


def profile_from_probe(results: Sequence[int]) -> RelaxedProfile:
    """The profile under which the answers are right, but for instructions with ``contradictions``: deterministic there.

    ``results`` are the v128 bit patterns for ``probe_cases()``, in order; ValueError if their number is another.
    """
    chosen: dict[str, str] = {}
    for name, (field, _) in INSTRUCTIONS.items():
        if remaining := _remaining(name, results):
            chosen[field] = remaining[0].value
    return RelaxedProfile.from_dict(chosen)
