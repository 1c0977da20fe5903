"""What the last night says of a cause, on archives made without running an engine, and the command that tells it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from archived import BUCKET, SERIES, finding, sighting

from fuzz.archive import bundle
from fuzz.archive.archive import Archive
from fuzz.archive.disk import write_folder
from fuzz.archive.examples import example
from fuzz.archive.learned import keep_explanation, keep_strip
from fuzz.archive.morning import morning
from fuzz.archive.report_files import format_names
from fuzz.archive.repro import command
from fuzz.cli.main import main
from fuzz.records.history import Cause, Series
from fuzz.records.morning import Example, Group, News
from fuzz.records.stats import Stats
from oracles.judge.verdict import Kind
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind, Provenance
from wasm.decode import decode
from wasm.embedding import Invocation, Returned, Value
from wasm.encode import encode
from wasm.fragment import code
from wasm.isa import OPS
from wasm.isa.sections import section
from wasm.text import print_wat_with_places
from wasm.valtypes import I32

from mornings import EXPLANATION, STRIP  # isort: skip


def a_night(archive: Archive, *engines: tuple[str, str], series: Series = SERIES, votes: int = 5) -> None:
    """A night of ten cases with these engines (id, release), each with a vote on some."""
    archive.begin(series)
    stats = Stats(cases=10, compared=10)
    for id, release in engines:
        archive.record_engine(id, release)
        stats.engine_cases[id] = 10
        stats.engine_silent[id] = 10 - votes
    stats.targets.update(dict.fromkeys(series.targets, 5))
    archive.record_batch((), stats)


def a_cause(archive: Archive, **changes: object) -> int:
    about = Cause(0, "fast: wrong value, i32.rotl", "value", "invoke", "fast", ("i32.rotl",), (BUCKET,),
                  ("fast:opt=none",), (), ("fast@2.0.0",))  # fmt: skip
    return archive.causes.add(replace(about, **changes))  # type: ignore[arg-type]


def seen(archive: Archive, cause: int, index: int, engine: str = "fast@2.0.0:opt=none") -> None:
    archive.record_batch((), Stats(), [sighting(index, engine=engine, release="2.0.0", cause=cause)])


def states(folder: Path) -> dict[int, News]:
    return {news.cause.id: news.state for news in morning(folder).causes}


def test_new_and_again(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    old = a_cause(archive)
    seen(archive, old, 1)
    archive.end(1)
    assert states(tmp_path) == {old: News.NEW}
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    new = a_cause(archive, name="fast: wrong value, i32.add")
    seen(archive, old, 2)
    seen(archive, new, 3)
    archive.end(1)
    archive.close()
    assert states(tmp_path) == {old: News.AGAIN, new: News.NEW}
    told = {news.cause.id: news for news in morning(tmp_path).causes}
    assert told[old].nights == ((1, 1), (2, 1))
    assert told[old].times == 2
    assert [news.cause.id for news in morning(tmp_path).causes] == [new, old]


@pytest.mark.parametrize(
    ("engine", "release", "votes", "state", "why"),
    [
        (
            "fast@2.0.0:opt=none",
            "2.0.0",
            5,
            News.GONE,
            "answered on 5 cases of the last night and did not show it; before, it showed on 1 of 10 cases",
        ),
        ("fast@10.0.0:opt=none", "10.0.0", 5, News.GONE, "fast@10.0.0:opt=none (10.0.0)"),
        ("fast@1.9.0:opt=none", "1.9.0", 5, News.UNSEEN, "only older releases"),
        ("fast@2.0.0:opt=speed", "2.0.0", 5, News.UNSEEN, "did not run fast:opt=none"),
        ("slow@2.0.0:opt=none", "2.0.0", 5, News.UNSEEN, "did not run fast:opt=none"),
        ("fast@2.0.0:opt=none", "2.0.0", 0, News.UNSEEN, "no vote that counted"),
    ],
)
def test_gone_only_where_it_could_have_been_seen(
    tmp_path: Path, engine: str, release: str, votes: int, state: News, why: str
) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    cause = a_cause(archive)
    seen(archive, cause, 1)
    archive.end(1)
    a_night(archive, (engine, release), votes=votes)
    archive.end(0)
    archive.close()
    (news,) = morning(tmp_path).causes
    assert news.state is state
    assert why in news.why


def test_a_cause_of_a_target_that_did_not_run_is_not_gone(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    seen(archive, a_cause(archive), 1)
    archive.end(1)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"), series=Series(("simd",), 7, "1"))
    archive.end(0)
    archive.close()
    (news,) = morning(tmp_path).causes
    assert (news.state, news.why) == (News.UNSEEN, "the last night ran no case of returns")


def test_an_engine_that_broke_has_not_seen_anything(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    seen(archive, a_cause(archive), 1)
    archive.end(1)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    archive.record_broken("fast@2.0.0:opt=none", "fast@2.0.0:opt=none: it died")
    archive.record_error("a slot died", "whole")
    archive.end(3)
    archive.close()
    told = morning(tmp_path)
    assert told.causes[0].state is News.UNSEEN
    assert [(one.kind, one.text) for one in told.failures] == [("engine", "it died"), ("harness", "a slot died")]


def test_merged_causes_are_one_and_known_ones_are_told_apart(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    one, other = a_cause(archive), a_cause(archive, name="other")
    seen(archive, one, 1)
    archive.end(1)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    seen(archive, other, 2)
    archive.causes.merge(one, other)
    archive.causes.set_known(one, "12", "https://example.org/12")
    archive.end(1)
    archive.close()
    (news,) = morning(tmp_path).causes
    assert (news.cause.id, news.state, news.group, news.nights) == (one, News.AGAIN, Group.KNOWN, ((1, 1), (2, 1)))
    assert news.link == "https://example.org/12"


def test_what_goes_wrong_with_the_last_night(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast", "1.0.0"))
    archive.end(0)
    archive.begin(SERIES)
    archive.record_batch((), Stats(cases=3))
    archive.close()
    told = morning(tmp_path)
    assert [one.what for one in told.failures] == ["the run did not come to its end", "nothing was compared"]
    assert (told.stats.cases, told.summary.stats.cases) == (3, 13)


def test_an_engine_without_a_vote_is_a_failure_of_the_run(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast", "1.0.0"))
    a_night(archive, ("mute", "1.0.0"), votes=0)
    archive.record_batch((), Stats(cases=1, engine_cases=Counter({"fast": 1})))
    archive.end(0)
    archive.close()
    assert [one.what for one in morning(tmp_path).failures] == ["mute was compared on no case"]


def rotl() -> Case:
    builder = ModuleBuilder()
    builder.import_func("h", "nothing", (), ())
    builder.func(results=(I32,), export="f").body += code("i32.const 7 i32.const 33 i32.rotl")
    return Case(
        encode(builder.finish()), (Invocation("f", ()),), provenance=Provenance("returns", 7, 1, "1")
    )  # fmt: skip


def with_finding(folder: Path) -> Path:
    """A folder with a night, a cause and its bundle."""
    archive = Archive(folder)
    a_night(archive, ("fast@2.0.0:opt=none", "2.0.0"))
    right, wrong = Returned.of([Value("i32", 14)]), Returned.of([Value("i32", 7)])
    made = replace(finding(1, release="2.0.0"), case=rotl(), expected=(Returned(()), right))
    made = replace(made, runs=(replace(made.runs[0], outcomes=(Returned(()), wrong)),))
    path = archive.record_finding(made, a_cause(archive))
    archive.end(1)
    archive.close()
    return path


def test_an_example_has_its_guilty_line_and_who_did_what(tmp_path: Path) -> None:
    path = with_finding(tmp_path)
    (news,) = morning(tmp_path).causes
    assert news.example is not None
    assert [line.text.strip() for line in news.example.lines if line.guilty] == ["i32.rotl"]
    assert news.example.marked == "the instructions without which it goes away"
    (_, call) = news.example.steps
    assert call.expected == "returned (i32:0xe)"
    assert [(side.engines, side.outcome, side.wrong) for side in call.sides] == [
        (("fast",), "returned (i32:0x7)", True)
    ]
    at = replace(EXPLANATION.operation, function=1, position=1) if EXPLANATION.operation else None
    keep_explanation(path, replace(EXPLANATION, operation=at))
    keep_strip(path, STRIP)
    (news,) = morning(tmp_path).causes
    assert news.example is not None
    assert [line.text.strip() for line in news.example.lines if line.guilty] == ["i32.const 33"]
    assert news.example.strips == (STRIP,)


def test_a_bundle_that_went_bad_is_told_of(tmp_path: Path) -> None:
    (with_finding(tmp_path) / "finding.json").write_text("{}")
    told = morning(tmp_path)
    assert [one.kind for one in told.failures] == ["bundle"]
    assert [news.example for news in told.causes] == [None]
    assert main(["report", str(tmp_path), "--format", "html"]) == 0
    assert main(["report", str(tmp_path), "--upstream", "1"]) == 0


def test_findings_without_a_cause_are_one_by_their_bucket(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    a_night(archive, ("fast", "1.0.0"))
    for index in (1, 2):
        archive.record_finding(finding(index))
    archive.end(1)
    archive.close()
    (news,) = morning(tmp_path).causes
    assert (news.cause.id, news.state, len(news.bundles), news.times) == (0, News.NEW, 2, 2)
    assert news.name == news.bundles[0]


# --- the command ---


def said(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    assert main(["report", *words]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)


def test_several_formats_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_finding(tmp_path)
    names = said(capsys, 0, str(tmp_path), "--write", "html,junit,sarif").split()
    assert names == [str(tmp_path / "report" / name) for name in ("report.html", "junit.xml", "report.sarif")]
    out = tmp_path / "page.html"
    assert said(capsys, 0, str(tmp_path), "--format", "html", "--out", str(out)) == ""
    assert out.read_text() == Path(names[0]).read_text() == said(capsys, 0, str(tmp_path), "--format", "html")
    json.loads(Path(names[2]).read_text())
    # The reports do not get in the way of the next run.
    Archive(tmp_path).close()
    assert (tmp_path / "report" / "report.html").exists()


def test_a_report_on_one_cause(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = with_finding(tmp_path)
    text = said(capsys, 0, str(tmp_path), "--upstream", "1")
    assert text.startswith("# Fast computes a wrong value: i32.rotl\n")
    assert "numerics.html#integer-operations" in text
    assert "Seen with fast (2.0.0); no other release was asked." in text
    assert said(capsys, 0, str(tmp_path), "--upstream", path.name) == text
    assert "there is no cause '9'" in said(capsys, 2, str(tmp_path), "--upstream", "9")


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["--write", "html", "--out", "x"], "leave out --out"),
        (["--write", "html,pdf"], "no format 'pdf'"),
        (["--write", "html", "--format", "html"], "not allowed with"),
        (["--out", "/nonexistent/x"], "there is no folder /nonexistent"),
        (["--out", "/"], "is a folder"),
    ],
)
def test_errors_say_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], what: str) -> None:
    with_finding(tmp_path)
    error = said(capsys, 2, str(tmp_path), *words)
    assert what in error
    assert error.count("\n") == 1


def test_a_job_of_github_gets_annotations_beside_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_finding(tmp_path)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.chdir(tmp_path)
    assert main(["report", "."]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("# 10 cases")
    assert "::error file=findings/fast-value-" in captured.err.splitlines()[1]
    assert "::" not in captured.out
    assert main(["report", ".", "--format", "github"]) == 0
    assert capsys.readouterr() == (captured.err, "")
    assert main(["report", ".", "--write", "junit"]) == 0
    assert capsys.readouterr() == ("report/junit.xml\n", "")


# --- below it ---


def test_every_instruction_has_a_section() -> None:
    assert all(section(row).url.startswith("https://") for row in OPS.values())
    for name, title in (
        ("i32.rotl", "Integer Operations"), ("f64.min", "Floating-Point Operations"),
        ("i32.trunc_sat_f64_u", "Conversions"), ("i32.load8_s", "Memory Instructions"),
        ("v128.load32_splat", "Memory Instructions"), ("i8x16.swizzle", "Vector Instructions"),
        ("f32x4.relaxed_madd", "Relaxed Operations"), ("i32.atomic.rmw.add", "Threads proposal"),
        ("select_t", "Parametric Instructions"), ("return_call_ref", "Control Instructions"),
        ("struct.get_s", "Reference Instructions"), ("table.fill", "Table Instructions"),
        ("i64.add128", "Wide Arithmetic proposal"), ("global.set", "Variable Instructions"),
    ):  # fmt: skip
        assert section(OPS[name]).title == title


def test_the_text_says_where_instructions_stand() -> None:
    module = decode(rotl().content)
    text, places = print_wat_with_places(module)
    lines = text.split("\n")
    found = {key: lines[line].strip() for key, line in places.items()}
    assert found == {(1, 0): "i32.const 7", (1, 1): "i32.const 33", (1, 2): "i32.rotl"}


def test_commands_of_engines() -> None:
    plain = replace(rotl(), content=encode(_alone()))
    ours = command("wasmtime@33.0.0:opt=none", "33.0.0", plain)
    assert ours.line == "wasmtime wast -W all-proposals=y -O opt-level=0 case.wast"
    assert "before 14.0.0" in command("wasmtime@0.31.0:opt=speed", "0.31.0", plain).why_not
    node = command("v8:liftoff", "26.10.0", plain, (Returned(()), Returned.of([Value("i32", 14)])))
    assert node.line.startswith("node ")
    assert node.line.endswith(" repro.js")
    assert node.needs == "case.wasm"
    assert '["i32", "14"]' in node.script
    assert "no command line" in command("compiler", "0.1.0", plain).why_not


def _alone() -> object:
    builder = ModuleBuilder()
    builder.func(results=(I32,), export="f").body += code("i32.const 7 i32.const 33 i32.rotl")
    return builder.finish()


def shown(folder: Path, case: Case, where: str = "invoke 0", kind: Kind = Kind.VALUE) -> Example:
    """The example of a finding on a case, as a report has it."""
    made = replace(finding(1, kind), case=case, expected=(Returned(()),) * (1 + len(case.invocations)))
    dissent = replace(made.verdict.dissents[0], where=where)
    made = replace(
        made,
        verdict=replace(made.verdict, dissents=(dissent,)),
        runs=(replace(made.runs[0], outcomes=made.expected),),
    )
    path = folder / bundle.name(made)
    write_folder(path, bundle.files(made))
    about = Cause(1, "x", "value", "invoke", "fast", ("i32.rotl", "(call)", "?"))
    return example(path, made.signature, about)


def test_of_a_long_case_the_lines_around_the_guilty_one_are_shown(tmp_path: Path) -> None:
    builder = ModuleBuilder()
    padding = code(" ".join(["i32.const 1 drop"] * 400))
    builder.func(export="f").body += [*padding, *code("i32.const 7 i32.const 33 i32.rotl drop"), *padding]
    calls = tuple(Invocation("f", ()) for _ in range(30))
    told = shown(tmp_path, Case(encode(builder.finish()), calls), "invoke 25")
    assert (len(told.lines), told.whole > 1600) == (120, True)
    (at,) = [number for number, line in enumerate(told.lines, told.first) if line.guilty]
    wat = (tmp_path / told.bundle / told.file).read_text().splitlines()
    assert wat[at - 1].strip() == "i32.rotl"
    assert len(told.steps) == 12
    assert [step.call for step in told.steps if step.wrong] == [f"f() by {calls[25].entry.value}"]


def test_bytes_that_are_no_module_and_machine_functions_are_shown_too(tmp_path: Path) -> None:
    told = shown(tmp_path, Case(b"\0asmjunk", kind=CaseKind.BYTES), "instantiate", Kind.ACCEPT)
    assert told.lines[0].text.startswith(";; not decodable")
    assert "(assert_malformed" in told.script
    machine = shown(tmp_path, Case(b"function f\n  ret\n", kind=CaseKind.MACHINE), "instantiate", Kind.CRASH)
    assert [line.text for line in machine.lines] == ["function f", "  ret"]
    assert (tmp_path / machine.bundle / machine.file).is_file()
    assert machine.script == ""


def test_the_help_names_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--help"]) == 0
    said = capsys.readouterr().out
    assert not [name for name in format_names() if name not in said]
