"""Emission of instructions that are no single row: calls, branches, frame accesses, and short fixed sequences."""

from __future__ import annotations

from collections.abc import Callable

from compiler.abi import CALLEE, FTEMP, RDX, SCRATCH, TEMP
from compiler.helper_table import number
from compiler.layout import ARGS, CAUGHT, FUEL, STATUS_FUEL
from compiler.machine import Allocation, ConstraintKind, MachineInst, Move, OperandKind, PReg
from compiler.x64.emission import (
    Emitter,
    Found,
    definitions,
    emits,
    hw,
)
from compiler.x64.encode import RBP, RSP, Mem
from wasm.traps import TrapKind
from wasm.valtypes import I64, V128, NumType


@emits("args")
def _args(_e: Emitter, _inst: MachineInst, _found: Found) -> None:
    return


@emits("load_arg")
def _load_arg(e: Emitter, inst: MachineInst, found: Found) -> None:
    type_, offset = inst.imm
    e.load(type_, found[0], Mem(RBP, 16 + offset))


@emits("adjust_sp")
def _adjust_sp(e: Emitter, inst: MachineInst, _found: Found) -> None:
    e.asm("lea64", RSP, Mem(RSP, -inst.imm))


@emits("store_arg", "stage_arg")
def _store_arg(e: Emitter, inst: MachineInst, found: Found) -> None:
    """Staged arguments lie at the frame's bottom, which is where sp points when nothing else was pushed."""
    type_, offset = inst.imm
    e.store(type_, Mem(RSP, offset), found[0])


@emits("store_result")
def _store_result(e: Emitter, inst: MachineInst, found: Found) -> None:
    type_, offset = inst.imm
    e.store(type_, Mem(hw(found[0]), offset), found[1])


@emits("area_pointer")
def _area_pointer(e: Emitter, _inst: MachineInst, found: Found) -> None:
    e.asm("lea64", hw(found[0]), e.area_at(0))


@emits("move")
def _move(e: Emitter, inst: MachineInst, found: Found) -> None:
    if found[0] != found[1]:
        e.move(Move(found[1], found[0], inst.imm))


@emits("constant")
def _constant(e: Emitter, inst: MachineInst, found: Found) -> None:
    type_, bits = inst.imm
    assert isinstance(found[0], PReg)
    e.constant(type_, found[0], bits)


@emits("return")
def _return(e: Emitter, inst: MachineInst, _found: Found) -> None:
    e.asm("mov64", RSP, RBP)
    e.asm("pop", RBP)
    if inst.imm:
        _pop_and_return(e, inst.imm)
    else:
        e.asm("ret")


def _pop_and_return(e: Emitter, size: int) -> None:
    """``ret n`` takes 16 bits; a longer argument list is dropped by hand."""
    if size < 1 << 16:
        e.asm("ret_pop", imm=size)
        return
    e.asm("pop", SCRATCH.hw)
    e.asm("lea64", RSP, Mem(RSP, size))
    e.asm("jmp_reg", SCRATCH.hw)


@emits("jmp")
def _jmp(e: Emitter, inst: MachineInst, _found: Found) -> None:
    assert inst.edges is not None
    target = inst.edges[0].block
    if not e.next_is(target):
        e.jump(e.labels[target])


@emits("trap")
def _trap(e: Emitter, inst: MachineInst, _found: Found) -> None:
    e.buffer.trap_site(inst.imm.name)
    e.jump(e.trap_label(inst.imm))


@emits("trap_if")
def _trap_if(e: Emitter, inst: MachineInst, _found: Found) -> None:
    condition, kind = inst.imm
    e.buffer.trap_site(kind.name)
    e.jump(e.trap_label(kind), condition)


@emits("jcc")
def _jcc(e: Emitter, inst: MachineInst, _found: Found) -> None:
    assert inst.edges is not None
    condition, inverse = inst.imm
    then, otherwise = (edge.block for edge in inst.edges)
    if e.next_is(then) and inverse is not None:
        e.jump(e.labels[otherwise], inverse)
        return
    e.jump(e.labels[then], condition)
    if not e.next_is(otherwise):
        e.jump(e.labels[otherwise])


