"""Swarm: functions made of parts of all targets, features and sizes drawn per case, calls of every kind between them.

Each case draws which features and which parts are in, how often each is taken, how large functions and signatures are.
Scalar arithmetic and loads as operands are in most of them, since that is what compilers have most rules for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import MIXED, NARROW, WIDE, Config, draw_size
from generators.draw.signatures import draw_types
from generators.module.function import SET, Function
from generators.module.loops import ROUNDS
from generators.mutation.bases import seeds
from generators.mutation.splicing import spliced
from generators.program.arguments import callable_by_host
from generators.program.calls import TAILS, Callee, can_import, import_callee
from generators.program.hosts import Collectors
from generators.program.parts import Part
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.program.use_values import MODES, use
from generators.refs.host_statements import open_hosts
from generators.registry import target_module, target_names
from generators.state.atomics import ATOMICS
from generators.state.memories import Memories
from generators.state.memory_ends import add_ends
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.decode import decode
from wasm.errors import Invalid
from wasm.features import BUILDS_ON, Feature
from wasm.fragment import code
from wasm.validate import validate
from wasm.valtypes import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    FuncType,
    GlobalType,
    Limits,
    RefType,
    TableType,
    ValType,
)

NEEDS: Final = frozenset({Feature.MULTI_VALUE})
BASE: Final = True
WEIGHT: Final = 4.0
COST: Final = 48.0

PARTS: Final = (ATOMICS,)

_FEATURES: Final = (
    (Feature.REFERENCE_TYPES, 7),
    (Feature.FUNCTION_REFERENCES, 9),
    (Feature.GC, 10),
    (Feature.SIMD, 5),
    (Feature.RELAXED_SIMD, 8),
    (Feature.TAIL_CALL, 6),
    (Feature.EXCEPTIONS, 3),
    (Feature.BULK_MEMORY, 12),
    (Feature.MULTI_MEMORY, 6),
    (Feature.MEMORY64, 7),
    (Feature.EXTENDED_CONST, 8),
    (Feature.THREADS, 2),
    (Feature.WIDE_ARITHMETIC, 3),
    (Feature.CUSTOM_PAGE_SIZES, 3),
)
"""In how many of 16 cases each feature is in, those that it builds on being in. Bulk instructions are in most: objects
need them."""

_BUILDS_ON: Final = {**BUILDS_ON, Feature.CUSTOM_PAGE_SIZES: Feature.MULTI_MEMORY}

_OFTEN_IN: Final = 12
_ABLE_IN: Final = 12
_ELSE_IN: Final = 4
"""In how many of 16 cases a target's parts are in: those wanted often; those that need a feature, where it is in; the
others."""

_TIMES_OFTEN: Final = 3
"""Parts wanted often are taken so many times as often as others, too."""

_ROOM: Final = tuple(round(8 * (700 / 8) ** (i / 255)) for i in range(256))
"""About how many instructions the functions of a case have: log-uniform, 8 to 700."""
_FUNCTIONS: Final = weighted((1, 90), (2, 80), (3, 50), (4, 26), (6, 10))
_SHARES: Final = (1, 2, 3, 5)
_WRAPPED: Final = 10
"""One part in so many runs in a loop."""
_MOST_STEPS: Final = 4000
"""About as many instructions one call of a function may execute, those of its callees included."""

_REPEATED: Final = 8
"""The most calls that a link which calls again makes, as far as ``_MOST_STEPS`` counts."""

_HOSTS: Final = ("env", "grow", "write", "grow+write")
_IMPORTS: Final = 3
"""In how many of 16 cases globals and a table are the host's."""
_COLLECTS: Final = 4
"""In how many of 16 cases with references the host collects garbage."""

_NOP: Final = code("nop")
_ROOM_FOR_ENDS: Final = 24
"""In instructions: of a case that has less, nothing else is about memory's ends."""
_LEAST_ROOM: Final = 8
"""In instructions: for less no part is begun."""

_SIZES: Final = shares(("narrow", 14), ("mixed", 1), ("wide", 1))
"""Sizes of a signature; a wide one is wide on one side."""

_HOW: Final = shares(("direct", 2), ("indirect", 1), ("ref", 1))
"""How a function is called; by reference only where there are typed references."""

_MOST_KEPT: Final = 40
"""Results that are all kept in locals; of more, some of their other uses."""


@lru_cache(maxsize=1)
def all_parts() -> tuple[tuple[str, tuple[Part, ...]], ...]:
    """The targets with parts and these, simplest first."""
    offered: list[tuple[str, tuple[Part, ...]]] = []
    for name in target_names():
        parts: tuple[Part, ...] = getattr(target_module(name), "PARTS", ())
        if parts:
            offered.append((name, parts))
    return tuple(sorted(offered, key=lambda item: not _often(item[1])))


def _often(parts: tuple[Part, ...]) -> bool:
    return any(part.often for part in parts)


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of one to six functions of parts, which call each other, and under feedback a kept case's functions."""
    room = _ROOM[source.below(256)]
    case = _Swarm(source, _drawn_features(source, config), room).build()
    return case if config.seeds is None else _beside_kept(case, source.fork("kept"), config, config.seeds)


