"""What the lowering rules make of small SSA functions, as text (``tests.texts``).

``; module:`` lines have what the function needs of its module, as WAT; ``; settings:`` has ``opt``, ``regs`` and
``order``. Ids of types are the module's indices here: the real ones depend on what else the process has seen.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import wasmtime

from compiler.ir_text import parse_ir
from compiler.ir_verify import assert_valid as assert_valid_ssa
from compiler.layout import InstanceLayout
from compiler.lower import RULES, Lowering, Settings
from compiler.machine_text import print_machine
from compiler.machine_verify import assert_valid
from compiler.pipeline import abi_of
from compiler.x64.isa import X64
from tests.texts import MARK, cases, meets, settings, words
from wasm.canonical import Types
from wasm.context import ModuleContext
from wasm.decode import decode

HERE = Path(__file__).parent
CASES = cases(HERE, "ssa")


def lowered(text: str) -> dict[str, str]:
    module = decode(wasmtime.wat2wasm(f"(module {words(text, 'module')})"))
    func = parse_ir(text)
    assert_valid_ssa(func)
    chosen = {"opt": "speed", "regs": "12", "order": "rpo", **settings(text)}
    machine = Lowering(
        X64(),
        func,
        ModuleContext.of(module),
        InstanceLayout.of(module),
        abi_of(int(chosen["regs"])),
        Settings(chosen["opt"], chosen["order"]),
        len(module.funcs),
    ).run()
    assert_valid(machine)
    return {"lowered": print_machine(machine)}


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_lowered_text(path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Types, "canonical_id", lambda _types, index: index)
    meets(path, lowered, request)


def test_every_file_of_rules_is_shown() -> None:
    """For each file in ``compiler/x64/rules`` that has rules, some case has an instruction that it lowers."""
    shown = {
        inst.op.name
        for path in CASES
        for block in parse_ir(path.read_text(encoding="utf-8").partition(MARK)[0]).blocks
        for inst in block.insts
    }
    by_file: dict[str, set[str]] = {}
    for name, rule in RULES.items():
        by_file.setdefault(rule.__module__, set()).add(name)
    assert len(by_file) > 7
    assert [module for module, names in by_file.items() if names.isdisjoint(shown)] == []
