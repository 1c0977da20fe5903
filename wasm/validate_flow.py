"""Validating instructions whose type depends on operands, labels or locals (spec 3.4 and appendix A.3).

Every open block has an operand stack of its own, a list whose first entry is None: running out of operands is then a
failed comparison instead of a check of its own, and the whole stack of a block compares with its result types at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from functools import partial
from operator import length_hint
from typing import Any, Final, TypeAlias, final

from wasm.canonical import BOT, BOT_REF
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.isa import OPS, Catch, Instr, Op
from wasm.limits import BR_TABLE_TARGETS, CATCHES
from wasm.valtypes import EXNREF, I32, FuncType, RefType, ValType, ref

Stack: TypeAlias = list[ValType | None]
BlockPlan: TypeAlias = tuple[list[ValType], list[ValType], Stack]
"""What a block takes, what it gives, and its whole stack at the end."""

CallPlan: TypeAlias = tuple[int, list[ValType], list[ValType]]
"""What a call takes (their number first, so that nobody counts again) and gives."""


class FrameKind(Enum):
    FUNC = "function"
    BLOCK = "block"
    LOOP = "loop"
    IF = "if"
    ELSE = "else"
    TRY = "try"
    CATCH = "catch"
    CATCH_ALL = "catch_all"


@final
class Frame:
    """An open block. ``labels`` is what a branch to it carries; ``inits`` the locals first set in it."""

    __slots__ = ("end", "inits", "kind", "labels", "params", "results", "stack", "unreachable")

    def __init__(self, kind: FrameKind, plan: BlockPlan) -> None:
        self.kind = kind
        self.params, self.results, self.end = plan
        self.labels = self.params if kind is FrameKind.LOOP else self.results
        self.stack: Stack = [None, *self.params]
        self.unreachable = False
        self.inits: list[int] | None = None


MAX_OPERANDS: Final = 8_000_000
"""Operands on the stacks of one function. A body within the size limit gets there only by thousands of wide calls that
nothing consumes; without a bound, two bytes of code would take eight kilobytes of memory each."""
_MEMO_FROM: Final = 32
_MEMO_SIZE: Final = 4_096


@final
class Checker:
    """The state of validating one function body after the other in one module.

    ``locals`` has None where a local is not set yet; where all have defaults it is the same list as ``local_types``.
    """

    __slots__ = (
        "_below", "_memo", "blocks", "calls", "context", "frame", "frames", "local_types", "locals", "rest", "stack",
        "types",
    )  # fmt: skip

    def __init__(self, context: ModuleContext) -> None:
        self.context, self.types = context, context.types
        self.blocks: dict[Any, BlockPlan] = {None: ([], [], [None])}
        self.calls: dict[int, CallPlan] = {}
        self._memo: set[tuple[tuple[ValType | None, ...], tuple[ValType, ...]]] = set()
        self.rest: Iterator[Instr] = iter(())
        self.local_types: list[ValType] = []
        self.locals: Sequence[ValType | None] = self.local_types
        self.frames: list[Frame] = []

    def start(self, results: list[ValType], local_types: list[ValType], locals_: list[ValType | None] | None) -> None:
        """Begin a body. ``locals_`` is None if all locals are set from the start."""
        self.local_types = local_types
        self.locals = local_types if locals_ is None else locals_
        self.frame = Frame(FrameKind.FUNC, ([], results, [None, *results]))
        self.frames = [self.frame]
        self.stack = self.frame.stack
        self._below = 0

    def call_plan(self, func: int) -> CallPlan:
        """The plan of ``call func``, made once for each function."""
        found = self.context.func_type(func)
        plan = self.calls[func] = (len(found.params), list(found.params), list(found.results))
        return plan

    def block_plan(self, block_type: ValType | int | None) -> BlockPlan:
        """The plan of a block type, made once for each."""
        plan = self.blocks.get(block_type)
        if plan is None:
            if isinstance(block_type, int):
                func = self.context.func_type_at(block_type)
                params, results = list(func.params), list(func.results)
            else:
                assert block_type is not None
                self.context.check_type(block_type)
                params, results = [], [block_type]
            plan = self.blocks[block_type] = (params, results, [None, *results])
        return plan

    # Operands

    def pop_any(self) -> ValType:
        """Pop one operand of any type; ``BOT`` from below an unreachable point."""
        found = self.stack[-1]
        if found is None:
            if self.frame.unreachable:
                return BOT
            raise Invalid("type mismatch: an operand is missing")
        del self.stack[-1]
        return found

    def pop(self, want: ValType) -> None:
        """Pop one operand that matches ``want``."""
        found = self.stack[-1]
        if found is None:
            if not self.frame.unreachable:
                raise Invalid(f"type mismatch: expected {want}, but nothing is on the stack")
        elif found is want or self.types.is_subtype(found, want):
            del self.stack[-1]
        else:
            raise _mismatch(want, found)

    def pop_ref(self) -> RefType:
        """Pop one operand of some reference type."""
        found = self.pop_any()
        if found is BOT:
            return BOT_REF
        if not isinstance(found, RefType):
            raise Invalid(f"type mismatch: expected a reference, found {found}")
        return found

    def check_top(self, want: list[ValType]) -> int:
        """Check that operands that match ``want`` are on top, and say how many of them are really there."""
        count = len(want)
        tail = self.stack[-count:] if count else []
        if tail == want:
            return count
        if count >= len(self.stack):
            if not self.frame.unreachable:
                raise Invalid(f"type mismatch: expected {count} operands, found {len(self.stack) - 1}")
            tail = self.stack[1:]
            want = want[count - len(tail) :]
        self.match(tail, want)
        return len(tail)

    def match(self, found: Sequence[ValType | None], want: Sequence[ValType]) -> None:
        """Check two lists of one length against each other, type by type."""
        if len(found) >= _MEMO_FROM:
            # Two bytes of code can ask for a thousand comparisons again and again; hashing is far quicker.
            key = (tuple(found), tuple(want))
            if key in self._memo:
                return
            self._match(found, want)
            if len(self._memo) >= _MEMO_SIZE:
                self._memo.clear()
            self._memo.add(key)
        else:
            self._match(found, want)

    def _match(self, found: Sequence[ValType | None], want: Sequence[ValType]) -> None:
        is_subtype = self.types.is_subtype
        for a, b in zip(found, want, strict=True):
            if a is not b and not (a is not None and is_subtype(a, b)):
                raise _mismatch(b, a)

    def pop_all(self, want: list[ValType]) -> None:
        """Pop operands that match ``want``, the last one on top."""
        count = self.check_top(want)
        if count:
            del self.stack[-count:]

    def replace(self, want: list[ValType]) -> None:
        """Give the operands on top the types ``want``, which they must match."""
        stack = self.stack
        count = len(want)
        if count and stack[-count:] != want:
            self.pop_all(want)
            stack += want

    def cut(self) -> None:
        """What follows cannot be reached: any operands will do (spec, stack-polymorphic)."""
        del self.stack[1:]
        self.frame.unreachable = True

    # Blocks

    def enter(self, kind: FrameKind, plan: BlockPlan) -> None:
        """Open a block whose parameters have been popped."""
        self._below += len(self.stack)
        if self._below > MAX_OPERANDS:
            raise Invalid(f"more than {MAX_OPERANDS} operands are on the stack")
        self.frame = frame = Frame(kind, plan)
        self.frames.append(frame)
        self.stack = frame.stack

    def check_end(self) -> Frame:
        """Check that the innermost block's stack holds exactly its results, and forget what it set."""
        frame, stack = self.frame, self.stack
        if stack != frame.end:
            surplus = len(stack) - len(frame.end)
            if surplus > 0:
                raise Invalid(
                    f"type mismatch: {surplus} values more than the {frame.kind.value} gives are on the stack"
                )
            self.check_top(frame.results)
        if frame.inits:
            for index in frame.inits:
                self.locals[index] = None  # type: ignore[index]
            frame.inits = None
        return frame

    def leave(self) -> None:
        """Close the innermost block after ``check_end``; its results are now its parent's operands."""
        frames = self.frames
        results = frames.pop().results
        if frames:
            self.frame = frame = frames[-1]
            self.stack = frame.stack
            self._below -= len(self.stack)
            self.stack += results
        else:
            self.stack = [None]
            if length_hint(self.rest):
                raise Invalid("unexpected instruction after the end of the function")

    def restart(self, kind: FrameKind, operands: Sequence[ValType]) -> None:
        """Go on with the next part of the innermost block: its else, or a handler."""
        frame = self.frame
        frame.kind, frame.unreachable = kind, False
        self.stack = frame.stack = [None, *operands]

    def label(self, depth: int) -> Frame:
        """The block that a branch depth names. Raises ``Invalid`` if it counts too far."""
        if depth >= len(self.frames):
            raise Invalid(f"unknown label {depth}")
        return self.frames[-1 - depth]

    def set_local(self, index: int) -> None:
        """Note that a local without default has been set, until the innermost block ends."""
        self.locals[index] = self.local_types[index]  # type: ignore[index]
        if self.frame.inits is None:
            self.frame.inits = []
        self.frame.inits.append(index)


