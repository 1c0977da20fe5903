"""Text in, text out: a case file has an input and, behind marks, what the stage under test makes of it.

    ; What to look at.
    ; settings: opt=none
    function f (...)
    ; ---- lowered
    function f (...)

A change of the compiler shows as a difference of these files. ``pytest tests/FOLDER --update-stages`` writes what
stands behind the marks anew: read the difference before you commit it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

MARK = "; ---- "


def cases(folder: Path, suffix: str) -> list[Path]:
    """The case files of a folder's ``cases``, in order of their names."""
    return sorted((folder / "cases").glob(f"*.{suffix}"))


def words(text: str, name: str) -> str:
    """What the comment lines ``; name: ...`` of a case say, joined."""
    start = f"; {name}: "
    return " ".join(line.removeprefix(start) for line in text.splitlines() if line.startswith(start))


def settings(text: str) -> dict[str, str]:
    """The words ``key=value`` of a case's ``settings`` line."""
    return dict(word.split("=") for word in words(text, "settings").split())


def meets(path: Path, make: Callable[[str], Mapping[str, str]], request: pytest.FixtureRequest) -> None:
    """Fail if what ``make`` gives for the case's input, by the marks' names, is not what the file says.

    A file that does not begin with a comment fails as well: it has to say what there is to see.
    """
    text = path.read_text(encoding="utf-8")
    assert text.startswith("; "), "begin with a comment that says what to look at"
    given = text.partition(MARK)[0]
    whole = given + "".join(f"{MARK}{name}\n{output}" for name, output in make(given).items())
    if request.config.getoption("--update-stages"):
        path.write_text(whole, encoding="utf-8")
        return
    assert whole == text
