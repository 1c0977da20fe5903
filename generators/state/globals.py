"""The globals of one module that statements share: numbers and references, constant and variable, imported and not.

(import "env" "g0" (global $0 i32))
(global $1 (export "g1") (mut i64) i64.const 7)
(global $2 i32 global.get 0  i32.const 5  i32.mul)     ;; an extended constant expression
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST, draw_bits
from generators.module.function import Function
from generators.module.shell import Shell
from generators.scalar.trees import Tree
from generators.state.held_refs import constant_reference, draw_held, fold_any
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.isa import OPS
from wasm.module import Expr, ExternKind
from wasm.valtypes import F32, F64, I32, I64, V128, GlobalType, NumType, RefType, ValType

READ: Final = template("global.get $index")
WRITE: Final = template("global.set $index")

_NUMBERS: Final = weighted((I32, 30), (I64, 26), (F64, 20), (F32, 14), (V128, 10))
_ARITHMETIC: Final = {t: tuple(code(f"{t}.{name}") for name in ("add", "sub", "mul")) for t in (I32, I64)}
"""What constant expressions may compute (spec 3.4.13)."""
_INITIAL_DEPTHS: Final = 4
_MOST_WRITABLE: Final = 4
"""From so many variable globals of a type on, none is made when one is asked for."""
_GET_GLOBAL: Final = OPS["global.get"]
_SET_GLOBAL: Final = OPS["global.set"]


@dataclass(frozen=True, slots=True)
class Global:
    """One global. ``seen``: its end is exported, or the digest has it."""

    index: int
    type: ValType
    mutable: bool
    imported: bool = False
    seen: bool = False


class Globals:
    """The kit of a module's globals. Imported ones are in it from the start; its own are made as they are asked for."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.all: list[Global] = []
        imported = shell.builder.module.imported(ExternKind.GLOBAL)
        for index, item in enumerate(imported):
            assert isinstance(item.type, GlobalType)
            seen = item.type.mutable and shell.private and isinstance(item.type.type, NumType)
            if not shell.private:
                shell.builder.export(f"i{index}", ExternKind.GLOBAL, index)
                seen = True
            self.all.append(Global(index, item.type.type, item.type.mutable, True, seen))
        shell.closers.append(self.close)

    # Making them

    def draw_type(self, source: ChoiceSource, references: bool = True) -> ValType:
        """A number type; one in five times a reference type, where there are any."""
        allows = self.shell.config.allows
        if references and source.one_in(5) and allows(Feature.REFERENCE_TYPES):
            return draw_held(self.shell, source)
        return self.number(source)

    def number(self, source: ChoiceSource) -> NumType:
        """A number type that the features allow."""
        type_ = source.weighted(_NUMBERS)
        return F64 if type_ is V128 and not self.shell.config.allows(Feature.SIMD) else type_

    def add(self, source: ChoiceSource, type_: ValType, mutable: bool = True) -> Global:
        """One more global of the module's own, exported unless the module keeps its state private."""
        shell = self.shell
        if isinstance(type_, RefType):
            init = constant_reference(shell, source, type_)
        else:
            init = self._initial(source, type_, source.below(_INITIAL_DEPTHS))
        index = len(shell.builder.module.global_types())
        export = not shell.private and not source.one_in(8)
        shell.builder.global_(type_, init, mutable, f"g{index}" if export else None)
        seen = export or (mutable and shell.private and isinstance(type_, NumType))
        glob = Global(index, type_, mutable, False, seen)
        self.all.append(glob)
        return glob

    def _initial(self, source: ChoiceSource, type_: NumType, depth: int) -> Expr:
        """A constant, another global, or arithmetic on them (spec 3.4.13)."""
        known = self.constants(type_)
        if known and source.one_in(2):
            return const("global.get", source.pick(known).index)
        arithmetic = _ARITHMETIC.get(type_)
        if arithmetic and depth > 1 and self.shell.config.allows(Feature.EXTENDED_CONST):
            left, right = self._initial(source, type_, depth - 1), self._initial(source, type_, depth - 1)
            return (*left, *right, *source.pick(arithmetic))
        return ((CONST[type_], draw_bits(source, type_)),)

    def constants(self, type_: ValType) -> list[Global]:
        """The globals that a constant expression after all of them may name."""
        own = self.shell.config.allows(Feature.GC)
        return [glob for glob in self.all if glob.type is type_ and not glob.mutable and (own or glob.imported)]

    # Choosing among them

    def writable(self, source: ChoiceSource, type_: ValType) -> Global:
        """A variable global of the type; one in eight times a new one."""
        writable = [glob for glob in self.all if glob.type is type_ and glob.mutable]
        if not writable or (source.one_in(8) and len(writable) < _MOST_WRITABLE):
            return self.add(source, type_)
        return source.pick(writable)

    def any(self, source: ChoiceSource) -> Global:
        """A variable global of any type."""
        writable = [glob for glob in self.all if glob.mutable]
        if not writable:
            return self.add(source, self.draw_type(source))
        return source.pick(writable)

    def load(self, tree: Tree, type_: NumType, _depth: int) -> None:
        """A global as an operand: the trees' hook."""
        globs = [glob for glob in self.all if glob.type is type_]
        if not globs:
            globs = [self.add(tree.source, type_, not tree.source.one_in(4))]
        tree.fn += READ(tree.source.pick(globs).index)

    # The end

    def close(self) -> None:
        """A function that folds what nothing else shows, and a call of it."""
        unseen = [glob for glob in self.all if glob.mutable and not glob.seen]
        if not unseen:
            return
        shell = self.shell
        f = shell.builder.func((), (I64,), export="cells")
        fn = Function.of(shell, f, shell.source.fork("cells"))
        for glob in unseen:
            fold_global(fn, glob)
        fn.close_vectors()
        fn.get(fn.acc)
        shell.invocations.append(Invocation("cells"))


def read_all(globs: Iterable[Global]) -> Code:
    """Instructions that put the values of globals on the stack, the first one lowest."""
    return tuple([(_GET_GLOBAL, glob.index) for glob in globs])


def write_all(globs: Iterable[Global]) -> Code:
    """Instructions that take values off the stack into globals, the topmost value into the first."""
    return tuple([(_SET_GLOBAL, glob.index) for glob in globs])


def fold_global(fn: Function, glob: Global) -> None:
    """Fold a global's value into the hash."""
    fn += READ(glob.index)
    fold_any(fn, glob.type)
