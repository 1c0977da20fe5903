"""Functions of one access each, called with addresses whose last byte is the memory's last, one before, and one past.

The address is a parameter, so nothing is known at compile time; the offset in the instruction goes up to 2^32 - 1, or
2^64 - 1 in a 64-bit memory, where address and offset together do not fit the index type any more (spec 4.6.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST, INTERESTING
from generators.module.function import BARE, GET, Function
from generators.scalar.expressions import Nan
from generators.scalar.trees import LOADING, Tree
from generators.scalar.uses import folded
from generators.state.memories import SEGMENT, Memories, Memory, accesses
from wasm.embedding import Entry, Invocation, Value
from wasm.features import Feature
from wasm.isa import OPS, MemArg, Op
from wasm.valtypes import F32, F64, I32, I64, V128, FuncType, NumType

_LOADED: Final = weighted((I32, 28), (I64, 26), (F64, 24), (F32, 14), (V128, 12))
_KINDS: Final = weighted(("load", 130), ("store", 70), ("bulk", 56))
_STEPS: Final = weighted((0, 60), (-1, 60), (1, 60), (-2, 20), (-7, 16), (7, 16), (-16, 12), (16, 12))
"""How far past the last possible address: above 0 it traps."""

_INFINITY: Final[dict[NumType, int]] = {F32: 0x7F800000, F64: 0x7FF0000000000000}


@dataclass(frozen=True, slots=True)
class Group:
    """The calls of one function, whose type is given if the first call must return."""

    type: FuncType | None
    calls: Sequence[Invocation]


def add_ends(memories: Memories, source: ChoiceSource, name: str) -> Group:
    """One such function and its calls."""
    kind = source.weighted(_KINDS)
    memory = memories.pick(source)
    if kind == "bulk" and memories.shell.config.allows(Feature.BULK_MEMORY):
        return _bulk(memories, memory, source, name)
    type_ = source.weighted(_LOADED)
    if type_ is V128 and not memories.shell.config.allows(Feature.SIMD):
        type_ = F64
    kind = "load" if kind == "load" else "store"
    rows = accesses(memories.shell.config.features, kind, type_)
    op = rows[0] if source.below(2) else source.pick(rows)
    return (_load if kind == "load" else _store)(memories, memory, source, name, op, type_)


def _offset(source: ChoiceSource, memory: Memory, size: int) -> int:
    most = (1 << memory.type.bits) - 1
    end = memory.bytes - size
    far = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, most, most - size)
    choices = (0, 0, 1, 8, 4096, 65535, 65536, end, end - 1, end + 1, *far)
    return max(0, source.pick(choices)) & most


def _calls(
    memories: Memories,
    memory: Memory,
    source: ChoiceSource,
    name: str,
    length: int,
    offset: int,
    rest: tuple[Value, ...],
) -> list[Invocation]:
    """Addresses around the end for an access of ``length`` bytes at an offset, and those that wrap around."""
    ones = (1 << memory.type.bits) - 1
    last = memory.bytes - length - offset
    steps = [source.weighted(_STEPS) for _ in range(source.between(2, 5))]
    addresses = [last, *(last + step for step in steps)] if last >= 0 else [0]
    # The first is in bounds where it can be; a sum that wraps to a low address would be if it were cut off.
    far = [(-offset & ones) + source.below(9), ones - source.below(16), memory.bytes - source.below(2)]
    addresses += far[: source.below(4)]
    if last < 0:
        memories.shell.labels.add("far_offset")
    return [
        Invocation(name, (Value(memory.type.name, at & ones), *rest), Entry.WRAPPER if source.below(2) else Entry.HOST)
        for at in addresses
    ]


def _load(memories: Memories, memory: Memory, source: ChoiceSource, name: str, op: Op, type_: NumType) -> Group:
    """A load as an operand of something, as it is."""
    assert op.access is not None
    shell, size = memories.shell, op.access.bytes
    offset = _offset(source, memory, size)
    given = source.weighted(_LOADED)
    given = I64 if given is V128 else given
    result = source.weighted(_LOADED)
    result = I64 if result is V128 else result
    results = (result, I64) if shell.config.allows(Feature.MULTI_VALUE) else (I64,)
    f = shell.builder.func((memory.type, given), results, export=name)
    fn = Function.of(shell, f, source)
    tree = Tree(fn, source, LOADING, 12)
    done = False

    def operand(tree: Tree, wanted: NumType, _depth: int) -> None:
        """The load itself, where its type is asked for; once in most cases."""
        nonlocal done
        body = tree.fn.f.body
        if wanted is not type_ or (done and source.below(4)):
            found = tree.pool.get(wanted)
            body.append((GET, found[-1][0]) if found else (CONST[wanted], source.pick(INTERESTING[wanted])))
            if found and found[-1][1] is not Nan.NONE:
                body += tree.fn.canonical(wanted)
            return
        done = True
        body.append((GET, 0))
        argument = MemArg(source.below(size.bit_length()), offset, memory.index)
        if op.access is not None and op.access.shape == "lane":
            body += ((CONST[V128], source.pick(INTERESTING[V128])), (op, (argument, source.below(16 // size))))
        else:
            body.append((op, argument))

    tree.load = operand
    nan = tree.operation(type_, 2, "") if source.below(4) else tree.grow(type_, 3)
    folded(tree, type_, nan)
    if not done:
        operand(tree, type_, 0)
        folded(tree, type_, Nan.NONE)
    fn.close_vectors()
    if len(f.type.results) == 2:
        # One more value, of any type, with the load in it if it fits.
        tree.room, done = 12, False
        tree.clean(result, 2)
    f.body.append((GET, fn.acc))
    rest = (Value(given.name, _plain(source, given)),)
    calls = _calls(memories, memory, source, name, size, offset, rest)
    return Group(f.type if memory.bytes - size - offset >= 0 else None, calls)


def _plain(source: ChoiceSource, type_: NumType) -> int:
    """An edge of the type that is no NaN: a host in JavaScript may change one's bits."""
    bits = source.pick(INTERESTING[type_])
    infinity = _INFINITY.get(type_, 0)
    return infinity if infinity and bits & infinity == infinity else bits


