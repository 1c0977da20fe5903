"""Programs made of statements on references: a target's functions, and the statements as parts for other targets."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource, Weighted, weighted
from generators.config import Config
from generators.draw.signatures import draw_type
from generators.module.function import Function
from generators.program.parts import Part
from generators.program.program import Program
from generators.refs.digests import write_functions
from generators.refs.expressions import RefCode
from generators.refs.host_statements import grown_by_host, held_over, open_hosts, thrown_by_host, written_by_host
from generators.refs.statements import Statement
from generators.refs.traps import add_look, add_trap
from wasm.case import Case
from wasm.features import Feature
from wasm.valtypes import EXTERNREF, I32, I64, V128, ValType

_NEEDS: Final = frozenset({Feature.MULTI_VALUE, Feature.REFERENCE_TYPES})

_TRAPS: Final = weighted((0, 176), (1, 48), (2, 32))
"""Functions of one instruction that traps for some arguments."""
_TOKENS: Final = weighted((0, 150), (1, 70), (2, 36))
"""Parameters that are host tokens."""
_MOST_FUNCTIONS: Final = 3
_BETWEEN: Final = 3
"""Behind one statement in so many the host collects garbage, in modules with such a host."""
_BY_HOSTS: Final = weighted(
    (held_over, 40), (thrown_by_host, 20), (written_by_host, 20), (grown_by_host, 20)
)  # fmt: skip


@lru_cache(maxsize=8)
def _with_hosts(table: Weighted[Statement]) -> Weighted[Statement]:
    """A table's statements three times in four, else one in which the host acts."""
    return (*table[::2], *table[1::4], *_BY_HOSTS[::4])


def build(source: ChoiceSource, config: Config, table: Weighted[Statement], count: int, hosted: int) -> Case:
    """A case of ``count`` statements of a weighted table; ``hosted`` in 16 have a host that acts."""
    program = Program.open(source, config)
    if source.chance(hosted, 16):
        open_hosts(program, source.fork("hosts"))
        table = _with_hosts(table)
    functions = min(1 + source.below(_MOST_FUNCTIONS), count)
    for i in range(functions):
        _function(program, source.fork(f"f{i}"), f"f{i}", table, count // functions)
    for i in range(source.weighted(_TRAPS)):
        add_trap(program, source.fork(f"t{i}"), f"t{i}")
    add_look(program)
    write_functions(program.shell)
    return program.close()


def _function(program: Program, source: ChoiceSource, name: str, table: Weighted[Statement], count: int) -> None:
    """An exported function of ``count`` statements, which at last folds all that its locals hold."""
    params: list[ValType] = [I32, *(draw_type(source, program.config) for _ in range(source.below(4)))]
    params = [I64 if type_ is V128 else type_ for type_ in params]
    params += [EXTERNREF] * source.weighted(_TOKENS)
    fn = program.function(source, params, (I64,), name)
    refs = RefCode(fn, source)
    for _ in range(max(1, count)):
        source.weighted(table)(program, refs)
        refs.collectors.pause(fn, source, _BETWEEN)
    for type_, local in refs.known:
        fn.get(local)
        refs.fold(type_, 2)
    program.close_function(fn, source)


def part_of(name: str, statement: Statement, *needs: Feature) -> Part:
    """A statement as a part; what it keeps in locals that must not be null is forgotten, for a block may end."""

    def emit(program: Program, fn: Function, source: ChoiceSource, _: int) -> None:
        refs = RefCode(fn, source)
        statement(program, refs)
        refs.leave(0)
        write_functions(program.shell)

    return Part(name, _NEEDS.union(needs), emit)
