"""The wide-arithmetic proposal: 128-bit sums and products as pairs of 64-bit halves, low half first."""

from __future__ import annotations

from wasm.semantics.registry import semantics

_MASK64 = (1 << 64) - 1
_MASK128 = (1 << 128) - 1
_HALF64 = 1 << 63


@semantics("i64.add128")
def add128(a_low: int, a_high: int, b_low: int, b_high: int) -> tuple[int, int]:
    total = (a_high << 64 | a_low) + (b_high << 64 | b_low)
    return total & _MASK64, total >> 64 & _MASK64


@semantics("i64.sub128")
def sub128(a_low: int, a_high: int, b_low: int, b_high: int) -> tuple[int, int]:
    difference = (a_high << 64 | a_low) - (b_high << 64 | b_low)
    return difference & _MASK64, difference >> 64 & _MASK64


@semantics("i64.mul_wide_u")
def mul_wide_u(a: int, b: int) -> tuple[int, int]:
    product = a * b
    return product & _MASK64, product >> 64


@semantics("i64.mul_wide_s")
def mul_wide_s(a: int, b: int) -> tuple[int, int]:
    product = ((a ^ _HALF64) - _HALF64) * ((b ^ _HALF64) - _HALF64) & _MASK128
    return product & _MASK64, product >> 64
