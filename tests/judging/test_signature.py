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
        ("../../src/wasm/baseline/liftoff-compiler.cc, line 55", "src/wasm/baseline/liftoff-compiler.cc"),
        ("", ""),
        ("nothing to see", ""),
    ],
)
def test_a_place_is_a_file_without_line_version_and_checkout(location: str, expected: str) -> None:
    assert place(location) == expected


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
