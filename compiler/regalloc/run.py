"""Judging the allocators on a machine function in text form: allocate with both, check both answers."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Final, TypeAlias

from compiler.machine import (
    Allocations,
    MachineEnv,
    MachineFunc,
    RegClass,
    TooManyLiveRegs,
    TooManyOperands,
)
from compiler.machine_text import parse_case
from compiler.machine_verify import verify
from compiler.regalloc import backtracking, single_pass
from compiler.regalloc.checker import blamed, check
from compiler.regalloc.enough import enough_registers

Allocator: TypeAlias = Callable[[MachineFunc, MachineEnv], Allocations]

ALLOCATORS: Final[dict[str, Allocator]] = {
    "backtracking": backtracking.allocate,
    "single_pass": single_pass.allocate,
}
"""By the names that engine settings use."""

_SHOWN: Final = 5


def has_enough_registers(func: MachineFunc, env: MachineEnv) -> bool:
    """Whether every instruction certainly finds its registers, so that ``TooManyLiveRegs`` would be a finding."""
    for block in func.blocks:
        for inst in block.insts:
            classes = [func.class_of(operand.vreg) for operand in inst.operands]
            if not all(enough_registers(inst, env, cls, classes) for cls in RegClass):
                return False
    return True


def judge_machine(text: str) -> tuple[str, ...]:
    """Problems of the allocators with a case, one line each, empty if there are none.

    ``text`` is a function with its registers (``compiler.machine_text``). Raises ``MachineTextError`` if it cannot be
    read and ``ValueError`` if it is no valid function: then there is no case. A problem is a wrong allocation, an
    exception, a refusal without cause, or a disagreement about a refusal; it starts with the allocator's name and a
    word for the kind.
    """
    func, env = parse_case(text)
    invalid = verify(func)
    if invalid:
        raise ValueError(f"not a valid machine function: {invalid[0]}")
    problems: list[str] = []
    refused: dict[str, str] = {}
    for name, allocate in ALLOCATORS.items():
        try:
            answer = allocate(func, env)
        except (TooManyOperands, TooManyLiveRegs) as error:
            refused[name] = type(error).__name__
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            problems.append(f"{name}: raised: {type(error).__name__} in {frame.name}: {error}")
        else:
            errors = check(func, env, answer)
            problems += [f"{name}: wrong: {blamed(errors, name)}"] if errors else []
            problems += [f"{name}: wrong: {error}" for error in errors[:_SHOWN]]
    return tuple(problems + _refusals(func, env, refused))


def _refusals(func: MachineFunc, env: MachineEnv, refused: dict[str, str]) -> list[str]:
    widest = max(len(inst.operands) for block in func.blocks for inst in block.insts)
    problems = []
    for name, kind in refused.items():
        if kind == TooManyOperands.__name__ and widest <= 65_536:
            problems.append(f"{name}: refused: {kind} with {widest} operands")
        if kind == TooManyLiveRegs.__name__ and has_enough_registers(func, env):
            problems.append(f"{name}: refused: {kind} with enough registers")
    if refused and set(refused) != set(ALLOCATORS) and not problems:
        name, kind = next(iter(refused.items()))
        problems.append(f"{name}: refused: {kind}, and the other allocator did not")
    return problems
