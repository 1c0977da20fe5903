"""Faults of emission: encodings, frame accesses, and the short fixed sequences of pseudo instructions."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Entry, Rewrite
from wasm.valtypes import F64, I32, I64, V128

_EMIT = Area.EMIT
_BRANCHES: Final = "compiler.x64.pseudo.branches"
_CALLS: Final = "compiler.x64.pseudo.calls"
_FLOATS: Final = "compiler.x64.pseudo.floats"
_INTS: Final = "compiler.x64.pseudo.ints"

FAULTS: Final = (
    Fault(
        "rem-of-least-by-minus-one", _EMIT,
        "rem_s runs idiv for the least number by -1",
        "wasmtime #2763, wasmi #1741",
        (Rewrite(f"{_INTS}:_divide", 'if name == "rem_s":', 'if name == "rem":'),),
    ),
    Fault(
        "div-overflow-64-only", _EMIT,
        "div_s checks for overflow at 64 bits only",
        "wasmtime #14293 (overflow check and SIGFPE)",
        (Rewrite(f"{_INTS}:_check_overflow", "bits = inst.imm", "bits = 64"),),
    ),
    Fault(
        "clz-of-zero", _EMIT,
        "clz of 0 is 0",
        "class: bsr of 0 leaves its target alone",
        (Rewrite(f"{_INTS}:_clz", "imm=2 * bits - 1", "imm=bits - 1"),),
    ),
    Fault(
        "min-of-zeros", _EMIT,
        "max of two zeros of different sign is computed as min is",
        "wazero #731, ChakraCore #1954, WebKit #63326",
        (Rewrite(f"{_FLOATS}:_fminmax", '"orps" if name == "min" else "andps"', '"orps"'),),
    ),
    Fault(
        "min-of-nan", _EMIT,
        "min and max of a NaN take the other operand",
        "WAMR #1733, wago #48",
        (Rewrite(f"{_FLOATS}:_fminmax", 'e.jump(nan, "p")', 'e.jump(unequal, "p")'),),
    ),
    Fault(
        "float-equal-of-nan", _EMIT,
        "a comparison for equality takes unordered for equal",
        "class: the parity flag after ucomis, forgotten",
        (Rewrite(f"{_FLOATS}:_set_float_eq", 'e.asm("and32" if eq else "or32", result, TEMP.hw)',
                 "e.buffer.label()"),),
    ),
    Fault(
        "convert-u64-without-sticky-bit", _EMIT,
        "the bit shifted out of a large u64 is lost before it is rounded",
        "class: double rounding of unsigned 64-bit conversions",
        (Rewrite(f"{_FLOATS}:_convert_u64", 'e.asm("or64", TEMP.hw, SCRATCH.hw)', "e.buffer.label()"),),
    ),
    Fault(
        "trunc-sat-negative-unsigned", _EMIT,
        "saturating conversion of a negative number to an unsigned integer wraps",
        "class: trunc_sat at its limits (the suite's conversions.wast is there for it)",
        (Rewrite(f"{_FLOATS}:_trunc_sat", 'e.jump(zero, "b")', "e.buffer.label()"),),
    ),
    Fault(
        "trunc-sat-upper-bound", _EMIT,
        "saturation to a signed integer stops at the unsigned bound",
        "class: trunc_sat at its limits (the suite's conversions.wast is there for it)",
        (Rewrite(f"{_FLOATS}:_trunc_sat", '(1 if sign == "s" else 0)', "0"),),
    ),
    Fault(
        "trunc-u64-top-half", _EMIT,
        "conversion of a float from 2^63 on to u64 gives the result without its top bit",
        "class: cvtt covers the signed range only",
        (Rewrite(f"{_FLOATS}:_truncate_u64", 'e.asm("xor64", result, TEMP.hw)', "e.buffer.label()"),),
    ),
    Fault(
        "br-table-off-by-one", _EMIT,
        "the index one past the table does not go to the default",
        ".NET runtime #123565",
        (Rewrite(f"{_BRANCHES}:_br_table", 'e.jump(targets[-1], "ae")', 'e.jump(targets[-1], "a")'),),
    ),
    Fault(
        "br-table-signed-index", _EMIT,
        "a br_table index with its top bit set is taken for a negative number below the bound",
        "class: a signed bounds check; .NET runtime #123565",
        (Rewrite(f"{_BRANCHES}:_br_table", 'e.jump(targets[-1], "ae")', 'e.jump(targets[-1], "ge")'),),
    ),
    Fault(
        "select-inverted-vector", _EMIT,
        "select of floats and vectors takes the other operand",
        "CVE-2022-31104 (select of v128), wasmtime #4322",
        (Rewrite(f"{_FLOATS}:_select_x", 'e.jump(done, "e")', 'e.jump(done, "ne")'),),
    ),
    Fault(
        "select-tests-a-byte", _EMIT,
        "the condition of a vector select is compared as a signed number",
        "CVE-2022-31104 (select of v128)",
        (Rewrite(f"{_FLOATS}:_select_x", 'e.jump(done, "e")', 'e.jump(done, "le")'),),
    ),
    Fault(
        "spill-of-i64-as-i32", _EMIT,
        "an i64 goes to its spill slot as an i32",
        "wasmtime #12982, #12944 (half of a register saved)",
        (Entry("compiler.x64.assembler:_STORE", I64, "mov32_store"),),
    ),
    Fault(
        "reload-of-i32-sign-extended", _EMIT,
        "an i32 comes back from its spill slot with its sign extended",
        "CVE-2021-32629 (GHSA-hpqh-2wqx-7qp5)",
        (Entry("compiler.x64.assembler:_LOAD", I32, "movsxd64_load"),),
    ),
    Fault(
        "v128-spilled-as-f64", _EMIT,
        "of a v128 half is stored in its spill slot",
        "wasmtime #12944",
        (Entry("compiler.x64.assembler:_STORE", V128, "movsd_store"),),
    ),
    Fault(
        "f64-copied-as-f32", _EMIT,
        "a move between float registers copies 32 bits of an f64",
        "wasmtime #10301 (winch, moves of vectors), #11868",
        (Entry("compiler.x64.assembler:_COPY", F64, "movss"),),
    ),
    Fault(
        "displacement-of-128", _EMIT,
        "a displacement of 128 is encoded in one signed byte",
        "class: a value in too few bits, as wasmtime #10741",
        (Rewrite("compiler.x64.encode:_address",
                 'elif -128 <= disp < 128:\n        mode, tail = 1, disp.to_bytes(1, "little", signed=True)',
                 'elif -128 <= disp <= 128:\n        mode, tail = 1, (disp & 0xFF).to_bytes(1, "little")'),),
    ),
    Fault(
        "index-register-without-rex", _EMIT,
        "the index register of an address loses its fourth bit",
        "CVE-2023-26489 (address modes); wasmtime #10741's panic came out of rex.rs",
        (Rewrite("compiler.x64.encode:encode", "max(rm.idx, 0) >> 3", "0"),),
    ),
    Fault(
        "r13-base-without-displacement", _EMIT,
        "r13 as a base without displacement is taken for an address relative to rip",
        "class: ModRM's holes for rbp and r13 (Intel SDM, volume 2, table 2-5)",
        (Rewrite("compiler.x64.encode:_address", "if disp == 0 and base != RBP:",
                 "if disp == 0 and mem.base != RBP:"),),
    ),
    Fault(
        "fall-through-not-inverted", _EMIT,
        "a branch whose target comes next jumps to the other one under the same condition",
        "cranelift #916 (fold_redundant_jumps)",
        (Rewrite(f"{_BRANCHES}:_jcc", "e.jump(e.labels[otherwise], inverse)",
                 "e.jump(e.labels[otherwise], condition)"),),
    ),
    Fault(
        "landing-without-frame", _EMIT,
        "a handler goes on with its frame popped: the next call writes over it",
        "wasmtime #10593 (try_call fixes)",
        (Rewrite(f"{_CALLS}:_landing", "Mem(RBP, -e.frame)", "Mem(RBP, 0)"),),
    ),
)  # fmt: skip
"""Wrong bytes for right instructions."""
