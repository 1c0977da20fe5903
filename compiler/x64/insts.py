"""The x86-64 instructions that lowering uses. Suffixes: 32 and 64 are operand widths; ss, sd, ps, pd as in the manuals.

Baseline: SSE4.2 and POPCNT (x86-64-v2), which every machine since 2009 has; a worker checks it once.
"""

from __future__ import annotations

from typing import Final

from compiler.x64.row import ROWS, Row, row

CONDITIONS: Final = ("o", "no", "b", "ae", "e", "ne", "be", "a", "s", "ns", "p", "np", "l", "ge", "le", "g")
"""Condition codes in encoding order."""


def _alu() -> None:
    names = ("add", "or", "adc", "sbb", "and", "sub", "xor", "cmp")
    for i, name in enumerate(names):
        first = "r" if name == "cmp" else "rw"
        for bits, w in ((32, ""), (64, "W ")):
            row(f"{name}{bits}", f"{first}:r{bits} r:rm{bits}", f"{w}{8 * i + 3:02X} /r")
            row(f"{name}{bits}_i8", f"{first}:r{bits}", f"{w}83 /{i} ib")
            row(f"{name}{bits}_i32", f"{first}:r{bits}", f"{w}81 /{i} id")
    for bits, w in ((32, ""), (64, "W ")):
        row(f"test{bits}", f"r:rm{bits} r:r{bits}", f"{w}85 /r")
        row(f"test{bits}_i32", f"r:r{bits}", f"{w}F7 /0 id")
        row(f"imul{bits}", f"rw:r{bits} r:rm{bits}", f"{w}0F AF /r")
        row(f"imul{bits}_i32", f"w:r{bits} r:rm{bits}", f"{w}69 /r id")
        row(f"not{bits}", f"rw:r{bits}", f"{w}F7 /2")
        row(f"neg{bits}", f"rw:r{bits}", f"{w}F7 /3")
        # The one-operand forms take and give rdx:rax; lowering adds the fixed operands, emission the bytes.
        row(f"mul{bits}", f"r:rm{bits}", f"{w}F7 /4")
        row(f"imul1_{bits}", f"r:rm{bits}", f"{w}F7 /5")
        row(f"div{bits}", f"r:rm{bits}", f"{w}F7 /6")
        row(f"idiv{bits}", f"r:rm{bits}", f"{w}F7 /7")
        row(f"cdq{bits}", "", f"{w}99")
        for digit, name in ((0, "rol"), (1, "ror"), (4, "shl"), (5, "shr"), (7, "sar")):
            row(f"{name}{bits}", f"rw:r{bits} r:rcx", f"{w}D3 /{digit}")
            row(f"{name}{bits}_i", f"rw:r{bits}", f"{w}C1 /{digit} ib")
        row(f"popcnt{bits}", f"w:r{bits} r:rm{bits}", f"F3 {w}0F B8 /r")
        row(f"bsf{bits}", f"w:r{bits} r:rm{bits}", f"{w}0F BC /r")
        row(f"bsr{bits}", f"w:r{bits} r:rm{bits}", f"{w}0F BD /r")
        for code, condition in enumerate(CONDITIONS):
            row(f"cmov{condition}{bits}", f"rw:r{bits} r:rm{bits}", f"{w}0F {0x40 + code:02X} /r")
        row(f"movzx8_{bits}", f"w:r{bits} r:rm8", f"{w}0F B6 /r")
        row(f"movzx16_{bits}", f"w:r{bits} r:rm16", f"{w}0F B7 /r")
        row(f"movsx8_{bits}", f"w:r{bits} r:rm8", f"{w}0F BE /r")
        row(f"movsx16_{bits}", f"w:r{bits} r:rm16", f"{w}0F BF /r")
    row("movsxd64", "w:r64 r:rm32", "W 63 /r")
    for code, condition in enumerate(CONDITIONS):
        row(f"set{condition}", "w:r8", f"0F {0x90 + code:02X} /0")


