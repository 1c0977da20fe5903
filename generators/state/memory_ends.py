"""Functions of one access each, called with addresses whose last byte is the memory's last, one before, and one past.

    (func (export "e0") (param i32 i64) (result i64)
      local.get 0  local.get 1  i64.store16 offset=65535     ;; with the arguments 65535, 65534, 65536, ...
      i32.const 131064  i64.load align=1)                    ;; what the memory ends with

The address is a parameter, so nothing is known at compile time; the offset in the instruction goes up to 2^32 - 1, or
2^64 - 1 in a 64-bit memory, where address and offset together do not fit the index type any more (spec 4.6.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST, FORMATS, INTERESTING
from generators.module.function import Function
from generators.scalar.candidates import Nan
from generators.scalar.trees import LOADING, Tree
from generators.scalar.uses import folded
from generators.state.memories import SEGMENT, Memories, Memory
from wasm.embedding import Entry, Invocation, Value
from wasm.features import Feature
from wasm.fragment import Code, code, template
from wasm.isa import MemArg, Op
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, NumType

_LOADED: Final = weighted((I32, 28), (I64, 26), (F64, 24), (F32, 14), (V128, 12))
_KINDS: Final = weighted(("load", 130), ("store", 70), ("bulk", 56))
_STEPS: Final = weighted((0, 60), (-1, 60), (1, 60), (-2, 20), (-7, 16), (7, 16), (-16, 12), (16, 12))
"""How far past the last possible address: above 0 it traps."""
_ROOM: Final = 12
_BULK: Final = ("copy", "fill", "init")
_LENGTHS: Final = (0, 1, 7, 16, 17, 32, 48)
_BYTES: Final = 512
"""``memory.fill`` takes the low byte of a number below this."""
_FRONT: Final = 128
"""The other side of a copy is below this."""

_ADDRESS: Final = code("local.get 0")
_ADDRESS_AND_VALUE: Final = code("local.get 0  local.get 1")
_SPLAT: Final = code("i64x2.splat")
_INIT: Final = template("i32.const $start  i32.const $count  memory.init $memory $segment")
_FILL: Final = {t: template(f"i32.const $byte  {t}.const $count  memory.fill $memory") for t in (I32, I64)}
_COPY: Final = {t: template(f"{t}.const $count  memory.copy $memory $origin") for t in (I32, I64)}
_LAST_WORD: Final = {t: template(f"{t}.const $at  i64.load $memory align=1") for t in (I32, I64)}


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one function, whose type is given if the first call must return."""

    type: FuncType | None
    calls: Sequence[Invocation]


def add_ends(memories: Memories, source: ChoiceSource, name: str) -> Group:
    """One such function and its calls."""
    kind = source.weighted(_KINDS)
    memory = memories.pick(source)
    end = _End(memories, memory, source, name)
    if kind == "bulk" and memories.shell.config.allows(Feature.BULK_MEMORY):
        return end.bulk()
    type_ = source.weighted(_LOADED)
    if type_ is V128 and not memories.shell.config.allows(Feature.SIMD):
        type_ = F64
    op = memories.draw_access(source, "load" if kind == "load" else "store", type_)
    return end.load(op, type_) if kind == "load" else end.store(op, type_)


