"""Writing seen values into a module in place of the instructions that computed them (``fuzz.triage.neutral``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from fuzz.triage.branch_tables import BR_TABLE, as_branches
from fuzz.triage.equivalent import Equivalents, has_equivalent
from wasm.fragment import Code, code, template
from wasm.isa import ADDR, OPS, Instr, MemArg, Op
from wasm.module import ExternKind, Func, Global, Module
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, GlobalType, NumType, ValType

MOST: Final = 256
"""A function of the called form knows so many operands (a load: executions) and leaves the rest to the instruction."""

Run: TypeAlias = tuple[tuple[int, ...], tuple[int, ...] | None]
"""One execution: operands and results as bit patterns; no results where it trapped."""


class Form(Enum):
    """How the values go in; ``fuzz.triage.neutral`` shows both."""

    INLINE = "inline"
    CALLED = "called"


@dataclass(slots=True)
class Seen:
    """The executions of the instruction at one place, in order."""

    runs: list[Run] = field(default_factory=list)


Places: TypeAlias = dict[tuple[int, int], Seen]
"""By function index and position in the flat body."""


def with_values(module: Module, wanted: set[Op], seen: Places, form: Form, dead: bool) -> bool:
    """Replace every instruction of the wanted rows that can be, in place; whether there was any."""
    writer = _Writer(module, wanted, seen, dead)
    imported = len(module.imported(ExternKind.FUNC))
    bodies = [func.body for func in module.funcs]
    changed = False
    for number, body in enumerate(bodies):
        written: list[Instr] = []
        for at, instr in enumerate(body):
            instead: Iterable[Instr] | None = None
            if instr[0] in wanted and instr[0] is BR_TABLE:
                instead = writer.branches(number, instr)
                changed |= instead is not None
            elif instr[0] in wanted and has_equivalent(instr[0]):
                instead = writer.equivalent(number, at, instr)
                changed |= instead is not None
            elif instr[0] in wanted:
                runs = seen.get((imported + number, at), Seen()).runs
                inline = writer.inline(instr, runs) if form is Form.INLINE else None
                instead = writer.called(instr, runs) if inline is None else inline
                changed = True
            written.extend((instr,) if instead is None else instead)
        module.funcs[number].body = written
    return changed


_DROP: Final = code("drop")
_UNREACHABLE: Final = code("unreachable")
_BLOCK: Final[Instr] = (OPS["block"], None)
_END: Final = (OPS["end"].bare,)
_RETURN: Final = code("return")
_LEAVE: Final = code("br_if 0")
_LOCAL: Final = template("local.get $local")
_CONST: Final = {type_: OPS[f"{type_}.const"] for type_ in (I32, I64, F32, F64, V128)}

_DIFFERS: Final[dict[NumType, tuple[Code, ...]]] = {
    I32: (code("i32.ne"), code("i32.xor"), code("i32.sub")),
    I64: (code("i64.ne"), code("i64.eq  i32.eqz"), code("i64.sub  i64.eqz  i32.eqz")),
    V128: (code("v128.xor  v128.any_true"), code("i8x16.ne  v128.any_true"), code("i8x16.eq  i8x16.all_true  i32.eqz")),
}
"""Ways to get what is not zero if two values differ: one is taken that has no guilty row in it."""

_COUNT: Final = (
    template("global.get $counter  local.tee $now  i32.const 1  i32.add  global.set $counter"),
    template("global.get $counter  local.tee $now  i32.const -1  i32.sub  global.set $counter"),
)


@dataclass(slots=True)
class _Writer:
    """Makes what stands in place of an instruction; new functions and globals go to the ends of their spaces."""

    module: Module
    wanted: set[Op]
    seen: Places
    dead: bool
    shared: dict[Instr, int] = field(default_factory=dict)
    """The functions of pure rows: the same operands give the same wherever the instruction stands."""
    written: dict[object, int] = field(default_factory=dict)
    indices: dict[int, int] = field(default_factory=dict)
    """By defined function, the local in which what chose a branch is kept."""
    equivalents: Equivalents = field(init=False)
    original: list[list[Instr]] = field(init=False)
    """The bodies in which ``seen`` counts positions: those written already are longer or shorter."""

    def __post_init__(self) -> None:
        self.original = [func.body for func in self.module.funcs]
        # A copy, since graphs are made of bodies as they were.
        self.equivalents = Equivalents(replace(self.module, funcs=[replace(func) for func in self.module.funcs]))

    def inline(self, instr: Instr, runs: Sequence[Run]) -> Iterable[Instr] | None:
        """Drops and constants, if the instruction always gave the same; else None."""
        params, results = self._type(instr)
        given = {gave for _, gave in runs}
        if not runs and self.dead:
            given = {(0,) * len(results)}
        if len(given) != 1:
            return None
        values = given.pop()
        return None if values is None else (*_DROP * len(params), *_constants(results, values))

    def equivalent(self, func: int, at: int, instr: Instr) -> Iterable[Instr] | None:
        """A call of a function that does the same by other instructions, one for each type or immediate."""
        made = self.equivalents.function(func, at, instr)
        if made is None or any(op in self.wanted for op, _ in made.body):
            return None
        key = (made.type, tuple(made.body))
        if key not in self.written:
            self.written[key] = len(self.module.imported(ExternKind.FUNC)) + len(self.module.funcs)
            locals_ = [(1, type_) for type_ in made.locals]
            self.module.funcs.append(Func(self.module.type_index(made.type), locals_, [*made.body, *_END]))
        return ((OPS["call"], self.written[key]),)

    def branches(self, func: int, instr: Instr) -> Iterable[Instr] | None:
        """What does the same as a ``br_table``, with one more local for all of those of the function."""
        made = self.module.funcs[func]
        fresh = len(self._type_of(func).params) + sum(count for count, _ in made.locals)
        instead = as_branches(instr, self.indices.get(func, fresh), self.wanted)
        if instead is not None and func not in self.indices:
            self.indices[func] = fresh
            made.locals = [*made.locals, (1, I32)]
        return instead

    def called(self, instr: Instr, runs: Sequence[Run]) -> Iterable[Instr]:
        """A call of a function that knows what was seen."""
        pure = not self._counts(instr)
        index = self.shared.get(instr) if pure else None
        if index is None:
            index = len(self.module.imported(ExternKind.FUNC)) + len(self.module.funcs)
            if pure:
                self.shared[instr] = index
                runs = self._everywhere(instr)
            self.module.funcs.append(self._function(instr, runs[:MOST]))
        return ((OPS["call"], index),)

    def _everywhere(self, instr: Instr) -> list[Run]:
        """All distinct operands with which a pure instruction was executed, wherever it stands, and its results."""
        imported = len(self.module.imported(ExternKind.FUNC))
        known: dict[tuple[int, ...], tuple[int, ...] | None] = {}
        for (func, at), seen in self.seen.items():
            if self.original[func - imported][at] == instr:
                known.update(seen.runs)
        return list(known.items())

    def _counts(self, instr: Instr) -> bool:
        """Whether results are told apart by the number of the execution: those of loads, and where operands cannot be
        compared without a guilty row."""
        return instr[0].pure is None or not all(self._unless_equal(type_, 0, 0) for type_ in self._type(instr)[0])

    def _function(self, instr: Instr, runs: Sequence[Run]) -> Func:
        params, results = self._type(instr)
        counting = self._counts(instr)
        body: list[Instr] = []
        if counting:
            body += self._counted(len(params))
        for number, (operands, given) in enumerate(runs):
            if given is None:
                continue
            body.append(_BLOCK)
            if counting:
                body += self._unless_equal(I32, len(params), number)
            for local, (type_, value) in enumerate(zip(params, operands, strict=True)):
                body += self._unless_equal(type_, local, value)
            body += [*_constants(results, given), *_RETURN, *_END]
        if self.dead:
            body += _UNREACHABLE
        else:
            body += [one for local in range(len(params)) for one in _LOCAL(local)]
            body.append(instr)
        locals_: list[tuple[int, ValType]] = [(1, I32)] if counting else []
        return Func(self.module.type_index(FuncType(params, results)), locals_, [*body, *_END])

    def _counted(self, now: int) -> Code:
        """The number of this execution in local ``now``: a load's results depend on when it is executed."""
        counter = len(self.module.global_types())
        self.module.globals.append(Global(GlobalType(I32, True), ((OPS["i32.const"], 0),)))
        return self._innocent([way(counter=counter, now=now) for way in _COUNT])

    def _unless_equal(self, type_: NumType, local: int, value: int) -> Code:
        """Leave the block if a local has another value. Nothing for a type in which only guilty rows could tell."""
        if type_ in (F32, F64):
            bits, cast = (I32, "i32.reinterpret_f32") if type_ is F32 else (I64, "i64.reinterpret_f64")
            as_bits = code(cast)
            if as_bits[0][0] in self.wanted:
                return self._unless_equal_as_float(type_, local, value)
        else:
            bits, as_bits = type_, ()
        differs = self._innocent(_DIFFERS[bits])
        return (*_LOCAL(local), *as_bits, (_CONST[bits], value), *differs, *_LEAVE) if differs else ()

    def _unless_equal_as_float(self, type_: NumType, local: int, value: int) -> Code:
        """Where bits cannot be looked at: by comparing numbers, zeros by their inverses; NaNs are not told apart. By
        order first: it is equality that compilers get wrong for NaNs."""
        word, sign = str(type_), 1 << (type_.bits - 1)
        one = {F32: 0x3F800000, F64: 0x3FF0000000000000}[type_]
        infinite = {F32: 0x7F800000, F64: 0x7FF0000000000000}[type_]
        get = _LOCAL(local)
        if value & ~sign > infinite:
            numbers = (f"{word}.abs  {word}.const inf  {word}.le", f"{word}.abs  {word}.const -1  {word}.gt")
            is_number = self._innocent(map(code, numbers))
            return (*get, *is_number, *_LEAVE) if is_number else ()
        if value & ~sign == 0:
            inverse = self._innocent((code(f"{word}.div"),))
            get = ((_CONST[type_], one), *get, *inverse) if inverse else ()
            value = infinite | (value & sign)
        wanted = (_CONST[type_], value)
        for way, join in ((("le", "ge"), "i32.and  i32.eqz"), (("eq",), "i32.eqz")):
            both = [(*get, wanted, *code(f"{word}.{name}")) for name in way]
            differs = (*(one for side in both for one in side), *code(join))
            if get and not any(op in self.wanted for op, _ in differs):
                return (*differs, *_LEAVE)
        return ()

    def _innocent(self, ways: Iterable[Code]) -> Code:
        return next((way for way in ways if not any(op in self.wanted for op, _ in way)), ())

    def _type_of(self, func: int) -> FuncType:
        return self.module.func_types()[len(self.module.imported(ExternKind.FUNC)) + func]

    def _type(self, instr: Instr) -> tuple[tuple[NumType, ...], tuple[NumType, ...]]:
        """Parameters and results of a neutralizable instruction, addresses in the type of the memory's index."""
        op, imm = instr
        address = I32
        if op.access is not None:
            memory = imm if isinstance(imm, MemArg) else imm[0]
            address = I64 if self.module.memory_types()[memory.memory].index64 else I32
        resolved = [
            tuple(address if type_ == ADDR else type_ for type_ in side) for side in (op.params or (), op.results or ())
        ]
        return resolved[0], resolved[1]  # type: ignore[return-value]  # neutralizable rows have numbers only


def _constants(types: Sequence[Any], values: Sequence[int]) -> list[Instr]:
    return [(_CONST[type_], value) for type_, value in zip(types, values, strict=True)]
