"""Fuel for loops whose end is not certain any more: an ordinary global that each round takes one from."""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Instr
from wasm.module import Func, Global, Module
from wasm.valtypes import I32, FuncType, GlobalType, NumType, RefType

_BARE: Final = {name: row.bare for name, row in OPS.items()}


def add_fuel(module: Module, amount: int) -> int:
    """A new global that holds the fuel, the last one of the module; gives its index."""
    module.globals.append(Global(GlobalType(I32, True), ((OPS["i32.const"], amount),)))
    return len(module.global_types()) - 1


def fuelled(func: Func, type_: FuncType, fuel: int) -> list[tuple[int, int, int]]:
    """Make every loop of a function take fuel, and return zeros once there is none.

    Gives what moved, as (start, end, delta) in the order in which it was done.
    """
    check: list[Instr] = [(OPS["global.get"], fuel), _BARE["i32.eqz"], (OPS["if"], None)]
    check += _way_out(type_)
    check += (
        _BARE["end"], (OPS["global.get"], fuel), (OPS["i32.const"], 1), _BARE["i32.sub"], (OPS["global.set"], fuel),
    )  # fmt: skip
    moves = []
    for at in reversed([at for at, (row, _) in enumerate(func.body) if row.name == "loop"]):
        func.body[at + 1 : at + 1] = check
        moves.append((at + 1, at + 1, len(check)))
    return moves


def _way_out(type_: FuncType) -> list[Instr]:
    code: list[Instr] = []
    for result in type_.results:
        if isinstance(result, NumType):
            code.append((OPS[f"{result}.const"], 0))
        elif isinstance(result, RefType) and result.nullable:
            code.append((OPS["ref.null"], result.heap))
        else:
            return [_BARE["unreachable"]]
    return [*code, _BARE["return"]]
