"""``try_table`` with any clauses, handlers that use what was caught, and which handler will run.

A ``TryTable`` is the instruction with the handlers of its own. One with a clause for tag 0 and one for everything,
around a call with an i32 result:

    block (result i32)                          ;; behind it, with the results
      block (result exnref)                     ;; the second clause's handler
        block (result f64)                      ;; the first clause's handler: a payload of one f64
          try_table (result i32) (catch 0 0) (catch_all_ref 1)
            call 7
          end
          br 2
        end
        ...                                     ;; uses the payload, then results of its own
        br 1
      end
      ...                                       ;; throws the reference again, say
    end

They nest, and a clause may jump to a handler further out. Where an exception ends is computed while the code is made
(``settle``), so that a generator knows which handlers its invocations reach and what a caller may still have to catch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, shares, weighted
from generators.module.function import Function
from generators.program import use_values
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_clean
from wasm.builder import Label
from wasm.fragment import template
from wasm.valtypes import EXNREF, NumType, ValType, ref

_USES: Final = weighted(("fold", 50), ("store", 20), ("drop", 30))
"""How a handler uses a payload."""

_CLAUSES: Final = weighted(("catch", 120), ("catch_ref", 70), ("", 66))
_ALLS: Final = weighted(("", 110), ("catch_all", 80), ("catch_all_ref", 66))
_LAST: Final = weighted(("catch_all", 140), ("catch_all_ref", 116))
_ACTIONS: Final = weighted(("results", 150), ("other", 36))
_REF_ACTIONS: Final = weighted(("results", 60), ("rethrow", 80), ("keep", 40), ("again", 30), ("other", 46))

_OWNERS: Final = shares(("new", 5), ("own", 1), ("any", 2))
"""Whose handler a clause jumps to: a new one, one that the same try_table has, or one of any that is around."""

_CARRIED: Final = weighted((0, 190), (1, 30), (2, 20), (4, 16))
"""How many parameters a try_table has."""

ENDING: Final = ("results", "keep")
"""Actions after which control goes on behind the try_table."""

_THROW: Final = template("throw $tag")
_THROW_AGAIN: Final = template("local.get $exn  throw_ref")
_HAVE_IT_THROWN: Final = template("local.get $exn  call $again  unreachable")
_KEEP: Final = template("local.get $exn  local.set $kept")


@dataclass(slots=True)
class Handler:
    """Where a clause jumps to: ``tag`` is None for all exceptions, ``level`` is its try_table's, outermost 0.

    ``types`` are the payload's; with ``with_ref`` a reference follows. ``action``: ``results`` makes up the region's
    results, ``keep`` does and keeps the reference for later, ``rethrow`` throws it again, ``again`` has a function do
    so, ``other`` throws ``other`` instead. ``label`` is set once the code is written, ``used_at`` is the index of the
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
    """A clause, by its name in the text format; the handler may be that of a try_table further out."""

    kind: str
    tag: int | None
    handler: Handler


@dataclass(slots=True)
class TryTable:
    """One try_table: its clauses in order, and the handlers of its own."""

    level: int
    clauses: list[Clause] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)

    def catcher(self, tag: int) -> Handler | None:
        """The handler of the first clause that catches ``tag`` (spec 4.4.9)."""
        return next((c.handler for c in self.clauses if c.tag is None or c.tag == tag), None)

    def catches(self, base: int) -> list[tuple[str, int | None, Label]]:
        """The clauses as ``FuncBuilder.open_try`` takes them; ``base`` is the first tag's index."""
        catches: list[tuple[str, int | None, Label]] = []
        for clause in self.clauses:
            label = clause.handler.label
            assert label is not None
            catches.append((clause.kind, None if clause.tag is None else base + clause.tag, label))
        return catches


