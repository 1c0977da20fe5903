"""Statements that make the shapes of ``memory``: odd addresses, ends by constants, copies byte by byte.

i32.const 4112  i32.const 7  i32.store8        ;; a byte whose sign is not set ...
i32.const 4112  i32.load8_s                    ;; ... is an address as it is
i64.load32_u offset=4096
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource
from generators.draw.values import CONST, constant
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.program import Program
from generators.scalar.expressions import emit_clean
from generators.state.atomics import Atomics
from generators.state.memories import accesses
from wasm.builder import const
from wasm.embedding import Invocation, Value
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.isa import OPS, ROWS, MemArg, Op
from wasm.module import Data, Elem, SegmentMode
from wasm.valtypes import FUNCREF, I32, I64, NumType, ref

Write = Callable[[Program, Function, ChoiceSource], None]
"""Adds a statement to the function. What it computes is folded or stored; it traps nowhere but in functions of its own,
which the host calls last."""

_REGION: Final = 128
"""Bytes that one statement has for itself."""
_SMALL: Final = 64
_MOST_COPIED: Final = 40
_FAR: Final = (0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8)

_BYTE: Final = tuple(
    template(f"i32.const $at  i32.const $small  i32.store16 align=1  i32.const $at  {how}")
    for how in ("i32.load8_s", "i32.load8_u  i32.extend8_s", "i32.load16_s align=1", "i32.load16_u  i32.extend16_s")
)
_DIRTY: Final = template("i64.const $mask  i64.and  i64.const $dirty  i64.or  i32.wrap_i64")
_MEMORY_SIZE: Final = code("memory.size")
_GROWN: Final = code("i32.const 0  memory.grow")
_TABLE_SIZE: Final = template("table.size $table")
_TABLE_GROWN: Final = template("ref.null func  i32.const 0  table.grow $table")
_COPY: Final = template("i32.const $to  i32.const $origin  i32.const $count  memory.copy")
_STORE: Final = template("i32.const $at  local.get $value  i64.store align=1")
_LOAD: Final = template("i32.const $at  i64.load align=1")
_TWO_SIZES: Final = template("table.size $table  table.size $table  i64.const 3  i64.mul  i64.xor")
_POINTERS: Final = template(
    "i32.const $to  local.set $d  i32.const $origin  local.set $s  i32.const $count  local.set $n"
)
_FORWARD: Final = template(
    "local.get $d  local.get $s  i32.load8_u  i32.store8  local.get $d  i32.const 1  i32.add  local.set $d"
    "  local.get $s  i32.const 1  i32.add  local.set $s  local.get $n  i32.const 1  i32.sub  local.tee $n  br_if 0"
)
_BACKWARD: Final = template(
    "local.get $d  i32.const 1  i32.sub  local.tee $d  local.get $s  i32.const 1  i32.sub  local.tee $s  i32.load8_u"
    "  i32.store8  local.get $n  i32.const 1  i32.sub  local.tee $n  br_if 0"
)
_FILLED: Final = template(
    "local.get $d  local.get $s  i32.store8  local.get $d  i32.const 1  i32.add  local.set $d"
    "  local.get $n  i32.const 1  i32.sub  local.tee $n  br_if 0"
)
_LOOPS: Final = (_FORWARD, _BACKWARD, _FILLED)
_STEP: Final = template("local.get $n  i32.eqz  if  i32.const 1  local.set $n  end")
_INIT: Final = template("i32.const $to  i32.const 0  i32.const 0  memory.init $memory $segment")
_TABLE_INIT: Final = template("i32.const 0  i32.const 0  i32.const 0  table.init $table $segment")


def odd_address(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An access whose address is a byte with its sign, half of a 64-bit number, or a size."""
    shell = program.shell
    base = shell.reserve(_REGION + 16)
    ways = ["byte", "wrapped", "size"]
    if program.config.allows(Feature.REFERENCE_TYPES):
        ways.append("table")
    way = source.pick(ways)
    store = source.one_in(3)
    type_ = source.pick((I32, I64))
    op = source.pick(accesses(frozenset(), "store" if store else "load", type_))
    if way == "byte":
        fn += source.pick(_BYTE)(at=base + _REGION, small=source.below(_SMALL))
    elif way == "wrapped":
        emit_clean(fn, source, I64, 1)
        fn += _DIRTY(mask=_SMALL - 1, dirty=source.bits(32) << 32)
    elif way == "size":
        fn += _GROWN if source.one_in(2) else _MEMORY_SIZE
        shell.uses_memory = True
    else:
        table = shell.kit(_tables)
        fn += (_TABLE_GROWN if source.one_in(2) else _TABLE_SIZE)(table=table)
    if store:
        emit_clean(fn, source, type_, 1)
    fn += ((op, MemArg(0, base, 0)),)
    if not store:
        fn += fn.fold(type_)


