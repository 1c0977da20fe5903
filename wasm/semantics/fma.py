"""Fused multiply-add with one rounding, exact for f32 and f64 (IEEE 754-2019, 5.4.1 fusedMultiplyAdd)."""

from __future__ import annotations

import math
from collections.abc import Callable

from wasm.semantics.floats import F32, FloatFormat, decoder, encoder


def _decompose(form: FloatFormat, bits: int) -> tuple[int, int]:
    """A finite value as (signed integer, exponent): the value is ``integer * 2**exponent``."""
    fraction = bits & ((1 << form.fraction_bits) - 1)
    biased = (bits & (form.sign - 1)) >> form.fraction_bits
    if biased:
        fraction |= 1 << form.fraction_bits
        biased -= 1
    return (-fraction if bits & form.sign else fraction), form.least_exponent + biased


def round_exact(form: FloatFormat, value: int, exponent: int) -> int:
    """The bit pattern nearest to the non-zero ``value * 2**exponent``, ties to even, overflow to infinity."""
    magnitude = abs(value)
    unit = max(exponent + magnitude.bit_length() - form.fraction_bits - 1, form.least_exponent)
    shift = unit - exponent
    if shift > 0:
        half = 1 << (shift - 1)
        lost = magnitude & ((1 << shift) - 1)
        magnitude >>= shift
        if lost > half or (lost == half and magnitude & 1):
            magnitude += 1
    else:
        magnitude <<= -shift
    # The leading bit of a normal significand, and a carry out of rounding, both count up the exponent field.
    bits = min((unit - form.least_exponent << form.fraction_bits) + magnitude, form.infinity)
    return bits | form.sign if value < 0 else bits


def _special(form: FloatFormat, a: int, b: int, c: int) -> int:
    """The result where at least one operand is a NaN or an infinity: no rounding is involved."""
    if form.is_nan(a) or form.is_nan(b) or form.is_nan(c):
        return form.canonical_nan
    magnitude = form.sign - 1
    if a & magnitude == form.infinity or b & magnitude == form.infinity:
        if not (a & magnitude and b & magnitude):
            return form.canonical_nan
        product = (a ^ b) & form.sign | form.infinity
        return form.canonical_nan if c & magnitude == form.infinity and c != product else product
    return c


def exact_fma(form: FloatFormat) -> Callable[[int, int, int], int]:
    """``a * b + c`` by integers: any operands, any format; the NaN result is the positive canonical one."""
    infinity, sign = form.infinity, form.sign

    def fma(a: int, b: int, c: int) -> int:
        if a & infinity == infinity or b & infinity == infinity or c & infinity == infinity:
            return _special(form, a, b, c)
        x, x_exponent = _decompose(form, a)
        y, y_exponent = _decompose(form, b)
        z, z_exponent = _decompose(form, c)
        product, exponent = x * y, x_exponent + y_exponent
        if not product:
            # A zero product leaves c, but two zeros of different signs give +0.
            return c if z or (a ^ b) & sign == c & sign else 0
        if exponent > z_exponent:
            product <<= exponent - z_exponent
            exponent = z_exponent
        else:
            z <<= z_exponent - exponent
        total = product + z
        return round_exact(form, total, exponent) if total else 0

    return fma


def fast_f32_fma() -> Callable[[int, int, int], int]:
    """``exact_fma`` for f32 in double precision, with the sum rounded to odd before the rounding to f32.

    The product of two 24-bit significands is exact in a double. The error of the sum is found exactly (Knuth's
    two-sum); where there is one, a double with an even last bit is stepped towards it, so that the final rounding
    sees on which side of a tie the exact value lies (Boldo and Melquiond, "Emulation of FMA and correctly rounded
    sums", 2008).
    """
    decode, encode = decoder(F32), encoder(F32)
    exact = exact_fma(F32)
    infinity = F32.infinity

    def fma(a: int, b: int, c: int) -> int:
        if a & infinity == infinity or b & infinity == infinity or c & infinity == infinity:
            return exact(a, b, c)
        product, z = decode(a) * decode(b), decode(c)
        total = product + z
        shadow = total - product
        error = (product - (total - shadow)) + (z - shadow)
        if error and not int(math.ldexp(math.frexp(total)[0], 53)) & 1:
            total = math.nextafter(total, math.inf if error > 0.0 else -math.inf)
        return encode(total)

    return fma
