"""An instruction by itself, on the operands that the reference saw it get in a case.

If it is wrong alone, it is what a finding is about, and whatever else the case has only brought it its operands:

    (func (param f32 f32) (result i32) (f32.eq (local.get 0) (local.get 1)))

If it is right so, but wrong where an operand is a constant, the constant is part of it:

    (func (param i32) (result i32) (i32.add (local.get 0) (i32.const 128)))

That goes for instructions that make numbers and vectors from numbers and vectors, and have no other effect. A
``select`` of these is one as well, with the type that it has where it stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from fuzz.triage.equivalent import SELECTS, Equivalents
from fuzz.triage.neutral import STEPS, Recorder, row_of
from fuzz.triage.readable import module_of
from oracles.interpreter import Budget, run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.isa import OPS, Instr, Op
from wasm.module import ExternKind
from wasm.valtypes import I32, NumType

_UNSIGNED: Final = frozenset({"i64.extend_i32_u", "f32.convert_i32_u", "f64.convert_i32_u"})
HIGH: Final = 1 << 31
"""From here on an i32 has its top bit set: what takes it as a signed one, or with what a register held above it, is
wrong."""
_SHIFTS: Final = re.compile(r"i(8|16|32|64)(?:x\d+)?\.(?:shl|shr_[su]|rot[lr])")
MOST: Final = 64
"""Tuples of operands of a row that are tried."""

Use: TypeAlias = tuple[Op, Any, tuple[int, ...]]
"""An instruction, the immediate that it stands with (of a ``select`` the type), and operands as bit patterns."""
Question: TypeAlias = Callable[[Case], bool]


class Alone(Enum):
    """How an instruction is wrong by itself, if it is."""

    NO = "no"
    ALWAYS = "always"
    WITH_CONSTANT = "with a constant"


def alone(case: Case, name: str, wrong: Question) -> Alone:
    """Whether a row is wrong by itself on the operands that it gets in a case. ``wrong`` runs a case."""
    uses = operands_in(case, (name,)).get(name)
    if not uses:
        return Alone.NO
    if wrong(isolated(case, uses)):
        return Alone.ALWAYS
    places = range(len(uses[0][2]))
    constants = [(place,) for place in places] + ([tuple(places)] if len(places) > 1 else [])
    return Alone.WITH_CONSTANT if wrong(isolated(case, uses, constants)) else Alone.NO


def wrong_use(case: Case, wrong: Question, barred: Collection[str] = ()) -> Use | None:
    """A use of a row that is wrong by itself, with parameters for operands, if a case executes one; of none of the rows
    ``barred``. One question where there is none, else as many as halving takes."""
    met = operands_in(case)
    uses = [use for name in sorted(met) if name not in barred for use in met[name]]
    if not uses or not wrong(isolated(case, uses)):
        return None
    while len(uses) > 1:
        half = uses[: len(uses) // 2]
        uses = half if wrong(isolated(case, half)) else uses[len(half) :]
    return uses[0] if wrong(isolated(case, uses)) else None


def only_if_wrapping(case: Case, use: Use, wrong: Question) -> bool:
    """Whether an instruction that is wrong by itself is one that shifts, and is right with a count that is less than
    its value is wide: then it is the count that is taken wrongly."""
    op, imm, values = use
    name = _SHIFTS.match(op.name)
    if name is None or len(values) != 2:
        return False
    count = values[1] % int(name[1])
    return count != values[1] and not wrong(isolated(case, [(op, imm, (values[0], count))]))


def only_if_high(case: Case, use: Use, wrong: Question) -> bool:
    """Whether an instruction that is wrong by itself widens an unsigned i32, and is right without that one's top bit:
    then it is widened wrongly, as it may be for other instructions too."""
    op, imm, values = use
    if op.name not in _UNSIGNED or values[0] < HIGH:
        return False
    return not wrong(isolated(case, [(op, imm, (values[0] - HIGH,))]))


def operands_in(case: Case, names: Collection[str] | None = None) -> dict[str, list[Use]]:
    """What the rows of these names (all, by default) that can stand alone were executed on, by name: each once, place
    by place in the order of execution, at most ``MOST``."""
    module = module_of(case)
    if module is None:
        return {}
    present = {op for func in module.funcs for op, _ in func.body if names is None or row_of(op) in names}
    wanted = [op for op in present if op in SELECTS or _can_stand_alone(op)]
    if not wanted:
        return {}
    recorder = Recorder(wanted)
    run_case(case, None, Budget(steps=STEPS), tracer=recorder)
    imported = len(module.imported(ExternKind.FUNC))
    equivalents = Equivalents(module)
    met: dict[str, dict[Use, None]] = {}
    for (func, at), seen in recorder.seen.items():
        op, imm = module.funcs[func - imported].body[at]
        if op in SELECTS:
            imm = _selected(equivalents, func - imported, at, (op, imm))
            if imm is None:
                continue
        masks = [(1 << type_.bits) - 1 for type_ in _types(op, imm)]
        mine = met.setdefault(row_of(op), {})
        for operands, _ in seen.runs:
            if len(mine) < MOST:
                mine.setdefault((op, imm, tuple(value & mask for value, mask in zip(operands, masks, strict=True))))
    return {name: list(uses) for name, uses in met.items()}


def _selected(equivalents: Equivalents, func: int, at: int, instr: Instr) -> NumType | None:
    """What a ``select`` chooses; None for references."""
    made = equivalents.function(func, at, instr)
    type_ = made.type.results[0] if made else None
    return type_ if isinstance(type_, NumType) else None


def _can_stand_alone(op: Op) -> bool:
    if op.pure is None or not op.params or not op.results:
        return False
    return all(isinstance(type_, NumType) for type_ in (*op.params, *op.results))


def isolated(case: Case, uses: Iterable[Use], constants: Sequence[tuple[int, ...]] = ((),)) -> Case:
    """A module with each instruction by itself, and calls of these: for each of ``constants`` a function whose operands
    at these places are constants and the others parameters."""
    builder = ModuleBuilder()
    made: dict[tuple[Op, Any, tuple[tuple[int, int], ...]], str] = {}
    calls: dict[Invocation, None] = {}
    for op, imm, values in uses:
        types = _types(op, imm)
        for places in constants:
            fixed = tuple((place, values[place]) for place in places)
            export = made.get((op, imm, fixed))
            if export is None:
                export = made[op, imm, fixed] = f"f{len(made)}"
                _function(builder, export, op, imm, dict(fixed))
            free = [place for place in range(len(values)) if place not in places]
            calls.setdefault(Invocation(export, tuple(Value(str(types[at]), values[at]) for at in free)))
    return Case(encode(builder.finish()), tuple(calls), features=case.features, provenance=case.provenance)


def _types(op: Op, imm: Any) -> list[NumType]:
    """The types of a use's operands."""
    if op in SELECTS:
        return [imm, imm, I32]
    return [type_ for type_ in op.params or () if isinstance(type_, NumType)]


def _function(builder: ModuleBuilder, export: str, op: Op, imm: Any, fixed: dict[int, int]) -> None:
    types = _types(op, imm)
    results = [imm] if op in SELECTS else [type_ for type_ in op.results or () if isinstance(type_, NumType)]
    func = builder.func([type_ for place, type_ in enumerate(types) if place not in fixed], results, export)
    parameters = iter(range(len(types)))
    for place, type_ in enumerate(types):
        if place in fixed:
            func.emit(f"{type_}.const", fixed[place])
        else:
            func.emit("local.get", next(parameters))
    if op is OPS["select_t"]:
        func.emit(op.name, (imm,))
    elif op in SELECTS:
        func.emit(op.name)
    else:
        func.emit(op.name, imm)
