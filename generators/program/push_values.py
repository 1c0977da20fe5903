"""Putting a row of typed values on the stack: results of a callee, arguments of a call, payloads.

A row of any length is a few choices: up to three styles in turn and a seed. Each style makes one value.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN, CONST, sequence_bits
from generators.module.function import BARE, GET, I32_CONST, I64_CONST, TEE, Function
from generators.module.shell import DATA_BYTES
from generators.scalar.expressions import binary_rows, emit_clean, emit_value
from wasm.isa import OPS, Instr, MemArg, Op
from wasm.valtypes import EXTERNREF, F32, F64, I32, I64, V128, NumType, RefType, ValType

LOADS: Final = {type_: OPS[f"{type_}.load"] for type_ in (I32, I64, F32, F64, V128)}
STORES: Final = {type_: OPS[f"{type_}.store"] for type_ in (I32, I64, F32, F64, V128)}
ALIGN: Final = {I32: 2, I64: 3, F32: 2, F64: 3, V128: 4}

_STYLES: Final = weighted(("const", 26), ("local", 24), ("hash", 26), ("load", 16), ("binary", 14), ("expr", 8))
_MAX_EXPRESSIONS: Final = 6

_FROM_HASH: Final[dict[ValType, tuple[tuple[Instr, ...], tuple[Instr, ...]]]] = {
    I32: (
        ((I64_CONST, 32), BARE["i64.shr_u"], BARE["i32.wrap_i64"]),
        ((I64_CONST, 17), BARE["i64.rotl"], BARE["i32.wrap_i64"]),
    ),
    I64: ((), ((I64_CONST, 17), BARE["i64.rotl"])),
    F32: (
        (BARE["f32.convert_i64_s"],),
        ((I64_CONST, 32), BARE["i64.shr_u"], BARE["i32.wrap_i64"], BARE["f32.reinterpret_i32"]),
    ),
    F64: ((BARE["f64.convert_i64_s"],), (BARE["f64.reinterpret_i64"],)),
    V128: (
        (BARE["i64x2.splat"], (OPS["v128.const"], 0x0123456789ABCDEF), BARE["i64x2.add"]),
        (BARE["i64x2.splat"], (OPS["v128.const"], 3 << 125 | 1), BARE["v128.xor"]),
    ),
}
"""From a hash to a value of the type, a number or any bits: of its high bits, on which all others have an effect."""

_HASH_FACTOR: Final = 0x5851F42D4C957F2D


class _Row:
    """One row in the making; ``i`` counts all its values."""

    __slots__ = ("clean", "expressions", "fn", "hashed", "operations", "raw", "seed", "source", "step")

    def __init__(self, fn: Function, source: ChoiceSource, clean: bool) -> None:
        self.fn = fn
        self.clean = clean
        self.source = source
        self.seed = source.bits(32)
        self.step = 1 + source.below(5)
        self.raw = source.below(2)
        self.expressions = 0
        self.hashed = False
        self.operations: dict[NumType, Op] = {}

    def const(self, i: int, type_: NumType) -> None:
        self.fn.f.body.append((CONST[type_], sequence_bits(type_, self.seed, i)))

    def local(self, i: int, type_: NumType) -> None:
        """A parameter of the same type, permuted: rotations and reversals make cycles of parallel moves."""
        found = self.fn.sources.get(type_)
        if not found:
            self.hash(i, type_)
            return
        self.fn.f.body.append((GET, found[(self.seed + i * self.step) % len(found)]))

    def load(self, i: int, type_: NumType) -> None:
        """From the data segment, at any alignment; the offset stands in the instruction."""
        self.fn.shell.uses_memory = True
        offset = (self.seed + i * self.step * 4) % (DATA_BYTES - 16)
        self.fn.f.body += ((I32_CONST, 0), (LOADS[type_], MemArg(ALIGN[type_], offset)))

    def hash(self, i: int, type_: NumType) -> None:
        """From the running hash, so from everything that was folded before."""
        self.hashed = True
        acc = self.fn.acc
        self.fn.f.body += (
            (GET, acc), (I64_CONST, _HASH_FACTOR), BARE["i64.mul"], (I64_CONST, 2 * i + 1), BARE["i64.add"],
            (TEE, acc), *_FROM_HASH[type_][self.raw],
        )  # fmt: skip

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
        found = fn.sources.get(type_)
        body = fn.f.body
        if found and self.step & 1:
            body.append((GET, found[(self.seed + i) % len(found)]))
        elif type_ is EXTERNREF:
            body += fn.shell.token(i)
        elif type_.heap == "i31":
            body += ((I32_CONST, self.seed + i & 0xFFFFFFFF), BARE["ref.i31"])
        else:
            body.append(fn.shell.declare(fn.shell.answer(self.seed + i)))


_MAKERS: Final[dict[str, Callable[[_Row, int, NumType], None]]] = {
    "const": _Row.const,
    "local": _Row.local,
    "load": _Row.load,
    "hash": _Row.hash,
    "binary": _Row.binary,
    "expr": _Row.expr,
}


def push_values(fn: Function, source: ChoiceSource, types: Sequence[ValType], clean: bool = False) -> bool:
    """Put values of ``types`` on the stack; no reference among them is null. Gives whether one shows the running hash.

    ``clean``: no value is a NaN whose bits are open, even in a module that has them; hosts look at all bits.
    """
    if not types:
        return False
    row = _Row(fn, source, clean)
    makers = [_MAKERS[source.weighted(_STYLES)] for _ in range(source.between(1, min(3, len(types))))]
    turns = len(makers)
    for i, type_ in enumerate(types):
        if isinstance(type_, NumType):
            makers[i % turns](row, i, type_)
        else:
            row.reference(i, type_)
    return row.hashed
