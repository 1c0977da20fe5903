"""First tier: executes prepared code. One call of ``run`` per frame; nothing here is sized by Python's own stack.

Calls between functions are calls of Python functions, which live on the heap (CPython 3.11 and later), and
``oracles.interpreter.budget.Budget.depth`` bounds them: ``python_depth`` is what the recursion limit must allow. That
holds as long as no frame is entered through C: arguments travel in a list, not through ``*``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from oracles.interpreter.prepare import (
    BLOCK,
    BR,
    BR_IF,
    BR_ON_CAST,
    BR_ON_CAST_FAIL,
    BR_ON_NON_NULL,
    BR_ON_NULL,
    BR_TABLE,
    CALL,
    CALL_INDIRECT,
    CALL_REF,
    CONST,
    DROP,
    ELSE,
    END,
    END_TRY,
    FINISH,
    GET,
    GLOBAL_GET,
    GLOBAL_SET,
    HEAD,
    HOOK,
    IF,
    LOAD,
    OP1,
    OP2,
    OPERATOR,
    RETURN,
    SELECT,
    SET,
    STORE,
    TAIL_CALL,
    TAIL_INDIRECT,
    TAIL_REF,
    TEE,
    THROW,
    THROW_REF,
    TRY,
    UNREACHABLE,
    Branch,
    Clause,
    Label,
    branch,
    prepare,
)  # fmt: skip
from oracles.interpreter.store import Func, Loop
from oracles.interpreter.table import Table
from oracles.interpreter.transpile import compile_function, compile_loop
from oracles.interpreter.values import Exn, Ref, Thrown
from oracles.stops import Exhaustion
from wasm.canonical import Types, canonical_subtype
from wasm.traps import Trap, TrapKind

HOT_CALLS: Final = 60
HOT_ARRIVALS: Final = 60
"""Entries of a function and arrivals at a loop's head after which it is compiled: about where that pays for itself."""


class Handler(NamedTuple):
    """A try_table that is open: as long as there are ``level`` heights, its own being the last of them."""

    level: int
    clauses: tuple[Clause, ...]


def python_depth(depth: int) -> int:
    """Python frames that ``depth`` frames may need: ``run``, and the second tier's way into it."""
    return 3 * depth + 1000


