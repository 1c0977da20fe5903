"""One small generated case of each target as text, beside the choices that make it: ``texts/TARGET.txt``.

A file is a line of choices in hexadecimal, an empty line, and what the target makes of them: the module as WAT with the
calls that the host makes, or the machine function. Any bytes are choices, and missing ones are zero, so the choices of
a new file can be written by hand. ``pytest tests/generation/test_texts.py --update-texts`` writes what is made of them;
read the difference before you commit it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from generators.choices import ChoiceSource
from generators.config import DEFAULT
from generators.registry import load_target, target_names
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Invocation
from wasm.text import print_wat

TEXTS = Path(__file__).parent / "texts"
HEAD = "choices: "
MOST_LINES = 110
"""A text is there to be read."""


def text_of(case: Case) -> str:
    """What a case is, for a reader."""
    if case.kind is CaseKind.MACHINE:
        return case.content.decode()
    lines = [f"{print_wat(decode(content))};; is {name}\n\n" for name, content in case.before]
    lines.append(print_wat(decode(case.content)))
    lines += [f";; {invocation_text(invocation)}\n" for invocation in case.invocations]
    if case.labels:
        lines.append(f";; labels: {', '.join(sorted(case.labels))}\n")
    return "".join(lines)


def invocation_text(invocation: Invocation) -> str:
    args = ", ".join(arg.ref if arg.type == "ref" else f"{arg.type} {arg.bits:#x}" for arg in invocation.args)
    return f"the {invocation.entry.value} calls {invocation.export}({args})"


def choices_in(path: Path) -> bytes:
    """The choices that a file begins with."""
    first = path.read_text(encoding="utf-8").partition("\n")[0]
    assert first.startswith(HEAD), f"{path} begins with '{HEAD}' and hexadecimal digits"
    return bytes.fromhex(first.removeprefix(HEAD))


@pytest.mark.parametrize("target", target_names())
def test_a_target_makes_this_of_these_choices(target: str, request: pytest.FixtureRequest) -> None:
    path = TEXTS / f"{target}.txt"
    if not path.is_file():
        pytest.fail(
            f"no tests/generation/texts/{path.name}: write '{HEAD}00' into it (small bytes make small programs), "
            "then run pytest tests/generation/test_texts.py --update-texts",
            pytrace=False,
        )
    choices = choices_in(path)
    made = text_of(load_target(target).generate(ChoiceSource.replay(choices), DEFAULT))
    text = f"{HEAD}{choices.hex(' ', -4)}\n\n{made}"
    lines = len(text.splitlines())
    assert lines <= MOST_LINES, f"{lines} lines are too many to read: smaller choices make a smaller program"
    if request.config.getoption("--update-texts"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


def test_every_text_has_a_target() -> None:
    assert {path.stem for path in TEXTS.iterdir()} <= set(target_names())