def _moves() -> None:
    for bits, w in ((32, ""), (64, "W ")):
        row(f"mov{bits}", f"w:r{bits} r:rm{bits}", f"{w}8B /r")
        row(f"mov{bits}_load", f"w:r{bits} r:m", f"{w}8B /r")
        row(f"mov{bits}_store", f"r:m r:r{bits}", f"{w}89 /r")
        row(f"mov{bits}_store_i32", "r:m", f"{w}C7 /0 id")
        row(f"lea{bits}", f"w:r{bits} r:m", f"{w}8D /r")
        for size in (8, 16):
            code = "B6" if size == 8 else "B7"
            row(f"movzx{size}_{bits}_load", f"w:r{bits} r:m", f"{w}0F {code} /r")
            code = "BE" if size == 8 else "BF"
            row(f"movsx{size}_{bits}_load", f"w:r{bits} r:m", f"{w}0F {code} /r")
        row(f"cmp{bits}_load", f"r:r{bits} r:m", f"{w}3B /r")
        row(f"add{bits}_load", f"rw:r{bits} r:m", f"{w}03 /r")
        row(f"sub{bits}_store", f"r:m r:r{bits}", f"{w}29 /r")
        row(f"sub{bits}_store_i32", "r:m", f"{w}81 /5 id")
        row(f"cmp{bits}_load_i32", "r:m", f"{w}81 /7 id")
    row("movsxd64_load", "w:r64 r:m", "W 63 /r")
    row("mov8_store", "r:m r:r8", "88 /r")
    row("mov16_store", "r:m r:r16", "66 89 /r")
    row("mov32_imm", "w:r32", "B8 +r id")
    row("mov64_imm32", "w:r64", "W C7 /0 id")
    row("mov64_imm64", "w:r64", "W B8 +r io")
    row("push", "r:r64", "50 +r")
    row("pop", "w:r64", "58 +r")
    row("xchg64", "rw:rm64 rw:r64", "W 87 /r")


def _control() -> None:
    """Branches to labels are written by the code buffer (``compiler.emit``); these take a place or nothing."""
    row("call_reg", "r:rm64", "FF /2")
    row("call_load", "r:m", "FF /2")
    row("jmp_reg", "r:rm64", "FF /4")
    row("jmp_load", "r:m", "FF /4")
    row("ret", "", "C3")
    row("ret_pop", "", "C2 iw")
    row("ud2", "", "0F 0B")


def _float_moves() -> None:
    row("movss", "rw:x r:x", "F3 0F 10 /r")
    row("movsd", "rw:x r:x", "F2 0F 10 /r")
    row("movaps", "w:x r:xm128", "0F 28 /r")
    row("movaps_store", "r:m r:x", "0F 29 /r")
    row("movss_load", "w:x r:m", "F3 0F 10 /r")
    row("movss_store", "r:m r:x", "F3 0F 11 /r")
    row("movsd_load", "w:x r:m", "F2 0F 10 /r")
    row("movsd_store", "r:m r:x", "F2 0F 11 /r")
    row("movdqu_load", "w:x r:m", "F3 0F 6F /r")
    row("movdqu_store", "r:m r:x", "F3 0F 7F /r")
    row("movd_to_x", "w:x r:rm32", "66 0F 6E /r")
    row("movq_to_x", "w:x r:rm64", "66 W 0F 6E /r")
    row("movq_x", "w:x r:xm64", "F3 0F 7E /r")
    row("movq_load", "w:x r:m", "F3 0F 7E /r")
    row("movhlps", "rw:x r:x", "0F 12 /r")
    row("movlhps", "rw:x r:x", "0F 16 /r")
    row("movddup", "w:x r:xm64", "F2 0F 12 /r")


