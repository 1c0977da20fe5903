"""Branches that carry values: loops, branch tables, merges and ifs with any number of parameters and results.

Each function here emits one construct into a function, around values of some types, and leaves values of those types
on the stack. What runs is decided by the function's ``selector``. A ``table`` of four entries over two blocks:

    block (result i32 f64)                                   ;; out
      block (result i32 f64)
        block (result i32 f64)
          ...                                                ;; the values
          local.get $selector
          br_table 0 1 0 1 0
        end
        i64.const 0x9E3779B97F4A7C15                         ;; into the hash: this way was taken
        br 1
      end
      i64.const 0x3C6EF372FE94F82A
    end
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN, CONST, draw_bits
from generators.module.function import GET, Function
from generators.module.loops import ONE_LESS, ROUNDS, ROUNDS_BY_VALUE
from generators.module.shell import TYPED_ANSWERS
from generators.program import use_values
from generators.program.push_values import push_values
from generators.scalar.expressions import emit
from generators.scalar.families import comparisons
from wasm.builder import Label
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.valtypes import FUNCREF, I32, I64, V128, NumType, ValType, ref

_DEAD: Final[tuple[Code | None, ...]] = (
    code("drop"),
    code("i32.add  drop"),
    code("unreachable"),
    code("i64.mul  f64.convert_i64_s  drop"),
    code("drop  drop"),
    code("f32.sqrt  f64.promote_f32  drop"),
    code("return"),
    code("select  drop"),
    code("i32.eqz  i64.extend_i32_u  drop"),
    code("loop  br 0  end"),
    None,
    code("i64.eqz  if (result i64)  i64.const 2  br 0  else  i64.const 1  end  drop"),
)
"""What may stand where the stack is polymorphic; None is a branch table out of a block of two results."""

_DEAD_TABLE: Final = template("block (type $type)  unreachable  br_table imm=$targets  end  drop  drop")


def dead_code(fn: Function, source: ChoiceSource) -> None:
    """Instructions that nothing reaches, after an unconditional branch: operands of any type (spec 3.4.12)."""
    for _ in range(source.below(4)):
        dead = source.pick(_DEAD)
        if dead is None:
            type_ = fn.f.block_type((), (I32, I64))
            fn += _DEAD_TABLE(type=type_, targets=((0,) * source.between(1, 9), 0))
        else:
            fn += dead


_GOLDEN: Final = 0x9E3779B97F4A7C15
"""2**64 divided by the golden ratio: multiples of near numbers differ in all their bytes."""

_MARK: Final = template("i64.const $mark")


def mark(fn: Function, number: int) -> None:
    """Fold a constant that belongs to ``number`` into the hash: which way was taken, and in which order."""
    fn += _MARK(mark=number * _GOLDEN & (1 << 64) - 1)
    fn += fn.fold(I64)


_TURN: Final = {t: template(f"{t}.const $by  {t}.rotl") for t in (I32, I64)}
_NEGATE: Final = {t: code(f"{t}.neg") for t in CANONICAL_NAN}
_NOT: Final = code("v128.not")
_DROP: Final = code("drop")


class Carried:
    """The types of the values that labels carry, with locals to permute the values in."""

    def __init__(self, fn: Function, source: ChoiceSource, types: Sequence[ValType]) -> None:
        self.fn, self.source, self.types = fn, source, tuple(types)
        self._locals: list[int] = []
        self._groups: dict[ValType, list[int]] = {}
        for i, type_ in enumerate(self.types):
            self._groups.setdefault(type_, []).append(i)

    def push(self) -> None:
        """New values."""
        push_values(self.fn, self.source, self.types)

    def drop(self) -> None:
        """The values on the stack, away."""
        use_values.drop_all(self.fn, self.types)

    def permute(self) -> None:
        """Values on the stack trade places with others of their type: cycles of parallel moves. Some change."""
        fn, source = self.fn, self.source
        if not self._locals:
            self._locals = [fn.f.local(type_) for type_ in self.types]
        fn.set(*reversed(self._locals))
        way, amount = source.below(4), source.between(1, 5)
        stride = source.between(1, 9)
        place = list(range(len(self.types)))
        for group in self._groups.values():
            size = len(group)
            for i, at in enumerate(group):
                # Reversed, turned, neighbours swapped, or as they were.
                taken = (size - 1 - i, i + amount, i ^ 1 if i ^ 1 < size else i, i)[way]
                place[at] = group[taken % size]
        for i, type_ in enumerate(self.types):
            fn.f.body.append((GET, self._locals[place[i]]))
            if i % stride:
                continue
            if type_ in _TURN:
                fn += _TURN[type_](by=1 + i % 31)
            elif type_ in _NEGATE:
                fn += _NEGATE[type_]
            elif type_ is V128:
                fn += _NOT


_CONDITIONS: Final = ("bit", "number", "hash", "expression")
_SELECTOR_BIT: Final = template("local.get $selector  i32.const $bit  i32.and")
_SELECTOR_AND: Final = template("local.get $selector  i32.const $number")
_HASH_BIT: Final = template("local.get $acc  i64.const $bit  i64.and  i64.eqz")


def condition(fn: Function, source: ChoiceSource) -> None:
    """An i32 that the host's selector decides, or the running hash, or any expression."""
    match source.pick(_CONDITIONS):
        case "bit":
            fn += _SELECTOR_BIT(selector=fn.selector, bit=1 << source.below(6))
        case "number":
            # Equal for one of the first selectors: where a condition is told from its neighbours.
            fn += _SELECTOR_AND(selector=fn.selector, number=source.below(4))
            fn += (source.pick(comparisons(I32)[1:]).bare,)
        case "hash":
            fn += _HASH_BIT(acc=fn.acc, bit=1 << source.between(40, 47))
        case _:
            emit(fn, source, I32, 2)


