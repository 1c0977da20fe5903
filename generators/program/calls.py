"""Calls of every kind, and functions that hand a callee's results on through one more call.

A link of the kind ``loop`` around function 5 of type (i32) -> (i64 f32), which calls it twice and hands on what the
second call gives:

    i32.const 2  local.set $count
    loop (result i64 f32)
      local.get 0
      call 5
      local.get $count  i32.const 1  i32.sub  local.tee $count
      br_if 0                 ;; the first results lie below a taken branch, which drops them
    end

A ``Callee`` carries the call sites inside it that have not been accounted for: they count as passed when the last
result of the outermost call is used, since all results travelled through them.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.operands import operands
from generators.module.function import Function
from generators.module.loops import ROUNDS
from generators.module.shell import Shell
from generators.program.endings import leaving
from generators.program.push_values import push_values
from wasm.builder import const
from wasm.case import CallSite
from wasm.features import Feature
from wasm.fragment import Code, template
from wasm.valtypes import EXTERNREF, I32, I64, FuncType, NumType, ref

TAILS: Final = {"tail": "direct", "tail_indirect": "indirect", "tail_ref": "ref"}
"""Tail kinds and how they name their callee."""

INTEGERS: Final = frozenset({I32, I64})

_MAX_ROUNDS: Final = 9
"""Where one call of a chain runs its innermost callee so often already, another loop around it has one round."""

VALUE_BYTES: Final = 16
"""What a value takes of the stack at most."""

SPILLED: Final = 8
"""Values that a frame holds beside its parameters and results."""

_CALL: Final = {"": template("call $func"), "return_": template("return_call $func")}
_CALL_INDIRECT: Final = {prefix: template(f"{prefix}call_indirect $table (type $type)") for prefix in ("", "return_")}
_CALL_REF: Final = {"": template("call_ref $type"), "return_": template("return_call_ref $type")}
_SLOT: Final = template("i32.const $slot")
_SLOT_OF_TWO: Final = template("local.get $selector  i32.const 1  i32.and  i32.const $slot  i32.add")
_REFERENCE_OF_TWO: Final = template("local.get $selector  i32.const 1  i32.and  select_t (result $type)")
_GLOBAL: Final = template("global.get $index")
COUNT_LEFT: Final = template("global.get $count")
STEP_DOWN: Final = template("global.get $count  i32.const 1  i32.sub  global.set $count")
WIND_UP: Final = template("i32.const $depth  global.set $count")


@dataclass(frozen=True, slots=True)
class Callee:
    """A function that can be called; ``pending`` has (kind, type) of the sites that its call passes.

    ``func`` and ``type_index`` are indices, ``type`` is what the second one stands for. ``frame_values`` is how many
    values all stack frames below its own hold, ``rounds`` how often loops run the innermost callee.
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
    """How calls are emitted in one module: kinds that the features allow, and what has been made for them.

    ``globals`` has the global that holds a reference to a function, by the function's index.
    """

    shell: Shell
    globals: dict[int, int] = field(default_factory=dict)

    def kinds(self) -> tuple[str, ...]:
        """Kinds of links that the features allow: a subset of ``draw.operands.KINDS``, the simplest first."""
        allows = self.shell.config.allows
        kinds = ["direct", "indirect", "loop", "recursive"]
        if allows(Feature.TAIL_CALL):
            kinds += ["tail", "tail_indirect"]
        if allows(Feature.FUNCTION_REFERENCES, Feature.REFERENCE_TYPES):
            kinds.append("ref")
            if allows(Feature.TAIL_CALL):
                kinds.append("tail_ref")
        return tuple(kinds)

    def call(self, fn: Function, source: ChoiceSource, how: str, callee: Callee, other: Callee | None = None) -> None:
        """Call ``callee``, its arguments being on the stack; ``how`` is one of direct, indirect, ref or a tail kind.

        With ``other``, of the same type, the first i32 parameter decides at run time which of the two is called.
        """
        prefix = "return_" if how in TAILS else ""
        how = TAILS.get(how, how)
        selector = next((i for i, type_ in enumerate(fn.f.type.params) if type_ is I32), None)
        if selector is None:
            other = None
        if how == "direct":
            fn += _CALL[prefix](func=callee.func)
        elif how == "indirect":
            if other is None:
                fn += _SLOT(slot=self.shell.slot(callee.func))
            else:
                # Two slots next to each other: the parameter's lowest bit is added to the first one's index.
                fn += _SLOT_OF_TWO(selector=selector, slot=self.shell.slot(callee.func, other.func))
            fn += _CALL_INDIRECT[prefix](table=self.shell.tables["functions"], type=callee.type_index)
        else:
            if other is None:
                fn += self._reference(source, callee)
            else:
                fn += (self.shell.declare(other.func), self.shell.declare(callee.func))
                fn += _REFERENCE_OF_TWO(selector=selector, type=ref(callee.type_index, False))
            fn += _CALL_REF[prefix](type=callee.type_index)

    def _reference(self, source: ChoiceSource, callee: Callee) -> Code:
        """A reference to the callee: a constant one, or one out of a global."""
        if not source.chance(1, 3):
            return (self.shell.declare(callee.func),)
        holder = self.globals.get(callee.func)
        if holder is None:
            type_ = ref(callee.type_index, source.chance(1, 2))
            init = const("ref.func", callee.func)
            holder = self.globals[callee.func] = self.shell.builder.global_(type_, init, source.chance(1, 2))
        return _GLOBAL(index=holder)

    def link(self, source: ChoiceSource, callee: Callee, kind: str, narrow: bool) -> Callee:
        """A function that calls ``callee`` by ``kind`` and hands its results on.

        ``narrow``: it has no more than four parameters of its own and makes up the arguments, so that a tail call out
        of it needs more stack for arguments than its own frame was given.
        """
        shell, params, results = self.shell, callee.type.params, callee.type.results
        if narrow:
            params = params[: source.below(5)]
        if kind in TAILS and len(callee.type.params) > len(params) + 4:
            shell.labels.add("narrow_tail")
        f = shell.builder.func(params, results)
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
            # A tail call leaves the function by itself.
            with nullcontext() if kind in TAILS else leaving(fn, source):
                self._arguments(fn, source, callee, forward)
                self.call(fn, source, kind, callee)
        pending = (*callee.pending, (kind, callee.type if kind != "recursive" else f.type))
        frame_values = callee.frame_values + callee.weight + SPILLED
        return Callee(f.index, f.type_index, f.type, pending, frame_values, rounds)

    def _arguments(self, fn: Function, source: ChoiceSource, callee: Callee, forward: bool) -> None:
        """The callee's arguments: the function's own parameters, or new values that depend on them."""
        if forward:
            fn.get(*range(len(callee.type.params)))
            return
        for i, type_ in enumerate(fn.f.type.params):
            if type_ in INTEGERS:
                fn.fold_local(type_, i)
        push_values(fn, source, callee.type.params)

    def _recursive(self, fn: Function, source: ChoiceSource, callee: Callee, forward: bool) -> None:
        """Call itself a few times, then ``callee``. How often is a global that the innermost call winds up again."""
        room = self.shell.config.max_stack_bytes // 2 // (VALUE_BYTES * (callee.weight + SPILLED))
        depth = max(1, min(source.between(1, 6), room))
        count = self.shell.global_(I32, depth)
        fn += COUNT_LEFT(count=count)
        with fn.block("if", (), fn.f.type.results):
            fn += STEP_DOWN(count=count)
            fn.get(*range(len(fn.f.type.params)))
            fn += _CALL[""](func=fn.f.index)
            fn.else_()
            fn += WIND_UP(depth=depth, count=count)
            self._arguments(fn, source, callee, forward)
            fn += _CALL[""](func=callee.func)

    def _looping(self, fn: Function, source: ChoiceSource, callee: Callee, forward: bool, times: int) -> None:
        """Call in a loop; the results of all but the last round lie below a taken branch and are dropped by it."""
        count = fn.local(I32)
        fn += ROUNDS(count=count, rounds=times)
        with fn.repeat(count, (), fn.f.type.results):
            self._arguments(fn, source, callee, forward)
            fn += _CALL[""](func=callee.func)

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
            fn += _GLOBAL(index=self.shell.checksum)
            fn += fn.fold(I64)
        fn.take_params()
        fn.close_vectors()
        pure = source.chance(1, 2)
        with leaving(fn, source):
            if not push_values(fn, source, type_.results) or not pure:
                # Nothing else would show what became of the parameters.
                fn.publish()
        return Callee(f.index, f.type_index, type_)


