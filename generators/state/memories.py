"""Memories and what touches them: loads for every consumer, stores, bulk instructions, growth, and the memories' ends.

    memory.size 1  i32.const 16  i32.shl        ;; an address that is known at run time only: the last eight bytes
    i32.const 8  i32.sub
    i64.load32_s 1 offset=4

Stores keep to the first ``LOW`` and the last ``HIGH`` bytes, which the digest of a private memory covers; loads go
anywhere. Every address is in bounds by construction; accesses that trap belong to ``generators.state.memory_ends``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import Config, by_instructions
from generators.draw.values import CONST
from generators.module.function import GET, Function
from generators.module.shell import PAGE, Shell
from generators.program.hosts import Host, import_host
from generators.scalar.candidates import Nan
from generators.scalar.expressions import settle
from generators.scalar.trees import Tree
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.isa import OPS, ROWS, MemArg, Op
from wasm.module import Data, ExternKind, SegmentMode
from wasm.valtypes import F32, F64, I32, I64, V128, Limits, MemType, NumType

LOW: Final = 512
HIGH: Final = 256
SEGMENT: Final = 48
"""Bytes of the passive data segment."""

_PAGE_LOG2: Final = 16
_BIG: Final = (65535, 65536)
_BIG64: Final = (65536, 65537, 65544)
_ACTIVE: Final = 128
"""Bytes of data at a memory's start; there are half as many at its end."""
_PLACES: Final = weighted(("low", 80), ("end", 100), ("masked", 60), ("last", 40))
"""Where an access goes: near the start, by a constant near the end, anywhere by a value, near the end by the size."""
_STORED: Final = weighted((I32, 30), (I64, 26), (F64, 22), (F32, 16), (V128, 10))
_SCALARS: Final = weighted((I32, 30), (I64, 26), (F64, 24), (F32, 20))
_WIDTHS: Final = {I32: ("", "8", "16", ""), I64: ("", "8", "16", "32")}
"""What follows ``load`` and ``store`` in an instruction's name; nothing for the full width."""
_SIGNS: Final = ("_u", "_s")
_UPDATES: Final = {
    t: tuple(code(f"{t}.{name}") for name in ("add", "sub", "and", "or", "xor", "mul")) for t in (I32, I64)
} | {t: tuple(code(f"{t}.{name}") for name in ("add", "mul", "copysign")) for t in (F32, F64)}
_BULK: Final = shares(("copy", 2), ("fill", 1), ("init", 1))
_MOST_BULK: Final = 96
_SPANS: Final = ("front", "end", "by a value")
_GROWTH: Final = (0, 1, 1, 2, 3, 0x10000, 0xFFFFFFFF)
_SHARED: Final = 24
_SHARED_IMPORTS: Final = 3
"""One memory of the module's own in so many is shared, and one that is imported."""
_HOSTED: Final = 9
"""In how many of 16 cases about memories hosts change those that are exported, which half of them have."""
_MOST_HOSTS: Final = 3
_ASKS: Final = ("grow", "write", "grow+write", "collect+grow", "grow", "write")
_INTERRUPTED: Final = 5
"""Before one access in so many a host changes a memory, where there is such a host."""
_EASY: Final = 4096
"""A constant address that stands in for any number is below this."""
_MOST_OFFSET: Final = 0xFFFFFFFF
"""Of a memory with 32-bit addresses; 64-bit ones are as large only in ``generators.state.memory_ends``."""

