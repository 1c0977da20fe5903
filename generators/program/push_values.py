"""Putting typed values on the stack: results of a callee, arguments of a call, payloads of an exception.

However many they are, they cost a few choices: up to three styles in turn and a seed. Each style makes one value. For
the types i32 i64 i32 i64 and the styles ``const`` and ``local``:

    i32.const 77                 ;; const: from a sequence that the seed begins
    local.get 3                  ;; local: one of the function's i64
    i32.const -2147483648
    local.get 5
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN, CONST, sequence_bits
from generators.module.function import GET, Function
from generators.module.shell import DATA_BYTES
from generators.scalar.candidates import binary_rows
from generators.scalar.expressions import emit_clean, emit_value
from wasm.fragment import Code, code, template
from wasm.isa import Op
from wasm.valtypes import EXTERNREF, F32, F64, I32, I64, V128, NumType, RefType, ValType

_STYLES: Final = weighted(("const", 26), ("local", 24), ("hash", 26), ("load", 16), ("binary", 14), ("expr", 8))
_MAX_EXPRESSIONS: Final = 6

_LOADED_BYTES: Final = 16
"""What a load takes at most: no load from the data segment reaches beyond it."""

_LOAD: Final = {t: template(f"i32.const 0  {t}.load offset=$offset") for t in (I32, I64, F32, F64, V128)}
_I31: Final = template("i32.const $value  ref.i31")

_HASH_FACTOR: Final = 0x5851F42D4C957F2D
"""A multiplier of a linear congruential generator with good spectra (Knuth, TAOCP 2, 3.3.4)."""

_NEXT_HASH: Final = template(
    f"local.get $acc  i64.const {_HASH_FACTOR}  i64.mul  i64.const $odd  i64.add  local.tee $acc"
)

_FROM_HASH: Final[dict[ValType, tuple[Code, Code]]] = {
    I32: (code("i64.const 32  i64.shr_u  i32.wrap_i64"), code("i64.const 17  i64.rotl  i32.wrap_i64")),
    I64: ((), code("i64.const 17  i64.rotl")),
    F32: (code("f32.convert_i64_s"), code("i64.const 32  i64.shr_u  i32.wrap_i64  f32.reinterpret_i32")),
    F64: (code("f64.convert_i64_s"), code("f64.reinterpret_i64")),
    V128: (
        code("i64x2.splat  v128.const i64x2 0x0123456789ABCDEF 0  i64x2.add"),
        code("i64x2.splat  v128.const i64x2 1 0x6000000000000000  v128.xor"),
    ),
}
"""From a hash to a value of the type, a number or any bits: of its high bits, on which all others have an effect."""


class _Values:
    """Values in the making. ``i`` counts all of them; ``hashed`` says whether one shows the running hash.

    ``step`` is how far apart in a function's locals two neighbours are, ``raw`` which way leads from the hash to a
    value, ``operations`` the instruction of ``binary`` by type.
    """

    __slots__ = ("clean", "expressions", "fn", "hashed", "operations", "raw", "seed", "source", "step")

    def __init__(self, fn: Function, source: ChoiceSource, clean: bool) -> None:
        self.fn = fn
        self.clean = clean
        self.source = source
        self.seed = source.bits(32)
        self.step = source.between(1, 5)
        self.raw = source.below(2)
        self.expressions = 0
        self.hashed = False
        self.operations: dict[NumType, Op] = {}

    def const(self, i: int, type_: NumType) -> None:
        self.fn.f.body.append((CONST[type_], sequence_bits(type_, self.seed, i)))

    def local(self, i: int, type_: NumType) -> None:
        """A parameter of the same type, permuted: rotations and reversals make cycles of parallel moves."""
        locals_ = self.fn.sources.get(type_)
        if not locals_:
            self.hash(i, type_)
            return
        self.fn.f.body.append((GET, locals_[(self.seed + i * self.step) % len(locals_)]))

    def load(self, i: int, type_: NumType) -> None:
        """From the data segment, at any alignment; the offset stands in the instruction."""
        self.fn.shell.uses_memory = True
        offset = (self.seed + i * self.step * 4) % (DATA_BYTES - _LOADED_BYTES)
        self.fn.f.body += _LOAD[type_](offset=offset)

    def hash(self, i: int, type_: NumType) -> None:
        """From the running hash, so from everything that was folded before."""
        self.hashed = True
        body = self.fn.f.body
        body += _NEXT_HASH(acc=self.fn.acc, odd=2 * i + 1)
        body += _FROM_HASH[type_][self.raw]

    def binary(self, i: int, type_: NumType) -> None:
        """One operation on two values, the same for all values of a type; floats only where open NaNs are welcome."""
        shell = self.fn.shell
        nans = type_ in CANONICAL_NAN
        if nans and (self.clean or not shell.free_nans):
            self.hash(i, type_)
            return
        op = self.operations.get(type_)
        if op is None:
            op = self.operations[type_] = self.source.pick(binary_rows(shell.config.features, type_, nans))
        if self.step & 1:
            self.local(i, type_)
            self.const(i, type_)
        else:
            self.const(i, type_)
            self.local(i + 1, type_)
        self.fn.f.body.append(op.bare)

    def expr(self, i: int, type_: NumType) -> None:
        """An expression tree, for the first few; then the hash."""
        if self.expressions >= _MAX_EXPRESSIONS:
            self.hash(i, type_)
            return
        self.expressions += 1
        (emit_clean if self.clean else emit_value)(self.fn, self.source, type_, 3)

    def reference(self, i: int, type_: RefType) -> None:
        """A reference that only this position has: a host token, or a function or i31 with its own answer."""
        fn = self.fn
        locals_ = fn.sources.get(type_)
        body = fn.f.body
        if locals_ and self.step & 1:
            body.append((GET, locals_[(self.seed + i) % len(locals_)]))
        elif type_ is EXTERNREF:
            body += fn.shell.token(i)
        elif type_.heap == "i31":
            body += _I31(value=self.seed + i & 0xFFFFFFFF)
        else:
            body.append(fn.shell.declare(fn.shell.answer(self.seed + i)))


_MAKERS: Final[dict[str, Callable[[_Values, int, NumType], None]]] = {
    "const": _Values.const,
    "local": _Values.local,
    "load": _Values.load,
    "hash": _Values.hash,
    "binary": _Values.binary,
    "expr": _Values.expr,
}


def push_values(fn: Function, source: ChoiceSource, types: Sequence[ValType], clean: bool = False) -> bool:
    """Put values of ``types`` on the stack; no reference among them is null. Gives whether one shows the running hash.

    ``clean``: no value is a NaN whose bits are open, even in a module that has them; hosts look at all bits.
    """
    if not types:
        return False
    made = _Values(fn, source, clean)
    makers = [_MAKERS[source.weighted(_STYLES)] for _ in range(source.between(1, min(3, len(types))))]
    turns = len(makers)
    for i, type_ in enumerate(types):
        if isinstance(type_, NumType):
            makers[i % turns](made, i, type_)
        else:
            made.reference(i, type_)
    return made.hashed
