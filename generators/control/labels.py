"""Values that travel through labels: loops, branch tables, merges and ifs with any number of parameters and results.

Each function here emits one construct into a frame, around a row of types, and leaves the row's values on the stack.
What runs is decided by the frame's ``selector``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN, CONST, draw_bits
from generators.module.function import BARE, GET, I32_CONST, I64_CONST, SET, TEE, Function
from generators.program import use_values
from generators.program.push_values import push_values
from generators.scalar.expressions import emit
from generators.scalar.families import comparisons
from wasm.builder import Label
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import FUNCREF, I32, I64, V128, NumType, ValType, ref

_DEAD: Final[tuple[tuple[str, ...], ...]] = (
    ("drop",), ("i32.add", "drop"), ("unreachable",), ("i64.mul", "f64.convert_i64_s", "drop"), ("drop", "drop"),
    ("f32.sqrt", "f64.promote_f32", "drop"), ("return",), ("select", "drop"), ("i32.eqz", "i64.extend_i32_u", "drop"),
)  # fmt: skip
_CHANGED: Final = {I32: "i32.rotl", I64: "i64.rotl"}


def dead_code(fn: Function, source: ChoiceSource) -> None:
    """Instructions that nothing reaches, after an unconditional branch: operands of any type (spec 3.4.12)."""
    f = fn.f
    for _ in range(source.below(4)):
        kind = source.below(len(_DEAD) + 3)
        if kind < len(_DEAD):
            f.body += [BARE[name] for name in _DEAD[kind]]
        elif kind == len(_DEAD):
            f.open("loop")
            f.body.append((OPS["br"], 0))
            f.end()
        elif kind == len(_DEAD) + 1:
            f.open("block", (), (I32, I64))
            f.body += (BARE["unreachable"], (OPS["br_table"], ((0,) * (1 + source.below(9)), 0)))
            f.end()
            f.body += [BARE["drop"]] * 2
        else:
            f.body.append(BARE["i64.eqz"])
            f.open("if", (), (I64,))
            f.body += ((I64_CONST, 2), (OPS["br"], 0))
            f.else_()
            f.body.append((I64_CONST, 1))
            f.end()
            f.body.append(BARE["drop"])


class Row:
    """A row of types, with locals to permute its values in."""

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
        self.fn.f.body += [BARE["drop"]] * len(self.types)

    def permute(self) -> None:
        """Values on the stack trade places with others of their type: cycles of parallel moves. Some change."""
        source, body = self.source, self.fn.f.body
        if not self._locals:
            self._locals = [self.fn.f.local(type_) for type_ in self.types]
        body += [(SET, local) for local in reversed(self._locals)]
        way, amount = source.below(4), 1 + source.below(5)
        stride = 1 + source.below(9)
        place = list(range(len(self.types)))
        for group in self._groups.values():
            size = len(group)
            for i, at in enumerate(group):
                turned = (size - 1 - i, i + amount, i ^ 1 if i ^ 1 < size else i, i)[way]
                place[at] = group[turned % size]
        for i, type_ in enumerate(self.types):
            body.append((GET, self._locals[place[i]]))
            if type_ in _CHANGED and i % stride == 0:
                body += ((CONST[I32] if type_ is I32 else CONST[I64], 1 + i % 31), BARE[_CHANGED[type_]])
            elif type_ in CANONICAL_NAN and i % stride == 0:
                body.append(BARE[f"{type_}.neg"])
            elif type_ is V128 and i % stride == 0:
                body.append(BARE["v128.not"])


def condition(fn: Function, source: ChoiceSource) -> None:
    """An i32 that the host's selector decides, or the running hash, or any expression."""
    kind, body = source.below(4), fn.f.body
    if kind == 1:
        # Equal for one of the first selectors: where a condition is told from its neighbours.
        body += ((GET, fn.selector), (I32_CONST, source.below(4)), source.pick(comparisons(I32)[1:]).bare)
    elif not kind:
        body += ((GET, fn.selector), (I32_CONST, 1 << source.below(6)), BARE["i32.and"])
    elif kind == 2:
        body += ((GET, fn.acc), (I64_CONST, 1 << 40 + source.below(8)), BARE["i64.and"], BARE["i64.eqz"])
    else:
        emit(fn, source, I32, 2)


def looped(fn: Function, source: ChoiceSource, row: Row) -> None:
    """A loop that carries the row round, permuted; a branch back leaves the same values to the code behind."""
    f, types = fn.f, row.types
    row.push()
    count = f.local(I32)
    if source.below(2):
        f.body += (
            (GET, fn.selector),
            (I32_CONST, 3),
            BARE["i32.and"],
            (I32_CONST, 1),
            BARE["i32.add"],
            (SET, count),
        )
    else:
        f.body += ((I32_CONST, source.between(1, 6)), (SET, count))
    way = source.below(4)
    out = f.open("block", types, types) if way == 3 else None
    head = f.open("loop", types, types)
    row.permute()
    again = (GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count)
    if way == 1:
        f.body += again
        f.open("if", types, types)
        f.br(head)
        dead_code(fn, source)
        f.else_()
        row.permute()
        f.end()
    elif out is not None:
        f.body += (*again, BARE["i32.eqz"])
        f.br_table((head,), out)
        dead_code(fn, source)
    else:
        f.body += again
        f.br(head, "br_if")
    f.end()
    if out is not None:
        f.end()


