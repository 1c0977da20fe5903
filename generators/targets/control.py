"""Branches: tables of up to 65,520 targets, labels with 1,000 values, loop-carried permutations, deep and dead code.

Loops, branch tables, merges and ifs carry values (``generators/control/branches.py``); state machines, nesting of up to
50,000 blocks and random statements join locals (``generators/control/graphs.py``). The host varies the selector that
decides what runs, at and beyond the ends of each table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import MIXED, NARROW, WIDE, Config, draw_size
from generators.control.branches import Carried, chosen, looped, merged, table
from generators.control.graphs import Statements, machine, nest
from generators.draw.signatures import draw_type, draw_types
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program import use_values
from generators.program.arguments import Exported, selecting
from generators.program.calls import host_site
from generators.program.parts import Part
from generators.program.program import REFERENCES, VECTORS, Program
from generators.scalar.expressions import emit_statement
from wasm.case import CallSite, Case
from wasm.features import Feature
from wasm.limits import BR_TABLE_TARGETS
from wasm.valtypes import I32, I64, NumType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
BASE: Final = True
WEIGHT: Final = 2.0
COST: Final = 61.0

_CONSTRUCTS: Final = weighted(
    ("loop", 60), ("merge", 44), ("table", 56), ("if", 32), ("machine", 24), ("statements", 30), ("nest", 10)
)
_COUNT: Final = weighted((1, 150), (2, 76), (3, 30))
_ENTRIES: Final = (
    *range(10), *range(10, 40, 2), 63, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257, 300, 500, 511, 512, 513, 700,
    1000, 1023, 1024, 1025, 2000, 4095, 4096, 4097,
)  # fmt: skip
_MANY_ENTRIES: Final = (10_000, 16_384, 32_767, 32_768, 65_519, BR_TABLE_TARGETS)
_BLOCKS: Final = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 32, 33, 64, 100, 200, 300)
_STATES: Final = (2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48)
_DEPTHS: Final = (*range(8, 128, 8), 128, 200, 255, 256, 257, 400, 600, 1000, 1024, 2000)
_FAR_DEPTHS: Final = (5_000, 10_000, 20_000, 32_768, 50_000)
_RARE: Final = 160
"""One in so many tables has tens of thousands of entries; one in half as many nests is tens of thousands deep."""
_VALUES: Final = 2500
"""How many values a table's blocks or a merge's ways may take in all."""
_BIG: Final = 300
"""From so many values on a case has one function of one construct."""
_SMALL: Final = 1000
"""Below so much room nothing is drawn that takes tens of thousands of instructions."""
_WATCHED: Final = 6
_STATEMENT_COST: Final = 12
"""Instructions that a statement or a state takes, about."""
_BLOCK_COST: Final = 4
"""Values that a block of a table costs besides those that it carries, about."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to three functions, each of one to three constructs."""
    size = draw_size(source, WIDE, config.max_results)
    if source.chance(5, 16):
        config = config.without(*REFERENCES)
    if source.chance(6, 16):
        config = config.without(*VECTORS)
    shell = Shell.open(source.fork("shell"), config)
    shell.draw_nans(source)
    exports = []
    for i in range(source.between(1, 2 if size < _BIG else 1)):
        exports.append(_Function(shell, source.fork(f"c{i}"), f"c{i}", min(size, config.max_params)).build())
        size = draw_size(source, NARROW, config.max_params)
    arguments = source.fork("arguments")
    for exported, selectors in exports:
        shell.invocations += selecting(arguments, exported, selectors)
    return shell.case()


class _Function:
    """One exported function of (selector, ...) to a hash of everything that happened."""

    def __init__(self, shell: Shell, source: ChoiceSource, name: str, size: int) -> None:
        self.source, self.name, self.size = source, name, size
        config = shell.config
        params = (I32, *draw_types(source, config, source.below(4)))
        self.f = shell.builder.func(params, (I64,), export=name)
        self.flow = _Flow(Function.of(shell, self.f, source), source)
        self.flow.selectors = [0, source.between(1, 3)]

    def build(self) -> tuple[Exported, list[int]]:
        """Write the body; gives the export and the selectors to call it with."""
        flow, source = self.flow, self.source
        fn, shell, type_ = flow.fn, flow.fn.shell, self.f.type
        fn.select()
        fn.seed(source.bits(16))
        fn.fold_params()
        flow.watch(source.between(1, _WATCHED))
        for i in range(source.weighted(_COUNT) if self.size < _BIG else 1):
            kind = source.weighted(_CONSTRUCTS)
            flow.emit(kind, self.size if not i else draw_size(source, MIXED, min(self.size, 64)))
        flow.finish()
        fn.publish()
        fn.get(fn.acc)
        selectors = list(dict.fromkeys(value & 0xFFFFFFFF for value in flow.selectors))
        if not shell.sites:
            shell.sites.append(host_site(0, type_))
        return Exported(self.name, type_, len(selectors)), selectors


