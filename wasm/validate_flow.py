"""Validating instructions whose type depends on operands, labels or locals (spec 3.4 and appendix A.3)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, TypeAlias

from wasm.canonical import BOT, BOT_REF
from wasm.errors import Invalid
from wasm.isa import OPS, Catch, Op
from wasm.limits import BR_TABLE_TARGETS, CATCHES
from wasm.validate_stack import Checker, FrameKind
from wasm.valtypes import EXNREF, I32, FuncType, RefType, ValType, ref

Handler: TypeAlias = Callable[[Checker, Any], None]
FLOW: Final[dict[Op, Handler]] = {}
"""The handlers by row: they check an instruction and change the state through the methods of ``Checker`` only, which
``wasm.rewrite.lift`` listens to. They raise ``Invalid``."""


def _handler(name: str) -> Callable[[Handler], Handler]:
    def add(handler: Handler) -> Handler:
        FLOW[OPS[name]] = handler
        return handler

    return add


@_handler("unreachable")
def _unreachable(checker: Checker, _: None) -> None:
    checker.cut()


def _block(kind: FrameKind, checker: Checker, block_type: ValType | int | None) -> None:
    plan = checker.block_plan(block_type)
    if plan[0]:
        checker.pop_all(plan[0])
    checker.enter(kind, plan)


FLOW[OPS["block"]] = partial(_block, FrameKind.BLOCK)
FLOW[OPS["loop"]] = partial(_block, FrameKind.LOOP)
FLOW[OPS["try"]] = partial(_block, FrameKind.TRY)


@_handler("if")
def _if(checker: Checker, block_type: ValType | int | None) -> None:
    checker.pop(I32)
    _block(FrameKind.IF, checker, block_type)


@_handler("else")
def _else(checker: Checker, _: None) -> None:
    if checker.frame.kind is not FrameKind.IF:
        raise Invalid("else found outside of an if")
    frame = checker.check_end()
    checker.restart(FrameKind.ELSE, frame.params)


@_handler("end")
def _end(checker: Checker, _: None) -> None:
    frame = checker.check_end()
    if frame.kind is FrameKind.IF:  # the missing else passes its operands on
        if len(frame.params) != len(frame.results):
            raise Invalid("type mismatch: an if without else must give what it takes")
        checker.match(frame.params, frame.results)
    checker.leave()


@_handler("br")
def _br(checker: Checker, depth: int) -> None:
    checker.check_top(checker.branch(depth))
    checker.cut()


@_handler("br_if")
def _br_if(checker: Checker, depth: int) -> None:
    checker.pop(I32)
    labels = checker.branch(depth)
    if labels:
        checker.replace(labels)


@_handler("br_table")
def _br_table(checker: Checker, imm: tuple[tuple[int, ...], int]) -> None:
    depths, default = imm
    if len(depths) > BR_TABLE_TARGETS:
        message = f"br_table has {len(depths)} targets, more than the limit of {BR_TABLE_TARGETS}"
        raise Invalid(message, limit=True)
    checker.pop(I32)
    labels = checker.branch(default)
    checker.check_top(labels)
    seen = {id(labels)}
    for depth in set(depths):
        other = checker.branch(depth)
        if id(other) not in seen:
            if len(other) != len(labels):
                raise Invalid("type mismatch: the targets of br_table differ in arity")
            checker.check_top(other)
            seen.add(id(other))
    checker.cut()


@_handler("return")
def _return(checker: Checker, _: None) -> None:
    checker.check_top(checker.branch(len(checker.frames) - 1))
    checker.cut()


def _tail_call(checker: Checker, type_: FuncType) -> None:
    results = checker.frames[0].results
    if len(results) != len(type_.results):
        raise Invalid("type mismatch: the callee's results are not the function's")
    if list(type_.results) != results:
        checker.match(type_.results, results)
    checker.check_top(list(type_.params))
    checker.cut()


@_handler("return_call")
def _return_call(checker: Checker, func: int) -> None:
    _tail_call(checker, checker.context.func_type(func))


@_handler("return_call_indirect")
def _return_call_indirect(checker: Checker, imm: tuple[int, int]) -> None:
    checker.pop(checker.context.callable_table(imm[1]).index_type)
    _tail_call(checker, checker.context.func_type_at(imm[0]))


@_handler("return_call_ref")
def _return_call_ref(checker: Checker, type_index: int) -> None:
    callee = checker.context.func_type_at(type_index)
    checker.pop(ref(type_index))
    _tail_call(checker, callee)


@_handler("drop")
def _drop(checker: Checker, _: None) -> None:
    checker.pop_any()


@_handler("select")
def _select(checker: Checker, _: None) -> None:
    checker.pop(I32)
    a, b = checker.pop_pair()
    for type_ in (a, b):
        if type_ is not BOT and isinstance(type_, RefType):
            raise Invalid("type mismatch: select without a type takes numbers and vectors only")
    if a is not b and a is not BOT and b is not BOT:
        raise Invalid(f"type mismatch: select of {a} and {b}")
    checker.push(b if a is BOT else a)


def local_type(checker: Checker, index: int) -> ValType:
    """The type of a local. Raises ``Invalid`` if there is none."""
    if index >= len(checker.local_types):
        raise Invalid(f"unknown local {index}")
    return checker.local_types[index]


@_handler("local.get")
def _local_get(checker: Checker, index: int) -> None:
    type_ = local_type(checker, index)
    if checker.locals[index] is None:
        raise Invalid(f"uninitialized local {index}")
    checker.push(type_)


@_handler("local.set")
def _local_set(checker: Checker, index: int) -> None:
    checker.pop(local_type(checker, index))
    if checker.locals[index] is None:
        checker.set_local(index)


@_handler("local.tee")
def _local_tee(checker: Checker, index: int) -> None:
    _local_set(checker, index)
    checker.push(checker.local_types[index])


# References


def _non_null(type_: RefType) -> RefType:
    return type_ if type_ is BOT_REF else ref(type_.heap, False)


@_handler("ref.is_null")
def _is_null(checker: Checker, _: None) -> None:
    checker.pop_ref()
    checker.push(I32)


@_handler("ref.as_non_null")
def _as_non_null(checker: Checker, _: None) -> None:
    checker.push(_non_null(checker.pop_ref()))


@_handler("br_on_null")
def _br_on_null(checker: Checker, depth: int) -> None:
    type_ = checker.pop_ref()
    checker.replace(checker.branch(depth))
    checker.push(_non_null(type_))


def _branch_with(checker: Checker, depth: int, type_: RefType) -> None:
    """Check a branch that carries ``type_`` on top of the operands below it, which stay."""
    labels = checker.branch(depth)
    if not labels or not checker.types.is_subtype(type_, labels[-1]):
        raise Invalid(f"type mismatch: the label takes no {type_} on top")
    checker.replace(labels[:-1])


@_handler("br_on_non_null")
def _br_on_non_null(checker: Checker, depth: int) -> None:
    _branch_with(checker, depth, _non_null(checker.pop_ref()))


def _pop_cast(checker: Checker, source: RefType, target: RefType) -> RefType:
    """Check a cast's types, pop its operand, and say what it is if the cast fails (spec 3.4.7, type difference)."""
    checker.context.check_type(source)
    checker.context.check_type(target)
    if not checker.types.is_subtype(target, source):
        raise Invalid(f"type mismatch: {target} does not match {source}")
    checker.pop(source)
    return ref(source.heap, False) if target.nullable else source


