"""What the guards of a function protect: calls that return or throw, inside of hundreds more try_tables at times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.control.guards import Guard, Tags
from generators.control.throwers import MODES, Ends, Thrower, leaf, push_arguments, throw_by_mode
from generators.module.function import BARE, GET, I32_CONST, SET, Function
from generators.program import use_values
from generators.program.calls import Callee, Calls
from wasm.builder import Label
from wasm.valtypes import I32, FuncType, NumType

_WAYS: Final = weighted(("one", 130), ("below", 50), ("pass", 40), ("local", 36))
"""one    one call
below  a call while another's results lie below it on the stack
pass   a call whose arguments are another's results
local  a throw in the function that has the handlers, then a call
"""

_HOW: Final = weighted(("direct", 40), ("indirect", 35), ("ref", 25))
_DEPTHS: Final = (*range(6, 40, 2), 48, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257, 300, 400, 500, 600)
_DEEP_VALUES: Final = 5000
"""Results times depth: every level hands all results on."""


@dataclass(slots=True)
class Region:
    """The calls under a function's guards. ``ends`` says by the mode's digit what leaves them; ``passed`` has the kind
    and type of each call whose results are used."""

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
            count = self.tags.count
            self.ends = (None, *range(count), *[None] * (MODES - 1 - count))
        self.calls.shell.labels.add(self.way)

    def body(self, guard: Guard) -> None:
        """Emit the calls; the results of the region are on the stack behind them."""
        if self.source.below(7) == 6:
            self._deep(guard)
        else:
            self._calls()

    def between(self) -> None:
        """A call without any guard, which returns."""
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
            fn.f.body.append((GET, self.mode))
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

    def _deep(self, guard: Guard) -> None:
        """Up to hundreds of try_tables around the calls: they catch what never comes, or jump to the guard's handlers.

        A local says how deep the throw was.
        """
        fn, source, results = self.fn, self.source, self.thrower.callee.type.results
        f = fn.f
        self.calls.shell.labels.add("deep")
        depth = min(source.pick(_DEPTHS), max(4, _DEEP_VALUES // (len(results) + 1)))
        marker = f.local(I32)
        fn.sources.setdefault(I32, []).append(marker)
        known: list[tuple[str, int | None, Label]] = []
        for clause in guard.clauses:
            label = clause.handler.label
            if clause.tag is not None and label is not None and guard.catcher(clause.tag) is clause.handler:
                known.append((clause.kind, self.tags.base + clause.tag, label))
        out, never = f.open("block", (), results), f.open("block")
        step, base = source.between(1, 5), self.tags.base
        for level in range(depth):
            f.body += ((I32_CONST, level), (SET, marker))
            clauses: list[tuple[str, int | None, Label]] = [("catch", base + self.tags.decoy, never)]
            if known and level % step == 0:
                clauses.append(known[level // step % len(known)])
            f.open_try(clauses, (), results)
        self._calls()
        for level in range(depth):
            f.end()
            if level % 16 == 0:
                f.body += ((I32_CONST, level), (SET, marker))
        f.br(out)
        f.end()
        f.body.append(BARE["unreachable"])
        f.end()
        f.body += ((GET, marker), *fn.fold(I32))
