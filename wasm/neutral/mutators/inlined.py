"""The body of a function in the place of a call.

    call $twice      ->      local.set 4  block (result i32)  local.get 4  local.get 4  i32.add  end

Its locals are locals of the caller, which are set to their first values each time.
"""

from __future__ import annotations

from typing import Final

from wasm.isa import OPS, Imm, Instr
from wasm.module import ExternKind, Func, Module
from wasm.neutral.draws import Draws, some
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import END, LONGEST, FuncCode, default_of, in_functions
from wasm.rewrite.index_map import local_of, with_local
from wasm.signatures_gc import defaultable
from wasm.valtypes import FuncType, ValType

WEIGHT: Final = 4
_MOST: Final = 3
_LONGEST: Final = 400
_LOCALS: Final = 64
_LEGACY: Final = ("try", "catch", "catch_all", "rethrow", "delegate")
_CALL: Final = OPS["call"]
_SET: Final = OPS["local.set"]


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Up to three calls of a function."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(code: FuncCode, draws: Draws) -> bool:
    first = len(code.module.imported(ExternKind.FUNC))
    places = [at for at, (op, imm) in enumerate(code.body) if op is _CALL and imm >= first]
    places = [at for at in places if _fits(code.module.funcs[code.body[at][1] - first])]
    types = code.module.func_types()
    for at in some(draws, places, _MOST):
        index = code.body[at][1]
        callee = code.module.funcs[index - first]
        own: list[ValType] = [*types[index].params, *(type_ for count, type_ in callee.locals for _ in range(count))]
        if code.room(len(own)) and len(code.body) < LONGEST:
            code.replace(at, at + 1, _inlined(code, callee, types[index], own))
    return code.write()


def _fits(callee: Func) -> bool:
    if len(callee.body) > _LONGEST or sum(count for count, _ in callee.locals) > _LOCALS:
        return False
    # A tail call leaves the handlers of its function; inside a block it would not.
    return not any(op.name.startswith("return_call") or op.name in _LEGACY for op, _ in callee.body)


def _inlined(code: FuncCode, callee: Func, type_: FuncType, own: list[ValType]) -> list[Instr]:
    places = [code.local(one) for one in own]
    count = len(type_.params)
    made: list[Instr] = [(_SET, places[k]) for k in reversed(range(count))]
    for place, one in zip(places[count:], own[count:], strict=True):
        if defaultable(one):
            made += [*default_of(one), (_SET, place)]
    results = type_.results
    block = None if not results else results[0] if len(results) == 1 else code.module.type_index(FuncType((), results))
    made.append((OPS["block"], block))
    depth = 0
    for instr in callee.body[:-1]:
        op, _ = instr
        if Imm.BLOCK_TYPE in op.imms:
            depth += 1
        elif op is OPS["end"]:
            depth -= 1
        local = local_of(instr)
        if op.name == "return":
            made.append((OPS["br"], depth))
        else:
            made.append(instr if local is None else with_local(instr, places[local]))
    return [*made, END]
