"""Single instructions as functions of their own: what touches an item stands in one module and its result in another.

(func (result i32) i32.const 1  memory.grow)     becomes

(func (result i32) i32.const 1  call $g)  (func $g (param i32) (result i32) local.get 0  memory.grow)
"""

from __future__ import annotations

from typing import Any, Final

from generators.choices import ChoiceSource
from wasm.context import ModuleContext
from wasm.errors import Invalid
from wasm.isa import OPS, Instr, Op
from wasm.module import Func, Module
from wasm.rewrite.index_map import names_in
from wasm.rewrite.spaces import Space
from wasm.signatures import signature
from wasm.valtypes import FuncType

_ITEMS: Final = frozenset({Space.MEMORY, Space.TABLE, Space.GLOBAL})
_GROWS: Final = frozenset({OPS["memory.grow"], OPS["table.grow"]})
_CALL, _GET, _END = OPS["call"], OPS["local.get"], OPS["end"]
_APART: Final = frozenset(op for name, op in OPS.items() if name.startswith(("call", "return_call")))


def outline(module: Module, source: ChoiceSource) -> list[int]:
    """Change a module so that some of its instructions are called; the indices of the functions that are new.

    What grows is moved half of the time, what else touches an item one time in eight. No instruction changes its place.
    """
    context = ModuleContext.of(module)
    made: dict[tuple[Op, Any], int] = {}
    first = len(module.func_type_indices())
    for func in list(module.funcs):
        for at, instr in enumerate(func.body):
            op, imm = instr
            if not _touches(instr) or not (source.one_in(2) if op in _GROWS else source.one_in(8)):
                continue
            if instr not in made:
                try:
                    type_ = signature(op, imm, context)
                except Invalid:
                    continue
                if type_ is None:
                    continue
                made[instr] = first + len(made)
                params, results = type_
                index = module.type_index(FuncType(params, results))
                module.funcs.append(Func(index, [], [*((_GET, i) for i in range(len(params))), instr, (_END, None)]))
            func.body[at] = (_CALL, made[instr])
    return list(made.values())


def _touches(instr: Instr) -> bool:
    """Whether an instruction works on an item and on nothing that belongs to its module alone."""
    if instr[0] in _APART:
        return False
    spaces: set[Space] = set()
    names_in(instr, lambda space, _: spaces.add(space))
    return bool(spaces & _ITEMS) and spaces <= _ITEMS
