"""Lowering rules: entry, branches, returns, and calls of every kind.

A call is one instruction. Its operands are, in order: the callee's address (calls through pointers), the context, the
return area's address (if any result is in memory), the arguments in registers; then every result as a definition: in
fixed registers first, the rest anywhere, loaded from the return area behind the call. So a call with 1,000 results is
one instruction with over 1,000 operands. Arguments in memory are stored by instructions of their own before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.abi import AREA, CALLEE, CONTEXT, RDI, RSI, Abi, Assignment
from compiler.ir import (
    Branch,
    BranchTable,
    Inst,
    Jump,
    Return,
    TailCall,
    Target,
    TrapNow,
    TryCall,
    ValueId,
)
from compiler.layout import FUNCTION_CODE, FUNCTION_CONTEXT, FUNCTION_TYPE
from compiler.lower import Lowering, ends, lowers
from compiler.machine import (
    ANY,
    REG,
    Edge,
    MachineInst,
    Operand,
    PReg,
    VReg,
    define,
    fixed,
    use,
)
from compiler.x64.build import Address, build, pseudo
from compiler.x64.rules.conditions import INVERSE, condition_of
from compiler.x64.rules.memory import load, load_hoisted, table_element
from compiler.x64.rules.scalars import trap_if
from wasm.traps import TrapKind
from wasm.valtypes import I32, I64, FuncType, NumType, RefType, ValType


@dataclass(frozen=True, slots=True)
class CallImm:
    """What emission needs of a call. ``target`` is a function index (direct) or None (the first operand).

    ``loads`` are (type, offset in the return area) of the results behind those in registers; ``popped`` is what the
    callee pops; ``handlers`` are a protected call's (tag or None) in order, for its edges from 1 on, else None.
    """

    target: int | None
    loads: tuple[tuple[NumType, int], ...] = ()
    popped: int = 0
    handlers: tuple[int | None, ...] | None = None


@dataclass(frozen=True, slots=True)
class TailImm:
    """``target`` as in ``CallImm``; ``staged`` bytes of arguments wait at the frame's bottom, for a callee that pops
    them; ``popped`` is what this function itself would pop.
    """

    target: int | None
    staged: int
    popped: int


def machine_types(types: tuple[ValType, ...]) -> tuple[NumType, ...]:
    return tuple(I64 if isinstance(type_, RefType) else type_ for type_ in types)


def entry(c: Lowering) -> None:
    """Define the context, the return area's address and the parameters."""
    params = c.func.blocks[0].params
    places = c.abi.params(map(c.type_of, params))
    operands = [define(c.context_vreg, fixed(CONTEXT))]
    if c.area_vreg is not None:
        operands.append(define(c.area_vreg, fixed(AREA)))
    loads = []
    for param, place in zip(params, places.places, strict=True):
        if place.preg is not None:
            operands.append(define(param, fixed(place.preg)))
        elif param in c.wanted:
            loads.append((param, place.offset))
    pseudo(c, "args", tuple(operands))
    for param, offset in loads:
        pseudo(c, "load_arg", (define(param, ANY),), (c.type_of(param), offset))
    load_hoisted(c)


def own_results(c: Lowering) -> Assignment:
    return c.abi.results(c.func.results)


def own_params(c: Lowering) -> Assignment:
    return c.abi.params(map(c.type_of, c.func.blocks[0].params))


def _area(c: Lowering) -> VReg:
    """This function's own return area, handed in by its caller."""
    if c.area_vreg is None:
        c.area_vreg = c.new(I64)
    return c.area_vreg


@ends(Return)
def _return(c: Lowering, terminator: Return) -> None:
    results = own_results(c)
    values = [c.use(value) for value in terminator.values]
    operands = []
    for value, place in zip(values, results.places, strict=True):
        if place.preg is not None:
            operands.append(use(value, fixed(place.preg)))
        else:
            imm = (c.type_of(value), place.offset)
            pseudo(c, "store_result", (use(_area(c)), use(value, ANY)), imm)
    c.emit(MachineInst("return", tuple(operands), own_params(c).size, edges=()))