def settle(tries: Sequence[TryTable], tag: int) -> tuple[int | None, list[Handler]]:
    """What becomes of an exception thrown inside all of ``tries``, outermost first.

    Gives the tag that leaves them, or None, and the handlers that ran.
    """
    reached: list[Handler] = []
    level = len(tries) - 1
    thrown: int | None = tag
    while level >= 0 and thrown is not None:
        handler = tries[level].catcher(thrown)
        if handler is not None:
            reached.append(handler)
            # A handler stands outside of its own try_table, and so of all that are further in.
            level = handler.level
            thrown = handler.throws(thrown)
        level -= 1
    return thrown, reached


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
class TryTableDrawer:
    """Draws the try_tables around one region with ``results``.

    ``room`` is how many values their handlers may still handle: payloads that they use, results that they make up.
    """

    tags: Tags
    source: ChoiceSource
    results: tuple[ValType, ...]
    room: int

    def draw(self, outer: Sequence[TryTable], last: bool) -> TryTable:
        """One inside of ``outer``. ``last``: the outermost, from which nothing escapes and nothing is rethrown."""
        source, tags = self.source, self.tags
        made = TryTable(len(outer))
        start = source.below(tags.count)
        # Clauses behind one for everything are dead, which a compiler may or may not see.
        all_first = not last and source.one_in(16)
        covered = all_first and self._catch_all(made, source.weighted(_ALLS), last)
        for i in range(tags.count):
            kind = source.weighted(_CLAUSES)
            tag = (start + i) % tags.count
            if kind == "catch_ref" and (not tags.references or len(tags.payloads[tag]) > tags.max_values):
                kind = "catch"
            if kind:
                handler = self._handler(made, outer, tag, kind == "catch_ref", last)
                if handler is not None:
                    made.clauses.append(Clause(kind, tag, handler))
        if not covered:
            self._catch_all(made, source.weighted(_LAST if last else _ALLS), last)
        return made

    def _catch_all(self, made: TryTable, kind: str, last: bool) -> bool:
        """A clause for everything, if ``kind`` is one; gives whether it is."""
        if not kind:
            return False
        if not self.tags.references:
            kind = "catch_all"
        with_ref = kind == "catch_all_ref"
        handler = Handler(made.level, None, (), with_ref, *self._action(with_ref, last))
        made.handlers.append(handler)
        made.clauses.append(Clause(kind, None, handler))
        return True

    def _action(self, with_ref: bool, last: bool) -> tuple[str, int]:
        """A handler's action, and the tag that it throws if the action is ``other``."""
        source = self.source
        if last:
            return ("keep", 0) if with_ref and source.chance(1, 2) else ("results", 0)
        action = source.weighted(_REF_ACTIONS if with_ref else _ACTIONS)
        if action == "again" and self.tags.again is None:
            action = "rethrow"
        other = source.below(self.tags.count) if action == "other" else 0
        if action == "other":
            self.room -= len(self.tags.payloads[other])
            if self.room < 0:
                action = "results"
        if action in ENDING:
            self.room -= len(self.results)
        return action, other

    def _handler(
        self, made: TryTable, outer: Sequence[TryTable], tag: int, with_ref: bool, last: bool
    ) -> Handler | None:
        """A handler for a tag's clause; None if there is no room for one."""
        source, types = self.source, self.tags.payloads[tag]
        owner = source.pick(_OWNERS)
        if owner != "new":
            # Two clauses to one label.
            for one in [made] if owner == "own" else [*outer, made]:
                for handler in one.handlers:
                    if handler.tag is not None and handler.types == types and handler.with_ref == with_ref:
                        return handler
        self.room -= len(types)
        if self.room < 0:
            return None
        handler = Handler(made.level, tag, types, with_ref, *self._action(with_ref, last))
        made.handlers.append(handler)
        return handler


@dataclass(slots=True)
class TryTableWriter:
    """Writes try_tables into one function. ``kept`` is the local for references that are thrown again later.

    ``watched`` are locals, with their types, that change inside; handlers find them as the throw left them.
    """

    fn: Function
    source: ChoiceSource
    tags: Tags
    results: tuple[ValType, ...]
    watched: tuple[tuple[NumType, int], ...] = ()
    kept: int | None = None

    def emit(self, tries: Sequence[TryTable], body: Callable[[TryTable], None], at: int = 0) -> None:
        """Those from ``at`` on, around what ``body`` emits; the results lie on the stack behind."""
        fn, source, made = self.fn, self.source, tries[at]
        with fn.block("block", (), self.results) as join:
            for handler in reversed(made.handlers):
                handler.label = fn.f.open("block", (), self._types(handler))
            carried = self.watched[: source.weighted(_CARRIED)]
            fn.get(*(local for _, local in carried))
            types = [type_ for type_, _ in carried]
            with fn.try_table(made.catches(self.tags.base), types, self.results) as inner:
                for type_ in reversed(types):
                    fn += fn.fold(type_)
                if self.watched:
                    self.change(at + source.below(4))
                if at + 1 < len(tries):
                    self.emit(tries, body, at + 1)
                else:
                    body(made)
                if source.one_in(4):
                    fn.br(source.pick((join, inner)))
            fn.br(join)
            for handler in made.handlers:
                fn.f.end()
                self._handle(handler)
                if handler is not made.handlers[-1]:
                    fn.br(join)

    def _types(self, handler: Handler) -> tuple[ValType, ...]:
        return (*handler.types, self.tags.exn) if handler.with_ref else handler.types

    def change(self, index: int) -> None:
        """Give a watched local another value, from the others mostly."""
        type_, local = self.watched[index % len(self.watched)]
        emit_clean(self.fn, self.source, type_, self.source.below(3))
        self.fn.set(local)

    def _handle(self, handler: Handler) -> None:
        """Use what was caught, look at the locals as the throw left them, and do as the handler's action says."""
        fn, source = self.fn, self.source
        exn = fn.temp(EXNREF) if handler.with_ref else -1
        if handler.with_ref:
            fn.set(exn)
        if handler.types:
            handler.used_at = use_values.use(fn, source, source.weighted(_USES), handler.types)
        for type_, local in self.watched:
            if source.chance(2, 3):
                fn.fold_local(type_, local)
        match handler.action:
            case "rethrow":
                fn += _THROW_AGAIN(exn=exn)
            case "again":
                fn += _HAVE_IT_THROWN(exn=exn, again=self.tags.again)
            case "other":
                push_values(fn, source, self.tags.payloads[handler.other])
                fn += _THROW(tag=self.tags.base + handler.other)
            case action:
                if action == "keep":
                    if self.kept is None:
                        self.kept = fn.local(EXNREF)
                    fn += _KEEP(exn=exn, kept=self.kept)
                push_values(fn, source, self.results)
