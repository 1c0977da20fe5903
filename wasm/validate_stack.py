"""The validator's state inside a function body: operand stacks, open blocks, locals (spec appendix A.3).

Every open block has an operand stack of its own, a list whose first entry is None: running out of operands is then a
failed comparison instead of a check of its own, and the whole stack of a block compares with its result types at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from operator import length_hint
from typing import Any, Final, TypeAlias, final

from wasm.canonical import BOT, BOT_REF
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.isa import Instr
from wasm.valtypes import RefType, ValType

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


class Checker:
    """The state of validating one function body after the other in one module.

    The rules of ``wasm.validate_flow`` speak to it through the methods below and touch no stack themselves. So a
    subclass that overrides them hears what each instruction takes, gives, and branches to: ``wasm.rewrite.lift`` does.

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
        callee = self.context.func_type(func)
        plan = self.calls[func] = (len(callee.params), list(callee.params), list(callee.results))
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

    def push(self, type_: ValType) -> None:
        """Push one operand."""
        self.stack.append(type_)

    def pop_any(self) -> ValType:
        """Pop one operand of any type; ``BOT`` from below an unreachable point."""
        top = self.stack[-1]
        if top is None:
            if self.frame.unreachable:
                return BOT
            raise Invalid("type mismatch: an operand is missing")
        del self.stack[-1]
        return top

    def pop(self, want: ValType) -> None:
        """Pop one operand that matches ``want``."""
        top = self.stack[-1]
        if top is None:
            if not self.frame.unreachable:
                raise Invalid(f"type mismatch: expected {want}, but nothing is on the stack")
        elif top is want or self.types.is_subtype(top, want):
            del self.stack[-1]
        else:
            raise mismatch(want, top)

    def pop_pair(self) -> tuple[ValType, ValType]:
        """Pop two operands that have to be of one type, whichever; the caller compares what it gets."""
        second, first = self.pop_any(), self.pop_any()
        return first, second

    def pop_ref(self, want: RefType | None = None) -> RefType:
        """Pop one operand of some reference type that matches ``want``, if that is given, and say which."""
        top = self.pop_any()
        if top is BOT:
            return BOT_REF
        if not isinstance(top, RefType):
            raise Invalid(f"type mismatch: expected a reference, top {top}")
        if want is not None and not self.types.is_subtype(top, want):
            raise mismatch(want, top)
        return top

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
                raise mismatch(b, a)

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
            raise Invalid(f"more than {MAX_OPERANDS} operands are on the stack", limit=True)
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

    def branch(self, depth: int) -> list[ValType]:
        """What the instruction carries to the block that a branch depth names. Raises ``Invalid``.

        For what takes its own operands along; others that name a label (a catch clause, ``rethrow``) ask ``label``.
        """
        return self.label(depth).labels

    def set_local(self, index: int) -> None:
        """Note that a local without default has been set, until the innermost block ends."""
        self.locals[index] = self.local_types[index]  # type: ignore[index]
        if self.frame.inits is None:
            self.frame.inits = []
        self.frame.inits.append(index)


def mismatch(want: ValType, found: ValType | None) -> Invalid:
    """The error for an operand of the wrong type."""
    return Invalid(f"type mismatch: expected {want}, found {found}")