def _mismatch(want: ValType, found: ValType | None) -> Invalid:
    return Invalid(f"type mismatch: expected {want}, found {found}")


Handler: TypeAlias = Callable[[Checker, Any], None]
FLOW: Final[dict[Op, Handler]] = {}
"""The handlers by row: they check an instruction and change the state. They raise ``Invalid``."""


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
    checker.check_top(checker.label(depth).labels)
    checker.cut()


@_handler("br_if")
def _br_if(checker: Checker, depth: int) -> None:
    checker.pop(I32)
    labels = checker.label(depth).labels
    if labels:
        checker.replace(labels)


@_handler("br_table")
def _br_table(checker: Checker, imm: tuple[tuple[int, ...], int]) -> None:
    depths, default = imm
    if len(depths) > BR_TABLE_TARGETS:
        raise Invalid(f"br_table has {len(depths)} targets, more than the limit of {BR_TABLE_TARGETS}")
    checker.pop(I32)
    labels = checker.label(default).labels
    checker.check_top(labels)
    seen = {id(labels)}
    for depth in set(depths):
        other = checker.label(depth).labels
        if id(other) not in seen:
            if len(other) != len(labels):
                raise Invalid("type mismatch: the targets of br_table differ in arity")
            checker.check_top(other)
            seen.add(id(other))
    checker.cut()


