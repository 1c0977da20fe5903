"""Both allocators on random machine functions, by the checker; the limit on operands."""

from __future__ import annotations

import pytest

from compiler.machine import ANY, MAX_OPERANDS, MachineBlock, MachineFunc, MachineInst, TooManyOperands, define
from compiler.regalloc import single_pass
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS
from generators.choices import ChoiceSource
from generators.machine_funcs import make_env, make_function
from wasm.valtypes import I64

ENV = make_env(ChoiceSource.replay(b""))


@pytest.mark.parametrize("name", sorted(ALLOCATORS))
def test_random_functions(name: str) -> None:
    for index in range(60):
        func, env = make_function(ChoiceSource.seeded("allocators", index))
        assert check(func, env, ALLOCATORS[name](func, env)) == [], index


def wide(count: int) -> MachineFunc:
    func = MachineFunc("f")
    operands = tuple(define(func.new_vreg(I64), ANY) for _ in range(count))
    func.blocks = [MachineBlock((), [MachineInst("call", operands), MachineInst("ret", edges=())])]
    return func


def test_the_largest_instruction_allocates() -> None:
    func = wide(MAX_OPERANDS)
    assert check(func, ENV, single_pass.allocate(func, ENV)) == []


@pytest.mark.parametrize("name", sorted(ALLOCATORS))
def test_one_operand_more_is_refused(name: str) -> None:
    with pytest.raises(TooManyOperands):
        ALLOCATORS[name](wide(MAX_OPERANDS + 1), ENV)