def can_import(type_: FuncType) -> bool:
    """Whether a host function of this type gives usable values: no function references or i31."""
    return all(isinstance(t, NumType) or t is EXTERNREF for t in (*type_.params, *type_.results))


def import_callee(shell: Shell, module: str, name: str, type_: FuncType) -> Callee:
    """A host function of an import module that ``wasm.hostmix`` gives a meaning; before any function is defined."""
    index = shell.builder.import_func(module, name, type_.params, type_.results)
    return Callee(index, shell.builder.func_type(type_.params, type_.results), type_)


def site(kind: str, func: int, use_at: int, type_: FuncType) -> CallSite:
    """The account of one call site of a kind of ``draw.operands.KINDS``, as ``CallSite`` has it."""
    count = operands(kind, type_.params, type_.results)
    return CallSite(kind, func, use_at, len(type_.params), len(type_.results), count)


def host_site(invocation: int, type_: FuncType) -> CallSite:
    """The account of a call that the host makes, by its place among the invocations."""
    return site("host", -1, invocation, type_)


def sites_of(fn: Function, callee: Callee, how: str, use_at: int) -> list[CallSite]:
    """The sites that a call of ``callee`` in ``fn`` passes; ``use_at`` is the instruction that uses the last result."""
    return [site(kind, fn.f.index, use_at, type_) for kind, type_ in ((how, callee.type), *callee.pending)]
