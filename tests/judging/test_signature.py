"""Signatures: the same for one bug on different cases, different for different bugs."""

from __future__ import annotations

import pytest

from fuzz.records.finding import Signature
from fuzz.triage.signature import opcodes, place, refined, settings, signature, split, template
from oracles.judge.verdict import Disagree, Dissent, Kind
from wasm.builder import ModuleBuilder
from wasm.valtypes import I32

PANIC = (
    "thread '<unnamed>' panicked at /home/x/.cargo/registry/src/index-1a/regalloc2-0.11.2/src/ion/moves.rs:{}:{}:\n{}"
)


def crash(message: str, location: str = "", engine: str = "wasmtime:opt=none") -> Dissent:
    return Dissent(engine, "cranelift", Kind.CRASH, "compile", "instantiate", "", message, location)


def wrong(detail: str, engine: str = "wasmtime@33.0.0:opt=none", kind: Kind = Kind.VALUE, family: str = "") -> Dissent:
    return Dissent(engine, family or "cranelift", kind, "invoke", "invoke 0", detail)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PANIC.format(10, 2, "index out of bounds: the len is 3 but the index is 9"),
         PANIC.format(77, 1, "index out of bounds: the len is 256 but the index is 256")),
        ("assertion failed: v123 != p45i", "assertion failed: v7 != p1f"),
        ("failed at inst4034 with [v1, v2, v3]", "failed at inst9 with []"),
        ("cannot open /home/you/a/b.rs", "cannot open /home/me/b.rs"),
        ("no rule for iadd.i32x4 v9", "no rule for iadd.i64x2 v10"),
        ("bad address 0x7ffe12", "bad address 0x5500aa"),
        ("`v31 = fcvt_from_sint.f64x2 v267  ; v267 = const98`", "`v3 = fcvt_from_sint.f64x2 v2  ; v2 = const0`"),
    ],
)  # fmt: skip
def test_what_differs_from_case_to_case_is_left_out(one: str, other: str) -> None:
    assert template(one) == template(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("index out of bounds: the len is 3", "range end out of bounds: the len is 3"),
        ("called `Option::unwrap()` on a `None` value", "not implemented: relocation"),
    ],
)
def test_different_messages_stay_different(one: str, other: str) -> None:
    assert template(one) != template(other)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("regalloc2-0.11.2/src/ion/moves.rs:123", "regalloc2/src/ion/moves.rs"),
        ("/home/ci/.cargo/registry/src/index.x-6f/regalloc2-0.12.1/src/ion/moves.rs:7:5", "regalloc2/src/ion/moves.rs"),
        ("cranelift/codegen/src/isa/x64/lower.rs:99", "codegen/src/isa/x64/lower.rs"),
        ("wazero/internal/wasm/func_validation.go:599", "internal/wasm/func_validation.go"),
        ("Endive/StackFrame.java:41", "Endive/StackFrame.java"),
        ("../../src/wasm/baseline/liftoff-compiler.cc, line 55", "src/wasm/baseline/liftoff-compiler.cc"),
        ("", ""),
        ("nothing to see", ""),
    ],
)
def test_a_place_is_a_file_without_line_version_and_checkout(location: str, expected: str) -> None:
    assert place(location) == expected


