"""Fuel for loops whose end is not certain any more: an ordinary global that each round takes one from.

loop  ...  end      becomes

loop
  global.get $fuel  i32.eqz  if  i64.const 0  return  end      (a function that gives an i64)
  global.get $fuel  i32.const 1  i32.sub  global.set $fuel
  ...
end
"""

from __future__ import annotations

from typing import Final

from generators.mutation.editor import Move
from wasm.fragment import code, template
from wasm.isa import OPS, Instr
from wasm.module import Func, Global, Module
from wasm.valtypes import I32, FuncType, GlobalType, NumType, RefType

_AMOUNT: Final = template("i32.const $amount")
_EMPTY: Final = template("global.get $fuel  i32.eqz")
_TAKE: Final = template("global.get $fuel  i32.const 1  i32.sub  global.set $fuel")
_RETURN: Final = code("return")
_TRAP: Final = code("unreachable")


def add_fuel(module: Module, amount: int) -> int:
    """A new global that holds the fuel, the last one of the module; gives its index."""
    module.globals.append(Global(GlobalType(I32, True), _AMOUNT(amount)))
    return len(module.global_types()) - 1


def fuelled(func: Func, type_: FuncType, fuel: int) -> list[Move]:
    """Make every loop of a function take fuel, and return zeros once there is none; what moved, in order."""
    check = [*_EMPTY(fuel), (OPS["if"], None), *_way_out(type_), OPS["end"].bare, *_TAKE(fuel)]
    moves = []
    for at in reversed([at for at, (row, _) in enumerate(func.body) if row.name == "loop"]):
        func.body[at + 1 : at + 1] = check
        moves.append((at + 1, at + 1, len(check)))
    return moves


def _way_out(type_: FuncType) -> list[Instr]:
    """Return zeros and nulls; a trap where a result has no such value."""
    zeros: list[Instr] = []
    for result in type_.results:
        if isinstance(result, NumType):
            zeros.append((OPS[f"{result}.const"], 0))
        elif isinstance(result, RefType) and result.nullable:
            zeros.append((OPS["ref.null"], result.heap))
        else:
            return [*_TRAP]
    return [*zeros, *_RETURN]