def _tables(shell: Shell) -> int:
    """A table of a few nulls, whose size is looked at."""
    return shell.builder.table(7, 9)


def atomics_at_end(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An atomic access whose last byte is its memory's, by a constant, or by constant and offset."""
    target = program.shell.kit(Atomics.of)
    op = source.pick(_atomic_rows(target.shared))
    _atomic(program, fn, source, target, op, narrow=False)


def narrow_exchange(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A compare-and-exchange that expects bits above its width, which no memory can hold."""
    target = program.shell.kit(Atomics.of)
    op = source.pick([row for row in ROWS if "cmpxchg_u" in row.name])
    _atomic(program, fn, source, target, op, narrow=True)


def _atomic_rows(waits: bool) -> list[Op]:
    rows = [row for row in ROWS if row.feature is Feature.THREADS and row.access is not None]
    return [row for row in rows if waits or (row.access is not None and row.access.kind != "wait")]


def _numbers(op: Op) -> list[NumType]:
    """The types of what an access takes besides its address."""
    return [type_ for type_ in op.params or () if isinstance(type_, NumType)]


def _atomic(program: Program, fn: Function, source: ChoiceSource, target: Atomics, op: Op, narrow: bool) -> None:
    pages = 1 if target.shared else program.shell.pages
    assert op.access is not None
    size = op.access.bytes
    last = (pages << 16) - size if not narrow else target.base
    offset = last if source.one_in(3) else 0
    fn += ((CONST[I32], last - offset),)
    for position, type_ in enumerate(_numbers(op)):
        if narrow and position == 0:
            fn += ((CONST[type_], (source.bits(type_.bits - 8 * size) or 1) << 8 * size),)
        elif op.access.kind == "wait" and position == 1:
            fn += ((CONST[type_], 0),)
        else:
            fn += (constant(source, type_),)
    fn += ((op, MemArg(size.bit_length() - 1, offset, target.memory)),)
    for result in op.results or ():
        assert isinstance(result, NumType)
        fn += fn.fold(result)


def exchange_and_growth(program: Program, fn: Function, source: ChoiceSource) -> None:
    """An exchange at memory's end, and growth right behind it."""
    target = program.shell.kit(Atomics.of)
    rows = [row for row in ROWS if "cmpxchg" in row.name]
    _atomic(program, fn, source, target, source.pick(rows), narrow=False)
    program.shell.uses_memory = True
    fn += _GROWN
    fn += fn.fold(I32)


def short_copies(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Copies of a few bytes between constant places, with stores to them and a load of them between."""
    base = program.shell.reserve(_REGION)
    places = [base + source.below(_REGION - 16) for _ in range(3)]
    value = fn.local(I64)
    for _ in range(source.between(1, 3)):
        emit_clean(fn, source, I64, 1)
        fn.set(value)
        to, origin = source.pick(places), source.pick(places)
        fn += _STORE(at=origin, value=value)
        fn += _COPY(to=to, origin=origin, count=source.between(1, 16))
        fn += _STORE(at=source.pick(places), value=value)
        fn += _LOAD(at=to)
        fn += fn.fold(I64)


def across_a_block(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A bulk instruction whose first operands lie on the stack while a block is entered and left."""
    base = program.shell.reserve(_REGION)
    fn += ((CONST[I32], base + source.below(_SMALL)),)
    if source.one_in(2):
        fn += ((CONST[I32], base + source.below(_SMALL)),)
        _decided(fn, source)
        fn += ((CONST[I32], source.below(_SMALL)), (OPS["memory.copy"], (0, 0)))
    else:
        _decided(fn, source)
        emit_clean(fn, source, I32, 1)
        fn += ((CONST[I32], source.below(_SMALL)), (OPS["memory.fill"], 0))


def _decided(fn: Function, source: ChoiceSource) -> None:
    emit_clean(fn, source, I32, 1)
    with fn.block("if"):
        emit_clean(fn, source, I64, 1)
        fn += fn.fold(I64)


def byte_loop(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Memory copied forward or backward, or filled, byte by byte; where the pointers end is folded."""
    base = program.shell.reserve(_REGION)
    loop, count = source.pick(_LOOPS), source.between(1, _MOST_COPIED)
    d = fn.local(I32, 3)
    s, n = d + 1, d + 2
    back = count if loop is _BACKWARD else 0
    to, origin = base + back + source.below(_SMALL), base + back + source.below(_SMALL)
    fn += _POINTERS(to=to, d=d, origin=origin, s=s, count=count, n=n)
    if source.one_in(2):
        # How often is not known: from one to what the count is.
        emit_clean(fn, source, I32, 1)
        fn += ((CONST[I32], count), OPS["i32.rem_u"].bare, (OPS["local.set"], n))
        fn += _STEP(n=n)
    with fn.block("loop"):
        fn += loop(d=d, s=s, n=n)
    for local in (d, s, n):
        fn.fold_local(I32, local)


def init_from_gone(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Nothing out of a segment that is active, declared or empty: gone or not, that is in bounds (spec 4.6.8)."""
    shell, builder = program.shell, program.shell.builder
    if source.one_in(2) or not program.config.allows(Feature.REFERENCE_TYPES):
        base = shell.reserve(_REGION)
        if source.one_in(2):
            segment = builder.data(source.bytes(8), base)
        else:
            builder.module.datas.append(Data(b""))
            segment = len(builder.module.datas) - 1
        fn += _INIT(to=base, memory=0, segment=segment)
        return
    table = shell.kit(_tables)
    null = const("ref.null", "func")
    mode = source.pick((SegmentMode.ACTIVE, SegmentMode.DECLARATIVE, SegmentMode.PASSIVE))
    init = () if mode is SegmentMode.PASSIVE else (null,)
    elem = Elem(FUNCREF, init, mode)
    if mode is SegmentMode.ACTIVE:
        elem = replace(elem, table=table, offset=const("i32.const", 0))
    builder.module.elems.append(elem)
    fn += _TABLE_INIT(table=table, segment=len(builder.module.elems) - 1)


def two_sizes(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Two sizes of a table of 64-bit indices at once."""
    table = program.shell.builder.table(source.below(9), 12, ref("func"), index64=True)
    fn += _TWO_SIZES(table=table)
    fn += fn.fold(I64)


def past_the_end(program: Program, fn: Function, source: ChoiceSource) -> None:
    """A function of its own that traps: an access to a memory of no pages, or an atomic one far beyond its memory."""
    del fn
    shell, builder = program.shell, program.shell.builder
    if not shell.pages:
        shell.claim_memory(1)
    if program.config.allows(Feature.THREADS) and source.one_in(2):
        target = shell.kit(Atomics.of)
        op, memory, offset = source.pick(_atomic_rows(False)), target.memory, source.pick(_FAR)
    else:
        memory, offset = builder.memory(0, source.below(2)), source.pick((0, 0, 1, *_FAR))
        op = source.pick(accesses(frozenset(), source.pick(("load", "store")), source.pick((I32, I64))))
    assert op.access is not None
    name = f"past{len(shell.last)}"
    f = builder.func((I32,), (), export=name)
    f.emit("local.get", 0)
    f.body += [constant(source, type_) for type_ in _numbers(op)]
    f.body.append((op, MemArg(op.access.bytes.bit_length() - 1, offset, memory)))
    f.body += (OPS["drop"].bare,) * len(op.results or ())
    shell.labels.add("traps")
    shell.last.append(Invocation(name, (Value("i32", 8 * source.below(16)),)))


WRITES: Final[tuple[tuple[str, Write, frozenset[Feature]], ...]] = (
    ("odd address", odd_address, frozenset()),
    ("byte loop", byte_loop, frozenset()),
    ("short copies", short_copies, frozenset({Feature.BULK_MEMORY})),
    ("across a block", across_a_block, frozenset({Feature.BULK_MEMORY})),
    ("init from gone", init_from_gone, frozenset({Feature.BULK_MEMORY})),
    ("two sizes", two_sizes, frozenset({Feature.REFERENCE_TYPES, Feature.MEMORY64})),
    ("atomics at end", atomics_at_end, frozenset({Feature.THREADS})),
    ("narrow exchange", narrow_exchange, frozenset({Feature.THREADS})),
    ("exchange and growth", exchange_and_growth, frozenset({Feature.THREADS})),
    ("past the end", past_the_end, frozenset({Feature.MULTI_MEMORY})),
)