def _beside_kept(case: Case, source: ChoiceSource, config: Config, folder: Path) -> Case:
    """One case in four has the functions of one that an earlier run kept beside its own, and calls some of them."""
    kept = seeds(config, folder)
    if not kept or not source.one_in(4):
        return case
    both = spliced(case, source.pick(kept), source, config)
    try:
        validate(decode(both.content), config.features)
    except Invalid:
        return case
    return replace(both, labels=both.labels | {"spliced"}) if both is not case else case


def _drawn_features(source: ChoiceSource, config: Config) -> Config:
    """The configuration with some of its features, as swarm testing has it: fewer together reach further each."""
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
class _Writing:
    """One function under construction, and about how many instructions one call of it executes."""

    fn: Function
    source: ChoiceSource
    steps: int = 0


def _in(usable: tuple[Part, ...]) -> int:
    """In how many of 16 cases these parts are to be."""
    return _ABLE_IN if all(part.needs - NEEDS for part in usable) else _ELSE_IN


def _imports(source: ChoiceSource, config: Config, builder: ModuleBuilder) -> None:
    """Up to three globals, some of them twice, and a table; the kits of globals and tables have them among theirs."""
    for i in range(source.below(4)):
        type_ = GlobalType(source.pick((I32, I64, F64, F32)), source.one_in(2))
        for _ in range(1 + source.one_in(4)):
            builder.import_other("env", f"g{i}", type_)
    if config.allows(Feature.REFERENCE_TYPES) and source.one_in(2):
        limits = Limits(source.between(1, 12), source.between(12, 40))
        builder.import_other("env", "t0", TableType(source.pick((FUNCREF, EXTERNREF)), limits))


