"""The headers of the wings of ``generators/``: complete, short, and about what is there.

A reader finds a file by its wing's header and a wing by the header of ``generators``. So each header names every file
beside it and none that is gone, and what it calls a class, a function or a constant of the project is one.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
HOME = ROOT / "generators"
LISTINGS = ("peers", "targets")
"""Folders whose files are found by listing them: their headers say how to add one, not which there are."""

FOLDERS = sorted(path.parent.name for path in HOME.glob("*/__init__.py"))
WINGS = [name for name in FOLDERS if name not in LISTINGS]
MOST_LINES = 60

QUOTED = re.compile(r"``([^`\n]+)``")
FILE_ROW = re.compile(r"^``(\w+)``  +\S", re.M)
NAME = re.compile(r"[A-Z]\w*[a-z]\w*(\.\w+)?|[A-Z][A-Z_]{3,}")
"""A class or a member of one, or a constant."""


def header(folder: Path) -> str:
    return ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""


def files(folder: Path) -> set[str]:
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def missing(text: str, names: set[str]) -> set[str]:
    """Those of ``names`` that the text does not put into double backquotes as a whole word."""
    quoted = " ".join(QUOTED.findall(text))
    return {name for name in names if not re.search(rf"(?<!\w){name}(?!\w)", quoted)}


def defined() -> set[str]:
    """Classes, their members as ``Class.member``, and constants: of all that generators may import."""
    names: set[str] = set()
    for package in ("generators", "wasm", "compiler"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                names |= bound(node)
                if isinstance(node, ast.ClassDef):
                    names.add(node.name)
                    names |= {f"{node.name}.{name}" for item in node.body for name in bound(item)}
    return names


def bound(node: ast.stmt) -> set[str]:
    """The names that a statement binds, but for imports and classes."""
    if isinstance(node, ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


@pytest.fixture(scope="module")
def known() -> set[str]:
    return defined()


@pytest.mark.parametrize("name", WINGS)
def test_every_file_of_a_wing_is_named_in_its_header(name: str) -> None:
    folder = HOME / name
    assert not missing(header(folder), files(folder)), f"generators/{name}/__init__.py says nothing about these files"


@pytest.mark.parametrize("name", WINGS)
def test_a_header_lists_no_file_that_is_gone(name: str) -> None:
    folder = HOME / name
    assert set(FILE_ROW.findall(header(folder))) <= files(folder)


@pytest.mark.parametrize("name", FOLDERS)
def test_a_header_names_what_there_is(name: str, known: set[str]) -> None:
    quoted = {word for word in QUOTED.findall(header(HOME / name)) if NAME.fullmatch(word)}
    assert not quoted - known, "the header calls something by a name that it does not have"


@pytest.mark.parametrize("name", FOLDERS)
def test_a_header_is_a_page_that_says_how_to_add_something(name: str) -> None:
    text = header(HOME / name)
    assert 8 <= text.count("\n") <= MOST_LINES
    assert re.search(r"\b(new|add|adds|addition)\b|CONTRIBUTING", text), "how is something added to this folder?"


def test_every_folder_and_file_is_on_the_map() -> None:
    text = header(HOME)
    assert not missing(text, files(HOME) | set(FOLDERS))


def test_what_is_gone_or_left_out_shows() -> None:
    """The tests above can fail."""
    text = header(HOME / "control")
    assert missing(text, {"branches", "labels"}) == {"labels"}
    assert set(FILE_ROW.findall(text.replace("``branches``", "``labels``  "))) - files(HOME / "control") == {"labels"}
    assert NAME.fullmatch("TryTable")
    assert NAME.fullmatch("Handler.throws")
    assert not {"TryTable", "Handler.throws", "LOCAL_STEPS"} - defined()
    assert {"GuardDrawer"} - defined()