def run(func: Func, args: list[Any], depth: int) -> list[Any]:
    """Call a function; ``args`` becomes its locals.

    Raises Trap, Thrown, Exhaustion, MemoryExhaustion and NotExecutable.
    """
    while True:  # once per tail call
        if func.native is not None:
            return func.native(args, depth)
        code = func.code or prepare(func)
        meter = func.meter
        if depth > meter.deepest:
            if depth > meter.depth:
                raise Exhaustion("stack")
            meter.deepest = depth
        meter.fuel -= func.cost
        if meter.fuel < 0:
            raise Exhaustion("fuel")
        func.calls += 1
        if func.calls == HOT_CALLS and compile_function(func, run, resolve):
            meter.fuel += func.cost  # the compiled entry pays itself
            continue
        locals_ = args  # the list is the caller's to give away, so it is not copied
        locals_ += func.zeros
        # ``heights`` has, for the function's body and each open block in it, how many values of the stack are below:
        # what a branch has to cut the stack down to. ``handlers`` are the open try_tables, outermost first.
        stack: list[Any] = []
        heights = [0]
        handlers: list[Handler] = []
        pc = 0
        while True:
            try:
                while True:
                    ins = code[pc]
                    pc += 1
                    kind = ins[0]
                    if kind == GET:
                        _, local = ins
                        stack.append(locals_[local])
                        continue
                    if kind == CONST:
                        _, value = ins
                        stack.append(value)
                        continue
                    if kind == OP2:
                        _, function = ins
                        right = stack.pop()
                        stack[-1] = function(stack[-1], right)
                        continue
                    if kind == SET:
                        _, local = ins
                        locals_[local] = stack.pop()
                        continue
                    if kind == OP1:
                        _, function = ins
                        stack[-1] = function(stack[-1])
                        continue
                    if kind == TEE:
                        _, local = ins
                        locals_[local] = stack[-1]
                        continue
                    if kind == LOAD:
                        _, memory, offset, unpack, slow, size = ins
                        at = stack[-1] + offset
                        stack[-1] = unpack(memory.dense, at)[0] if at <= memory.limit else slow(at, size)
                        continue
                    if kind == STORE:
                        _, memory, offset, pack, largest, size = ins
                        value = stack.pop()
                        at = stack.pop() + offset
                        if at <= memory.limit and value <= largest:
                            pack(memory.dense, at, value)
                        else:
                            memory.store(at, value, size)
                        continue
                    if kind == BR_IF:
                        if not stack.pop():
                            continue
                    elif kind == CALL:
                        _, callee, params = ins
                        if params:
                            args = stack[-params:]
                            del stack[-params:]
                        else:
                            args = []
                        stack += run(callee, args, depth + callee.weight)
                        continue
                    elif kind == END:
                        heights.pop()
                        continue
                    elif kind == IF:
                        _, params, label = ins
                        taken = stack.pop()
                        heights.append(len(stack) - params)
                        if not taken:
                            pc = label.otherwise
                        continue
                    elif kind == BLOCK:
                        _, params = ins
                        heights.append(len(stack) - params)
                        continue
                    elif kind == HEAD:
                        _, loop, label = ins
                        meter.fuel -= loop.cost
                        if meter.fuel < 0:
                            raise Exhaustion("fuel")
                        loop.arrivals += 1
                        if loop.arrivals >= HOT_ARRIVALS and not loop.cold and not handlers:
                            native = loop.native or compile_loop(func, loop, label, run, resolve)
                            if native is not None:
                                pc = _leave(label, loop, native(depth, locals_, stack), stack, heights)
                        continue
                    elif kind == DROP:
                        stack.pop()
                        continue
                    elif kind == GLOBAL_GET:
                        _, global_ = ins
                        stack.append(global_.value)
                        continue
                    elif kind == GLOBAL_SET:
                        _, global_ = ins
                        global_.value = stack.pop()
                        continue
                    elif kind == OPERATOR:
                        _, function, takes, gives = ins
                        if takes:
                            operands = stack[-takes:]
                            del stack[-takes:]
                            result = function(*operands)
                        else:
                            result = function()
                        if gives == 1:
                            stack.append(result)
                        elif gives:
                            stack += result
                        continue
                    elif kind == SELECT:
                        condition = stack.pop()
                        right = stack.pop()
                        if not condition:
                            stack[-1] = right
                        continue
                    elif kind == ELSE:
                        _, label = ins
                        heights.pop()
                        pc = label.pc
                        continue
                    elif kind == FINISH:
                        return stack
                    elif kind == RETURN:
                        _, results = ins
                        return stack[-results:] if results else []
                    elif kind == HOOK:
                        _, hook = ins
                        hook(stack, locals_)
                        continue
                    elif kind == CALL_INDIRECT:
                        _, table, types, type_index, params = ins
                        callee = resolve(table, stack.pop(), types, type_index)
                        args = stack[-params:] if params else []
                        del stack[len(stack) - params :]
                        stack += run(callee, args, depth + callee.weight)
                        continue
                    elif kind == CALL_REF:
                        _, params = ins
                        callee = _function(stack.pop())
                        args = stack[-params:] if params else []
                        del stack[len(stack) - params :]
                        stack += run(callee, args, depth + callee.weight)
                        continue
                    elif kind == BR_TABLE:
                        _, targets, last = ins
                        index = stack.pop()
                        ins = targets[index if index < last else last]
                    elif kind == BR_ON_NULL:
                        if stack[-1] is not None:
                            continue
                        stack.pop()
                    elif kind == BR_ON_NON_NULL:
                        if stack[-1] is None:
                            stack.pop()
                            continue
                    elif kind == BR_ON_CAST:
                        _, _, _, _, _, test = ins
                        if not test(stack[-1]):
                            continue
                    elif kind == BR_ON_CAST_FAIL:
                        _, _, _, _, _, test = ins
                        if test(stack[-1]):
                            continue
                    elif kind == TRY:
                        _, params, clauses = ins
                        heights.append(len(stack) - params)
                        handlers.append(Handler(len(heights), clauses))
                        continue
                    elif kind == END_TRY:
                        heights.pop()
                        handlers.pop()
                        continue
                    elif kind == THROW:
                        _, tag, params = ins
                        raise Thrown(Exn(tag, stack[len(stack) - params :]))
                    elif kind == THROW_REF:
                        exn = stack.pop()
                        if exn is None:
                            raise Trap(TrapKind.NULL_REFERENCE)
                        raise Thrown(exn)
                    elif kind == UNREACHABLE:
                        raise Trap(TrapKind.UNREACHABLE)
                    elif kind != BR:
                        callee, params = _tail_callee(ins, stack)
                        args = stack[len(stack) - params :]
                        break
                    # Every kind that gets here branches, and ins has a branch's layout.
                    _, up, drop, arity, label, _ = ins
                    base = heights[-up]
                    if len(stack) > base + arity:
                        del stack[base : len(stack) - arity]
                    if drop:
                        del heights[-drop:]
                    while handlers and handlers[-1].level > len(heights):
                        handlers.pop()
                    pc = label.pc
            except Thrown as thrown:
                # Back into the loop, in this frame: a handler is where execution goes on, not a frame of its own.
                pc = _catch(thrown.exn, stack, heights, handlers)
                if pc < 0:
                    raise
                continue
            break
        depth += callee.weight - func.weight
        func = callee


