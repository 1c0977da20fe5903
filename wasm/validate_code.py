"""Validating function bodies and constant expressions: one loop, in which the commonest instructions stand in line.

It runs on every instruction of every case, so that what is known of a row is worked out once (``_PLANS``), and an
operand that has exactly the type wanted is recognised by identity; everything else goes to ``wasm.validate_flow``.
"""

from __future__ import annotations

from functools import partial
from operator import length_hint
from typing import Any, Final, TypeAlias

from wasm.context import ModuleContext, Signature
from wasm.errors import Invalid
from wasm.isa import OPS, Imm, Op
from wasm.limits import LOCALS
from wasm.module import Expr, Func
from wasm.signatures import CHECKED, PLAIN, RULES, plain_signature
from wasm.signatures_gc import defaultable
from wasm.validate_flow import FLOW
from wasm.validate_stack import MAX_OPERANDS, Checker
from wasm.valtypes import I32, ValType, ref

_GET, _SET, _PUSH, _BINARY, _CALL, _LOAD, _STORE, _UNARY, _PLAIN, _RULE, _FLOW = range(11)
_Plan: TypeAlias = tuple[int, Any, Any]


def _make_plan(op: Op) -> _Plan:
    """How the loop treats a row: a number for the branch that does it, and what that needs to know."""
    if op.name == "local.get":
        return _GET, None, None
    if op.name == "local.set":
        return _SET, None, None
    if op.name == "call":
        return _CALL, None, None
    if op in FLOW:
        return _FLOW, FLOW[op], None
    if op in RULES:
        return _RULE, RULES[op], None
    params, results = PLAIN[I32][op]
    if op.access is not None and op.imms == (Imm.MEMARG,) and op.prefix != 0xFE:
        natural = op.access.bytes.bit_length() - 1
        return (_LOAD, results[0], natural) if results else (_STORE, params[1], natural)
    if CHECKED.intersection(op.imms):
        return _RULE, partial(_plain_rule, op), None
    if not params and len(results) == 1:
        return _PUSH, results[0], None
    if len(results) == 1 and params == (params[0],):
        return _UNARY, params[0], results[0]
    if len(results) == 1 and params == (params[0],) * 2:
        return _BINARY, params[0], results[0]
    return _PLAIN, list(params), list(results)


def _plain_rule(op: Op, context: ModuleContext, imm: Any) -> Signature:
    return plain_signature(op, imm, context)


_PLANS: Final[dict[Op, _Plan]] = {row: _make_plan(row) for row in OPS.values()}


class BodyValidator:
    """Validates bodies and constant expressions of one module, whose types and index spaces have been checked."""

    __slots__ = ("_checker", "_context", "at")

    def __init__(self, context: ModuleContext) -> None:
        self._context = context
        self._checker = Checker(context)
        self.at = 0
        """The index of the instruction that failed last."""

    def func(self, func: Func) -> None:
        """Validate a function (spec 3.5.5). Raises ``Invalid`` and leaves in ``at`` where."""
        self.at = 0
        type_ = self._context.func_type_at(func.type_index)
        total = len(type_.params) + sum(count for count, _ in func.locals)
        if total > LOCALS:
            raise Invalid(f"too many locals: {total}, more than the limit of {LOCALS}", limit=True)
        local_types = list(type_.params)
        locals_: list[ValType | None] | None = None
        for count, local in func.locals:
            self._context.check_type(local)
            if locals_ is None and not defaultable(local):
                locals_ = [*local_types]
            local_types += [local] * count
            if locals_ is not None:
                locals_ += [local if defaultable(local) else None] * count
        self._checker.start(list(type_.results), local_types, locals_)
        self._run(func.body)

    def constant(self, expr: Expr, want: ValType, known_globals: int) -> None:
        """Validate a constant expression (spec 3.4.13) that sees the first ``known_globals`` globals."""
        self.at = 0
        if len(expr) == 1:
            op, imm = expr[0]
            if op is _REF_FUNC and imm < len(self._context.funcs):
                if self._context.types.is_subtype(ref(self._context.funcs[imm], False), want):
                    return
            elif op.const and op.params == () and op.results == (want,):
                return
        for op, imm in expr:
            if not op.const:
                raise Invalid(f"constant expression required: {op.mnemonic} is not constant")
            if op is _GLOBAL_GET:
                if imm >= known_globals:
                    raise Invalid(f"unknown global {imm}")
                if self._context.globals[imm].mutable:
                    raise Invalid(f"constant expression required: global {imm} is mutable")
        self._checker.start([want], [], None)
        self._run([*expr, _END])

    def _run(self, body: list[Any]) -> None:
        self._checker.rest = rest = iter(body)
        try:
            _check(self._checker, self._context)
            self.at = len(body)
            if self._checker.frames:
                raise Invalid("the function's end is missing")
        except Invalid:
            self.at = len(body) - length_hint(rest) - 1
            raise


