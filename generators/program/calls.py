"""Calls of every kind, and functions that hand a callee's results on through one more call.

A ``Callee`` carries the call sites inside it that have not been accounted for: they count as passed when the last
result of the outermost call is used, since all results travelled through them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.operands import operands
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.module.shell import Shell
from generators.program.push_values import push_values
from wasm.builder import FuncBuilder, Label, const
from wasm.case import CallSite
from wasm.features import Feature
from wasm.isa import OPS
from wasm.valtypes import EXTERNREF, I32, I64, FuncType, NumType, ValType, ref

TAILS: Final = {"tail": "direct", "tail_indirect": "indirect", "tail_ref": "ref"}
"""Tail kinds and how they name their callee."""

_MAX_ROUNDS: Final = 9

INTEGERS: Final = frozenset({I32, I64})


@dataclass(frozen=True, slots=True)
class Callee:
    """A function that can be called; ``pending`` has (kind, type) of the sites that its call passes.

    ``frame_values`` is how many values all frames below it hold, ``rounds`` how often loops run the innermost callee.
    """

    func: int
    type_index: int
    type: FuncType
    pending: tuple[tuple[str, FuncType], ...] = ()
    frame_values: int = 0
    rounds: int = 1

    @property
    def weight(self) -> int:
        """Values in one frame of the chain, for the stack's budget."""
        return len(self.type.params) + len(self.type.results)


@dataclass(slots=True)
class Calls:
    """How calls are emitted in one module: kinds that the features allow, and what has been made for them."""

    shell: Shell
    globals: dict[int, int] = field(default_factory=dict)

    def kinds(self) -> tuple[str, ...]:
        """Kinds of links that the features allow."""
        allows = self.shell.config.allows
        found = ["direct", "indirect", "loop", "recursive"]
        if allows(Feature.TAIL_CALL):
            found += ["tail", "tail_indirect"]
        if allows(Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES):
            found.append("ref")
            if allows(Feature.TAIL_CALL):
                found.append("tail_ref")
        return tuple(found)

    def call(self, fn: Function, source: ChoiceSource, how: str, callee: Callee, other: Callee | None = None) -> None:
        """Call ``callee``, its arguments being on the stack; ``how`` is one of direct, indirect, ref or a tail kind.

        With ``other``, of the same type, the first i32 parameter decides at run time which of the two is called.
        """
        body = fn.f.body
        tail = "return_" if how in TAILS else ""
        how = TAILS.get(how, how)
        selector = next((i for i, type_ in enumerate(fn.f.type.params) if type_ is I32), None)
        if selector is None:
            other = None
        if how == "direct":
            body.append((OPS[f"{tail}call"], callee.func))
        elif how == "indirect":
            base = self.shell.slot(callee.func, *([other.func] if other else []))
            if other is not None:
                body += ((GET, selector), (I32_CONST, 1), BARE["i32.and"], (I32_CONST, base), BARE["i32.add"])
            else:
                body.append((I32_CONST, base))
            body.append((OPS[f"{tail}call_indirect"], (callee.type_index, self.shell.tables["functions"])))
        else:
            self._reference(fn, source, callee, other, selector)
            body.append((OPS[f"{tail}call_ref"], callee.type_index))

    def _reference(
        self, fn: Function, source: ChoiceSource, callee: Callee, other: Callee | None, selector: int | None
    ) -> None:
        """Put a reference to the callee on the stack: a constant one, one out of a global, or one of two."""
        body = fn.f.body
        if other is not None:
            body += (self.shell.declare(other.func), self.shell.declare(callee.func))
            body += ((GET, selector), (I32_CONST, 1), BARE["i32.and"])
            body.append((OPS["select_t"], (ref(callee.type_index, False),)))
        elif source.chance(1, 3):
            held = self.globals.get(callee.func)
            if held is None:
                type_ = ref(callee.type_index, source.chance(1, 2))
                init = const("ref.func", callee.func)
                held = self.globals[callee.func] = self.shell.builder.global_(type_, init, source.chance(1, 2))
            body.append((OPS["global.get"], held))
        else:
            body.append(self.shell.declare(callee.func))

    def link(self, source: ChoiceSource, callee: Callee, kind: str, narrow: bool) -> Callee:
        """A function that calls ``callee`` by ``kind`` and hands its results on.

        ``narrow``: it has no more than four parameters of its own and makes up the arguments, so that a tail call out
        of it needs more stack for arguments than its own frame was given.
        """
        params = callee.type.params[: source.below(5)] if narrow else callee.type.params
        shell, builder = self.shell, self.shell.builder
        if kind in TAILS and len(callee.type.params) > len(params) + 4:
            shell.labels.add("narrow_tail")
        results = callee.type.results
        f = builder.func(params, results)
        fn = Function.of(shell, f, source)
        fn.seed(source.bits(16))
        forward = params == callee.type.params and not (params and source.chance(1, 3))
        rounds = callee.rounds
        if kind == "recursive":
            self._recursive(fn, source, callee, forward)
        elif kind == "loop":
            times = source.between(1, 3 if rounds < _MAX_ROUNDS else 1)
            rounds *= times
            self._looping(fn, source, callee, forward, times)
        else:
            close = None if kind in TAILS else open_exit(f, source, results)
            self._arguments(fn, source, callee, forward)
            self.call(fn, source, kind, callee)
            if close is not None:
                close_exit(f, *close)
        type_ = FuncType(params, results)
        pending = (*callee.pending, (kind, callee.type if kind != "recursive" else type_))
        return Callee(f.index, f.type_index, type_, pending, callee.frame_values + callee.weight + 8, rounds)

    def _arguments(self, fn: Function, source: ChoiceSource, callee: Callee, forward: bool) -> None:
        if forward:
            fn.f.body += [(GET, i) for i in range(len(callee.type.params))]
        else:
            for i, type_ in enumerate(fn.f.type.params):
                if type_ in (I32, I64):
                    fn.f.body += ((GET, i), *fn.fold(type_))
            push_values(fn, source, callee.type.params)

    def _recursive(self, fn: Function, source: ChoiceSource, callee: Callee, forward: bool) -> None:
        """Call itself a few times, then ``callee``. How often is a global that the innermost call winds up again."""
        f = fn.f
        room = self.shell.config.max_stack_bytes // 2 // (16 * (callee.weight + 8))
        depth = max(1, min(source.between(1, 6), room))
        count = self.shell.global_(I32, depth)
        f.body.append((OPS["global.get"], count))
        f.open("if", (), f.type.results)
        f.body += ((OPS["global.get"], count), (I32_CONST, 1), BARE["i32.sub"], (OPS["global.set"], count))
        f.body += [(GET, i) for i in range(len(f.type.params))]
        f.emit("call", f.index)
        f.else_()
        f.body += ((I32_CONST, depth), (OPS["global.set"], count))
        self._arguments(fn, source, callee, forward)
        f.emit("call", callee.func)
        f.end()

    def _looping(self, fn: Function, source: ChoiceSource, callee: Callee, forward: bool, times: int) -> None:
        """Call in a loop; the results of all but the last round lie below a taken branch and are dropped by it."""
        f = fn.f
        count = f.local(I32)
        f.body += ((I32_CONST, times), (SET, count))
        f.open("loop", (), f.type.results)
        self._arguments(fn, source, callee, forward)
        f.emit("call", callee.func)
        f.body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
        f.end()

    def leaf(
        self, source: ChoiceSource, type_: FuncType, export: str | None = None, type_index: int | None = None
    ) -> Callee:
        """A function that folds all its parameters in order and makes up results from them.

        ``type_index`` is that of ``type_`` where it is a subtype, or is otherwise not the plain type.
        """
        f = self.shell.builder.func(type_.params, type_.results, export=export, type_index=type_index)
        fn = Function.of(self.shell, f, source)
        fn.seed(source.bits(32) + f.index)
        if source.chance(1, 2):
            # From the state as well, so that two calls differ and results of an earlier one cannot pass for new ones.
            f.body += ((OPS["global.get"], self.shell.checksum), *fn.fold(I64))
        for i, param in enumerate(type_.params):
            f.body.append((GET, i))
            fn.take(param)
        fn.close_vectors()
        pure = source.chance(1, 2)
        close = open_exit(f, source, type_.results)
        if not push_values(fn, source, type_.results) or not pure:
            # Nothing else would show what became of the parameters.
            fn.publish()
        close_exit(f, *close)
        return Callee(f.index, f.type_index, type_)