class _Swarm:
    """The module under construction. Functions that are called come before those that call them.

    ``made`` can be called; those of them that are ``waiting`` have no caller yet, neither in the module nor the host.
    ``parts`` are by target, each target as often as it is to be taken; of those that are ``unused`` nothing was taken.
    """

    def __init__(self, source: ChoiceSource, config: Config, room: int) -> None:
        self.source, self.config, self.room = source, config, room
        imports = source.fork("imports") if source.chance(_IMPORTS, 16) else None
        self.program = Program.open(source, config, None if imports is None else partial(_imports, imports, config))
        self.made: list[_Made] = []
        self.waiting: list[_Made] = []
        shell = self.program.shell
        if source.chance(2, 16):
            shell.free_nans = True
            shell.labels.add("free_nans")
        self.parts = self._draw_parts()
        self.unused = list(self.parts)
        if source.chance(4, 16):
            self._import()
        if source.chance(_COLLECTS, 16) and self.config.allows(Feature.REFERENCE_TYPES):
            open_hosts(self.program, source.fork("hosts"))
        self.collectors = shell.kit(Collectors)

    def _draw_parts(self) -> tuple[tuple[Part, ...], ...]:
        """What is in this case; the first is the simplest."""
        source, features = self.source, self.config.features
        taken: list[tuple[Part, ...]] = []
        first: tuple[Part, ...] = ()
        for _, parts in all_parts():
            usable = tuple(part for part in parts if part.needs <= features)
            if not usable:
                continue
            first = first or usable
            often = _often(parts)
            # Without choices, parts wanted often are in and others are not.
            drawn = not source.chance(16 - _OFTEN_IN, 16) if often else source.chance(_in(usable), 16)
            share = source.pick(_SHARES) * (_TIMES_OFTEN if often else 1)
            if drawn:
                taken += [usable] * share
        return tuple(taken) or (first,)

    def _next(self, source: ChoiceSource) -> Part:
        """Any part of this case, or every second time one of a target that it has had nothing of."""
        parts = source.pick(self.unused if self.unused and source.one_in(2) else self.parts)
        self.unused = [other for other in self.unused if other is not parts]
        return source.pick(parts)

    def _import(self) -> None:
        """A function of the host, which in some cases changes the memory that stores go to."""
        type_, module = self._signature(self.source), self.source.pick(_HOSTS)
        if can_import(type_):
            name = "host0" if module == "env" else "memory"
            self.made.append(_Made(import_callee(self.program.shell, module, name, type_), 4, True))

    def build(self) -> Case:
        count = self.source.weighted(_FUNCTIONS)
        for i in range(count):
            self._function(self.source.fork(f"f{i}"), i, max(_LEAST_ROOM, self.room // count), i == count - 1)
        if self.program.shell.pages and self.room >= _ROOM_FOR_ENDS:
            for i in range(self.source.below(4)):
                self._ends(self.source.fork(f"ends{i}"), f"ends{i}")
        return self.program.close()

    def _ends(self, source: ChoiceSource, name: str) -> None:
        """After all else, accesses around the end of a memory, some of which trap: as often as in ``memory``."""
        shell = self.program.shell
        shell.labels.add("traps")
        shell.last += add_ends(shell.kit(Memories.of), source, name).calls

    # Functions

    def _signature(self, source: ChoiceSource) -> FuncType:
        """Narrow mostly, wide sometimes; the first parameter is an i32 in most."""
        config, references = self.config, self.program.shell.references()
        kind, wide_params = source.pick(_SIZES), source.one_in(2)
        if kind == "wide":
            of_params, of_results = (WIDE, NARROW) if wide_params else (NARROW, WIDE)
        else:
            of_params = of_results = MIXED if kind == "mixed" else NARROW
        limit = min(config.max_params, config.max_results) - 1
        params = draw_types(source, config, draw_size(source, of_params, limit), references)
        results = draw_types(source, config, draw_size(source, of_results, limit), references)
        return FuncType(params if source.one_in(8) else (I32, *params), results)

    def _function(self, source: ChoiceSource, number: int, room: int, last: bool) -> None:
        """Parts and calls in a row, then a row of results and the hash."""
        type_ = self._signature(source)
        by_host = callable_by_host(type_) and (last or source.one_in(2))
        if last and not by_host:
            type_ = FuncType(tuple(t for t in type_.params if not isinstance(t, RefType)), type_.results)
        export = f"f{number}" if by_host or last else ""
        fn = self.program.function(source, type_.params, (*type_.results, I64), export, source.between(1, 3))
        writing = _Writing(fn, source)
        while room > 0:
            share = min(room, max(_LEAST_ROOM, source.below(room + 1)))
            part = self._next(source)
            if source.one_in(64):
                fn += _NOP
            if source.one_in(_WRAPPED):
                self._looped(writing, part, share)
            else:
                self._part(writing, part, share)
            room -= share
            self.collectors.pause(fn, source, 2)
            if self.made and source.chance(5, 16):
                made = source.pick(self.waiting if self.waiting and source.one_in(2) else self.made)
                if writing.steps + made.steps <= _MOST_STEPS:
                    self._call(writing, made)
        while last and self.waiting:
            self._call(writing, self.waiting[0])
        push_values(fn, source, type_.results)
        self.program.close_function(fn, source)
        if not last:
            self._offer(source, fn, writing.steps, bool(export))

    def _part(self, writing: _Writing, part: Part, room: int) -> None:
        before = len(writing.fn.f.body)
        part.emit(self.program, writing.fn, writing.source, room)
        writing.steps += len(writing.fn.f.body) - before

    def _looped(self, writing: _Writing, part: Part, room: int) -> None:
        """A part that runs up to four times. What it sets of references is not known to be set behind the loop."""
        fn, source = writing.fn, writing.source
        count = fn.local(I32)
        rounds = source.between(1, 4)
        fn += ROUNDS(count=count, rounds=rounds)
        before_loop = {type_: list(locals_) for type_, locals_ in fn.sources.items() if isinstance(type_, RefType)}
        with fn.repeat(count):
            before = writing.steps
            self._part(writing, part, max(_LEAST_ROOM, room // 2))
            writing.steps += (writing.steps - before) * (rounds - 1)
        for type_ in list(fn.sources):
            if isinstance(type_, RefType):
                fn.sources[type_] = before_loop.get(type_, [])

    def _offer(self, source: ChoiceSource, fn: Function, steps: int, exported: bool) -> None:
        """Let later functions call this one, perhaps through one more that hands its results on."""
        f = fn.f
        made = _Made(Callee(f.index, f.type_index, f.type), steps + 8)
        self.made.append(made)
        if source.chance(4, 16) and steps < _MOST_STEPS:
            kind = source.pick(self.program.calls.kinds())
            link = self.program.calls.link(source, made.callee, kind, kind in TAILS and source.one_in(3))
            made = _Made(link, (steps + 8) * (_REPEATED if kind in ("recursive", "loop") else 1))
            self.made.append(made)
            exported = False
        if not exported:
            self.waiting.append(made)

    def _call(self, writing: _Writing, made: _Made) -> None:
        """A call of an earlier function, its results used in one of the ways that compilers tell apart."""
        fn, source = writing.fn, writing.source
        if made in self.waiting:
            self.waiting.remove(made)
        writing.steps += made.steps
        callee = made.callee
        how = source.pick(_HOW)
        if made.imported or (how == "ref" and "ref" not in self.program.calls.kinds()):
            how = "direct"
        push_values(fn, source, callee.type.params, made.imported)
        self.program.calls.call(fn, source, how, callee)
        self._use(fn, source, callee.type.results)
        self.program.passed(fn, callee, "import" if made.imported else how)

    def _use(self, fn: Function, source: ChoiceSource, results: tuple[ValType, ...]) -> None:
        """Fold, store, drop, or keep in locals that everything behind may read."""
        mode = source.weighted(MODES)
        if mode not in ("pass", "two") or len(results) > _MOST_KEPT:
            use(fn, source, mode, results, _nothing)
            return
        kept = [fn.local(type_) for type_ in results]
        fn.f.body += [(SET, local) for local in reversed(kept)]
        for type_, local in zip(results, kept, strict=True):
            fn.sources.setdefault(type_, []).append(local)


def _nothing() -> None:
    pass
