"""A piece of code becomes a function of its own.

    local.get 3  local.get 5  i32.mul  local.tee 3      ->      local.get 3  local.get 5  call $new  local.set 3

Locals that it reads are parameters, those that it sets are results as well.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.limits import PARAMS, RESULTS
from wasm.module import Module
from wasm.neutral.draws import Draws, some
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import FuncCode, function, in_functions, leaves, locals_in, written_in
from wasm.rewrite.index_map import local_of, with_local
from wasm.rewrite.spans import closed
from wasm.valtypes import FuncType, ValType

WEIGHT: Final = 4
_MOST: Final = 3
_GET: Final = OPS["local.get"]
_SET: Final = OPS["local.set"]


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to three values or statements of a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    fitting = [one for one in code.pieces(least=2) if _fits(code, one[0], one[1])]
    # Long pieces are few, and short ones stand inside them.
    fitting.sort(key=lambda one: one[0] - one[1])
    for start, end, type_ in some(draws, fitting[: 2 + len(fitting) // 2], _MOST):
        _outline(code, start, end, type_)
    return code.write()


def _fits(code: FuncCode, start: int, end: int) -> bool:
    piece = code.body[start:end]
    if not code.plain(start, end) or not closed(piece) or leaves(piece):
        return False
    written = written_in(piece)
    # What was set before something was thrown would be lost, and a handler of this function may read it.
    throws = any(op.name.startswith(("call", "throw")) for op, _ in piece)
    return not written or not throws


def _outline(code: FuncCode, start: int, end: int, type_: ValType | None) -> None:
    piece = code.body[start:end]
    taken, given = locals_in(piece), written_in(piece)
    if len(taken) > PARAMS or len(given) >= RESULTS:
        return
    types = [code.graph.locals[local] for local in taken]
    results = ([type_] if type_ is not None else []) + [code.graph.locals[local] for local in given]
    place = {local: number for number, local in enumerate(taken)}
    body: list[Instr] = []
    for instr in piece:
        local = local_of(instr)
        body.append(instr if local is None else with_local(instr, place[local]))
    body += [(_GET, place[local]) for local in given]
    # Another edit has it: no function without a use.
    if not code.replace(start, end, made := []):
        return
    index = function(code.module, FuncType(tuple(types), tuple(results)), [], body)
    made += [*((_GET, local) for local in taken), (OPS["call"], index), *((_SET, local) for local in reversed(given))]
