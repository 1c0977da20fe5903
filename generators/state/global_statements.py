"""Statements on globals: read and written across calls, in loops, in branches and handlers, many at once, in turn."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.module.shell import Shell
from generators.program.calls import Callee
from generators.program.program import Program
from generators.scalar.expressions import Nan
from generators.scalar.trees import LOADING, Tree
from generators.state.globals import READ, WRITE, Global, Globals
from generators.state.held_refs import draw_held, fold_any, fold_reference, push_reference
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import I32, V128, NumType, RefType

_MANY: Final = weighted((4, 20), (9, 30), (17, 20), (40, 10), (130, 4))
_MOST_CALLEES: Final = 2


class Writers:
    """The kit of functions that change globals behind their callers' backs. The target adds imported ones."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.all: list[tuple[Callee, bool]] = []

    def pick(self, program: Program, source: ChoiceSource) -> tuple[Callee, bool]:
        """One of up to two functions of the module, or an imported one; whether it is that."""
        own = sum(not imported for _, imported in self.all)
        if not self.all or (own < _MOST_CALLEES and source.below(3) == 2):
            self.all.append((self._writer(program, source), False))
        return source.pick(self.all)

    def _writer(self, program: Program, source: ChoiceSource) -> Callee:
        """A leaf that writes some globals, from its parameter and from each other, and returns one number."""
        fn = program.function(source, (I32,), (I32,))
        globs = self.shell.kit(Globals)
        for _ in range(source.between(1, 3)):
            _write(globs, open_cells(fn, source, 12), globs.any(source), 2)
        if source.below(2):
            fn.publish()
        fn.close_vectors()
        fn.f.body += ((GET, fn.acc), BARE["i32.wrap_i64"])
        return Callee(fn.f.index, fn.f.type_index, fn.f.type)


def open_cells(fn: Function, source: ChoiceSource, room: int) -> Tree:
    """A tree that reads the module's globals, and the locals that the frame offers."""
    tree = Tree(fn, source, LOADING, room, fn.shell.kit(Globals).load)
    tree.pool.clear()
    open_nans = fn.shell.free_nans
    for type_, found in fn.sources.items():
        if isinstance(type_, NumType) and not (open_nans and type_ is V128):
            nan = Nan.SCALAR if open_nans and type_ in CANONICAL_NAN else Nan.NONE
            for local in found:
                tree.know(type_, local, nan)
    return tree


def _write(globs: Globals, tree: Tree, glob: Global, depth: int) -> None:
    """Set a global to a new value, which is computed from others half of the time or more."""
    body = tree.fn.f.body
    if isinstance(glob.type, RefType):
        others = [other for other in globs.all if other.type is glob.type and other is not glob]
        if others and tree.source.below(2):
            body.append((READ, tree.source.pick(others).index))
        else:
            push_reference(tree.fn, tree.source, glob.type)
    else:
        tree.clean(glob.type, depth)
    body.append((WRITE, glob.index))


