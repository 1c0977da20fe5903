"""The verifier of SSA functions: types, single definitions, dominance, edges; each error tied to its place."""

from __future__ import annotations

from typing import Final

from compiler.dominators import Dominators, dominators
from compiler.ir import (
    Branch,
    BranchTable,
    Function,
    Inst,
    IrOp,
    Return,
    TailCall,
    TryCall,
    ValueId,
    successors,
    targets,
)
from wasm.isa import ADDR, Access, Op
from wasm.valtypes import I32, I64, NumType, RefType


class InvalidFunction(Exception):
    """An SSA function breaks the rules: a bug of whoever made it. The message lists every error, a line each."""


def machine_type(type_: object) -> NumType | None:
    """The SSA type of a row's operand: a reference is an I64; None for an address, whose width the memory decides."""
    if type_ == ADDR:
        return None
    return I64 if isinstance(type_, RefType) else type_ if isinstance(type_, NumType) else None


_ARITY: Final[dict[str, tuple[int, int]]] = {
    "load": (1, 1),
    "store": (2, 0),
    "global.get": (0, 1),
    "global.set": (1, 0),
    "memory.size": (0, 1),
    "table.size": (0, 1),
    "table.get": (1, 1),
    "table.set": (2, 0),
    "ref.func": (0, 1),
    "select": (3, 1),
    "is_null": (1, 1),
    "trap_if": (1, 0),
    "caught": (0, 1),
    "payload": (1, 1),
    "mailbox.get": (0, 1),
    "mailbox.set": (1, 0),
    "fuel": (0, 0),
}
"""Operands and results of the operations that have a fixed number; calls and helpers go by their callee."""


def verify(func: Function) -> list[str]:
    """All broken rules, as ``block 2: ...``; empty if there are none."""
    errors = _edges(func)
    if errors:
        return errors
    for index, block in enumerate(func.blocks):
        for inst in block.insts:
            errors += [f"block {index}: {inst.op.name}: {text}" for text in _inst(func, inst)]
        errors += [f"block {index}: {text}" for text in _terminator(func, index)]
    return errors or _definitions(func, dominators(successors(func)))


def assert_valid(func: Function) -> None:
    """Raises ``InvalidFunction`` with every error."""
    errors = verify(func)
    if errors:
        raise InvalidFunction(f"{func.name}:\n" + "\n".join(errors[:50]))


def _edges(func: Function) -> list[str]:
    errors: list[str] = []
    count = len(func.blocks)
    if not count:
        return ["there is no block"]
    known = len(func.types)
    for index, block in enumerate(func.blocks):
        used = [value for inst in block.insts for value in (*inst.args, *inst.results)]
        for target in targets(block.terminator):
            used += target.args
            if not 0 <= target.block < count:
                errors.append(f"block {index}: there is no block {target.block}")
            elif target.block == 0:
                errors.append(f"block {index}: an edge to the entry")
            elif len(func.blocks[target.block].params) != len(target.args):
                errors.append(f"block {index}: the edge to {target.block} has {len(target.args)} arguments")
            elif any(
                func.types[arg] is not func.types[param]
                for arg, param in zip(target.args, func.blocks[target.block].params, strict=True)
                if arg < known and param < known
            ):
                errors.append(f"block {index}: the edge to {target.block} has arguments of other types")
        errors += [f"block {index}: there is no v{value}" for value in used if not 0 <= value < known]
    return errors


def _inst(func: Function, inst: Inst) -> list[str]:
    args = [func.types[arg] for arg in inst.args]
    results = [func.types[result] for result in inst.results]
    if isinstance(inst.op, IrOp):
        return _ir_op(inst, args, results)
    row: Op = inst.op
    if row.params is None or row.results is None or (row.pure is None and not row.name.endswith(".const")):
        return ["is no pure row"]
    for actual, wanted, what in ((args, row.params, "operands"), (results, row.results, "results")):
        if actual != [machine_type(type_) for type_ in wanted]:
            return [f"{what} are {actual}, the row says {list(wanted)}"]
    return []


def _ir_op(inst: Inst, args: list[NumType], results: list[NumType]) -> list[str]:
    arity = _ARITY.get(inst.op.name)
    if arity is not None and (len(args), len(results)) != arity:
        return [f"{len(args)} operands and {len(results)} results, not {arity[0]} and {arity[1]}"]
    match inst.op.name:
        case "select" if args[0] is not args[1] or results != args[:1] or args[2] is not I32:
            return [f"operands are {args} for {results}"]
        case "trap_if" if args != [I32]:
            return ["the condition is no i32"]
        case "load" | "store":
            row: Op = inst.imm[0]
            access = row.access
            value = row.results if inst.op.name == "load" else (row.params or ())[1:]
            actual = results if inst.op.name == "load" else args[1:]
            if not isinstance(access, Access) or actual != [machine_type(type_) for type_ in value or ()]:
                return [f"{row.name} does not take {args} and give {results}"]
    return []


def _terminator(func: Function, index: int) -> list[str]:
    terminator = func.blocks[index].terminator
    match terminator:
        case Branch(condition=value) | BranchTable(index=value):
            return [] if func.types[value] is I32 else ["the condition is no i32"]
        case Return(values):
            actual = tuple(func.types[value] for value in values)
            return [] if actual == func.results else [f"returns {actual}, the function {func.results}"]
        case TailCall(call):
            return ["a tail call has no results here"] if call.results else []
        case TryCall(call, _, handlers):
            if call.op.name not in ("call", "call_indirect", "call_ref", "helper"):
                return [f"{call.op.name} cannot be protected"]
            return [f"landing block {block} takes arguments" for _, block in handlers if func.blocks[block].params]
        case _:
            return []


def _definitions(func: Function, tree: Dominators) -> list[str]:
    place: dict[ValueId, tuple[int, int]] = {}
    errors: list[str] = []

    def put(values: tuple[ValueId, ...], block: int, position: int) -> None:
        for value in values:
            if value in place:
                errors.append(f"block {block}: v{value} is defined twice")
            place[value] = (block, position)

    for index, block in enumerate(func.blocks):
        put(block.params, index, -1)
        for position, inst in enumerate(block.insts):
            put(inst.results, index, position)
        if isinstance(block.terminator, TryCall):
            # Results live on the normal edge only, so its block must have no other way in.
            put(block.terminator.call.results, block.terminator.normal.block, -1)
            if block.terminator.call.results and len(tree.predecessors[block.terminator.normal.block]) != 1:
                errors.append(f"block {index}: the normal edge of a protected call joins others")

    def check(values: tuple[ValueId, ...], block: int, position: int) -> None:
        for value in values:
            definition = place.get(value)
            if definition is None:
                errors.append(f"block {block}: v{value} is used and never defined")
            elif definition[0] == block:
                if definition[1] >= position:
                    errors.append(f"block {block}: v{value} is used before its definition")
            elif not tree.dominates(definition[0], block):
                errors.append(f"block {block}: v{value} is not dominated by its definition in block {definition[0]}")

    for index in tree.order:
        block = func.blocks[index]
        for position, inst in enumerate(block.insts):
            check(inst.args, index, position)
        end = len(block.insts)
        terminator = block.terminator
        own: tuple[ValueId, ...] = ()
        match terminator:
            case Branch(condition=value) | BranchTable(index=value):
                check((value,), index, end)
            case Return(values):
                check(values, index, end)
            case TailCall(call):
                check(call.args, index, end)
            case TryCall(call=call):
                check(call.args, index, end)
                own = call.results
        for target in targets(terminator):
            check(tuple(arg for arg in target.args if arg not in own), index, end)
    return errors
