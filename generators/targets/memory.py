"""Loads, stores and bulk instructions of every width up to the last byte of memory, and one byte past it.

Loads are operands of every instruction, on either side; a value that was loaded lives on past stores to its address.
Memories are several, 32-bit and 64-bit, some of 4 GiB (label ``big_memory``), and grow.
"""

from __future__ import annotations

from typing import Final

from generators.arguments import Exported, invocations
from generators.callsites import site
from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.expressions import Nan
from generators.frame import GET, Frame
from generators.memories import Memories
from generators.memory_ends import Group, add_ends
from generators.scaffold import Scaffold
from generators.trees import LOADING, Tree, folded
from wasm.case import Case
from wasm.features import Feature
from wasm.valtypes import F32, F64, I32, I64, V128, NumType, ValType

NEEDS: Final[frozenset[Feature]] = frozenset()

_TYPES: Final = weighted((I32, 28), (I64, 26), (F64, 26), (F32, 16), (V128, 10))
_STATEMENTS: Final = weighted((1, 20), (2, 40), (4, 60), (6, 60), (9, 50), (14, 26))
_STEPS: Final = weighted(("value", 110), ("store", 60), ("update", 46), ("bulk", 24), ("size", 12))
_ROOM: Final = tuple(round(8 * (160 / 8) ** (i / 63)) for i in range(64))


def generate(source: ChoiceSource, config: Config) -> Case:
    """Functions that read and write up to three memories, and functions of one access around their ends."""
    if source.chance(8, 16):
        config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
    if source.chance(6, 16):
        config = config.without(Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.GC)
    scaffold = Scaffold.open(source.fork("shell"), config)
    memories = Memories.open(scaffold, source.fork("memories"))
    memories.grows = source.chance(3, 16)
    count = source.between(1, 2)
    edges = source.below(4)
    exports = [_function(memories, source.fork(i), f"f{i}") for i in range(count)]
    arguments = source.fork("arguments")
    groups = [Group(exported.type, invocations(arguments, exported)) for exported in exports]
    groups += [add_ends(memories, source.fork(f"end{i}"), f"e{i}") for i in range(edges)]
    for group in reversed(groups) if source.below(2) else groups:
        if group.type is not None:
            scaffold.sites.append(site("host", -1, len(scaffold.invocations), group.type))
        scaffold.invocations += group.calls
    if scaffold.private:
        memories.digest()
    _, content, features = scaffold.finish()
    return Case(
        content=content,
        invocations=tuple(scaffold.invocations),
        features=features,
        sites=tuple(scaffold.sites),
        labels=frozenset(scaffold.labels),
    )


def _function(memories: Memories, source: ChoiceSource, name: str) -> Exported:
    """Values and what is done to memory between them."""
    scaffold = memories.scaffold
    vectors = scaffold.config.allows(Feature.SIMD)

    def draw() -> NumType:
        type_ = source.weighted(_TYPES)
        return F64 if type_ is V128 and not vectors else type_

    params: list[ValType] = [source.weighted(_TYPES) for _ in range(source.below(5))]
    params = [I64 if param is V128 else param for param in params]
    f = scaffold.builder.func(params, (I64,), export=name)
    frame = Frame.of(scaffold, f, source)
    frame.seed(source.bits(16))
    tree = Tree(frame, source, LOADING, _ROOM[source.below(64)], memories.load)
    values: list[tuple[NumType, int, Nan]] = []
    for _ in range(source.weighted(_STATEMENTS)):
        step = source.weighted(_STEPS)
        if step == "value":
            type_ = draw()
            values.append((type_, *tree.statement(type_, source.between(1, 5))))
        elif step == "store":
            memories.store(tree, source.between(0, 4))
        elif step == "update":
            memories.update(tree)
        elif step == "bulk" and scaffold.config.allows(Feature.BULK_MEMORY):
            memories.bulk(tree)
        else:
            memories.size(tree, memories.grows)
    for type_, local, nan in values:
        f.body.append((GET, local))
        folded(tree, type_, nan)
    frame.close_vectors()
    if source.below(2):
        frame.publish()
    f.body.append((GET, frame.acc))
    return Exported(name, f.type, source.between(1, 2))
