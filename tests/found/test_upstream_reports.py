"""docs/found/reports: each report has what a maintainer asks for, and shows the very module that docs/found keeps."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from wasmtime import wat2wasm

FOUND = Path(__file__).parents[2] / "docs" / "found"
REPORTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((FOUND / "reports").glob("*.md"))}
INDEX = REPORTS.pop("README")
HEADINGS = (
    "Test case", "Steps to reproduce", "Expected result", "Actual result", "Versions", "Environment", "Analysis",
    "Duplicates",
)  # fmt: skip
OPTIONAL = {"Analysis"}
BUILT = {"jsc-bbq-wide-tail-call.wat"}
"""Modules that a report builds by a program, since their text is long."""
of_each_report = pytest.mark.parametrize("name", REPORTS)


def blocks(text: str, *languages: str) -> list[str]:
    """What stands in a report's code blocks of these languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", text, flags=re.M | re.S)


def kept(path: Path) -> str:
    """A module or script without the comment at its head."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    while lines[0].startswith(";;"):
        lines.pop(0)
    return "".join(lines)


def without_custom_sections(content: bytes) -> bytes:
    """A module without its names; sizes of sections are read as LEB128."""
    at, rest = 8, content[:8]
    while at < len(content):
        size, shift, end = 0, 0, at + 1
        while True:
            size |= (content[end] & 0x7F) << shift
            shift, end = shift + 7, end + 1
            if content[end - 1] < 0x80:
                break
        rest += b"" if content[at] == 0 else content[at : end + size]
        at = end + size
    return rest


def test_there_are_reports_of_at_least_four_engines() -> None:
    assert len({name.split("-")[0] for name in REPORTS} - {"regalloc2"}) >= 4
    assert len(REPORTS) >= 10


def test_the_index_has_each_report_once_with_its_title() -> None:
    rows = re.findall(r"^\| \[(\S+)\]\((\S+)\.md\) \| [^|]+ \| [^|]+ \| (.*) \| (.*) \|$", INDEX, flags=re.M)
    assert sorted(name for name, _, _, _ in rows) == sorted(REPORTS)
    for name, file, title, status in rows:
        assert (file, status) == (name, "not filed")
        assert REPORTS[name].startswith(f"# {title}\n")


@of_each_report
def test_a_report_has_its_headings_in_order(name: str) -> None:
    found = re.findall(r"^## (.*)$", REPORTS[name], flags=re.M)
    assert found == [heading for heading in HEADINGS if heading in found]
    assert set(HEADINGS) - set(found) <= OPTIONAL


@of_each_report
def test_a_report_says_when_duplicates_were_looked_for(name: str) -> None:
    (said,) = re.findall(r"^## Duplicates\n\n(.*)", REPORTS[name], flags=re.M)
    assert re.match(r"A search of public issues and pull requests on \d{4}-\d\d-\d\d found no report of this", said)


@of_each_report
def test_a_report_asks_for_nothing_of_this_project(name: str) -> None:
    assert not re.search(r"\bfuzz\b|\boracles/|\btests/|--engine\b", REPORTS[name])


@of_each_report
def test_files_that_a_report_names_are_there(name: str) -> None:
    for target in re.findall(r"\]\((?!https:)([^)]+)\)", REPORTS[name]):
        assert (FOUND / "reports" / target).is_file(), target


@of_each_report
def test_a_report_shows_the_modules_that_it_names(name: str) -> None:
    named = set(re.findall(r"\]\(\.\./(\S+\.was?t)\)", REPORTS[name])) - BUILT
    shown = blocks(REPORTS[name], "wat", "wast")
    for file in named:
        assert kept(FOUND / file) in shown, file


@of_each_report
def test_bytes_are_those_of_the_text(name: str) -> None:
    """Where a script has the whole module as numbers."""
    texts = blocks(REPORTS[name], "wat")
    for script in blocks(REPORTS[name], "js"):
        for numbers in re.findall(r"^const bytes = Uint8Array\.from\(\[([\s\da-fx,]+)\]\);$", script, flags=re.M):
            (text,) = texts
            assert bytes(int(number, 0) for number in numbers.split(",")) == without_custom_sections(
                bytes(wat2wasm(text))
            )


@of_each_report
def test_text_in_programs_is_that_of_the_test_case(name: str) -> None:
    case = "".join(blocks(REPORTS[name], "wat", "wast")).replace("(module $callee\n", "(module\n")
    for program in blocks(REPORTS[name], "rust"):
        for text in re.findall(r'r#"(.*?)"#', program, flags=re.S):
            assert text in case


@of_each_report
def test_functions_for_regalloc2_are_those_of_the_program(name: str) -> None:
    program = (FOUND / "reports" / "regalloc2.rs").read_text(encoding="utf-8")
    if name.startswith("regalloc2"):
        for shown in blocks(REPORTS[name], "rust"):
            lines = [line.strip() for line in shown.splitlines()]
            assert "\n".join(lines) in "\n".join(line.strip() for line in program.splitlines())
        asked = re.findall(r"^    cargo run -- (\S+) (ion|fastalloc)$", REPORTS[name], flags=re.M)
        assert asked
        assert all(f'"{example}" =>' in program for example, _ in asked)
    else:
        assert "regalloc2.rs" not in REPORTS[name]