_MASK: Final = {t: template(f"{t}.const $mask  {t}.and") for t in (I32, I64)}
_BEFORE_END: Final = {
    t: template(f"memory.size $memory  {t}.const $page_log2  {t}.shl  {t}.const $back  {t}.sub") for t in (I32, I64)
}
_BEFORE_KNOWN_END: Final = {t: template(f"global.get $end  {t}.const $back  {t}.sub") for t in (I32, I64)}
_KEEP_ADDRESS: Final = template("local.tee $at  local.get $at")
_KEEP: Final = template("local.tee $local")
_AGAIN: Final = template("local.get $at")
_DROP_SEGMENT: Final = template("data.drop $segment")
_INIT: Final = template("i32.const $start  i32.const $count  memory.init $memory $segment")
_FILL: Final = {t: template(f"{t}.const $count  memory.fill $memory") for t in (I32, I64)}
_COPY: Final = {t: template(f"{t}.const $count  memory.copy $memory $origin") for t in (I32, I64)}
_GROW: Final = {t: template(f"{t}.const $by  memory.grow $memory") for t in (I32, I64)}
_SIZE: Final = template("memory.size $memory")
_FROM_TO: Final = {t: template(f"{t}.const $start  local.set $at  {t}.const $end  local.set $stop") for t in (I32, I64)}
_WORD: Final = template("local.get $at  i64.load $memory align=1")
_NEXT_WORD: Final = {
    t: template(f"local.get $at  {t}.const 8  {t}.add  local.tee $at  local.get $stop  {t}.ne  br_if 0")
    for t in (I32, I64)
}


@dataclass(slots=True)
class Memory:
    """One memory: ``pages`` of 2^``page_log2`` bytes at the start; ``end``, if there is one, is a mutable global that
    holds its size in bytes."""

    index: int
    type: NumType
    pages: int
    end: int | None = None
    page_log2: int = _PAGE_LOG2

    @property
    def bytes(self) -> int:
        return self.pages << self.page_log2

    @property
    def addresses(self) -> int:
        """The highest number of its index type."""
        return (1 << self.type.bits) - 1


@by_instructions
def accesses(features: frozenset[Feature], kind: str, type_: NumType) -> tuple[Op, ...]:
    """Plain loads to, or stores from, a type; lanes of vectors among them. The full width stands first."""
    ops = []
    for row in ROWS:
        if row.access is None or row.access.kind != kind or row.feature is Feature.THREADS or row.params is None:
            continue
        types = row.params if kind == "store" else row.results or ()
        if type_ in types and (row.feature is None or row.feature in features):
            ops.append(row)
    return tuple(ops)


