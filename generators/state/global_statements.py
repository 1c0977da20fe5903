"""Statements on globals: read and written across calls, in loops, in branches and handlers, many at once, in turn.

global.get 3      ;; update: the value from before lives on
...               ;; an expression with other globals in it
global.set 3
...               ;; fold the value from before
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CANONICAL_NAN
from generators.module.function import Function
from generators.module.loops import ROUNDS
from generators.module.shell import Shell
from generators.program.calls import Callee
from generators.program.program import Program
from generators.scalar.candidates import Nan
from generators.scalar.trees import LOADING, Tree
from generators.state.globals import READ, WRITE, Global, Globals, fold_global, read_all, write_all
from generators.state.held_refs import draw_held, fold_any, fold_reference, push_reference
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.valtypes import I32, V128, NumType, RefType

NEEDS_TAGS: Final = frozenset({Feature.EXCEPTIONS})
NEEDS_REFERENCES: Final = frozenset({Feature.REFERENCE_TYPES})

_MANY: Final = weighted((4, 20), (9, 30), (17, 20), (40, 10), (130, 4))
_MOST_CALLEES: Final = 2
_WRITER_ROOM: Final = 12
"""The size of expressions in functions that write globals."""
_BRANCHES: Final = ("if", "if else", "block")
_LOOKS: Final = ("", "", "read", "read, write")
"""What ``update`` does after its write."""

_ROUNDS_BY_VALUE: Final = template("i32.const 7  i32.and  i32.const 1  i32.add  local.set $count")
"""One to eight rounds by the i32 on the stack."""
_CALL_IN_LOOP: Final = template("local.get $count  call $func")
_WRAP: Final = template("local.get $acc  i32.wrap_i64")
_LEAVE_IF: Final = code("br_if 0")
_THROW: Final = template("throw $tag")
_SELECT: Final = template("select_t imm=$types")


class Writers:
    """The kit of functions that change globals behind their callers' backs. The target adds imported ones."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.all: list[tuple[Callee, bool]] = []

    def pick(self, program: Program, source: ChoiceSource) -> tuple[Callee, bool]:
        """One of up to two functions of the module, or an imported one; whether it is that."""
        own = sum(not imported for _, imported in self.all)
        if not self.all or (own < _MOST_CALLEES and source.one_in(3)):
            self.all.append((self._writer(program, source), False))
        return source.pick(self.all)

    def _writer(self, program: Program, source: ChoiceSource) -> Callee:
        """A leaf that writes some globals, from its parameter and from each other, and returns one number."""
        fn = program.function(source, (I32,), (I32,))
        globs = self.shell.kit(Globals)
        for _ in range(source.between(1, 3)):
            _write(globs, open_tree(fn, source, _WRITER_ROOM), globs.any(source), 2)
        if source.one_in(2):
            fn.publish()
        fn.close_vectors()
        fn += _WRAP(fn.acc)
        return Callee(fn.f.index, fn.f.type_index, fn.f.type)


def open_tree(fn: Function, source: ChoiceSource, room: int) -> Tree:
    """A tree that reads the module's globals, and the locals that the function offers."""
    tree = Tree(fn, source, LOADING, room, fn.shell.kit(Globals).load)
    tree.pool.clear()
    open_nans = fn.shell.free_nans
    for type_, locals_ in fn.sources.items():
        # Nobody says which lanes of a vector may be NaNs: it is left out where any may.
        if isinstance(type_, NumType) and not (open_nans and type_ is V128):
            nan = Nan.SCALAR if open_nans and type_ in CANONICAL_NAN else Nan.NONE
            for local in locals_:
                tree.know(type_, local, nan)
    return tree


def _write(globs: Globals, tree: Tree, glob: Global, depth: int) -> None:
    """Set a global to a new value, which is computed from others half of the time or more."""
    fn = tree.fn
    if isinstance(glob.type, RefType):
        others = [other for other in globs.all if other.type is glob.type and other is not glob]
        if others and tree.source.one_in(2):
            fn += READ(tree.source.pick(others).index)
        else:
            push_reference(fn, tree.source, glob.type)
    else:
        tree.clean(glob.type, depth)
    fn += WRITE(glob.index)