_TARGET_PATTERNS: Final = weighted(("turn", 60), ("runs", 60), ("same", 30), ("scattered", 60), ("last", 40))


def table(fn: Function, source: ChoiceSource, row: Row, targets: int, labels: int) -> None:
    """A br_table of many entries over some nested blocks, all of the row's type; each block's end changes the hash."""
    f, types = fn.f, row.types
    out = f.open("block", (), types)
    blocks = [f.open("block", (), types) for _ in range(labels)]
    row.push()
    if source.below(8) >= 6:
        last = max(targets, 1) - 1
        f.body.append((I32_CONST, source.pick((targets, targets, 0, last, targets + 1, 0xFFFFFFFF))))
    else:
        f.body.append((GET, fn.selector))
        if source.below(4) == 3:
            f.body += ((I32_CONST, source.between(1, 255)), BARE["i32.xor"])
    pattern, seed = source.weighted(_TARGET_PATTERNS), source.bits(16)
    step = 1 + source.below(7)
    chosen: list[Label] = []
    for i in range(targets):
        if pattern == "turn":
            at = seed + i * step
        elif pattern == "runs":
            at = (seed + i) // (step * 5)
        elif pattern == "scattered":
            at = (seed + i) * 0x9E3779B1 >> 16
        else:
            at = 0 if pattern == "same" or i < targets - 1 else 1
        chosen.append(blocks[at % labels])
    f.br_table(chosen, source.pick((*blocks[:3], out)))
    dead_code(fn, source)
    through, step = source.below(4), 1 + source.below(3)
    for i in range(labels):
        f.end()
        f.body += ((I64_CONST, (seed + i) * 0x9E3779B97F4A7C15 & (1 << 64) - 1), *fn.fold(I64))
        if through == 3 and len(types) * labels < 500:
            row.permute()
        if (i + seed) % step == 0 and i < labels - 1:
            f.br(out)
            dead_code(fn, source)
    f.end()


def merged(fn: Function, source: ChoiceSource, row: Row, ways: int) -> None:
    """A block that several conditional branches leave, with other values each."""
    f, types = fn.f, row.types
    nullable = fn.shell.config.allows(Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES)
    out = f.open("block", (), types)
    row.push()
    for _ in range(ways):
        kind = source.below(5)
        if kind == 4 and nullable:
            _null_branch(fn, source, row, out)
        elif kind == 3:
            condition(fn, source)
            f.open("if", types, types)
            row.permute()
            f.br(out)
            dead_code(fn, source)
            f.end()
        elif kind == 2:
            inner = f.open("block", types, types)
            condition(fn, source)
            f.br_table([source.pick((inner, out)) for _ in range(source.between(1, 4))], inner)
            dead_code(fn, source)
            f.end()
        else:
            condition(fn, source)
            f.br(out, "br_if")
        if source.below(2):
            row.permute()
        else:
            row.drop()
            row.push()
    f.end()


def _null_branch(fn: Function, source: ChoiceSource, row: Row, out: Label) -> None:
    """br_on_null or br_on_non_null over the row, on a reference that is null for some selectors."""
    f, held = fn.f, fn.temp(FUNCREF)
    condition(fn, source)
    f.open("if", (), (FUNCREF,))
    f.body.append((OPS["ref.null"], "func"))
    f.else_()
    f.body.append(fn.shell.declare(fn.shell.answer(source.below(5))))
    f.end()
    if source.below(2) or len(row.types) >= fn.shell.config.max_results:
        # The other way takes one value more.
        f.br(out, "br_on_null")
        f.body += fn.fold(FUNCREF)
        return
    f.body.append((SET, held))
    f.open("block", row.types, (*row.types, ref("func", False)))
    f.body.append((GET, held))
    f.body.append((OPS["br_on_non_null"], 0))
    f.br(out)
    f.end()
    f.body += fn.fold(FUNCREF)


def chosen(fn: Function, source: ChoiceSource, row: Row, results: Row) -> None:
    """Ifs over the row: some without an else, some nested, the last from one row to another."""
    f, types = fn.f, row.types
    row.push()
    for _ in range(source.below(4)):
        condition(fn, source)
        f.open("if", types, types)
        row.permute()
        if source.below(2):
            f.else_()
            row.permute()
        f.end()
    condition(fn, source)
    f.open("if", types, results.types)
    use_values.drop_stack(fn, source, types)
    results.push()
    f.else_()
    use_values.use(fn, source, "fold", types, _nothing) if types else None
    results.push()
    f.end()


def changed(fn: Function, source: ChoiceSource, type_: NumType, local: int) -> None:
    """Give a local a new value by one instruction or a constant: what a step of a state machine does."""
    if type_ in _CHANGED:
        word = "i32" if type_ is I32 else "i64"
        fn.f.body += (
            (GET, local), (CONST[type_], draw_bits(source, type_)),
            BARE[f"{word}.{source.pick(('add', 'xor', 'mul', 'sub', 'rotl'))}"], (SET, local),
        )  # fmt: skip
    else:
        fn.f.body += ((CONST[type_], draw_bits(source, type_)), (SET, local))


def _nothing() -> None:
    pass