_BACK: Final = ("br_if", "if", "br_if", "br_table")
"""How a loop runs again."""

_IS_ZERO: Final = code("i32.eqz")


def looped(fn: Function, source: ChoiceSource, carried: Carried) -> None:
    """A loop that carries the values round, permuted; a branch back leaves the same values to the code behind."""
    types = carried.types
    carried.push()
    count = fn.local(I32)
    if source.chance(1, 2):
        fn.get(fn.selector)
        fn += ROUNDS_BY_VALUE(count=count)
    else:
        fn += ROUNDS(count=count, rounds=source.between(1, 6))
    back = source.pick(_BACK)
    with (
        fn.block("block", types, types) if back == "br_table" else nullcontext() as out,
        fn.block("loop", types, types) as head,
    ):
        carried.permute()
        fn += ONE_LESS(count=count)
        if back == "if":
            with fn.block("if", types, types):
                fn.br(head)
                dead_code(fn, source)
                fn.else_()
                carried.permute()
        elif back == "br_table":
            fn += _IS_ZERO
            fn.br_table((head,), out)
            dead_code(fn, source)
        else:
            fn.br(head, "br_if")


_ENTRIES: Final = weighted(("turn", 60), ("runs", 60), ("same", 30), ("scattered", 60), ("last", 40))
"""Which block each entry of a table leads to: one after the other, several times the same, all the same, anywhere, or
all but the last the same."""

_SCATTER: Final = 0x9E3779B1
_RUN: Final = 5
_PERMUTED_VALUES: Final = 500
"""Up to so many values are permuted behind the blocks of one table."""

_INDEX: Final = template("i32.const $index")
_OTHER_BITS: Final = template("i32.const $bits  i32.xor")


def table(fn: Function, source: ChoiceSource, carried: Carried, entries: int, blocks: int) -> None:
    """A br_table of many entries over some nested blocks, all of the same types; each block's end changes the hash."""
    types = carried.types
    with fn.block("block", (), types) as out:
        targets = [fn.f.open("block", (), types) for _ in range(blocks)]
        carried.push()
        if source.chance(2, 8):
            last = max(entries, 1) - 1
            fn += _INDEX(index=source.pick((entries, entries, 0, last, entries + 1, 0xFFFFFFFF)))
        else:
            fn.get(fn.selector)
            if source.one_in(4):
                fn += _OTHER_BITS(bits=source.between(1, 255))
        pattern, seed = source.weighted(_ENTRIES), source.bits(16)
        chosen = _places(pattern, seed, source.between(1, 7), entries)
        fn.br_table([targets[at % blocks] for at in chosen], source.pick((*targets[:3], out)))
        dead_code(fn, source)
        permuted = source.one_in(4) and len(types) * blocks < _PERMUTED_VALUES
        step = source.between(1, 3)
        for i in range(blocks):
            fn.f.end()
            mark(fn, seed + i)
            if permuted:
                carried.permute()
            if (i + seed) % step == 0 and i < blocks - 1:
                fn.br(out)
                dead_code(fn, source)


