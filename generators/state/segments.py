"""Memories and what fills them at the start: data segments of every form, inside, at the end and past it.

Segments go to two windows of each memory, one near the front and one at the very end; what is there can be folded.

    (data (memory 1) (offset i64.const 65530) "...")                          ;; up to the last byte
    (data (memory 0) (offset i32.const 7  i32.const 1020  i32.add) "...")     ;; near the front
    (data "...")                                                              ;; passive, for memory.init
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.module.function import Function
from generators.module.shell import PAGE, Shell
from generators.program.program import Program
from generators.scalar.expressions import emit_clean
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.hostmix import global_value
from wasm.module import Data, Expr, ExternKind, SegmentMode
from wasm.valtypes import I32, I64, GlobalType, MemType, NumType

FRONT: Final = 1024
"""Where the window near the front begins; the shell's own data are below."""
WINDOW: Final = 192

_OFFSETS: Final = shares(("constant", 1), ("global", 1), ("sum", 1), ("difference", 1), ("product", 1), ("import", 1))
"""How the offset of an active segment is computed; what the features do not allow is a constant or a sum."""
_SLACK: Final = 9
"""A segment at the end ends less than so many bytes before it."""

_CONST: Final = {t: template(f"{t}.const $value") for t in (I32, I64)}
_SUM: Final = {t: template(f"{t}.const $one  {t}.const $other  {t}.add") for t in (I32, I64)}
_DIFFERENCE: Final = {t: template(f"{t}.const $one  {t}.const $other  {t}.sub") for t in (I32, I64)}
_PRODUCT: Final = {
    t: template(f"{t}.const $odd  {t}.const $inverse  {t}.mul  {t}.const $value  {t}.mul") for t in (I32, I64)
}
_FROM_GLOBAL: Final = {t: template(f"global.get $index  {t}.const $distance  {t}.add") for t in (I32, I64)}
_START: Final = {t: template(f"{t}.const $start  local.set $at") for t in (I32, I64)}
_WORD: Final = template("local.get $at  i64.load $memory")
_NEXT_WORD: Final = {
    t: template(f"local.get $at  {t}.const 8  {t}.add  local.tee $at  {t}.const $stop  {t}.lt_u  br_if 0")
    for t in (I32, I64)
}
_LOOK: Final = template("i64.load $memory offset=$offset align=1")
_INIT: Final = template("memory.init $memory $segment")
_NOTHING: Final = code("i32.const 0  i32.const 0")
_NUMBER: Final = template("i32.const $number")
_AT_MOST: Final = template("i32.const $limit  i32.rem_u")
_DROP_SEGMENT: Final = template("data.drop $segment")

_LENGTHS: Final = weighted((0, 20), (1, 30), (4, 40), (7, 30), (8, 30), (17, 40), (40, 40), (100, 26))


@dataclass(frozen=True, slots=True)
class Area:
    """One memory; ``seen``: it is exported."""

    index: int
    type: MemType
    seen: bool

    @property
    def address(self) -> NumType:
        return self.type.index_type

    @property
    def bytes(self) -> int:
        return self.type.limits.minimum * PAGE


class Areas:
    """The kit of a module's memories and passive data segments; imported memories are in it from the start."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.all: list[Area] = []
        self.passive: list[tuple[int, int]] = []
        """Index and length of each passive segment that is never dropped."""
        self.dropped: list[int] = []
        """Passive segments that are empty or may have been dropped."""
        for index, item in enumerate(shell.builder.module.imported(ExternKind.MEMORY)):
            assert isinstance(item.type, MemType)
            if not shell.private:
                shell.builder.export(f"memory{index}", ExternKind.MEMORY, index)
            self.all.append(Area(index, item.type, not shell.private))
        shell.closers.append(self.close)

    def add(self, pages: int, maximum: int, index64: bool) -> Area:
        """One more memory of the module's own."""
        shell = self.shell
        index = len(self.all)
        name = None if shell.private else f"memory{index}"
        shell.builder.memory(pages, maximum, index64=index64, export=name)
        area = Area(index, shell.builder.module.memories[-1], not shell.private)
        self.all.append(area)
        return area

    # Segments

    def active(self, source: ChoiceSource, area: Area) -> None:
        """An active segment that fits: near the front, across the end of a page, or up to the last byte."""
        length = source.weighted(_LENGTHS)
        at_the_end = source.one_in(2)
        end = area.bytes - (source.below(_SLACK) if source.one_in(2) else 0)
        at = end - length if at_the_end else FRONT + source.below(WINDOW - length + 1)
        self._append(source, area, at, source.bytes(length))

    def outside(self, source: ChoiceSource, area: Area) -> None:
        """An active segment that does not fit by one byte, or by far; or an empty one past the end."""
        length = source.weighted(_LENGTHS)
        most = (1 << area.address.bits) - 1
        at = source.pick((area.bytes - length + 1, area.bytes + 1, most, most - length + 1, 1 << area.address.bits - 1))
        if at + length <= area.bytes or not length:
            at = area.bytes + 1
        self._append(source, area, at & most, source.bytes(length), bare=True)

    def _append(self, source: ChoiceSource, area: Area, at: int, content: bytes, bare: bool = False) -> None:
        """An active segment, its offset a constant if it is ``bare``."""
        type_ = area.address
        offset = _CONST[type_](at) if bare else offset_expression(self.shell, source, type_, at)
        segment = Data(content, SegmentMode.ACTIVE, area.index, offset)
        self.shell.builder.module.datas.append(segment)

    def segment(self, source: ChoiceSource) -> tuple[int, int]:
        """A passive segment that stays: its index and its length."""
        if self.passive and not source.one_in(3):
            return source.pick(self.passive)
        datas = self.shell.builder.module.datas
        content = source.bytes(source.weighted(_LENGTHS))
        datas.append(Data(content))
        self.passive.append((len(datas) - 1, len(content)))
        return self.passive[-1]

    def gone(self, source: ChoiceSource) -> int:
        """A segment that only nothing is taken from: a passive one to drop, or any active one (spec 4.7.2)."""
        datas = self.shell.builder.module.datas
        active = [i for i, data in enumerate(datas) if data.mode is SegmentMode.ACTIVE]
        if active and source.one_in(2):
            return source.pick(active)
        if not self.dropped or source.one_in(2):
            datas.append(Data(source.bytes(source.between(1, 8))))
            self.dropped.append(len(datas) - 1)
        return source.pick(self.dropped)

    # The end

    def close(self) -> None:
        """For memories that are not exported: a function that folds their windows, and a call of it."""
        hidden = [area for area in self.all if not area.seen]
        if not hidden:
            return
        f = self.shell.builder.func((), (I64,), export="windows")
        fn = Function.of(self.shell, f, self.shell.source.fork("windows"))
        for area in hidden:
            fold_window(fn, area, FRONT)
            fold_window(fn, area, area.bytes - WINDOW)
        fn.get(fn.acc)
        self.shell.invocations.append(Invocation("windows"))


