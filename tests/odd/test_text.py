"""Text that others wrote is shown and not obeyed: in a terminal, in Markdown, in scripts, and in lines of ours."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from fuzz.archive import bundle
from fuzz.archive.archive import Archive
from fuzz.archive.bundles import read_findings
from fuzz.archive.repro import Shown, script
from fuzz.cli.main import main
from fuzz.cli.streams import Guarded, say
from fuzz.records.finding import Finding
from fuzz.records.markdown_text import code, markdown
from fuzz.records.morning import Morning
from fuzz.records.printable import one_line, printable, printable_lines, text_lines
from fuzz.records.summary import Summary
from fuzz.report.formats.markdown import render
from fuzz.report.live import Plain
from fuzz.report.words import summary_lines
from oracles.judge.verdict import Kind

ROOT = Path(__file__).resolve().parents[2]

NASTY = {
    "clears the screen": "\x1b[2J\x1b[H",
    "renames the window": "\x1b]0;owned\x07",
    "C1 escape": "\x9b2J",
    "rings": "\a",
    "goes back": "ok\rDISAGREEMENT",
    "rubs out": "no\b\bok",
    "new line of ours": "x\nfuzz: all agree",
    "line separator": "x\u2028fuzz: all agree",
    "paragraph separator": "x\u2029fuzz: all agree",
    "next line": "x\x85fuzz: all agree",
    "vertical tab": "x\vfuzz: all agree",
    "form feed": "x\ffuzz: all agree",
    "right to left": "\u202egnp.exe",
    "isolate": "\u2066a\u2069",
    "no width": "a\u200bb",
    "byte order mark": "\ufeffa",
    "half a character": "\udcff",
    "soft hyphen": "a\xadb",
    "null": "a\0b",
    "tag characters": "\U000e0041",
    "no-break space": "a\xa0b",
}
MARKUP = {
    "bar": "a|b|c",
    "bold": "**a**",
    "emphasis": "_a_",
    "code": "a`b",
    "ticks": "```sh",
    "tag": "<script>alert(1)</script>",
    "image": '<img src="https://example.org/x">',
    "link": "[a](https://example.org)",
    "entity": "&lt;b&gt;",
    "heading": "# a",
    "list": "- a",
    "numbered": "1. a",
    "quote": "> a",
    "rule": "---",
    "strike": "~~a~~",
    "backslash": "a\\|b",
}


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_nothing_that_moves_a_terminal_is_left(text: str) -> None:
    for shown in (printable(text), one_line(text), markdown(text), code(text), *text_lines(text)):
        assert shown.isprintable()
        assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for c in shown)
    stream = io.StringIO()
    Guarded(stream).write(text)
    assert stream.getvalue().replace("\n", "").isprintable()


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_a_line_of_ours_stays_one(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(f"engine said {text}")
    Plain(sys.stdout).note(text)
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
def test_an_error_about_it_is_one_printable_line(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = text.replace("\0", "\x01")  # no argument of a command can have it
    assert main(["report", f"/nonexistent/{text}"]) == 2
    error = capsys.readouterr().err
    assert error.endswith("\n")
    assert error[:-1].isprintable()


def test_plain_text_is_left_alone() -> None:
    text = "wasmtime@33.0.0:opt=none+checker: Straße, 日本語, i32:0x18 -> [i32] (at byte 0x1f)"
    assert printable(text) == one_line(text) == text
    assert printable_lines("a\n\tb\n") == "a\n\tb\n"
    assert (
        markdown("wasmtime:regalloc=single_pass+checker (50.0.1)") == "wasmtime:regalloc=single_pass+checker (50.0.1)"
    )
    assert one_line("x" * 50, 10) == "xxxxxxx..."


@pytest.mark.parametrize("text", MARKUP.values(), ids=MARKUP)
def test_markdown_is_shown_as_it_is(text: str) -> None:
    shown = markdown(text)
    assert re.sub(r"\\([\\`*_\[\]<>|~&#.)=+-])", r"\1", shown) == text
    unescaped = re.sub(r"\\.", "", shown)
    assert not re.search(r"[`*\[\]<>|~&]|\b_|_\b", unescaped)
    assert not re.match(r"#|[+-][ -]|\d+[.)] ", shown)


@pytest.mark.parametrize("text", MARKUP.values(), ids=MARKUP)
def test_a_code_span_ends_where_it_should(text: str) -> None:
    shown = code(text)
    fence = re.match("`+", shown)[0]  # type: ignore[index]
    assert shown.endswith(fence)
    inside = shown[len(fence) : -len(fence)]
    assert fence not in re.findall("`+", inside)
    assert inside.strip(" ") == text


@pytest.fixture
def finding() -> Finding:
    (only,) = read_findings(ROOT / "reports" / "example")
    return only[1]


def evil(finding: Finding, text: str) -> Finding:
    """A finding whose engine has said, is called, and was built with, what it should not."""
    dissents = tuple(replace(d, detail=text, message=f"first\n{text}\n") for d in finding.verdict.dissents)
    signature = replace(finding.signature, message=text)
    runs = tuple(replace(run, version=text) for run in finding.runs)
    verdict = replace(finding.verdict, dissents=dissents)
    surroundings = {"platform": text, text: "x"}
    return replace(finding, verdict=verdict, signature=signature, runs=runs, known=text, environment=surroundings)


WHOLE = {name: text for name, text in {**NASTY, **MARKUP}.items() if "\udcff" not in text}
"""What a bundle can have in it: half a character is refused when one is read."""


@pytest.mark.parametrize("packed", [False, True])
def test_half_a_character_in_a_bundle_is_refused(
    packed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ROOT / "reports" / "example" / "findings"
    (original,) = source.iterdir()
    Archive(tmp_path).close()
    folder = tmp_path / "findings" / "b"
    folder.mkdir()
    data = json.loads((original / "finding.json").read_text())
    data["signature"]["message"] = "\udcff"
    (folder / "finding.json").write_text(json.dumps(data))
    place = folder
    if packed:
        place = tmp_path / "b.tar"
        with tarfile.open(place, "w") as archive:
            archive.add(folder, "b")
    assert main(["replay", str(place)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    Archive(tmp_path).close()
    assert [path.name for path in (tmp_path / "unreadable").iterdir()] == ["b"]


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_bundles_readme_holds_it(finding: Finding, text: str) -> None:
    readme = bundle.files(evil(finding, text))["README.md"].decode()
    plain = bundle.files(evil(finding, "word"))["README.md"].decode()
    assert printable_lines(readme) == readme
    assert "<script>" not in readme.replace("    <script>", "").replace("\\<script\\>", "")
    # As many lines, tables of as many cells: but for what an engine said, which is indented.
    mine = [line for line in readme.splitlines() if not line.startswith("    ")]
    theirs = [line for line in plain.splitlines() if not line.startswith("    ")]
    assert len(mine) == len(theirs)
    cells = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in mine if line.startswith("|")]
    assert set(cells) == {5}


@pytest.mark.parametrize("text", WHOLE.values(), ids=WHOLE)
def test_a_report_holds_it(finding: Finding, text: str, tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    archive.record_finding(evil(finding, text), None)
    archive.close()
    summary = Summary((text,), 1, text, Path("out"), notes=[text], broken={text: text}, errors=[text])
    summary.unreadable = [text]
    said = "\n".join(map(printable, summary_lines(summary)))
    assert len(said.splitlines()) == len(list(summary_lines(summary)))
    page = render(Morning(summary, text))
    assert printable_lines(page) == page
    plain = replace(summary, targets=("t",), notes=["n"], unreadable=["u"])
    assert len(page.splitlines()) == len(render(Morning(plain, "p")).splitlines())


def test_a_script_runs_nothing_that_an_engines_name_says(finding: Finding, tmp_path: Path) -> None:
    name = "wasmtime@/x\ntouch owned\n#:opt=none"
    text = script(finding.case, [Shown(name, "33\ntouch owned", Kind.VALUE)])
    assert "\ntouch" not in text
    (tmp_path / "repro.sh").write_text(text)
    subprocess.run(["sh", "repro.sh"], cwd=tmp_path, capture_output=True, check=False, env={"PATH": "/usr/bin:/bin"})
    assert not (tmp_path / "owned").exists()


def test_json_lines_are_ascii(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "a\x1b[2Jé"
    Archive(folder).close()
    assert main(["report", str(folder), "--format", "jsonl"]) == 0
    output = capsys.readouterr().out
    assert output.isascii()
    assert json.loads(output)["out"] == str(folder)


def test_a_name_that_the_locale_does_not_have_is_written_all_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fuzz", "report", "/nonexistent/日本\udcff"]
    surroundings = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, cwd=tmp_path, env=surroundings, check=False)
    assert done.returncode == 2
    assert done.stderr == b"fuzz: there is no folder /nonexistent/\\u65e5\\u672c\\udcff\n"
