"""Every pure row of the table has a lowering rule, and each rule's output survives verifiers, allocator and checker."""

from __future__ import annotations

import pytest

import compiler.x64.isa  # noqa: F401  (registers the rules)
from compiler.ir import IR_OPS
from compiler.lower import RULES
from compiler.machine import OperandKind
from compiler.pipeline import Settings
from compiler.x64.assembler import PSEUDO
from compiler.x64.insts import ROWS
from tests.language.semantics_operands import rows
from tests.lowering.native_rows import compiled, machine_code
from wasm.isa import OPS

PURE = [op for op in OPS.values() if op.pure is not None and not op.name.endswith(".const")]


def test_every_pure_row_has_a_rule() -> None:
    assert len(PURE) > 330
    assert [op.name for op in PURE if op.name not in RULES] == []


def test_every_operation_but_const_has_a_rule_and_every_rule_an_operation() -> None:
    assert [name for name in IR_OPS if name not in RULES] == []
    assert [name for name in RULES if name not in OPS and name not in IR_OPS] == []


@pytest.mark.parametrize("opt", ["none", "speed"])
@pytest.mark.parametrize("regs", [6, 12])
def test_every_row_compiles(opt: str, regs: int) -> None:
    """Verified before, checked after allocation (``Settings`` has both on)."""
    settings = Settings(regalloc="single_pass", opt=opt, regs=regs)
    for row in rows(2):
        assert compiled(row, "plain", settings, {}).code


@pytest.mark.parametrize("opt", ["none", "speed"])
def test_rules_emit_what_emission_knows(opt: str) -> None:
    for row in rows(1):
        for inst in machine_code(row, "plain", Settings(regalloc="single_pass", opt=opt)):
            assert (inst.name in ROWS) != (inst.name in PSEUDO), f"{row.text}: {inst.name}"


def test_a_vector_row_defines_its_result_last() -> None:
    """The last instruction before the result is stored gives it: nothing superfluous stands behind it."""
    for row in rows(1):
        if not row.op.name.startswith(("i8x16", "i16x8", "i32x4", "i64x2", "f32x4", "f64x2", "v128")):
            continue
        insts = machine_code(row, "plain", Settings(regalloc="single_pass"))
        store = next(i for i, inst in enumerate(insts) if inst.name.endswith("_store"))
        stored = insts[store].operands[-1].vreg
        makers = [
            i for i, inst in enumerate(insts) if (stored, OperandKind.DEF) in {(o.vreg, o.kind) for o in inst.operands}
        ]
        between = [inst.name for inst in insts[makers[0] + 1 : store]]
        assert between in ([], ["mov64_load"]), f"{row.text}: {between}"
