"""A module with less code of the same shape: of each function only its beginning.

    block  local.get 0  i32.eqz  br_if 0  call $f  end      ->      block  local.get 0  unreachable  end  unreachable

What is cut off is replaced by ``unreachable`` in each block that is open there, which makes whatever should come of it
(spec 3.3, stack polymorphism). Such a module is for compiling, not for running.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from wasm.isa import OPS, Imm, Instr
from wasm.module import Func, Module

_CLOSES: Final = frozenset((OPS["end"], OPS["delegate"]))
_IF, _ELSE, _END = OPS["if"], OPS["else"], OPS["end"]
_NEVER: Final = OPS["unreachable"].bare


def prefix(module: Module, part: int, parts: int) -> Module:
    """A valid module's functions, each cut to ``part`` of ``parts`` of its instructions."""
    funcs = [
        Func(func.type_index, func.locals, cut(func.body, len(func.body) * part // parts)) for func in module.funcs
    ]
    return replace(module, funcs=funcs, customs=[])


def cut(body: list[Instr], count: int) -> list[Instr]:
    """The first ``count`` instructions of a body as a body; all of it where there are no more."""
    if count >= len(body):
        return body
    open_: list[bool] = []
    for op, _ in body[:count]:
        if Imm.BLOCK_TYPE in op.imms:
            open_.append(op is _IF)
        elif op is _ELSE:
            open_[-1] = False
        elif op in _CLOSES:
            open_.pop()
    made = list(body[:count])
    for needs_else in reversed(open_):
        made += [_NEVER, _ELSE.bare, _NEVER, _END.bare] if needs_else else [_NEVER, _END.bare]
    return [*made, _NEVER, _END.bare]
