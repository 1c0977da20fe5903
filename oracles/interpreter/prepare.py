"""First tier, preparation: one pass over a body that binds its instructions and resolves its branches.

The result is a flat list of plain tuples: a kind, which is one of the numbers below, and what it needs. The machine
takes a tuple apart into names at once, as its kind's layout has them; CPython does that faster than it reads a member
of a named tuple. The layouts, without the kind:

    GET SET TEE                 local
    CONST                       value
    OP1 OP2                     function
    OPERATOR                    function, takes, gives
    LOAD                        memory, offset, unpack, slow, size
    STORE                       memory, offset, pack, largest, size
    GLOBAL_GET GLOBAL_SET       global
    BLOCK                       params
    HEAD                        loop, label
    IF                          params, label
    ELSE                        label
    TRY                         params, clauses
    RETURN                      results
    CALL TAIL_CALL              callee, params
    CALL_INDIRECT TAIL_INDIRECT table, types, type_index, params
    CALL_REF TAIL_REF           params
    BR BR_IF BR_ON_*            up, drop, arity, label, test (``branch`` says what these are)
    BR_TABLE                    targets, last: branches by index, and the index of the default
    HOOK                        hook
    THROW                       tag, params
    END END_TRY FINISH DROP SELECT THROW_REF UNREACHABLE: nothing

``params``, ``results``, ``takes`` and ``gives`` are numbers of values. Heights of blocks are kept at run time
(``oracles.interpreter.machine``), so that no types need to be followed here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias, final

import oracles.interpreter.operators_gc
import oracles.interpreter.operators_memory  # noqa: F401  (each import registers its binders)
from oracles.interpreter.operators import CONSTANTS, bind
from oracles.interpreter.operators_gc import reference_test
from oracles.interpreter.operators_memory import PACK, UNPACK
from oracles.interpreter.store import Func, Hook, Instance, Loop
from oracles.interpreter.values import Tag, default
from wasm.isa import OPS, Instr, Op
from wasm.valtypes import NumType

# About in the order in which the machine asks for them, the most frequent first: a chain of tests is its dispatch.
(
    GET, CONST, OP2, SET, OP1, TEE, LOAD, STORE, BR_IF, CALL, END, IF, BLOCK, HEAD, DROP, GLOBAL_GET, GLOBAL_SET,
    OPERATOR, SELECT, BR, ELSE, RETURN, FINISH, CALL_INDIRECT, CALL_REF, BR_TABLE, HOOK, TAIL_CALL, TAIL_INDIRECT,
    TAIL_REF, THROW, THROW_REF, TRY, END_TRY, BR_ON_NULL, BR_ON_NON_NULL, BR_ON_CAST, BR_ON_CAST_FAIL, UNREACHABLE,
) = range(39)  # fmt: skip

Code: TypeAlias = list[tuple[Any, ...]]
Branch: TypeAlias = tuple[int, int, int, int, "Label", Any]
"""What ``branch`` makes."""


class Clause(NamedTuple):
    """A catch clause: the tag it catches (None: all), whether it passes the exception on, and where it branches to."""

    tag: Tag | None
    with_ref: bool
    target: Branch


class NotExecutable(Exception):
    """An instruction that the interpreter does not execute: the legacy exceptions. The message names it."""


@final
class Label:
    """A block of a body, and a branch target.

    ``outer`` is the block around it (None for the function's body), ``arity`` the values that a branch to it takes,
    ``pc`` where one goes on: behind a block's end, at a loop's head. ``start`` is where it opens in the body.
    ``otherwise`` is where an ``if`` goes on whose condition is 0. ``loop`` is set for a loop, ``tries`` for a
    try_table. ``inner`` counts the instructions inside loops of this block: those loops pay for them.
    """

    __slots__ = ("arity", "inner", "loop", "otherwise", "outer", "pc", "start", "tries")

    def __init__(self, outer: Label | None, arity: int, start: int) -> None:
        self.outer, self.arity, self.start = outer, arity, start
        self.pc = self.otherwise = -1
        self.loop: Loop | None = None
        self.inner = 0
        self.tries = False


def block_arity(imm: object, instance: Instance) -> tuple[int, int]:
    """The numbers of parameters and results of a block type."""
    if imm is None:
        return 0, 0
    if isinstance(imm, int):
        type_ = instance.types.func(imm)
        assert type_ is not None
        return len(type_.params), len(type_.results)
    return 0, 1


def prepare(func: Func) -> Code:
    """Make the first tier's code of a function and fill in ``code``, ``cost``, ``zeros`` and ``loops``.

    ``weight`` was set when the function was allocated (``oracles.interpreter.link``), as callers need it before.
    Raises ``NotExecutable``.
    """
    func.code = _Preparer(func).run()
    func.zeros = [value for count, type_ in func.locals for value in [default(type_)] * count]
    return func.code


@final
class _Entries(dict[Instr, "tuple[Any, ...] | None"]):
    """An instance's code of instructions that mean the same in all of its functions, made on demand; None for others.

    Mapping a body by it, which is most of preparing, runs at the speed of a dict.
    """

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self.instance = instance

    def __missing__(self, instr: Instr) -> tuple[Any, ...] | None:
        entry = self[instr] = None if instr[0] in _CONTROL else self._entry(*instr)
        return entry

    def _entry(self, op: Op, imm: Any) -> tuple[Any, ...]:
        kind = _WITH_IMMEDIATE.get(op)
        if kind is not None:
            return kind, imm
        own = _OF_INSTANCE.get(op)
        if own is not None:
            return own(self.instance, imm)
        if op.access is not None and op in _DIRECT:
            return _access(op, imm, self.instance)
        function, takes, gives = bind(op, imm, self.instance)
        if gives == 1 and takes == 2:
            return OP2, function
        if gives == 1 and takes == 1:
            return OP1, function
        return OPERATOR, function, takes, gives


def _access(op: Op, imm: Any, instance: Instance) -> tuple[Any, ...]:
    memory, size = instance.memories[imm.memory], _DIRECT[op]
    assert op.access is not None
    if op.access.kind == "load":
        slow = memory.load if op.name[0] == "i" else memory.load_open
        return LOAD, memory, imm.offset, UNPACK[size], slow, size
    return STORE, memory, imm.offset, PACK[size], (1 << 8 * size) - 1, size


def _call(instance: Instance, imm: int) -> tuple[Any, ...]:
    callee = instance.funcs[imm]
    return CALL, callee, len(callee.params)


@final
class _Preparer:
    def __init__(self, func: Func) -> None:
        assert func.instance is not None
        self.func, self.instance = func, func.instance
        self.store = func.instance.store
        self.code: Code = []
        self.label = Label(None, len(func.results), 0)
        self.labels = [self.label]
        self.at = 0

    def run(self) -> Code:
        code, body, instance = self.code, self.func.body, self.instance
        entries = instance.entries
        if entries is None:
            entries = instance.entries = _Entries(instance)
        hooks = self._hooks()
        ready: list[Any] = list(map(entries.__getitem__, body))
        if hooks:
            ready = [None if at in hooks else entry for at, entry in enumerate(ready)]
        done = 0
        for at in [at for at, entry in enumerate(ready) if entry is None]:
            code += ready[done:at]
            done = at + 1
            if at in hooks:
                code.append((HOOK, hooks[at]))
            entry = entries[body[at]]
            if entry is not None:  # it has a hook and is otherwise as it is anywhere
                code.append(entry)
                continue
            self.at = at
            op, imm = body[at]
            _CONTROL[op](self, imm)
        code += ready[done:]
        self.func.cost = len(body) - self.label.inner
        return code

    def _hooks(self) -> dict[int, Hook]:
        store, index = self.store, self.func.index
        hooks = dict(self.instance.hooks.get(index, ()))
        tracer, counts = store.tracer if self.instance.watched else None, store.counts
        if tracer is None and counts is None:
            return hooks
        if tracer is None and not hooks:
            return {at: self._counter(op) for at, (op, _) in enumerate(self.func.body)}

        def watch(at: int, op: Op, imm: Any) -> Hook:
            also = hooks.get(at)

            def hook(stack: list[Any], locals_: list[Any]) -> None:
                if also is not None:
                    also(stack, locals_)
                if counts is not None:
                    counts[op] = counts.get(op, 0) + 1
                if tracer is not None:
                    tracer.step(index, at, op, imm, stack, locals_)

            return hook

        return {at: watch(at, op, imm) for at, (op, imm) in enumerate(self.func.body)}

    def _counter(self, op: Op) -> Hook:
        """The hook that counts a row, one for all its places."""
        counting, counts = self.store.counting, self.store.counts
        assert counts is not None
        if op not in counting:

            def count(_stack: list[Any], _locals: list[Any]) -> None:
                counts[op] = counts.get(op, 0) + 1

            counting[op] = count
        return counting[op]

    # Blocks

    def _open(self, arity: int) -> Label:
        self.label = Label(self.label, arity, self.at)
        self.labels.append(self.label)
        return self.label

    def _block(self, imm: Any) -> None:
        params, results = block_arity(imm, self.instance)
        self._open(results)
        self.code.append((BLOCK, params))

    def _loop(self, imm: Any) -> None:
        params, _ = block_arity(imm, self.instance)
        label = self._open(params)
        self.code.append((BLOCK, params))
        label.pc = len(self.code)
        label.loop = self.func.loops[self.at] = Loop(self.at)
        self.code.append((HEAD, label.loop, label))

    def _if(self, imm: Any) -> None:
        params, results = block_arity(imm, self.instance)
        label = self._open(results)
        self.code.append((IF, params, label))

    def _else(self, _imm: Any) -> None:
        self.code.append((ELSE, self.label))
        self.label.otherwise = len(self.code)

    def _try_table(self, imm: Any) -> None:
        type_, catches = imm
        params, results = block_arity(type_, self.instance)
        clauses = []
        for clause in catches:  # their labels are counted from outside
            tag = None if clause.tag is None else self.instance.tags[clause.tag]
            clauses.append(Clause(tag, clause.kind.endswith("_ref"), self._branch(BR, clause.label)))
        label = self._open(results)
        label.tries = True
        self.code.append((TRY, params, tuple(clauses)))

    def _end(self, _imm: Any) -> None:
        label = self.label
        if label.outer is None:
            label.pc = len(self.code)
            self.code.append((FINISH,))
            return
        if label.otherwise < 0:
            label.otherwise = len(self.code)
        self.code.append((END_TRY if label.tries else END,))
        inner = label.inner
        if label.loop is not None:
            length = self.at - label.start + 1
            label.loop.cost = length - inner
            label.loop.end = len(self.code)
            inner = length
        else:
            label.pc = len(self.code)
        label.outer.inner += inner
        self.labels.pop()
        self.label = label.outer

    # Branches

    def _branch(self, kind: int, depth: int, test: Any = None) -> Branch:
        return branch(kind, self.labels[-1 - depth], depth, test)

    def _br_table(self, imm: Any) -> None:
        depths, last = imm
        # Far labels are looked up once each: a table may name 65,520 of them.
        made = {depth: self._branch(BR, depth) for depth in {*depths, last}}
        self.code.append((BR_TABLE, [made[depth] for depth in (*depths, last)], len(depths)))

    def _br_on_cast(self, imm: Any) -> None:
        self.code.append(self._branch(BR_ON_CAST, imm[0], reference_test(self.instance, imm[2])))

    def _br_on_cast_fail(self, imm: Any) -> None:
        self.code.append(self._branch(BR_ON_CAST_FAIL, imm[0], reference_test(self.instance, imm[2])))

    # Calls and the rest

    def _tail_call(self, imm: int) -> None:
        callee = self.instance.funcs[imm]
        self.code.append((TAIL_CALL, callee, len(callee.params)))

    def _indirect(self, kind: int, imm: tuple[int, int]) -> None:
        type_index, table = imm
        type_ = self.instance.types.func(type_index)
        assert type_ is not None
        self.code.append((kind, self.instance.tables[table], self.instance.types, type_index, len(type_.params)))

    def _by_ref(self, kind: int, imm: int) -> None:
        type_ = self.instance.types.func(imm)
        assert type_ is not None
        self.code.append((kind, len(type_.params)))

    def _throw(self, imm: int) -> None:
        tag = self.instance.tags[imm]
        self.code.append((THROW, tag, len(tag.params)))

    def _legacy(self, _imm: Any) -> None:
        raise NotExecutable(self.func.body[self.at][0].mnemonic)


def branch(kind: int, label: Label, depth: int, test: Any = None) -> Branch:
    """A branch to a label at a relative depth: (kind, up, drop, arity, label, test).

    The machine has one height per open block, the function's body first, the innermost last. The target's is the
    ``up``-th from the end, and the last ``drop`` go with the blocks that are left: a branch to a loop stays inside it,
    so its own height stays too. ``test`` decides for the casting branches.
    """
    return kind, depth + 1, depth if label.loop is not None else depth + 1, label.arity, label, test


_Handler = Callable[[_Preparer, Any], None]
_CONTROL: Final[dict[Op, _Handler]] = {
    OPS[name]: handler
    for name, handler in {
        "nop": lambda _, __: None,
        "unreachable": lambda p, _: p.code.append((UNREACHABLE,)),
        "block": _Preparer._block,
        "loop": _Preparer._loop,
        "if": _Preparer._if,
        "else": _Preparer._else,
        "end": _Preparer._end,
        "try_table": _Preparer._try_table,
        "br": lambda p, imm: p.code.append(p._branch(BR, imm)),
        "br_if": lambda p, imm: p.code.append(p._branch(BR_IF, imm)),
        "br_on_null": lambda p, imm: p.code.append(p._branch(BR_ON_NULL, imm)),
        "br_on_non_null": lambda p, imm: p.code.append(p._branch(BR_ON_NON_NULL, imm)),
        "br_on_cast": _Preparer._br_on_cast,
        "br_on_cast_fail": _Preparer._br_on_cast_fail,
        "br_table": _Preparer._br_table,
        "return": lambda p, _: p.code.append((RETURN, len(p.func.results))),
        "call_indirect": lambda p, imm: p._indirect(CALL_INDIRECT, imm),
        "call_ref": lambda p, imm: p._by_ref(CALL_REF, imm),
        "return_call": _Preparer._tail_call,
        "return_call_indirect": lambda p, imm: p._indirect(TAIL_INDIRECT, imm),
        "return_call_ref": lambda p, imm: p._by_ref(TAIL_REF, imm),
        "throw": _Preparer._throw,
        "throw_ref": lambda p, _: p.code.append((THROW_REF,)),
        "try": _Preparer._legacy,
        "catch": _Preparer._legacy,
        "catch_all": _Preparer._legacy,
        "delegate": _Preparer._legacy,
        "rethrow": _Preparer._legacy,
    }.items()
}

_WITH_IMMEDIATE: Final[dict[Op, int]] = {
    **dict.fromkeys(CONSTANTS, CONST),
    OPS["local.get"]: GET,
    OPS["local.set"]: SET,
    OPS["local.tee"]: TEE,
}
_OF_INSTANCE: Final[dict[Op, Callable[[Instance, Any], tuple[Any, ...]]]] = {
    OPS[name]: entry
    for name, entry in {
        "drop": lambda _, __: (DROP,),
        "select": lambda _, __: (SELECT,),
        "select_t": lambda _, __: (SELECT,),
        "call": _call,
        "global.get": lambda instance, imm: (GLOBAL_GET, instance.globals[imm]),
        "global.set": lambda instance, imm: (GLOBAL_SET, instance.globals[imm]),
        "ref.null": lambda _, __: (CONST, None),
        "ref.func": lambda instance, imm: (CONST, instance.funcs[imm]),
    }.items()
}
"""Rows with a kind of their own that are the same wherever they stand in an instance's functions."""


def _direct_accesses() -> dict[Op, int]:
    """The accesses that the machine does itself: bytes as they are, no sign, no vector."""
    sizes: dict[Op, int] = {}
    for op in OPS.values():
        access = op.access
        if access is None or op.prefix or access.signed:
            continue
        type_ = (op.results or ())[0] if access.kind == "load" else (op.params or ())[1]
        assert isinstance(type_, NumType)
        # A narrow store has to cut its value first.
        if access.kind == "load" or access.bytes * 8 == type_.bits:
            sizes[op] = access.bytes
    return sizes


_DIRECT: Final = _direct_accesses()
