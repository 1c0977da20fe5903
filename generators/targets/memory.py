"""Loads, stores and bulk instructions of every width up to the last byte of memory, and one byte past it.

Loads are operands of every instruction, on either side; a value that was loaded lives on past stores to its address.
Memories are several, 32-bit and 64-bit, some of 4 GiB (label ``big_memory``), and grow.
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.arguments import Exported, invocations
from generators.program.calls import site
from generators.program.parts import Part
from generators.program.program import Program
from generators.scalar.candidates import Nan
from generators.scalar.trees import LOADING, Tree
from generators.scalar.uses import folded, used
from generators.state.memories import Memories
from generators.state.memory_ends import Group, add_ends
from wasm.case import Case
from wasm.features import Feature
from wasm.valtypes import F32, F64, I32, I64, V128, NumType, ValType

NEEDS: Final[frozenset[Feature]] = frozenset()
BASE: Final = True
WEIGHT: Final = 2.5
COST: Final = 29.0

_TYPES: Final = weighted((I32, 28), (I64, 26), (F64, 26), (F32, 16), (V128, 10))
_SCALARS: Final = weighted((I32, 28), (I64, 26), (F64, 28), (F32, 18))
_USES: Final = weighted(("fold", 70), ("store", 15), ("global", 15))
_STATEMENTS: Final = weighted((1, 20), (2, 40), (4, 60), (6, 60), (9, 50), (14, 26))
_STEPS: Final = weighted(("value", 110), ("store", 60), ("update", 46), ("bulk", 24), ("size", 24))
_ROOM: Final = tuple(round(8 * (160 / 8) ** (i / 63)) for i in range(64))
"""Sizes of all expressions of a function together: 8 to 160 nodes, log-uniform."""
_MOST_ENDS: Final = 3
_PER_STATEMENT: Final = 12
"""Nodes for which a part has one statement more."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """Functions that read and write up to three memories, and functions of one access around their ends."""
    if source.one_in(2):
        config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
    if source.chance(6, 16):
        config = config.without(Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.GC)
    shell = Shell.open(source.fork("shell"), config)
    memories = Memories.open(shell, source.fork("memories"))
    memories.grows = source.chance(6, 16)
    count = source.between(1, 2)
    ends = source.between(0, _MOST_ENDS)
    exports = [_function(memories, source.fork(i), f"f{i}") for i in range(count)]
    arguments = source.fork("arguments")
    groups = [Group(exported.type, invocations(arguments, exported)) for exported in exports]
    groups += [add_ends(memories, source.fork(f"end{i}"), f"e{i}") for i in range(ends)]
    for group in reversed(groups) if source.one_in(2) else groups:
        if group.type is not None:
            shell.sites.append(site("host", -1, len(shell.invocations), group.type))
        shell.invocations += group.calls
    if shell.private:
        memories.digest()
    return shell.case()


def _function(memories: Memories, source: ChoiceSource, name: str) -> Exported:
    """Values and what is done to memory between them."""
    shell = memories.shell
    params: list[ValType] = [source.weighted(_TYPES) for _ in range(source.below(5))]
    params = [I64 if param is V128 else param for param in params]
    f = shell.builder.func(params, (I64,), export=name)
    fn = Function.of(shell, f, source)
    fn.seed(source.bits(16))
    tree = Tree(fn, source, LOADING, source.pick(_ROOM), memories.load)
    values = _steps(memories, tree, source.weighted(_STATEMENTS))
    for type_, local, nan in values:
        fn.get(local)
        folded(tree, type_, nan)
    fn.close_vectors()
    if source.one_in(2):
        fn.publish()
    fn.get(fn.acc)
    return Exported(name, f.type, source.between(1, 2))


def _steps(memories: Memories, tree: Tree, count: int) -> list[tuple[NumType, int, Nan]]:
    """Values with loads in them, and what changes memory between; gives the locals with the values."""
    source, config = tree.source, memories.shell.config
    values: list[tuple[NumType, int, Nan]] = []
    for _ in range(count):
        step = source.weighted(_STEPS)
        if step == "value":
            type_ = source.weighted(_TYPES)
            type_ = F64 if type_ is V128 and not config.allows(Feature.SIMD) else type_
            values.append((type_, *tree.statement(type_, source.between(1, 5))))
        elif step == "store":
            memories.store(tree, source.between(0, 4))
        elif step == "update":
            memories.update(tree)
        elif step == "bulk" and config.allows(Feature.BULK_MEMORY):
            memories.bulk(tree)
        else:
            memories.size(tree, memories.grows)
    return values


def _accesses(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """The steps of this target in any function."""
    memories = program.shell.kit(Memories.of)
    tree = Tree.within(fn, source, LOADING, room, memories.load)
    _finish(tree, _steps(memories, tree, source.between(1, 1 + min(room // _PER_STATEMENT, 9))))


def _loads(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Numbers of any type out of expressions with loads as operands everywhere."""
    memories = program.shell.kit(Memories.of)
    tree = Tree.within(fn, source, LOADING, room, memories.load)
    values: list[tuple[NumType, int, Nan]] = []
    for _ in range(source.between(1, 1 + min(room // _PER_STATEMENT, 7))):
        type_ = source.weighted(_SCALARS)
        values.append((type_, *tree.statement(type_, source.between(1, 4))))
    _finish(tree, values)


def _finish(tree: Tree, values: list[tuple[NumType, int, Nan]]) -> None:
    for type_, local, nan in values:
        used(tree, tree.source.weighted(_USES), type_, local, nan)
        if nan is Nan.NONE:
            tree.fn.sources.setdefault(type_, []).append(local)


PARTS: Final = (Part("accesses", NEEDS, _accesses, often=True), Part("loads", NEEDS, _loads, often=True))
