"""What people bring, recognised by what is in it: every odd file gives pieces, or one line that says what to do."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import zipfile
from pathlib import Path

import pytest
from wasmtime import wat2wasm

from fuzz.intake.calls import parse_invocation
from fuzz.intake.piece import Piece, Wish
from fuzz.intake.reading import all_formats, bring, bring_one
from oracles.engine import UsageError
from wasm.case import Case, CaseKind
from wasm.embedding import Entry

TEXT = '(module (func (export "f") (param i32) (result i32) local.get 0))'
MODULE = bytes(wat2wasm(TEXT))
NUMBERS = ", ".join(map(str, MODULE))
HEX = ", ".join(f"0x{byte:02x}" for byte in MODULE)
ESCAPED = "".join(f"\\x{byte:02x}" if not 97 <= byte <= 122 else chr(byte) for byte in MODULE)
SCRIPT = f'{TEXT}\n(assert_return (invoke "f" (i32.const 1)) (i32.const 1))'
MACHINE = "registers int:0 int:1 float:0\nscratch int:15 float:15\nfunction f\nblock 0\n  ret => .\n"
INVALID = bytes(wat2wasm("(module (func))"))[:-2] + b"\xff\x0b"


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/"), content)
    return out.getvalue()


def tarred(**files: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            item = tarfile.TarInfo(name.replace("__", "/"))
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return out.getvalue()


READ = {
    "a binary": (MODULE, "a binary module"),
    "bytes that are not valid": (INVALID, "a binary module"),
    "a binary cut short": (MODULE[:-3], "a binary module"),
    "the magic number alone": (b"\0asm", "a binary module"),
    "a text": (TEXT.encode(), "a module's text"),
    "a text with a byte order mark": (b"\xef\xbb\xbf" + TEXT.encode(), "a module's text"),
    "a text in UTF-16": (TEXT.encode("utf-16"), "a module's text"),
    "a text with Windows line ends": (b";; mine\r\n" + TEXT.encode().replace(b" ", b"\r\n"), "a module's text"),
    "a text behind comments": (f";; (func\n(; ( (; nested ;) ;)\n{TEXT}".encode(), "a module's text"),
    "the fields of a module": (b'(func (export "f") (param i32))', "a module's text"),
    "a script": (SCRIPT.encode(), "a script"),
    "a script of two modules": (f"{TEXT}\n{TEXT}".encode(), "a script"),
    "a script with a ( in a string": (rf'{TEXT}(assert_malformed (module quote "(\")") "")'.encode(), "a script"),
    "JavaScript with numbers": (f"x = new Uint8Array([{NUMBERS}]);".encode(), "a module in a script"),
    "JavaScript with hexadecimal numbers": (f"var b = Uint8Array.of({HEX},);".encode(), "a module in a script"),
    "JavaScript with comments between the numbers": (
        f"x([{NUMBERS.replace(', ', ', // a byte' + chr(10), 3)} /* end */]);".encode(), "a module in a script"),
    "JavaScript with base64": (f"load(atob('{base64.b64encode(MODULE).decode()}'))".encode(), "a module in a script"),
    "JavaScript with a string": (f'bytes("{ESCAPED}")'.encode(), "a module in a script"),
    "JavaScript that begins with (": (f"(() => {{ run([{NUMBERS}]); }})()".encode(), "a module in a script"),
    "HTML": (f"<script>const m = new Uint8Array([{NUMBERS}]);</script>".encode(), "a module in a script"),
    "C": (f"unsigned char wasm[] = {{ {HEX} }};".encode(), "a module in a script"),
    "base64 alone, in lines": (base64.encodebytes(MODULE), "a module in a script"),
    "hexadecimal digits alone": (MODULE.hex().encode(), "a module in a script"),
    "gzip": (gzip.compress(MODULE), "a binary module"),
    "bzip2": (bz2.compress(TEXT.encode()), "a module's text"),
    "xz": (lzma.compress(SCRIPT.encode()), "a script"),
    "a zip": (zipped(**{"report__case.wasm": MODULE, "report__README.md": b"# what was seen"}), "a binary module"),
    "a tar, packed": (tarred(**{"case.wat": TEXT.encode(), "notes.txt": b"crashes"}), "a module's text"),
    "a case file": (json.dumps(Case(MODULE).to_json()).encode(), "a case file"),
    "a machine function": (MACHINE.encode(), "a machine function"),
    "a machine function behind a comment": (f"; from the allocator\n{MACHINE}".encode(), "a machine function"),
}  # fmt: skip

REFUSED = {
    "nothing": (b"", "is empty"),
    "a component": (b"\0asm\x0d\0\1\0", "is a component, not a module: .*unbundle"),
    "a component's text": (b"(component (core module))", "is the text of a component"),
    "text that does not assemble": (b"(module (func i32.ad))", "does not assemble: "),
    "text that does not end": (b"(module (func", "does not assemble: "),
    "prose": (b"It crashes when I press it.\n", "nothing that can be run: it begins with 'It crashes when '"),
    "a form that is none of ours": (b"(defun f (x) x)", r"begins with '\(defun f \(x\) x\)'"),
    "an ELF file": (b"\x7fELF\x02\x01\x01" + bytes(64), "it begins with the bytes 7f 45 4c 46"),
    "zeros": (bytes(4096), "is nothing that can be run"),
    "a page that shows an error": (b"<!DOCTYPE html><title>404</title>", "is nothing that can be run"),
    "JavaScript that builds its module": (b"var b = new WasmModuleBuilder();\n", "let it print the bytes"),
    "JSON of something else": (b'{"name": "x"}', "is no case file"),
    "a case of a later version": (
        json.dumps({**Case(MODULE).to_json(), "version": 3}).encode(),
        "reads versions 1 and 2",
    ),
    "a module before without a name": (
        json.dumps({**Case(MODULE).to_json(), "version": 2, "before": [[5, "AGFzbQEAAAA="]]}).encode(),
        "before is a list of pairs",
    ),
    "JSON that does not end": (b'{"version": 1', "is no case file"),
    "JSON that is very deep": (b'{"a":' * 100_000, "is no case file"),
    "gzip that is cut short": (gzip.compress(MODULE)[:-9], "cannot be unpacked"),
    "gzip of nothing": (gzip.compress(b""), "is empty"),
    "gzip, four times": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(MODULE)))), "unpack it first"),
    "a damaged xz": (b"\xfd7zXZ\0" + bytes(40), "cannot be unpacked"),
    "a damaged zip": (zipped(a=MODULE)[:-10], "cannot be unpacked"),
    "an empty zip": (zipped(), "has no module in it"),
    "a zip of prose": (zipped(**{"a.txt": b"hello"}), "has no module in it, only a.txt"),
    "a machine function that is none": (b"function f\nblock 0\n  jmp => 7()\n", "is no machine function"),
    "a finding that is none": (b'{"verdict": {}, "case": {}}', "cannot be read"),
}  # fmt: skip


def brought(tmp_path: Path, content: bytes, name: str = "brought") -> list[Piece]:
    path = tmp_path / name
    path.write_bytes(content)
    return bring(path, Wish())


@pytest.mark.parametrize("sample", READ)
def test_read_by_content(tmp_path: Path, sample: str) -> None:
    """Whatever the file is called."""
    content, what = READ[sample]
    for name in ("brought", "x.txt", "case.WASM", "case.wat"):
        (piece,) = brought(tmp_path, content, name)
        assert piece.what == what
    if piece.script is not None:
        assert b"assert" in piece.script or piece.script.count(b"module") == 2
        return
    assert piece.case is not None
    if piece.case.kind is CaseKind.WASM and "field" not in sample:
        assert piece.case.content == MODULE
        assert sample == "a case file" or piece.case.invocations


@pytest.mark.parametrize("sample", REFUSED)
def test_refused_in_one_line(tmp_path: Path, sample: str) -> None:
    content, says = REFUSED[sample]
    with pytest.raises(UsageError) as caught:
        brought(tmp_path, content)
    assert re.search(says, str(caught.value))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("sample", [*READ, *REFUSED])
def test_no_two_formats_fit(sample: str) -> None:
    content = (READ | REFUSED)[sample][0]
    assert sum(form.fits(content) for form in all_formats()) == (sample in READ or _half(sample))


def _half(sample: str) -> bool:
    """Refused by a format that knows what it is, and not for want of one."""
    unknown = ("nothing", "prose", "a form that", "an ELF", "zeros", "a page")
    return not sample.startswith(unknown)


def test_bytes_that_are_not_valid_are_judged_and_not_called(tmp_path: Path) -> None:
    (piece,) = brought(tmp_path, INVALID)
    assert piece.case is not None
    assert piece.case.kind is CaseKind.BYTES
    assert "not valid for our validator" in piece.notes[0]
    path = tmp_path / "brought"
    with pytest.raises(UsageError, match="no valid module, so nothing in it can be called"):
        bring(path, Wish((parse_invocation("f(i32:1)", Entry.HOST),)))


def test_several_modules_in_one_file(tmp_path: Path) -> None:
    other = bytes(wat2wasm("(module (memory 1))"))
    pieces = brought(tmp_path, zipped(**{"a.wasm": MODULE, "b.wat": b"(module (memory 1))"}))
    assert [piece.case.content for piece in pieces if piece.case] == [MODULE, other]
    with pytest.raises(UsageError, match=r"has 2 modules in it, and this takes one at a time: a\.wasm, b\.wat"):
        bring_one(tmp_path / "brought", Wish())
    script = f"a([{NUMBERS}]); a([{NUMBERS}]); b([{', '.join(map(str, other))}])"
    assert [piece.name[-8:] for piece in brought(tmp_path, script.encode())] == ["module 0", "module 1"]


def test_calls_that_fit_and_do_not(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(MODULE)
    wish = Wish((parse_invocation("f(i32:7)", Entry.HOST),))
    case = bring_one(path, wish).case
    assert case is not None
    assert [str(call) for call in case.invocations] == ["f(i32:0x7)"]
    for call, says in (("g()", "exports no function 'g': it has f"), ("f()", r"f takes \(i32\), not \(\)")):
        with pytest.raises(UsageError, match=says):
            bring_one(path, Wish((parse_invocation(call, Entry.HOST),)))
    for content in (SCRIPT.encode(), MACHINE.encode()):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="leave --invoke out"):
            bring_one(path, wish)


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe that nobody writes to, a device without an end, what is not there, what may not be read."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, says in (
        (pipe, "no regular file"), (Path("/dev/zero"), "no regular file"), (tmp_path / "none", "No such file"),
        (Path("x\0y"), "null byte"), (tmp_path, "no bundle: there is no finding.json"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=says):
            bring(path, Wish())


def test_a_small_file_that_stands_for_a_large_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="over 256 MiB when it is unpacked"):
        brought(tmp_path, gzip.compress(bytes(300 << 20), 1))


def test_a_crash_file_of_libfuzzer(tmp_path: Path) -> None:
    """A module is a module; choices belong to the target that made them."""
    name = f"crash-{'0a' * 20}"
    assert brought(tmp_path, MODULE, name)[0].case is not None
    with pytest.raises(UsageError, match=r"atheris_targets\.inputs module"):
        brought(tmp_path, b"\x03\x01\xff\xfe\x00", name)
