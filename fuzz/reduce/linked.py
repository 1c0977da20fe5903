"""A case of several modules: whole modules go, and each of the others is reduced by itself as long as any gets smaller.

    a: (module (memory (export "m") 1))  b: (module ...)  (module (import "a" "m" (memory 1)) (func (export "f") ...))

What imports from a module that went imports from the host instead, and so does what imports an export that went: a
candidate can be linked as long as a host has the like. First of all it is tried whether one module shows the same that
is all of them in one (``wasm.rewrite.joining``), or else all but some: a single module is what everything else can work
with, even if it is larger at first.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final, Protocol

from fuzz.reduce.cache import Answers
from fuzz.reduce.engine import Meter, OutOfBudget, PassStats, Predicate
from wasm.case import Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.features import ALL
from wasm.rewrite.joining import joined
from wasm.validate import validate

EMPTY_MODULE: Final = b"\0asm\1\0\0\0"


class OneModule(Protocol):
    """Reduces a case's own module, with the modules before it as they are, and as far as the budget goes."""

    def __call__(
        self, case: Case, is_interesting: Predicate, answers: Answers
    ) -> tuple[Case, dict[str, PassStats]]: ...


class Linked:
    """The reduction of one case. ``best`` is the smallest so far, ``passes`` what all modules' passes did."""

    def __init__(self, case: Case, is_interesting: Predicate, meter: Meter, answers: Answers, one: OneModule) -> None:
        self.best, self.is_interesting, self.meter, self.answers, self.one = case, is_interesting, meter, answers, one
        self.passes: dict[str, PassStats] = {}

    def run(self) -> bool:
        """Whether it came to an end before the budget did."""
        try:
            self._drop()
            self._join()
            size = self.best.size + 1
            while self.best.size < size:
                size = self.best.size
                self._drop()
                self._own()
                for at in range(len(self.best.before) - 1, -1, -1):
                    self._earlier(at)
            self.meter.check()
        except OutOfBudget:
            return False
        return True

    def ask(self, case: Case) -> bool:
        """The predicate's answer, from the cache or by a run. Raises ``OutOfBudget``."""
        known = self.answers.get(case.digest)
        if known is not None:
            self.meter.cached += 1
            return known
        self.meter.check()
        self.meter.runs += 1
        known = self.is_interesting(case)
        self.answers.put(case.digest, known)
        return known

    def _take(self, case: Case) -> bool:
        if not self.ask(case):
            return False
        used = frozenset(one.value for content in case.contents for one in required_features(decode(content)))
        self.best = replace(case, features=used)
        self.meter.trace.append((self.meter.runs, self.best.size))
        self.answers.best(self.best)
        return True

    def _drop(self) -> None:
        """All modules at once, or else those that can go, the latest first."""
        if not self.best.before or self._take(replace(self.best, before=())):
            return
        for at in range(len(self.best.before) - 1, -1, -1):
            before = self.best.before
            self._take(replace(self.best, before=before[:at] + before[at + 1 :]))

    def _join(self) -> None:
        """Each module with the case's own in one, the latest first, as long as the finding shows."""
        for at in range(len(self.best.before) - 1, -1, -1):
            whole = self.best
            name, content = whole.before[at]
            if any(_imports_from(one, name) for _, one in whole.before[at + 1 :]):
                continue
            made = encode(joined(decode(content), decode(whole.content), name))
            with suppress(WasmError):
                validate(decode(made), ALL)
                self._take(replace(whole.with_content(made), before=(*whole.before[:at], *whole.before[at + 1 :])))

    def _own(self) -> None:
        smaller, passes = self.one(self.best, self.is_interesting, self.answers)
        self._add(passes)
        if smaller is not self.best:
            self._take(smaller)

    def _earlier(self, at: int) -> None:
        """One of the modules before, as if it were the case's own: nothing is called in it."""
        whole = self.best
        name, content = whole.before[at]

        def around(content: bytes) -> Case:
            return replace(whole, before=(*whole.before[:at], (name, content), *whole.before[at + 1 :]))

        def question(one: Case) -> bool:
            case = around(one.content)
            self.answers.put(case.digest, answer := self.is_interesting(case))
            return answer

        if content != EMPTY_MODULE and self._take(around(EMPTY_MODULE)):
            return
        smaller, passes = self.one(Case(content, features=whole.features), question, Answers())
        self._add(passes)
        if len(smaller.content) < len(content):
            self._take(around(smaller.content))

    def _add(self, passes: dict[str, PassStats]) -> None:
        for name, stats in passes.items():
            self.passes[name] = self.passes[name] + stats if name in self.passes else stats


def _imports_from(content: bytes, name: str) -> bool:
    return any(item.module == name for item in decode(content).imports)
