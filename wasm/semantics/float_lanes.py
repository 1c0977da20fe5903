"""Float vector instructions and conversions of lanes (spec 4.3.5) on v128 bit patterns."""

from __future__ import annotations

import operator
from collections.abc import Callable
from struct import Struct

from wasm.semantics import conversions, floats
from wasm.semantics.floats import F32, F64, NAN, FloatFormat
from wasm.semantics.lanes import (
    JOIN,
    ONES,
    SPLIT,
    SPLIT_SIGNED,
    float_packer,
    float_splitter,
    lanewise_test,
    lanewise_two,
    repeat,
)
from wasm.semantics.registry import Pure, semantics

_BINARY: dict[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": floats.divide,
}


def _joiner(form: FloatFormat) -> Callable[[list[float]], int]:
    """Lanes as Python floats to a v128, each rounded half to even, NaNs made canonical."""
    pack = float_packer(form.width)
    encode, join = floats.encoder(form), JOIN[form.width]

    def joined(lanes: list[float]) -> int:
        try:
            return int.from_bytes(pack(*[x if x == x else NAN for x in lanes]), "little")
        except OverflowError:
            return join(map(encode, lanes))

    return joined


def arithmetic(form: FloatFormat) -> dict[str, Pure]:
    """The operators of ``floats.arithmetic`` on all lanes at once."""
    split, joined = float_splitter(form.width), _joiner(form)

    def lifted(function: Callable[..., float], arity: int) -> Pure:
        if arity == 1:
            return lambda a: joined(list(map(function, split(a))))
        return lambda a, b: joined(list(map(function, split(a), split(b))))

    return {name: lifted(f, 2) for name, f in _BINARY.items()} | {
        name: lifted(f, 1) for name, f in floats.UNARY.items()
    }


def sign_operators(form: FloatFormat) -> dict[str, Pure]:
    """``abs`` and ``neg`` flip or clear the sign bits of the whole vector."""
    signs = repeat(form.width, form.sign)
    magnitudes = ONES ^ signs
    return {"abs": lambda a: a & magnitudes, "neg": lambda a: a ^ signs}


def saturating_truncation(form: FloatFormat, signed: bool) -> Pure:
    """To i32 lanes; two f64 lanes fill the lower half and the upper is zero."""
    function, split = conversions.saturation(32, signed), float_splitter(form.width)
    pack = Struct("<4I" if form is F32 else "<2I").pack
    return lambda a: int.from_bytes(pack(*map(function, split(a))), "little")


def convert(form: FloatFormat, signed: bool) -> Pure:
    """From i32 lanes: four to f32, or the lower two to f64."""
    split = (SPLIT_SIGNED if signed else SPLIT)[32]
    joined = _joiner(form)
    count = 128 // form.width
    return lambda a: joined(list(map(float, split(a)[:count])))


@semantics("f32x4.demote_f64x2_zero")
def demote(a: int) -> int:
    return _JOIN_F32([*_SPLIT_F64(a), 0.0, 0.0])


@semantics("f64x2.promote_low_f32x4")
def promote(a: int) -> int:
    return _JOIN_F64(list(_SPLIT_F32(a)[:2]))


_JOIN_F32, _JOIN_F64 = _joiner(F32), _joiner(F64)
_SPLIT_F32, _SPLIT_F64 = float_splitter(32), float_splitter(64)


def _register() -> None:
    for form, shape in ((F32, "f32x4"), (F64, "f64x2")):
        operators = arithmetic(form) | sign_operators(form)
        picks = floats.minimum_maximum(form) | floats.pseudo_minimum_maximum(form)
        operators |= {name: lanewise_two(form.width, f) for name, f in picks.items()}
        split = float_splitter(form.width)
        for name in ("eq", "ne", "lt", "gt", "le", "ge"):
            operators[name] = lanewise_test(form.width, getattr(operator, name), split)
        for name, function in operators.items():
            semantics(f"{shape}.{name}")(function)
        low, zero = ("", "") if form is F32 else ("_low", "_zero")
        for sign, signed in (("s", True), ("u", False)):
            semantics(f"i32x4.trunc_sat_{shape}_{sign}{zero}")(saturating_truncation(form, signed))
            semantics(f"{shape}.convert{low}_i32x4_{sign}")(convert(form, signed))


_register()
