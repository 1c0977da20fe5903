"""Control flow without values on labels: state machines, deep nesting, and random statements over locals.

What a function computes lives in locals here, so that joins need a value per local and edge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.labels import changed, condition, dead_code
from generators.module.function import BARE, GET, I32_CONST, I64_CONST, SET, TEE, Function
from wasm.builder import Label
from wasm.valtypes import I32, I64, NumType

_MASK: Final = (1 << 64) - 1

Watched = Sequence[tuple[NumType, int]]
"""Locals that the flow changes, with their types."""


def machine(fn: Function, source: ChoiceSource, watched: Watched, states: int) -> None:
    """A loop around a br_table on a state: any state may follow any other, which no nesting of ifs can say."""
    f = fn.f
    state, left = f.local(I32), f.local(I32)
    f.body += ((GET, fn.selector), (SET, state), (I32_CONST, source.between(3, 40)), (SET, left))
    out = f.open("block")
    head = f.open("loop")
    f.body += ((GET, left), BARE["i32.eqz"])
    f.br(out, "br_if")
    f.body += ((GET, left), (I32_CONST, 1), BARE["i32.sub"], (SET, left))
    blocks = [f.open("block") for _ in range(states)]
    f.body += ((GET, state), (I32_CONST, states), BARE["i32.rem_u"])
    f.br_table(list(reversed(blocks)), blocks[0])
    dead_code(fn, source)
    for i in range(states):
        f.end()
        if watched:
            type_, local = watched[source.below(len(watched))]
            changed(fn, source, type_, local)
        f.body += ((I64_CONST, i * 0x9E3779B97F4A7C15 & _MASK), *fn.fold(I64))
        kind = source.below(4)
        if kind == 0:
            f.body += ((I32_CONST, source.below(states)), (SET, state))
        elif kind == 1:
            f.body += ((GET, state), (I32_CONST, source.between(1, 250)), BARE["i32.add"], (SET, state))
        else:
            condition(fn, source)
            f.open("if")
            f.body += ((I32_CONST, source.below(states)), (SET, state))
            if kind == 3:
                f.br(out)
                dead_code(fn, source)
            else:
                f.br(head)
            f.end()
            f.body += ((I32_CONST, source.below(states)), (SET, state))
        if source.below(4):
            f.br(head)
            dead_code(fn, source)
    # The last state falls out of the loop.
    f.end()
    f.end()


_OPENERS: Final = weighted(("block", 160), ("mixed", 60), ("loop", 36))


def nest(fn: Function, source: ChoiceSource, depth: int) -> None:
    """Blocks, loops and ifs, one inside the other, with branches from the innermost to labels far and near."""
    f = fn.f
    opener = source.weighted(_OPENERS)
    labels: list[Label] = []
    for i in range(depth):
        name = opener if opener != "mixed" else ("block", "loop", "if")[i % 3]
        if name == "if":
            f.body.append((I32_CONST, 1))
        labels.append(f.open(name))
    # A branch to a loop would run it again: only blocks and ifs may be left that way.
    ends = [label for i, label in enumerate(labels) if opener == "block" or (opener == "mixed" and i % 3 != 1)]
    far = [labels[0]] if opener == "block" and labels else []
    if ends:
        some = [*far, *(ends[source.below(len(ends))] for _ in range(source.between(1, 12))), ends[-1]]
        condition(fn, source)
        f.br(source.pick(some), "br_if")
        f.body.append((GET, fn.selector))
        f.br_table(some, some[-1])
        dead_code(fn, source)
    every = max(1, depth // 48)
    for i in range(depth):
        if i % every == 0:
            f.body += ((I64_CONST, (i + 1) * 0x9E3779B97F4A7C15 & _MASK), *fn.fold(I64))
        f.end()


_STATEMENTS: Final = weighted(
    ("change", 80), ("if", 44), ("block", 30), ("leave", 36), ("loop", 24), ("again", 16), ("table", 20), ("jump", 12)
)


@dataclass(slots=True)
class Statements:
    """Random statements: ``budget`` is how many are left. ``labels`` may be left, ``loops`` run again by a counter."""

    fn: Function
    source: ChoiceSource
    watched: Watched
    budget: int
    labels: list[Label] = field(default_factory=list)
    loops: list[tuple[Label, int]] = field(default_factory=list)

    def emit(self, depth: int) -> None:
        """One to five statements, nested up to ``depth``."""
        for _ in range(self.source.between(1, 5)):
            if self.budget <= 0:
                return
            self.budget -= 1
            kind = self.source.weighted(_STATEMENTS)
            if depth <= 0 and kind in ("if", "block", "loop"):
                kind = "change"
            if self._statement(kind, depth):
                return

    def _statement(self, kind: str, depth: int) -> bool:
        """Emit one statement; gives whether what follows is dead."""
        fn, source, f = self.fn, self.source, self.fn.f
        match kind:
            case "if":
                condition(fn, source)
                label = f.open("if")
                self._inside(label, depth)
                if source.below(2):
                    f.else_()
                    self._inside(label, depth)
                f.end()
            case "block":
                self._inside(f.open("block"), depth)
                f.end()
            case "loop":
                self._loop(depth)
            case "leave" if self.labels:
                condition(fn, source)
                f.br(source.pick(self.labels), "br_if")
            case "again" if self.loops:
                label, count = source.pick(self.loops)
                self._again(label, count)
            case "table" if self.labels:
                inner = f.open("block")
                condition(fn, source)
                f.br_table([source.pick([inner, *self.labels]) for _ in range(source.between(1, 6))], inner)
                f.end()
            case "jump" if self.labels:
                f.br(source.pick(self.labels))
                dead_code(fn, source)
                return True
            case _:
                type_, local = source.pick(self.watched)
                changed(fn, source, type_, local)
                if source.below(2):
                    f.body += ((GET, local), *fn.fold(type_))
        return False

    def _inside(self, label: Label, depth: int) -> None:
        self.labels.append(label)
        self.emit(depth - 1)
        self.labels.pop()

    def _loop(self, depth: int) -> None:
        """A loop that runs again at most three times each time it is entered: its counter goes down only."""
        f, source = self.fn.f, self.source
        count = f.local(I32)
        f.body += ((I32_CONST, source.between(1, 4)), (SET, count))
        label = f.open("loop")
        self.loops.append((label, count))
        self.emit(depth - 1)
        self._again(label, count)
        f.end()
        self.loops.pop()

    def _again(self, label: Label, count: int) -> None:
        f = self.fn.f
        f.body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (I32_CONST, 0), BARE["i32.gt_s"])
        f.br(label, "br_if")