@_handler("br_on_cast")
def _br_on_cast(checker: Checker, imm: tuple[int, RefType, RefType]) -> None:
    depth, source, target = imm
    failed = _pop_cast(checker, source, target)
    _branch_with(checker, depth, target)
    checker.push(failed)


@_handler("br_on_cast_fail")
def _br_on_cast_fail(checker: Checker, imm: tuple[int, RefType, RefType]) -> None:
    depth, source, target = imm
    _branch_with(checker, depth, _pop_cast(checker, source, target))
    checker.push(target)


def _convert(source: str, target: str, checker: Checker, _: None) -> None:
    checker.push(ref(target, checker.pop_ref(ref(source)).nullable))


FLOW[OPS["any.convert_extern"]] = partial(_convert, "extern", "any")
FLOW[OPS["extern.convert_any"]] = partial(_convert, "any", "extern")


# Exceptions


@_handler("throw")
def _throw(checker: Checker, tag: int) -> None:
    checker.check_top(list(checker.context.tag_params(tag)))
    checker.cut()


@_handler("throw_ref")
def _throw_ref(checker: Checker, _: None) -> None:
    checker.pop(EXNREF)
    checker.cut()


@_handler("try_table")
def _try_table(checker: Checker, imm: tuple[ValType | int | None, tuple[Catch, ...]]) -> None:
    block_type, catches = imm
    if len(catches) > CATCHES:
        raise Invalid(f"try_table has {len(catches)} clauses, more than the limit of {CATCHES}", limit=True)
    for kind, tag, depth in catches:
        carried = [] if tag is None else list(checker.context.tag_params(tag))
        if kind.endswith("_ref"):
            carried.append(ref("exn", False))
        labels = checker.label(depth).labels
        if carried != labels:
            if len(carried) != len(labels):
                raise Invalid("type mismatch: a catch clause and its label differ in arity")
            checker.match(carried, labels)
    _block(FrameKind.BLOCK, checker, block_type)


@_handler("catch")
def _catch(checker: Checker, tag: int) -> None:
    if checker.frame.kind not in (FrameKind.TRY, FrameKind.CATCH):
        raise Invalid("catch found outside of a try")
    checker.check_end()
    checker.restart(FrameKind.CATCH, checker.context.tag_params(tag))


@_handler("catch_all")
def _catch_all(checker: Checker, _: None) -> None:
    if checker.frame.kind not in (FrameKind.TRY, FrameKind.CATCH):
        raise Invalid("catch_all found outside of a try")
    checker.check_end()
    checker.restart(FrameKind.CATCH_ALL, ())


@_handler("rethrow")
def _rethrow(checker: Checker, depth: int) -> None:
    if checker.label(depth).kind not in (FrameKind.CATCH, FrameKind.CATCH_ALL):
        raise Invalid("invalid rethrow label")
    checker.cut()


@_handler("delegate")
def _delegate(checker: Checker, depth: int) -> None:
    if checker.frame.kind is not FrameKind.TRY:
        raise Invalid("delegate found outside of a try")
    checker.check_end()
    checker.leave()
    checker.label(depth)
