"""Faults of scalar lowering rules: wrong instructions, immediates, conditions, checks, widths."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Entry, Rewrite
from wasm.valtypes import F64

_LOWER = Area.LOWER
_INT: Final = "compiler.x64.rules.ints"
_FLOAT: Final = "compiler.x64.rules.floats"
_CONDITIONS: Final = "compiler.x64.rules.conditions"
_SCALARS: Final = "compiler.x64.rules.scalars"
_MEMORY: Final = "compiler.x64.rules.memory"

FAULTS: Final = (
    Fault(
        "shift-by-width-saturates", _LOWER,
        "a constant shift amount from the width on shifts by one less than the width",
        "wasmtime #12318 (shld by a constant)",
        (Rewrite(f"{_INT}:_shift", "imm=known % bits", "imm=min(known, bits - 1)"),),
    ),
    Fault(
        "copysign-of-wide-load", _LOWER,
        "an f64 is loaded as 16 bytes",
        "wasmtime #12435, #8112",
        (Entry(f"{_MEMORY}:_LOADS", F64, "movdqu_load"),),
    ),
    Fault(
        "operand-slot-too-narrow", _LOWER,
        "an instruction may read 128 bits of a slot that holds fewer",
        "wasmtime #8112 (a 16-byte load in place of an 8-byte one)",
        (Rewrite("compiler.x64.build:_read", "c.type_of(value).bits >= _MEMORY_BITS[slot.place]", "True"),),
    ),
    Fault(
        "compare-operands-swapped", _LOWER,
        "a comparison with a constant on the left keeps its strictness the wrong way round",
        "class: condition codes of swapped operands",
        (Entry(f"{_CONDITIONS}:_SWAPPED", "b", "ae"), Entry(f"{_CONDITIONS}:_SWAPPED", "l", "ge"),
         Entry(f"{_CONDITIONS}:_SWAPPED", "a", "be"), Entry(f"{_CONDITIONS}:_SWAPPED", "g", "le")),
    ),
    Fault(
        "inverse-condition-wrong", _LOWER,
        "the opposite of greater-or-equal is less-or-equal, and the other way round",
        "class: condition codes of inverted branches (cranelift #916)",
        (Entry(f"{_CONDITIONS}:INVERSE", "ge", "le"), Entry(f"{_CONDITIONS}:INVERSE", "le", "ge"),
         Entry(f"{_CONDITIONS}:INVERSE", "ae", "be"), Entry(f"{_CONDITIONS}:INVERSE", "be", "ae")),
    ),
    Fault(
        "immediate-not-sign-extended", _LOWER,
        "a 64-bit constant from 2^31 to 2^32 is taken for a signed 32-bit immediate",
        "CVE-2022-31169 (immediates of i64 operations)",
        (Rewrite(f"{_SCALARS}:signed32", "if -(1 << 31) <= number < 1 << 31 else None",
                 "if -(1 << 31) <= number < 1 << 32 else None"),),
    ),
    Fault(
        "subtraction-commutes", _LOWER,
        "operands of a subtraction change places where the left one is a constant",
        "class: an operation listed as commutative that is not",
        (Rewrite(f"{_INT}:_alu", "if name in _COMMUTES and", 'if (name in _COMMUTES or name == "sub") and'),),
    ),
    Fault(
        "short-immediate-too-wide", _LOWER,
        "the immediate 128 is put into a signed byte",
        "class: a value in too few bits, as wasmtime #10741",
        (Rewrite(f"{_SCALARS}:alu", "-128 <= number < 128", "-128 <= number <= 128"),),
    ),
    Fault(
        "divisor-in-rdx", _LOWER,
        "the divisor may sit in rdx, which is written before it is read",
        "regalloc2 #240 (late uses), class: x86 division's fixed registers",
        (Rewrite(f"{_INT}:_divide", "late_use(divisor)", "use(divisor)"),),
    ),
    Fault(
        "division-trap-kind", _LOWER,
        "division by zero traps with integer overflow",
        "wasmi #1741 (the wrong trap of rem_s)",
        (Rewrite(f"{_INT}:_divide", "TrapKind.DIV_BY_ZERO", "TrapKind.INT_OVERFLOW"),),
    ),
    Fault(
        "sign-extension-as-zero", _LOWER,
        "i64.extend_i32_s extends with zeros",
        "CVE-2021-32629 (extension of an i32)",
        (Rewrite(f"{_INT}:_sign_extend_32", '"movsxd64"', '"mov32"'),),
    ),
    Fault(
        "extend-8-as-16", _LOWER,
        "extend8_s takes 16 bits",
        "class: width of a narrow sign extension",
        (Rewrite(f"{_INT}:_sign_extend", "name[6:-2]", "name[6:-2].replace('8', '16')"),),
    ),
    Fault(
        "index-sign-extended", _LOWER,
        "an i32 index, address or unsigned operand is extended with its sign",
        "CVE-2021-32629, CVE-2023-26489",
        (Rewrite(f"{_SCALARS}:zero_extended", 'build(c, "mov32"', 'build(c, "movsxd64"'),),
    ),
    Fault(
        "float-order-of-nan", _LOWER,
        "less-than holds where an operand is a NaN",
        "class: unordered comparisons; wasmjit-omr #146",
        (Entry(f"{_CONDITIONS}:_ORDER", "lt", ("b", False)),),
    ),
    Fault(
        "round-to-nearest-as-floor", _LOWER,
        "nearest rounds down",
        "class: rounding-mode immediates",
        (Entry(f"{_FLOAT}:_ROUND", "nearest", 9),),
    ),
    Fault(
        "copysign-keeps-sign", _LOWER,
        "copysign joins the sign with that of the magnitude's operand",
        "wasmtime #12435 (copysign)",
        (Rewrite(f"{_FLOAT}:_copysign",
                 'build(c, "andps", c.use(inst.args[0]), _mask(c, type_, True), out=c.new(type_))',
                 "c.use(inst.args[0])"),),
    ),
    Fault(
        "trunc-lower-bound", _LOWER,
        "conversion of a float to an integer traps at the least integer that fits",
        "class: bounds of trapping conversions (the suite's conversions.wast)",
        (Rewrite(f"{_FLOAT}:_trunc", '"be" if below is not None else "b"', '"be"'),),
    ),
    Fault(
        "convert-u32-as-signed", _LOWER,
        "an unsigned 32-bit integer is converted as a signed one",
        "wazero and wasm3 convert fixes; class: signedness of conversions",
        (Rewrite(f"{_FLOAT}:_convert", 'if kind == "i32_u":', 'if kind == "none":'),),
    ),
    Fault(
        "load-signedness", _LOWER,
        "narrow loads extend the other way",
        "class: signedness of narrow loads (wasmtime #4824 and others)",
        (Rewrite(f"{_MEMORY}:_load", "f\"mov{'s' if access.signed else 'z'}x{8 * access.bytes}",
                 "f\"mov{'z' if access.signed else 's'}x{8 * access.bytes}"),),
    ),
    Fault(
        "bounds-off-by-one", _LOWER,
        "an access that ends exactly at the memory's end traps",
        "wasmtime #12435 (a trap at the last eight bytes)",
        (Rewrite(f"{_MEMORY}:_checked", 'trap_if(c, "a", TrapKind.MEMORY_OOB)',
                 'trap_if(c, "ae", TrapKind.MEMORY_OOB)'),),
    ),
    Fault(
        "bounds-without-size", _LOWER,
        "an access is checked by its first byte alone",
        "class: bounds checks, as CVE-2023-26489",
        (Rewrite(f"{_MEMORY}:_checked", "Address(start, offset + size)", "Address(start, offset + 1)"),),
    ),
    Fault(
        "large-offset-as-displacement", _LOWER,
        "offsets from 2^31 on are encoded as signed displacements",
        "CVE-2023-26489 (offsets beyond 2^31)",
        (Rewrite(f"{_MEMORY}:_checked", "offset + size >= 1 << 31", "offset + size >= 1 << 33"),),
    ),
    Fault(
        "table-bounds-off-by-one", _LOWER,
        "the element one past a table may be read",
        "WAMR #4014, #3021 (table bounds)",
        (Rewrite(f"{_MEMORY}:table_element", 'trap_if(c, "ae", kind)', 'trap_if(c, "a", kind)'),),
    ),
    Fault(
        "indirect-type-unchecked", _LOWER,
        "call_indirect does not compare the types of final function types",
        "class: missing signature check, as WAMR #4524's neighbourhood",
        (Rewrite("compiler.x64.rules.control:_check_type",
                 'trap_if(c, "ne", TrapKind.INDIRECT_TYPE_MISMATCH)', "pass"),),
    ),
    Fault(
        "indirect-null-unchecked", _LOWER,
        "call_indirect of a null element is not refused",
        "wasmtime #11529 and #11505 (null and bottom references)",
        (Rewrite("compiler.x64.rules.control:_resolve", 'trap_if(c, "e", TrapKind.UNINITIALIZED_ELEMENT)', "pass"),),
    ),
    Fault(
        "flags-lost-before-branch", _LOWER,
        "constants on a branch's edges are made between the comparison and the branch that needs its flags",
        "class: flags clobbered between compare and branch, wasmtime #14293 (branch fusion)",
        (Rewrite("compiler.x64.rules.control:_branch",
                 "then, otherwise = c.edge(terminator.then), c.edge(terminator.otherwise)\n"
                 "    condition = condition_of(c, terminator.condition)",
                 "condition = condition_of(c, terminator.condition)\n"
                 '    build(c, "xor32", c.make_constant(I32, 0), c.make_constant(I32, 0))\n'
                 "    then, otherwise = c.edge(terminator.then), c.edge(terminator.otherwise)"),),
    ),
    Fault(
        "trap-not-an-effect", _LOWER,
        "an instruction that may trap is left out if nobody needs its result",
        "the spec's traps.wast, spec #510 (dead code that traps)",
        (Rewrite("compiler.lower:Lowering._needed", "effect = bool(inst.op.traps)", "effect = False"),),
    ),
    Fault(
        "critical-edges-kept", _LOWER,
        "an edge into a block with two ways in gets no block of its own",
        "wasmtime #10709 (try_call without handlers and edge splitting)",
        (Rewrite("compiler.lower:_split_edges", "if ways[edge.block] > 1:", "if ways[edge.block] > 2:"),),
    ),
    Fault(
        "folded-although-shared", _LOWER,
        "a comparison whose value is stored as well is folded into a branch after the value was used",
        "wasmtime #4807, #9143 (a sunk load that somebody else needs)",
        (Rewrite("compiler.lower:Lowering._needed", "not self.wanted.isdisjoint(inst.results)",
                 "not self.wanted.isdisjoint(inst.results) and self.uses.get(inst.results[0]) != 2"),),
    ),
)  # fmt: skip
"""Wrong instructions."""
