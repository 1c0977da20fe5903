"""Both allocators on random machine functions, by the checker, and at the limits of what there can be."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from compiler.machine import (
    ANY,
    MAX_OPERANDS,
    MachineBlock,
    MachineEnv,
    MachineFunc,
    MachineInst,
    PReg,
    RegClass,
    TooManyLiveRegs,
    TooManyOperands,
    define,
    use,
)
from compiler.machine_text import parse_case, parse_machine, print_env, print_machine
from compiler.machine_verify import verify
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS, has_enough_registers, judge_machine
from generators.choices import ChoiceSource
from generators.hypothesis import sources
from generators.machine.funcs import make_function
from wasm.valtypes import I64

BOTH = sorted(ALLOCATORS)
SLOW = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


def env_of(count: int) -> MachineEnv:
    regs = {cls: tuple(PReg(cls, hw) for hw in range(count)) for cls in RegClass}
    return MachineEnv(regs, {cls: PReg(cls, 31) for cls in RegClass})


@pytest.mark.parametrize("name", BOTH)
def test_random_functions(name: str) -> None:
    """`fuzz run --target regalloc --cases 20000` is the long form."""
    for index in range(60):
        func, env = make_function(ChoiceSource.seeded("allocators", index))
        assert verify(func) == [], index
        assert has_enough_registers(func, env), index
        assert check(func, env, ALLOCATORS[name](func, env)) == [], index


@settings(SLOW, max_examples=60)
@given(sources())
def test_any_choices_make_a_case_that_is_judged_right(source: ChoiceSource) -> None:
    func, env = make_function(source)
    assert judge_machine(print_env(env) + print_machine(func)) == ()


@pytest.mark.parametrize("name", BOTH)
def test_an_answer_is_the_same_every_time(name: str) -> None:
    func, env = make_function(ChoiceSource.seeded("allocators", 7))
    assert ALLOCATORS[name](func, env) == ALLOCATORS[name](func, env)


def wide(results: int, arguments: int = 0) -> MachineFunc:
    """A call with so many results and arguments, all of whose results are used at once."""
    func = MachineFunc("f")
    results_of = [func.new_vreg(I64) for _ in range(results)]
    arguments_of = tuple(define(func.new_vreg(I64), ANY) for _ in range(arguments))
    call = tuple(use(vreg, ANY) for vreg, *_ in arguments_of) + tuple(define(vreg, ANY) for vreg in results_of)
    fold = tuple(use(vreg, ANY) for vreg in results_of)
    insts = [MachineInst("make", arguments_of), MachineInst("call", call), MachineInst("ret", fold, edges=())]
    func.blocks = [MachineBlock((), insts)]
    return func


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("count", [255, 256, 257, MAX_OPERANDS])
def test_the_widest_instructions_allocate(name: str, count: int) -> None:
    """From the text form and back, every operand with a place of its own."""
    func = parse_machine(print_machine(wide(count - count // 3, count // 3)))
    assert max(len(inst.operands) for inst in func.blocks[0].insts) == count
    env = env_of(4)
    answer = ALLOCATORS[name](func, env)
    assert check(func, env, answer) == []


@pytest.mark.parametrize("name", BOTH)
def test_one_operand_more_is_refused(name: str) -> None:
    func = parse_machine(print_machine(wide(MAX_OPERANDS, 1)))
    with pytest.raises(TooManyOperands, match="65537 operands") as caught:
        ALLOCATORS[name](func, env_of(4))
    assert caught.value.inst == 1


HEAD = "function f\nblock 0\n  a v0:i64>any v1:i64>any v2:i64>any\n"


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize(
    ("line", "least"),
    [
        ("op v0<any v1<any v2<any v3:i64>any", 0),
        ("op v0<reg v1<reg v2<any v3:i64>reg v4:i64>reg", 2),
        ("op v0<reg v1<reg v2<reg", 3),
        ("op v0<reg v0<reg v0<reg", 1),
        ("op v0<reg v1<reg v3:i64>reuse(0)", 2),
        ("op v0<any v1<any v3:i64>reuse(0) v4:i64>reuse(1)", 2),
        ("op v0<late:reg v1<reg v3:i64>reg", 2),
        ("op v0<reg v3:i64>early:reg v4:i64>reg", 2),
        ("op v0<fixed(int:0) v0<reg v1<reg", 2),
        ("op v0<fixed(int:0) v1<any v3:i64>fixed(int:0) !int:0 !int:1 !int:2", 1),
    ],
)
def test_the_least_number_of_registers(name: str, line: str, least: int) -> None:
    """What one instruction asks for is what a function needs: with that many registers it allocates, with fewer not."""
    func = parse_machine(f"{HEAD}  {line}\n  ret v0<any v1<any v2<any => .")
    assert verify(func) == []
    env = env_of(least)
    assert check(func, env, ALLOCATORS[name](func, env)) == []
    if least and "fixed" not in line:
        with pytest.raises(TooManyLiveRegs):
            ALLOCATORS[name](func, env_of(least - 1))


@pytest.mark.parametrize("name", BOTH)
def test_clobbered_registers_do_not_serve_late_uses(name: str) -> None:
    func = parse_machine(f"{HEAD}  op v0<late:reg v1<reg !int:0\n  ret => .")
    assert check(func, env_of(2), ALLOCATORS[name](func, env_of(2))) == []
    with pytest.raises(TooManyLiveRegs):
        ALLOCATORS[name](func, env_of(1))


@pytest.mark.parametrize("name", BOTH)
def test_limits_are_met_in_any_order(name: str) -> None:
    """Each order of the operands leaves exactly one way."""
    func = parse_machine(f"{HEAD}  op v0<reg v1<limit(2) v2<limit(1)\n  op v2<limit(1) v1<limit(2) v0<reg\n  ret => .")
    assert check(func, env_of(3), ALLOCATORS[name](func, env_of(3))) == []


def test_judging_finds_refusals_without_cause(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise TooManyLiveRegs("no")

    text = print_env(env_of(3)) + HEAD + "  op v0<reg v1<reg v2<reg\n  ret => .\n"
    few = text.replace("int:0 int:1 int:2", "int:0 int:1")
    assert judge_machine(text) == ()
    assert judge_machine(few) == ()
    monkeypatch.setitem(ALLOCATORS, "single_pass", refuse)
    assert judge_machine(text) == ("single_pass: refused: TooManyLiveRegs with enough registers",)
    assert judge_machine(few) == ()
    monkeypatch.setitem(ALLOCATORS, "single_pass", lambda *_: 1 // 0)
    assert judge_machine(text) == (
        "single_pass: raised: ZeroDivisionError in <lambda>: integer division or modulo by zero",
    )


def test_what_is_no_case_raises() -> None:
    with pytest.raises(ValueError, match="name the registers"):
        judge_machine("function f\nblock 0\n  ret => .")
    with pytest.raises(ValueError, match="not a valid machine function"):
        judge_machine(print_env(env_of(1)) + "function f\nblock 0\n  op v0:i32>reg")
    assert parse_case(print_env(env_of(1)) + "function f\nblock 0\n  ret => .")[1] == env_of(1)