@ends(Jump)
def _jump(c: Lowering, terminator: Jump) -> None:
    c.emit(MachineInst("jmp", edges=(c.edge(terminator.target),)))


@ends(TrapNow)
def _trap(c: Lowering, terminator: TrapNow) -> None:
    c.emit(MachineInst("trap", imm=terminator.kind, edges=()))


@ends(Branch)
def _branch(c: Lowering, terminator: Branch) -> None:
    # Constants among the arguments are made first: they must not come between the flags and the branch.
    then, otherwise = c.edge(terminator.then), c.edge(terminator.otherwise)
    condition = condition_of(c, terminator.condition)
    c.emit(MachineInst("jcc", imm=(condition, INVERSE.get(condition)), edges=(then, otherwise)))


@ends(BranchTable)
def _branch_table(c: Lowering, terminator: BranchTable) -> None:
    """One edge per distinct target; the table of edge numbers is the immediate, the default comes last."""
    numbers: dict[Target, int] = {}
    edges: list[Edge] = []
    table = []
    for target in (*terminator.targets, terminator.default):
        if target not in numbers:
            numbers[target] = len(edges)
            edges.append(c.edge(target))
        table.append(numbers[target])
    index = c.use(terminator.index)
    c.emit(MachineInst("br_table", (use(index, REG),), tuple(table), edges=tuple(edges)))


@dataclass(slots=True)
class _Callee:
    """Who is called: a function index, or a code address, with the context that it runs in."""

    target: int | None
    code: VReg | None
    context: VReg
    args: tuple[ValueId, ...]
    type: FuncType


def _resolve(c: Lowering, inst: Inst) -> _Callee:
    """Check the callee (spec 4.6.10) and fetch its code and context."""
    imports = len(c.context.funcs) - c.defined
    match inst.op.name:
        case "call" if inst.imm >= imports:
            return _Callee(inst.imm, None, c.context_vreg, inst.args, c.context.func_type(inst.imm))
        case "call":
            record = load(c, I64, Address(c.context_vreg, c.layout.function(inst.imm)))
            type_ = c.context.func_type(inst.imm)
            args = inst.args
        case "call_indirect":
            type_index, table = inst.imm
            type_ = c.context.func_type_at(type_index)
            args = inst.args[:-1]
            place = table_element(c, table, inst.args[-1], TrapKind.UNDEFINED_ELEMENT)
            record = load(c, I64, place)
            build(c, "test64", record, record)
            trap_if(c, "e", TrapKind.UNINITIALIZED_ELEMENT)
            _check_type(c, record, type_index)
        case _:
            type_ = c.context.func_type_at(inst.imm)
            args = inst.args[:-1]
            record = c.use(inst.args[-1])
            build(c, "test64", record, record)
            trap_if(c, "e", TrapKind.NULL_REFERENCE)
    code = load(c, I64, Address(record, FUNCTION_CODE))
    return _Callee(None, code, load(c, I64, Address(record, FUNCTION_CONTEXT)), args, type_)


def _check_type(c: Lowering, record: VReg, type_index: int) -> None:
    """The function's type must be the expected one, or below it: equal ids are the rule, the runtime knows the rest."""
    wanted = c.context.types.canonical_id(type_index)
    actual = load(c, I64, Address(record, FUNCTION_TYPE))
    if c.context.types.flat[type_index].final:
        build(c, "cmp64_i32", actual, imm=wanted)
        trap_if(c, "ne", TrapKind.INDIRECT_TYPE_MISMATCH)
        return
    below = c.new(I32)
    operands = (use(c.context_vreg, fixed(RSI)), use(actual, ANY), define(below, ANY))
    pseudo(c, "helper", operands, (("subtype", wanted), (I64,), (I32,), None), c.abi.all_regs)
    build(c, "test32", below, below)
    trap_if(c, "e", TrapKind.INDIRECT_TYPE_MISMATCH)


