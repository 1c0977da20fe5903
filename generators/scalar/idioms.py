"""Combinations of scalar instructions that compilers match as one: rotations, bit fields, addresses, minima, products.

An idiom is written in postfix form, for one type: instruction names without their type, or in full where it is another
type's; capital letters for operands (the same letter is the same value); ``k`` for an amount of bits and ``-k`` for
what it lacks of the width; ``const`` for any constant of the instruction; ``top`` for the highest bit's number;
``sign`` and ``rest`` for the mask of the sign bit and of all others; ``mask`` for a row of low ones; and numbers.
"""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from typing import Final

from generators.draw.values import CONST
from generators.module.function import BARE, GET, TEE
from generators.scalar.candidates import Candidate, Nan, candidate_of, result_of
from generators.scalar.expressions import settle
from generators.scalar.grower import Grower
from wasm.isa import OPS, Op
from wasm.valtypes import F32, F64, I32, I64, NumType

_COMBINED: Final = ("or", "xor", "add", "or", "sub")
_SHIFT_PAIRS: Final = (("shl", "shr_u"), ("shr_u", "shl"), ("shl", "shr_s"), ("shr_u", "shr_u"), ("rotl", "rotr"))

_INTEGER: Final = [
    # Two shifts of one value or two, which together move by the width or by any two amounts.
    *(f"A k {one} {b} -k {two} {by}" for by in _COMBINED for one, two in _SHIFT_PAIRS[:3] for b in "ABB"),
    *(f"A const {one} {b} const {two} {by}" for by in _COMBINED[:3] for one, two in _SHIFT_PAIRS for b in "AB"),
    "A X shl A 0 X sub shr_u or", "A X shr_u B 0 X sub shl or", "A X rotl 0 X sub rotr", "A X shl X shr_u",
    # Bit fields, sign and zero extensions.
    "A k shl k shr_s", "A k shl k shr_u", "A k shr_u k shl", "A k shr_u mask and", "A mask and k shl",
    "A k shl mask and",
    "A mask and B mask -1 xor and or", "A B xor mask and B xor", "A const and const or", "A k shr_s mask and",
    "A const shr_u const shr_u", "A const shl const shl", "A const shr_s const shl", "A const rotl const rotl",
    # Single bits, and the instructions that machines have for them.
    "A -1 xor B and", "A -1 xor B or", "A -1 xor B xor", "A 0 A sub and", "A A 1 sub and", "A A 1 sub xor",
    "A A 1 add or",
    "A 1 X shl or", "A 1 X shl xor", "A 1 X shl -1 xor and", "A X shr_u 1 and", "1 X shl 1 sub A and",
    "A -1 xor 1 add",
    "A B and -1 xor", "A B or -1 xor", "A B xor -1 xor", "A ctz", "A popcnt 1 and",
    # Addresses and sums.
    "A k shl B add", "A k shl B add const add", "A B add const add", "A B sub const add", "const A sub", "0 A sub",
    "A const mul B add", "A const mul const add", "A B mul C add", "C A B mul sub", "A 0 B sub add", "A B add A sub",
    "A const add const add", "A const sub const sub", "A const and const and", "A const xor const xor",
    "A const mul const mul", "A const shl const mul", "A B C add add", "A B add C D add add",
    "A B and A B xor 1 shr_u add",
    # Minima, absolute values and signs, with and without a choice.
    "A B A B lt_s select", "A B A B gt_u select", "B A A B lt_u select", "A 0 A sub A 0 ge_s select", "A top shr_s",
    "A A top shr_s xor A top shr_s sub", "A top shr_u", "A 0 A 0 ne select", "A const A const gt_s select",
    "1 0 A B lt_s select", "-1 0 A B eq select", "A A 1 add B eqz select",
]  # fmt: skip
_TESTS: Final = [
    "A B and eqz", "A mask and eqz", "A B and 0 ne", "A B sub eqz", "A B xor eqz", "A const and const eq", "A eqz",
    "A B add A lt_u", "A B add B lt_u", "A B lt_s C D lt_u i32.and", "A B lt_s i32.eqz", "A 0 lt_s", "A -1 gt_s",
    "A 1 lt_u",
    "A B eq C D eq i32.or", "A B le_u i32.eqz i32.eqz", "A const ge_s A const le_s i32.and", "A const sub const lt_u",
    "A 0 ne B 0 ne i32.and", "A 0 lt_s B 0 lt_s i32.xor", "A sign and 0 ne", "A X shr_u 1 and eqz",
    "A A 1 sub and eqz",
]  # fmt: skip
"""Of integers of the type, with an i32 as their result."""

