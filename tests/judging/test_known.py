"""Known issues: what an entry excuses, and that it does not excuse more."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.records.finding import Signature
from fuzz.triage.known import KnownFileError, KnownIssues, load, none

ENTRY = """
[[known]]
id = "wasmtime-1"
link = "https://example.org/1"
engine = "wasmtime"
versions = ">=31.0.0, <40.0.2"
expires = 2027-01-01
family = "cranelift"
kind = "value"
opcodes = ["i32.shl"]

[[known]]
id = "any-2"
link = "https://example.org/2"
message = "index out of bounds.*"
place = "regalloc2/src/.*"
"""
TODAY = datetime.date(2026, 11, 23)
VALUE = Signature("cranelift", "invoke", "value", opcodes=("i32.or", "i32.shl"))
CRASH = Signature("cranelift", "compile", "crash", "index out of bounds: the len is N", "regalloc2/src/lib.rs")
BAD = [("wasmtime@33.0.0:opt=none", "33.0.0")]

OWN = Path(__file__).parents[2] / "corpus" / "known"
SAID_NOTHING = Signature("wasmi", "invoke", "value")
OUT_OF_BOUNDS = "expected: returned; got: trapped: out of bounds memory access"
SEEN = [
    (replace(SAID_NOTHING, opcodes=("i32.eq", "select")), "wasmi-select-eq"),
    (replace(SAID_NOTHING, opcodes=("br_table",)), "wasmi-branch-table"),
    (Signature("wasmi", "invoke", "reject", "encountered function with too many function parameters"),
     "wasmi-limit-locals"),
    (Signature("tinywasm", "invoke", "trap", OUT_OF_BOUNDS, opcodes=("i32.load8_s", "memory.fill")),
     "tinywasm-memory64-fill"),
    (Signature("tinywasm", "compile", "reject", "unknown error: logical operand width mismatch"),
     "tinywasm-memory64-init"),
    (Signature("tinywasm", "invoke", "value", opcodes=("i64.shl", "i64.shr_s")), "tinywasm-shifts-i64"),
    (Signature("tinywasm", "invoke", "value", opcodes=("if",)), ""),
    (Signature("tinywasm", "invoke", "crash", "ValueStack underflow, this is a bug", "value_stack.rs"), ""),
    (Signature("stitch", "invoke", "crash", "index out of bounds: the len is N but the index is N",
               "makepad-stitch/src/compile.rs"), "stitch-local-links"),
    (Signature("stitch", "invoke", "crash", "index out of bounds: the len is N but the index is N",
               "makepad-stitch/src/store.rs"), ""),
]  # fmt: skip
"""What a campaign said of bugs in docs/found, and the entries that are meant for them."""


def read(tmp_path: Path, text: str = ENTRY, today: datetime.date = TODAY) -> KnownIssues:
    path = tmp_path / "known.toml"
    path.write_text(text)
    return load(path, today)


def test_an_entry_excuses_its_finding_in_its_versions_only(tmp_path: Path) -> None:
    issues = read(tmp_path)
    assert issues.match(VALUE, BAD) == "wasmtime-1"
    for version in ("30.0.1", "40.0.2", "50.0.1"):
        assert issues.match(VALUE, [("wasmtime", version)]) == ""
    assert issues.match(VALUE, [("wasmtime:winch", "31.0.0")]) == "wasmtime-1"
    assert issues.match(VALUE, [*BAD, ("wasmtime", "50.0.1")]) == ""
    assert issues.match(VALUE, [("v8", "33.0.0")]) == ""


def test_an_entry_may_be_about_settings_and_about_several_engines(tmp_path: Path) -> None:
    entry = """