@emits("br_table")
def _br_table(e: Emitter, inst: MachineInst, found: Found) -> None:
    """An index past the table takes the last entry. Entries are distances from the table's start."""
    assert inst.edges is not None
    labels = [e.labels[inst.edges[edge].block] for edge in inst.imm]
    e.asm("mov32", TEMP.hw, hw(found[0]))
    e.asm("cmp32_i32", TEMP.hw, imm=len(labels) - 1)
    e.jump(labels[-1], "ae")
    table = e.buffer.label()
    e.buffer.code += b"\x4c\x8d\x1d"  # lea r11, [rip + table]
    e.buffer.rel32(table)
    e.asm("movsxd64_load", TEMP.hw, Mem(SCRATCH.hw, 0, TEMP.hw, 4))
    e.asm("add64", TEMP.hw, SCRATCH.hw)
    e.asm("jmp_reg", TEMP.hw)
    e.buffer.place(table)
    base = len(e.buffer.code)
    for label in labels[:-1]:
        e.buffer.rel32(label, base)


@emits("call")
def _call(e: Emitter, inst: MachineInst, found: Found) -> None:
    imm = inst.imm
    if imm.target is None:
        e.asm("call_reg", CALLEE.hw)
    else:
        e.buffer.code.append(0xE8)
        e.buffer.reloc("call", imm.target)
    _protect(e, inst, imm.handlers)
    memory = [
        place
        for operand, place in zip(inst.operands, found, strict=True)
        if operand.kind is OperandKind.DEF and operand.constraint.kind is not ConstraintKind.FIXED
    ]
    for (type_, offset), place in zip(imm.loads, memory, strict=True):
        e.load(type_, place, e.area_at(offset))
    _go_on(e, inst)


def _protect(e: Emitter, inst: MachineInst, handlers: tuple[int | None, ...] | None) -> None:
    """Note where the handlers of the call just written begin: a landing puts sp back first."""
    if handlers is None:
        return
    assert inst.edges is not None
    landings = []
    for tag, edge in zip(handlers, inst.edges[1:], strict=True):
        label = e.buffer.label()
        landings.append((tag, label))
        e.stubs.append((label, _landing(e, e.labels[edge.block])))
    e.buffer.call_site(tuple(landings))


def _landing(e: Emitter, block: int) -> Callable[[], None]:
    def write() -> None:
        e.asm("lea64", RSP, Mem(RBP, -e.frame))
        e.jump(block)

    return write


def _go_on(e: Emitter, inst: MachineInst) -> None:
    """A protected call that returned goes on at its normal edge."""
    if inst.edges and not e.next_is(inst.edges[0].block):
        e.jump(e.labels[inst.edges[0].block])


@emits("helper")
def _helper(e: Emitter, inst: MachineInst, found: Found) -> None:
    request, params, results, handlers = inst.imm
    runtime = e.runtime()
    for i, type_ in enumerate(params):
        _store_whole(e, type_, runtime._replace(disp=ARGS + 16 * i), found[1 + i])
    e.call_thunk(number(request))
    _protect(e, inst, handlers)
    if results:
        runtime = e.runtime()
    for i, (type_, place) in enumerate(zip(results, definitions(inst, found), strict=True)):
        e.load(type_, place, runtime._replace(disp=ARGS + 16 * i))
    _go_on(e, inst)


def _store_whole(e: Emitter, type_: NumType, target: Mem, source: Allocation) -> None:
    """Into a mailbox slot: zero above the value's width, so that the slot's bytes can be compared."""
    if type_ is not V128:
        e.asm("mov64_store_i32", target, imm=0)
        e.asm("mov64_store_i32", target._replace(disp=target.disp + 8), imm=0)
    e.store(type_, target, source)


@emits("tail_call")
def _tail_call(e: Emitter, inst: MachineInst, _found: Found) -> None:
    """Copy the staged arguments to where this function's own end, put back rbp, and jump with the old return address.

    The staged bytes lie wholly below their targets (``Emitter.frame`` makes room), so any order of copying is right.
    """
    imm = inst.imm
    start = 16 + imm.popped - imm.staged
    e.asm("mov64_load", TEMP.hw, Mem(RBP, 8))
    e.asm("mov64_load", SCRATCH.hw, Mem(RBP))
    for offset in range(0, imm.staged, 16):
        e.asm("movdqu_load", FTEMP.hw, Mem(RSP, offset))
        e.asm("movdqu_store", Mem(RBP, start + offset), FTEMP.hw)
    e.asm("lea64", RSP, Mem(RBP, start - 8))
    e.asm("mov64_store", Mem(RSP), TEMP.hw)
    e.asm("mov64", RBP, SCRATCH.hw)
    if imm.target is None:
        e.asm("jmp_reg", CALLEE.hw)
    else:
        e.buffer.code.append(0xE9)
        e.buffer.reloc("call", imm.target)


@emits("fuel")
def _fuel(e: Emitter, inst: MachineInst, _found: Found) -> None:
    runtime = e.runtime()
    e.asm("sub64_store_i32", runtime._replace(disp=FUEL), imm=inst.imm)
    e.jump(e.leave_label(STATUS_FUEL), "s")


