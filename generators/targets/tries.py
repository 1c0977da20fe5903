"""Calls, throws and tail calls under nested try_table: every clause kind, up to 1,000 results and payload values.

A call that may throw ends its block in a compiler: results are defined on one edge only, payloads come in on others,
and what a handler reads of locals is what they were at the throw. Modes given by the host say which calls throw what.
An exported function, with a loop around that takes one digit of the mode each time:

    local.get 0  local.tee $mode  local.set $later
    loop
      local.get $later  local.set $mode  local.get $later  i32.const 255  i32.and  i32.const 3  i32.shr_u
      local.set $later
      ...                                   ;; try_tables around calls of (mode, ...): generators/control/try_tables.py
      local.get $later  i32.eqz  i32.eqz
      br_if 0
    end
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.config import MIXED, NARROW, WIDE, Config, draw_size, in_zone
from generators.control.regions import Region
from generators.control.throwers import (
    DEPTH_SHIFT,
    DIGIT_BITS,
    DIGITS,
    Ends,
    Thrower,
    ends_of,
    leaf,
    link,
)
from generators.control.try_tables import Clause, Handler, Tags, TryTable, TryTableDrawer, TryTableWriter, settle
from generators.draw.operands import results_for
from generators.draw.signatures import draw_type, draw_types
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program import use_values
from generators.program.arguments import Exported, callable_by_host, selecting
from generators.program.calls import INTEGERS, Callee, Calls, can_import, host_site, import_callee, site
from generators.program.parts import Part
from generators.program.program import VECTORS, Program
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_statement
from wasm.case import Case
from wasm.features import Feature
from wasm.fragment import code, template
from wasm.hostmix import THROWN_TAG
from wasm.valtypes import EXNREF, I32, I64, FuncType, NumType, TagType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.EXCEPTIONS})
BASE: Final = True
WEIGHT: Final = 1.5
COST: Final = 133.0

_ROLES: Final = weighted(("results", 110), ("payload", 80), ("both", 36), ("params", 30))
_TAGS: Final = weighted((1, 60), (2, 90), (3, 66), (4, 40))
_LINKS: Final = weighted((0, 90), (1, 96), (2, 50), (3, 20))
_TRIES: Final = weighted((1, 150), (2, 64), (3, 26), (4, 16))
_AROUND: Final = weighted(("", 160), ("rounds", 48), ("retry", 48))
"""rounds  a loop around the region, which ends when no digit of the mode is left
retry   a loop that only a clause leads back to, until a digit asks for no throw of its tag
"""
_PAYLOADS: Final = shares(("own", 6), ("first", 1), ("results", 1))
"""A tag's payload: one of its own, the first tag's, or the results of the calls."""
_HELP: Final = shares(("none", 1), ("again", 5), ("env", 1), ("reenter", 1))
"""What is there beside the tags: a function that throws what it is given, and an import at times."""
_WATCHED: Final = weighted((0, 60), (1, 60), (2, 66), (4, 50), (7, 20))
_SEVERAL: Final = 64
_MANY: Final = 400
"""Above these sizes a case has less of everything else: the tail of the distribution decides the throughput."""
_ROOM: Final = 700
"""How many values the handlers around one region may handle in all."""
_TWO_DIGITS: Final = (1 << 2 * DIGIT_BITS) - 1

_SET_MODES: Final = template("local.get 0  local.tee $mode  local.set $later")
_NEXT_DIGIT: Final = template(
    f"""
    local.get $later  local.set $mode
    local.get $later  i32.const {(1 << DEPTH_SHIFT) - 1}  i32.and  i32.const {DIGIT_BITS}  i32.shr_u  local.set $later
    """
)
_ROUND_AGAIN: Final = template("local.get $later  i32.eqz  i32.eqz  br_if 0")
_MODE_OF_SELECTOR: Final = template("local.get $selector  i32.const $mask  i32.and  local.set $mode")
_THROW_KEPT: Final = template("local.get $kept  ref.is_null  i32.eqz  if  local.get $kept  throw_ref  end")
_THROW_KEPT_NARROW: Final = template("local.get $kept  br_on_null 0  throw_ref")
_THROW_IT: Final = code("local.get 0  throw_ref")


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case around one signature and up to five tags, of which results or a payload are drawn wide."""
    module = _TriesModule(source, config)
    module.functions()
    return module.close()


