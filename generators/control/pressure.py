"""A body with many live values: steps that change, move, hold and merge them, and fixed registers in between."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, Weighted, weighted
from generators.control.throwers import Thrower, push_arguments
from generators.control.try_tables import Tags
from generators.module.function import BARE, GET, I32_CONST, I64_CONST, SET, TEE, Function
from generators.program.calls import Callee
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.program.use_values import fold_locals, fold_stack, store_stack, use
from generators.scalar.expressions import emit_clean
from wasm.features import Feature
from wasm.isa import OPS, Instr
from wasm.valtypes import F32, F64, I32, I64, NumType, ValType

_FIXED: Final = (
    "shl", "shr_s", "shr_u", "rotl", "rotr", "mul", "div_u", "div_s", "rem_u", "rem_s", "div_s", "rem_s",
)  # fmt: skip
_ROUNDED: Final = ("ceil", "floor", "trunc", "nearest")


@dataclass(frozen=True, slots=True)
class Around:
    """What a body can call: functions, each with whether it is imported, and one that throws at times."""

    callees: tuple[tuple[Callee, bool], ...] = ()
    thrower: Thrower | None = None
    tags: Tags | None = None


class Body:
    """The values that one function keeps: the locals ``live`` of ``types``, in the order of their use at the end.

    None of them is a null reference. Every step leaves the stack as it was, and all values of their types.
    ``sure`` says that what is emitted now runs in every call of the function.
    """

    def __init__(
        self, program: Program, around: Around, fn: Function, source: ChoiceSource, types: Sequence[ValType],
        live: Sequence[int],
    ) -> None:  # fmt: skip
        self.program, self.around, self.fn, self.source = program, around, fn, source
        self.config = program.config
        self.types, self.live = list(types), list(live)
        self.sure = True

    @staticmethod
    def fresh(program: Program, around: Around, fn: Function, source: ChoiceSource, types: Sequence[ValType]) -> Body:
        """A body whose values are new, and computed first, all at once on the stack."""
        push_values(fn, source, types)
        live = [fn.f.local(type_) for type_ in types]
        fn.f.body += [(SET, local) for local in reversed(live)]
        for type_, local in zip(types, live, strict=True):
            fn.sources.setdefault(type_, []).append(local)
        return Body(program, around, fn, source, types, live)

    def of(self, *types: ValType) -> list[int]:
        """Positions of live values of these types."""
        return [i for i, type_ in enumerate(self.types) if type_ in types]

    def get(self, position: int) -> Instr:
        return GET, self.live[position]

    def set(self, position: int) -> Instr:
        return SET, self.live[position]

    def small(self, mask: int) -> None:
        """A number of the hash's low bits: it depends on the arguments."""
        body = self.fn.f.body
        body += ((GET, self.fn.acc), (I64_CONST, 20 + self.source.below(24)), BARE["i64.shr_u"])
        body += (BARE["i32.wrap_i64"], (I32_CONST, mask), BARE["i32.and"])

    def finish(self) -> None:
        """Use all in order: folded, stored, or folded from the stack."""
        kind, body = self.source.below(4), self.fn.f.body
        if kind < 2:
            fold_locals(self.fn, self.types, self.live)
            return
        body += [(GET, local) for local in self.live]
        if kind == 3:
            # The stack's end comes first, so half of the values are read in the opposite order.
            fold_stack(self.fn, self.types)
        else:
            store_stack(self.fn, self.source, self.types)

    # Steps

    def change(self, depth: int) -> None:
        """Some values get new ones, computed from others: any instruction, with its temporaries."""
        del depth
        for _ in range(1 + self.source.below(6)):
            i = self.source.below(len(self.live))
            type_ = self.types[i]
            if isinstance(type_, NumType):
                emit_clean(self.fn, self.source, type_, 1 + self.source.below(3))
                self.fn.f.body.append(self.set(i))
            else:
                self._select_reference(i)

    def _select_reference(self, i: int) -> None:
        """One of two references, by the hash."""
        j = self.source.pick(self.of(self.types[i]))
        self.fn.f.body += (self.get(j), self.get(i))
        self.small(1 + self.source.below(3))
        self.fn.f.body += ((OPS["select_t"], (self.types[i],)), self.set(i))

    def fixed(self, depth: int) -> None:
        """Divisions, shifts and products of live integers: results and operands in certain registers."""
        body, source = self.fn.f.body, self.source
        found = self.of(I32, I64)
        if not found:
            self.rounded(depth)
            return
        for _ in range(1 + source.below(5)):
            i = source.pick(found)
            type_ = self.types[i]
            j = source.pick(self.of(type_))
            word = source.pick(_FIXED)
            body += (self.get(i), self.get(j))
            if word.startswith(("div", "rem")):
                if word == "div_s":
                    # A positive divisor: the quotient fits.
                    body += ((OPS[f"{type_}.const"], (1 << (31 if type_ is I32 else 63)) - 1), BARE[f"{type_}.and"])
                body += ((OPS[f"{type_}.const"], 1), BARE[f"{type_}.or"])
            body += (BARE[f"{type_}.{word}"], self.set(source.pick((i, j))))
        longs = self.of(I64)
        if self.config.allows(Feature.WIDE_ARITHMETIC) and len(longs) > 1:
            i, j = source.pick(longs), source.pick(longs)
            body += (self.get(i), self.get(j), BARE[source.pick(("i64.mul_wide_s", "i64.mul_wide_u"))])
            body += (self.set(j), self.set(i))

    def rounded(self, depth: int) -> None:
        """Rounding: library calls in compilers for processors without an instruction for it."""
        found = self.of(F32, F64)
        if not found:
            self.change(depth)
            return
        for _ in range(1 + self.source.below(4)):
            i = self.source.pick(found)
            type_ = self.types[i]
            assert isinstance(type_, NumType)
            self.fn.f.body += (self.get(i), BARE[f"{type_}.{self.source.pick(_ROUNDED)}"])
            self.fn.f.body += (*self.fn.canonical(type_), self.set(i))

    def call(self, depth: int) -> None:
        """A call with everything live across it; its results replace values, or are used in one of the other ways."""
        fn, source = self.fn, self.source
        if not self.around.callees:
            self.bulk(depth)
            return
        callee, imported = source.pick(self.around.callees)
        kinds = self.program.calls.kinds()
        how = "import" if imported else source.pick(("direct", "indirect", "ref" if "ref" in kinds else "direct"))
        held = self.hold(source.below(1 + min(len(self.live), 20))) if depth and source.below(2) else []
        push_values(fn, source, callee.type.params, clean=imported)
        self.program.calls.call(fn, source, "direct" if imported else how, callee)
        self._use(callee.type.results)
        self.release(held)
        if self.sure:
            self.program.passed(fn, callee, how)

    def guarded(self, depth: int) -> None:
        """A call that throws at times, under a try_table: the handler finds the values as they were at the call."""
        thrower, tags = self.around.thrower, self.around.tags
        if thrower is None or tags is None:
            self.call(depth)
            return
        fn, source, f = self.fn, self.source, self.fn.f
        type_ = thrower.callee.type
        tag = tags.count - 1
        payload = tags.payloads[tag]
        mode = fn.temp(I32)
        self.small(0xFF)
        f.body.append((SET, mode))
        sure, self.sure = self.sure, False
        out = f.open("block", (), type_.results)
        handler = f.open("block", (), payload)
        f.open_try([("catch", tag, handler)], (), type_.results)
        push_arguments(fn, source, type_, mode)
        if source.below(2):
            # Arguments wait on the stack while values change.
            source.weighted(INNER)(self, 0)
        self.program.calls.call(fn, source, "direct", thrower.callee)
        f.end()
        f.br(out)
        f.end()
        self._use(payload)
        if source.below(2):
            source.weighted(INNER)(self, 0)
        push_values(fn, source, type_.results)
        f.end()
        self.sure = sure
        self._use(type_.results)

    def _use(self, results: Sequence[ValType]) -> None:
        """Results on the stack become live values, or are used in one of the other ways."""
        if self.source.below(2):
            self._replace(results)
        else:
            mode = self.source.pick(("fold", "store", "drop", "keep"))
            use(self.fn, self.source, mode, results, lambda: self.fixed(0))

    def _replace(self, results: Sequence[ValType]) -> None:
        """Results on the stack become live values of their types; what has no place is folded."""
        start = self.source.below(8)
        for k, type_ in enumerate(reversed(results)):
            found = self.of(type_)
            if found:
                self.fn.f.body.append(self.set(found[(start + k) % len(found)]))
            else:
                self.fn.take(type_)

    def hold(self, count: int) -> list[int]:
        """Put some values on the stack; gives their positions."""
        start, step = self.source.below(len(self.live)), 1 + self.source.below(3)
        held = [(start + i * step) % len(self.live) for i in range(count)]
        self.fn.f.body += [self.get(i) for i in held]
        return held

    def release(self, held: list[int]) -> None:
        """Take values off the stack into places of their types, in an order of their own."""
        turn = self.source.below(1 + len(held))
        by_type: dict[ValType, list[int]] = {}
        for i in held[turn:] + held[:turn]:
            by_type.setdefault(self.types[i], []).append(i)
        for i in reversed(held):
            self.fn.f.body.append(self.set(by_type[self.types[i]].pop()))

    def stack(self, depth: int) -> None:
        """Values on the stack below other code, then moved at once: a parallel move with cycles."""
        held = self.hold(1 + self.source.below(len(self.live)))
        if depth:
            self.source.weighted(INNER)(self, depth - 1)
        self.release(held)

    def permute(self) -> None:
        """Turn or reverse the values of each type: nothing but moves."""
        chosen = self.source.below(4)
        for type_ in dict.fromkeys(self.types):
            found = self.of(type_)
            if chosen == 0:
                target = list(reversed(found))
            elif chosen == 1:
                target = [*found[1:], found[0]]
            elif chosen == 2:
                target = [found[-1], *found[:-1]]
            else:
                # Pairs change places.
                target = [found[i ^ 1] if i ^ 1 < len(found) else found[i] for i in range(len(found))]
            self.fn.f.body += [self.get(i) for i in found]
            self.fn.f.body += [self.set(i) for i in reversed(target)]

    def loop(self, depth: int) -> None:
        """Values carried round a loop in permuted locals, changed on the way."""
        body, source = self.fn.f.body, self.source
        count = self.rounds()
        self.fn.f.open("loop")
        for _ in range(1 + source.below(3)):
            source.weighted(INNER)(self, 0)
        if depth and not source.below(4):
            self.loop(0)
        self.permute()
        body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
        self.fn.f.end()

    def rounds(self) -> int:
        count, body = self.fn.f.local(I32), self.fn.f.body
        if self.source.below(2):
            self.small(3)
            body += ((I32_CONST, 1), BARE["i32.add"], (SET, count))
        else:
            body += ((I32_CONST, self.source.between(1, 3)), (SET, count))
        return count

    def carry(self, depth: int) -> None:
        """A loop with the values as its parameters and results, turned by one in each round."""
        del depth
        fn, body = self.fn, self.fn.f.body
        width = min(1 + self.source.below(len(self.live)), self._width())
        types = self.types[:width]
        by_type = {type_: [i for i in range(width) if types[i] is type_] for type_ in dict.fromkeys(types)}
        turned = {a: b for same in by_type.values() for a, b in zip(same, [*same[1:], same[0]], strict=True)}
        count = self.rounds()
        body += [self.get(i) for i in range(width)]
        fn.f.open("loop", types, types)
        body += [self.set(i) for i in reversed(range(width))]
        self.source.weighted(INNER)(self, 0)
        body += [self.get(turned[i]) for i in range(width)]
        body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
        fn.f.end()
        body += [self.set(i) for i in reversed(range(width))]

    def _width(self) -> int:
        """How many values a block may have both as parameters and results."""
        return min(self.config.max_params, self.config.max_results)

    def branch(self, depth: int) -> None:
        """Values changed on one side only: each merge is a choice between registers."""
        fn, source = self.fn, self.source
        self._condition()
        fn.f.open("if")
        sure, self.sure = self.sure, False
        source.weighted(INNER)(self, max(0, depth - 1))
        if source.below(2):
            fn.f.else_()
            if source.below(2):
                self.permute()
            else:
                source.weighted(INNER)(self, 0)
        self.sure = sure
        fn.f.end()

    def _condition(self) -> None:
        if self.source.below(2):
            self.small(1 << self.source.below(4))
        else:
            emit_clean(self.fn, self.source, I32, 1)

    def table(self, depth: int) -> None:
        """A br_table into three ends, each of which finds the values in other places."""
        del depth
        fn, source = self.fn, self.source
        outer, middle, inner = (fn.f.open("block") for _ in range(3))
        self.small(3)
        fn.f.br_table((inner, middle, outer), inner)
        fn.f.end()
        self.permute()
        if source.below(2):
            fn.f.br(outer)
        fn.f.end()
        sure, self.sure = self.sure, False
        source.weighted(INNER)(self, 0)
        self.sure = sure
        fn.f.end()

    def early(self, depth: int) -> None:
        """A block left early with many values on the stack."""
        fn, source = self.fn, self.source
        width = min(1 + source.below(len(self.live)), self.config.max_results)
        types = self.types[:width]
        fn.f.open("block", (), types)
        fn.f.body += [self.get(i) for i in range(width)]
        self._condition()
        fn.f.body.append((OPS["br_if"], 0))
        sure, self.sure = self.sure, False
        if depth:
            source.weighted(INNER)(self, 0)
        self.sure = sure
        fn.f.end()
        by_type: dict[ValType, list[int]] = {}
        for i in range(width):
            by_type.setdefault(types[i], []).append(i)
        turns = {type_: iter(found) for type_, found in by_type.items()}
        fn.f.body += [self.set(next(turns[types[i]])) for i in reversed(range(width))]

    def bulk(self, depth: int) -> None:
        """Operations that are calls of the engine's own functions: fill, copy, grow, sizes."""
        del depth
        shell, body, source = self.fn.shell, self.fn.f.body, self.source
        kind = source.below(3)
        place = shell.reserve(64)
        if kind == 0 or not self.config.allows(Feature.BULK_MEMORY):
            body += ((I32_CONST, source.below(2)), (OPS["memory.grow"], 0), *self.fn.fold(I32))
            return
        emit_clean(self.fn, source, I32, 1)
        value = self.fn.temp(I32)
        body += ((SET, value), (I32_CONST, place), (GET, value))
        if kind == 1:
            body += ((GET, value), (I32_CONST, 63), BARE["i32.and"], (OPS["memory.fill"], 0))
        else:
            body += ((I32_CONST, 127), BARE["i32.and"], (GET, value), (I32_CONST, 63), BARE["i32.and"])
            body.append((OPS["memory.copy"], (0, 0)))

    def checksum(self, depth: int) -> None:
        """The values so far, into the hash: uses in the middle, so that intervals end and begin again."""
        del depth
        start = self.source.below(len(self.live))
        end = start + 1 + self.source.below(8)
        fold_locals(self.fn, self.types[start:end], self.live[start:end])


Step = Callable[[Body, int], None]
INNER: Final[Weighted[Step]] = weighted(
    (Body.change, 50), (Body.fixed, 60), (Body.rounded, 14), (Body.call, 70), (Body.bulk, 12), (Body.checksum, 10)
)
"""What stands inside of another step."""

STEPS: Final[Weighted[Step]] = weighted(
    (Body.change, 40), (Body.fixed, 40), (Body.rounded, 8), (Body.call, 60), (Body.stack, 30), (Body.guarded, 24),
    (Body.loop, 34), (Body.carry, 20), (Body.branch, 24), (Body.table, 12), (Body.early, 12), (Body.bulk, 10),
    (Body.checksum, 8),
)  # fmt: skip