def update(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Write a global once or twice; the value from before lives on, and what is read after must be the new one."""
    globs = program.shell.kit(Globals)
    tree = open_tree(fn, source, room)
    glob = globs.writable(source, globs.draw_type(source))
    old = source.one_in(2)
    if old:
        fn += READ(glob.index)
    _write(globs, tree, glob, source.between(1, 4))
    then = source.pick(_LOOKS)
    if then:
        fold_global(fn, glob)
    if then == "read, write":
        _write(globs, tree, glob, 2)
    if old:
        fold_any(fn, glob.type)


def permute(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Two to six globals of one type take each other's values: all are read before the first is written."""
    globs = program.shell.kit(Globals)
    type_ = globs.draw_type(source)
    chosen = [globs.writable(source, type_) for _ in range(source.between(2, min(6, max(2, room // 4))))]
    turn = source.between(1, len(chosen) - 1)
    if source.one_in(2):
        fn += read_all(chosen)
        fn += write_all(reversed(chosen[turn:] + chosen[:turn]))
        return
    # One place further each, through a local for the first.
    first = fn.local(type_)
    fn += READ(chosen[0].index)
    fn.set(first)
    for to, glob in pairwise(chosen):
        fn += READ(glob.index)
        fn += WRITE(to.index)
    fn.get(first)
    fn += WRITE(chosen[-1].index)


def across(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Read globals before and after a call that writes them, on the stack and in locals; results tell all apart."""
    shell = program.shell
    globs = shell.kit(Globals)
    callee, imported = shell.kit(Writers).pick(program, source)
    variables = [glob for glob in globs.all if glob.mutable]
    if not variables:
        variables.append(globs.any(source))
    chosen = [source.pick(variables) for _ in range(source.between(1, min(8, max(1, room // 8))))]
    in_locals = source.one_in(2)
    fn += read_all(chosen)
    before = [fn.local(glob.type) for glob in chosen] if in_locals else []
    fn.set(*reversed(before))
    open_tree(fn, source, room).clean(I32, 2)
    kinds = [how for how in ("direct", "indirect", "ref") if how in program.calls.kinds()]
    program.calls.call(fn, source, "direct" if imported else source.pick(kinds), callee)
    fn.take(I32)
    for i, glob in enumerate(chosen):
        fold_global(fn, glob)
        if in_locals:
            fn.get(before[i])
            fold_any(fn, glob.type)
    if not in_locals:
        for glob in reversed(chosen):
            fold_any(fn, glob.type)


def loop(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """A loop that carries its values in globals: some change each round, one only in some, one is read only."""
    shell = program.shell
    globs = shell.kit(Globals)
    tree = open_tree(fn, source, room)
    count, type_ = fn.local(I32), globs.number(source)
    last = fn.local(type_)
    glob = globs.writable(source, type_)
    if source.one_in(2) and tree.pool.get(I32):
        tree.leaf(I32, 0, "")
        fn += _ROUNDS_BY_VALUE(count)
    else:
        fn += ROUNDS(rounds=source.between(2, 9), count=count)
    tree.know(I32, count, Nan.NONE)
    with fn.repeat(count):
        tree.clean(type_, 2)
        fn += WRITE(glob.index)
        if source.one_in(2):
            tree.condition(1)
            with fn.block("if"):
                _write(globs, tree, globs.any(source), 2)
        if source.one_in(3):
            callee, _ = shell.kit(Writers).pick(program, source)
            fn += _CALL_IN_LOOP(count=count, func=callee.func)
            fn += fn.fold(I32)
        fn += READ(glob.index)
        fn.set(last)
    fn.get(last)
    fn.take(type_)


def branch(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Writes on one way of two, or before and after an early exit; then what was or was not written is read."""
    globs = program.shell.kit(Globals)
    tree = open_tree(fn, source, room)
    first, second = globs.any(source), globs.any(source)
    how = source.pick(_BRANCHES)
    if how == "block":
        with fn.block():
            _write(globs, tree, first, 2)
            tree.condition(2)
            fn += _LEAVE_IF
            _write(globs, tree, second, 2)
    else:
        tree.condition(2)
        with fn.block("if"):
            _write(globs, tree, first, 2)
            if how == "if else":
                fn.else_()
                _write(globs, tree, second, 2)
    for glob in (first, second):
        fold_global(fn, glob)


def many(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Read many globals at once and fold them from the stack, and write some of them back one place further."""
    globs = program.shell.kit(Globals)
    count = min(source.weighted(_MANY), max(4, room // 2))
    while len(globs.all) < min(count, 4):
        globs.add(source, globs.number(source), not source.one_in(4))
    start, step = source.below(len(globs.all)), source.between(1, 3)
    chosen = [globs.all[(start + i * step) % len(globs.all)] for i in range(count)]
    fn += read_all(chosen)
    above: Global | None = None
    for glob in reversed(chosen):
        # ``above`` is the global whose value lay one place further up on the stack.
        if above is not None and above.type is glob.type and above.mutable and source.one_in(2):
            fn += WRITE(above.index)
        else:
            fold_any(fn, glob.type)
        above = glob


class Thrown:
    """The kit of the one tag, with an i32, that handlers of this file catch."""

    def __init__(self, shell: Shell) -> None:
        self.tag = shell.builder.tag((I32,))


def handler(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Writes before a throw, seen by its handler; the one after it is not carried out."""
    shell = program.shell
    globs = shell.kit(Globals)
    tree = open_tree(fn, source, room)
    tag = shell.kit(Thrown).tag
    first, second = globs.any(source), globs.any(source)
    with fn.block() as done:
        with fn.block(results=(I32,)) as caught:
            with fn.try_table([("catch", tag, caught)]):
                _write(globs, tree, first, 2)
                tree.condition(1)
                with fn.block("if"):
                    tree.clean(I32, 1)
                    fn += _THROW(tag)
                _write(globs, tree, second, 2)
            fn.br(done)
        fn.take(I32)
    for glob in (first, second):
        fold_global(fn, glob)


def references(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Reference globals: set, read back, chosen between, and one that held its value while another changed."""
    globs = program.shell.kit(Globals)
    variables = [glob for glob in globs.all if isinstance(glob.type, RefType) and glob.mutable]
    if not variables or source.one_in(4):
        variables.append(globs.add(source, draw_held(program.shell, source)))
    glob = source.pick(variables)
    type_ = glob.type
    assert isinstance(type_, RefType)
    tree = open_tree(fn, source, room)
    fn += READ(glob.index)
    push_reference(fn, source, type_)
    if source.one_in(2):
        fn += READ(glob.index)
        tree.condition(2)
        fn += _SELECT((type_,))
    fn += WRITE(glob.index)
    fold_reference(fn, type_)
    fold_global(fn, glob)
