"""Rule files as text in, what was read and which aims were derived as text out (tests/texts.py)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from generators.aims.aim import Aim, text
from generators.isle.program import Program, read_program
from generators.isle.syntax import RuleSyntaxError
from generators.rules.deriving import Deriver
from tests.texts import MARK, cases, meets

HERE = Path(__file__).parent


@pytest.mark.parametrize("path", cases(HERE, "isle"), ids=lambda path: path.stem)
def test_a_file_gives_these_aims(path: Path, request: pytest.FixtureRequest) -> None:
    def made(given: str) -> dict[str, str]:
        program = read_program({path.name: given})
        return {"read": "".join(said(program)), "aims": "".join(derived(program))}

    meets(path, made, request)


def said(program: Program) -> Iterator[str]:
    yield f"; declared: {', '.join(program.decls)}\n"
    yield f"; macros: {', '.join(program.macros)}\n"
    for rule in program.rules:
        conditions = f", {len(rule.conditions)} conditions" if rule.conditions else ""
        yield f"; line {rule.line}: {rule.left.term}, priority {rule.priority}{conditions}\n"


def derived(program: Program) -> Iterator[str]:
    deriver = Deriver(program)
    for rule in program.rules:
        found = deriver.derive(rule)
        yield f"; line {rule.line}: {found.reason or f'{len(found.aims)} aims'}\n"
        yield from (f";   {shown(aim)}\n" for aim in found.aims)


def shown(aim: Aim) -> str:
    parts = [text(aim.tree)]
    for word, choices in (("inside", aim.inside), ("outside", aim.outside)):
        if choices not in ((), ((),)):
            parts.append(f"{word} {' '.join(','.join(map(str, one)) for one in choices)}")
    return "; ".join([*parts, *(f"open: {name}" for name in aim.open)])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("(rule (simplify x)", "a.isle:1: a parenthesis is never closed"),
        ("\n(decl x)", "a.isle:2: a declaration is"),
        (")", "a.isle:1: a parenthesis closes"),
        ("(rule (let ((a b c)) d) e)", "a.isle:1: a rule rewrites"),
        ("(rule (simplify x))", "a.isle:1: a rule is"),
        ("(unheard of)", "is no form that is known"),
        ("(rule (simplify x) (if-let y) x)", "a condition is"),
    ],
)
def test_what_is_no_rule_file_is_told_with_its_place(wrong: str, told: str) -> None:
    with pytest.raises(RuleSyntaxError, match=told.replace("(", r"\(")):
        read_program({"a.isle": wrong})


def test_the_texts_say_what_they_are_about() -> None:
    """Each thing that can happen to a rule is in one of them."""
    whole = "".join(path.read_text().partition(MARK)[2] for path in cases(HERE, "isle"))
    for word in ("128-bit", "checks of bounds", "no constants were found", "open: oracle", "select", "store", "helper"):
        assert word in whole