@emits("caught")
def _caught(e: Emitter, _inst: MachineInst, found: Found) -> None:
    e.load(I64, found[0], e.runtime()._replace(disp=CAUGHT))


# Short sequences of integer arithmetic.


@emits("setcc")
def _setcc(e: Emitter, inst: MachineInst, found: Found) -> None:
    e.asm(f"set{inst.imm}", hw(found[0]))
    e.asm("movzx8_32", hw(found[0]), hw(found[0]))


@emits("check_overflow")
def _check_overflow(e: Emitter, inst: MachineInst, found: Found) -> None:
    """The least number divided by -1 (spec 4.3.2, idiv_s)."""
    bits = inst.imm
    fine = e.buffer.label()
    e.asm(f"cmp{bits}_i8", hw(found[1]), imm=-1)
    e.jump(fine, "ne")
    e.asm("mov64_imm64", TEMP.hw, imm=1 << bits - 1)
    e.asm(f"cmp{bits}", hw(found[0]), TEMP.hw)
    e.buffer.trap_site(TrapKind.INT_OVERFLOW.name)
    e.jump(e.trap_label(TrapKind.INT_OVERFLOW), "e")
    e.buffer.place(fine)


@emits("divide")
def _divide(e: Emitter, inst: MachineInst, found: Found) -> None:
    name, bits = inst.imm
    divisor = hw(found[1])
    if name.endswith("_u"):
        e.asm("xor32", RDX.hw, RDX.hw)
        e.asm(f"div{bits}", divisor)
        return
    done = e.buffer.label()
    if name == "rem_s":
        # idiv faults on the least number by -1, whose remainder is 0.
        plain = e.buffer.label()
        e.asm(f"cmp{bits}_i8", divisor, imm=-1)
        e.jump(plain, "ne")
        e.asm("xor32", RDX.hw, RDX.hw)
        e.jump(done)
        e.buffer.place(plain)
    e.asm(f"cdq{bits}")
    e.asm(f"idiv{bits}", divisor)
    e.buffer.place(done)


@emits("clz")
def _clz(e: Emitter, inst: MachineInst, found: Found) -> None:
    """bsr leaves its target undefined for 0: take 2 * bits - 1, which the last step turns into bits."""
    bits = inst.imm
    e.asm("mov32_imm", TEMP.hw, imm=2 * bits - 1)
    e.asm(f"bsr{bits}", SCRATCH.hw, hw(found[0]))
    e.asm(f"cmove{bits}", SCRATCH.hw, TEMP.hw)
    e.asm(f"mov{bits}", hw(found[1]), SCRATCH.hw)
    e.asm(f"xor{bits}_i8", hw(found[1]), imm=bits - 1)


@emits("ctz")
def _ctz(e: Emitter, inst: MachineInst, found: Found) -> None:
    bits = inst.imm
    e.asm("mov32_imm", TEMP.hw, imm=bits)
    e.asm(f"bsf{bits}", SCRATCH.hw, hw(found[0]))
    e.asm(f"cmove{bits}", SCRATCH.hw, TEMP.hw)
    e.asm(f"mov{bits}", hw(found[1]), SCRATCH.hw)


@emits("mul_wide")
def _mul_wide(e: Emitter, inst: MachineInst, found: Found) -> None:
    e.asm("imul1_64" if inst.imm else "mul64", hw(found[1]))


@emits("select_x")
def _select_x(e: Emitter, _inst: MachineInst, found: Found) -> None:
    """Operands: condition, otherwise (tied to the result), then."""
    done = e.buffer.label()
    e.asm("test32", hw(found[0]), hw(found[0]))
    e.jump(done, "e")
    e.asm("movaps", hw(found[3]), hw(found[2]))
    e.buffer.place(done)


# Short sequences of floating point.


@emits("set_float_eq")
def _set_float_eq(e: Emitter, inst: MachineInst, found: Found) -> None:
    """ucomis has just run: equal is zero and no parity; a NaN sets all three flags."""
    result = hw(found[0])
    eq = inst.imm == "eq"
    e.asm("sete" if eq else "setne", result)
    e.asm("setnp" if eq else "setp", TEMP.hw)
    e.asm("and32" if eq else "or32", result, TEMP.hw)
    e.asm("movzx8_32", result, result)


