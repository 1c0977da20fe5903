"""What the reducer's tests share: modules from text, and reductions with chosen passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import wasmtime

from fuzz.reduce import Reduction, reduce_case
from fuzz.reduce.schedule import Pass, all_passes
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Invocation
from wasm.encode import encode
from wasm.module import Module
from wasm.text import print_wat

Wanted = Callable[[Module], bool]


def module_of(wat: str) -> Module:
    """A module from text, without its name section."""
    module = decode(bytes(wasmtime.wat2wasm(wat)))
    module.customs = [custom for custom in module.customs if custom.name != "name"]
    return module


def case_of(wat: str, *calls: Invocation) -> Case:
    return Case(encode(module_of(wat)), calls)


def passes_named(*names: str) -> list[Pass]:
    known = {spec.name: spec for spec in all_passes()}
    return [known[name] for name in names]


def has(*ops: str) -> Wanted:
    """Interesting: each of these instructions occurs somewhere."""

    def wanted(module: Module) -> bool:
        found = {op.name for func in module.funcs for op, _ in func.body}
        return found.issuperset(ops)

    return wanted


class Kit:
    """What the tests call; a fixture, since test folders are no packages."""

    module_of = staticmethod(module_of)
    case_of = staticmethod(case_of)
    has = staticmethod(has)
    passes_named = staticmethod(passes_named)

    @staticmethod
    def reduction(names: Sequence[str], case: Case, wanted: Wanted) -> Reduction:
        return reduce_case(case, lambda c: wanted(decode(c.content)), passes=passes_named(*names))

    @classmethod
    def reduce_with(cls, names: Sequence[str], before: str, wanted: Wanted) -> Module:
        """The module that these passes make of ``before``."""
        return decode(cls.reduction(names, case_of(before), wanted).case.content)

    @staticmethod
    def text(module: Module) -> str:
        return print_wat(module)


@pytest.fixture(scope="session")
def kit() -> type[Kit]:
    return Kit