@dataclass(frozen=True, slots=True)
class _End:
    """The end of one memory, and the name of the function that goes there."""

    memories: Memories
    memory: Memory
    source: ChoiceSource
    name: str

    def _offset(self, size: int) -> int:
        """The instruction's offset for an access of ``size`` bytes."""
        most = self.memory.addresses
        end = self.memory.bytes - size
        far = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, most, most - size)
        return max(0, self.source.pick((0, 0, 1, 8, 4096, 65535, 65536, end, end - 1, end + 1, *far))) & most

    def _calls(self, length: int, offset: int, rest: tuple[Value, ...]) -> list[Invocation]:
        """Addresses around the end for an access of ``length`` bytes at an offset, and those that wrap around."""
        memory, source = self.memory, self.source
        ones = memory.addresses
        last = memory.bytes - length - offset
        steps = [source.weighted(_STEPS) for _ in range(source.between(2, 5))]
        addresses = [last, *(last + step for step in steps)] if last >= 0 else [0]
        # The first is in bounds where it can be; a sum that wraps to a low address would be if it were cut off.
        far = [(-offset & ones) + source.below(9), ones - source.below(16), memory.bytes - source.below(2)]
        addresses += far[: source.below(4)]
        if last < 0:
            self.memories.shell.labels.add("far_offset")
        return [
            Invocation(
                self.name,
                (Value(memory.type.name, at & ones), *rest),
                Entry.WRAPPER if source.one_in(2) else Entry.HOST,
            )
            for at in addresses
        ]

    def _group(self, type_: FuncType, size: int, offset: int, given: NumType) -> Group:
        """The calls of an access of ``size`` bytes with one more argument of type ``given``."""
        rest = (Value(given.name, _plain(self.source, given)),)
        calls = self._calls(size, offset, rest)
        return Group(type_ if self.memory.bytes - size - offset >= 0 else None, calls)

    def access(self, op: Op, offset: int, *, vector: bool) -> Code:
        """The instruction, of any alignment and lane; ``vector``: after the vector that a load of a lane takes."""
        assert op.access is not None
        size, source = op.access.bytes, self.source
        argument = MemArg(source.below(size.bit_length()), offset, self.memory.index)
        if op.access.shape != "lane":
            return ((op, argument),)
        before = ((CONST[V128], source.pick(INTERESTING[V128])),) if vector else ()
        return (*before, (op, (argument, source.below(16 // size))))

    def _last_word(self) -> Code:
        """What the memory ends with, to show that nothing was written by what trapped."""
        memory = self.memory
        return _LAST_WORD[memory.type](at=memory.bytes - 8 & memory.addresses, memory=memory.index)

    def load(self, op: Op, type_: NumType) -> Group:
        """A load as an operand of something, as it is."""
        assert op.access is not None
        shell, source, size = self.memories.shell, self.source, op.access.bytes
        offset = self._offset(size)
        given, result = (I64 if t is V128 else t for t in (source.weighted(_LOADED), source.weighted(_LOADED)))
        results = (result, I64) if shell.config.allows(Feature.MULTI_VALUE) else (I64,)
        f = shell.builder.func((self.memory.type, given), results, export=self.name)
        fn = Function.of(shell, f, source)
        tree = Tree(fn, source, LOADING, _ROOM)
        operand = _Operand(self, op, type_, offset)
        tree.load = operand
        nan = tree.operation(type_, 2, "") if source.chance(3, 4) else tree.grow(type_, 3)
        folded(tree, type_, nan)
        if not operand.done:
            operand(tree, type_, 0)
            folded(tree, type_, Nan.NONE)
        fn.close_vectors()
        if len(results) == 2:
            # One more value, of any type, with the load in it if it fits.
            tree.room, operand.done = _ROOM, False
            tree.clean(result, 2)
        fn.get(fn.acc)
        return self._group(f.type, size, offset, given)

    def store(self, op: Op, type_: NumType) -> Group:
        """A store of a parameter; then the last bytes."""
        assert op.access is not None
        size = op.access.bytes
        offset = self._offset(size)
        given = I64 if type_ is V128 else type_
        f = self.memories.shell.builder.func((self.memory.type, given), (I64,), export=self.name)
        f.body += _ADDRESS_AND_VALUE
        if type_ is V128:
            f.body += _SPLAT
        f.body += self.access(op, offset, vector=False)
        f.body += self._last_word()
        return self._group(f.type, size, offset, given)

    def bulk(self) -> Group:
        """``memory.copy``, ``fill`` or ``init`` up to the end and beyond; nothing is written where it traps (4.6.8)."""
        memories, memory, source = self.memories, self.memory, self.source
        f = memories.shell.builder.func((memory.type,), (I64,), export=self.name)
        how = source.pick(_BULK)
        length = source.pick(_LENGTHS)
        if how == "init" and memories.segment is not None:
            start = source.below(SEGMENT - length + 1)
            f.body += (*_ADDRESS, *_INIT(start=start, count=length, memory=memory.index, segment=memories.segment))
        elif how == "fill":
            f.body += (*_ADDRESS, *_FILL[memory.type](byte=source.below(_BYTES), count=length, memory=memory.index))
        else:
            origin = memories.pick(source)
            shorter = memory.type if memory.type is origin.type else I32
            f.body += self._copied(origin)
            f.body += _COPY[shorter](count=length, memory=memory.index, origin=origin.index)
        f.body += self._last_word()
        return Group(f.type, self._calls(length, 0, ()))

    def _copied(self, origin: Memory) -> Code:
        """Where a copy goes and where it comes from: one of them is the argument, the other near the front."""
        source = self.source
        front = (CONST[origin.type], source.below(_FRONT))
        if source.one_in(2) and origin is self.memory:
            return (CONST[self.memory.type], source.below(_FRONT)), *_ADDRESS
        return *_ADDRESS, front


class _Operand:
    """A tree's hook for loads: the load itself, where its type is asked for, once in most cases."""

    def __init__(self, end: _End, op: Op, type_: NumType, offset: int) -> None:
        self.end, self.op, self.type, self.offset = end, op, type_, offset
        self.done = False

    def __call__(self, tree: Tree, wanted: NumType, _depth: int) -> None:
        if wanted is not self.type or (self.done and tree.source.chance(3, 4)):
            self._other(tree, wanted)
            return
        self.done = True
        tree.fn += _ADDRESS
        tree.fn += self.end.access(self.op, self.offset, vector=True)

    @staticmethod
    def _other(tree: Tree, wanted: NumType) -> None:
        """The newest value of a type, or a constant."""
        known = tree.pool.get(wanted)
        if not known:
            tree.fn.f.body.append((CONST[wanted], tree.source.pick(INTERESTING[wanted])))
            return
        local, nan = known[-1]
        tree.fn.get(local)
        if nan is not Nan.NONE:
            tree.fn += tree.fn.canonical(wanted)


def _plain(source: ChoiceSource, type_: NumType) -> int:
    """An edge of the type that is no NaN: a host in JavaScript may change one's bits."""
    bits = source.pick(INTERESTING[type_])
    format_ = FORMATS.get(type_.name)
    return format_.infinity if format_ and bits & format_.infinity == format_.infinity else bits
