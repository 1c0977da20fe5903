"""Memories and what touches them: loads for every consumer, stores, bulk instructions, growth, and the memories' ends.

Stores keep to the first ``LOW`` and the last ``HIGH`` bytes, which the digest of a private memory covers; loads go
anywhere. Every address is in bounds by construction; accesses that trap belong to ``generators.state.memory_ends``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config, by_instructions
from generators.draw.values import CONST
from generators.module.function import BARE, GET, SET, TEE, Function
from generators.module.shell import PAGE, Shell
from generators.scalar.expressions import Nan, settle
from generators.scalar.trees import Tree
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.isa import OPS, ROWS, MemArg, Op
from wasm.module import Data, SegmentMode
from wasm.valtypes import F32, F64, I32, I64, V128, Limits, MemType, NumType

LOW: Final = 512
HIGH: Final = 256
SEGMENT: Final = 48
"""Bytes of the passive data segment."""

_BIG: Final = (65535, 65536)
_BIG64: Final = (65536, 65537, 65544)
_PLACES: Final = weighted(("low", 80), ("end", 100), ("masked", 60), ("last", 40))
_STORED: Final = weighted((I32, 30), (I64, 26), (F64, 22), (F32, 16), (V128, 10))
_SCALARS: Final = weighted((I32, 30), (I64, 26), (F64, 24), (F32, 20))
_UPDATES: Final = (("add", "mul", "copysign"), ("add", "sub", "and", "or", "xor", "mul"))


@dataclass(slots=True)
class Memory:
    """One memory: ``pages`` of 2^``page_log2`` bytes at the start; ``end``, if there is one, is a mutable global that
    holds its size in bytes."""

    index: int
    type: NumType
    pages: int
    end: int | None = None
    page_log2: int = 16

    @property
    def bytes(self) -> int:
        return self.pages << self.page_log2


@by_instructions
def accesses(features: frozenset[Feature], kind: str, type_: NumType) -> tuple[Op, ...]:
    """Plain loads to, or stores from, a type; lanes of vectors among them. The full width stands first."""
    found = []
    for row in ROWS:
        if row.access is None or row.access.kind != kind or row.feature is Feature.THREADS or row.params is None:
            continue
        types = row.params if kind == "store" else row.results or ()
        if type_ in types and (row.feature is None or row.feature in features):
            found.append(row)
    return tuple(found)


@dataclass(slots=True)
class Memories:
    """The memories of one module and the instructions on them.

    ``segment`` is the index of a passive data segment; the one after it may have been dropped.
    """

    shell: Shell
    all: list[Memory] = field(default_factory=list)
    segment: int | None = None
    grows: bool = False

    @staticmethod
    def open(shell: Shell, source: ChoiceSource) -> Memories:
        """One to three memories, mostly small; imports come first, so this goes before all functions."""
        found = Memories(shell)
        config = shell.config
        count = 1 + (source.below(3) if config.allows(Feature.MULTI_MEMORY) and source.chance(3, 16) else 0)
        imported = source.chance(1, 12)
        for i in range(count):
            found._add(source, config, imported and i == 0)
        found._describe(source)
        return found

    @staticmethod
    def of(shell: Shell) -> Memories:
        """A kit for functions that others write too: the shell's memory, and one or two more in some modules."""
        source, found = shell.source.fork("memories"), Memories(shell)
        if not shell.pages:
            shell.claim_memory(source.between(1, 2))
        found.grows = source.chance(1, 16)
        found.all.append(Memory(0, I32, shell.pages))
        young = shell.config.allows(Feature.MEMORY64) or shell.config.allows(Feature.CUSTOM_PAGE_SIZES)
        if shell.config.allows(Feature.MULTI_MEMORY) and source.chance(8 if young else 4, 16):
            for _ in range(1 + source.below(2)):
                found._add(source, shell.config, False)
        found._describe(source)
        if shell.private:
            shell.closers.append(found.digest)
        return found

    def _describe(self, source: ChoiceSource) -> None:
        """Globals with the sizes of some, and data."""
        for memory in self.all:
            if source.chance(1, 2):
                memory.end = self.shell.global_(memory.type, memory.bytes & (1 << memory.type.bits) - 1)
        self._segments(source)

    def _add(self, source: ChoiceSource, config: Config, imported: bool) -> None:
        builder = self.shell.builder
        index64 = config.allows(Feature.MEMORY64) and source.chance(8 if self.all else 3, 16)
        pages = source.between(1, 2)
        if not imported and source.chance(1, 40):
            pages = source.pick(_BIG64 if index64 else _BIG)
            self.shell.labels.add("big_memory")
        maximum = pages + (source.below(3) if pages < 3 else 0)
        page_log2 = 16
        if config.allows(Feature.CUSTOM_PAGE_SIZES) and source.chance(8, 16) and not imported:
            page_log2 = 0
            pages = maximum = source.between(LOW + HIGH, 2 * PAGE)
        export = None if self.shell.private else f"memory{len(self.all)}"
        if imported:
            type_ = MemType(Limits(pages, maximum), index64)
            index = builder.import_other("env", "memory", type_)
        else:
            index = builder.memory(pages, maximum, index64=index64, page_log2=page_log2, export=export)
        self.all.append(Memory(index, I64 if index64 else I32, pages, page_log2=page_log2))

    def _segments(self, source: ChoiceSource) -> None:
        """Something to load at both ends, and a segment for ``memory.init``."""
        datas = self.shell.builder.module.datas
        for memory in self.all:
            for at, size in ((0, 128), (memory.bytes - 64, 64)):
                offset = const(f"{memory.type}.const", at)
                datas.append(Data(source.bytes(size).rstrip(b"\0"), SegmentMode.ACTIVE, memory.index, offset))
        if self.shell.config.allows(Feature.BULK_MEMORY) and source.chance(1, 2):
            self.segment = len(datas)
            datas += (Data(source.bytes(SEGMENT)), Data(bytes(SEGMENT)))

    def pick(self, source: ChoiceSource) -> Memory:
        return source.pick(self.all)

    # Addresses

    def address(self, tree: Tree, memory: Memory, size: int, store: bool, depth: int = 0) -> int:
        """Put an address on the stack; gives the offset with which ``size`` bytes there are in bounds."""
        source, body, type_ = tree.source, tree.fn.f.body, memory.type
        place = source.weighted(_PLACES)
        room = LOW - size if store else memory.bytes - size
        if place == "low":
            at = source.below(LOW // 4)
            offset = source.below(LOW // 2) if source.below(2) else 0
            body.append((CONST[type_], at))
            return offset
        if place == "masked":
            # Any number, cut to a few bits: the offset leaves room for the largest, to the byte in some cases.
            mask = (1 << source.between(3, 8)) - 1
            self._any(tree, type_, depth)
            body += ((CONST[type_], mask), BARE[f"{type_}.and"])
            if source.below(3) == 2:
                return memory.bytes - size - mask
            return source.below(min(room - mask, 1 << 16) + 1)
        if place == "last" and not self.grows:
            # The size is known at run time only.
            t = CONST[type_]
            body += ((OPS["memory.size"], memory.index), (t, memory.page_log2), BARE[f"{type_}.shl"])
            body += ((t, size + _slack(source, store)), BARE[f"{type_}.sub"])
            return 0
        at = memory.bytes - size - _slack(source, store)
        split = source.below(4)
        offset = (0, at, at & 0xFFF, source.below(min(at, 1 << 20) + 1))[split]
        offset = min(offset, 0xFFFFFFFF)
        if memory.end is not None and source.below(3) == 2:
            body += (
                (OPS["global.get"], memory.end),
                (CONST[type_], memory.bytes - at + offset & (1 << type_.bits) - 1),
                BARE[f"{type_}.sub"],
            )
        else:
            body.append((CONST[type_], at - offset))
        return offset

    def _any(self, tree: Tree, type_: NumType, depth: int) -> None:
        """An integer; without depth one that needs no load."""
        found = tree.pool.get(type_)
        if depth > 0:
            tree.grow(type_, depth - 1)
        elif found:
            tree.fn.f.body.append((GET, found[tree.source.below(len(found))][0]))
        else:
            tree.fn.f.body.append((CONST[type_], tree.source.below(4096)))

    # Accesses

    def load(self, tree: Tree, type_: NumType, depth: int) -> None:
        """A load of any width and alignment as an operand: the trees' hook."""
        source = tree.source
        rows = accesses(self.shell.config.features, "load", type_)
        op = rows[0] if source.below(2) else source.pick(rows)
        memory = self.pick(source)
        assert op.access is not None
        offset = self.address(tree, memory, op.access.bytes, False, depth)
        self._access(tree, op, memory, offset, depth)

    def _access(self, tree: Tree, op: Op, memory: Memory, offset: int, depth: int) -> None:
        assert op.access is not None
        align = op.access.bytes.bit_length() - 1
        if tree.source.below(4) == 3:
            align = tree.source.below(align + 1)
        argument = MemArg(align, offset, memory.index)
        if op.access.shape != "lane":
            tree.fn.f.body.append((op, argument))
            return
        if op.access.kind == "load":
            tree.clean(V128, depth - 1)
        tree.fn.f.body.append((op, (argument, tree.source.below(16 // op.access.bytes))))

    def store(self, tree: Tree, depth: int) -> None:
        """A store of any width of an expression's value, mostly one with loads in it."""
        type_ = tree.source.weighted(_STORED)
        if type_ is V128 and not self.shell.config.allows(Feature.SIMD):
            type_ = I64
        rows = accesses(self.shell.config.features, "store", type_)
        op = rows[0] if tree.source.below(2) else tree.source.pick(rows)
        memory = self.pick(tree.source)
        assert op.access is not None
        offset = self.address(tree, memory, op.access.bytes, True)
        tree.clean(type_, depth)
        self._access(tree, op, memory, offset, 0)

    def update(self, tree: Tree) -> None:
        """Load, compute and store at one address: what machines do in one instruction. Sometimes load it once more."""
        source, body = tree.source, tree.fn.f.body
        type_ = source.weighted(_SCALARS)
        word = "" if type_ in (F32, F64) else source.pick(("", "8", "16", "32" if type_ is I64 else ""))
        size = int(word) // 8 if word else type_.bits // 8
        memory = self.pick(source)
        offset = self.address(tree, memory, size, True)
        at = tree.fn.f.local(memory.type)
        body += ((TEE, at), (GET, at))
        argument = MemArg(0, offset, memory.index)
        body.append((OPS[f"{type_}.load{word}{source.pick(('_u', '_s')) if word else ''}"], argument))
        loaded = tree.fn.f.local(type_)
        body.append((TEE, loaded))
        tree.know(type_, loaded, Nan.NONE)
        if source.below(3):
            nan = tree.grow(type_, 1)
            name = source.pick(_UPDATES[type_ in (I32, I64)])
            settle(tree.fn, nan, type_, Nan.NONE)
            body.append(BARE[f"{type_}.{name}"])
            settle(tree.fn, Nan.SCALAR if type_ in (F32, F64) else Nan.NONE, type_, Nan.NONE)
        body.append((OPS[f"{type_}.store{word}"], argument))
        if source.below(2):
            again = tree.fn.f.local(type_)
            load = OPS[f"{type_}.load{word}{'_s' if word else ''}"]
            body += ((GET, at), (load, argument), (TEE, again), *tree.fn.fold(type_))
            tree.know(type_, again, Nan.NONE)

    # Bulk, size and growth

    def bulk(self, tree: Tree) -> None:
        """Copy with or without overlap, fill or init, in bounds; no bytes at all at the very end is in bounds too."""
        source, body = tree.source, tree.fn.f.body
        memory = self.pick(source)
        kind = source.below(4)
        length = 0 if source.below(8) == 7 else source.below(96)
        if kind == 3 and self.segment is not None:
            length = min(length, SEGMENT)
            if source.below(6) == 5:
                # Dropped or not, it has no bytes at its start that are out of bounds.
                body.append((OPS["data.drop"], self.segment + 1))
                self._span(tree, memory, 0, True)
                body += ((CONST[I32], 0), (CONST[I32], 0), (OPS["memory.init"], (self.segment + 1, memory.index)))
            self._span(tree, memory, length, True)
            body += ((CONST[I32], source.below(SEGMENT - length + 1)), (CONST[I32], length))
            body.append((OPS["memory.init"], (self.segment, memory.index)))
        elif kind == 2:
            self._span(tree, memory, length, True)
            tree.grow(I32, 1)
            body += ((CONST[memory.type], length), (OPS["memory.fill"], memory.index))
        else:
            other = self.pick(source)
            self._span(tree, memory, length, True)
            self._span(tree, other, length, False)
            shorter = memory.type if memory.type is other.type else I32
            body += ((CONST[shorter], length), (OPS["memory.copy"], (memory.index, other.index)))

    def _span(self, tree: Tree, memory: Memory, length: int, write: bool) -> None:
        """The start of ``length`` bytes: near the front, at the end, or somewhere among a few, by a value."""
        source, body, type_ = tree.source, tree.fn.f.body, memory.type
        kind = source.below(3)
        if kind == 2:
            self._any(tree, type_, 0)
            body += ((CONST[type_], 63), BARE[f"{type_}.and"])
        elif kind == 1:
            body.append((CONST[type_], memory.bytes - length - (source.below(32) if write else source.below(128))))
        else:
            body.append((CONST[type_], source.below(256)))

    def size(self, tree: Tree, may_grow: bool) -> None:
        """Grow by a little, or too much, and fold what that gives; the size before and after."""
        source, body, fn = tree.source, tree.fn.f.body, tree.fn
        memory = self.pick(source)
        if may_grow and memory.page_log2 == 16 and source.below(2):
            delta = source.pick((0, 1, 1, 2, 3, 0x10000, 0xFFFFFFFF))
            body += ((CONST[memory.type], delta), (OPS["memory.grow"], memory.index), *fn.fold(memory.type))
        body += ((OPS["memory.size"], memory.index), *fn.fold(memory.type))

    # The end

    def digest(self) -> None:
        """For private memories: fold the bytes that stores go to; called by the host after everything else."""
        f = self.shell.builder.func((), (I64,), export="memories")
        fn = Function.of(self.shell, f, ChoiceSource.replay(b""))
        for memory in self.all:
            type_ = memory.type
            p, stop = f.local(type_), f.local(type_)
            # The end of a full 32-bit memory is 0 in its index type: comparing for equality takes that in.
            spans = ((0, LOW), (memory.bytes - HIGH, memory.bytes & (1 << type_.bits) - 1))
            for start, end in spans:
                f.body += ((CONST[type_], start), (SET, p), (CONST[type_], end), (SET, stop))
                f.open("loop")
                f.body += ((GET, p), (OPS["i64.load"], MemArg(0, 0, memory.index)), *fn.fold(I64), (GET, p))
                f.body += ((CONST[type_], 8), BARE[f"{type_}.add"], (TEE, p), (GET, stop), BARE[f"{type_}.ne"])
                f.body.append((OPS["br_if"], 0))
                f.end()
            f.body += ((OPS["memory.size"], memory.index), *fn.fold(type_))
        f.body.append((GET, fn.acc))
        self.shell.last.append(Invocation("memories"))


def _slack(source: ChoiceSource, store: bool) -> int:
    """How far from the end: often not at all, mostly closer than a vector is wide."""
    if source.below(8) < 5:
        return 0
    return source.below(HIGH - 32) if store and source.below(4) == 3 else source.below(17)