_LONG: Final = [
    "A i64.extend_i32_u B i64.extend_i32_u mul", "A i64.extend_i32_s B i64.extend_i32_s mul",
    "A i64.extend_i32_u k shl",
    "A i64.extend_i32_s B i64.extend_i32_s mul 32 shr_s", "A i64.extend_i32_u B add",
    "A i32.wrap_i64 i64.extend_i32_s",
    "A i32.wrap_i64 i64.extend_i32_u", "A i64.extend_i32_u B i64.extend_i32_u 32 shl or", "A 32 shl 32 shr_s",
    "A i32.eqz i64.extend_i32_u", "A B lt_s i64.extend_i32_u", "A 4294967295 and",
    "A f64.convert_i64_s i64.trunc_sat_f64_s",
    "A extend32_s B add", "A extend8_s k shl", "A B i32.sub i64.extend_i32_u",
    "A B i32.add i64.extend_i32_s k shl C add",
]  # fmt: skip
_SHORT: Final = [
    "A i32.wrap_i64 B add", "A k i64.shr_u i32.wrap_i64", "A B i64.sub i32.wrap_i64", "A B i64.mul i32.wrap_i64",
    "A i64.extend_i32_u B i64.extend_i32_u i64.mul 32 i64.shr_u i32.wrap_i64", "A i64.clz i32.wrap_i64",
    "A 255 and extend8_s",
    "A extend16_s 65535 and", "A extend8_s 0 lt_s", "A f32.convert_i32_u i32.trunc_sat_f32_u",
    "A f64.convert_i32_s i32.trunc_sat_f64_s",
    "A B f64.lt C D f64.gt and", "A A f32.ne", "A B f32.eq eqz", "A B f64.lt eqz", "A B f64.ge B A f64.ge or",
]  # fmt: skip
_FLOAT: Final = [
    "A B mul C add", "A B mul C sub", "C A B mul sub", "A neg B mul C add", "A B mul neg", "A neg B neg mul",
    "A neg B add",
    "A B neg add", "A B neg sub", "0 A sub", "A A add", "A A sub", "A A mul", "A A div", "A const mul", "A const div",
    "A const add", "const A sub", "const A div", "A abs neg", "A neg abs", "A abs abs", "A B sub abs", "A B copysign",
    "A B neg copysign", "A neg B copysign", "A const copysign", "const B copysign", "A B copysign neg",
    "A abs B copysign",
    "A B copysign C mul", "A B min C max", "A B max C min", "A const max const min", "A B A B lt select",
    "A B A B gt select",
    "B A A B le select", "A B C D lt select", "A sqrt A mul", "A sqrt B div", "A trunc A sub", "A B add floor",
    "A 0 mul",
    "A nearest ceil", "A B add C D add mul", "A B A A eq select", "A B min A B max sub", "A B div C div",
]  # fmt: skip
_BITS_OF: Final = {
    F32: [
        "A i32.reinterpret_f32 sign i32.xor f32.reinterpret_i32",
        "A i32.reinterpret_f32 rest i32.and f32.reinterpret_i32",
        "A i32.reinterpret_f32 B i32.and f32.reinterpret_i32",
        "A f64.promote_f32 B f64.promote_f32 f64.mul f32.demote_f64",
        "A i32.trunc_sat_f32_s f32.convert_i32_s", "A f32.convert_i32_s const mul",
        "A f64.promote_f32 f32.demote_f64",
        "A f64.promote_f32 f64.sqrt f32.demote_f64", "A f32.convert_i64_u", "A f32.convert_i32_u const add",
    ],
    F64: [
        "A i64.reinterpret_f64 sign i64.xor f64.reinterpret_i64",
        "A i64.reinterpret_f64 rest i64.and f64.reinterpret_i64",
        "A i64.reinterpret_f64 B i64.or f64.reinterpret_i64", "A f64.promote_f32 B add",
        "A f32.demote_f64 f64.promote_f32",
        "A i32.trunc_sat_f64_s f64.convert_i32_s", "A i64.trunc_sat_f64_u f64.convert_i64_u",
        "A f64.convert_i32_s const div",
        "A f64.convert_i32_u B mul", "A f64.convert_i64_s B f64.convert_i64_s add", "A f64.promote_f32 neg",
    ],
}  # fmt: skip

Node = str | tuple[object, ...]
"""An operand's word, or ``(row, operand, ...)`` with the row None for ``select``."""


@lru_cache(maxsize=4)
def idioms(type_: NumType) -> tuple[tuple[Node, frozenset[str]], ...]:
    """The idioms with a result of ``type_``, parsed, each with the letters that stand in it more than once."""
    texts = [(type_, text) for text in _FLOAT + _BITS_OF[type_]] if type_ in _BITS_OF else []
    if not texts:
        own = [*_INTEGER, *(_LONG if type_ is I64 else _SHORT)]
        texts = [(type_, text) for text in own]
    if type_ is I32:
        texts += [(source, text) for source in (I32, I64) for text in _TESTS]
    return tuple(_parsed(base, text) for base, text in texts)


