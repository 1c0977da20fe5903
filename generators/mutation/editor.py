"""One function under edit: what an edit may choose from, and how it changes the code.

An edit asks the editor for something to change (``pick`` an instruction, a ``span``), and puts other code there
(``splice``). The editor keeps what ends loops and guards traps out of reach (``generators.mutation.guards``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from generators.choices import ChoiceSource
from generators.config import Config
from generators.module.function import Function
from generators.module.shell import PAGE, Shell
from generators.mutation.guards import Code, CodeReader, Guarded, guarded
from generators.scalar.expressions import emit_clean
from wasm.builder import FuncBuilder
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.isa import Instr, Op
from wasm.module import Func, Module
from wasm.validate_code import BodyValidator
from wasm.valtypes import I32, I64, FuncType, NumType, ValType

_MOST_INSTRS: Final = 1500
"""Functions above this are left alone: reading them again for every edit would take longer than all else."""
_LARGEST_SPAN: Final = 120

Move: TypeAlias = tuple[int, int, int]
"""(start, end, delta): what was from ``start`` up to ``end`` is other code now, and what follows moved by ``delta``."""


@dataclass(slots=True)
class Editor:
    """One function of a module under edit.

    ``index`` is the function's, ``deep`` the functions that may call themselves (``deep_functions``). ``moves`` says
    what went where, in the order in which it was done. ``code`` is what ``func.body`` was when it was read last: an
    edit in place leaves it as it is.
    """

    reader: CodeReader
    config: Config
    source: ChoiceSource
    index: int
    deep: frozenset[int]
    func: Func
    code: Code
    guarded: Guarded
    moves: list[Move] = field(default_factory=list)

    @staticmethod
    def open(
        module: Module, reader: CodeReader, config: Config, source: ChoiceSource, index: int, deep: frozenset[int]
    ) -> Editor | None:
        """An editor for function ``index`` of a valid module; None if that function is left alone."""
        func = module.funcs[index - (len(reader.context.funcs) - len(module.funcs))]
        if len(func.body) > _MOST_INSTRS:
            return None
        code = reader.read(func)
        if code is None:
            return None
        kept = guarded(code, func.body, index in deep, deep)
        return Editor(reader, config, source, index, deep, func, code, kept)

    @property
    def context(self) -> ModuleContext:
        """What the module's functions are typed against."""
        return self.reader.context

    @property
    def kept(self) -> frozenset[int]:
        """The instructions that edits leave alone."""
        return self.guarded.kept

    def attempt(self, change: Callable[[Editor], bool], in_place: bool) -> bool | None:
        """Make a change, and read the function again unless the change is ``in_place``.

        None: nothing was there to change; False: the result was not valid and was taken back.
        """
        func = self.func
        before = list(func.body), list(func.locals), list(self.moves), list(self.code.graph.locals)
        if not change(self):
            return None
        if in_place:
            return True
        try:
            BodyValidator(self.context).func(func)
            code = self.reader.read(func)
        except Invalid:
            code = None
        if code is None:
            func.body, func.locals, self.moves, self.code.graph.locals = before
            return False
        self.code = code
        self.guarded = guarded(code, func.body, self.index in self.deep, self.deep)
        return True

    # What there is to change.

    def span(self) -> tuple[int, int, ValType] | None:
        """An expression whose value nothing needs that makes the code end or keeps it from trapping."""
        kept = self.kept
        spans = [
            (start, end, type_)
            for start, end, type_ in self.code.spans.spans
            if end - start <= _LARGEST_SPAN and end - 1 not in kept
        ]
        return self.source.pick(spans) if spans else None

    def number(self) -> tuple[int, int, NumType] | None:
        """The same for a number."""
        kept = self.kept
        spans = [
            (start, end, type_)
            for start, end, type_ in self.code.spans.spans
            if isinstance(type_, NumType) and end - start <= _LARGEST_SPAN and end - 1 not in kept
        ]
        return self.source.pick(spans) if spans else None

    def statement(self) -> tuple[int, int] | None:
        """Code that leaves the operand stack as it is and holds nothing that is kept."""
        statements = [
            (start, end)
            for start, end in self.code.spans.statements
            if end - start <= _LARGEST_SPAN and not any(at in self.kept for at in range(start, end))
        ]
        return self.source.pick(statements) if statements else None

    def pick(self, wanted: Callable[[int, Op, Any], bool]) -> int | None:
        """The position of an instruction that may be changed and is wanted, by (position, row, immediates)."""
        body, kept = self.func.body, self.kept
        places = [at for at in self.code.at if at not in kept and wanted(at, *body[at])]
        return self.source.pick(places) if places else None

    # How to change it.

    def splice(self, start: int, end: int, instrs: Sequence[Instr]) -> None:
        """Put other instructions in the place of those from ``start`` up to ``end``."""
        self.func.body[start:end] = instrs
        self.moves.append((start, end, len(instrs) - (end - start)))

    def local(self, type_: ValType) -> int:
        """A new local."""
        local_types = self.code.graph.locals
        local_types.append(type_)
        self.func.locals.append((1, type_))
        return len(local_types) - 1

    def fresh(self, type_: NumType, depth: int) -> list[Instr] | None:
        """A new expression over the function's parameters; None where memory 0 is not as it expects."""
        memories = self.context.memories
        if not memories or memories[0].index64 or memories[0].limits.minimum << memories[0].page_log2 < PAGE:
            return None
        shell = Shell(self.config, self.source, private=True)
        local_types = self.code.graph.locals
        builder = FuncBuilder(shell.builder, 0, FuncType(tuple(local_types), ()), 0)
        params = self.context.func_type_at(self.func.type_index).params
        # Parameters may be NaNs with bits that the specification leaves open: only integers are read.
        integers: dict[ValType, list[int]] = {}
        for i, param in enumerate(params):
            if param in (I32, I64):
                integers.setdefault(param, []).append(i)
        fn = Function(shell, builder, self.source, 0, 0, {t: integers[t] for t in (I32, I64) if t in integers})
        emit_clean(fn, self.source, type_, depth)
        for count, local in builder.locals:
            local_types += [local] * count
            self.func.locals.append((count, local))
        return builder.body
