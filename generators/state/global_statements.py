"""Statements on globals: read and written across calls, in loops, in branches and handlers, many at once, in turn."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN
from generators.module.body import BARE, GET, I32_CONST, SET, TEE, Frame
from generators.module.shell import Scaffold
from generators.program.calls import Callee
from generators.program.program import Program
from generators.scalar.expressions import Nan
from generators.scalar.trees import LOADING, Tree
from generators.state.globals import READ, WRITE, Cell, Cells
from generators.state.held_refs import draw_held, fold_any, fold_reference, push_reference
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import I32, V128, NumType, RefType

_MANY: Final = weighted((4, 20), (9, 30), (17, 20), (40, 10), (130, 4))
_MOST_CALLEES: Final = 2


class Writers:
    """The kit of functions that change globals behind their callers' backs. The target adds imported ones."""

    def __init__(self, scaffold: Scaffold) -> None:
        self.scaffold = scaffold
        self.all: list[tuple[Callee, bool]] = []

    def pick(self, program: Program, source: ChoiceSource) -> tuple[Callee, bool]:
        """One of up to two functions of the module, or an imported one; whether it is that."""
        own = sum(not imported for _, imported in self.all)
        if not self.all or (own < _MOST_CALLEES and source.below(3) == 2):
            self.all.append((self._writer(program, source), False))
        return source.pick(self.all)

    def _writer(self, program: Program, source: ChoiceSource) -> Callee:
        """A leaf that writes some globals, from its parameter and from each other, and returns one number."""
        frame = program.function(source, (I32,), (I32,))
        cells = self.scaffold.kit(Cells)
        for _ in range(source.between(1, 3)):
            _write(cells, open_cells(frame, source, 12), cells.any(source), 2)
        if source.below(2):
            frame.publish()
        frame.close_vectors()
        frame.f.body += ((GET, frame.acc), BARE["i32.wrap_i64"])
        return Callee(frame.f.index, frame.f.type_index, frame.f.type)


def open_cells(frame: Frame, source: ChoiceSource, room: int) -> Tree:
    """A tree that reads the module's globals, and the locals that the frame offers."""
    tree = Tree(frame, source, LOADING, room, frame.scaffold.kit(Cells).load)
    tree.pool.clear()
    open_nans = frame.scaffold.free_nans
    for type_, found in frame.sources.items():
        if isinstance(type_, NumType) and not (open_nans and type_ is V128):
            nan = Nan.SCALAR if open_nans and type_ in CANONICAL_NAN else Nan.NONE
            for local in found:
                tree.know(type_, local, nan)
    return tree


def _write(cells: Cells, tree: Tree, cell: Cell, depth: int) -> None:
    """Set a global to a new value, which is computed from others half of the time or more."""
    body = tree.frame.f.body
    if isinstance(cell.type, RefType):
        others = [other for other in cells.all if other.type is cell.type and other is not cell]
        if others and tree.source.below(2):
            body.append((READ, tree.source.pick(others).index))
        else:
            push_reference(tree.frame, tree.source, cell.type)
    else:
        tree.clean(cell.type, depth)
    body.append((WRITE, cell.index))


