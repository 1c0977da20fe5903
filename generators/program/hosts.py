"""Host functions that do things (``wasm.hostmix.Act``): imports that collect garbage, grow and write what is exported.

(import "grow" "memory0" (func $host (param i32) (result i32)))
(memory (export "memory0") 1 3)

local.get 5         ;; an address, which stays on the stack
i32.const 7  call $host  ...
i64.load            ;; of a memory that may have moved meanwhile
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program.push_values import push_values
from wasm.case import COLLECTS
from wasm.features import Feature
from wasm.fragment import template
from wasm.valtypes import EXTERNREF, I32, I64, FuncType, ValType

_TYPES: Final[tuple[tuple[tuple[ValType, ...], tuple[ValType, ...]], ...]] = (
    ((), ()), ((I32,), (I32,)), ((I64, I32), (I64,)), ((I32,), ()),
)  # fmt: skip
"""Parameters and results that every host carries, so that it is a host that acts and no module in its place."""
_REFERENCES: Final = (*_TYPES, ((EXTERNREF,), (EXTERNREF,)), ((EXTERNREF, I32), (I64,)))
_MOST: Final = 2

_CALL: Final = template("call $func")


@dataclass(frozen=True, slots=True)
class Host:
    """An imported function, by its index."""

    func: int
    type: FuncType

    def call(self, fn: Function, source: ChoiceSource) -> None:
        """Call it; its results are folded."""
        push_values(fn, source, self.type.params, clean=True)
        self.called(fn)

    def called(self, fn: Function) -> None:
        """The call alone, its arguments being on the stack; its results are folded."""
        fn += _CALL(func=self.func)
        for type_ in reversed(self.type.results):
            fn.take(type_)


def import_host(shell: Shell, source: ChoiceSource, module: str, name: str, numbers: bool = False) -> Host:
    """One more import, of a drawn type, without references if only ``numbers`` are wanted; before any function is
    defined."""
    references = shell.config.allows(Feature.REFERENCE_TYPES) and not numbers
    params, results = source.pick(_REFERENCES if references else _TYPES)
    return Host(shell.builder.import_func(module, name, params, results), FuncType(params, results))


@dataclass(slots=True)
class Collectors:
    """The kit of imports that collect garbage; none unless a target opens some."""

    shell: Shell
    all: list[Host] = field(default_factory=list)

    def open(self, source: ChoiceSource) -> None:
        """Import one or two."""
        for i in range(source.between(1, _MOST)):
            self.all.append(import_host(self.shell, source, "collect", f"garbage{i}"))
        self.shell.labels.add(COLLECTS)

    def pause(self, fn: Function, source: ChoiceSource, one_in: int) -> None:
        """Once in ``one_in`` times, where there are some: collect, with the stack and the locals as they are."""
        if self.all and source.one_in(one_in):
            source.pick(self.all).call(fn, source)
