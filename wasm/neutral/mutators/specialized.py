"""Code for one value of a local, and the same code for all others.

    local.get 0  i32.clz      ->      local.get 0  i32.const 7  i32.eq  if (result i32)  i32.const 7  i32.clz
                                      else  local.get 0  i32.clz  end

The value is one that was seen there, so that both are used: what the compiler computes, and the code that it makes.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.module import Module
from wasm.neutral.draws import Draws, pick, some
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import CONST, ELSE, END, FuncCode, in_functions, raised, written_in
from wasm.valtypes import I32, I64, ValType

WEIGHT: Final = 4
_MOST: Final = 4
_LONGEST: Final = 100
_CORNERS: Final = (0, 1, -1, 2, 31, 63)
_GET: Final = OPS["local.get"]


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:
    """Up to four values or statements of a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws, facts), most=2)


def _edited(code: FuncCode, draws: Draws, facts: Facts) -> bool:
    fitting = [
        one
        for one in code.pieces(least=2)
        if one[1] - one[0] <= _LONGEST and code.plain(one[0], one[1]) and _read(code, one)
    ]
    chosen = some(draws, fitting, _MOST)
    seen = facts([(code.number, start) for start, _, _ in chosen]) or {}
    for start, end, type_ in chosen:
        local = pick(draws, _read(code, (start, end, type_)))
        own = code.graph.locals[local]
        bits = 32 if own is I32 else 64
        known = seen[code.number, start].locals.get(local) if (code.number, start) in seen else None
        value = pick(draws, known if known is not None else _CORNERS) & (1 << bits) - 1
        inside = raised(code.body[start:end])
        if inside is None:
            continue
        constant: Instr = (CONST[I32 if own is I32 else I64], value)
        special = [constant if one == (_GET, local) else one for one in inside]
        test = [(_GET, local), constant, OPS[f"{own}.eq"].bare, (OPS["if"], type_)]
        code.replace(start, end, [*test, *special, ELSE, *inside, END])
    return code.write()


def _read(code: FuncCode, piece: tuple[int, int, ValType | None]) -> list[int]:
    """The i32 and i64 locals that a piece reads and does not set."""
    body = code.body[piece[0] : piece[1]]
    written = written_in(body)
    read = dict.fromkeys(imm for op, imm in body if op is _GET)
    return [one for one in read if code.graph.locals[one] in (I32, I64) and one not in written]
