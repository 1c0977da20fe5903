"""Whole functions in text form with what each allocator makes of them, operand by operand and move by move.

`pytest tests/allocation --update-stages` rewrites what is expected; read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.machine_text import parse_case, print_env, print_machine
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS, judge_machine

CASES = sorted((Path(__file__).parent / "cases").glob("*.mach"))


@pytest.mark.parametrize("name", sorted(ALLOCATORS))
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_allocated_text(path: Path, name: str, request: pytest.FixtureRequest) -> None:
    func, env = parse_case(path.read_text(encoding="utf-8"))
    answer = ALLOCATORS[name](func, env)
    assert check(func, env, answer) == []
    text = print_machine(func, answer)
    expected = path.with_suffix(f".{name}")
    if request.config.getoption("--update-stages"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases_are_judged_right(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert judge_machine(text) == ()
    func, env = parse_case(text)
    assert parse_case(print_env(env) + print_machine(func)) == (func, env)