def _float_arithmetic() -> None:
    two = (("sqrt", "51", "w"), ("add", "58", "rw"), ("mul", "59", "rw"), ("sub", "5C", "rw"))
    more = (("min", "5D", "rw"), ("div", "5E", "rw"), ("max", "5F", "rw"))
    for name, code, access in (*two, *more):
        for suffix, prefix, size in (("ss", "F3 ", 32), ("sd", "F2 ", 64), ("ps", "", 128), ("pd", "66 ", 128)):
            row(f"{name}{suffix}", f"{access}:x r:xm{size}", f"{prefix}0F {code} /r")
    for name, code in (("and", "54"), ("andn", "55"), ("or", "56"), ("xor", "57")):
        row(f"{name}ps", "rw:x r:xm128", f"0F {code} /r")
        row(f"{name}pd", "rw:x r:xm128", f"66 0F {code} /r")
    row("ucomiss", "r:x r:xm32", "0F 2E /r")
    row("ucomisd", "r:x r:xm64", "66 0F 2E /r")
    for suffix, prefix, size in (("ss", "F3 ", 32), ("sd", "F2 ", 64), ("ps", "", 128), ("pd", "66 ", 128)):
        row(f"cmp{suffix}", f"rw:x r:xm{size}", f"{prefix}0F C2 /r ib")
    for code, suffix, size in (("0A", "ss", 32), ("0B", "sd", 64), ("08", "ps", 128), ("09", "pd", 128)):
        row(f"round{suffix}", f"w:x r:xm{size}", f"66 0F 3A {code} /r ib")
    row("cvtss2sd", "w:x r:xm32", "F3 0F 5A /r")
    row("cvtsd2ss", "w:x r:xm64", "F2 0F 5A /r")
    for suffix, prefix, size in (("ss", "F3 ", 32), ("sd", "F2 ", 64)):
        for bits, w in ((32, ""), (64, "W ")):
            row(f"cvtsi2{suffix}_{bits}", f"rw:x r:rm{bits}", f"{prefix}{w}0F 2A /r")
            row(f"cvtt{suffix}2si_{bits}", f"w:r{bits} r:xm{size}", f"{prefix}{w}0F 2C /r")
    row("cvtps2pd", "w:x r:xm64", "0F 5A /r")
    row("cvtpd2ps", "w:x r:xm128", "66 0F 5A /r")
    row("cvtdq2ps", "w:x r:xm128", "0F 5B /r")
    row("cvttps2dq", "w:x r:xm128", "F3 0F 5B /r")
    row("cvtdq2pd", "w:x r:xm64", "F3 0F E6 /r")
    row("cvttpd2dq", "w:x r:xm128", "66 0F E6 /r")
    row("unpcklps", "rw:x r:xm128", "0F 14 /r")
    row("unpcklpd", "rw:x r:xm128", "66 0F 14 /r")
    row("unpckhpd", "rw:x r:xm128", "66 0F 15 /r")
    row("shufps", "rw:x r:xm128", "0F C6 /r ib")
    row("shufpd", "rw:x r:xm128", "66 0F C6 /r ib")
    row("movmskps", "w:r32 r:x", "0F 50 /r")
    row("movmskpd", "w:r32 r:x", "66 0F 50 /r")


_PACKED: Final = """
60 punpcklbw  61 punpcklwd  62 punpckldq  63 packsswb  64 pcmpgtb  65 pcmpgtw  66 pcmpgtd  67 packuswb
68 punpckhbw  69 punpckhwd  6A punpckhdq  6B packssdw  6C punpcklqdq  6D punpckhqdq
74 pcmpeqb  75 pcmpeqw  76 pcmpeqd
D1 psrlw  D2 psrld  D3 psrlq  D4 paddq  D5 pmullw  D8 psubusb  D9 psubusw  DA pminub  DB pand  DC paddusb  DD paddusw
DE pmaxub  DF pandn  E0 pavgb  E1 psraw  E2 psrad  E3 pavgw  E4 pmulhuw  E5 pmulhw  E8 psubsb  E9 psubsw  EA pminsw
EB por  EC paddsb  ED paddsw  EE pmaxsw  EF pxor  F1 psllw  F2 pslld  F3 psllq  F4 pmuludq  F5 pmaddwd
F8 psubb  F9 psubw  FA psubd  FB psubq  FC paddb  FD paddw  FE paddd
"""
"""Two-operand packed integer instructions of 66 0F."""

