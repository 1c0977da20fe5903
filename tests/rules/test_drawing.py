"""Aims drawn in functions with other things in them: valid, without traps, and found again in the code."""

from __future__ import annotations

import pytest

from generators.aims.aim import Aim, parse
from generators.aims.drawing import harmless, write_aim
from generators.aims.finding import aims_in
from generators.aims.own import own_aims
from generators.choices import ChoiceSource
from generators.config import DEFAULT
from generators.program.program import Program
from generators.scalar.trees import LOADING, Tree
from generators.scalar.uses import used
from generators.state.memories import Memories
from oracles.interpreter import run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.fragment import code
from wasm.module import Module
from wasm.validate import validate
from wasm.valtypes import I32, I64

AIMS = own_aims()


def drawn(aim: Aim, number: int, values: tuple[int, ...], apart: str = "") -> Case:
    """A program of one function with this aim in it, on operands with loads."""
    source = ChoiceSource.seeded("aim", number, repr(values), apart)
    program = Program.open(source, DEFAULT)
    fn = program.function(source, (I32, I64), (I64,), "f")
    tree = Tree.within(fn, source, LOADING, 20, program.shell.kit(Memories.of).load)
    made = write_aim(tree, aim, values, apart)
    if made is not None:
        used(tree, "fold", *made)
    fn.publish()
    fn.get(fn.acc)
    return program.close()


def test_every_aim_of_ours_can_be_drawn() -> None:
    """Each with all of its constants that cannot trap: valid, it returns, and no bits are seen that are open. At least
    97% stand in the code as they are in the list; between the others' instructions a NaN is made canonical."""
    found = whole = 0
    for number, aim in enumerate(AIMS):
        choices = [values for values in (*aim.inside, *aim.outside) if harmless(aim.tree, values)]
        assert choices, aim
        for values in choices:
            case = drawn(aim, number, values)
            module = decode(case.content)
            validate(module)
            seen = run_case(case, module)
            assert seen.notes is not None
            assert seen.notes.nan_observed_at is None
            assert all(isinstance(outcome, Returned) for outcome in seen.outcomes), (aim, values)
            whole += 1
            found += bool(aims_in(module, [aim]))
    assert found >= 0.97 * whole


@pytest.mark.parametrize(
    ("tree", "values", "fits"),
    [
        ("(i32.div_u x:i32 (i32.const $0))", (0,), False),
        ("(i32.rem_s x:i32 (i32.const $0))", (0xFFFFFFFF,), True),
        ("(i32.div_s x:i32 (i32.const $0))", (0xFFFFFFFF,), False),
        ("(i64.div_s x:i64 (i64.const $0))", (0xFFFFFFFF,), True),
        ("(i64.div_s x:i64 y:i64)", (), True),
    ],
)
def test_constants_that_could_trap_are_left_out(tree: str, values: tuple[int, ...], fits: bool) -> None:
    assert harmless(parse(tree), values) is fits


def module_of(text: str) -> Module:
    builder = ModuleBuilder()
    builder.func((I32, I32), (I32,)).body += code(text)
    return builder.finish()


ROTATION = Aim(
    parse("(i32.or (i32.shl x:i32 (i32.const $0)) (i32.shr_u x:i32 (i32.const $1)))"), ((7, 25),), ((7, 24),)
)


@pytest.mark.parametrize(
    ("text", "there"),
    [
        ("local.get 0 i32.const 7 i32.shl local.get 0 i32.const 25 i32.shr_u i32.or", True),
        ("local.get 0 i32.const 7 i32.shl local.get 0 i32.const 24 i32.shr_u i32.or", True),
        ("local.get 0 i32.const 7 i32.shl local.get 0 i32.const 23 i32.shr_u i32.or", False),
        ("local.get 0 i32.const 7 i32.shl local.get 1 i32.const 25 i32.shr_u i32.or", False),
        ("local.get 0 i32.const 7 i32.shl local.get 0 i32.const 25 i32.shr_s i32.or", False),
        ("local.get 1 local.tee 0 i32.const 7 i32.shl local.get 0 i32.const 25 i32.shr_u i32.or", True),
    ],
)
def test_what_stands_in_code_is_found(text: str, there: bool) -> None:
    assert bool(aims_in(module_of(text), [ROTATION])) is there