_EXITS: Final = weighted(("fall", 40), ("return", 24), ("br", 12), ("block", 12), ("br_table", 12))


def open_exit(f: FuncBuilder, source: ChoiceSource, results: Sequence[ValType]) -> tuple[str, Label | None]:
    """Choose how a function's results leave it; a block is opened for them where that takes one."""
    how = source.weighted(_EXITS)
    label = f.open("block", (), results) if how in ("block", "br_table") else None
    return how, label


def close_exit(f: FuncBuilder, how: str, label: Label | None) -> None:
    """Leave with the results on the stack: fall through, ``return``, or a branch that carries them all."""
    if how == "return":
        f.emit("return")
    elif how == "br":
        f.br(None)
    elif how == "block":
        f.end()
    elif how == "br_table":
        f.i32(f.index % 3)
        f.br_table((label, None), label)
        f.end()


def can_import(type_: FuncType) -> bool:
    """Whether a host function of this type gives usable values: no function references or i31."""
    return all(isinstance(t, NumType) or t is EXTERNREF for t in (*type_.params, *type_.results))


def import_callee(shell: Shell, module: str, name: str, type_: FuncType) -> Callee:
    """A host function of an import module that ``wasm.hostmix`` gives a meaning; before any function is defined."""
    index = shell.builder.import_func(module, name, type_.params, type_.results)
    return Callee(index, shell.builder.func_type(type_.params, type_.results), type_)


def site(kind: str, func: int, use_at: int, type_: FuncType) -> CallSite:
    """The account of one call site."""
    count = operands(kind, type_.params, type_.results)
    return CallSite(kind, func, use_at, len(type_.params), len(type_.results), count)
