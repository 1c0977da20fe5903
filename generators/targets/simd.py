"""Every vector instruction, relaxed ones too: lanes, shuffles, constants, loads and stores, idioms, calls, loops.

Each statement picks one of all vector instructions, so that each is as likely as any other; its operands are nested
expressions of special constants and masks, equal operands, loads of every form, and combinations that compilers match
as one instruction. Open NaNs flow on until an instruction would observe their bits.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import MIXED, NARROW, Config, draw_size
from generators.draw.signatures import draw_type, draw_types
from generators.module.function import SET, Function
from generators.module.loops import ROUNDS, ROUNDS_BY_VALUE
from generators.program.calls import Callee
from generators.program.parts import Part
from generators.program.program import REFERENCES, Program
from generators.program.use_values import MODES, use
from generators.scalar.candidates import Nan
from generators.scalar.expressions import emit_clean
from generators.vector.expressions import Vectors
from wasm.case import Case
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.valtypes import I32, I64, V128, FuncType, NumType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.SIMD})
BASE: Final = True
WEIGHT: Final = 7.0
COST: Final = 24.0

_PUSH: Final = template("local.get $at")
_ARGUMENT: Final = code("local.get 0")
_HOW: Final = shares(("direct", 2), ("indirect", 1), ("ref", 1))
"""How a function is called; by reference only where there are typed references."""

_STATEMENTS: Final = tuple(max(1, round(2 * 30 ** (i / 255)) - (1 if i < 4 else 0)) for i in range(256))
"""How many statements a function has: log-uniform, 1 to 60."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to three exported functions of vector code, and up to two that they call."""
    count = _STATEMENTS[source.below(256)]
    if source.chance(7, 16):
        config = config.without(*REFERENCES)
    if source.chance(8, 16):
        config = config.without(Feature.RELAXED_SIMD)
    writer = _Writer(source, config)
    functions = source.between(1, 3)
    for i in range(functions):
        writer.function(source.fork(f"f{i}"), f"f{i}", max(1, count // functions))
    return writer.program.close()


class _Writer:
    """Writes a module: first the functions that are called, then those that call them."""

    def __init__(self, source: ChoiceSource, config: Config) -> None:
        self.config = config
        self.program = Program.open(source, config)
        self.callees: list[Callee] = []
        for i in range(source.between(1, 2)):
            fork = source.fork(f"leaf{i}")
            sizes = MIXED if source.one_in(8) else NARROW
            params = self._types(fork, draw_size(fork, sizes, config.max_params))
            results = self._types(fork, draw_size(fork, sizes, config.max_results))
            self.callees.append(self.program.calls.leaf(fork, FuncType(params, results)))

    def _types(self, source: ChoiceSource, count: int) -> tuple[ValType, ...]:
        """Vectors, with other types among them half of the time."""
        if source.one_in(2):
            return draw_types(source, self.config, count)
        return (V128,) * count

    def function(self, source: ChoiceSource, name: str, count: int) -> None:
        """An exported function: statements in a row, in loops, in branches, in blocks with parameters, and calls."""
        more = source.below(4)
        vectors = source.one_in(2)
        params = (I32, *(V128 if vectors and i % 2 else draw_type(source, self.config) for i in range(more)))
        if not vectors:
            # Without vectors in its type, the host calls it directly as well.
            params = tuple(I64 if type_ is V128 else type_ for type_ in params)
        given = source.below(4) if vectors else 0
        fn = self.program.function(source, params, (*(V128,) * given, I64), name)
        code = Vectors.of(fn, source)
        done = 0
        while done < count:
            part = source.weighted(_PARTS)
            done += part(self, fn, code, min(count - done, 12))
        for _ in range(given):
            settled = code.operand(V128, Nan.NONE, 3)
            code.keep(settled)
        last = [local for local, _ in code.known[len(code.known) - given :]]
        self._fold(code, source)
        self.program.close_function(fn, source, last)

    def _fold(self, code: Vectors, source: ChoiceSource) -> None:
        """Fold all, or half: what is dead may be removed, and its traps and stores may not."""
        known = code.known
        code.fold(known if source.chance(3, 4) else known[::2])

    # Parts: each gives how many statements it was

    def _plain(self, fn: Function, code: Vectors, room: int) -> int:
        del fn
        count = code.source.between(1, room)
        for _ in range(count):
            code.statement(code.source.between(2, 4))
        return count

    def _loop(self, fn: Function, code: Vectors, room: int) -> int:
        """A loop of up to four rounds with vectors carried round in permuted locals."""
        source = code.source
        width = source.between(1, 6)
        carried = []
        for _ in range(width):
            code.operand(V128, Nan.NONE, 1)
            carried.append(code.keep(Nan.NONE))
        rounds = fn.local(I32)
        if source.one_in(2):
            fn += _ARGUMENT
            fn += ROUNDS_BY_VALUE(count=rounds)
        else:
            fn += ROUNDS(count=rounds, rounds=source.between(1, 4))
        with fn.repeat(rounds):
            count = source.between(1, min(room, 5))
            for _ in range(count):
                code.statement(source.between(1, 2))
            turn, changed = source.below(width), source.below(width)
            for i in range(width):
                if i == changed:
                    code.operand(V128, Nan.NONE, 2)
                else:
                    fn += _PUSH(at=carried[(i + turn) % width])
            fn.f.body += [(SET, local) for local in reversed(carried)]
        return count + 1

    def _branches(self, fn: Function, code: Vectors, room: int) -> int:
        """Statements that run for some arguments only, on one side or on both."""
        source = code.source
        count = source.between(1, min(room, 4))
        code.operand(I32, Nan.NONE, 2)
        with fn.block("if"):
            for _ in range(count):
                code.statement(source.between(1, 2))
            if source.one_in(2):
                fn.else_()
                code.statement(2)
        return count + 1

    def _block(self, fn: Function, code: Vectors, room: int) -> int:
        """A block or loop with vectors as parameters and results, entered and left with other values among them."""
        source = code.source
        types = self._types(source, source.between(1, min(8, self.config.max_params)))
        results = self._types(source, source.between(1, min(8, self.config.max_results)))
        for type_ in types:
            self._value(fn, code, type_)
        with fn.block(source.pick(("block", "loop")), types, results):
            self._keep(fn, code, types)
            for _ in range(min(room, 2)):
                code.statement(2)
            for type_ in results:
                self._value(fn, code, type_)
        use(fn, source, source.pick(("fold", "store")), results, _nothing)
        return 2

    def _keep(self, fn: Function, code: Vectors, types: tuple[ValType, ...]) -> None:
        """Move values of these types into locals that later code reads."""
        kept = [fn.local(type_) for type_ in types]
        fn.f.body += [(SET, local) for local in reversed(kept)]
        for local, type_ in zip(kept, types, strict=True):
            if type_ is V128:
                code.known.append((local, Nan.NONE))
            fn.sources.setdefault(type_, []).append(local)

    def _value(self, fn: Function, code: Vectors, type_: ValType) -> None:
        assert isinstance(type_, NumType)
        if type_ is V128:
            code.operand(V128, Nan.NONE, 2)
        else:
            emit_clean(fn, code.source, type_, 1)

    def _call(self, fn: Function, code: Vectors, room: int) -> int:
        """A call with vectors among its arguments and results, and vectors live across it."""
        del room
        source = code.source
        callee = source.pick(self.callees)
        how = source.pick(_HOW)
        if how == "ref" and "ref" not in self.program.calls.kinds():
            how = "direct"
        for type_ in callee.type.params:
            self._value(fn, code, type_)
        self.program.calls.call(fn, source, how, callee)
        mode = source.weighted(MODES)
        results = callee.type.results
        if mode in ("pass", "two") and results:
            self._keep(fn, code, results)
        else:
            use(fn, source, mode, results, lambda: code.statement(2))
        self.program.passed(fn, callee, how)
        return 2


def _nothing() -> None:
    pass


_PARTS: Final = weighted(
    (_Writer._plain, 120), (_Writer._call, 34), (_Writer._loop, 40), (_Writer._branches, 20), (_Writer._block, 24)
)


def _statements(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Statements over every vector instruction, on the vectors of the function; all or half of the values are used."""
    del program
    code = Vectors.of(fn, source)
    before = len(code.known)
    for _ in range(source.between(1, min(1 + room // 10, 16))):
        code.statement(source.between(2, 4))
    made = code.known[before:]
    code.fold(made if source.chance(3, 4) else made[::2])


PARTS: Final = (Part("vectors", frozenset({Feature.SIMD}), _statements),)
