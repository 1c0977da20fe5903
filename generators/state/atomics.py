"""Atomic accesses of the threads proposal, run by one thread: every width and operation, shared memory or not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.edges import Constants
from generators.draw.values import CONST
from generators.module.function import BARE, GET, I32_CONST, SET, Function
from generators.module.shell import STORE_BASE, Shell
from generators.program.parts import Part
from generators.program.program import Program
from generators.scalar.trees import PLAIN, Tree
from wasm.features import Feature
from wasm.isa import OPS, ROWS, MemArg, Op
from wasm.valtypes import I32, I64, NumType

_REGION: Final = 64
"""Bytes that atomic accesses touch: small, so that they meet."""

_FENCE: Final = OPS["atomic.fence"]


@lru_cache(maxsize=1)
def _rows() -> tuple[Op, ...]:
    """All atomic instructions; plain loads stand first."""
    found = [row for row in ROWS if row.feature is Feature.THREADS]
    return tuple(sorted(found, key=lambda row: row.access is None or row.access.kind != "load"))


@dataclass(frozen=True, slots=True)
class _Atomics:
    """The memory that a program's atomics go to; one that is ``shared`` can be waited on."""

    memory: int
    base: int
    shared: bool

    @staticmethod
    def of(shell: Shell) -> _Atomics:
        source = shell.source.fork("atomics")
        shared = shell.config.allows(Feature.MULTI_MEMORY) and source.chance(3, 4)
        if not shell.pages:
            shell.claim_memory(1)
        if not shared:
            return _Atomics(0, shell.reserve(_REGION), False)
        return _Atomics(shell.builder.memory(1, 1, shared=True), STORE_BASE, True)


def _atomics(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Some accesses to one region, each result folded; then all of the region."""
    found = program.shell.kit(_Atomics.of)
    tree = Tree.within(fn, source, PLAIN, room // 2)
    constants = Constants(source)
    rows = [row for row in _rows() if found.shared or row.access is None or row.access.kind != "wait"]
    for _ in range(source.between(1, 1 + min(room // 8, 12))):
        _access(tree, found, source.pick(rows), constants)
    for at in range(0, _REGION, 8):
        fn.f.body += ((I32_CONST, found.base), (OPS["i64.atomic.load"], MemArg(3, at, found.memory)))
        fn.f.body += fn.fold(I64)


def _access(tree: Tree, found: _Atomics, row: Op, constants: Constants) -> None:
    """One instruction at an aligned address: a constant, or any number cut to a few bits (an unaligned one traps)."""
    source, body = tree.source, tree.fn.f.body
    if row is _FENCE:
        body.append((row, 0))
        return
    access = row.access
    assert access is not None
    size = access.bytes
    offset = source.below(_REGION // 2 // size) * size
    if source.below(2):
        tree.grow(I32, 1)
        body += ((I32_CONST, _REGION // 2 - size), BARE["i32.and"])
        argument = MemArg(size.bit_length() - 1, found.base + offset, found.memory)
    else:
        body.append((I32_CONST, found.base + offset))
        argument = MemArg(size.bit_length() - 1, 0, found.memory)
    for i, type_ in enumerate(row.params or ()):
        if not isinstance(type_, NumType):
            continue
        if access.kind == "wait" and i == 2:
            # Nobody wakes the only thread: it gives up at once, or finds another value than it expects.
            body.append((CONST[I64], 0))
        elif source.below(3) == 2:
            body.append((CONST[type_], constants.operand(row, i, type_)))
        else:
            tree.clean(type_, 2)
    body.append((row, argument))
    for result in row.results or ():
        assert isinstance(result, NumType)
        local = tree.fn.f.local(result)
        body += ((SET, local), (GET, local), *tree.fn.fold(result))
        tree.fn.sources.setdefault(result, []).append(local)


ATOMICS: Final = Part("atomics", frozenset({Feature.THREADS}), _atomics)
