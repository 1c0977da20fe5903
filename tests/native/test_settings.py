"""The engine's ids and settings; images laid out without being mapped."""

from __future__ import annotations

import platform

import pytest

from compiler.emit import CodeBuffer, CompiledFunction
from compiler.image import ALIGNMENT, lay_out
from compiler.pipeline import Settings
from compiler.x64 import stubs
from oracles.engine import EngineId, EngineUnavailable, UsageError, open_engine
from oracles.engines import compiler

RUNTIME = 0x1122334455667788


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("compiler", "compiler"),
        ("compiler:regalloc=backtracking+opt=speed+regs=12+order=rpo+fuel=on+checker=on", "compiler"),
        ("compiler:regs=08+opt=none", "compiler:opt=none+regs=8"),
        ("compiler:order=random-007+regalloc=single_pass", "compiler:regalloc=single_pass+order=random-7"),
        ("compiler:fuel=off+spill=all", "compiler:spill=all+fuel=off"),
    ],
)
def test_canonical_ids(text: str, canonical: str) -> None:
    assert str(EngineId.parse(text)) == canonical
    assert EngineId.parse(canonical) == EngineId.parse(text)


@pytest.mark.parametrize(
    "text",
    ["compiler@1", "compiler:opt=size", "compiler:regs=5", "compiler:regs=13", "compiler:regs=x", "compiler:spill",
     "compiler:order=random", "compiler:order=random-x", "compiler:speed"],
)  # fmt: skip
def test_what_cannot_be_meant(text: str) -> None:
    with pytest.raises(UsageError):
        EngineId.parse(text)


def test_settings_behind_an_id() -> None:
    id = EngineId.parse("compiler:regalloc=single_pass+opt=none+regs=7+spill=all+order=random-3+fuel=off+checker=off")
    assert compiler.settings_of(id) == Settings("single_pass", "none", 7, True, "random", 3, False, False)
    assert compiler.settings_of(EngineId.parse("compiler")) == Settings()


def test_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(EngineUnavailable, match="x86-64"):
        open_engine("compiler")


def function(name: str, size: int, *calls: int, kind: str = "call") -> CompiledFunction:
    """``size`` bytes, then calls of functions by index, the Runtime block's address, and a protected call."""
    buffer = CodeBuffer()
    buffer.code += bytes(size)
    for target in calls:
        buffer.code.append(0xE8)
        buffer.reloc(kind, target)
    buffer.code += b"\x49\xba"
    buffer.reloc("runtime")
    landing = buffer.label()
    buffer.trap_site("UNREACHABLE")
    buffer.call_site(((2, landing), (None, landing)))
    buffer.code += b"\xc3"
    buffer.place(landing)
    return buffer.finish(name, 0, [])


def test_images() -> None:
    first, second = function("first", 100, 8), function("second", 3, 7, 8, kind="call")
    image = lay_out({7: first, 8: second}, (stubs.thunk(), stubs.leave()), RUNTIME)
    assert sorted(image.entries) == [7, 8]
    assert all(offset % ALIGNMENT == 0 for offset in image.entries.values())

    def target(at: int) -> int:
        assert image.code[at] == 0xE8
        return at + 5 + int.from_bytes(image.code[at + 1 : at + 5], "little", signed=True)

    assert target(image.entries[7] + 100) == image.entries[8]
    assert target(image.entries[8] + 3) == image.entries[7]
    assert target(image.entries[8] + 8) == image.entries[8]
    assert image.code.count(RUNTIME.to_bytes(8, "little")) == sum(
        reloc.kind == "runtime" for f in (first, second, stubs.thunk(), stubs.leave()) for reloc in f.relocs
    )
    site = image.entries[8] + second.call_sites[0].offset
    assert image.handlers[site] == ((2, site + 1), (None, site + 1))
    assert image.trap_sites[site] == "UNREACHABLE"
    assert image.locate(image.entries[7] + 4) == "first+0x4"
    assert image.locate(len(image.code)) == "?"


def test_a_call_of_nothing() -> None:
    with pytest.raises(KeyError):
        lay_out({0: function("f", 0, 1)}, (stubs.thunk(), stubs.leave()), RUNTIME)
