"""What emission makes of small allocated functions, as a disassembler reads it (``tests.texts``).

``; settings:`` has the bytes of the return area (``area``), of staged arguments (``staging``), and by how much a tail
call's argument list is longer (``grows``). Numbers of helpers are 5 here: the real ones depend on what else the process
has compiled.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.machine_text import print_machine
from compiler.x64 import stubs
from compiler.x64.assembler import PSEUDO
from compiler.x64.disassembly import Disassembler, disassembler
from compiler.x64.emission import emit_function
from tests.encoding.allocated_text import code_text, parse_allocated, stub_text
from tests.texts import MARK, cases, meets, settings

HERE = Path(__file__).parent
CASES = cases(HERE, "mach")


@pytest.fixture
def disassemble() -> Disassembler:
    pytest.importorskip("iced_x86", reason="the texts are iced-x86's: pip install iced-x86")
    made = disassembler()
    assert made is not None
    return made


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_emitted_text(
    path: Path, disassemble: Disassembler, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.x64.pseudo.calls.number", lambda _request: 5)

    def emitted(text: str) -> dict[str, str]:
        func, answer = parse_allocated(text)
        extra = {key: int(value) for key, value in settings(text).items()}
        return {"emitted": code_text(func, answer, emit_function(func, answer, **extra), disassemble)}

    meets(path, emitted, request)


def test_the_stubs_as_text(disassemble: Disassembler, request: pytest.FixtureRequest) -> None:
    """What stands at the border between host and compiled code."""

    def emitted(_text: str) -> dict[str, str]:
        made = (stubs.entry().code, stubs.thunk(), stubs.leave(), stubs.handler())
        return {code.name: stub_text(code, disassemble) for code in made}

    meets(HERE / "cases" / "stubs.txt", emitted, request)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_inputs_print_as_they_are_written(path: Path) -> None:
    """So that nothing of an input is read as something else."""
    given = path.read_text(encoding="utf-8").partition(MARK)[0]
    whole = given[given.index("\nfunction ") + 1 :]
    assert print_machine(*parse_allocated(whole)) == whole


def test_every_pseudo_instruction_is_shown() -> None:
    shown = {
        inst.name
        for path in CASES
        for block in parse_allocated(path.read_text(encoding="utf-8").partition(MARK)[0])[0].blocks
        for inst in block.insts
    }
    assert [name for name in PSEUDO if name not in shown] == []
