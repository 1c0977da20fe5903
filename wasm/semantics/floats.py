"""IEEE 754 arithmetic on bit patterns (spec 4.3.3), exact for f32 and f64.

Values travel as bit patterns and become Python floats only inside one operator, since loading a signalling f32 NaN
into a Python float already quiets it. Every arithmetic NaN result is the positive canonical NaN. f32 results are
computed in double precision and rounded once more, which is exact for + - * / and sqrt since 53 >= 2 * 24 + 2
(Figueroa, "When is double rounding innocuous?", 1995). ``struct`` is used rather than a shared scratch buffer so
that the functions stay pure: any thread may call them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

from wasm.semantics.registry import Pure, semantics


@dataclass(frozen=True, slots=True)
class FloatFormat:
    """A binary interchange format; the masks are bit patterns."""

    name: str
    width: int
    fraction_bits: int
    float_code: str
    int_code: str

    @property
    def sign(self) -> int:
        return 1 << (self.width - 1)

    @property
    def infinity(self) -> int:
        """Plus infinity; a magnitude above it is a NaN."""
        return self.sign - (1 << self.fraction_bits)

    @property
    def canonical_nan(self) -> int:
        """The positive canonical NaN: only the top bit of the fraction is set."""
        return self.infinity | 1 << (self.fraction_bits - 1)

    @property
    def least_exponent(self) -> int:
        """The exponent of the least subnormal: it is ``2**least_exponent``."""
        return 3 - (1 << (self.width - self.fraction_bits - 2)) - self.fraction_bits - 1

    def is_nan(self, bits: int) -> bool:
        return bits & (self.sign - 1) > self.infinity


F32 = FloatFormat("f32", 32, 23, "f", "I")
F64 = FloatFormat("f64", 64, 52, "d", "Q")

# From here on a float's fraction part is empty, and ints up to here are exact.
_ALL_INTEGERS = 2.0**52

NAN = math.copysign(math.nan, 1.0)


def divide(x: float, y: float) -> float:
    """IEEE division, where Python's raises on a zero divisor."""
    if y:
        return x / y
    if x != x or not x:
        return NAN
    return math.copysign(math.inf, math.copysign(1.0, x) * math.copysign(1.0, y))


def square_root(x: float) -> float:
    return NAN if x < 0.0 else math.sqrt(x)


def _integral(rounding: Callable[[float], int]) -> Callable[[float], float]:
    """Lift a rounding to an int to all floats, keeping the sign of a zero result."""

    def rounded(x: float) -> float:
        # False for NaN and the infinities too, which int() would refuse.
        return math.copysign(float(rounding(x)), x) if -_ALL_INTEGERS < x < _ALL_INTEGERS else x

    return rounded


UNARY: dict[str, Callable[[float], float]] = {
    "sqrt": square_root,
    "ceil": _integral(math.ceil),
    "floor": _integral(math.floor),
    "trunc": _integral(math.trunc),
    "nearest": _integral(round),  # Python rounds halves to even, as fnearest does
}


def decoder(form: FloatFormat) -> Callable[[int], float]:
    """Bit pattern to Python float; of a NaN only that it is one survives."""
    unpack = Struct("<" + form.float_code).unpack
    pack = Struct("<" + form.int_code).pack
    return lambda bits: unpack(pack(bits))[0]


def encoder(form: FloatFormat) -> Callable[[float], int]:
    """Python float to bit pattern, rounding half to even; every NaN becomes the positive canonical one."""
    unpack = Struct("<" + form.int_code).unpack
    pack = Struct("<" + form.float_code).pack
    canonical, infinity, sign = form.canonical_nan, form.infinity, form.sign

    def encode(x: float) -> int:
        try:
            return unpack(pack(x))[0] if x == x else canonical
        except OverflowError:  # struct refuses a finite value that rounds to an infinite f32
            return infinity if x > 0.0 else infinity | sign

    return encode


