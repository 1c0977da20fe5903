"""Second tier: blocks and branches in Python, which has loops, ``break`` and ``continue`` but no labels.

A block that is branched to becomes ``while True`` that ends in ``break``. A branch over several of them sets ``x`` to
the target's number and breaks one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from oracles.interpreter.prepare import Label, block_arity
from oracles.interpreter.store import Func
from oracles.interpreter.writer import Refused, Value, Writer
from wasm.isa import OPS

MOST_BLOCKS: Final = 1000
MOST_LOOPS: Final = 18
"""CPython allows 20 nested loops."""
MOST_TARGETS: Final = 64
"""Of a branch table: beyond, a chain of tests would be slower than the first tier."""

WRITE_BACK: Final = "# write back"
"""Where a compiled loop has to put its locals back before it returns."""

END, ELSE = OPS["end"], OPS["else"]
OPENERS: Final = frozenset(OPS[name] for name in ("block", "loop", "if", "try_table", "try"))
_BR_TABLE: Final = OPS["br_table"]
_BRANCHES: Final = frozenset(OPS[name] for name in ("br", "br_if", "br_table"))


@dataclass(slots=True)
class Block:
    """An open block.

    ``kind`` is function, region (the surroundings of a loop that is compiled alone), block, loop, if, or else once the
    second arm has begun. ``number`` names it in ``x``; ``at`` is where it opens in the body. ``base`` is the height of
    the stack below its parameters. ``names`` are the variables that hold its results, or a loop's parameters: a branch
    to it assigns them.
    ``realised``: it is a Python loop, because something branches to it. ``indent`` is the margin outside it.
    ``cost`` is what an arrival at a loop's head costs. ``escapes``: numbers of outer blocks that branches inside it go
    to, over it. ``branched``: something that is reached branches to it, so that what follows a block is reached.
    ``entry``: the values an ``if`` began with, which its second arm begins with too. ``fell_then``: the end of the
    first arm is reached.
    """

    kind: str
    number: int
    at: int
    params: int
    results: int
    base: int
    names: list[str]
    realised: bool
    indent: int
    cost: int = 0
    escapes: set[int] = field(default_factory=set)
    branched: bool = False
    entry: list[Value] = field(default_factory=list)
    fell_then: bool = False


class Flow:
    """The open blocks of a function, or of one of its loops (``outer`` is that loop's label in the first tier).

    ``targets`` are the positions of the blocks that something branches to. ``dead``: nothing leads here. ``flagged``:
    the variable ``x`` is used.
    """

    def __init__(self, func: Func, writer: Writer, targets: set[int], outer: Label | None) -> None:
        assert func.instance is not None
        self.func, self.instance, self.writer = func, func.instance, writer
        self.targets, self.outer = targets, outer
        self.blocks: list[Block] = []
        self.loops = 0
        self.dead = self.flagged = False

    def open(self, kind: str, at: int, params: int, results: int) -> Block:
        realised = at in self.targets and kind not in ("function", "region")
        self.loops += realised
        if self.loops > MOST_LOOPS or len(self.blocks) > MOST_BLOCKS:
            raise Refused
        takes = params if kind == "loop" else results
        names = [self.writer.temp() for _ in range(takes)]
        base = len(self.writer.stack) - params
        number = len(self.blocks) + 1
        block = Block(kind, number, at, params, results, base, names, realised, self.writer.indent)
        self.blocks.append(block)
        return block

    def block(self, imm: Any, at: int) -> None:
        params, results = block_arity(imm, self.instance)
        self.writer.settle(len(self.writer.stack))
        if self.open("block", at, params, results).realised:
            self.writer.deeper("while True:")

    def loop_(self, imm: Any, at: int) -> None:
        params, results = block_arity(imm, self.instance)
        self.writer.settle(len(self.writer.stack))
        block = self.open("loop", at, params, results)
        block.cost = self.func.loops[at].cost
        if block.realised:
            self.writer.assign(block.names, self.writer.take(params))
            self.writer.stack += [Value(name, atom=True) for name in block.names]
            # The parameters' variables change at the next arrival; what reads them later must not see that.
            self.writer.deeper("while True:")
            if params:
                self.settle_copies(params)
        self.writer.emit(f"m.fuel -= {block.cost}")
        self.writer.emit("if m.fuel < 0: raise X('fuel')")

    def settle_copies(self, count: int) -> None:
        copies = [self.writer.temp() for _ in range(count)]
        self.writer.assign(copies, self.writer.take(count))
        self.writer.stack += [Value(name, atom=True) for name in copies]

    def if_(self, imm: Any, at: int) -> None:
        params, results = block_arity(imm, self.instance)
        condition = self.writer.take(1)[0]
        # What is pending would otherwise be evaluated in one arm only.
        self.writer.settle(len(self.writer.stack))
        block = self.open("if", at, params, results)
        block.entry = self.writer.stack[block.base :]
        if block.realised:
            self.writer.deeper("while True:")
        self.writer.deeper(f"if {condition.condition()}:")

    def else_(self, _imm: Any, _at: int) -> None:
        block = self.blocks[-1]
        block.fell_then = self.close_arm(block)
        block.kind = "else"
        self.writer.stack[block.base :] = block.entry
        self.writer.deeper("else:")
        self.dead = False

    def close_arm(self, block: Block) -> bool:
        """End one arm of an ``if``; whether its end is reached."""
        reached = not self.dead
        if reached:
            self.writer.assign(block.names, self.writer.take(block.results))
        self.writer.emit("pass")
        self.writer.indent -= 1
        return reached

    def end(self, _imm: Any, _at: int) -> None:
        block = self.blocks[-1]
        if block.kind == "if":  # without an else: its parameters are its results
            reached = self.close_arm(block)
            self.writer.stack[block.base :] = block.entry
            if block.names:
                self.writer.deeper("else:")
                self.dead = False
                self.close_arm(block)
            reached, named = True, True
        elif block.kind == "else":
            reached = self.close_arm(block) or block.fell_then
            named = True
        else:
            reached = not self.dead
            named = block.realised and block.kind == "block"
            if named and reached:
                self.writer.assign(block.names, self.writer.take(block.results))
        if block.kind == "loop" and block.realised and reached:
            self.writer.settle(block.results)
        self.blocks.pop()
        self.loops -= block.realised
        left = self.writer.stack[block.base :] if reached and not named else []
        del self.writer.stack[block.base :]
        if block.realised:
            if reached:
                self.writer.emit("break")
            self.writer.indent = block.indent
            self.propagate(block)
        self.writer.stack += [Value(name, atom=True) for name in block.names] if named else left
        # A branch to a block goes on behind it; one to a loop does not leave it.
        self.dead = not reached and not (block.branched and block.kind != "loop")

    def propagate(self, block: Block) -> None:
        """After a loop that inner branches may have left for an outer target: go on towards it."""
        block.escapes.discard(block.number)
        if not block.escapes:
            return
        outer = next(b for b in reversed(self.blocks) if b.realised)
        here = "continue" if outer.kind == "loop" else "break"
        others = block.escapes - {outer.number}
        if outer.number not in block.escapes:
            self.writer.emit("if x: break")
        elif not others:
            self.writer.deeper("if x:")
            self.writer.emit("x = 0")
            self.writer.emit(here)
            self.writer.indent -= 1
        else:
            self.writer.deeper(f"if x == {outer.number}:")
            self.writer.emit("x = 0")
            self.writer.emit(here)
            self.writer.indent -= 1
            self.writer.emit("if x: break")
        outer.escapes |= others

    def goto(self, depth: int) -> None:
        """Branch to a label; the values are on the stack and stay there."""
        if depth >= len(self.blocks) - (self.outer is not None):
            # blocks[0] is then the region and blocks[1] the loop, whose own label is at depth len(blocks) - 2.
            self.exit(depth - len(self.blocks) + 2, self.writer.stack)
            return
        block = self.blocks[-1 - depth]
        if block.kind == "function":
            self.leave(block)
            return
        self.writer.assign(block.names, self.writer.stack[len(self.writer.stack) - len(block.names) :])
        block.branched = True
        inner = next(b for b in reversed(self.blocks) if b.realised)
        if inner is block:
            self.writer.emit("continue" if block.kind == "loop" else "break")
            return
        # ``break`` leaves the innermost Python loop only: behind it, ``propagate`` looks at x and goes on.
        self.flagged = True
        self.writer.emit(f"x = {block.number}")
        self.writer.emit("break")
        inner.escapes.add(block.number)

    def leave(self, block: Block) -> None:
        """Return from the function."""
        stack = self.writer.stack
        values = [value.number() for value in stack[len(stack) - block.results :]]
        text = values[0] if len(values) == 1 else f"({', '.join(values)})" if values else ""
        self.writer.emit(f"return {text}".rstrip())

    def exit(self, depth: int, stack: list[Value]) -> None:
        """Return from a compiled loop to the first tier, at the label ``depth`` above the loop's own."""
        label = self.outer
        assert label is not None
        count = self.blocks[0].results
        if depth:
            for _ in range(depth):
                assert label.outer is not None
                label = label.outer
            count = label.arity
        values = [value.number() for value in stack[len(stack) - count :]] if count else []
        self.writer.emit(WRITE_BACK)
        self.writer.emit(f"return {depth}, [{', '.join(values)}]")

    def br(self, imm: int, _at: int) -> None:
        self.goto(imm)
        self.dead = True

    def br_if(self, imm: int, _at: int) -> None:
        condition = self.writer.take(1)[0]
        # Both ways use these values, so they are evaluated before the ways part.
        self.writer.settle(self.arity(imm))
        self.writer.deeper(f"if {condition.condition()}:")
        self.goto(imm)
        self.writer.indent -= 1

    def arity(self, depth: int) -> int:
        if depth < len(self.blocks) - (self.outer is not None):
            block = self.blocks[-1 - depth]
            return block.results if block.kind == "function" else len(block.names)
        label = self.outer
        for _ in range(depth - len(self.blocks) + 2):
            assert label is not None
            label = label.outer
        assert label is not None
        return label.arity

    def br_table(self, imm: Any, _at: int) -> None:
        depths, last = imm
        if len(depths) > MOST_TARGETS:
            raise Refused
        index = self.writer.settled(self.writer.take(1)[0]).text
        self.writer.settle(self.arity(last))
        by_target: dict[int, list[int]] = {}
        for i, depth in enumerate(depths):
            by_target.setdefault(depth, []).append(i)
        by_target.pop(last, None)
        for depth, indices in by_target.items():
            test = f"{index} == {indices[0]}" if len(indices) == 1 else f"{index} in {tuple(indices)}"
            self.writer.deeper(f"if {test}:")
            self.goto(depth)
            self.writer.indent -= 1
        self.goto(last)
        self.dead = True

    def return_(self, _imm: Any, _at: int) -> None:
        if self.outer is None:
            self.leave(self.blocks[0])
        else:
            depth, label = 0, self.outer
            while label.outer is not None:
                depth, label = depth + 1, label.outer
            self.exit(depth, self.writer.stack)
        self.dead = True


def end_of(body: Any, at: int) -> int:
    """Where the block that opens at ``at`` ends."""
    depth = 0
    while True:
        op = body[at][0]
        if op in OPENERS:
            depth += 1
        elif op is END:
            depth -= 1
            if not depth:
                return at
        at += 1


def branch_targets(body: Any, start: int, end: int) -> set[int]:
    """The positions of the blocks in a stretch of a body that something branches to."""
    targets: set[int] = set()
    opened: list[int] = []
    for at in range(start, end):
        op, imm = body[at]
        if op in OPENERS:
            opened.append(at)
        elif op is END:
            opened.pop()
        elif op in _BRANCHES:
            depths = (*imm[0], imm[1]) if op is _BR_TABLE else (imm,)
            targets.update(opened[-1 - depth] for depth in depths if depth < len(opened))
    return targets
