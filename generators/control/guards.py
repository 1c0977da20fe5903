"""Protected regions: ``try_table`` with any clauses, handlers that use what was caught, and which handler will run.

A guard is one try_table with its handlers. Guards nest; where an exception ends is computed while the code is made
(``settle``), so that a generator knows which handlers its invocations reach and what a caller may still have to catch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.module.function import BARE, GET, SET, Function
from generators.program import use_values
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_clean
from wasm.builder import Label
from wasm.isa import OPS
from wasm.valtypes import EXNREF, NumType, ValType, ref

_USES: Final = weighted(("fold", 50), ("store", 20), ("drop", 30))
"""How a handler uses a payload."""

_CLAUSES: Final = weighted(("catch", 120), ("catch_ref", 70), ("", 66))
_ALLS: Final = weighted(("", 110), ("catch_all", 80), ("catch_all_ref", 66))
_LAST: Final = weighted(("catch_all", 140), ("catch_all_ref", 116))
_ACTIONS: Final = weighted(("results", 150), ("other", 36))
_REF_ACTIONS: Final = weighted(("results", 60), ("rethrow", 80), ("keep", 40), ("again", 30), ("other", 46))

ENDING: Final = ("results", "keep")
"""Actions after which control goes on behind the guard."""


@dataclass(slots=True)
class Handler:
    """Where a clause jumps to: ``tag`` is None for all exceptions, ``level`` the guard that owns it, outermost 0.

    ``action``: ``results`` makes up the region's results, ``keep`` does and keeps the reference for later, ``rethrow``
    throws it again, ``again`` has a function do so, ``other`` throws ``other`` instead. ``used_at`` is the index of the
    instruction that uses the last value of the payload.
    """

    level: int
    tag: int | None
    types: tuple[ValType, ...]
    with_ref: bool
    action: str
    other: int = 0
    label: Label | None = None
    used_at: int = 0

    def throws(self, tag: int) -> int | None:
        """The tag that leaves the handler of an exception with ``tag``; None if it ends here."""
        if self.action in ENDING:
            return None
        return self.other if self.action == "other" else tag


@dataclass(frozen=True, slots=True)
class Clause:
    """A clause of a guard; the handler may be an outer guard's."""

    kind: str
    tag: int | None
    handler: Handler


@dataclass(slots=True)
class Guard:
    """One try_table: its clauses in order, and the handlers of its own."""

    level: int
    clauses: list[Clause] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)

    def catcher(self, tag: int) -> Handler | None:
        """The handler of the first clause that catches ``tag`` (spec 4.4.9)."""
        return next((c.handler for c in self.clauses if c.tag is None or c.tag == tag), None)


def settle(guards: Sequence[Guard], tag: int) -> tuple[int | None, list[Handler]]:
    """What becomes of an exception thrown inside all of ``guards``, outermost first.

    Gives the tag that leaves them, or None, and the handlers that ran.
    """
    reached: list[Handler] = []
    level = len(guards) - 1
    found: int | None = tag
    while level >= 0 and found is not None:
        handler = guards[level].catcher(found)
        if handler is not None:
            reached.append(handler)
            level = handler.level
            found = handler.throws(found)
        level -= 1
    return found, reached


@dataclass(slots=True)
class Tags:
    """The tags of a module: payload types by tag index, and one tag more, ``decoy``, that nothing ever throws.

    ``references``: clauses may give references, of type (ref exn) where ``typed``. ``again`` is a function that throws
    what it is given, if there is one. A clause takes at most ``max_values`` besides the reference. ``base`` is the
    module's index of the first tag; everywhere else tags are counted from it.
    """

    payloads: list[tuple[ValType, ...]]
    references: bool
    typed: bool
    again: int | None = None
    max_values: int = 999
    base: int = 0

    @property
    def count(self) -> int:
        return len(self.payloads)

    @property
    def decoy(self) -> int:
        return len(self.payloads)

    @property
    def exn(self) -> ValType:
        """The type of a caught reference on a label."""
        return ref("exn", False) if self.typed else EXNREF


