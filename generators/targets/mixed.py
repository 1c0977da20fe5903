"""Swarm: functions made of parts of all targets, features and sizes drawn per case, calls of every kind between them.

Each case draws which features and which parts are in, how often each is taken, how large functions and signatures are.
Scalar arithmetic and loads as operands are in most of them, since that is what compilers have most rules for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import MIXED, NARROW, WIDE, Config, draw_size
from generators.draw.signatures import draw_types
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.mutation.bases import seeds
from generators.mutation.splicing import spliced
from generators.program.arguments import callable_by_host
from generators.program.calls import TAILS, Callee, can_import, import_callee
from generators.program.parts import Part
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.program.use_values import MODES, use
from generators.registry import target_module, target_names
from generators.state.atomics import ATOMICS
from generators.state.memories import Memories
from generators.state.memory_ends import add_ends
from wasm.case import Case
from wasm.decode import decode
from wasm.errors import Invalid
from wasm.features import Feature
from wasm.isa import OPS
from wasm.validate import validate
from wasm.valtypes import I32, I64, FuncType, RefType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
WEIGHT: Final = 4.0

PARTS: Final = (ATOMICS,)

_FEATURES: Final = (
    (Feature.REFERENCE_TYPES, 7),
    (Feature.FUNCTION_REFERENCES, 9),
    (Feature.GC, 10),
    (Feature.SIMD, 5),
    (Feature.RELAXED_SIMD, 8),
    (Feature.TAIL_CALL, 6),
    (Feature.EXCEPTIONS, 3),
    (Feature.BULK_MEMORY, 8),
    (Feature.MULTI_MEMORY, 6),
    (Feature.MEMORY64, 7),
    (Feature.EXTENDED_CONST, 8),
    (Feature.THREADS, 2),
    (Feature.WIDE_ARITHMETIC, 3),
    (Feature.CUSTOM_PAGE_SIZES, 3),
)
"""In how many of 16 cases each feature is in, those that it builds on being in."""

_BUILDS_ON: Final = {
    Feature.FUNCTION_REFERENCES: Feature.REFERENCE_TYPES,
    Feature.GC: Feature.FUNCTION_REFERENCES,
    Feature.RELAXED_SIMD: Feature.SIMD,
    Feature.CUSTOM_PAGE_SIZES: Feature.MULTI_MEMORY,
}

_IN: Final = {"often": 12, "able": 9, "else": 4}
"""In how many of 16 cases a target's parts are in: those wanted often; those that need a feature, where it is in; the
others."""

_ROOM: Final = tuple(round(8 * (700 / 8) ** ((i / 255) ** 1.4)) for i in range(256))
"""About how many instructions the functions of a case have."""
_FUNCTIONS: Final = weighted((1, 90), (2, 80), (3, 50), (4, 26), (6, 10))
_SHARES: Final = (1, 2, 3, 5)
_WRAPPED: Final = 10
"""One part in so many runs in a loop."""
_MOST_STEPS: Final = 4000


@lru_cache(maxsize=1)
def all_parts() -> tuple[tuple[str, tuple[Part, ...]], ...]:
    """The targets with parts and these, simplest first."""
    found: list[tuple[str, tuple[Part, ...]]] = []
    for name in target_names():
        parts: tuple[Part, ...] = getattr(target_module(name), "PARTS", ())
        if parts:
            found.append((name, parts))
    return tuple(sorted(found, key=lambda item: not _often(item[1])))


def _often(parts: tuple[Part, ...]) -> bool:
    return any(part.often for part in parts)


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to six functions of parts, which call each other, and under feedback a kept case's functions."""
    room = _ROOM[source.below(256)]
    case = _Module(source, _swarm(source, config), room).build()
    return case if config.seeds is None else _beside_kept(case, source.fork("kept"), config, config.seeds)


def _beside_kept(case: Case, source: ChoiceSource, config: Config, folder: Path) -> Case:
    """One case in four has the functions of one that an earlier run kept beside its own, and calls some of them."""
    kept = seeds(config, folder)
    if not kept or not source.chance(1, 4):
        return case
    both = spliced(case, source.pick(kept), source, config)
    try:
        validate(decode(both.content), config.features)
    except Invalid:
        return case
    return replace(both, labels=both.labels | {"spliced"}) if both is not case else case