_PACKED_38: Final = """
00 pshufb  01 phaddw  02 phaddd  04 pmaddubsw  0B pmulhrsw  28 pmuldq  29 pcmpeqq  2B packusdw  37 pcmpgtq
38 pminsb  39 pminsd  3A pminuw  3B pminud  3C pmaxsb  3D pmaxsd  3E pmaxuw  3F pmaxud  40 pmulld
"""
"""The same of 66 0F 38."""


def _packed() -> None:
    for table, escape in ((_PACKED, "0F"), (_PACKED_38, "0F 38")):
        words = table.split()
        for code, name in zip(words[::2], words[1::2], strict=True):
            row(name, "rw:x r:xm128", f"66 {escape} {code} /r")
    for code, name in (("1C", "pabsb"), ("1D", "pabsw"), ("1E", "pabsd")):
        row(name, "w:x r:xm128", f"66 0F 38 {code} /r")
    extends = ("bw", "bd", "bq", "wd", "wq", "dq")
    for i, name in enumerate(extends):
        if name in ("bw", "wd", "dq"):
            row(f"pmovsx{name}", "w:x r:xm64", f"66 0F 38 {0x20 + i:02X} /r")
            row(f"pmovzx{name}", "w:x r:xm64", f"66 0F 38 {0x30 + i:02X} /r")
            row(f"pmovsx{name}_load", "w:x r:m", f"66 0F 38 {0x20 + i:02X} /r")
            row(f"pmovzx{name}_load", "w:x r:m", f"66 0F 38 {0x30 + i:02X} /r")
    row("ptest", "r:x r:xm128", "66 0F 38 17 /r")
    row("pmovmskb", "w:r32 r:x", "66 0F D7 /r")
    row("pshufd", "w:x r:xm128", "66 0F 70 /r ib")
    row("pshuflw", "w:x r:xm128", "F2 0F 70 /r ib")
    row("pshufhw", "w:x r:xm128", "F3 0F 70 /r ib")
    row("palignr", "rw:x r:xm128", "66 0F 3A 0F /r ib")
    row("pblendw", "rw:x r:xm128", "66 0F 3A 0E /r ib")
    row("insertps", "rw:x r:xm32", "66 0F 3A 21 /r ib")
    for name, code, digit in (
        ("psrlw", "71", 2), ("psraw", "71", 4), ("psllw", "71", 6), ("psrld", "72", 2), ("psrad", "72", 4),
        ("pslld", "72", 6), ("psrlq", "73", 2), ("psrldq", "73", 3), ("psllq", "73", 6), ("pslldq", "73", 7),
    ):  # fmt: skip
        row(f"{name}_i", "rw:x", f"66 0F {code} /{digit} ib")
    row("pinsrb", "rw:x r:rm32", "66 0F 3A 20 /r ib")
    row("pinsrw", "rw:x r:rm32", "66 0F C4 /r ib")
    row("pinsrd", "rw:x r:rm32", "66 0F 3A 22 /r ib")
    row("pinsrq", "rw:x r:rm64", "66 W 0F 3A 22 /r ib")


def _reversed() -> None:
    """Forms whose ModRM.rm is the written integer register and whose ModRM.reg is the vector that is read."""
    row("movd_from_x", "w:rm32 r:x", "66 0F 7E /r")
    row("movq_from_x", "w:rm64 r:x", "66 W 0F 7E /r")
    row("pextrb", "w:rm32 r:x", "66 0F 3A 14 /r ib")
    row("pextrw", "w:rm32 r:x", "66 0F 3A 15 /r ib")
    row("pextrd", "w:rm32 r:x", "66 0F 3A 16 /r ib")
    row("pextrq", "w:rm64 r:x", "66 W 0F 3A 16 /r ib")


_alu()
_moves()
_control()
_float_moves()
_float_arithmetic()
_packed()
_reversed()

__all__ = ["CONDITIONS", "ROWS", "Row"]