[[known]]
id = "torn"
link = "https://example.org/3"
engine = ["wasmtime:target=aarch64", "wasmtime:target=riscv64+pulley", "jsc"]
kind = "value"
"""
    issues = read(tmp_path, entry)
    excused = [("wasmtime@50.0.1:target=aarch64+opt=none", "50.0.1"), ("jsc:omg", "1.4.5")]
    assert issues.match(VALUE, excused) == "torn"
    for other in ("wasmtime@50.0.1:opt=speed", "wasmtime:target=riscv64", "wasmtime:target=s390x", "v8:turbofan"):
        assert issues.match(VALUE, [*excused, (other, "50.0.1")]) == ""
    assert issues.unmatched([("wasmtime:opt=speed", "50.0.1")]) == []


@pytest.mark.parametrize(
    ("opcodes", "fits"),
    [
        ('["i32.*"]', True),
        ('["i32.shr_?"]', True),
        ('["i32.shr"]', False),
        ('["*.atomic.*"]', False),
        ('["i32.shr_u", "*.const"]', True),
        ('["i32.shr_u", "f*"]', False),
    ],
)
def test_an_entry_may_be_about_a_family_of_instructions(opcodes: str, fits: bool, tmp_path: Path) -> None:
    text = f"[[known]]\nid = 'a'\nlink = 'b'\nkind = 'value'\nopcodes = {opcodes}\n"
    signature = replace(VALUE, opcodes=("i32.const", "i32.shr_u"))
    assert read(tmp_path, text).match(signature, BAD) == ("a" if fits else "")


def test_engines_that_are_wrong_alike_may_have_an_entry_each(tmp_path: Path) -> None:
    entry = "[[known]]\nid = '{0}'\nlink = 'a'\nengine = '{0}'\nkind = 'value'\n"
    issues = read(tmp_path, entry.format("endive") + entry.format("chicory") + entry.format("wasmer"))
    both = [("chicory", "1.7.5"), ("endive", "1.0.0"), ("endive:interpreter", "1.0.0")]
    assert issues.match(VALUE, both) == "chicory"
    assert issues.explains(VALUE, [*both, ("v8", "14.6")]) == ""
    ran = [("endive", "1.0.0"), ("chicory", "1.7.5"), ("wasmer", "7.5.0")]
    assert [one.id for one in issues.unmatched(ran)] == ["wasmer"]


def test_an_entry_covers_mutants_on_its_engine(tmp_path: Path) -> None:
    text = "[[known]]\nid = 'a'\nlink = 'b'\nkind = 'value'\nengine = 'wasmtime:opt=none'\n"
    (entry,) = read(tmp_path, text).entries
    assert entry.covers("mutant:2 of wasmtime:opt=none", "33.0.0")
    assert not entry.covers("mutant:2 of wasmtime:opt=speed", "33.0.0")
    assert not entry.covers("mutant:2 of v8", "33.0.0")


def test_every_field_of_the_signature_must_fit(tmp_path: Path) -> None:
    issues = read(tmp_path)
    for other in (
        Signature("winch", "invoke", "value", opcodes=("i32.shl",)),
        Signature("cranelift", "invoke", "trap", opcodes=("i32.shl",)),
        Signature("cranelift", "invoke", "value", opcodes=("i32.or",)),
        Signature("cranelift", "invoke", "value", provisional=True),
    ):
        assert issues.match(other, BAD) == ""
    assert issues.match(CRASH, [("v8", "")]) == "any-2"
    assert issues.match(Signature("cranelift", "compile", "crash", CRASH.message, "other/src/lib.rs"), BAD) == ""
    assert issues.match(Signature("cranelift", "compile", "crash", "an index out of bounds", CRASH.place), BAD) == ""


@pytest.mark.parametrize(("signature", "id"), SEEN)
def test_own_files_know_what_was_seen(signature: Signature, id: str) -> None:
    issues = load(OWN / f"{signature.family}.toml", TODAY)
    assert issues.explains(signature, [(signature.family, "9.9.9")]) == id


def test_an_expired_entry_excuses_nothing_and_is_reported(tmp_path: Path) -> None:
    issues = read(tmp_path, today=datetime.date(2027, 1, 1))
    assert issues.match(VALUE, BAD) == ""
    assert [entry.id for entry in issues.expired()] == ["wasmtime-1"]


def test_an_entry_that_no_longer_matches_is_reported_if_its_engine_ran(tmp_path: Path) -> None:
    issues = read(tmp_path)
    issues.match(CRASH, BAD)
    assert [entry.id for entry in issues.unmatched(BAD)] == ["wasmtime-1"]
    assert issues.unmatched([("wasmtime", "50.0.1")]) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[known]]\nid = 'a'\n", "needs id, link"),
        ("[[known]]\nid = 'a'\nlink = 'b'\n", "at least one of"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'value'\ntypo = 'x'\n", "unknown field 'typo'"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nmessage = '('\n", "no regular expression"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'value'\nversions = 'about 3'\n", "no version clause"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'value'\nexpires = 'soon'\n", "must be a date"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 3\n", "is a string"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'x'\n[[known]]\nid = 'a'\nlink = 'b'\nkind = 'x'\n", "same id"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'x'\nengine = ['a', 3]\n", "engine (one or several)"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'x'\nengine = 'wasmtime@33.0.0'\n", "that is what versions is for"),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'x'\nengine = 'Was mtime'\n", "entry 1: "),
        ("[[known]]\nid = 'a'\nlink = 'b'\nkind = 'x'\nengine = []\n", "engine names none"),
        ("known = 3\n", "[[known]]"),
        ("[[", "not TOML"),
    ],
)
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(KnownFileError) as error:
        read(tmp_path, text)
    assert words in str(error.value)
    assert "known.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KnownFileError, match="cannot read"):
        load(tmp_path / "no.toml")


def test_nothing_is_known_without_a_file() -> None:
    assert none().match(VALUE, BAD) == ""
