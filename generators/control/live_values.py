"""Values that one function keeps alive: where they are, and what moves all or many of them.

A function with live values i32, i64, i64 in the locals 4, 5 and 6, which it holds and releases turned by one:

    local.get 4  local.get 5  local.get 6
    ...                                          ;; a step, with three values below it on the stack
    local.set 5  local.set 6  local.set 4

What happens to single values is steps' business (``generators.control.pressure``, ``generators.control.local_steps``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from generators.choices import ChoiceSource
from generators.control.surroundings import Surroundings
from generators.module.function import GET, SET, Function
from generators.module.loops import ROUNDS
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.program.use_values import fold_locals, fold_stack, store_stack
from wasm.fragment import template
from wasm.isa import Instr
from wasm.valtypes import I32, ValType

_ENDS: Final = ("fold", "fold", "store", "stack")
_ORDERS: Final = ("reversed", "up", "down", "pairs")

_SMALL: Final = template("local.get $acc  i64.const $by  i64.shr_u  i32.wrap_i64  i32.const $mask  i32.and")
_ONE_MORE: Final = template("i32.const 1  i32.add  local.set $count")


class LiveValues:
    """The locals ``locals`` of ``types``, in the order of their use at the end; a *position* is a place among them.

    None of them is a null reference. Every step leaves the stack as it was, and all values of their types.
    ``sure`` says that what is emitted now runs in every call of the function.
    """

    def __init__(
        self, program: Program, around: Surroundings, fn: Function, source: ChoiceSource, types: Sequence[ValType],
        locals_: Sequence[int],
    ) -> None:  # fmt: skip
        self.program, self.around, self.fn, self.source = program, around, fn, source
        self.config = program.config
        self.types, self.locals = list(types), list(locals_)
        self.sure = True

    @staticmethod
    def fresh(
        program: Program, around: Surroundings, fn: Function, source: ChoiceSource, types: Sequence[ValType]
    ) -> LiveValues:
        """Values that are new, and computed first, all at once on the stack."""
        push_values(fn, source, types)
        locals_ = [fn.f.local(type_) for type_ in types]
        fn.set(*reversed(locals_))
        for type_, local in zip(types, locals_, strict=True):
            fn.sources.setdefault(type_, []).append(local)
        return LiveValues(program, around, fn, source, types, locals_)

    # One value

    def of(self, *types: ValType) -> list[int]:
        """Positions of the values of these types."""
        return [i for i, type_ in enumerate(self.types) if type_ in types]

    def get(self, position: int) -> Instr:
        return GET, self.locals[position]

    def set(self, position: int) -> Instr:
        return SET, self.locals[position]

    # Numbers that arguments decide

    def small(self, mask: int) -> None:
        """A number of the hash's low bits: it depends on the arguments."""
        self.fn.f.body += _SMALL(acc=self.fn.acc, by=self.source.between(20, 43), mask=mask)

    def rounds(self) -> int:
        """A local with the number of a loop's rounds, one to four."""
        fn, source = self.fn, self.source
        count = fn.local(I32)
        if source.chance(1, 2):
            self.small(3)
            fn += _ONE_MORE(count=count)
        else:
            fn += ROUNDS(count=count, rounds=source.between(1, 3))
        return count

    @contextmanager
    def unsure(self) -> Iterator[None]:
        """Around what a branch may skip: calls in there are no sites."""
        sure, self.sure = self.sure, False
        yield
        self.sure = sure

    # Many values

    def finish(self) -> None:
        """Use all in order: folded, stored, or folded from the stack."""
        end = self.source.pick(_ENDS)
        if end == "fold":
            fold_locals(self.fn, self.types, self.locals)
            return
        self.fn.get(*self.locals)
        if end == "stack":
            # The stack's end comes first, so half of the values are read in the opposite order.
            fold_stack(self.fn, self.types)
        else:
            store_stack(self.fn, self.source, self.types)

    def hold(self, count: int) -> list[int]:
        """Put some values on the stack; gives their positions."""
        size = len(self.locals)
        start, step = self.source.below(size), self.source.between(1, 3)
        held = [(start + i * step) % size for i in range(count)]
        self.fn.get(*[self.locals[i] for i in held])
        return held

    def release(self, held: list[int]) -> None:
        """Take values off the stack into places of their types, in an order of their own."""
        turn = self.source.between(0, len(held))
        places: dict[ValType, list[int]] = {}
        for i in held[turn:] + held[:turn]:
            places.setdefault(self.types[i], []).append(self.locals[i])
        self.fn.set(*[places[self.types[i]].pop() for i in reversed(held)])

    def replace(self, types: Sequence[ValType]) -> None:
        """Results on the stack become live values of their types; what has no place is folded."""
        start = self.source.below(8)
        for i, type_ in enumerate(reversed(types)):
            places = self.of(type_)
            if places:
                self.fn.set(self.locals[places[(start + i) % len(places)]])
            else:
                self.fn.take(type_)

    def permute(self) -> None:
        """Turn or reverse the values of each type: nothing but moves."""
        order = self.source.pick(_ORDERS)
        for type_ in dict.fromkeys(self.types):
            same = [self.locals[i] for i in self.of(type_)]
            if order == "reversed":
                target = same[::-1]
            elif order == "up":
                target = [*same[1:], same[0]]
            elif order == "down":
                target = [same[-1], *same[:-1]]
            else:
                target = [same[i ^ 1] if i ^ 1 < len(same) else same[i] for i in range(len(same))]
            self.fn.get(*same)
            self.fn.set(*reversed(target))


Step = Callable[[LiveValues, int], None]
"""What is done to live values; the number is how deep steps may still stand inside of it."""
