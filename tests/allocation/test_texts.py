"""What each allocator makes of whole functions, operand by operand and move by move, as text (``tests.texts``).

The two lines before the function name the allocatable registers and the scratch ones.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.machine_text import parse_case, print_env, print_machine
from compiler.machine_verify import verify
from compiler.regalloc.checker import check
from compiler.regalloc.run import ALLOCATORS, judge_machine
from tests.texts import MARK, cases, meets

CASES = cases(Path(__file__).parent, "mach")


def allocated(text: str) -> dict[str, str]:
    func, env = parse_case(text)
    assert verify(func) == []
    made = {}
    for name, allocate in ALLOCATORS.items():
        answer = allocate(func, env)
        assert check(func, env, answer) == []
        made[name] = print_machine(func, answer)
    return made


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_allocated_text(path: Path, request: pytest.FixtureRequest) -> None:
    meets(path, allocated, request)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_cases_are_judged_right(path: Path) -> None:
    text = path.read_text(encoding="utf-8").partition(MARK)[0]
    assert judge_machine(text) == ()
    func, env = parse_case(text)
    assert parse_case(print_env(env) + print_machine(func)) == (func, env)