@_handler("return")
def _return(checker: Checker, _: None) -> None:
    checker.check_top(checker.frames[0].results)
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
    found = checker.context.func_type_at(type_index)
    checker.pop(ref(type_index))
    _tail_call(checker, found)


@_handler("drop")
def _drop(checker: Checker, _: None) -> None:
    checker.pop_any()


@_handler("select")
def _select(checker: Checker, _: None) -> None:
    checker.pop(I32)
    b, a = checker.pop_any(), checker.pop_any()
    for type_ in (a, b):
        if type_ is not BOT and isinstance(type_, RefType):
            raise Invalid("type mismatch: select without a type takes numbers and vectors only")
    if a is not b and a is not BOT and b is not BOT:
        raise Invalid(f"type mismatch: select of {a} and {b}")
    checker.stack.append(b if a is BOT else a)


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
    checker.stack.append(type_)


@_handler("local.set")
def _local_set(checker: Checker, index: int) -> None:
    checker.pop(local_type(checker, index))
    if checker.locals[index] is None:
        checker.set_local(index)


@_handler("local.tee")
def _local_tee(checker: Checker, index: int) -> None:
    _local_set(checker, index)
    checker.stack.append(checker.local_types[index])


# References


def _non_null(type_: RefType) -> RefType:
    return type_ if type_ is BOT_REF else ref(type_.heap, False)


@_handler("ref.is_null")
def _is_null(checker: Checker, _: None) -> None:
    checker.pop_ref()
    checker.stack.append(I32)


@_handler("ref.as_non_null")
def _as_non_null(checker: Checker, _: None) -> None:
    checker.stack.append(_non_null(checker.pop_ref()))


@_handler("br_on_null")
def _br_on_null(checker: Checker, depth: int) -> None:
    type_ = checker.pop_ref()
    checker.replace(checker.label(depth).labels)
    checker.stack.append(_non_null(type_))


def _branch_with(checker: Checker, depth: int, type_: RefType) -> None:
    """Check a branch that carries ``type_`` on top of the operands below it, which stay."""
    labels = checker.label(depth).labels
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
    checker.stack.append(failed)


@_handler("br_on_cast_fail")
def _br_on_cast_fail(checker: Checker, imm: tuple[int, RefType, RefType]) -> None:
    depth, source, target = imm
    _branch_with(checker, depth, _pop_cast(checker, source, target))
    checker.stack.append(target)


def _convert(source: str, target: str, checker: Checker, _: None) -> None:
    type_ = checker.pop_ref()
    if not checker.types.is_subtype(type_, ref(source)):
        raise _mismatch(ref(source), type_)
    checker.stack.append(ref(target, type_.nullable))


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
        raise Invalid(f"try_table has {len(catches)} clauses, more than the limit of {CATCHES}")
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