@dataclass(slots=True)
class _Flow:
    """Constructs in one function. ``selectors`` are worth calling it with, ``watched`` are locals that they change.

    ``room`` bounds what a construct may cost: targets, states, depth, statements.
    """

    fn: Function
    source: ChoiceSource
    room: int = 1 << 20
    selectors: list[int] = field(default_factory=list)
    watched: list[tuple[NumType, int]] = field(default_factory=list)

    @property
    def shell(self) -> Shell:
        return self.fn.shell

    def watch(self, count: int) -> None:
        """Make ``count`` more locals to change."""
        for _ in range(count):
            type_ = draw_type(self.source, self.shell.config)
            self.watched.append((type_, emit_statement(self.fn, self.source, type_, self.source.below(3))))

    def finish(self) -> None:
        """Show what became of the locals."""
        for type_, local in self.watched:
            self.fn.fold_local(type_, local)

    def emit(self, kind: str, size: int) -> None:
        """One construct, around ``size`` values where it carries any."""
        fn, source = self.fn, self.source
        self.shell.labels.add(kind)
        match kind:
            case "machine":
                machine(fn, source, self.watched, min(source.pick(_STATES), 2 + self.room // _STATEMENT_COST))
                self.selectors += [source.below(256) for _ in range(2)]
            case "nest":
                self._nest()
            case "statements":
                few = self.room < _SMALL
                budget, depth = (4 + self.room // _STATEMENT_COST, 3) if few else (40, 4)
                Statements(fn, source, self.watched, budget).emit(depth)
                self.selectors += [source.bits(8) for _ in range(3)]
            case _:
                self._carry(kind, size)

    def _nest(self) -> None:
        source = self.source
        far = source.chance(2, _RARE) and self.room > _SMALL
        depth = min(source.pick(_FAR_DEPTHS if far else _DEPTHS), self.room)
        if far:
            self.shell.labels.add("far")
        nest(self.fn, source, depth)
        self.selectors += [source.below(16), 0xFFFFFFFF]

    def _carry(self, kind: str, size: int) -> None:
        """A construct that leaves values, which are then used."""
        fn, source, shell = self.fn, self.source, self.shell
        references = shell.references()
        types: tuple[ValType, ...] = draw_types(source, shell.config, size, references)
        carried = Carried(fn, source, types)
        match kind:
            case "loop":
                looped(fn, source, carried)
            case "merge":
                ways = min(source.between(1, 6), max(1, min(_VALUES, self.room) // (size + 1)))
                merged(fn, source, carried, ways)
                self.selectors += [source.bits(8) for _ in range(2)]
            case "table":
                self._table(carried)
            case _:
                other = draw_types(source, shell.config, draw_size(source, NARROW, shell.config.max_results))
                chosen(fn, source, carried, Carried(fn, source, other))
                types = other
                self.selectors.append(source.bits(8))
        mode = source.weighted(use_values.MODES)
        used = use_values.use(fn, source, mode, types)
        count = len(carried.types)
        shell.sites.append(CallSite("label", fn.f.index, used, count, len(types), count + len(types)))

    def _table(self, carried: Carried) -> None:
        source, size = self.source, len(carried.types)
        entries = min(source.pick(_ENTRIES), 4 * self.room)
        if source.one_in(_RARE) and self.room > _SMALL:
            self.shell.labels.add("far")
            entries = source.pick(_MANY_ENTRIES)
        blocks = min(source.pick(_BLOCKS), max(1, min(_VALUES, self.room) // (size + _BLOCK_COST)))
        table(self.fn, source, carried, entries, blocks)
        self.selectors += [entries - 1, entries, entries + 1, 0xFFFFFFFF, source.below(entries + 1)]


def _construct(kind: str) -> Part:
    """A part of one construct, around few values mostly."""

    def emit(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
        fn.select()
        flow = _Flow(fn, source, max(8, room))
        flow.watch(source.between(1, 3))
        sizes = MIXED if source.chance(1, 8) else NARROW
        flow.emit(kind, min(draw_size(source, sizes, program.config.max_results), max(4, room)))
        flow.finish()

    return Part(kind, NEEDS, emit)


PARTS: Final = tuple(_construct(kind) for kind in dict.fromkeys(_CONSTRUCTS))