def update(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Write a global once or twice; the value from before lives on, and what is read after must be the new one."""
    globs, body = program.shell.kit(Globals), fn.f.body
    tree = open_cells(fn, source, room)
    glob = globs.writable(source, globs.draw_type(source))
    old = source.below(2)
    if old:
        body.append((READ, glob.index))
    _write(globs, tree, glob, source.between(1, 4))
    again = source.below(4)
    if again >= 2:
        body.append((READ, glob.index))
        fold_any(fn, glob.type)
    if again == 3:
        _write(globs, tree, glob, 2)
    if old:
        fold_any(fn, glob.type)


def permute(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Two to six globals of one type take each other's values: all are read before the first is written."""
    globs, body = program.shell.kit(Globals), fn.f.body
    type_ = globs.draw_type(source)
    row = [globs.writable(source, type_) for _ in range(source.between(2, min(6, max(2, room // 4))))]
    turn = source.between(1, len(row) - 1)
    if source.below(2):
        body += [(READ, glob.index) for glob in row]
        body += [(WRITE, glob.index) for glob in reversed(row[turn:] + row[:turn])]
        return
    first = fn.f.local(type_)
    body += ((READ, row[0].index), (SET, first))
    for to, glob in pairwise(row):
        body += ((READ, glob.index), (WRITE, to.index))
    body += ((GET, first), (WRITE, row[-1].index))


def across(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Read globals before and after a call that writes them, on the stack and in locals; results tell all apart."""
    shell, body = program.shell, fn.f.body
    globs = shell.kit(Globals)
    callee, imported = shell.kit(Writers).pick(program, source)
    variables = [glob for glob in globs.all if glob.mutable]
    if not variables:
        variables.append(globs.any(source))
    row = [source.pick(variables) for _ in range(source.between(1, min(8, max(1, room // 8))))]
    kept = source.below(2)
    body += [(READ, glob.index) for glob in row]
    locals_ = [fn.f.local(glob.type) for glob in row] if kept else []
    body += [(SET, local) for local in reversed(locals_)]
    open_cells(fn, source, room).clean(I32, 2)
    kinds = [how for how in ("direct", "indirect", "ref") if how in program.calls.kinds()]
    how = "direct" if imported else source.pick(kinds)
    program.calls.call(fn, source, how, callee)
    fn.take(I32)
    for i, glob in enumerate(row):
        body.append((READ, glob.index))
        fold_any(fn, glob.type)
        if kept:
            body.append((GET, locals_[i]))
            fold_any(fn, glob.type)
    if not kept:
        for glob in reversed(row):
            fold_any(fn, glob.type)


def loop(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """A loop that carries its values in globals: some change each round, one only in some, one is read only."""
    shell, body, f = program.shell, fn.f.body, fn.f
    globs = shell.kit(Globals)
    tree = open_cells(fn, source, room)
    count, mirror = f.local(I32), globs.number(source)
    shadow = f.local(mirror)
    glob = globs.writable(source, mirror)
    if source.below(2) and tree.pool.get(I32):
        tree.leaf(I32, 0, "")
        body += ((I32_CONST, 7), BARE["i32.and"], (I32_CONST, 1), BARE["i32.add"], (SET, count))
    else:
        body += ((I32_CONST, source.between(2, 9)), (SET, count))
    tree.know(I32, count, Nan.NONE)
    f.open("loop")
    tree.clean(mirror, 2)
    body.append((WRITE, glob.index))
    if source.below(2):
        tree.condition(1)
        f.open("if")
        _write(globs, tree, globs.any(source), 2)
        f.end()
    if source.below(3) == 2:
        callee, _ = shell.kit(Writers).pick(program, source)
        body += ((GET, count), (OPS["call"], callee.func), *fn.fold(I32))
    body += ((READ, glob.index), (SET, shadow))
    body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
    f.end()
    body.append((GET, shadow))
    fn.take(mirror)


def branch(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Writes on one way of two, or before and after an early exit; then what was or was not written is read."""
    shell, body, f = program.shell, fn.f.body, fn.f
    globs = shell.kit(Globals)
    tree = open_cells(fn, source, room)
    first, second = globs.any(source), globs.any(source)
    kind = source.below(3)
    if kind == 2:
        f.open("block")
        _write(globs, tree, first, 2)
        tree.condition(2)
        body.append((OPS["br_if"], 0))
        _write(globs, tree, second, 2)
        f.end()
    else:
        tree.condition(2)
        f.open("if")
        _write(globs, tree, first, 2)
        if kind:
            f.else_()
            _write(globs, tree, second, 2)
        f.end()
    for glob in (first, second):
        body.append((READ, glob.index))
        fold_any(fn, glob.type)


def many(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Read a row of globals at once and fold them from the stack, and write some of them back one place further."""
    globs, body = program.shell.kit(Globals), fn.f.body
    count = min(source.weighted(_MANY), max(4, room // 2))
    while len(globs.all) < min(count, 4):
        globs.add(source, globs.number(source), source.below(4) < 3)
    start, step = source.below(len(globs.all)), source.between(1, 3)
    row = [globs.all[(start + i * step) % len(globs.all)] for i in range(count)]
    body += [(READ, glob.index) for glob in row]
    below: Global | None = None
    for glob in reversed(row):
        if below is not None and below.type is glob.type and below.mutable and source.below(2):
            body.append((WRITE, below.index))
        else:
            fold_any(fn, glob.type)
        below = glob


def handler(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Writes before a throw, seen by its handler; the one after it is not carried out."""
    shell, body, f = program.shell, fn.f.body, fn.f
    globs = shell.kit(Globals)
    tree = open_cells(fn, source, room)
    tag = shell.kit(Thrown).tag
    first, second = globs.any(source), globs.any(source)
    done = f.open("block")
    label = f.open("block", (), (I32,))
    f.open_try([("catch", tag, label)])
    _write(globs, tree, first, 2)
    tree.condition(1)
    f.open("if")
    tree.clean(I32, 1)
    body.append((OPS["throw"], tag))
    f.end()
    _write(globs, tree, second, 2)
    f.end()
    f.br(done)
    f.end()
    fn.take(I32)
    f.end()
    for glob in (first, second):
        body.append((READ, glob.index))
        fold_any(fn, glob.type)


class Thrown:
    """The kit of the one tag, with an i32, that handlers of this file catch."""

    def __init__(self, shell: Shell) -> None:
        self.tag = shell.builder.tag((I32,))


def references(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Reference globals: set, read back, chosen between, and one that held its value while another changed."""
    globs, body = program.shell.kit(Globals), fn.f.body
    held = [glob for glob in globs.all if isinstance(glob.type, RefType) and glob.mutable]
    if not held or source.below(4) == 3:
        held.append(globs.add(source, draw_held(program.shell, source)))
    glob = source.pick(held)
    type_ = glob.type
    assert isinstance(type_, RefType)
    tree = open_cells(fn, source, room)
    body.append((READ, glob.index))
    push_reference(fn, source, type_)
    if source.below(2):
        body.append((READ, glob.index))
        tree.condition(2)
        body.append((OPS["select_t"], (type_,)))
    body.append((WRITE, glob.index))
    fold_reference(fn, type_)
    body.append((READ, glob.index))
    fold_reference(fn, type_)


NEEDS_TAGS: Final = frozenset({Feature.EXCEPTIONS})
NEEDS_REFERENCES: Final = frozenset({Feature.REFERENCE_TYPES})