def arithmetic(form: FloatFormat) -> dict[str, Pure]:
    """``add``, ``sub``, ``mul``, ``div`` and the unary operators of ``UNARY``, rounding half to even."""
    unpack_two = Struct("<2" + form.float_code).unpack
    pack_two = Struct("<2" + form.int_code).pack
    unpack = Struct("<" + form.int_code).unpack
    pack = Struct("<" + form.float_code).pack
    canonical = form.canonical_nan
    decode, encode = decoder(form), encoder(form)

    # add, sub and mul are what float code spends its time in: they have the encoder's common case inline.
    def add(a: int, b: int) -> int:
        x, y = unpack_two(pack_two(a, b))
        z = x + y
        try:
            return unpack(pack(z))[0] if z == z else canonical
        except OverflowError:
            return encode(z)

    def sub(a: int, b: int) -> int:
        x, y = unpack_two(pack_two(a, b))
        z = x - y
        try:
            return unpack(pack(z))[0] if z == z else canonical
        except OverflowError:
            return encode(z)

    def mul(a: int, b: int) -> int:
        x, y = unpack_two(pack_two(a, b))
        z = x * y
        try:
            return unpack(pack(z))[0] if z == z else canonical
        except OverflowError:
            return encode(z)

    def div(a: int, b: int) -> int:
        x, y = unpack_two(pack_two(a, b))
        return encode(x / y if y else divide(x, y))

    def lifted(function: Callable[[float], float]) -> Pure:
        return lambda a: encode(function(decode(a)))

    return {"add": add, "sub": sub, "mul": mul, "div": div} | {name: lifted(f) for name, f in UNARY.items()}


def minimum_maximum(form: FloatFormat) -> dict[str, Pure]:
    """``min`` and ``max``: a NaN operand makes a NaN, and -0 is below +0."""
    unpack = Struct("<2" + form.float_code).unpack
    pack = Struct("<2" + form.int_code).pack
    canonical = form.canonical_nan

    # Equal operands have equal bits unless they are zeros, of which min keeps a minus sign and max a plus sign.
    def smaller(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return a if x < y else b if y < x else a | b if x == y else canonical

    def greater(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return a if x > y else b if y > x else a & b if x == y else canonical

    return {"min": smaller, "max": greater}


def pseudo_minimum_maximum(form: FloatFormat) -> dict[str, Pure]:
    """``pmin`` and ``pmax``: plain picks that keep the picked operand's bits, a NaN's too (vector only)."""
    unpack = Struct("<2" + form.float_code).unpack
    pack = Struct("<2" + form.int_code).pack

    def pmin(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return b if y < x else a

    def pmax(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return b if x < y else a

    return {"pmin": pmin, "pmax": pmax}


def comparisons(form: FloatFormat) -> dict[str, Pure]:
    """Comparisons giving 0 or 1; only ``ne`` holds where an operand is a NaN."""
    unpack = Struct("<2" + form.float_code).unpack
    pack = Struct("<2" + form.int_code).pack

    def eq(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return 1 if x == y else 0

    def ne(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return 1 if x != y else 0

    def lt(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return 1 if x < y else 0

    def gt(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return 1 if x > y else 0

    def le(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return 1 if x <= y else 0

    def ge(a: int, b: int) -> int:
        x, y = unpack(pack(a, b))
        return 1 if x >= y else 0

    return {"eq": eq, "ne": ne, "lt": lt, "gt": gt, "le": le, "ge": ge}


def sign_operators(form: FloatFormat) -> dict[str, Pure]:
    """``abs``, ``neg`` and ``copysign``: they touch the sign bit alone, of NaNs too (spec 4.3.3)."""
    sign = form.sign
    magnitude = sign - 1
    return {
        "abs": lambda a: a & magnitude,
        "neg": lambda a: a ^ sign,
        "copysign": lambda a, b: a & magnitude | b & sign,
    }


def _register() -> None:
    for form in (F32, F64):
        operators = arithmetic(form) | minimum_maximum(form) | comparisons(form) | sign_operators(form)
        for name, function in operators.items():
            semantics(f"{form.name}.{name}")(function)


_register()