@dataclass(slots=True)
class Memories:
    """The memories of one module and the instructions on them.

    ``segment`` is the index of a passive data segment; the one after it may have been dropped. ``grows``: memories may
    have grown, so that their ends at the start are not where ``memory.size`` says. ``hosts`` change
    them.
    """

    shell: Shell
    all: list[Memory] = field(default_factory=list)
    segment: int | None = None
    grows: bool = False
    hosts: list[Host] = field(default_factory=list)

    @staticmethod
    def open(shell: Shell, source: ChoiceSource) -> Memories:
        """One to three memories, mostly small; imports come first, so this goes before all functions."""
        memories = Memories(shell)
        config = shell.config
        count = 1 + (source.below(3) if config.allows(Feature.MULTI_MEMORY) and source.chance(3, 16) else 0)
        imported = source.one_in(8)
        for i in range(count):
            memories._add(source, config, imported and i == 0)
        if source.chance(_HOSTED, 16):
            memories.import_hosts(source.fork("hosts"))
        memories._describe(source)
        return memories

    def import_hosts(self, source: ChoiceSource) -> None:
        """Host functions that grow one of the exported memories or write to it; before any function is defined."""
        shell = self.shell
        if shell.private:
            return
        shell.labels.add("hosted_memory")
        for _ in range(source.between(1, _MOST_HOSTS)):
            asks = source.pick(_ASKS)
            self.hosts.append(import_host(shell, source, asks, f"memory{source.below(len(self.all))}", True))
            self.grows = self.grows or "grow" in asks

    @staticmethod
    def of(shell: Shell) -> Memories:
        """A kit for functions that others write too: the shell's memory, and one or two more in some modules."""
        source, memories = shell.source.fork("memories"), Memories(shell)
        if not shell.pages:
            shell.claim_memory(source.between(1, 2))
        memories.grows = source.one_in(16)
        memories.all.append(Memory(0, I32, shell.pages))
        young = shell.config.allows(Feature.MEMORY64) or shell.config.allows(Feature.CUSTOM_PAGE_SIZES)
        if shell.config.allows(Feature.MULTI_MEMORY) and source.chance(8 if young else 4, 16):
            for _ in range(1 + source.below(2)):
                memories._add(source, shell.config, False)
        memories._describe(source)
        if shell.private:
            shell.closers.append(memories.digest)
        return memories

    def _describe(self, source: ChoiceSource) -> None:
        """Globals with the sizes of some, and data."""
        for memory in self.all:
            if source.one_in(2):
                memory.end = self.shell.global_(memory.type, memory.bytes & memory.addresses)
        self._segments(source)

    def _add(self, source: ChoiceSource, config: Config, imported: bool) -> None:
        """One more memory; not the first one more often has 64-bit addresses."""
        builder = self.shell.builder
        index64 = config.allows(Feature.MEMORY64) and source.chance(8 if self.all else 3, 16)
        pages = source.between(1, 2)
        if not imported and source.one_in(40):
            pages = source.pick(_BIG64 if index64 else _BIG)
            self.shell.labels.add("big_memory")
        maximum = pages + (source.below(3) if pages < 3 else 0)
        share = _SHARED_IMPORTS if imported else _SHARED
        shared = pages < 3 and config.allows(Feature.THREADS) and source.one_in(share)
        page_log2 = _PAGE_LOG2
        if config.allows(Feature.CUSTOM_PAGE_SIZES) and source.one_in(2) and not imported:
            shared, page_log2 = False, 0
            pages = maximum = source.between(LOW + HIGH, 2 * PAGE)
        export = None if self.shell.private else f"memory{len(self.all)}"
        if imported:
            type_ = MemType(Limits(pages, maximum), index64, shared)
            index = builder.import_other("env", "memory", type_)
            if export is not None:
                builder.export(export, ExternKind.MEMORY, index)
        else:
            index = builder.memory(pages, maximum, index64=index64, shared=shared, page_log2=page_log2, export=export)
        self.all.append(Memory(index, I64 if index64 else I32, pages, page_log2=page_log2))

    def _segments(self, source: ChoiceSource) -> None:
        """Something to load at both ends, and a segment for ``memory.init``."""
        datas = self.shell.builder.module.datas
        for memory in self.all:
            for at, size in ((0, _ACTIVE), (memory.bytes - _ACTIVE // 2, _ACTIVE // 2)):
                offset = const(f"{memory.type}.const", at)
                datas.append(Data(source.bytes(size).rstrip(b"\0"), SegmentMode.ACTIVE, memory.index, offset))
        if self.shell.config.allows(Feature.BULK_MEMORY) and source.one_in(2):
            self.segment = len(datas)
            datas += (Data(source.bytes(SEGMENT)), Data(bytes(SEGMENT)))

    def pick(self, source: ChoiceSource) -> Memory:
        return source.pick(self.all)

    # Addresses

    def address(self, tree: Tree, memory: Memory, size: int, store: bool, depth: int = 0) -> int:
        """Put an address on the stack; gives the offset with which ``size`` bytes there are in bounds.

        Sometimes a host changes a memory then, before the access.
        """
        offset = self._address(tree, memory, size, store, depth)
        if self.hosts and tree.source.one_in(_INTERRUPTED):
            self.interrupt(tree)
        return offset

    def interrupt(self, tree: Tree) -> None:
        """A call of a host that grows a memory, or writes to it."""
        host = tree.source.pick(self.hosts)
        for type_ in host.type.params:
            assert isinstance(type_, NumType)
            self._any(tree, type_, 0)
        host.called(tree.fn)

    def _address(self, tree: Tree, memory: Memory, size: int, store: bool, depth: int) -> int:
        source, body, type_ = tree.source, tree.fn.f.body, memory.type
        place = source.weighted(_PLACES)
        if place == "low":
            at = source.below(LOW // 4)
            offset = source.below(LOW // 2) if source.one_in(2) else 0
            body.append((CONST[type_], at))
            return offset
        if place == "masked":
            return self._masked_address(tree, memory, size, store, depth)
        if place == "last" and not self.grows:
            back = size + _slack(source, store)
            body += _BEFORE_END[type_](memory=memory.index, page_log2=memory.page_log2, back=back)
            return 0
        at = memory.bytes - size - _slack(source, store)
        # How much of the address is the instruction's: nothing, all, the low bits, or any part.
        split = source.below(4)
        offset = min((0, at, at & 0xFFF, source.below(min(at, 1 << 20) + 1))[split], _MOST_OFFSET)
        if memory.end is not None and source.one_in(3):
            body += _BEFORE_KNOWN_END[type_](end=memory.end, back=memory.bytes - at + offset & memory.addresses)
        else:
            body.append((CONST[type_], at - offset))
        return offset

    def _masked_address(self, tree: Tree, memory: Memory, size: int, store: bool, depth: int) -> int:
        """Any number, cut to a few bits: the offset leaves room for the largest, to the byte in some cases."""
        source = tree.source
        mask = (1 << source.between(3, 8)) - 1
        self._any(tree, memory.type, depth)
        tree.fn += _MASK[memory.type](mask)
        if source.one_in(3):
            return memory.bytes - size - mask
        room = LOW - size if store else memory.bytes - size
        return source.below(min(room - mask, PAGE) + 1)

    def _any(self, tree: Tree, type_: NumType, depth: int) -> None:
        """An integer; without depth one that needs no load."""
        if depth > 0:
            tree.grow(type_, depth - 1)
            return
        known = tree.pool.get(type_)
        if known:
            tree.fn.f.body.append((GET, tree.source.pick(known)[0]))
        else:
            tree.fn.f.body.append((CONST[type_], tree.source.below(_EASY)))

    # Accesses

    def load(self, tree: Tree, type_: NumType, depth: int) -> None:
        """A load of any width and alignment as an operand: the trees' hook."""
        op = self.draw_access(tree.source, "load", type_)
        memory = self.pick(tree.source)
        assert op.access is not None
        offset = self.address(tree, memory, op.access.bytes, False, depth)
        self._access(tree, op, memory, offset, depth)

    def draw_access(self, source: ChoiceSource, kind: str, type_: NumType) -> Op:
        """A plain load to, or store from, a type; the one of the full width half of the time and more."""
        ops = accesses(self.shell.config.features, kind, type_)
        return source.pick(ops) if not source.one_in(2) else ops[0]

    def _access(self, tree: Tree, op: Op, memory: Memory, offset: int, depth: int) -> None:
        """The instruction itself, its alignment as natural as can be or less."""
        assert op.access is not None
        align = op.access.bytes.bit_length() - 1
        if tree.source.one_in(4):
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
        op = self.draw_access(tree.source, "store", type_)
        memory = self.pick(tree.source)
        assert op.access is not None
        offset = self.address(tree, memory, op.access.bytes, True)
        tree.clean(type_, depth)
        self._access(tree, op, memory, offset, 0)

    def update(self, tree: Tree) -> None:
        """Load, compute and store at one address: what machines do in one instruction. Sometimes load it once more."""
        source, fn = tree.source, tree.fn
        type_ = source.weighted(_SCALARS)
        width = source.pick(_WIDTHS[type_]) if type_ in _WIDTHS else ""
        size = int(width) // 8 if width else type_.bits // 8
        memory = self.pick(source)
        offset = self.address(tree, memory, size, True)
        at = fn.local(memory.type)
        fn += _KEEP_ADDRESS(at)
        argument = MemArg(0, offset, memory.index)
        fn += ((OPS[f"{type_}.load{width}{source.pick(_SIGNS) if width else ''}"], argument),)
        loaded = fn.local(type_)
        fn += _KEEP(loaded)
        tree.know(type_, loaded, Nan.NONE)
        if source.chance(2, 3):
            nan = tree.grow(type_, 1)
            operation = source.pick(_UPDATES[type_])
            settle(fn, nan, type_, Nan.NONE)
            fn += operation
            settle(fn, Nan.SCALAR if type_ in (F32, F64) else Nan.NONE, type_, Nan.NONE)
        fn += ((OPS[f"{type_}.store{width}"], argument),)
        if source.one_in(2):
            again = fn.local(type_)
            fn += _AGAIN(at)
            fn += ((OPS[f"{type_}.load{width}{'_s' if width else ''}"], argument),)
            fn += _KEEP(again)
            fn += fn.fold(type_)
            tree.know(type_, again, Nan.NONE)

    # Bulk, size and growth

    def bulk(self, tree: Tree) -> None:
        """Copy with or without overlap, fill or init, in bounds; no bytes at all at the very end is in bounds too."""
        source, fn = tree.source, tree.fn
        memory = self.pick(source)
        how = source.pick(_BULK)
        length = 0 if source.one_in(8) else source.below(_MOST_BULK)
        if how == "init" and self.segment is not None:
            length = min(length, SEGMENT)
            if source.one_in(6):
                # Dropped or not, it has no bytes at its start that are out of bounds.
                fn += _DROP_SEGMENT(self.segment + 1)
                self._span(tree, memory, 0, True)
                fn += _INIT(start=0, count=0, memory=memory.index, segment=self.segment + 1)
            self._span(tree, memory, length, True)
            start = source.below(SEGMENT - length + 1)
            fn += _INIT(start=start, count=length, memory=memory.index, segment=self.segment)
        elif how == "fill":
            self._span(tree, memory, length, True)
            tree.grow(I32, 1)
            fn += _FILL[memory.type](count=length, memory=memory.index)
        else:
            origin = self.pick(source)
            self._span(tree, memory, length, True)
            self._span(tree, origin, length, False)
            # The count has the smaller of the two index types.
            shorter = memory.type if memory.type is origin.type else I32
            fn += _COPY[shorter](count=length, memory=memory.index, origin=origin.index)

    def _span(self, tree: Tree, memory: Memory, length: int, write: bool) -> None:
        """The start of ``length`` bytes: near the front, at the end, or somewhere among a few, by a value."""
        source, type_ = tree.source, memory.type
        place = source.pick(_SPANS)
        if place == "by a value":
            self._any(tree, type_, 0)
            tree.fn += _MASK[type_](63)
        elif place == "end":
            tree.fn += ((CONST[type_], memory.bytes - length - source.below(32 if write else 128)),)
        else:
            tree.fn += ((CONST[type_], source.below(256)),)

    def size(self, tree: Tree, may_grow: bool) -> None:
        """Grow by a little, or too much, and fold what that gives; the size before and after."""
        source, fn = tree.source, tree.fn
        memory = self.pick(source)
        if self.hosts and source.one_in(2):
            self.interrupt(tree)
        if may_grow and memory.page_log2 == _PAGE_LOG2 and source.one_in(2):
            fn += _GROW[memory.type](by=source.pick(_GROWTH), memory=memory.index)
            fn += fn.fold(memory.type)
        fn += _SIZE(memory.index)
        fn += fn.fold(memory.type)

    # The end

    def digest(self) -> None:
        """For private memories: fold the bytes that stores go to; called by the host after everything else."""
        f = self.shell.builder.func((), (I64,), export="memories")
        fn = Function.of(self.shell, f, ChoiceSource.replay(b""))
        for memory in self.all:
            type_ = memory.type
            at, stop = fn.local(type_), fn.local(type_)
            # The end of a full 32-bit memory is 0 in its index type: comparing for equality takes that in.
            for start, end in ((0, LOW), (memory.bytes - HIGH, memory.bytes & memory.addresses)):
                fn += _FROM_TO[type_](start=start, at=at, end=end, stop=stop)
                with fn.block("loop"):
                    fn += _WORD(at=at, memory=memory.index)
                    fn += fn.fold(I64)
                    fn += _NEXT_WORD[type_](at=at, stop=stop)
            fn += _SIZE(memory.index)
            fn += fn.fold(type_)
        fn.get(fn.acc)
        self.shell.last.append(Invocation("memories"))


def _slack(source: ChoiceSource, store: bool) -> int:
    """How far from the end: often not at all, mostly closer than a vector is wide."""
    if not source.chance(3, 8):
        return 0
    return source.below(HIGH - 32) if store and source.one_in(4) else source.below(17)
