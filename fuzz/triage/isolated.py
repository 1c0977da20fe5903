"""An instruction by itself, on the operands that the reference saw it get in a case.

If it is wrong alone, it is what a finding is about, and whatever else the reducer left only brought it its operands:

    (func (param f32 f32) (result i32) (f32.eq (local.get 0) (local.get 1)))

If it is right so, but wrong where an operand is a constant, the constant is part of it:

    (func (param i32) (result i32) (i32.add (local.get 0) (i32.const 128)))

That goes for instructions that make numbers and vectors from numbers and vectors, and have no other effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import Any, Final, TypeAlias

from fuzz.triage.neutral import STEPS, Recorder
from oracles.interpreter import Budget, run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation, Value
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.isa import OPS, Op
from wasm.module import ExternKind
from wasm.valtypes import NumType

MOST: Final = 64
"""Tuples of operands that are tried."""

Operands: TypeAlias = tuple[Any, tuple[int, ...]]
"""An instruction's immediate, and its operands as bit patterns."""


class Alone(Enum):
    """How an instruction is wrong by itself, if it is."""

    NO = "no"
    ALWAYS = "always"
    WITH_CONSTANT = "with a constant"


def alone(case: Case, name: str, wrong: Callable[[Case], bool]) -> Alone:
    """Whether a row is wrong by itself on the operands that it gets in a case. ``wrong`` runs a case."""
    op = OPS[name]
    if case.kind is not CaseKind.WASM or op.pure is None or not op.params:
        return Alone.NO
    if not all(isinstance(type_, NumType) for type_ in (*op.params, *(op.results or ()))):
        return Alone.NO
    operands = _operands(case, op)
    if not operands:
        return Alone.NO
    if wrong(_case(case, op, operands, [()])):
        return Alone.ALWAYS
    places = range(len(op.params))
    constants = [(place,) for place in places] + ([tuple(places)] if len(places) > 1 else [])
    return Alone.WITH_CONSTANT if wrong(_case(case, op, operands, constants)) else Alone.NO


def _operands(case: Case, op: Op) -> list[Operands]:
    """What the row's instructions were executed on, each once, place by place in the order of execution."""
    try:
        module = decode(case.content)
    except WasmError:
        return []
    recorder = Recorder([op])
    run_case(case, None, Budget(steps=STEPS), tracer=recorder)
    imported = len(module.imported(ExternKind.FUNC))
    met: dict[Operands, None] = {}
    for (func, at), seen in recorder.seen.items():
        imm = module.funcs[func - imported].body[at][1]
        for operands, _ in seen.runs:
            met.setdefault((imm, operands))
            if len(met) >= MOST:
                return list(met)
    return list(met)


def _case(case: Case, op: Op, operands: Iterable[Operands], constants: Sequence[tuple[int, ...]]) -> Case:
    """A module with the instruction by itself and calls of it: for each of ``constants`` a function whose operands at
    these places are constants and the others parameters."""
    builder = ModuleBuilder()
    made: dict[tuple[Any, tuple[tuple[int, int], ...]], str] = {}
    calls: dict[Invocation, None] = {}
    for imm, values in operands:
        for places in constants:
            fixed = tuple((place, values[place]) for place in places)
            export = made.get((imm, fixed))
            if export is None:
                export = made[imm, fixed] = f"f{len(made)}"
                _function(builder, export, op, imm, dict(fixed))
            assert op.params is not None
            free = [place for place in range(len(values)) if place not in places]
            calls.setdefault(Invocation(export, tuple(Value(str(op.params[at]), values[at]) for at in free)))
    return Case(encode(builder.finish()), tuple(calls), features=case.features, provenance=case.provenance)


def _function(builder: ModuleBuilder, export: str, op: Op, imm: Any, fixed: dict[int, int]) -> None:
    assert op.params is not None
    types = [type_ for type_ in op.params if isinstance(type_, NumType)]
    results = [type_ for type_ in op.results or () if isinstance(type_, NumType)]
    func = builder.func([type_ for place, type_ in enumerate(types) if place not in fixed], results, export)
    parameters = iter(range(len(types)))
    for place, type_ in enumerate(types):
        if place in fixed:
            func.emit(f"{type_}.const", fixed[place])
        else:
            func.emit("local.get", next(parameters))
    func.emit(op.name, imm)
