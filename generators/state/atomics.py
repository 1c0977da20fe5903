"""Atomic accesses of the threads proposal, run by one thread: every width and operation, shared memory or not.

i32.const 24  i32.and         ;; an aligned address by any number
i64.const 7
i64.atomic.rmw16.add_u offset=4112
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.edges import Constants
from generators.draw.values import CONST
from generators.module.function import Function
from generators.module.shell import STORE_BASE, Shell
from generators.program.parts import Part
from generators.program.program import Program
from generators.scalar.trees import PLAIN, Tree
from wasm.features import Feature
from wasm.fragment import template
from wasm.isa import OPS, ROWS, MemArg, Op
from wasm.valtypes import I32, I64, NumType

_REGION: Final = 64
"""Bytes that atomic accesses touch: small, so that they meet."""

_WAIT_TIMEOUT: Final = 2
"""The operand of a wait that says how long."""
_FENCE: Final = OPS["atomic.fence"]

_CONST: Final = template("i32.const $at")
_MASK: Final = template("i32.const $mask  i32.and")
_LOAD: Final = template("i32.const $base  i64.atomic.load $memory offset=$at")
_KEEP: Final = template("local.set $local  local.get $local")


@lru_cache(maxsize=1)
def _ops() -> tuple[Op, ...]:
    """All atomic instructions; plain loads stand first."""
    ops = [row for row in ROWS if row.feature is Feature.THREADS]
    return tuple(sorted(ops, key=lambda op: op.access is None or op.access.kind != "load"))


@dataclass(frozen=True, slots=True)
class Atomics:
    """The memory that a program's atomics go to; one that is ``shared`` can be waited on."""

    memory: int
    base: int
    shared: bool

    @staticmethod
    def of(shell: Shell) -> Atomics:
        source = shell.source.fork("atomics")
        shared = shell.config.allows(Feature.MULTI_MEMORY) and source.chance(3, 4)
        if not shell.pages:
            shell.claim_memory(1)
        if not shared:
            return Atomics(0, shell.reserve(_REGION), False)
        return Atomics(shell.builder.memory(1, 1, shared=True), STORE_BASE, True)


def _atomics(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Some accesses to one region, each result folded; then all of the region."""
    target = program.shell.kit(Atomics.of)
    tree = Tree.within(fn, source, PLAIN, room // 2)
    constants = Constants(source)
    ops = [op for op in _ops() if target.shared or op.access is None or op.access.kind != "wait"]
    for _ in range(source.between(1, 1 + min(room // 8, 12))):
        _access(tree, target, source.pick(ops), constants)
    for at in range(0, _REGION, 8):
        fn += _LOAD(base=target.base, memory=target.memory, at=at)
        fn += fn.fold(I64)


def _access(tree: Tree, target: Atomics, op: Op, constants: Constants) -> None:
    """One instruction at an aligned address: a constant, or any number cut to a few bits (an unaligned one traps)."""
    source, fn = tree.source, tree.fn
    if op is _FENCE:
        fn += ((op, 0),)
        return
    access = op.access
    assert access is not None
    size = access.bytes
    at = target.base + source.below(_REGION // 2 // size) * size
    if source.one_in(2):
        # The number becomes a multiple of the size in the first half of the region, and the offset is in it too.
        tree.grow(I32, 1)
        fn += _MASK(_REGION // 2 - size)
        offset = at
    else:
        fn += _CONST(at)
        offset = 0
    for i, type_ in enumerate(op.params or ()):
        if not isinstance(type_, NumType):
            continue
        if access.kind == "wait" and i == _WAIT_TIMEOUT:
            # Nobody wakes the only thread: it gives up at once, or finds another value than it expects.
            fn += ((CONST[I64], 0),)
        elif source.one_in(3):
            fn += ((CONST[type_], constants.operand(op, i, type_)),)
        else:
            tree.clean(type_, 2)
    fn += ((op, MemArg(size.bit_length() - 1, offset, target.memory)),)
    for result in op.results or ():
        assert isinstance(result, NumType)
        local = fn.local(result)
        fn += _KEEP(local)
        fn += fn.fold(result)
        fn.sources.setdefault(result, []).append(local)


ATOMICS: Final = Part("atomics", frozenset({Feature.THREADS}), _atomics)
