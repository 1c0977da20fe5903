"""Memories and what fills them at the start: data segments of every form, inside, at the end and past it.

Segments go to two windows of each memory, one near the front and one at the very end; what is there can be folded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.draw.values import CONST
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.module.shell import PAGE, Shell
from generators.program.program import Program
from generators.scalar.expressions import emit_clean
from wasm.builder import const
from wasm.embedding import Invocation
from wasm.features import Feature
from wasm.hostmix import global_value
from wasm.isa import OPS, MemArg
from wasm.module import Data, Expr, ExternKind, SegmentMode
from wasm.valtypes import I32, I64, GlobalType, MemType, NumType

FRONT: Final = 1024
"""Where the window near the front begins; the scaffold's own data are below."""
WINDOW: Final = 192

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
        kind = source.below(2)
        end = area.bytes - (source.below(9) if source.below(2) else 0)
        at = end - length if kind else FRONT + source.below(WINDOW - length + 1)
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
        type_ = area.address
        offset = ((CONST[type_], at),) if bare else offset_expression(self.shell, source, type_, at)
        segment = Data(content, SegmentMode.ACTIVE, area.index, offset)
        self.shell.builder.module.datas.append(segment)

    def segment(self, source: ChoiceSource) -> tuple[int, int]:
        """A passive segment that stays: its index and its length."""
        if self.passive and source.below(3) < 2:
            return source.pick(self.passive)
        datas = self.shell.builder.module.datas
        content = source.bytes(source.weighted(_LENGTHS))
        datas.append(Data(content))
        self.passive.append((len(datas) - 1, len(content)))
        return self.passive[-1]

    def gone(self, source: ChoiceSource) -> int:
        """A segment that only nothing is taken from: a passive one to drop, or any active one (spec 4.5.4)."""
        datas = self.shell.builder.module.datas
        active = [i for i, data in enumerate(datas) if data.mode is SegmentMode.ACTIVE]
        if active and source.below(2):
            return source.pick(active)
        if not self.dropped or source.below(2):
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
        f.body.append((GET, fn.acc))
        self.shell.invocations.append(Invocation("windows"))


def offset_expression(shell: Shell, source: ChoiceSource, type_: NumType, value: int) -> Expr:
    """A constant expression with a given value: a constant, arithmetic, or a global that is known."""
    mask = (1 << type_.bits) - 1
    op, kind, config = CONST[type_], source.below(6), shell.config
    if kind >= 2 and config.allows(Feature.EXTENDED_CONST):
        if kind == 5:
            for index, item in enumerate(shell.builder.module.imported(ExternKind.GLOBAL)):
                assert isinstance(item.type, GlobalType)
                given = global_value(item.module, item.name, item.type.type)
                if item.type == GlobalType(type_) and given is not None:
                    return (OPS["global.get"], index), (op, value - given.bits & mask), BARE[f"{type_}.add"]
        other = source.bits(16)
        if kind == 4:
            return (
                (op, other | 1), (op, pow(other | 1, -1, mask + 1)), BARE[f"{type_}.mul"], (op, value),
                BARE[f"{type_}.mul"],
            )  # fmt: skip
        if kind == 3:
            return (op, value + other & mask), (op, other), BARE[f"{type_}.sub"]
        return (op, value - other & mask), (op, other), BARE[f"{type_}.add"]
    if kind == 1 and config.allows(Feature.GC):
        return const("global.get", shell.builder.global_(type_, ((op, value),), False))
    return ((op, value),)


def fold_window(fn: Function, area: Area, start: int) -> None:
    """Fold ``WINDOW`` bytes from an address on, in a loop."""
    f, t = fn.f, area.address
    at = f.local(t)
    f.body += ((CONST[t], start), (SET, at))
    f.open("loop")
    f.body += ((GET, at), (OPS["i64.load"], MemArg(3, 0, area.index)), *fn.fold(I64))
    f.body += ((GET, at), (CONST[t], 8), BARE[f"{t}.add"], (TEE, at))
    f.body += ((CONST[t], start + WINDOW), BARE[f"{t}.lt_u"], (OPS["br_if"], 0))
    f.end()


# Statements


def look(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Fold a window, or a few bytes across one of its edges."""
    area = source.pick(program.shell.kit(Areas).all)
    start = source.pick((FRONT, area.bytes - WINDOW))
    if source.below(3) == 2:
        fold_window(fn, area, start)
        return
    for _ in range(source.between(1, 4)):
        at = start + source.below(WINDOW - 7)
        fn.f.body += ((CONST[area.address], at - (at & 7)), (OPS["i64.load"], MemArg(0, at & 7, area.index)))
        fn.f.body += fn.fold(I64)


def init(program: Program, fn: Function, source: ChoiceSource) -> None:
    """Bytes out of a passive segment into a window, the last bytes among them; or nothing, out of one that is gone."""
    areas, body = program.shell.kit(Areas), fn.f.body
    area = source.pick(areas.all)
    if source.below(4) == 3:
        which = areas.gone(source)
        for _ in range(source.between(1, 2)):
            body += ((CONST[area.address], source.pick((0, FRONT, area.bytes))), (I32_CONST, 0), (I32_CONST, 0))
            body.append((OPS["memory.init"], (which, area.index)))
            if source.below(2):
                body.append((OPS["data.drop"], which))
        return
    which, length = areas.segment(source)
    count = source.pick((length, 0, length // 2, min(length, 1)))
    start = length - count if source.below(2) else 0
    at = area.bytes - count if source.below(2) else FRONT + source.below(WINDOW - count + 1)
    body += ((CONST[area.address], at), (I32_CONST, start))
    if source.below(2):
        body.append((I32_CONST, count))
    else:
        # Any number, cut to the count by its remainder: it is known only when it runs.
        emit_clean(fn, source, I32, 1)
        body += ((I32_CONST, count + 1), BARE["i32.rem_u"])
    body.append((OPS["memory.init"], (which, area.index)))