@emits("fminmax")
def _fminmax(e: Emitter, inst: MachineInst, found: Found) -> None:
    """minss and maxss take the second operand for NaNs and for zeros; the spec wants a NaN and the zero by sign."""
    suffix, name = inst.imm
    result, other = hw(found[2]), hw(found[1])
    unequal, nan, done = e.buffer.label(), e.buffer.label(), e.buffer.label()
    e.asm(f"ucomi{suffix}", result, other)
    e.jump(nan, "p")
    e.jump(unequal, "ne")
    e.asm("orps" if name == "min" else "andps", result, other)
    e.jump(done)
    e.buffer.place(nan)
    e.asm(f"add{suffix}", result, other)
    e.jump(done)
    e.buffer.place(unequal)
    e.asm(f"{name}{suffix}", result, other)
    e.buffer.place(done)


@emits("convert_u64")
def _convert_u64(e: Emitter, inst: MachineInst, found: Found) -> None:
    """From 2^63 on: halve with the lowest bit kept as a sticky bit, convert, double."""
    suffix = inst.imm
    value, result = hw(found[0]), hw(found[2])
    big, done = e.buffer.label(), e.buffer.label()
    e.asm("test64", value, value)
    e.jump(big, "s")
    e.asm(f"cvtsi2{suffix}_64", result, value)
    e.jump(done)
    e.buffer.place(big)
    e.asm("mov64", TEMP.hw, value)
    e.asm("shr64_i", TEMP.hw, imm=1)
    e.asm("mov32", SCRATCH.hw, value)
    e.asm("and32_i8", SCRATCH.hw, imm=1)
    e.asm("or64", TEMP.hw, SCRATCH.hw)
    e.asm(f"cvtsi2{suffix}_64", result, TEMP.hw)
    e.asm(f"add{suffix}", result, result)
    e.buffer.place(done)


def _two_63(e: Emitter, suffix: str) -> None:
    """2^63 into the temporary vector register."""
    e.asm("mov64_imm64", TEMP.hw, imm=0x5F000000 if suffix == "ss" else 0x43E0000000000000)
    e.asm("movq_to_x", FTEMP.hw, TEMP.hw)


@emits("trunc_u64")
def _trunc_u64(e: Emitter, inst: MachineInst, found: Found) -> None:
    _truncate_u64(e, inst.imm, hw(found[0]), hw(found[1]))


def _truncate_u64(e: Emitter, suffix: str, value: int, result: int) -> None:
    """The value is known to lie in range: from 2^63 on, subtract that, convert, set the top bit."""
    big, done = e.buffer.label(), e.buffer.label()
    _two_63(e, suffix)
    e.asm(f"ucomi{suffix}", value, FTEMP.hw)
    e.jump(big, "ae")
    e.asm(f"cvtt{suffix}2si_64", result, value)
    e.jump(done)
    e.buffer.place(big)
    # value - 2^63 without touching the value: both are in the top half, so -(2^63 - value) is exact as well.
    e.asm(f"sub{suffix}", FTEMP.hw, value)
    e.asm(f"cvtt{suffix}2si_64", result, FTEMP.hw)
    e.asm("neg64", result)
    e.asm("mov64_imm64", TEMP.hw, imm=1 << 63)
    e.asm("xor64", result, TEMP.hw)
    e.buffer.place(done)


@emits("trunc_sat")
def _trunc_sat(e: Emitter, inst: MachineInst, found: Found) -> None:
    """NaN gives 0, what is out of range the nearest bound (spec 4.3.3, trunc_sat)."""
    suffix, integer, sign, past = inst.imm
    value, result = hw(found[0]), hw(found[1])
    bits = int(integer[1:])
    zero, top, done = e.buffer.label(), e.buffer.label(), e.buffer.label()
    e.asm(f"ucomi{suffix}", value, value)
    e.jump(zero, "p")
    e.asm("mov64_imm64", TEMP.hw, imm=past)
    e.asm("movq_to_x", FTEMP.hw, TEMP.hw)
    e.asm(f"ucomi{suffix}", value, FTEMP.hw)
    e.jump(top, "ae")
    if sign == "s":
        # Below the least number cvtt gives the "indefinite" pattern, which is the least number.
        e.asm(f"cvtt{suffix}2si_{bits}", result, value)
    else:
        e.asm("xorps", FTEMP.hw, FTEMP.hw)
        e.asm(f"ucomi{suffix}", value, FTEMP.hw)
        e.jump(zero, "b")
        if bits == 64:
            _truncate_u64(e, suffix, value, result)
        else:
            e.asm(f"cvtt{suffix}2si_64", result, value)
    e.jump(done)
    e.buffer.place(zero)
    e.asm("mov32_imm", result, imm=0)
    e.jump(done)
    e.buffer.place(top)
    limit = (1 << bits - (1 if sign == "s" else 0)) - 1
    e.asm("mov64_imm64", result, imm=limit)
    e.buffer.place(done)
