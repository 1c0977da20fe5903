"""Whether one kind of tail call alone is wrong: the same case by the two others.

    return_call $f                   ->   ref.func $f  return_call_ref $t
                                     ->   i32.const 0  return_call_indirect $own $t
    ref.func $f  return_call_ref $t  ->   return_call $f
    return_call_ref $t               ->   local.set $r  i32.const 0  local.get $r  table.set $own
                                          i32.const 0  return_call_indirect $own $t

An engine may have a way of its own for each, where the frame is left. A finding about what they share is about tail
calls, and so it is taken to be where the others could not be asked: who is called through a table is not known.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from fuzz.triage.neutral import STEPS
from fuzz.triage.readable import module_of
from fuzz.triage.tail_calls import TAIL_CALLS
from oracles.interpreter import Budget, run_case
from wasm.case import Case
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.isa import OPS, Instr, Op
from wasm.module import Elem, Func, Module, SegmentMode, Table
from wasm.valtypes import FUNCREF, FuncType, Limits, TableType, ValType

_DIRECT: Final = OPS["return_call"]
_INDIRECT: Final = OPS["return_call_indirect"]
_REF: Final = OPS["return_call_ref"]
_REF_FUNC: Final = OPS["ref.func"]
_ZERO: Final[Instr] = (OPS["i32.const"], 0)


def the_only_kind(case: Case, still_shows: Callable[[Case], bool]) -> str:
    """The row of the one kind of tail call that a case shows it with, "" where another kind shows it as well, or could
    not be asked, or the case has several."""
    module = module_of(case)
    if module is None:
        return ""
    kinds = {op for func in module.funcs for op, _ in func.body if op.name in TAIL_CALLS}
    if len(kinds) != 1:
        return ""
    (kind,) = kinds
    for other in (_DIRECT, _INDIRECT, _REF):
        changed = by_kind(case, other) if other is not kind else None
        if other is not kind and (changed is None or still_shows(changed)):
            return ""
    return kind.name


def by_kind(case: Case, kind: Op) -> Case | None:
    """The case with each tail call made by another kind; None if one cannot be, or it would not mean the same, or
    needs what the case does not have."""
    module = module_of(case)
    if module is None:
        return None
    own = len(module.table_types())
    called: list[int] = []
    """Functions in the table of our own, whose first place is for references; or those that need a reference."""
    for number, func in enumerate(module.funcs):
        changed_func = _changed(module, func, kind, own, called)
        if changed_func is None:
            return None
        module.funcs[number] = changed_func
    init = tuple(((_REF_FUNC, index),) for index in called)
    if kind is _REF:
        module.elems.append(Elem(FUNCREF, init, SegmentMode.DECLARATIVE))
    if kind is _INDIRECT:
        module.tables.append(Table(TableType(FUNCREF, Limits(1 + len(called)))))
        module.elems.append(Elem(FUNCREF, init, SegmentMode.ACTIVE, own, ((OPS["i32.const"], 1),)))
    try:
        changed = case.with_content(encode(module))
        needed = {feature.value for feature in required_features(module)}
    except (ValueError, WasmError):
        return None
    if not needed <= case.features:
        return None
    before, after = (run_case(one, None, Budget(steps=STEPS)) for one in (case, changed))
    return changed if (before.instantiation, before.outcomes) == (after.instantiation, after.outcomes) else None


def _changed(module: Module, func: Func, kind: Op, own: int, called: list[int]) -> Func | None:
    """The function by that kind; ``called`` gets what it calls by a reference, or the table of index ``own``."""
    types = module.func_type_indices()
    composite = module.flat_types()[func.type_index].composite
    assert isinstance(composite, FuncType)
    local = len(composite.params) + sum(count for count, _ in func.locals)
    made: list[Instr] = []
    spare: list[tuple[int, ValType]] = []
    for op, imm in func.body:
        if op is kind or op.name not in TAIL_CALLS:
            made.append((op, imm))
        elif op is _INDIRECT:
            return None
        elif op is _DIRECT:
            if imm not in called:
                called.append(imm)
            through_table: list[Instr] = [(OPS["i32.const"], 1 + called.index(imm)), (_INDIRECT, (types[imm], own))]
            made += [(_REF_FUNC, imm), (_REF, types[imm])] if kind is _REF else through_table
        elif kind is _DIRECT:
            if not made or made[-1][0] is not _REF_FUNC:
                return None
            made[-1] = (_DIRECT, made[-1][1])
        else:
            spare = [(1, FUNCREF)]
            made += [(OPS["local.set"], local), _ZERO, (OPS["local.get"], local), (OPS["table.set"], own),
                     _ZERO, (_INDIRECT, (imm, own))]  # fmt: skip
    return Func(func.type_index, [*func.locals, *spare], made)