def _arguments(c: Lowering, callee: _Callee, into: str) -> tuple[list[Operand], int]:
    """Operands for the arguments in registers; those in memory are stored (``store_arg`` or ``stage_arg``)."""
    params = c.abi.params(machine_types(callee.type.params))
    values = [c.use(arg) for arg in callee.args]
    if params.size and into == "store_arg":
        pseudo(c, "adjust_sp", (), params.size)
    operands = []
    for value, place in zip(values, params.places, strict=True):
        if place.preg is not None:
            operands.append(use(value, fixed(place.preg)))
        else:
            pseudo(c, into, (use(value, ANY),), (c.type_of(value), place.offset))
    return operands, params.size


def _call_inst(
    c: Lowering, inst: Inst, results: tuple[ValueId, ...], imm_handlers: bool
) -> tuple[list[Operand], CallImm]:
    callee = _resolve(c, inst)
    places = c.abi.results(machine_types(callee.type.results))
    # Arguments in memory move sp, so nothing that follows may address by sp; the return area is addressed by rbp.
    arguments, popped = _arguments(c, callee, "store_arg")
    operands: list[Operand] = []
    if callee.code is not None:
        operands.append(use(callee.code, fixed(CALLEE)))
    operands.append(use(callee.context, fixed(RDI)))
    if places.size:
        c.area = max(c.area, places.size)
        area = c.new(I64)
        pseudo(c, "area_pointer", (define(area),))
        operands.append(use(area, fixed(AREA)))
    operands += arguments
    loads = []
    for result, place in zip(results, places.places, strict=True):
        if place.preg is not None:
            operands.append(define(result, fixed(place.preg)))
        else:
            operands.append(define(result, ANY))
            loads.append((c.type_of(result), place.offset))
    return operands, CallImm(callee.target, tuple(loads), popped, () if imm_handlers else None)


def _clobbers(abi: Abi, operands: list[Operand]) -> tuple[PReg, ...]:
    """Every register but those that hold a result."""
    kept = {operand.constraint.preg for operand in operands if operand.kind.value == "def"}
    return tuple(preg for preg in abi.all_regs if preg not in kept)


@lowers("call", "call_indirect", "call_ref")
def _call(c: Lowering, inst: Inst) -> None:
    operands, imm = _call_inst(c, inst, inst.results, False)
    c.emit(MachineInst("call", tuple(operands), imm, _clobbers(c.abi, operands)))


@ends(TryCall)
def _try_call(c: Lowering, terminator: TryCall) -> None:
    """The same instruction as a terminator: edge 0 is the normal way, the others are the handlers'."""
    tags = tuple(tag for tag, _ in terminator.handlers)
    inst = terminator.call
    args = tuple(arg if arg in inst.results else c.use(arg) for arg in terminator.normal.args)
    normal = Edge(terminator.normal.block, args)
    edges = (normal, *(Edge(block) for _, block in terminator.handlers))
    if inst.op.name == "helper":
        operands = [use(c.context_vreg, fixed(RSI))] + [use(c.use(arg), ANY) for arg in inst.args]
        imm = (inst.imm, tuple(map(c.type_of, inst.args)), (), tags)
        c.emit(MachineInst("helper", tuple(operands), imm, c.abi.all_regs, edges))
        return
    operands, call = _call_inst(c, inst, inst.results, True)
    imm_ = CallImm(call.target, call.loads, call.popped, tags)
    clobbers = _clobbers(c.abi, operands)
    c.emit(MachineInst("call", tuple(operands), imm_, clobbers, edges))


@ends(TailCall)
def _tail_call(c: Lowering, terminator: TailCall) -> None:
    """Arguments in memory wait at the bottom of the frame until registers are set; emission then moves them up."""
    callee = _resolve(c, terminator.call)
    arguments, staged = _arguments(c, callee, "stage_arg")
    c.staging = max(c.staging, staged)
    operands: list[Operand] = []
    if callee.code is not None:
        operands.append(use(callee.code, fixed(CALLEE)))
    operands.append(use(callee.context, fixed(RDI)))
    if own_results(c).size:
        operands.append(use(_area(c), fixed(AREA)))
    operands += arguments
    imm = TailImm(callee.target, staged, own_params(c).size)
    c.emit(MachineInst("tail_call", tuple(operands), imm, edges=()))