def _swarm(source: ChoiceSource, config: Config) -> Config:
    """Some of the features."""
    on: set[Feature] = {feature for feature in config.features if feature is Feature.MULTI_VALUE}
    for feature, share in _FEATURES:
        drawn = source.chance(share, 16)
        base = _BUILDS_ON.get(feature)
        if drawn and feature in config.features and (base is None or base in on):
            on.add(feature)
    return config.without(*(config.features - on))


@dataclass(frozen=True, slots=True)
class _Made:
    """A function that later ones may call; ``steps`` is about how many instructions a call executes."""

    callee: Callee
    steps: int
    imported: bool = False


@dataclass(slots=True)
class _Body:
    """One function under construction, and about how many instructions one call of it executes."""

    fn: Function
    source: ChoiceSource
    steps: int = 0


def _in(usable: tuple[Part, ...]) -> int:
    """In how many of 16 cases these parts are to be."""
    return _IN["able" if all(part.needs - NEEDS for part in usable) else "else"]


class _Module:
    """The module under construction. Functions that are called come before those that call them.

    ``made`` can be called; those of them that are ``waiting`` have no caller yet, neither in the module nor the host.
    """

    def __init__(self, source: ChoiceSource, config: Config, room: int) -> None:
        self.source, self.config, self.room = source, config, room
        self.program = Program.open(source, config)
        self.made: list[_Made] = []
        self.waiting: list[_Made] = []
        shell = self.program.shell
        if source.chance(2, 16):
            shell.free_nans = True
            shell.labels.add("free_nans")
        self.parts = self._draw_parts()
        if source.chance(1, 10):
            self._import()

    def _draw_parts(self) -> tuple[tuple[Part, ...], ...]:
        """The parts of this case by target, each target as often as it is to be taken; the first is the simplest."""
        source, features = self.source, self.config.features
        found: list[tuple[Part, ...]] = []
        first: tuple[Part, ...] = ()
        for _, parts in all_parts():
            usable = tuple(part for part in parts if part.needs <= features)
            if not usable:
                continue
            first = first or usable
            often = _often(parts)
            drawn = not source.chance(16 - _IN["often"], 16) if often else source.chance(_in(usable), 16)
            share = source.pick(_SHARES) * (3 if often else 1)
            if drawn:
                found += [usable] * share
        return tuple(found) or (first,)

    def _import(self) -> None:
        """A function of the host."""
        type_ = self._signature(self.source)
        if can_import(type_):
            self.made.append(_Made(import_callee(self.program.shell, "env", "host0", type_), 4, True))

    def build(self) -> Case:
        count = self.source.weighted(_FUNCTIONS)
        for i in range(count):
            self._function(self.source.fork(f"f{i}"), i, max(8, self.room // count), i == count - 1)
        if self.program.shell.pages and self.source.chance(1, 16):
            self._ends()
        return self.program.close()

    def _ends(self) -> None:
        """After all else, accesses around the end of a memory, some of which trap."""
        shell = self.program.shell
        shell.labels.add("traps")
        group = add_ends(shell.kit(Memories.of), self.source.fork("ends"), "ends")
        shell.last += group.calls

    # Functions

    def _signature(self, source: ChoiceSource) -> FuncType:
        """Narrow mostly, wide sometimes; the first parameter is an i32 in most."""
        config, references = self.config, self.program.shell.references()
        kind = source.below(16)
        tables = {14: (MIXED, MIXED), 15: (WIDE, NARROW) if source.below(2) else (NARROW, WIDE)}.get(
            kind, (NARROW, NARROW)
        )
        limit = min(config.max_params, config.max_results) - 1
        params = draw_types(source, config, draw_size(source, tables[0], limit), references)
        results = draw_types(source, config, draw_size(source, tables[1], limit), references)
        return FuncType((I32, *params) if source.below(8) < 7 else params, results)

    def _function(self, source: ChoiceSource, number: int, room: int, last: bool) -> None:
        """Parts and calls in a row, then a row of results and the hash."""
        type_ = self._signature(source)
        by_host = callable_by_host(type_) and (last or source.chance(1, 2))
        if last and not by_host:
            type_ = FuncType(tuple(t for t in type_.params if not isinstance(t, RefType)), type_.results)
        export = f"f{number}" if by_host or last else ""
        fn = self.program.function(source, type_.params, (*type_.results, I64), export, 1 + source.below(3))
        body = _Body(fn, source)
        while room > 0:
            share = min(room, max(8, source.below(room + 1)))
            part = source.pick(source.pick(self.parts))
            if source.below(64) == 63:
                fn.f.body.append(BARE["nop"])
            if source.chance(1, _WRAPPED):
                self._looped(body, part, share)
            else:
                self._part(body, part, share)
            room -= share
            if self.made and source.chance(5, 16):
                made = source.pick(self.waiting if self.waiting and source.below(2) else self.made)
                if body.steps + made.steps <= _MOST_STEPS:
                    self._call(body, made)
        while last and self.waiting:
            self._call(body, self.waiting[0])
        push_values(fn, source, type_.results)
        self.program.close_function(fn, source)
        if not last:
            self._offer(source, fn, body.steps, bool(export))

    def _part(self, body: _Body, part: Part, room: int) -> None:
        before = len(body.fn.f.body)
        part.emit(self.program, body.fn, body.source, room)
        body.steps += len(body.fn.f.body) - before

    def _looped(self, body: _Body, part: Part, room: int) -> None:
        """A part that runs up to four times. What it sets of references is not known to be set behind the loop."""
        fn, source = body.fn, body.source
        count = fn.f.local(I32)
        rounds = source.between(1, 4)
        fn.f.body += ((I32_CONST, rounds), (SET, count))
        known = {type_: list(found) for type_, found in fn.sources.items() if isinstance(type_, RefType)}
        fn.f.open("loop")
        before = body.steps
        self._part(body, part, max(8, room // 2))
        body.steps += (body.steps - before) * (rounds - 1)
        fn.f.body += ((GET, count), (I32_CONST, 1), BARE["i32.sub"], (TEE, count), (OPS["br_if"], 0))
        fn.f.end()
        for type_ in list(fn.sources):
            if isinstance(type_, RefType):
                fn.sources[type_] = known.get(type_, [])

    def _offer(self, source: ChoiceSource, fn: Function, steps: int, exported: bool) -> None:
        """Let later functions call this one, perhaps through one more that hands its results on."""
        f = fn.f
        made = _Made(Callee(f.index, f.type_index, f.type), steps + 8)
        self.made.append(made)
        if source.chance(4, 16) and steps < _MOST_STEPS:
            kind = source.pick(self.program.calls.kinds())
            link = self.program.calls.link(source, made.callee, kind, kind in TAILS and source.chance(1, 3))
            made = _Made(link, (steps + 8) * (8 if kind in ("recursive", "loop") else 1))
            self.made.append(made)
            exported = False
        if not exported:
            self.waiting.append(made)

    def _call(self, body: _Body, made: _Made) -> None:
        """A call of an earlier function, its results used in one of the ways that compilers tell apart."""
        fn, source = body.fn, body.source
        if made in self.waiting:
            self.waiting.remove(made)
        body.steps += made.steps
        callee = made.callee
        kinds = self.program.calls.kinds()
        how = source.pick(("direct", "direct", "indirect", "ref" if "ref" in kinds else "direct"))
        how = "direct" if made.imported else how
        push_values(fn, source, callee.type.params, made.imported)
        self.program.calls.call(fn, source, how, callee)
        self._use(fn, source, callee.type.results)
        self.program.passed(fn, callee, "import" if made.imported else how)

    def _use(self, fn: Function, source: ChoiceSource, results: tuple[ValType, ...]) -> None:
        """Fold, store, drop, or keep in locals that everything behind may read."""
        mode = source.weighted(MODES)
        if mode not in ("pass", "two") or len(results) > 40:
            use(fn, source, mode, results, _nothing)
            return
        kept = [fn.f.local(type_) for type_ in results]
        fn.f.body += [(SET, local) for local in reversed(kept)]
        for type_, local in zip(results, kept, strict=True):
            fn.sources.setdefault(type_, []).append(local)


def _nothing() -> None:
    pass
