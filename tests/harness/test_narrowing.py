"""An engine that lacks features gets cases without them, as many as its fair share; and the record says so."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lacking_engine import open_lacking

from fuzz.archive.archive import Archive, Reader
from fuzz.archive.merging.merge import merge
from fuzz.archive.morning import morning
from fuzz.archive.recorded import recorded
from fuzz.campaign.loop import Campaign
from fuzz.campaign.messages import Plan
from fuzz.campaign.narrowing import Narrowing
from fuzz.campaign.settings import Settings
from fuzz.cli.main import main
from fuzz.records.exit_code import ExitCode
from fuzz.records.history import Series
from fuzz.records.summary import Summary
from fuzz.report.formats import markdown
from fuzz.report.live import observer
from fuzz.report.words import summary_lines
from fuzz.triage import known
from generators.config import DEFAULT
from generators.registry import avoided, load_target, target_names
from wasm.case import CaseKind
from wasm.features import Feature, Hosting, Lack, with_dependents

RUNS = frozenset({CaseKind.WASM, CaseKind.BYTES})


def of(*lacking: Collection[Lack]) -> Narrowing:
    return Narrowing(tuple((f"e{i}", RUNS, frozenset(lacks)) for i, lacks in enumerate(lacking)))


GC, SIMD, TAIL = {Feature.GC}, {Feature.SIMD}, {Feature.TAIL_CALL}

# --- whose turn it is ------------------------------------------------------------------------------------------------


def test_one_engine_alone_has_all_cases() -> None:
    assert {of(GC).avoid_for("mixed", index) for index in range(500)} == {("gc",)}
    assert {of(set()).avoid_for("mixed", index) for index in range(500)} == {()}


def test_engines_take_turns_evenly_whatever_else_goes_by_remainders() -> None:
    """Steering leaves out every fourth index, samples are every twentieth: each engine has its share among these."""
    four = of(set(), GC, SIMD, TAIL)
    turns = {index: four.avoid_for("mixed", index) for index in range(40_000)}
    assert {names: round(count / 100) for names, count in Counter(turns.values()).items()} == dict.fromkeys(
        [(), ("gc",), ("simd",), ("tail_call",)], 100
    )
    for by in (4, 20):
        some = Counter(names for index, names in turns.items() if index % by == 0)
        assert max(some.values()) - min(some.values()) < 0.02 * sum(some.values())
    short = Counter(list(turns.values())[:40])
    assert min(short.values()) >= 8, "a short run has turns of each, too"


def test_a_target_is_no_turn_of_who_lacks_what_it_is_about() -> None:
    both = of(GC, {Feature.EXCEPTIONS})
    assert {both.avoid_for("tries", index) for index in range(50)} == {("gc",)}
    assert {both.avoid_for("gc", index) for index in range(50)} == {("exceptions",)}
    assert not both.left_out(target_names())
    assert [one.target for one in of(GC | {Feature.EXCEPTIONS}, GC).left_out(target_names())] == ["gc"]
    assert of({Feature.MULTI_VALUE}).left_out(["regalloc", "modules"]) == ()


def test_an_enumeration_goes_without_what_all_lack() -> None:
    """Its cases would be others, one for one, in the turns of each engine: going through it once would be no such."""
    assert {of(SIMD | GC, SIMD).avoid_for("pairs", index) for index in range(50)} == {("simd",)}
    assert {of(SIMD, set()).avoid_for("pairs", index) for index in range(50)} == {()}


def test_what_hosts_lack_is_a_matter_of_modules_that_run() -> None:
    """Nothing is run of a case about validity, and what is listed has no hosts that act."""
    plain = of(GC | {Hosting.ACTING_HOSTS, Hosting.LINKED_MODULES})
    assert plain.avoid_for("memory", 3) == ("acting_hosts", "gc", "linked_modules")
    assert plain.avoid_for("modules", 3) == plain.avoid_for("pairs", 3) == ("gc",)
    assert [(one.target, one.needs) for one in plain.left_out(target_names())] == [
        ("gc", ("gc",)), ("linked", ("linked_modules",))
    ]  # fmt: skip
    beside = of(set(), {Hosting.LINKED_MODULES})
    assert {beside.avoid_for("linked", index) for index in range(50)} == {()}
    assert {beside.avoid_for("memory", index) for index in range(50)} == {(), ("linked_modules",)}


KNOWN: list[Lack] = sorted([*DEFAULT.features, *Hosting], key=str)
LACKING = st.lists(st.sets(st.sampled_from(KNOWN)), min_size=1, max_size=4)
WORDS = {one.value: one for one in KNOWN}


@settings(max_examples=60, deadline=None)
@given(LACKING, st.sampled_from(target_names()), st.integers(0, 10_000))
def test_every_case_is_one_that_some_engine_can_run(lacking: list[set[Lack]], target: str, index: int) -> None:
    if load_target(target).kind is not CaseKind.WASM:
        lacking = [lacks - {*Hosting} for lacks in lacking]
    narrowing = of(*lacking)
    gone = {WORDS[name] for name in narrowing.avoid_for(target, index)}
    needs = load_target(target).asks
    if narrowing.left_out([target]):
        assert all(lacks & needs for lacks in lacking)
    elif load_target(target).kind is not CaseKind.MACHINE and load_target(target).enumerated is None:
        assert any(lacks == gone for lacks in lacking)
        assert not gone & needs


def test_what_is_said_of_it() -> None:
    lines = list(of(set(), GC, GC | SIMD).lines(["returns"]))
    assert lines == [
        "e1 lacks gc: 2 of 3 cases are made without these",
        "e2 lacks gc, simd: 1 of 3 cases are made without these",
    ]
    assert list(of(GC | {Feature.EXCEPTIONS}).lines(["tries", "returns", "gc"])) == [
        "e0 lacks exceptions, gc: all cases are made without these",
        "left out, since no engine has what they are about: tries (exceptions), gc (gc)",
    ]


# --- whole runs, with an engine that is wrong about a multiplication in nearly every case ----------------------------

ALL_OF_IT = "mistaken:loud"
NO_GC = "mistaken:lacks=gc.memory64+loud"
SERIES = Series(("memory", "gc"), 9, "1")


def ran(
    folder: Path, engines: tuple[str, ...], jobs: int = 1, cases: int = 16, narrow: bool = True, series: Series = SERIES
) -> Summary:
    archive = Archive(folder)
    try:
        plan = Plan(engines, series, opener=open_lacking, narrow=narrow)
        how = Settings(None, cases, jobs, minimize_seconds=0, steer=False)
        return Campaign(plan, how, archive, known.none(), observer(True, io.StringIO())).run()
    finally:
        archive.close()


def met(folder: Path) -> set[tuple[str, int, str]]:
    """The cases on which something was seen, with the version that says what they were made without."""
    with Reader(folder) as reader:
        return {
            (seen.target, seen.index, seen.version)
            for bucket in reader.bucket_counts()
            for seen in reader.sightings(bucket=bucket)
        }


def test_a_run_for_one_engine_wastes_no_case(tmp_path: Path) -> None:
    wide = ran(tmp_path / "wide", (NO_GC,), narrow=False)
    narrow = ran(tmp_path / "narrow", (NO_GC,))
    assert wide.stats.cases == narrow.stats.cases == 16
    assert wide.stats.engine_silent[NO_GC] > 8, "half are of gc"
    assert narrow.stats.engine_silent[NO_GC] == 0
    assert narrow.stats.targets == {"memory": 16}
    assert {avoided(version)[1] for _, _, version in met(tmp_path / "narrow")} == {("gc", "memory64")}
    assert any("cases with these are not compared on it" in line for line in wide.notes)
    assert narrow.narrowed == [
        f"{NO_GC} lacks gc, memory64: all cases are made without these",
        "left out, since no engine has what they are about: gc (gc)",
    ]
    assert not narrow.allotted, "what is left out is no matter of what targets gave"


def test_a_run_wastes_no_case_on_hosts_that_do_not_act(tmp_path: Path) -> None:
    """Without narrowing more than half of these cases are refused: all of linked, two thirds of gc, a third of
    memory."""
    lacks = "mistaken:lacks=acting_hosts.linked_modules+loud"
    series = Series(("gc", "memory", "linked"), 9, "1")
    wide = ran(tmp_path / "wide", (lacks,), narrow=False, series=series, cases=30)
    narrow = ran(tmp_path / "narrow", (lacks,), series=series, cases=30)
    assert wide.stats.cases == narrow.stats.cases == 30
    assert wide.stats.engine_silent[lacks] > 15
    assert narrow.stats.engine_silent[lacks] == 0
    assert narrow.stats.targets == {"gc": 15, "memory": 15}
    assert f"{lacks} lacks acting_hosts, linked_modules: cases with these are not compared on it" in wide.notes
    assert narrow.narrowed == [
        f"{lacks} lacks acting_hosts, linked_modules: all cases are made without these",
        "left out, since no engine has what they are about: linked (linked_modules)",
    ]
    beside = ran(tmp_path / "beside", (ALL_OF_IT, lacks), series=series, cases=30)
    assert beside.stats.targets == {"gc": 10, "memory": 10, "linked": 10}, "who can has all of it"
    assert beside.stats.engine_silent[ALL_OF_IT] == 0
    assert beside.narrowed == [f"{lacks} lacks acting_hosts, linked_modules: 1 of 2 cases are made without these"]


def test_jobs_and_interruptions_change_no_case(tmp_path: Path) -> None:
    """With these engines a number stands for one and the same case, and who has it can make it again."""
    engines = (ALL_OF_IT, NO_GC)
    ran(tmp_path / "one", engines)
    ran(tmp_path / "two", engines, jobs=2)
    ran(tmp_path / "cut", engines, cases=7)
    ran(tmp_path / "cut", engines, jobs=2)
    seen = met(tmp_path / "one")
    assert seen == met(tmp_path / "two") == met(tmp_path / "cut")
    without = {avoided(version)[1] for target, _, version in seen if target == "memory"}
    assert without == {(), ("gc", "memory64")}
    assert {avoided(version)[1] for target, _, version in seen if target == "gc"} == {()}


def test_the_record_tells_it(tmp_path: Path) -> None:
    summary = ran(tmp_path / "out", (NO_GC,), cases=4)
    assert all(f"  {line}" in list(summary_lines(summary)) for line in summary.narrowed)
    assert sorted(recorded(tmp_path / "out").narrowed) == sorted(summary.narrowed)
    assert "cases are made without these" in markdown.render(morning(tmp_path / "out"))
    merge([tmp_path / "out"], tmp_path / "both")
    assert sorted(recorded(tmp_path / "both").narrowed) == sorted(summary.narrowed)
    bundle = next((tmp_path / "out" / "findings").iterdir())
    origin = json.loads((bundle / "finding.json").read_text())["case"]["provenance"]
    assert avoided(origin["version"])[1] == ("gc", "memory64")


def test_where_no_target_is_left_the_engine_is_of_no_use(tmp_path: Path) -> None:
    lacks = "mistaken:lacks=exceptions.gc"
    summary = ran(tmp_path / "out", (lacks,), jobs=2, series=Series(("gc", "tries"), 9, "1"))
    assert summary.stats.cases == 0
    assert summary.exit_code is ExitCode.UNUSABLE
    assert summary.broken == {lacks: "no case of gc, tries can do without exceptions, gc"}


# --- by hand ---------------------------------------------------------------------------------------------------------


def test_show_makes_such_a_case_again(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    case = ["--target", "tables", "--seed", "1"]
    assert main(["show", *case, "--index", "5"]) == 0
    whole = capsys.readouterr().out
    assert main(["show", *case, "--index", "5", "--without", "reference_types i32.rotl"]) == 0
    narrow = capsys.readouterr().out
    assert "reference_types" in whole.partition(" needs ")[2].partition("\n")[0]
    needs = narrow.partition(" needs ")[2].partition("\n")[0]
    assert not any(feature.value in needs for feature in with_dependents({Feature.REFERENCE_TYPES}))
    assert main(["show", "--target", "memory", "--seed", "8", "--index", "2", "--without", "acting_hosts"]) == 0
    assert "idle+" in capsys.readouterr().out
    assert main(["generate", *case, "--count", "3", "--without", "simd", "--out", str(tmp_path)]) == 0
    made = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("*.json"))]
    assert [one["provenance"]["version"].partition(" without ")[2] for one in made] == ["simd"] * 3


@pytest.mark.parametrize(
    ("words", "told"),
    [("gcc", "'gcc' is no feature"), ("results<0", "no feature (gc), instruction"), ("exceptions", "no case of tries")],
)
def test_what_cannot_be_done_without_is_one_line(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--target", "tries", "--seed", "1", "--index", "1", "--without", words]) == 2
    assert told in capsys.readouterr().err
