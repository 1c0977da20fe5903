"""Calls, throws and tail calls under nested try_table: every clause kind, up to 1,000 results and payload values.

A call that may throw ends its block in a compiler: results are defined on one edge only, payloads come in on others,
and what a handler reads of locals is what they were at the throw. Modes given by the host say which calls throw what.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import MIXED, NARROW, WIDE, Config, draw_size, in_zone
from generators.control.guards import Clause, Guard, GuardDrawer, Handler, Protector, Tags, settle
from generators.control.regions import Region
from generators.control.throwers import DEPTH_SHIFT, MODE_BITS, MODES, Ends, Thrower, leaf, link
from generators.draw.operands import results_for
from generators.draw.signatures import draw_type, draw_types
from generators.module.function import BARE, GET, I32_CONST, SET, TEE, Function
from generators.module.shell import Shell
from generators.program import calls, use_values
from generators.program.arguments import Exported, callable_by_host, selecting
from generators.program.calls import Calls, can_import, import_callee
from generators.program.parts import Part
from generators.program.program import Program
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_statement
from wasm.builder import FuncBuilder
from wasm.case import Case
from wasm.features import Feature
from wasm.hostmix import THROWN_TAG
from wasm.isa import OPS
from wasm.valtypes import EXNREF, I32, I64, FuncType, NumType, TagType, ValType

NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.EXCEPTIONS})
WEIGHT: Final = 1.5

_ROLES: Final = weighted(("results", 110), ("payload", 80), ("both", 36), ("params", 30))
_TAGS: Final = weighted((1, 60), (2, 90), (3, 66), (4, 40))
_LINKS: Final = weighted((0, 90), (1, 96), (2, 50), (3, 20))
_GUARDS: Final = weighted((1, 150), (2, 64), (3, 26), (4, 16))
_AROUND: Final = weighted(("", 160), ("rounds", 48), ("retry", 48))
_WATCHED: Final = weighted((0, 60), (1, 60), (2, 66), (4, 50), (7, 20))
_SEVERAL: Final = 64
_MANY: Final = 400
"""Above these sizes a case has less of everything else: the tail of the distribution decides the throughput."""
_ROOM: Final = 700
"""How many values the handlers around one region may handle in all."""
_TWO_DIGITS: Final = 0x3F


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
            config = config.without(Feature.SIMD, Feature.RELAXED_SIMD)
        self.source, self.config = source, config
        self.shell = Shell.open(source.fork("shell"), config)
        if source.chance(3, 16):
            self.shell.free_nans = True
            self.shell.labels.add("free_nans")
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
            wish = source.below(8)
            if i == 0 and size is not None:
                payloads.append(draw_types(source, config, size, shell.references()))
            elif wish == 7 and len(self.type.results) <= limit and (size is None or size < _MANY):
                payloads.append(self.type.results)
            elif wish == 6 and i:
                payloads.append(payloads[0])
            else:
                payloads.append(draw_types(source, config, draw_size(source, NARROW, limit), shell.references()))
        if size is not None and size > _MANY:
            del payloads[2:]
        builder = shell.builder
        self.thrown_import = source.below(6) == 5 and can_import(FuncType(payloads[0]))
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
        source, shell, tags = self.source, self.shell, self.tags
        plain = self.values < _MANY and can_import(self.type)
        thrown = import_callee(shell, "throw", "host1", self.type) if self.thrown_import and plain else None
        kind = source.below(8)
        integers = calls.INTEGERS.issuperset(self.type.params + self.type.results)
        reenter = import_callee(shell, "reenter", "back", self.type) if kind == 7 and integers else None
        mixed = import_callee(shell, "env", "host0", self.type) if kind == 6 and plain else None
        if tags.references and kind:
            again = shell.builder.func((EXNREF,), ())
            again.body += ((GET, 0), BARE["throw_ref"])
            tags.again = again.index
        count = len(tags.payloads)
        ends: Ends = (None, *range(count), *[None] * (MODES - 1 - count))
        hosted = source.below(8) >= 5 and callable_by_host(self.type)
        name = "back" if reenter is not None else "w" if hosted else None
        first = head = leaf(self.calls, source.fork("leaf"), tags, self.type, ends, name)
        if reenter is not None:
            shell.labels.add("reenter")
            head = Thrower(reenter, ends, imported=True)
        room = _ROOM
        for i in range(source.weighted(_LINKS) if self.values < _MANY else source.below(2)):
            kinds = [kind for kind in self.calls.kinds() if kind != "loop"]
            head = link(self.calls, source.fork(f"link{i}"), tags, head, source.pick(kinds), room)
            room //= 2
        heads = [head, first]
        if mixed is not None:
            heads.insert(0, Thrower(mixed, (None,) * MODES, imported=True))
        if thrown is not None:
            heads.insert(0, Thrower(thrown, (0,) * MODES, imported=True))
        extra = source.below(3) == 2 and self.values <= _SEVERAL
        for i in range(max(1 + extra, len(heads) - 1)):
            self._consumer(source.fork(f"consumer{i}"), f"c{i}", heads[i % len(heads)])
        if name is not None and callable_by_host(self.type):
            self._host(name)

    def _host(self, name: str) -> None:
        """The throwing function itself, called by the host; in a minority the exception gets there."""
        modes = [0]
        if self.source.chance(1, 6) and not self.shell.free_nans:
            self.shell.labels.add("escapes")
            modes.append(1 + self.source.below(len(self.tags.payloads)))
        self.shell.sites.append(calls.site("host", -1, 0, self.type))
        self.exports.insert(0, (Exported(name, self.type, len(modes)), tuple(modes)))

    def _consumer(self, source: ChoiceSource, name: str, thrower: Thrower) -> None:
        """An exported function with guards around calls of ``thrower``; nothing leaves it but its hash."""
        shell, tags, results = self.shell, self.tags, thrower.callee.type.results
        always = thrower.ends[0] is not None
        f = shell.builder.func((I32, *draw_types(source, self.config, source.below(4))), (I64,), export=name)
        fn = Function.of(shell, f, source)
        fn.seed(source.bits(16))
        for i, type_ in enumerate(f.type.params):
            f.body += ((GET, i), *fn.fold(type_))
        mode, later = f.local(I32), f.local(I32)
        f.body += ((GET, 0), (TEE, mode), (SET, later))
        watched = self._watched(fn, source)
        count = source.weighted(_GUARDS) if self.values <= _SEVERAL else 1 + source.below(2)
        guards = _guards(tags, source, results, count)
        around = source.weighted(_AROUND) if not always else ""
        if around:
            shell.labels.add(around)
            self._open_loop(fn, source, around, guards, (mode, later))
        region = Region(self.calls, fn, source, tags, thrower, mode, watched)
        used, kept = _protected(region, guards)
        if kept is not None:
            self._throw_kept(fn, source, kept, watched)
        if around == "rounds":
            f.body += ((GET, later), (BARE["i32.eqz"]), BARE["i32.eqz"], (OPS["br_if"], 0))
        if around:
            f.end()
        for type_, local in watched:
            f.body += ((GET, local), *fn.fold(type_))
        fn.publish()
        f.body.append((GET, fn.acc))
        self._account(f, region, guards, used)
        modes = self._modes(source, region.ends, thrower.deepest)
        self.exports.append((Exported(name, f.type, len(modes)), modes))

    def _watched(self, fn: Function, source: ChoiceSource) -> tuple[tuple[NumType, int], ...]:
        """Locals that change while guards are open, and are read by handlers and behind."""
        found: list[tuple[NumType, int]] = []
        for _ in range(source.weighted(_WATCHED)):
            type_ = draw_type(source, self.config)
            found.append((type_, emit_statement(fn, source, type_, source.below(3))))
        return tuple(found)

    def _open_loop(
        self, fn: Function, source: ChoiceSource, around: str, guards: list[Guard], modes: tuple[int, int]
    ) -> None:
        """A loop whose every round takes the next digit of the mode. ``retry``: a clause leads back to its head."""
        f, (mode, later) = fn.f, modes
        types: tuple[ValType, ...] = ()
        tag = source.below(len(self.tags.payloads))
        if around == "retry":
            types = self.tags.payloads[tag]
            push_values(fn, source, types)
        label = f.open("loop", types)
        if around == "retry":
            handler = Handler(-1, tag, types, False, "results", label=label)
            handler.used_at = use_values.fold_stack(fn, types) if types else 0
            source.pick(guards).clauses.insert(0, Clause("catch", tag, handler))
        f.body += (
            (GET, later), (SET, mode), (GET, later), (I32_CONST, (1 << DEPTH_SHIFT) - 1), BARE["i32.and"],
            (I32_CONST, MODE_BITS), BARE["i32.shr_u"], (SET, later),
        )  # fmt: skip

    def _throw_kept(
        self, fn: Function, source: ChoiceSource, kept: int, watched: tuple[tuple[NumType, int], ...]
    ) -> None:
        """Throw a reference that a handler kept, long after its handler is done."""
        self.shell.labels.add("kept")
        f = fn.f
        guard = GuardDrawer(self.tags, source, (), _ROOM // 4).draw([], True)
        narrow = self.config.allows(Feature.FUNCTION_REFERENCES) and source.chance(1, 2)

        def body(_: Guard) -> None:
            f.body.append((GET, kept))
            if narrow:
                f.body += ((OPS["br_on_null"], 0), BARE["throw_ref"])
                return
            f.body += (BARE["ref.is_null"], BARE["i32.eqz"])
            f.open("if")
            f.body += ((GET, kept), BARE["throw_ref"])
            f.end()

        Protector(fn, source, self.tags, (), watched, kept).emit([guard], body)

    def _account(self, f: FuncBuilder, region: Region, guards: list[Guard], used: int) -> None:
        """The call sites and the throws whose payloads handlers of this function use."""
        sites = self.shell.sites
        for kind, type_ in region.passed:
            sites.append(calls.site(kind, f.index, used, type_))
        seen: list[Handler] = []
        for tag in dict.fromkeys(tag for tag in region.ends if tag is not None):
            for handler in settle(guards, tag)[1]:
                if handler.used_at and not any(handler is other for other in seen):
                    seen.append(handler)
                    sites.append(calls.site("throw", f.index, handler.used_at, FuncType(handler.types)))

    def _modes(self, source: ChoiceSource, ends: Ends, deepest: int) -> tuple[int, ...]:
        """One call that returns, one for each tag that is thrown, and some for several rounds or deep recursion."""
        found = [0, *(digit for digit, tag in enumerate(ends) if tag is not None and digit <= len(self.tags.payloads))]
        found += [source.bits(8) & _TWO_DIGITS for _ in range(source.below(3))]
        if deepest > 0:
            found += [source.between(1, deepest) << DEPTH_SHIFT | source.below(MODES) for _ in range(2)]
        return tuple(dict.fromkeys(found))

    # The end

    def close(self) -> Case:
        shell = self.shell
        source = self.source.fork("arguments")
        for exported, modes in self.exports:
            shell.invocations += selecting(source, exported, modes)
        return shell.case()


def _guards(tags: Tags, source: ChoiceSource, results: tuple[ValType, ...], count: int) -> list[Guard]:
    """Guards around a region with these results, outermost first."""
    drawer = GuardDrawer(tags, source, results, _ROOM)
    guards: list[Guard] = []
    for _ in range(count):
        guards.append(drawer.draw(guards, not guards))
    return guards


def _protected(region: Region, guards: list[Guard]) -> tuple[int, int | None]:
    """Emit a region under its guards, and use its results. Gives where the last is used, and the local in which a
    handler keeps a reference to what it caught, if one does."""
    fn, source, results = region.fn, region.source, region.thrower.callee.type.results
    protector = Protector(fn, source, region.tags, results, tuple(region.watched))
    protector.emit(guards, region.body)
    used = use_values.use(fn, source, source.weighted(use_values.MODES), results, region.between)
    return used, protector.kept


# In other programs


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
            again = builder.func((EXNREF,), ())
            again.body += ((GET, 0), BARE["throw_ref"])
            tags.again = again.index
        ends: Ends = (None, *range(tags.count), *[None] * (MODES - 1 - tags.count))
        calls = Calls(shell)
        throwers = [leaf(calls, source.fork("leaf"), tags, type_, ends)]
        if source.chance(1, 2):
            kinds = [kind for kind in calls.kinds() if kind != "loop"]
            throwers.append(link(calls, source.fork("link"), tags, throwers[0], source.pick(kinds), _ROOM // 4))
        return _Throwing(calls, tags, tuple(throwers))


def _caught(program: Program, fn: Function, source: ChoiceSource, room: int) -> None:
    """Calls that may throw, under one or two guards; the selector decides how they end."""
    del room
    found = program.shell.kit(_Throwing.of)
    thrower = source.pick(found.throwers)
    fn.select()
    mode = fn.f.local(I32)
    deep = 3 << DEPTH_SHIFT if thrower.deepest >= 3 else 0
    fn.f.body += ((GET, fn.selector), (I32_CONST, MODES - 1 | deep), BARE["i32.and"], (SET, mode))
    watched = [draw_type(source, program.config) for _ in range(min(source.weighted(_WATCHED), 3))]
    locals_ = tuple((type_, emit_statement(fn, source, type_, source.below(3))) for type_ in watched)
    guards = _guards(found.tags, source, thrower.callee.type.results, 1 + source.below(2))
    region = Region(found.calls, fn, source, found.tags, thrower, mode, locals_)
    used, _ = _protected(region, guards)
    for type_, local in locals_:
        fn.f.body += ((GET, local), *fn.fold(type_))
    for how, called in region.passed:
        program.shell.sites.append(calls.site(how, fn.f.index, used, called))


PARTS: Final = (Part("caught", NEEDS, _caught),)
