"""``fuzz compile``: every stage of small modules, what cannot be shown, and the page that follows one function."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from compile_page import PAGE, blocks, made

from compiler.ir_text import parse_ir, print_ir
from compiler.machine_text import parse_machine, print_machine
from compiler.x64 import disassembly
from fuzz.cli.main import main

WAT = """
(module
  (tag $t (param i32))
  (import "env" "log" (func $log (param i32)))
  (func $sum (export "sum") (param $n i32) (param $x i32) (result i32) (local $acc i32)
    (loop $again
      (local.set $acc (i32.add (local.get $acc) (i32.mul (local.get $x) (local.get $n))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $acc))
  (func (export "guarded") (param i32 i32) (result i32)
    (block $caught (result i32)
      (try_table (result i32) (catch $t $caught)
        (call $log (local.get 0))
        (i32.div_s (call $sum (local.get 0) (local.get 1)) (local.get 1))))))
"""

EMITS = ("ssa", "simplified", "machine", "alloc", "asm", "image")


@pytest.fixture
def wat(tmp_path: Path) -> str:
    path = tmp_path / "guarded.wat"
    path.write_text(WAT)
    return str(path)


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command prints; it must succeed in silence."""
    assert main(["compile", *arguments]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("emit", EMITS)
@pytest.mark.parametrize("settings", ["regalloc=backtracking", "compiler:regalloc=single_pass+regs=6+fuel=off"])
def test_every_stage_of_every_function(wat: str, emit: str, settings: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, wat, "--emit", emit, "--set", settings)
    assert len(re.findall(r"^function", text, re.M)) == 2
    assert ("fuel" in text) == (settings == "regalloc=backtracking" and emit != "image")


def test_the_forms_that_can_be_read_back(wat: str, capsys: pytest.CaptureFixture[str]) -> None:
    for emit in ("ssa", "simplified"):
        text = shown(capsys, wat, "--emit", emit, "--func", "sum")
        assert print_ir(parse_ir(text)) == text
    text = shown(capsys, wat, "--emit", "machine", "--func", "1")
    plain = re.sub(r" ;.*", "", text)
    assert print_machine(parse_machine(text)) == plain


def test_an_allocation_and_its_edits_are_beside_the_instructions(wat: str, capsys: pytest.CaptureFixture[str]) -> None:
    machine = shown(capsys, wat, "--emit", "machine", "--func", "guarded")
    text = shown(capsys, wat, "--emit", "alloc", "--func", "guarded", "--set", "spill=all+regs=6")
    assert re.match(r"; \d+ slots; .*\d+ moves", text)
    operands = re.findall(r" v\d+(?::\w+)?[<>]\S+", text)
    assert len(operands) >= len(re.findall(r" v\d+(?::\w+)?[<>]\S+", machine))
    assert all(re.search(r"=(int:\d+|float:\d+|\[\d+\])$", operand) for operand in operands)
    assert re.search(r"^    ; \S+ <- \S+ i32$", text, re.M)


def test_the_code_is_all_there_in_order(wat: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, wat, "--emit", "asm", "--func", "guarded")
    size = int(re.search(r"; (\d+) bytes", text)[1])  # type: ignore[index]
    offsets = [int(word, 16) for word in re.findall(r"^      ([0-9a-f]{5})  ", text, re.M)]
    assert offsets == sorted(set(offsets))
    assert offsets[0] == 0
    assert size - offsets[-1] <= 15
    assert "; function 1" in text
    assert "; block " in text


@pytest.mark.parametrize("missing", [(), ("iced_x86",)], ids=["iced-x86", "capstone"])
def test_both_disassemblers_see_the_same_instructions(
    wat: str, missing: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = "capstone" if missing else "iced_x86"
    pytest.importorskip(wanted)
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    found = disassembly.disassembler()
    assert found is not None
    lines = list(found(bytes.fromhex("4883ec10 e805000000 750b c3"), 0x10))
    assert [(line.offset, line.size, line.target) for line in lines] == [
        (0x10, 4, None),
        (0x14, 5, 0x1E),
        (0x19, 2, 0x26),
        (0x1B, 1, None),
    ]
    assert lines[0].text.replace(" ", "") == "subrsp,0x10"
    assert "; block " in shown(capsys, wat, "--emit", "asm")


def test_bytes_where_there_is_no_disassembler(
    wat: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    listed = shown(capsys, wat, "--emit", "asm", "--func", "sum")
    for name in ("iced_x86", "capstone"):
        monkeypatch.setitem(sys.modules, name, None)
    text = shown(capsys, wat, "--emit", "asm", "--func", "sum")
    assert text.count("pip install iced-x86") == 1
    code = "".join(re.findall(r"^      [0-9a-f]{5}  ((?:[0-9a-f]{2} ?)+)$", text, re.M))
    assert f"; {len(bytes.fromhex(code))} bytes" in listed
    assert bytes.fromhex(code)[:4] == bytes.fromhex("55488bec")


def test_an_image_names_its_places(wat: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, wat, "--emit", "image", "--func", "guarded")
    assert re.search(r"^[0-9a-f]{6} .* function 1 ", text, re.M)
    assert len(re.findall(r"^function ", text, re.M)) == 1
    call = re.search(r"^  ([0-9a-f]{6})  relocation  call of function 1, 4 bytes: (.*)$", text, re.M)
    callee = re.search(r"^([0-9a-f]{6}) .* function 1 ", text, re.M)
    assert call
    assert callee
    distance = int.from_bytes(bytes.fromhex(call[2]), "little", signed=True)
    assert int(call[1], 16) + 4 + distance == int(callee[1], 16)
    assert len(re.findall(r"call site   handlers: tag 0 at [0-9a-f]{6}$", text, re.M)) == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--emit", "fast"], "no 'fast'"),
        ([], "--emit"),
        (["--emit", "asm", "--set", "opt=fast"], "opt=fast is not possible"),
        (["--emit", "asm", "--set", "regs=5"], "regs=5 is not possible"),
        (["--emit", "asm", "--set", "wasmtime:opt=none"], "are no settings"),
        (["--emit", "simplified", "--set", "opt=none"], "ask for --emit ssa"),
        (["--emit", "asm", "--func", "0"], "function 0 is imported: the module defines 1 to 2"),
        (["--emit", "asm", "--func", "3"], "no function 3: the module defines 1 to 2, exports sum, guarded"),
        (["--emit", "asm", "--func", "nope"], "no function nope"),
    ],
)
def test_what_cannot_be_meant_is_one_line(
    wat: str, more: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compile", wat, *more]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.wat", b"(module (func (result i32)))", "does not assemble|is no valid module"),
        ("x.wasm", b"\0asm\1\0\0\0\1\1", "is no valid module"),
        ("x.wasm", b"\0asm\1\0\0\0", "defines no function"),
        ("x.json", b"[]", "is nothing that can be run"),
    ],
)
def test_files_that_hold_no_function(
    tmp_path: Path, name: str, content: bytes, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert main(["compile", str(path), "--emit", "ssa"]) == 2
    error = capsys.readouterr().err
    assert re.search(words, error)
    assert error.count("\n") == 1


def test_what_is_not_compiled_yet_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "atomic.wat"
    path.write_text("(module (memory 1 1 shared) (func (i32.atomic.store (i32.const 0) (i32.const 1))))")
    assert main(["compile", str(path), "--emit", "image"]) == 3
    captured = capsys.readouterr()
    assert captured.err.endswith("i32.atomic.store is not compiled yet\n")
    assert captured.err.count("\n") == 1
    assert captured.out == ""


SHOWN = blocks(PAGE.read_text(encoding="utf-8"))


def test_the_page_shows_every_stage() -> None:
    assert {re.search(r"--emit (\w+)", command)[1] for command in SHOWN} == set(EMITS)  # type: ignore[index]


@pytest.mark.parametrize("command", SHOWN)
def test_the_page_shows_what_the_tool_prints(command: str) -> None:
    if "--emit asm" in command:
        pytest.importorskip("iced_x86")
    assert SHOWN[command] == made(command), "python tests/harness/compile_page.py writes the page anew: read the diff"
