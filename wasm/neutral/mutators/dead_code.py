"""Code that is not run, behind a condition that is never true.

    call $f                    ->      local.get 0  i32.const 512  i32.gt_u  if  call $f  end  call $f

The condition is about a global that nobody sets, or about a local: that it is greater, or less, than whatever it was
seen to be there. The code is a copy of what stands behind it or of something else in the function, or a trap: what it
writes and calls must not be taken for something that happens (EMI, Le, Afshari and Su 2014).
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.module import Module
from wasm.neutral.draws import Draws, pick, some
from wasm.neutral.facts import Bounds, Facts
from wasm.neutral.func_code import CONST, END, FuncCode, in_functions, leaves, never, raised
from wasm.rewrite.spans import closed
from wasm.valtypes import I32, I64

WEIGHT: Final = 6
_MOST: Final = 4
_LONGEST: Final = 200
_IF: Final[Instr] = (OPS["if"], None)


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:
    """Up to four pieces of dead code in a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws, facts), most=2)


def _edited(code: FuncCode, draws: Draws, facts: Facts) -> bool:
    statements = [one for one in code.spans.statements if one[1] - one[0] <= _LONGEST]
    starts = [start for start, _ in statements] or code.reachable
    places = some(draws, starts, _MOST)
    seen = facts([(code.number, at) for at in places]) or {}
    for at in places:
        inside = _inside(code, at, statements, draws)
        condition = _condition(code, seen.get((code.number, at)), draws) or never(code.module, draws)
        code.replace(at, at, [*condition, _IF, *inside, END])
    return code.write()


def _inside(code: FuncCode, at: int, statements: list[tuple[int, int]], draws: Draws) -> list[Instr]:
    """What is not run: the statement that begins here, another one, or a trap."""
    kind = draws.below(4)
    if kind < 2:
        mine = next(((start, end) for start, end in statements if start == at), None)
        copied = raised(code.body[mine[0] : mine[1]]) if mine is not None else None
        if copied is not None:
            return copied
    if kind < 3:
        # Behind the last statement, locals that may not be null can be unset: those of another place are not read.
        others = [one for one in statements if _goes_anywhere(code, *one)]
        if others:
            start, end = pick(draws, others)
            return code.body[start:end]
    return [OPS["unreachable"].bare]


def _goes_anywhere(code: FuncCode, start: int, end: int) -> bool:
    piece = code.body[start:end]
    reads = (code.graph.locals[imm] for op, imm in piece if op is OPS["local.get"])
    return closed(piece) and not leaves(piece) and all(getattr(type_, "nullable", True) for type_ in reads)


def _condition(code: FuncCode, seen: Bounds | None, draws: Draws) -> list[Instr] | None:
    """One that was false whenever this place was reached; None where nothing tells."""
    if seen is None:
        return None
    choices: list[tuple[int, str, int]] = []
    for local, (least, most) in seen.locals.items():
        type_ = code.graph.locals[local]
        if type_ in (I32, I64):
            bits = type_.bits
            choices += [(local, "gt_u", most)] if most < (1 << bits) - 1 else []
            choices += [(local, "lt_u", least)] if least > 0 else []
    if not choices:
        return None
    local, word, bound = pick(draws, choices)
    type_ = code.graph.locals[local]
    return [(OPS["local.get"], local), (CONST[type_], bound), OPS[f"{type_}.{word}"].bare]  # type: ignore[index]
