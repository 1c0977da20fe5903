"""What the try_tables of a function protect: calls that return or throw, inside of hundreds more try_tables at times.

A deep region, two levels of it, with one tag besides the decoy (tag 1), whose handler is known to stand further out:

    block (result i32)                                       ;; out
      block                                                  ;; never
        i32.const 0  local.set $marker
        try_table (result i32) (catch 1 0) (catch 0 $handler)
          i32.const 1  local.set $marker
          try_table (result i32) (catch 1 1)
            ...                                              ;; the calls
          end
        end
        br 1
      end
      unreachable
    end
    local.get $marker                                        ;; into the hash: how deep the throw was
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.throwers import Ends, Thrower, ends_of, leaf, push_arguments, throw_by_mode
from generators.control.try_tables import Tags, TryTable
from generators.module.function import Function
from generators.program import use_values
from generators.program.calls import Callee, Calls
from wasm.builder import Label
from wasm.fragment import code, template
from wasm.valtypes import I32, FuncType, NumType

_WAYS: Final = weighted(("one", 130), ("below", 50), ("pass", 40), ("local", 36))
"""one    one call
below  a call while another's results lie below it on the stack
pass   a call whose arguments are another's results
local  a throw in the function that has the handlers, then a call
"""

_HOW: Final = weighted(("direct", 40), ("indirect", 35), ("ref", 25))
_DEEP: Final = 7
"""One in so many regions is deep."""
_DEPTHS: Final = (*range(6, 40, 2), 48, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257, 300, 400, 500, 600)
_DEEP_VALUES: Final = 5000
"""Results times depth: every level hands all results on."""
_MARKED: Final = 16
"""The marker says on the way out too where the code is, once in so many levels."""

_SET_MARKER: Final = template("i32.const $level  local.set $marker")
_UNREACHABLE: Final = code("unreachable")

Catch = tuple[str, int | None, Label]


@dataclass(slots=True)
class Region:
    """The calls under a function's try_tables. ``ends`` says by the mode's digit what leaves them; ``passed`` has the
    kind and type of each call whose results are used."""

    calls: Calls
    fn: Function
    source: ChoiceSource
    tags: Tags
    thrower: Thrower
    mode: int
    watched: Sequence[tuple[NumType, int]]
    way: str = "one"
    ends: Ends = ()
    passed: list[tuple[str, FuncType]] = field(default_factory=list)

    def __post_init__(self) -> None:
        callee, thrower = self.thrower.callee, self.thrower
        self.ends = thrower.ends
        if thrower.always:
            return
        self.way = self.source.weighted(_WAYS)
        if self.way == "pass" and len(callee.type.results) >= self.calls.shell.config.max_params:
            self.way = "one"
        if self.way in ("local", "pass"):
            # A throw of the function's own, or a callee made for it, gives each digit its meaning.
            self.ends = ends_of(self.tags)
        self.calls.shell.labels.add(self.way)

    def body(self, innermost: TryTable) -> None:
        """Emit the calls; the results of the region are on the stack behind them."""
        if self.source.one_in(_DEEP):
            self._deep(innermost)
        else:
            self._calls()

    def between(self) -> None:
        """A call without any try_table, which returns."""
        if not self.thrower.always:
            self._call(None)
            use_values.drop_stack(self.fn, self.source, self.thrower.callee.type.results)

    def _calls(self) -> None:
        fn, source, results = self.fn, self.source, self.thrower.callee.type.results
        if self.way == "local":
            throw_by_mode(fn, source, self.tags, self.ends, self.mode)
        self._call(self.mode if self.way == "one" else None)
        if self.way == "below":
            self._call(self.mode)
            if results:
                use_values.fold_stack(fn, results)
        elif self.way == "pass":
            sink = FuncType((*results, I32), results)
            thrower = leaf(self.calls, source.fork("sink"), self.tags, sink, self.ends, mode=len(results))
            fn.get(self.mode)
            self._to(thrower.callee, False)

    def _call(self, mode: int | None) -> None:
        push_arguments(self.fn, self.source, self.thrower.callee.type, mode, self.thrower.imported)
        self._to(self.thrower.callee, self.thrower.imported)

    def _to(self, callee: Callee, imported: bool) -> None:
        how = self.source.weighted(_HOW)
        how = how if how in self.calls.kinds() and not imported else "direct"
        self.calls.call(self.fn, self.source, how, callee)
        if not self.thrower.always:
            self.passed += [("import" if imported else how, callee.type), *callee.pending]

    def _deep(self, innermost: TryTable) -> None:
        """Up to hundreds of try_tables around the calls: they catch what never comes, or jump to known handlers.

        A local says how deep the throw was.
        """
        fn, source, results = self.fn, self.source, self.thrower.callee.type.results
        self.calls.shell.labels.add("deep")
        depth = min(source.pick(_DEPTHS), max(4, _DEEP_VALUES // (len(results) + 1)))
        marker = fn.local(I32)
        fn.sources.setdefault(I32, []).append(marker)
        known = self._known(innermost)
        with fn.block("block", (), results) as out:
            with fn.block() as never:
                step = source.between(1, 5)
                for level in range(depth):
                    fn += _SET_MARKER(level=level, marker=marker)
                    catches: list[Catch] = [("catch", self.tags.base + self.tags.decoy, never)]
                    if known and level % step == 0:
                        catches.append(known[level // step % len(known)])
                    fn.f.open_try(catches, (), results)
                self._calls()
                for level in range(depth):
                    fn.f.end()
                    if level % _MARKED == 0:
                        fn += _SET_MARKER(level=level, marker=marker)
                fn.br(out)
            fn += _UNREACHABLE
        fn.fold_local(I32, marker)

    def _known(self, innermost: TryTable) -> list[Catch]:
        """Clauses to handlers that would catch the same without the levels between: ``settle`` stays right."""
        known: list[Catch] = []
        for clause in innermost.clauses:
            label = clause.handler.label
            if clause.tag is not None and label is not None and innermost.catcher(clause.tag) is clause.handler:
                known.append((clause.kind, self.tags.base + clause.tag, label))
        return known
