"""Conversions between scalar types on bit patterns (spec 4.3.4)."""

from __future__ import annotations

from collections.abc import Callable

from wasm.semantics.floats import F32, F64, FloatFormat, decoder, encoder
from wasm.semantics.registry import Pure, semantics
from wasm.traps import Trap, TrapKind

_MASK32 = (1 << 32) - 1
_MASK64 = (1 << 64) - 1
_LOW11 = (1 << 11) - 1


def bounds(width: int, signed: bool) -> tuple[int, int]:
    """The least and the greatest integer of a type."""
    return (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)


def truncation(form: FloatFormat, width: int, signed: bool) -> Pure:
    """Towards zero; traps on NaN (invalid conversion) and on results out of range (integer overflow)."""
    decode = decoder(form)
    least, greatest = bounds(width, signed)
    mask = (1 << width) - 1

    def truncate(a: int) -> int:
        x = decode(a)
        if x != x:
            raise Trap(TrapKind.BAD_CONVERSION)
        # Comparing a float with an int is exact in Python, so infinities are sorted out before int() refuses them.
        if least - 1 < x < greatest + 1:
            return int(x) & mask
        raise Trap(TrapKind.INT_OVERFLOW)

    return truncate


def saturation(width: int, signed: bool) -> Callable[[float], int]:
    """A float towards zero to a bit pattern; NaN gives 0 and a result out of range the nearest bound."""
    least, greatest = bounds(width, signed)
    mask = (1 << width) - 1

    def truncate(x: float) -> int:
        if least - 1 < x < greatest + 1:
            return int(x) & mask
        return 0 if x != x else (greatest if x > 0.0 else least) & mask

    return truncate


def saturating_truncation(form: FloatFormat, width: int, signed: bool) -> Pure:
    """``saturation`` of a float's bit pattern."""
    decode, saturate = decoder(form), saturation(width, signed)
    return lambda a: saturate(decode(a))


def _round_to_odd(v: int) -> int:
    """An integer of magnitude below ``2**64`` made exact for a double, for one later rounding to f32.

    Rounding to 53 bits and then to 24 would round twice. Dropping 11 bits and remembering in the last kept one
    whether any of them was set leaves at least 43 bits, enough for the second rounding to decide correctly.
    """
    magnitude = abs(v)
    if magnitude >> 53:
        magnitude = magnitude & ~_LOW11 | (1 if magnitude & _LOW11 else 0) << 11
        return magnitude if v >= 0 else -magnitude
    return v


def integer_to_float(form: FloatFormat, width: int, signed: bool) -> Pure:
    """The nearest float, ties to even; rounded once."""
    encode = encoder(form)
    half = 1 << (width - 1)
    if form is F32 and width == 64:
        if signed:
            return lambda a: encode(float(_round_to_odd((a ^ half) - half)))
        return lambda a: encode(float(_round_to_odd(a)))
    if signed:
        return lambda a: encode(float((a ^ half) - half))
    return lambda a: encode(float(a))


def change_format(source: FloatFormat, target: FloatFormat) -> Pure:
    """Promotion (exact) or demotion (to nearest); a NaN becomes the canonical one."""
    decode, encode = decoder(source), encoder(target)
    return lambda a: encode(decode(a))


@semantics("i32.reinterpret_f32", "i64.reinterpret_f64", "f32.reinterpret_i32", "f64.reinterpret_i64")
def reinterpret(a: int) -> int:
    return a


@semantics("i32.wrap_i64")
def wrap(a: int) -> int:
    return a & _MASK32


@semantics("i64.extend_i32_u")
def extend_unsigned(a: int) -> int:
    return a


@semantics("i64.extend_i32_s")
def extend_signed(a: int) -> int:
    return ((a ^ 0x8000_0000) - 0x8000_0000) & _MASK64


def _register() -> None:
    kinds: dict[str, Callable[[FloatFormat, int, bool], Pure]] = {
        "trunc": truncation,
        "trunc_sat": saturating_truncation,
    }
    for form in (F32, F64):
        for width in (32, 64):
            for sign, signed in (("s", True), ("u", False)):
                for kind, make in kinds.items():
                    semantics(f"i{width}.{kind}_{form.name}_{sign}")(make(form, width, signed))
                semantics(f"{form.name}.convert_i{width}_{sign}")(integer_to_float(form, width, signed))
    semantics("f32.demote_f64")(change_format(F64, F32))
    semantics("f64.promote_f32")(change_format(F32, F64))


_register()