_REF_FUNC: Final = OPS["ref.func"]
_GLOBAL_GET: Final = OPS["global.get"]
_END: Final = OPS["end"].bare


def _check(checker: Checker, context: ModuleContext) -> None:
    """Check the instructions in ``checker.rest``.

    Each branch compares identities first; whatever is not quite as expected is left to the checker's methods, which
    either accept it (subtypes, unreachable code) or raise ``Invalid``.
    """
    plans, calls = _PLANS, checker.calls
    stack, local_types, locals_ = checker.stack, checker.local_types, checker.locals
    address, in_range = None, 0
    if context.memories:
        address = context.memories[0].index_type
        in_range = 1 << address.bits
    for op, imm in checker.rest:
        kind, a, b = plans[op]
        if kind == _GET:
            try:
                type_ = locals_[imm]
            except IndexError:
                raise Invalid(f"unknown local {imm}") from None
            if type_ is None:
                raise Invalid(f"uninitialized local {imm}")
            stack.append(type_)
        elif kind == _SET:
            try:
                type_ = local_types[imm]
            except IndexError:
                raise Invalid(f"unknown local {imm}") from None
            if stack[-1] is type_:
                del stack[-1]
            else:
                checker.pop(type_)
            if locals_[imm] is None:
                checker.set_local(imm)
        elif kind == _PUSH:
            stack.append(a)
        elif kind == _BINARY:
            if stack[-1] is a and stack[-2] is a:
                del stack[-1]
                stack[-1] = b
            else:
                checker.pop(a)
                checker.pop(a)
                stack.append(b)
        elif kind == _CALL:
            plan = calls.get(imm)
            count, params, results = plan if plan is not None else checker.call_plan(imm)
            if count:
                if stack[-count:] == params:
                    del stack[-count:]
                else:
                    checker.pop_all(params)
            stack += results
            if len(stack) > MAX_OPERANDS:
                raise Invalid(f"more than {MAX_OPERANDS} operands are on the stack", limit=True)
        elif kind <= _STORE:
            align, offset, memory = imm
            type_ = address
            if memory or align > b or offset >= in_range or type_ is None:
                type_ = plain_signature(op, imm, context)[0][0]
            if kind == _LOAD:
                if stack[-1] is not type_:
                    checker.pop(type_)
                    stack.append(a)
                else:
                    stack[-1] = a
            elif stack[-1] is a and stack[-2] is type_:
                del stack[-2:]
            else:
                checker.pop(a)
                checker.pop(type_)
        elif kind == _UNARY:
            if stack[-1] is a:
                stack[-1] = b
            else:
                checker.pop(a)
                stack.append(b)
        elif kind == _FLOW:
            a(checker, imm)
            stack = checker.stack
        else:
            params, results = (a, b) if kind == _PLAIN else a(context, imm)
            if params:
                checker.pop_all(list(params))
            stack += results
            if len(stack) > MAX_OPERANDS:
                raise Invalid(f"more than {MAX_OPERANDS} operands are on the stack", limit=True)