def _places(pattern: str, seed: int, step: int, entries: int) -> list[int]:
    """For each entry a number that says which block it leads to, modulo how many there are."""
    match pattern:
        case "turn":
            return [seed + i * step for i in range(entries)]
        case "runs":
            return [(seed + i) // (step * _RUN) for i in range(entries)]
        case "scattered":
            return [(seed + i) * _SCATTER >> 16 for i in range(entries)]
        case "same":
            return [0] * entries
        case _:
            return [0] * (entries - 1) + [1] * (entries > 0)


_LEAVES: Final = ("br_if", "br_if", "br_table", "if", "null")
"""How a block is left early."""


def merged(fn: Function, source: ChoiceSource, carried: Carried, ways: int) -> None:
    """A block that several conditional branches leave, with other values each."""
    types = carried.types
    nullable = fn.shell.config.allows(Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES)
    with fn.block("block", (), types) as out:
        carried.push()
        for _ in range(ways):
            leave = source.pick(_LEAVES)
            if leave == "null" and nullable:
                _null_branch(fn, source, carried, out)
            elif leave == "if":
                condition(fn, source)
                with fn.block("if", types, types):
                    carried.permute()
                    fn.br(out)
                    dead_code(fn, source)
            elif leave == "br_table":
                with fn.block("block", types, types) as inner:
                    condition(fn, source)
                    fn.br_table([source.pick((inner, out)) for _ in range(source.between(1, 4))], inner)
                    dead_code(fn, source)
            else:
                condition(fn, source)
                fn.br(out, "br_if")
            if source.chance(1, 2):
                carried.permute()
            else:
                carried.drop()
                carried.push()


_NULL: Final = code("ref.null func")
_LEAVE_IF_NULL: Final = template("local.get $held  br_on_non_null 0")


def _null_branch(fn: Function, source: ChoiceSource, carried: Carried, out: Label) -> None:
    """br_on_null or br_on_non_null over the values, on a reference that is null for some selectors."""
    types, held = carried.types, fn.temp(FUNCREF)
    condition(fn, source)
    with fn.block("if", (), (FUNCREF,)):
        fn += _NULL
        fn.else_()
        fn += (fn.shell.declare(fn.shell.answer(source.below(TYPED_ANSWERS))),)
    if source.chance(1, 2) or len(types) >= fn.shell.config.max_results:
        # The other way takes one value more.
        fn.br(out, "br_on_null")
    else:
        fn.set(held)
        with fn.block("block", types, (*types, ref("func", False))):
            fn += _LEAVE_IF_NULL(held=held)
            fn.br(out)
    fn += fn.fold(FUNCREF)


def chosen(fn: Function, source: ChoiceSource, carried: Carried, results: Carried) -> None:
    """Ifs over the values: some without an else, some nested, the last from some values to others."""
    types = carried.types
    carried.push()
    for _ in range(source.below(4)):
        condition(fn, source)
        with fn.block("if", types, types):
            carried.permute()
            if source.chance(1, 2):
                fn.else_()
                carried.permute()
    condition(fn, source)
    with fn.block("if", types, results.types):
        use_values.drop_stack(fn, source, types)
        results.push()
        fn.else_()
        use_values.fold_stack(fn, types)
        results.push()


_NEW_VALUE: Final = {t: template(f"{t}.const $value  local.set $local") for t in CONST}
_STEPS: Final = {
    t: tuple(
        template(f"local.get $local  {t}.const $value  {t}.{word}  local.set $local")
        for word in ("add", "xor", "mul", "sub", "rotl")
    )
    for t in (I32, I64)
}


def change_local(fn: Function, source: ChoiceSource, type_: NumType, local: int) -> None:
    """Give a local a new value by one instruction or a constant: what a step of a state machine does."""
    value = draw_bits(source, type_)
    step = source.pick(_STEPS[type_]) if type_ in _STEPS else _NEW_VALUE[type_]
    fn += step(local=local, value=value)