BUN = """============================================================
Bun v1.4.5 (a7733435c) Linux x64
Linux Kernel v6.1.0 | glibc v2.36
CPU: sse42 popcnt avx avx2 avx512
Args: "bun" "worker.mjs"
Features: jsc
Builtins: "bun:ffi" "bun:main"

Elapsed: 6ms | User: 0ms | Sys: 6ms
RSS: 26.58 MB | Peak: 26.58 MB | Commit: 34.87 MB | Faults: 0 | Machine: 25.28 GB

panic(main thread): {}
oh no: Bun has crashed. This indicates a bug in Bun, not your code.

To send a redacted crash report to Bun's team,
please file a GitHub issue using the link below:

 https://bun.report/1.4.5/la1a773343AggggC2u3iBAa
"""
SAID = {
    # Real output: wasmtime 50.0.1, node 20 and 26, bun 1.4.5.
    "wasmtime": {
        "failed to parse WebAssembly module\n\nCaused by:\n    unexpected end-of-file (at offset 0x9)\n":
            "unexpected end-of-file (at offset N)",
        "failed to parse WebAssembly module\n\nCaused by:\n    unknown binary version:        0x2 (at offset 0x4)\n":
            "unknown binary version: N (at offset N)",
        "failed to parse WebAssembly module\n\nCaused by:\n    unknown type 0: type index out of bounds (at offset "
        "0xb)\n":
            "unknown type N: type index out of bounds (at offset N)",
        "failed to compile: wasm[0]::function[0]\n\nCaused by:\n    0: WebAssembly translation error\n"
        "    1: Invalid input WebAssembly code at offset 23: illegal opcode: 0xff\n": "illegal opcode: N",
        "failed to compile: wasm[0]::function[3]\n\nCaused by:\n    0: WebAssembly translation error\n"
        "    1: Invalid input WebAssembly code at offset 23: type mismatch: expected i32 but nothing on stack\n":
            "type mismatch: expected T but nothing on stack",
        # 31.0.0.
        "error while executing at wasm backtrace:\n    0:   0x48 - <unknown>!<wasm function 0>\n"
        "    1:   0x3c - <unknown>!<wasm function 1>\n\nCaused by:\n"
        "    requested allocation's alignment of 16 is greater than max supported alignment of 8":
            "requested allocation's alignment of N is greater than max supported alignment of N",
    },
    "v8": {
        "CompileError: WebAssembly.Module(): expected section length @+9": "expected section length @+N",
        "CompileError: WebAssembly.Module(): expected version 01 00 00 00, found 02 00 00 00 @+4":
            "expected version N N N N, found N N N N @+N",
        "CompileError: WebAssembly.Module(): Compiling function #0 failed: not enough arguments on the stack for "
        "i32.add (need 1, got 0) @+23": "not enough arguments on the stack for T.add (need N, got N) @+N",
    },
    "jsc": {
        BUN.format("Segmentation fault at address 0x10"): "Segmentation fault at address N",
        BUN.format("abort() called"): "abort() called",
        "CompileError: WebAssembly.Module doesn't parse at byte 0: unexpected version number 2 expected 1 "
        "(evaluating 'new WebAssembly.Module(bytes)')": "unexpected version number N expected N",
        "CompileError: WebAssembly.Module doesn't parse at byte 2: can't pop empty stack in binary right, in function "
        "at index 0 (evaluating 'new WebAssembly.Module(bytes)')":
            "can't pop empty stack in binary right, in function at index N",
    },
}  # fmt: skip


@pytest.mark.parametrize("engine", SAID)
def test_the_first_line_that_says_something_is_the_message(engine: str) -> None:
    """What an engine says of whatever happens is no part of a signature: no two causes share a key."""
    keys = set()
    for message, says in SAID[engine].items():
        kind = Kind.CRASH if "panic" in message else Kind.REJECT
        found = signature(Dissent(engine, engine, kind, "compile", "instantiate", "", message))
        assert found.message == says
        keys.add(found.key)
    assert len(keys) == len(SAID[engine])


def test_a_number_is_one_number() -> None:
    assert template("memory64 and 12 of 345") == "memory64 and N of N"


def test_the_line_number_is_no_part_of_a_signature() -> None:
    one, other = (signature(crash("boom", f"a/src/b.rs:{line}")) for line in (1, 2))
    assert one == other
    assert one.key == other.key
    assert one != signature(crash("boom", "a/src/c.rs:1"))


def test_a_wrong_value_is_provisional_and_the_same_for_all_values() -> None:
    one, other = (signature(wrong(f"result {i} of 9: expected i32:{i:#x}, got i32:0x0")) for i in (1, 2))
    assert one == other
    assert one.provisional


