"""What each pass makes of small SSA functions, as text (``tests.texts``), and that the passes' headers are true.

A case's ``; settings: passes=fold,dead`` line names the passes that run, in that order, each with a part of its own;
without one the whole of ``simplify`` runs. Every function is verified before, between and after.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from compiler.ir_text import parse_ir, print_ir
from compiler.ir_verify import assert_valid
from compiler.simplify import PASSES, simplify
from tests.texts import cases, meets, settings

CASES = cases(Path(__file__).parent, "ssa")
BECOMES = "; becomes\n"


def simplified(text: str) -> dict[str, str]:
    func = parse_ir(text)
    assert_valid(func)
    chosen = settings(text).get("passes")
    if chosen is None:
        simplify(func, verify=True)
        return {"simplified": print_ir(func)}
    made = {}
    for name in chosen.split(","):
        PASSES[name](func)
        assert_valid(func)
        made[name] = print_ir(func)
    return made


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_simplified_text(path: Path, request: pytest.FixtureRequest) -> None:
    meets(path, simplified, request)


def test_every_pass_is_shown() -> None:
    shown = {name for path in CASES for name in settings(path.read_text(encoding="utf-8")).get("passes", "").split(",")}
    assert shown >= set(PASSES)


@pytest.mark.parametrize("name", PASSES)
def test_the_header_of_a_pass_is_true(name: str) -> None:
    """Its example, from ``function`` on, becomes what stands behind ``; becomes``; another run changes nothing."""
    run = PASSES[name]
    header = inspect.getdoc(sys.modules[run.__module__]) or ""
    example = header[header.index("    function ") :].partition("\n\n")[0]
    before, mark, after = dedent(example).partition(BECOMES)
    assert mark
    func = parse_ir(before)
    assert_valid(func)
    assert run(func)
    assert_valid(func)
    assert print_ir(func).rstrip() == after.rstrip()
    assert not run(func)
