"""The same by other instructions, for rows with an effect or with a type of the stack's: no value stands for those.

    select        (func (param T T i32) (result T)  local.get 2  if (result T)  local.get 0  else  local.get 1  end)
    i32.store16   (func (param i32 i32)  load as wide  drop  store8 the first byte  store8 the second)

    br_table      one br_if for each label (``fuzz.triage.branch_tables``)

The load before a store is there for the trap: a store that traps writes nothing (spec 4.4.7). For what makes objects
and looks at them see ``fuzz.triage.equivalent_heap``, for atomic accesses ``fuzz.triage.equivalent_atomic``.
"""

from __future__ import annotations

from typing import Final

from fuzz.triage.branch_tables import BR_TABLE
from fuzz.triage.equivalent_atomic import atomic_equivalent, is_atomic
from fuzz.triage.equivalent_heap import Function, heap_equivalent, makes
from wasm.isa import ADDR, OPS, Instr, MemArg, Op
from wasm.module import Module
from wasm.rewrite.lift import ModuleGraphs
from wasm.valtypes import F32, F64, I32, I64, FuncType, NumType, ValType

SELECTS: Final = frozenset({OPS["select"], OPS["select_t"]})
_BITS: Final = {F32: (OPS["i32.reinterpret_f32"], I32), F64: (OPS["i64.reinterpret_f64"], I64)}
_STORE8: Final = {I32: OPS["i32.store8"], I64: OPS["i64.store8"]}
_LOAD: Final = {1: OPS["i64.load8_u"], 2: OPS["i64.load16_u"], 4: OPS["i64.load32_u"], 8: OPS["i64.load"]}
_SHIFT: Final = {I32: OPS["i32.shr_u"], I64: OPS["i64.shr_u"]}
_CONST: Final = {I32: OPS["i32.const"], I64: OPS["i64.const"]}


def has_equivalent(op: Op) -> bool:
    """Whether a row's instructions can be written by others."""
    return op in SELECTS or op is BR_TABLE or _is_store(op) or makes(op) or is_atomic(op)


def _is_store(op: Op) -> bool:
    plain = op.access is not None and op.access.kind == "store" and op.feature is None
    return plain and op.access is not None and op.access.bytes <= 8 and op not in _STORE8.values()


class Equivalents:
    """Makes functions that do what instructions of one module do."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.graphs = ModuleGraphs(module)

    def function(self, func: int, at: int, instr: Instr) -> Function | None:
        """A function for the instruction at a place of the ``func``-th defined function; None where there is none: in
        dead code the type of the operands may not be known."""
        op, imm = instr
        if makes(op):
            ins = self.graphs.graph(func).nodes[at].ins
            return heap_equivalent(self.graphs.context.types, instr, ins[-1].type if ins else None)
        if op in SELECTS:
            type_ = imm[0] if imm else self.graphs.graph(func).nodes[at].ins[1].type
            return None if type_ is None else _select(type_)
        assert isinstance(imm, MemArg)
        address = I64 if self.module.memory_types()[imm.memory].index64 else I32
        assert op.access is not None
        if is_atomic(op):
            return atomic_equivalent(op, imm, address)
        # The last byte's offset would not be one: it traps whatever the address is.
        too_far = imm.offset + op.access.bytes > 1 << address.bits
        return None if too_far else _store(op, imm, address)


def _select(type_: ValType) -> Function:
    body = [(OPS["local.get"], 2), (OPS["if"], type_), (OPS["local.get"], 0), OPS["else"].bare, (OPS["local.get"], 1),
            OPS["end"].bare]  # fmt: skip
    return Function(FuncType((type_, type_, I32), (type_,)), body)


def _store(op: Op, imm: MemArg, address: NumType) -> Function:
    assert op.params is not None
    assert op.access is not None
    value = op.params[1]
    assert isinstance(value, NumType)
    assert op.params[0] == ADDR
    cast, bits = _BITS.get(value, (None, value))
    width = op.access.bytes
    body: list[Instr] = [(OPS["local.get"], 0), (_LOAD[width], MemArg(0, imm.offset, imm.memory)), OPS["drop"].bare]
    for byte in range(width):
        body += [(OPS["local.get"], 0), (OPS["local.get"], 1)]
        body += [cast.bare] if cast is not None else []
        body += [(_CONST[bits], 8 * byte), _SHIFT[bits].bare] if byte else []
        body.append((_STORE8[bits], MemArg(0, imm.offset + byte, imm.memory)))
    return Function(FuncType((address, value), ()), body)
