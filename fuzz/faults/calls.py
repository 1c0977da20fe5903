"""Faults of calls: where arguments and results are, who pops what, tail calls, return areas."""

from __future__ import annotations

from typing import Final

from fuzz.faults.injection.fault import Area, Fault
from fuzz.faults.injection.patches import Rewrite

_ABI = Area.ABI
_RULES: Final = "compiler.x64.rules.control"
_CALLS: Final = "compiler.x64.pseudo.calls"
_FRAME: Final = "compiler.x64.pseudo.frame"

FAULTS: Final = (
    Fault(
        "result-slot-u8", _ABI,
        "results are loaded by an index of 8 bits: from the 257th in memory on, into the first ones' places",
        "wasmtime #10741 (the silent form)",
        (Rewrite(f"{_CALLS}:_call", "for (type_, offset), place in zip(imm.loads, memory, strict=True):",
                 "for (type_, offset), place in ((load, memory[k & 0xFF]) for k, load in enumerate(imm.loads)):"),),
    ),
    Fault(
        "results-swapped-at-8-9", _ABI,
        "the last result in a register and the first in memory change places",
        "wasmer #3940 (singlepass, multi-value), wasm3 #220",
        (Rewrite(f"{_RULES}:_call_inst", "for result, place in zip(results, places.places, strict=True):",
                 "if len(results) > 8 and c.type_of(results[7]) is c.type_of(results[8]):\n"
                 "        results = (*results[:7], results[8], results[7], *results[9:])\n"
                 "    for result, place in zip(results, places.places, strict=True):"),),
    ),
    Fault(
        "return-register-missing", _ABI,
        "the callee puts its eighth integer result into the return area, where the caller does not look",
        "wasmtime #10502 (r11 was the ninth return register), WAMR #4524",
        (Rewrite(f"{_RULES}:_return", "if place.preg is not None:",
                 "if place.preg is not None and (place.preg != results.places[-1].preg or place.preg.hw != 3):"),),
    ),
    Fault(
        "area-pointer-forgotten", _ABI,
        "a call with up to eight results in memory is made without the return area's address",
        "wasmtime #8704 (results that just miss the registers)",
        (Rewrite(f"{_RULES}:_call_inst", "if places.size:", "if places.size > 64:"),),
    ),
    Fault(
        "v128-result-one-word-short", _ABI,
        "of a v128 in the return area half is loaded",
        "wasmtime #12944, #10301 (winch, two v128 results)",
        (Rewrite(f"{_CALLS}:_call", "e.load(type_, place, e.area_at(offset))",
                 "e.load(type_._made['f64'] if type_ is V128 else type_, place, e.area_at(offset))"),),
    ),
    Fault(
        "i64-result-loaded-as-i32", _ABI,
        "an i64 in the return area is loaded as an i32",
        "wasmtime #12982 (apple aarch64, stack return slot too small)",
        (Rewrite(f"{_CALLS}:_call", "e.load(type_, place, e.area_at(offset))",
                 "e.load(type_._made['i32'] if type_ is I64 else type_, place, e.area_at(offset))"),),
    ),
    Fault(
        "clobber-set-short", _ABI,
        "one register is missing among those that a call clobbers",
        "wasmtime #10593 (clobbers), #10702",
        (Rewrite(f"{_RULES}:_clobbers", "if preg not in kept)", "if preg not in kept and preg.hw != 9)"),),
    ),
    Fault(
        "callee-pops-too-much", _ABI,
        "a callee with 128 bytes of arguments or more pops 256 bytes too many",
        "wasmtime #13703 and #13662 (600 to 800 parameters)",
        (Rewrite(f"{_FRAME}:_pop_and_return", 'e.asm("ret_pop", imm=size)',
                 'e.asm("ret_pop", imm=size + 256 * (size >= 128))'),),
    ),
    Fault(
        "stack-argument-offset-wraps", _ABI,
        "a parameter more than 2 KiB up the stack is read from the wrong place",
        "wasmtime #10555, #8847 (offsets of long argument lists)",
        (Rewrite(f"{_FRAME}:_load_arg", "Mem(RBP, 16 + offset)", "Mem(RBP, 16 + offset % 2048)"),),
    ),
    Fault(
        "result-offset-wraps", _ABI,
        "a result more than 1 KiB into the return area is stored to the wrong place",
        "wasmtime #10741 (an offset in too few bits)",
        (Rewrite(f"{_FRAME}:_store_result", "Mem(hw(allocs[0]), offset)", "Mem(hw(allocs[0]), offset % 1024)"),),
    ),
    Fault(
        "tail-call-argument-lost", _ABI,
        "the last arguments of a tail call stay where they were staged",
        "wasmtime #8704 (tail calls with many floats)",
        (Rewrite(f"{_CALLS}:_tail_call", "range(0, imm.staged, 16)", "range(0, imm.staged - 16, 16)"),),
    ),
    Fault(
        "tail-call-area-lost", _ABI,
        "a tail call does not pass its caller's return area on",
        "wasmtime #8704 (tail calls with results in memory)",
        (Rewrite(f"{_RULES}:_tail_call", "if own_results(c).size:", "if False:"),),
    ),
    Fault(
        "tail-call-frame-not-grown", _ABI,
        "a tail call with a longer argument list writes over what it has staged",
        "wasmtime #8704; the overlap of source and target in every engine's return_call",
        (Rewrite("compiler.pipeline:_growth", "max((imm.staged - imm.popped for imm in tails), default=0)", "0"),
         Rewrite("compiler.x64.assembler:FunctionAssembler.__init__", "(grows + 32 if staging or grows else 0)", "0")),
    ),
    Fault(
        "wrong-call-target", _ABI,
        "with more than 200 operands an indirect call goes through the wrong register",
        "regalloc2 #226: wasmtime #10741 called through slot 0, which an operand had overwritten",
        (Rewrite(f"{_CALLS}:_call", 'e.asm("call_reg", CALLEE.hw)',
                 'e.asm("call_reg", CALLEE.hw if len(inst.operands) < 200 else 2)'),),
    ),
    Fault(
        "import-context-kept", _ABI,
        "a call through a pointer runs in the caller's context",
        "wasmtime's callee and caller vmctx (both are operands of every call; seed of #10741)",
        (Rewrite(f"{_RULES}:_call_inst", "operands.append(use(callee.context, fixed(RDI)))",
                 "operands.append(use(c.context_vreg, fixed(RDI)))"),),
    ),
)  # fmt: skip
"""The seed bug's neighbourhood."""