def update(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Write a global once or twice; the value from before lives on, and what is read after must be the new one."""
    cells, body = program.scaffold.kit(Cells), frame.f.body
    tree = open_cells(frame, source, room)
    cell = cells.writable(source, cells.draw_type(source))
    old = source.below(2)
    if old:
        body.append((READ, cell.index))
    _write(cells, tree, cell, source.between(1, 4))
    again = source.below(4)
    if again >= 2:
        body.append((READ, cell.index))
        fold_any(frame, cell.type)
    if again == 3:
        _write(cells, tree, cell, 2)
    if old:
        fold_any(frame, cell.type)


def permute(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Two to six globals of one type take each other's values: all are read before the first is written."""
    cells, body = program.scaffold.kit(Cells), frame.f.body
    type_ = cells.draw_type(source)
    row = [cells.writable(source, type_) for _ in range(source.between(2, min(6, max(2, room // 4))))]
    turn = source.between(1, len(row) - 1)
    if source.below(2):
        body += [(READ, cell.index) for cell in row]
        body += [(WRITE, cell.index) for cell in reversed(row[turn:] + row[:turn])]
        return
    first = frame.f.local(type_)
    body += ((READ, row[0].index), (SET, first))
    for to, cell in pairwise(row):
        body += ((READ, cell.index), (WRITE, to.index))
    body += ((GET, first), (WRITE, row[-1].index))


def across(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Read globals before and after a call that writes them, on the stack and in locals; results tell all apart."""
    scaffold, body = program.scaffold, frame.f.body
    cells = scaffold.kit(Cells)
    callee, imported = scaffold.kit(Writers).pick(program, source)
    variables = [cell for cell in cells.all if cell.mutable]
    if not variables:
        variables.append(cells.any(source))
    row = [source.pick(variables) for _ in range(source.between(1, min(8, max(1, room // 8))))]
    kept = source.below(2)
    body += [(READ, cell.index) for cell in row]
    locals_ = [frame.f.local(cell.type) for cell in row] if kept else []
    body += [(SET, local) for local in reversed(locals_)]
    open_cells(frame, source, room).clean(I32, 2)
    kinds = [how for how in ("direct", "indirect", "ref") if how in program.calls.kinds()]
    how = "direct" if imported else source.pick(kinds)
    program.calls.call(frame, source, how, callee)
    frame.take(I32)
    for i, cell in enumerate(row):
        body.append((READ, cell.index))
        fold_any(frame, cell.type)
        if kept:
            body.append((GET, locals_[i]))
            fold_any(frame, cell.type)
    if not kept:
        for cell in reversed(row):
            fold_any(frame, cell.type)


def loop(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """A loop that carries its values in globals: some change each round, one only in some, one is read only."""
    scaffold, body, f = program.scaffold, frame.f.body, frame.f
    cells = scaffold.kit(Cells)
    tree = open_cells(frame, source, room)
    count, mirror = f.local(I32), cells.number(source)
    shadow = f.local(mirror)
    cell = cells.writable(source, mirror)
    if source.below(2) and tree.pool.get(I32):
        tree.leaf(I32, 0, "")
        body += ((I32_CONST, 7), BARE["i32.and"], (I32_CONST, 1), BARE["i32.add"], (SET, count))
    else:
        body += ((I32_CONST, source.between(2, 9)), (SET, count))
    tree.know(I32, count, Nan.NONE)
    f.open("loop")
    tree.clean(mirror, 2)
    body.append((WRITE, cell.index))
    if source.below(2):
        tree.condition(1)
        f.open("if")
        _write(cells, tree, cells.any(source), 2)
        f.end()
    if source.below(3) == 2:
        callee, _ = scaffold.kit(Writers).pick(program, source)
        body += ((GET, count), (OPS["call"], callee.func), *frame.fold(I32))
    body += ((READ, cell.index), (SET, shadow))
    body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
    f.end()
    body.append((GET, shadow))
    frame.take(mirror)


def branch(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Writes on one way of two, or before and after an early exit; then what was or was not written is read."""
    scaffold, body, f = program.scaffold, frame.f.body, frame.f
    cells = scaffold.kit(Cells)
    tree = open_cells(frame, source, room)
    first, second = cells.any(source), cells.any(source)
    kind = source.below(3)
    if kind == 2:
        f.open("block")
        _write(cells, tree, first, 2)
        tree.condition(2)
        body.append((OPS["br_if"], 0))
        _write(cells, tree, second, 2)
        f.end()
    else:
        tree.condition(2)
        f.open("if")
        _write(cells, tree, first, 2)
        if kind:
            f.else_()
            _write(cells, tree, second, 2)
        f.end()
    for cell in (first, second):
        body.append((READ, cell.index))
        fold_any(frame, cell.type)


def many(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Read a row of globals at once and fold them from the stack, and write some of them back one place further."""
    cells, body = program.scaffold.kit(Cells), frame.f.body
    count = min(source.weighted(_MANY), max(4, room // 2))
    while len(cells.all) < min(count, 4):
        cells.add(source, cells.number(source), source.below(4) < 3)
    start, step = source.below(len(cells.all)), source.between(1, 3)
    row = [cells.all[(start + i * step) % len(cells.all)] for i in range(count)]
    body += [(READ, cell.index) for cell in row]
    below: Cell | None = None
    for cell in reversed(row):
        if below is not None and below.type is cell.type and below.mutable and source.below(2):
            body.append((WRITE, below.index))
        else:
            fold_any(frame, cell.type)
        below = cell


def handler(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Writes before a throw, seen by its handler; the one after it is not carried out."""
    scaffold, body, f = program.scaffold, frame.f.body, frame.f
    cells = scaffold.kit(Cells)
    tree = open_cells(frame, source, room)
    tag = scaffold.kit(Thrown).tag
    first, second = cells.any(source), cells.any(source)
    done = f.open("block")
    label = f.open("block", (), (I32,))
    f.open_try([("catch", tag, label)])
    _write(cells, tree, first, 2)
    tree.condition(1)
    f.open("if")
    tree.clean(I32, 1)
    body.append((OPS["throw"], tag))
    f.end()
    _write(cells, tree, second, 2)
    f.end()
    f.br(done)
    f.end()
    frame.take(I32)
    f.end()
    for cell in (first, second):
        body.append((READ, cell.index))
        fold_any(frame, cell.type)


class Thrown:
    """The kit of the one tag, with an i32, that handlers of this file catch."""

    def __init__(self, scaffold: Scaffold) -> None:
        self.tag = scaffold.builder.tag((I32,))


def references(program: Program, frame: Frame, source: ChoiceSource, room: int) -> None:
    """Reference globals: set, read back, chosen between, and one that held its value while another changed."""
    cells, body = program.scaffold.kit(Cells), frame.f.body
    held = [cell for cell in cells.all if isinstance(cell.type, RefType) and cell.mutable]
    if not held or source.below(4) == 3:
        held.append(cells.add(source, draw_held(program.scaffold, source)))
    cell = source.pick(held)
    type_ = cell.type
    assert isinstance(type_, RefType)
    tree = open_cells(frame, source, room)
    body.append((READ, cell.index))
    push_reference(frame, source, type_)
    if source.below(2):
        body.append((READ, cell.index))
        tree.condition(2)
        body.append((OPS["select_t"], (type_,)))
    body.append((WRITE, cell.index))
    fold_reference(frame, type_)
    body.append((READ, cell.index))
    fold_reference(frame, type_)


NEEDS_TAGS: Final = frozenset({Feature.EXCEPTIONS})
NEEDS_REFERENCES: Final = frozenset({Feature.REFERENCE_TYPES})