def _store(memories: Memories, memory: Memory, source: ChoiceSource, name: str, op: Op, type_: NumType) -> Group:
    """A store of a parameter; then the last bytes, to show that nothing was written by one that trapped."""
    assert op.access is not None
    shell, size = memories.shell, op.access.bytes
    offset = _offset(source, memory, size)
    given = I64 if type_ is V128 else type_
    f = shell.builder.func((memory.type, given), (I64,), export=name)
    body = f.body
    body += ((GET, 0), (GET, 1))
    if type_ is V128:
        body.append(BARE["i64x2.splat"])
    argument = MemArg(source.below(size.bit_length()), offset, memory.index)
    if op.access.shape == "lane":
        body.append((op, (argument, source.below(16 // size))))
    else:
        body.append((op, argument))
    ones = (1 << memory.type.bits) - 1
    body += ((CONST[memory.type], memory.bytes - 8 & ones), (OPS["i64.load"], MemArg(0, 0, memory.index)))
    rest = (Value(given.name, _plain(source, given)),)
    calls = _calls(memories, memory, source, name, size, offset, rest)
    return Group(f.type if memory.bytes - size - offset >= 0 else None, calls)


def _bulk(memories: Memories, memory: Memory, source: ChoiceSource, name: str) -> Group:
    """``memory.copy``, ``fill`` or ``init`` up to the end and beyond; nothing is written where it traps (4.6.8)."""
    shell, index_type = memories.shell, memory.type
    f = shell.builder.func((index_type,), (I64,), export=name)
    body = f.body
    kind = source.below(3)
    length = source.pick((0, 1, 7, 16, 17, 32, 48))
    body.append((GET, 0))
    if kind == 2 and memories.segment is not None:
        body += ((CONST[I32], source.below(SEGMENT - length + 1)), (CONST[I32], length))
        body.append((OPS["memory.init"], (memories.segment, memory.index)))
    elif kind == 1:
        body += ((CONST[I32], source.below(512)), (CONST[index_type], length), (OPS["memory.fill"], memory.index))
    else:
        other = memories.pick(source)
        shorter = index_type if index_type is other.type else I32
        body.append((CONST[other.type], source.below(128)))
        if source.below(2) and other is memory:
            # From the address to the front instead.
            body.append((GET, 0))
            body[0:2] = [body[1]]
            body[0:1] = [(CONST[index_type], source.below(128))]
        body += ((CONST[shorter], length), (OPS["memory.copy"], (memory.index, other.index)))
    ones = (1 << index_type.bits) - 1
    body += ((CONST[index_type], memory.bytes - 8 & ones), (OPS["i64.load"], MemArg(0, 0, memory.index)))
    calls = _calls(memories, memory, source, name, length, 0, ())
    return Group(f.type, calls)
