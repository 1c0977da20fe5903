"""Every vector instruction, relaxed ones too: lanes, shuffles, constants, loads and stores, idioms, calls, loops.

Each statement picks one of all vector instructions, so that each is as likely as any other; its operands are nested
expressions of special constants and masks, equal operands, loads of every form, and combinations that compilers match
as one instruction. Open NaNs flow on until an instruction would observe their bits.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import MIXED, NARROW, Config, draw_size
from generators.draw.signatures import draw_type, draw_types
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.program.calls import Callee
from generators.program.parts import Part
from generators.program.program import REFERENCES, Program
from generators.program.use_values import MODES, use
from generators.scalar.expressions import Nan, emit_clean
from generators.vector.expressions import Vectors
from wasm.case import Case
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import I32, I64, V128, FuncType, NumType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.SIMD})
WEIGHT: Final = 7.0

_STATEMENTS: Final = tuple(max(1, round(2 * 30 ** (i / 255)) - (1 if i < 4 else 0)) for i in range(256))
"""How many statements a function has: log-uniform, 1 to 60."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to three exported functions of vector code, and up to two that they call."""
    count = _STATEMENTS[source.below(256)]
    if source.chance(7, 16):
        config = config.without(*REFERENCES)
    if source.chance(8, 16):
        config = config.without(Feature.RELAXED_SIMD)
    module = _Module(source, config)
    functions = 1 + source.below(3)
    for i in range(functions):
        module.function(source.fork(f"f{i}"), f"f{i}", max(1, count // functions))
    return module.program.close()


class _Module:
    """The module under construction: the functions that are called come first."""

    def __init__(self, source: ChoiceSource, config: Config) -> None:
        self.config = config
        self.program = Program.open(source, config)
        self.callees: list[Callee] = []
        for i in range(1 + source.below(2)):
            fork = source.fork(f"leaf{i}")
            sizes = MIXED if source.chance(1, 8) else NARROW
            params = self._types(fork, draw_size(fork, sizes, config.max_params))
            results = self._types(fork, draw_size(fork, sizes, config.max_results))
            self.callees.append(self.program.calls.leaf(fork, FuncType(params, results)))

    def _types(self, source: ChoiceSource, count: int) -> tuple[ValType, ...]:
        """Vectors, with other types among them half of the time."""
        if source.below(2):
            return draw_types(source, self.config, count)
        return (V128,) * count

    def function(self, source: ChoiceSource, name: str, count: int) -> None:
        """An exported function: statements in a row, in loops, in branches, in blocks with parameters, and calls."""
        few = source.below(4)
        vectors = source.below(2)
        params = (I32, *(V128 if vectors and i % 2 else draw_type(source, self.config) for i in range(few)))
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
        code.fold(known if source.below(4) else known[::2])

    # Parts: each gives how many statements it was

    def _plain(self, fn: Function, code: Vectors, room: int) -> int:
        del fn
        count = 1 + code.source.below(room)
        for _ in range(count):
            code.statement(2 + code.source.below(3))
        return count

    def _loop(self, fn: Function, code: Vectors, room: int) -> int:
        """A loop of up to four rounds with vectors carried round in permuted locals."""
        source, body = code.source, fn.f.body
        width = 1 + source.below(6)
        carried = []
        for _ in range(width):
            code.operand(V128, Nan.NONE, 1)
            carried.append(code.keep(Nan.NONE))
        rounds = fn.f.local(I32)
        if source.below(2):
            body += ((GET, 0), (I32_CONST, 3), BARE["i32.and"], (I32_CONST, 1), BARE["i32.add"], (SET, rounds))
        else:
            body += ((I32_CONST, source.between(1, 4)), (SET, rounds))
        fn.f.open("loop")
        count = 1 + source.below(min(room, 5))
        for _ in range(count):
            code.statement(1 + source.below(2))
        turn, changed = source.below(width), source.below(width)
        for i in range(width):
            if i == changed:
                code.operand(V128, Nan.NONE, 2)
            else:
                body.append((GET, carried[(i + turn) % width]))
        body += [(SET, local) for local in reversed(carried)]
        body += ((GET, rounds), (I32_CONST, 1), BARE["i32.sub"], (TEE, rounds), (OPS["br_if"], 0))
        fn.f.end()
        return count + 1

    def _branches(self, fn: Function, code: Vectors, room: int) -> int:
        """Statements that run for some arguments only, on one side or on both."""
        source = code.source
        count = 1 + source.below(min(room, 4))
        code.operand(I32, Nan.NONE, 2)
        fn.f.open("if")
        for _ in range(count):
            code.statement(1 + source.below(2))
        if source.below(2):
            fn.f.else_()
            code.statement(2)
        fn.f.end()
        return count + 1

    def _block(self, fn: Function, code: Vectors, room: int) -> int:
        """A block or loop with vectors as parameters and results, entered and left with other values among them."""
        source, body = code.source, fn.f.body
        types = self._types(source, 1 + source.below(min(8, self.config.max_params)))
        results = self._types(source, 1 + source.below(min(8, self.config.max_results)))
        for type_ in types:
            self._value(fn, code, type_)
        fn.f.open(("block", "loop")[source.below(2)], types, results)
        kept = [fn.f.local(type_) for type_ in types]
        body += [(SET, local) for local in reversed(kept)]
        for local, type_ in zip(kept, types, strict=True):
            if type_ is V128:
                code.known.append((local, Nan.NONE))
            fn.sources.setdefault(type_, []).append(local)
        for _ in range(min(room, 2)):
            code.statement(2)
        for type_ in results:
            self._value(fn, code, type_)
        fn.f.end()
        use(fn, source, ("fold", "store")[source.below(2)], results, _nothing)
        return 2

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
        how = source.pick(("direct", "direct", "indirect", "ref" if "ref" in self.program.calls.kinds() else "direct"))
        for type_ in callee.type.params:
            self._value(fn, code, type_)
        self.program.calls.call(fn, source, how, callee)
        mode = source.weighted(MODES)
        results = callee.type.results
        if mode in ("pass", "two") and results:
            kept = [fn.f.local(type_) for type_ in results]
            fn.f.body += [(SET, local) for local in reversed(kept)]
            code.known += [(local, Nan.NONE) for local, t in zip(kept, results, strict=True) if t is V128]
            for type_, local in zip(results, kept, strict=True):
                fn.sources.setdefault(type_, []).append(local)
        else:
            use(fn, source, mode, results, lambda: code.statement(2))
        self.program.passed(fn, callee, how)
        return 2


def _nothing() -> None:
    pass


_PARTS: Final = weighted(
    (_Module._plain, 120), (_Module._call, 34), (_Module._loop, 40), (_Module._branches, 20), (_Module._block, 24)
)


def _statements(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Statements over every vector instruction, on the vectors of the function; all or half of the values are used."""
    del program
    code = Vectors.of(fn, source)
    before = len(code.known)
    for _ in range(1 + source.below(min(1 + room // 10, 16))):
        code.statement(2 + source.below(3))
    made = code.known[before:]
    code.fold(made if source.below(4) else made[::2])


PARTS: Final = (Part("vectors", frozenset({Feature.SIMD}), _statements),)