def _parsed(type_: NumType, text: str) -> tuple[Node, frozenset[str]]:
    stack: list[Node] = []
    words = text.split()
    for word in words:
        row = OPS.get(word) or OPS.get(f"{type_}.{word}")
        if word == "select":
            last = stack[-3:]
            del stack[-3:]
            stack.append((None, *last))
        elif row is not None and row.name != word and word in ("const", "load", "store"):
            stack.append(word)
        elif row is not None:
            count = len(row.params or ())
            last = stack[len(stack) - count :]
            del stack[len(stack) - count :]
            stack.append((row, *last))
        else:
            stack.append(word)
    (whole,) = stack
    often = frozenset(word for word, count in Counter(words).items() if count > 1 and word.isupper())
    return whole, often


def emit_idiom(tree: Grower, type_: NumType, depth: int) -> Nan:
    """One idiom on the stack, its operands nested up to ``depth``."""
    node, often = tree.source.pick(idioms(type_))
    return _Idiom(tree, often, depth).emit(node, type_, None, 0)


class _Idiom:
    """One idiom in the making: values of its letters that stand in it more than once, and its amount of bits."""

    def __init__(self, tree: Grower, often: frozenset[str], depth: int) -> None:
        self.tree, self.often, self.depth = tree, often, depth
        self.held: dict[str, tuple[int, Nan]] = {}
        self.amount: int | None = None

    def emit(self, node: Node, type_: NumType, op: Op | None, position: int) -> Nan:
        """A node as operand ``position`` of ``op``, of a type."""
        if isinstance(node, str):
            return self._word(node, type_, op, position)
        row, *operands = node
        if row is None:
            return self._select(operands, type_)
        assert isinstance(row, Op)
        candidate = _candidate(row)
        nan = Nan.NONE
        for i, (operand, param, takes) in enumerate(zip(operands, candidate.params, candidate.takes, strict=True)):
            assert isinstance(operand, str | tuple)
            assert isinstance(param, NumType)
            given = settle(self.tree.fn, self.emit(operand, param, row, i), param, takes)
            nan = given if given is not Nan.NONE else nan
        self.tree.fn.f.body.append(row.bare)
        return result_of(candidate, nan)

    def _select(self, operands: list[object], type_: NumType) -> Nan:
        first, second, condition = operands
        assert isinstance(first, str | tuple)
        assert isinstance(second, str | tuple)
        assert isinstance(condition, str | tuple)
        nan = self.emit(first, type_, None, 0)
        other = self.emit(second, type_, None, 1)
        self.emit(condition, I32, None, 2)
        self.tree.fn.f.body.append(BARE["select"])
        return nan if nan is not Nan.NONE else other

    def _word(self, word: str, type_: NumType, op: Op | None, position: int) -> Nan:
        tree, body = self.tree, self.tree.fn.f.body
        if word.isupper():
            return self._letter(word, type_)
        if word == "const":
            bits = tree.constants.operand(op, position, type_) if op is not None else tree.constants.plain(type_)
        else:
            bits = self._constant(word, type_)
        body.append((CONST[type_], bits & (1 << type_.bits) - 1))
        return Nan.NONE

    def _constant(self, word: str, type_: NumType) -> int:
        tree, width = self.tree, type_.bits
        if word in ("k", "-k"):
            if self.amount is None:
                self.amount = tree.constants.amount(type_)
            return self.amount if word == "k" else width - self.amount
        if word == "mask":
            return (1 << tree.source.pick(_MASKS)) - 1
        return {"top": width - 1, "sign": 1 << width - 1, "rest": (1 << width - 1) - 1}.get(word) or int(word)

    def _letter(self, word: str, type_: NumType) -> Nan:
        tree, body = self.tree, self.tree.fn.f.body
        if word in self.held:
            local, nan = self.held[word]
            body.append((GET, local))
            return nan
        nan = tree.grow(type_, self.depth)
        if word in self.often:
            local = tree.fn.local(type_)
            body.append((TEE, local))
            tree.know(type_, local, nan)
            self.held[word] = local, nan
        return nan


_MASKS: Final = (8, 16, 31, 32, 1, 3, 7, 5, 12, 15, 24, 33, 63)


@lru_cache(maxsize=256)
def _candidate(row: Op) -> Candidate:
    candidate = candidate_of(row)
    assert candidate is not None
    return candidate
