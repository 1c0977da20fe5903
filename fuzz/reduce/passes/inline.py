"""Put the body of a function that is called from one place, directly, in the place of that call.

    (module (func $f (result i32) block i32.const 4 return end i32.const 5)
      (func (export "") (result i32) call $f))

becomes, with ``block`` to stay,

    (module (func (export "") (result i32)
      block (result i32) block i32.const 4 br 1 end i32.const 5 end))
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from fuzz.reduce.contract import CODE, Edit
from fuzz.reduce.operation import Operation
from fuzz.reduce.subject import Subject
from fuzz.reduce.usage import declare_refs, items_of
from wasm.isa import OPS, Imm, Instr
from wasm.module import ExternKind, Func
from wasm.rewrite.index_map import Dangling, local_of, runs, with_local
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space
from wasm.valtypes import FuncType, ValType

TIER: Final = CODE
_CALL: Final = OPS["call"]


def edits(subject: Subject) -> list[Edit]:
    """Edits (callee, by function index): defined, called once and not by itself, and named by nothing else."""
    module = subject.module
    first = len(module.imported(ExternKind.FUNC))
    calls = Counter(imm for func in module.funcs for op, imm in func.body if op is _CALL)
    named = Counter(index for names in items_of(module).values() for space, index in names if space is Space.FUNC)
    rooted = {item.index for item in module.exports if item.kind is ExternKind.FUNC} | {module.start}
    possible = []
    for k, func in enumerate(module.funcs, first):
        recursive = any(op is _CALL and imm == k for op, imm in func.body)
        if calls[k] == named[k] == 1 and k not in rooted and not recursive:
            possible.append(Edit((k,), 4))
    return possible


def apply(subject: Subject, edits: Sequence[Edit]) -> Subject | None:
    """Inline the first callee of the edits; chains of calls make the others wait for their turn."""
    module, callee = subject.module, edits[0].what[0]
    first = len(module.imported(ExternKind.FUNC))
    caller = next(k for k, func in enumerate(module.funcs) if (_CALL, callee) in func.body)
    types = module.func_types()
    operation = Operation(subject)
    block = operation.block_type(FuncType((), types[callee].results))
    funcs = list(module.funcs)
    funcs[caller] = _merged(funcs[caller], types[first + caller], funcs[callee - first], types[callee], callee, block)
    removal = Removal()
    removal.add(Space.FUNC, callee)
    changed = remove_items(replace(module, funcs=funcs, types=operation.types), removal)
    return Subject(declare_refs(changed), subject.invocations)


def _merged(caller: Func, outer: FuncType, callee: Func, inner: FuncType, index: int, block: object) -> Func:
    locals_: list[ValType] = [type_ for count, type_ in caller.locals for _ in range(count)]
    base = len(outer.params) + len(locals_)
    locals_ += [*inner.params, *(type_ for count, type_ in callee.locals for _ in range(count))]
    at = caller.body.index((_CALL, index))
    entry: list[Instr] = [(OPS["local.set"], base + k) for k in reversed(range(len(inner.params)))]
    body = [*caller.body[:at], *entry, (OPS["block"], block), *_inside(callee.body, base), *caller.body[at + 1 :]]
    return Func(caller.type_index, runs(locals_), body)


def _inside(body: list[Instr], base: int) -> list[Instr]:
    """The callee's body, its ``end`` included: locals moved up, returns made branches to the block around it."""
    made: list[Instr] = []
    depth = 0
    for op, imm in body:
        if Imm.BLOCK_TYPE in op.imms:
            depth += 1
        elif op.name == "end":
            depth -= 1
        if op.name.startswith("return_call"):
            raise Dangling("a tail call in the callee")
        if op.name == "return":
            made.append((OPS["br"], depth))
        else:
            local = local_of((op, imm))
            made.append((op, imm) if local is None else with_local((op, imm), local + base))
    return made