class _TriesModule:
    """The module under construction: imports and tags, throwing functions, links, then what the host calls."""

    def __init__(self, source: ChoiceSource, config: Config) -> None:
        limit = min(config.max_params, config.max_results) - 1
        size = draw_size(source, WIDE, limit + 1)
        role = source.weighted(_ROLES)
        if source.chance(3, 16):
            config = config.without(Feature.FUNCTION_REFERENCES, Feature.GC)
        if source.chance(6, 16):
            config = config.without(*VECTORS)
        self.source, self.config = source, config
        self.shell = Shell.open(source.fork("shell"), config)
        self.shell.draw_nans(source)
        self.calls = Calls(self.shell)
        self.type = self._signature(size, role, limit)
        self.values = size + len(self.type.params) + len(self.type.results)
        self.thrown_import = False
        self.tags = self._tags(size if role in ("payload", "both") else None, limit)
        self.exports: list[tuple[Exported, tuple[int, ...]]] = []

    # Types

    def _signature(self, size: int, role: str, limit: int) -> FuncType:
        source, config, references = self.source, self.config, self.shell.references()
        params = min(size, limit) if role == "params" else draw_size(source, NARROW, limit)
        rest = draw_types(source, config, params, references)
        results = draw_size(source, NARROW if role in ("payload", "params") else MIXED, limit)
        if role in ("results", "both"):
            results = results_for(size, (I32, *rest)) if in_zone(size) else size
        return FuncType((I32, *rest), draw_types(source, config, results, references))

    def _tags(self, size: int | None, limit: int) -> Tags:
        """One to four tags; the first may carry exactly the results of the calls, two may have the same type."""
        source, shell, config = self.source, self.shell, self.config
        payloads: list[tuple[ValType, ...]] = []
        count = source.weighted(_TAGS)
        for i in range(count):
            wish = source.pick(_PAYLOADS)
            if i == 0 and size is not None:
                payloads.append(draw_types(source, config, size, shell.references()))
            elif wish == "results" and len(self.type.results) <= limit and (size is None or size < _MANY):
                payloads.append(self.type.results)
            elif wish == "first" and i:
                payloads.append(payloads[0])
            else:
                payloads.append(draw_types(source, config, draw_size(source, NARROW, limit), shell.references()))
        if size is not None and size > _MANY:
            del payloads[2:]
        builder = shell.builder
        self.thrown_import = source.one_in(6) and can_import(FuncType(payloads[0]))
        for i, payload in enumerate(payloads):
            if i == 0 and self.thrown_import:
                builder.import_other(*THROWN_TAG, TagType(builder.func_type(payload)))
            else:
                builder.tag(payload, None if shell.private else f"tag{i}")
        builder.tag()
        references = config.allows(Feature.REFERENCE_TYPES)
        typed = config.allows(Feature.FUNCTION_REFERENCES) and references and source.chance(1, 2)
        return Tags(payloads, references, typed, None, limit)

    # Functions

    def functions(self) -> None:
        """Imports first, the throwing function, links around it, and the consumers that the host calls."""
        source, tags = self.source, self.tags
        plain = self.values < _MANY and can_import(self.type)
        thrown = self._import("throw", "host1") if self.thrown_import and plain else None
        wish = source.pick(_HELP)
        reenter = mixed = None
        if wish == "reenter" and INTEGERS.issuperset(self.type.params + self.type.results):
            reenter = self._import("reenter", "back")
        elif wish == "env" and plain:
            mixed = self._import("env", "host0")
        if tags.references and wish != "none":
            tags.again = _throw_again(self.shell)
        ends = ends_of(tags)
        hosted = source.chance(3, 8) and callable_by_host(self.type)
        name = "back" if reenter is not None else "w" if hosted else None
        first = head = leaf(self.calls, source.fork("leaf"), tags, self.type, ends, name)
        if reenter is not None:
            self.shell.labels.add("reenter")
            head = Thrower(reenter, ends, imported=True)
        heads = [self._links(head), first]
        if mixed is not None:
            heads.insert(0, Thrower(mixed, (None,) * DIGITS, imported=True))
        if thrown is not None:
            heads.insert(0, Thrower(thrown, (0,) * DIGITS, imported=True))
        extra = source.one_in(3) and self.values <= _SEVERAL
        for i in range(max(1 + extra, len(heads) - 1)):
            self._consumer(source.fork(f"consumer{i}"), f"c{i}", heads[i % len(heads)])
        if name is not None and callable_by_host(self.type):
            self._host(name)

    def _import(self, module: str, name: str) -> Callee:
        return import_callee(self.shell, module, name, self.type)

    def _links(self, head: Thrower) -> Thrower:
        """The chain of links around a function; gives its outermost."""
        source, room = self.source, _ROOM
        for i in range(source.weighted(_LINKS) if self.values < _MANY else source.below(2)):
            kinds = [kind for kind in self.calls.kinds() if kind != "loop"]
            head = link(self.calls, source.fork(f"link{i}"), self.tags, head, source.pick(kinds), room)
            room //= 2
        return head

    def _host(self, name: str) -> None:
        """The throwing function itself, called by the host; in a minority the exception gets there."""
        modes = [0]
        if self.source.chance(1, 6) and not self.shell.free_nans:
            self.shell.labels.add("escapes")
            modes.append(self.source.between(1, self.tags.count))
        self.shell.sites.append(host_site(0, self.type))
        self.exports.insert(0, (Exported(name, self.type, len(modes)), tuple(modes)))

    def _consumer(self, source: ChoiceSource, name: str, thrower: Thrower) -> None:
        """An exported function with try_tables around calls of ``thrower``; nothing leaves it but its hash."""
        shell, results = self.shell, thrower.callee.type.results
        f = shell.builder.func((I32, *draw_types(source, self.config, source.below(4))), (I64,), export=name)
        fn = Function.of(shell, f, source)
        fn.seed(source.bits(16))
        fn.fold_params()
        mode, later = fn.local(I32), fn.local(I32)
        fn += _SET_MODES(mode=mode, later=later)
        watched = self._watched(fn, source)
        count = source.weighted(_TRIES) if self.values <= _SEVERAL else source.between(1, 2)
        tries = _draw_tries(self.tags, source, results, count)
        around = source.weighted(_AROUND) if not thrower.always else ""
        if around:
            shell.labels.add(around)
            self._open_loop(fn, source, around, tries, (mode, later))
        region = Region(self.calls, fn, source, self.tags, thrower, mode, watched)
        used, kept = _protected(region, tries)
        if kept is not None:
            self._throw_kept(fn, source, kept, watched)
        if around == "rounds":
            fn += _ROUND_AGAIN(later=later)
        if around:
            f.end()
        for type_, local in watched:
            fn.fold_local(type_, local)
        fn.publish()
        fn.get(fn.acc)
        self._account(fn, region, tries, used)
        modes = self._modes(source, region.ends, thrower.deepest)
        self.exports.append((Exported(name, f.type, len(modes)), modes))

    def _watched(self, fn: Function, source: ChoiceSource) -> tuple[tuple[NumType, int], ...]:
        """Locals that change inside of the try_tables, and are read by handlers and behind."""
        watched: list[tuple[NumType, int]] = []
        for _ in range(source.weighted(_WATCHED)):
            type_ = draw_type(source, self.config)
            watched.append((type_, emit_statement(fn, source, type_, source.below(3))))
        return tuple(watched)

    def _open_loop(
        self, fn: Function, source: ChoiceSource, around: str, tries: list[TryTable], modes: tuple[int, int]
    ) -> None:
        """A loop whose every round takes the next digit of the mode. ``retry``: a clause leads back to its head."""
        mode, later = modes
        types: tuple[ValType, ...] = ()
        tag = source.below(self.tags.count)
        if around == "retry":
            types = self.tags.payloads[tag]
            push_values(fn, source, types)
        label = fn.f.open("loop", types)
        if around == "retry":
            handler = Handler(-1, tag, types, False, "results", label=label)
            handler.used_at = use_values.fold_stack(fn, types) if types else 0
            source.pick(tries).clauses.insert(0, Clause("catch", tag, handler))
        fn += _NEXT_DIGIT(later=later, mode=mode)

    def _throw_kept(
        self, fn: Function, source: ChoiceSource, kept: int, watched: tuple[tuple[NumType, int], ...]
    ) -> None:
        """Throw a reference that a handler kept, long after its handler is done."""
        self.shell.labels.add("kept")
        outermost = TryTableDrawer(self.tags, source, (), _ROOM // 4).draw([], True)
        narrow = self.config.allows(Feature.FUNCTION_REFERENCES) and source.chance(1, 2)

        def body(_: TryTable) -> None:
            fn.f.body += _THROW_KEPT_NARROW(kept=kept) if narrow else _THROW_KEPT(kept=kept)

        TryTableWriter(fn, source, self.tags, (), watched, kept).emit([outermost], body)

    def _account(self, fn: Function, region: Region, tries: list[TryTable], used: int) -> None:
        """The call sites and the throws whose payloads handlers of this function use."""
        sites = self.shell.sites
        sites += [site(kind, fn.f.index, used, type_) for kind, type_ in region.passed]
        seen: list[Handler] = []
        for tag in dict.fromkeys(tag for tag in region.ends if tag is not None):
            for handler in settle(tries, tag)[1]:
                if handler.used_at and not any(handler is other for other in seen):
                    seen.append(handler)
                    sites.append(site("throw", fn.f.index, handler.used_at, FuncType(handler.types)))

    def _modes(self, source: ChoiceSource, ends: Ends, deepest: int) -> tuple[int, ...]:
        """One call that returns, one for each tag that is thrown, and some for several rounds or deep recursion."""
        modes = [0, *(digit for digit, tag in enumerate(ends) if tag is not None and digit <= self.tags.count)]
        modes += [source.bits(8) & _TWO_DIGITS for _ in range(source.below(3))]
        if deepest > 0:
            modes += [source.between(1, deepest) << DEPTH_SHIFT | source.below(DIGITS) for _ in range(2)]
        return tuple(dict.fromkeys(modes))

    # The end

    def close(self) -> Case:
        shell = self.shell
        source = self.source.fork("arguments")
        for exported, modes in self.exports:
            shell.invocations += selecting(source, exported, modes)
        return shell.case()


def _throw_again(shell: Shell) -> int:
    """A function that throws the exception that it is given."""
    f = shell.builder.func((EXNREF,), ())
    f.body += _THROW_IT
    return f.index


def _draw_tries(tags: Tags, source: ChoiceSource, results: tuple[ValType, ...], count: int) -> list[TryTable]:
    """The try_tables around a region with these results, outermost first."""
    drawer = TryTableDrawer(tags, source, results, _ROOM)
    tries: list[TryTable] = []
    for _ in range(count):
        tries.append(drawer.draw(tries, not tries))
    return tries


def _protected(region: Region, tries: list[TryTable]) -> tuple[int, int | None]:
    """Emit a region under its try_tables, and use its results. Gives where the last is used, and the local in which a
    handler keeps a reference to what it caught, if one does."""
    fn, source, results = region.fn, region.source, region.thrower.callee.type.results
    writer = TryTableWriter(fn, source, region.tags, results, tuple(region.watched))
    writer.emit(tries, region.body)
    used = use_values.use(fn, source, source.weighted(use_values.MODES), results, region.between)
    return used, writer.kept


# In other programs

_CAUGHT_DEPTH: Final = 3
"""How deep a recursive function goes at most: a mask of the selector's bits."""


@dataclass(frozen=True, slots=True)
class _Throwing:
    """What throws in a program: up to three tags, and functions that return or throw as their first argument says."""

    calls: Calls
    tags: Tags
    throwers: tuple[Thrower, ...]

    @staticmethod
    def of(shell: Shell) -> _Throwing:
        source, config, builder = shell.source.fork("tries"), shell.config, shell.builder
        limit = min(config.max_params, config.max_results) - 1
        sizes = MIXED if source.chance(1, 8) else NARROW
        references = shell.references()
        params = draw_types(source, config, draw_size(source, NARROW, limit), references)
        type_ = FuncType((I32, *params), draw_types(source, config, draw_size(source, sizes, limit), references))
        payloads = [
            draw_types(source, config, draw_size(source, sizes, limit), references)
            for _ in range(min(source.weighted(_TAGS), 3))
        ]
        base = builder.tag(payloads[0])
        for payload in (*payloads[1:], ()):
            builder.tag(payload)
        nullable = config.allows(Feature.REFERENCE_TYPES)
        typed = config.allows(Feature.FUNCTION_REFERENCES) and nullable and source.chance(1, 2)
        tags = Tags(payloads, nullable, typed, None, limit, base)
        if nullable and source.chance(1, 2):
            tags.again = _throw_again(shell)
        calls = Calls(shell)
        throwers = [leaf(calls, source.fork("leaf"), tags, type_, ends_of(tags))]
        if source.chance(1, 2):
            kinds = [kind for kind in calls.kinds() if kind != "loop"]
            throwers.append(link(calls, source.fork("link"), tags, throwers[0], source.pick(kinds), _ROOM // 4))
        return _Throwing(calls, tags, tuple(throwers))


def _caught(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Calls that may throw, under one or two try_tables; the selector decides how they end."""
    del room
    throwing = program.shell.kit(_Throwing.of)
    thrower = source.pick(throwing.throwers)
    fn.select()
    mode = fn.local(I32)
    deep = _CAUGHT_DEPTH << DEPTH_SHIFT if thrower.deepest >= _CAUGHT_DEPTH else 0
    fn += _MODE_OF_SELECTOR(selector=fn.selector, mask=DIGITS - 1 | deep, mode=mode)
    types = [draw_type(source, program.config) for _ in range(min(source.weighted(_WATCHED), 3))]
    watched = tuple((type_, emit_statement(fn, source, type_, source.below(3))) for type_ in types)
    tries = _draw_tries(throwing.tags, source, thrower.callee.type.results, source.between(1, 2))
    region = Region(throwing.calls, fn, source, throwing.tags, thrower, mode, watched)
    used, _ = _protected(region, tries)
    for type_, local in watched:
        fn.fold_local(type_, local)
    program.shell.sites += [site(how, fn.f.index, used, called) for how, called in region.passed]


PARTS: Final = (Part("caught", NEEDS, _caught),)