def test_a_death_without_a_word_is_provisional_too() -> None:
    assert signature(crash("SIGSEGV")).provisional
    assert signature(crash("")).provisional
    assert not signature(crash("SIGSEGV", "a/src/b.rs:1")).provisional
    assert not signature(crash("assertion failed")).provisional


def test_a_wrong_trap_says_what_was_expected_and_what_came() -> None:
    texts = [
        "expected: returned (i32:0x1); got: trapped: unreachable",
        "expected: returned (); got: trapped: unreachable",
    ]
    one, other = (signature(wrong(text, kind=Kind.TRAP)) for text in texts)
    assert one == other
    assert "returned" in one.message
    assert signature(wrong("expected: trapped: unreachable; got: returned ()", kind=Kind.TRAP)) != one


def test_a_verdict_splits_into_its_findings() -> None:
    dissents = (crash("boom"), wrong("x"), wrong("y", "wasmtime:opt=speed"), wrong("z", "v8:liftoff", family="liftoff"))
    found = split(Disagree(dissents, ("interpreter",), ("cranelift", "liftoff")))
    assert sorted((s.family, s.kind, len(group)) for s, group in found) == [
        ("cranelift", "crash", 1),
        ("cranelift", "value", 2),
        ("liftoff", "value", 1),
    ]


def test_where_the_reference_is_outvoted_the_finding_is_against_it() -> None:
    found = split(Disagree((wrong("x"), wrong("y", "v8", family="turbofan")), (), ("interpreter",)))
    assert [(s.family, len(group)) for s, group in found] == [("interpreter", 2)]
    crashed = split(Disagree((crash("boom"),), (), ("interpreter",)))
    assert crashed[0][0].family == "cranelift"


def test_settings_leave_out_versions_and_paths() -> None:
    ids = ["wasmtime@33.0.0:opt=none", "wasmtime@/a/b:c/lib.so:opt=none", "wasmtime:winch", "v8@/usr/bin/node"]
    assert settings(ids) == ("v8", "wasmtime:opt=none", "wasmtime:winch")


def test_a_refined_signature_names_settings_and_what_the_code_is_about() -> None:
    m = ModuleBuilder()
    f = m.func([I32], [I32], export="f")
    for name, imm in (("local.get", 0), ("i32.const", 1), ("i32.shl", None), ("local.get", 0), ("i32.or", None)):
        f.emit(name, imm)
    module = m.finish()
    assert opcodes(module) == ("i32.or", "i32.shl")
    dissent = wrong("x")
    final = refined(signature(dissent), [dissent], module)
    assert (final.settings, final.opcodes, final.provisional) == (("wasmtime:opt=none",), ("i32.or", "i32.shl"), False)
    assert final.bucket.key == signature(dissent).bucket.key
    assert final.key != signature(dissent).key
    crashed = signature(crash("boom"))
    assert refined(crashed, [crash("boom")], module) == crashed


def test_signatures_survive_json() -> None:
    found = Signature("cranelift", "invoke", "value", "m", "p", ("a",), ("i32.add",), False)
    assert Signature.from_json(found.to_json()) == found
    assert " " not in found.key
    assert "/" not in found.key


CHECKER = (
    "register allocation checker: CheckerErrors { errors: [UnknownValueInAllocation { inst: Inst(12), op: Use: v1 "
    "fixed(p6i), alloc: stack752 }, IncorrectValuesInAllocation { alloc: p3, actual: {VReg(vreg = 5, class = Int)} }, "
    "MissingAllocation { inst: Inst(12), op: Def: v257i any }] }"
)


@pytest.mark.parametrize("kept", [60, 75, 120, 160, 220, len(CHECKER) - 3, len(CHECKER)])
def test_a_list_says_the_same_wherever_a_message_was_cut(kept: int) -> None:
    assert template(CHECKER[:kept]) == "register allocation checker: CheckerErrors { errors: (...) }"


def test_what_is_whole_stays_as_it_was() -> None:
    assert template("unable to load type: i128 [a, b] {c}") == "unable to load type: T (...) {c}"