def offset_expression(shell: Shell, source: ChoiceSource, type_: NumType, value: int) -> Expr:
    """A constant expression with a given value: a constant, arithmetic, or a global that is known."""
    mask = (1 << type_.bits) - 1
    how, config = source.pick(_OFFSETS), shell.config
    if how in ("constant", "global") or not config.allows(Feature.EXTENDED_CONST):
        if how == "global" and config.allows(Feature.GC):
            return const("global.get", shell.builder.global_(type_, _CONST[type_](value), False))
        return _CONST[type_](value)
    if how == "import" and (known := _known_global(shell, type_)) is not None:
        index, base = known
        return _FROM_GLOBAL[type_](index=index, distance=value - base & mask)
    other = source.bits(16)
    if how == "product":
        odd = other | 1
        return _PRODUCT[type_](odd=odd, inverse=pow(odd, -1, mask + 1), value=value)
    if how == "difference":
        return _DIFFERENCE[type_](one=value + other & mask, other=other)
    return _SUM[type_](one=value - other & mask, other=other)


def _known_global(shell: Shell, type_: NumType) -> tuple[int, int] | None:
    """The first imported constant global of a type whose value every host agrees on: its index and the value."""
    for index, item in enumerate(shell.builder.module.imported(ExternKind.GLOBAL)):
        assert isinstance(item.type, GlobalType)
        given = global_value(item.module, item.name, item.type.type)
        if item.type == GlobalType(type_) and given is not None:
            return index, given.bits
    return None


def fold_window(fn: Function, area: Area, start: int) -> None:
    """Fold ``WINDOW`` bytes from an address on, in a loop."""
    t = area.address
    at = fn.local(t)
    fn += _START[t](start=start, at=at)
    with fn.block("loop"):
        fn += _WORD(at=at, memory=area.index)
        fn += fn.fold(I64)
        fn += _NEXT_WORD[t](at=at, stop=start + WINDOW)


# Statements


def look(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Fold a window, or a few bytes across one of its edges."""
    area = source.pick(program.shell.kit(Areas).all)
    start = source.pick((FRONT, area.bytes - WINDOW))
    if source.one_in(3):
        fold_window(fn, area, start)
        return
    for _ in range(source.between(1, 4)):
        at = start + source.below(WINDOW - 7)
        fn += _CONST[area.address](at & ~7)
        fn += _LOOK(memory=area.index, offset=at & 7)
        fn += fn.fold(I64)


def init(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Bytes out of a passive segment into a window, the last bytes among them; or nothing, out of one that is gone."""
    areas = program.shell.kit(Areas)
    area = source.pick(areas.all)
    if source.one_in(4):
        _init_with_nothing(fn, source, area, areas.gone(source))
        return
    segment, length = areas.segment(source)
    count = source.pick((length, 0, length // 2, min(length, 1)))
    start = length - count if source.one_in(2) else 0
    at = area.bytes - count if source.one_in(2) else FRONT + source.below(WINDOW - count + 1)
    fn += _CONST[area.address](at)
    fn += _NUMBER(start)
    if source.one_in(2):
        fn += _NUMBER(count)
    else:
        # Any number, cut to the count by its remainder: it is known only when it runs.
        emit_clean(fn, source, I32, 1)
        fn += _AT_MOST(count + 1)
    fn += _INIT(memory=area.index, segment=segment)


def _init_with_nothing(fn: Function, source: ChoiceSource, area: Area, segment: int) -> None:
    """No bytes out of a segment that is empty, once or twice, perhaps dropped again between."""
    for _ in range(source.between(1, 2)):
        fn += _CONST[area.address](source.pick((0, FRONT, area.bytes)))
        fn += _NOTHING
        fn += _INIT(memory=area.index, segment=segment)
        if source.one_in(2):
            fn += _DROP_SEGMENT(segment)
