"""An engine with known mistakes: the reference on a module in which some instructions are others.

``MISTAKES`` are (rows as they follow each other, what the last one is then). A mistake of one row is wrong wherever the
row stands; one of several is a wrong pattern of an optimizer, in which no single row is at fault.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeAlias

from fuzz.records.finding import Signature
from oracles.interpreter import Budget, run_case
from wasm.case import Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.isa import OPS, Instr
from wasm.module import Module

Mistake: TypeAlias = tuple[tuple[str, ...], str]
BUCKET = Signature("mistaken", "invoke", "value")
STEPS = Budget(steps=200_000)


@dataclass(frozen=True, slots=True)
class Mistaken:
    """``wrong(case)``: whether the engine's answer is not the reference's."""

    mistakes: tuple[Mistake, ...]

    def wrong(self, case: Case) -> bool:
        module = self.compiled(decode(case.content))
        mine = run_case(replace(case, content=encode(module), sites=()), module, STEPS)
        right = run_case(case, None, STEPS)
        return (mine.instantiation, mine.outcomes, mine.memories) != (
            right.instantiation,
            right.outcomes,
            right.memories,
        )

    def compiled(self, module: Module) -> Module:
        """The module with the mistakes in it; it is changed."""
        for func in module.funcs:
            func.body = self._body(func.body)
        return module

    def _body(self, body: list[Instr]) -> list[Instr]:
        names = [op.name for op, _ in body]
        made = list(body)
        for pattern, instead in self.mistakes:
            for end in range(len(pattern), len(names) + 1):
                if tuple(names[end - len(pattern) : end]) == pattern:
                    made[end - 1] = (OPS[instead], body[end - 1][1])
        return made
