"""Constants that come out wrong: overwritten by an earlier instruction that shares their register, or made wrongly."""

from __future__ import annotations

import pytest

from tests.explaining.engine import opener
from tests.explaining.test_instruments import explained
from tests.triage.mistaken import Mistaken
from wasm.isa import OPS
from wasm.module import Module

CLZ = """(module (func (export "f") (param i32) (result i32)
  local.get 0 i32.const 3 i32.mul drop
  local.get 0 i32.clz drop
  local.get 0 i32.const 1234 i32.xor))"""


class Shared(Mistaken):
    """Behind an ``i32.clz`` the constant 1234 is 1235, as if they shared a register."""

    def compiled(self, module: Module) -> Module:
        for func in module.funcs:
            names = [op.name for op, _ in func.body]
            if "i32.clz" in names:
                func.body = [
                    (op, 1235) if (op.name, imm) == ("i32.const", 1234) else (op, imm) for op, imm in func.body
                ]
        return module


class Made(Mistaken):
    """The constant 1234 is 1235 wherever it stands."""

    def compiled(self, module: Module) -> Module:
        for func in module.funcs:
            func.body = [(op, 1235) if (op, imm) == (OPS["i32.const"], 1234) else (op, imm) for op, imm in func.body]
        return module


@pytest.mark.parametrize(("kind", "text", "position"), [(Shared, "i32.clz", 5), (Made, "i32.const 1234", 8)])
def test_what_spoils_a_constant(kind: type[Mistaken], text: str, position: int) -> None:
    made = explained(CLZ, opener(kind=kind), "operation")
    assert made.operation is not None
    assert (made.operation.text, made.operation.position) == (text, position)
