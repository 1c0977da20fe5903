"""Constant folding by the instruction table's own semantics, and identities of integer arithmetic.

    function fold -> i32
    block 0 (v0:i32)
      v1:i32 = i32.const [6]
      v2:i32 = i32.const [7]
      v3:i32 = i32.mul v1 v2
      v4:i32 = i32.const [0]
      v5:i32 = i32.add v0 v4
      branch v3 1() 2()
    block 1
      return v5
    block 2
      trap UNREACHABLE
    ; becomes
    function fold -> i32
    block 0 (v0:i32)
      v1:i32 = i32.const [6]
      v2:i32 = i32.const [7]
      v3:i32 = i32.const [42]
      v4:i32 = i32.const [0]
      jump 1()
    block 1
      return v0
    block 2
      trap UNREACHABLE

A constant row is computed by its own ``pure`` function, so folding cannot disagree with the interpreter; where that
function traps, the instruction stays and traps at run time. Identities are those that hold for every bit pattern: no
float operation has one (x - x may be a NaN). What was folded is left for ``dead`` to sweep.
"""

from __future__ import annotations

from typing import Final

from compiler.ir import Branch, BranchTable, Function, Inst, IrOp, Jump, TrapNow, ValueId
from compiler.rewrite import map_block
from wasm.isa import OPS, Op
from wasm.traps import Trap
from wasm.valtypes import I32, NumType

_CONST: Final[dict[NumType, Op]] = {
    type_: OPS[f"{type_}.const"] for row in OPS.values() for type_ in row.results or () if isinstance(type_, NumType)
}
_CONST_ROWS: Final = frozenset(_CONST.values())

_RIGHT_IDENTITY: Final[dict[str, int]] = {
    name: value
    for names, value in (
        ("add sub or xor shl shr_s shr_u rotl rotr", 0),
        ("mul div_s div_u", 1),
    )
    for name in names.split()
}
"""x op value = x, for both integer widths (div by 1 never traps)."""

_SAME: Final[dict[str, int | None]] = {"and": None, "or": None, "sub": 0, "xor": 0}
"""x op x: the constant, or x itself (None)."""


def run(func: Function) -> bool:
    """Fold until each block was seen once, in an order in which definitions mostly come before uses."""
    folder = _Folder(func)
    for index in range(len(func.blocks)):
        folder.block(index)
    if folder.replaced:
        # A block may use a value that was replaced in a later one: blocks are not in any order.
        for block in func.blocks:
            map_block(block, folder.value)
    return folder.changed


class _Folder:
    def __init__(self, func: Function) -> None:
        self.func = func
        self.changed = False
        self.constants: dict[ValueId, int] = {}
        self.replaced: dict[ValueId, ValueId] = {}
        for block in func.blocks:
            for inst in block.insts:
                if inst.op in _CONST_ROWS:
                    self.constants[inst.results[0]] = inst.imm

    def value(self, value: ValueId) -> ValueId:
        while value in self.replaced:
            value = self.replaced[value]
        return value

    def block(self, index: int) -> None:
        block = self.func.blocks[index]
        kept: list[Inst] = []
        for inst in block.insts:
            inst.args = tuple(map(self.value, inst.args))
            if inst.op in _CONST_ROWS:
                kept.append(inst)
                continue
            done = self._inst(inst)
            if done is None:
                kept.append(inst)
                continue
            self.changed = True
            kept += done
            if done and done[-1].op is _TRAPPED:
                # Everything behind a certain trap is unreachable.
                kept.pop()
                block.insts = kept
                block.terminator = TrapNow(inst.imm)
                return
        block.insts = kept
        map_block(block, self.value)
        self._terminator(index)

    def _inst(self, inst: Inst) -> list[Inst] | None:
        """What stands in the instruction's place; None to keep it; ends with ``_TRAPPED`` if it always traps."""
        if isinstance(inst.op, IrOp):
            return self._ir_op(inst, inst.op)
        known = [self.constants.get(arg) for arg in inst.args]
        if None in known:
            return self._identity(inst, inst.op, known)
        assert inst.op.pure is not None
        operands = known if inst.imm is None else [*known, inst.imm]
        try:
            computed = inst.op.pure(*operands)
        except Trap:
            return None
        values = computed if isinstance(computed, tuple) else (computed,)
        return [self._constant(result, bits) for result, bits in zip(inst.results, values, strict=True)]

    def _constant(self, result: ValueId, bits: int) -> Inst:
        self.constants[result] = bits
        return Inst(_CONST[self.func.types[result]], (), bits, (result,))

    def _identity(self, inst: Inst, op: Op, known: list[int | None]) -> list[Inst] | None:
        type_, _, name = op.name.partition(".")
        if type_ not in ("i32", "i64") or len(inst.args) != 2 or len(inst.results) != 1:
            return None
        if known[1] is not None and known[1] == _RIGHT_IDENTITY.get(name):
            return self._alias(inst, inst.args[0])
        if inst.args[0] == inst.args[1] and name in _SAME:
            constant = _SAME[name]
            return self._alias(inst, inst.args[0]) if constant is None else [self._constant(inst.results[0], constant)]
        if name in ("and", "mul") and known[1] == 0:
            return [self._constant(inst.results[0], 0)]
        return None

    def _alias(self, inst: Inst, value: ValueId) -> list[Inst]:
        self.replaced[inst.results[0]] = value
        return []

    def _ir_op(self, inst: Inst, op: IrOp) -> list[Inst] | None:
        last = self.constants.get(inst.args[-1]) if inst.args else None
        match op.name:
            case "select" if last is not None:
                return self._alias(inst, inst.args[0] if last else inst.args[1])
            case "select" if inst.args[0] == inst.args[1]:
                return self._alias(inst, inst.args[0])
            case "is_null" if last is not None:
                return [self._constant(inst.results[0], int(last == 0))]
            case "trap_if" if last is not None:
                return [Inst(_TRAPPED, ())] if last else []
            case _:
                return None

    def _terminator(self, index: int) -> None:
        block = self.func.blocks[index]
        match block.terminator:
            case Branch(condition, then, otherwise) if condition in self.constants:
                block.terminator = Jump(then if self.constants[condition] else otherwise)
                self.changed = True
            case Branch(_, then, otherwise) if then == otherwise:
                block.terminator = Jump(then)
                self.changed = True
            case BranchTable(value, targets, default) if value in self.constants:
                chosen = self.constants[value]
                block.terminator = Jump(targets[chosen] if chosen < len(targets) else default)
                self.changed = True
            case _:
                return


_TRAPPED: Final = IrOp("trapped", "trap")
"""Marks, inside this file only, that the block ends here."""

assert _CONST[I32].name == "i32.const"
