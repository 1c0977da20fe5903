"""Modules whose memories or tables have changed places: valid, and every call gives and leaves what it did."""

from __future__ import annotations

import pytest

from generators.registry import make_case
from oracles.interpreter import run_case
from wasm.builder import ModuleBuilder
from wasm.decode import decode
from wasm.encode import encode
from wasm.module import ExternKind, Import, Module
from wasm.rewrite.exchange import Plural, exchanged
from wasm.rewrite.spaces import SPACE_OF, space_sizes
from wasm.validate import validate
from wasm.valtypes import Limits, MemType

KINDS: tuple[Plural, ...] = (ExternKind.MEMORY, ExternKind.TABLE)


def size(module: Module, kind: Plural) -> int:
    return space_sizes(module)[SPACE_OF[kind]]


@pytest.mark.parametrize("target", ["memory", "refs", "mixed", "gc", "startup"])
def test_nothing_changes(target: str) -> None:
    """One case in six of ``memory`` has two memories or two tables that can change places, and more of the
    others: fewer than five exchanges in forty cases would say that nothing was looked at."""
    changed = 0
    for index in range(40):
        case = make_case(target, 3, index)
        module = decode(case.content)
        before = run_case(case)
        for kind in KINDS:
            for other in range(1, min(size(module, kind), 3)):
                made = exchanged(module, kind, 0, other)
                if made is None:
                    continue
                changed += 1
                validate(made)
                after = run_case(case.with_content(encode(made)))
                assert (after.instantiation, after.outcomes) == (before.instantiation, before.outcomes)
                assert (after.memories, after.tables) == (before.memories, before.tables)
                assert encode(exchanged(made, kind, 0, other) or made) == encode(
                    exchanged(module, kind, 0, 0) or module
                )
    assert changed >= 5


def test_what_is_imported_stays_before_what_is_defined() -> None:
    builder = ModuleBuilder()
    builder.module.imports.append(Import("env", "m", MemType(Limits(1))))
    builder.memory(1)
    assert exchanged(builder.finish(), ExternKind.MEMORY, 0, 1) is None