def _tail_callee(ins: tuple[Any, ...], stack: list[Any]) -> tuple[Func, int]:
    """The function that a tail call goes to, and its number of arguments; the callee's operand is popped."""
    kind = ins[0]
    if kind == TAIL_CALL:
        _, callee, params = ins
        return callee, params
    if kind == TAIL_INDIRECT:
        _, table, types, type_index, params = ins
        return resolve(table, stack.pop(), types, type_index), params
    assert kind == TAIL_REF
    _, params = ins
    return _function(stack.pop()), params


def _function(ref: Ref) -> Func:
    if ref is None:
        raise Trap(TrapKind.NULL_REFERENCE)
    assert isinstance(ref, Func)
    return ref


def resolve(table: Table, index: int, types: Types, type_index: int) -> Func:
    """The function that call_indirect calls (spec 4.6.10.3). Raises ``Trap``."""
    if index >= table.size:
        raise Trap(TrapKind.UNDEFINED_ELEMENT)
    func = table.get(index)
    if func is None:
        raise Trap(TrapKind.UNINITIALIZED_ELEMENT)
    assert isinstance(func, Func)
    same = func.types is types and func.type_index == type_index
    if not same and not canonical_subtype(func.type_id, types.canonical_id(type_index)):
        raise Trap(TrapKind.INDIRECT_TYPE_MISMATCH)
    return func


def _catch(exn: Exn, stack: list[Any], heights: list[int], handlers: list[Handler]) -> int:
    """Where the innermost clause that catches an exception goes on, with its values on the stack; -1 if none does."""
    while handlers:
        level, clauses = handlers.pop()
        del heights[level - 1 :]
        for tag, with_ref, target in clauses:
            if tag is None or tag is exn.tag:
                values = list(exn.values) if tag is not None else []
                if with_ref:
                    values.append(exn)
                return _land(target, values, stack, heights, handlers)
    return -1


def _land(target: Branch, values: list[Any], stack: list[Any], heights: list[int], handlers: list[Handler]) -> int:
    """Branch with given values instead of those on the stack."""
    _, up, drop, _, label, _ = target
    del stack[heights[-up] :]
    stack += values
    if drop:
        del heights[-drop:]
    while handlers and handlers[-1].level > len(heights):
        handlers.pop()
    return label.pc


def _leave(
    label: Label, loop: Loop, left: tuple[int, list[Any]], stack: list[Any], heights: list[int]
) -> int:  # fmt: skip
    """Go on in the first tier where a compiled loop ended: past its end, or at the outer label that it branched to."""
    depth, values = left
    if depth == 0:
        del stack[heights.pop() :]
        stack += values
        return loop.end
    target = label
    for _ in range(depth):
        assert target.outer is not None
        target = target.outer
    return _land(branch(BR, target, depth), values, stack, heights, [])


__all__ = ["python_depth", "resolve", "run"]
