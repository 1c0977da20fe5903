"""Memory instructions on addresses that are arithmetic themselves, called at the ends of memory.

Machines have address modes: a base, an index that is shifted, a displacement. What of an address expression fits in
one, and what wraps around where the machine's addition does not, is decided by a compiler.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from generators.enumeration.rows import immediates, operand_types, takes_address, usable
from generators.enumeration.writing import Form, Meeting, Module
from wasm.features import Feature
from wasm.fragment import Code, code
from wasm.isa import ADDR, MemArg, Op
from wasm.valtypes import NumType

_SHAPES: Final[tuple[Code, ...]] = (
    code("local.get 0"),
    *(code(f"local.get 0  local.get 1  i32.const {amount}  i32.shl  i32.add") for amount in (0, 1, 2, 3, 4)),
    *(code(f"local.get 1  i32.const {amount}  i32.shl  local.get 0  i32.add") for amount in (1, 3)),
    *(code(f"local.get 0  i32.const {value}  i32.add") for value in (-1, 1, 8, -8, 0x7FFFFFF0, -0x80000000)),
    code("local.get 0  i32.const 8  i32.sub"),
    code("local.get 0  i32.const 0xffff  i32.and"),
    code("local.get 0  i32.const 0xfff8  i32.and"),
    code("local.get 0  local.get 1  i32.add  i32.const 0xfffc  i32.and"),
    code("local.get 0  local.get 1  i32.or"),
    code("local.get 0  i64.extend_i32_u  i32.wrap_i64"),
    code("local.get 0  i64.extend_i32_s  local.get 1  i64.extend_i32_u  i64.add  i32.wrap_i64"),
    code("local.get 0  i32.const 1  i32.shl  i32.const 1  i32.shr_u"),
    code("local.get 0  local.get 1  i32.const 4  i32.mul  i32.add"),
    code("local.get 1  i32.eqz  i32.const 0  i32.lt_u  local.get 0  i32.add"),
    code("i32.const 0xfff0"),
)
_OFFSETS: Final = (0, 1, 8, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF8, 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Address:
    op: Op
    shape: int
    offset: int


@lru_cache(maxsize=8)
def addresses(features: frozenset[Feature]) -> tuple[Address, ...]:
    """Every row with an address, every shape of address, every offset."""
    rows = [op for op in usable(features) if op.access and ADDR in (op.params or ())]
    return tuple(Address(op, shape, offset) for op in rows for shape in range(len(_SHAPES)) for offset in _OFFSETS)


def write_address(module: Module, number: int, item: Address) -> None:
    """The function of an address form, with its number in the list. Parameter 1 is an index; both are small, at the end
    of memory less the offset, or at the other end of 32 bits."""
    meeting = Meeting(module, f"a{number}", number + module.variation)
    op = item.op
    types = operand_types(op)
    meeting.params.append(types[0])
    for position, type_ in enumerate(types):
        if takes_address(op, position):
            meeting.write(*_SHAPES[item.shape])
        else:
            meeting.operand(type_, Form.CONSTANT if number % 2 else Form.PARAM)
    imm = immediates(op, number)
    memarg = imm if isinstance(imm, MemArg) else imm[0]
    placed = MemArg(memarg.align, item.offset, 0)
    meeting.widest = op.access.bytes if op.access is not None else 1
    meeting.write((op, placed if isinstance(imm, MemArg) else (placed, *imm[1:])))
    meeting.shift = item.offset
    meeting.finish([t for t in op.results or () if isinstance(t, NumType)])
