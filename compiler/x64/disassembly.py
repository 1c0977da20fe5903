"""Machine code as text, by whichever foreign disassembler is installed: iced-x86, else capstone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias


class Line(NamedTuple):
    """One instruction; ``target`` is the offset that a direct jump or call leads to."""

    offset: int
    size: int
    text: str
    target: int | None


Disassembler: TypeAlias = Callable[[bytes, int], Iterator[Line]]
"""Takes code and the offset that it stands at. Bytes that are no instruction come as ``(bad)`` or ``db``."""


def disassembler() -> Disassembler | None:
    """The one to use; None if neither package is installed."""
    return _iced() or _capstone()


def _iced() -> Disassembler | None:
    try:
        import iced_x86
    except ImportError:
        return None
    formatter = iced_x86.Formatter(iced_x86.FormatterSyntax.INTEL)
    formatter.space_after_operand_separator = True
    formatter.hex_prefix, formatter.hex_suffix = "0x", ""
    formatter.uppercase_hex = False
    formatter.branch_leading_zeros = False
    formatter.show_branch_size = False
    near = (iced_x86.OpKind.NEAR_BRANCH32, iced_x86.OpKind.NEAR_BRANCH64)

    def lines(code: bytes, offset: int) -> Iterator[Line]:
        for inst in iced_x86.Decoder(64, code, ip=offset):
            branches = inst.op_count > 0 and inst.op_kind(0) in near
            yield Line(inst.ip, inst.len, formatter.format(inst), inst.near_branch_target if branches else None)

    return lines


def _capstone() -> Disassembler | None:
    try:
        import capstone
    except ImportError:
        return None
    engine: Any = capstone.Cs(capstone.CS_ARCH_X86, capstone.CS_MODE_64)
    engine.detail = True
    engine.skipdata = True

    def lines(code: bytes, offset: int) -> Iterator[Line]:
        for inst in engine.disasm(code, offset):
            target = None
            if inst.id and any(inst.group(group) for group in (capstone.CS_GRP_JUMP, capstone.CS_GRP_CALL)):
                operand = inst.operands[0]
                target = operand.imm if operand.type == capstone.x86.X86_OP_IMM else None
            yield Line(inst.address, inst.size, f"{inst.mnemonic} {inst.op_str}".rstrip(), target)

    return lines
