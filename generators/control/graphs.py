"""Control flow without values on labels: state machines, deep nesting, and random statements over locals.

What a function computes lives in locals here, so that joins need a value per local and edge. A ``machine`` of two
states, of which the first goes on in any state and the second leaves:

    block                                                     ;; out
      loop                                                    ;; head
        local.get $left  i32.eqz  br_if 1
        local.get $left  i32.const 1  i32.sub  local.set $left
        block
          block
            local.get $state  i32.const 2  i32.rem_u
            br_table 0 1 1
          end
          ...  local.get $state  i32.const 77  i32.add  local.set $state
          br 1
        end
        ...  local.get $selector  i32.const 4  i32.and
        if  i32.const 0  local.set $state  br 2  end
        br 0
      end
    end
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.branches import change_local, condition, dead_code, mark
from generators.module.function import Function
from generators.module.loops import ONE_LESS, ROUNDS
from wasm.builder import Label
from wasm.fragment import code, template
from wasm.valtypes import I32, NumType

Watched = Sequence[tuple[NumType, int]]
"""Locals that the flow changes, with their types."""

_NEXT: Final = ("state", "step", "again", "leave")
"""Where a state leads: to a certain state, to one so far on, or on a condition back or out first."""

_START: Final = template("local.get $selector  local.set $state  i32.const $turns  local.set $left")
_IS_DONE: Final = template("local.get $left  i32.eqz")
_TURN_LESS: Final = template("local.get $left  i32.const 1  i32.sub  local.set $left")
_NUMBER: Final = template("local.get $state  i32.const $states  i32.rem_u")
_SET_STATE: Final = template("i32.const $to  local.set $state")
_ADD_TO_STATE: Final = template("local.get $state  i32.const $by  i32.add  local.set $state")


def machine(fn: Function, source: ChoiceSource, watched: Watched, states: int) -> None:
    """A loop around a br_table on a state: any state may follow any other, which no nesting of ifs can say."""
    state, left = fn.local(I32), fn.local(I32)
    fn += _START(selector=fn.selector, state=state, turns=source.between(3, 40), left=left)
    # The last state falls out of the loop.
    with fn.block() as out, fn.block("loop") as head:
        fn += _IS_DONE(left=left)
        fn.br(out, "br_if")
        fn += _TURN_LESS(left=left)
        blocks = [fn.f.open("block") for _ in range(states)]
        fn += _NUMBER(state=state, states=states)
        fn.br_table(list(reversed(blocks)), blocks[0])
        dead_code(fn, source)
        for i in range(states):
            fn.f.end()
            if watched:
                change_local(fn, source, *source.pick(watched))
            mark(fn, i)
            _go_on(fn, source, state, states, head, out)
            if source.chance(3, 4):
                fn.br(head)
                dead_code(fn, source)


def _go_on(fn: Function, source: ChoiceSource, state: int, states: int, head: Label, out: Label) -> None:
    """Choose the next state."""
    following = source.pick(_NEXT)
    if following == "step":
        fn += _ADD_TO_STATE(state=state, by=source.between(1, 250))
        return
    if following != "state":
        condition(fn, source)
        with fn.block("if"):
            fn += _SET_STATE(to=source.below(states), state=state)
            if following == "leave":
                fn.br(out)
                dead_code(fn, source)
            else:
                fn.br(head)
    fn += _SET_STATE(to=source.below(states), state=state)


_OPENERS: Final = weighted(("block", 160), ("mixed", 60), ("loop", 36))
_MIXED: Final = ("block", "loop", "if")
_MARKS: Final = 48
"""In a nest at most so many ends, about, are told from the others."""

_TRUE: Final = code("i32.const 1")


def nest(fn: Function, source: ChoiceSource, depth: int) -> None:
    """Blocks, loops and ifs, one inside the other, with branches from the innermost to labels far and near."""
    opener = source.weighted(_OPENERS)
    names = [_MIXED[i % 3] if opener == "mixed" else opener for i in range(depth)]
    blocks: list[Label] = []
    for name in names:
        if name == "if":
            fn += _TRUE
        blocks.append(fn.f.open(name))
    # A branch to a loop would run it again: only blocks and ifs may be left that way.
    ends = [block for block, name in zip(blocks, names, strict=True) if name != "loop"]
    if ends:
        far = [blocks[0]] if opener == "block" else []
        targets = [*far, *(source.pick(ends) for _ in range(source.between(1, 12))), ends[-1]]
        condition(fn, source)
        fn.br(source.pick(targets), "br_if")
        fn.get(fn.selector)
        fn.br_table(targets, targets[-1])
        dead_code(fn, source)
    every = max(1, depth // _MARKS)
    for i in range(depth):
        if i % every == 0:
            mark(fn, i + 1)
        fn.f.end()


_STATEMENTS: Final = weighted(
    ("change", 80), ("if", 44), ("block", 30), ("leave", 36), ("loop", 24), ("again", 16), ("table", 20), ("jump", 12)
)
_NESTING: Final = frozenset({"if", "block", "loop"})

_IS_POSITIVE: Final = code("i32.const 0  i32.gt_s")


@dataclass(slots=True)
class Statements:
    """Random statements: ``budget`` is how many are left.

    ``targets`` are blocks that may be left; ``loops`` may be run again, by the counter that stands beside each.
    """

    fn: Function
    source: ChoiceSource
    watched: Watched
    budget: int
    targets: list[Label] = field(default_factory=list)
    loops: list[tuple[Label, int]] = field(default_factory=list)

    def emit(self, depth: int) -> None:
        """One to five statements, nested up to ``depth``."""
        for _ in range(self.source.between(1, 5)):
            if self.budget <= 0:
                return
            self.budget -= 1
            kind = self.source.weighted(_STATEMENTS)
            if depth <= 0 and kind in _NESTING:
                kind = "change"
            if self._statement(kind, depth):
                return

    def _statement(self, kind: str, depth: int) -> bool:
        """Emit one statement; gives whether what follows is dead."""
        fn, source = self.fn, self.source
        match kind:
            case "if":
                condition(fn, source)
                with fn.block("if") as end:
                    self._inside(end, depth)
                    if source.chance(1, 2):
                        fn.else_()
                        self._inside(end, depth)
            case "block":
                with fn.block() as end:
                    self._inside(end, depth)
            case "loop":
                self._loop(depth)
            case "leave" if self.targets:
                condition(fn, source)
                fn.br(source.pick(self.targets), "br_if")
            case "again" if self.loops:
                self._again(*source.pick(self.loops))
            case "table" if self.targets:
                with fn.block() as end:
                    condition(fn, source)
                    fn.br_table([source.pick([end, *self.targets]) for _ in range(source.between(1, 6))], end)
            case "jump" if self.targets:
                fn.br(source.pick(self.targets))
                dead_code(fn, source)
                return True
            case _:
                type_, local = source.pick(self.watched)
                change_local(fn, source, type_, local)
                if source.chance(1, 2):
                    fn.fold_local(type_, local)
        return False

    def _inside(self, end: Label, depth: int) -> None:
        self.targets.append(end)
        self.emit(depth - 1)
        self.targets.pop()

    def _loop(self, depth: int) -> None:
        """A loop that runs again at most three times each time it is entered: its counter goes down only."""
        fn = self.fn
        count = fn.local(I32)
        fn += ROUNDS(count=count, rounds=self.source.between(1, 4))
        with fn.block("loop") as again:
            self.loops.append((again, count))
            self.emit(depth - 1)
            self._again(again, count)
        self.loops.pop()

    def _again(self, loop: Label, count: int) -> None:
        self.fn.f.body += (*ONE_LESS(count=count), *_IS_POSITIVE)
        self.fn.br(loop, "br_if")