@dataclass(slots=True)
class GuardDrawer:
    """Draws the guards around one region; ``room`` is how many values their handlers may still handle."""

    tags: Tags
    source: ChoiceSource
    results: tuple[ValType, ...]
    room: int

    def draw(self, outer: Sequence[Guard], last: bool) -> Guard:
        """A guard inside of ``outer``. ``last``: the outermost, from which nothing escapes and nothing is rethrown."""
        source, tags = self.source, self.tags
        guard = Guard(len(outer))
        count = len(tags.payloads)
        start = source.below(count)
        first = self._all(guard, source.weighted(_ALLS), last) if not last and source.below(16) == 15 else None
        for i in range(count):
            kind = source.weighted(_CLAUSES)
            tag = (start + i) % count
            wants_ref = kind == "catch_ref"
            if wants_ref and (not tags.references or len(tags.payloads[tag]) > tags.max_values):
                kind, wants_ref = "catch", False
            if kind:
                handler = self._handler(guard, outer, tag, wants_ref, last)
                if handler is not None:
                    guard.clauses.append(Clause(kind, tag, handler))
        if first is None:
            self._all(guard, source.weighted(_LAST if last else _ALLS), last)
        return guard

    def _all(self, guard: Guard, kind: str, last: bool) -> Handler | None:
        if kind and not self.tags.references:
            kind = "catch_all"
        if not kind:
            return None
        wants_ref = kind == "catch_all_ref"
        action = self._action(wants_ref, last)
        handler = Handler(guard.level, None, (), wants_ref, *action)
        guard.handlers.append(handler)
        guard.clauses.append(Clause(kind, None, handler))
        return handler

    def _action(self, wants_ref: bool, last: bool) -> tuple[str, int]:
        source = self.source
        if last:
            return ("keep", 0) if wants_ref and source.chance(1, 2) else ("results", 0)
        action = source.weighted(_REF_ACTIONS if wants_ref else _ACTIONS)
        if action == "again" and self.tags.again is None:
            action = "rethrow"
        other = source.below(len(self.tags.payloads)) if action == "other" else 0
        if action == "other":
            self.room -= len(self.tags.payloads[other])
            if self.room < 0:
                action = "results"
        if action in ENDING:
            self.room -= len(self.results)
        return action, other

    def _handler(self, guard: Guard, outer: Sequence[Guard], tag: int, with_ref: bool, last: bool) -> Handler | None:
        source, types = self.source, self.tags.payloads[tag]
        wish = source.below(8)
        if wish >= 5:
            # Two clauses to one label, here or in a guard further out.
            owners = [guard] if wish == 5 else [*outer, guard]
            for owner in owners:
                for found in owner.handlers:
                    if found.tag is not None and found.types == types and found.with_ref == with_ref:
                        return found
        self.room -= len(types)
        if self.room < 0:
            return None
        handler = Handler(guard.level, tag, types, with_ref, *self._action(with_ref, last))
        guard.handlers.append(handler)
        return handler


@dataclass(slots=True)
class Protector:
    """Emits guards into one function. ``kept`` is the local for references that are thrown again later."""

    fn: Function
    source: ChoiceSource
    tags: Tags
    results: tuple[ValType, ...]
    watched: tuple[tuple[NumType, int], ...] = ()
    kept: int | None = None

    def emit(self, guards: Sequence[Guard], body: Callable[[Guard], None], at: int = 0) -> None:
        """The guards from ``at`` on, around what ``body`` emits; the results lie on the stack behind."""
        f, guard = self.fn.f, guards[at]
        join = f.open("block", (), self.results)
        for handler in reversed(guard.handlers):
            handler.label = f.open("block", (), self._types(handler))
        carried = self.source.weighted(_CARRIED)
        types = [type_ for type_, _ in self.watched[:carried]]
        f.body += [(GET, local) for _, local in self.watched[:carried]]
        inner = f.open_try(clauses_of(guard, self.tags.base), types, self.results)
        for type_ in reversed(types):
            f.body += self.fn.fold(type_)
        if self.watched:
            self.change(at + self.source.below(4))
        if at + 1 < len(guards):
            self.emit(guards, body, at + 1)
        else:
            body(guard)
        if self.source.below(4) == 3:
            f.br(self.source.pick((join, inner)))
        f.end()
        f.br(join)
        for handler in guard.handlers:
            f.end()
            self._handle(handler)
            if handler is not guard.handlers[-1]:
                f.br(join)
        f.end()

    def _types(self, handler: Handler) -> tuple[ValType, ...]:
        return (*handler.types, self.tags.exn) if handler.with_ref else handler.types

    def change(self, index: int) -> None:
        """Give a watched local another value, from the others mostly."""
        type_, local = self.watched[index % len(self.watched)]
        emit_clean(self.fn, self.source, type_, self.source.below(3))
        self.fn.f.body.append((SET, local))

    def _handle(self, handler: Handler) -> None:
        """Use what was caught, look at the locals as the throw left them, and do as the handler's action says."""
        fn, source = self.fn, self.source
        body = fn.f.body
        exn = fn.temp(EXNREF) if handler.with_ref else -1
        if handler.with_ref:
            body.append((SET, exn))
        if handler.types:
            handler.used_at = use_values.use(fn, source, source.weighted(_USES), handler.types, _nothing)
        for type_, local in self.watched:
            if source.below(3):
                body += ((GET, local), *fn.fold(type_))
        match handler.action:
            case "rethrow":
                body += ((GET, exn), BARE["throw_ref"])
            case "again":
                body += ((GET, exn), (OPS["call"], self.tags.again), BARE["unreachable"])
            case "other":
                push_values(fn, source, self.tags.payloads[handler.other])
                body.append((OPS["throw"], self.tags.base + handler.other))
            case action:
                if action == "keep":
                    if self.kept is None:
                        self.kept = fn.f.local(EXNREF)
                    body += ((GET, exn), (SET, self.kept))
                push_values(fn, source, self.results)


def clauses_of(guard: Guard, base: int) -> list[tuple[str, int | None, Label]]:
    """The clauses as ``FuncBuilder.open_try`` takes them; ``base`` is the first tag's index."""
    found: list[tuple[str, int | None, Label]] = []
    for clause in guard.clauses:
        label = clause.handler.label
        assert label is not None
        found.append((clause.kind, None if clause.tag is None else base + clause.tag, label))
    return found


_CARRIED: Final = weighted((0, 190), (1, 30), (2, 20), (4, 16))
"""How many parameters a try_table has."""


def _nothing() -> None:
    pass
