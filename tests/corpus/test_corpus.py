"""Corpora: minimized findings as seeds and regressions, without doubles, distilled, and replayed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.cli.main import main
from fuzz.corpus.distill import distilled, kinds_of
from fuzz.corpus.entry import Entry, entry_of, read_entry, same
from fuzz.corpus.folder import add, entries, is_corpus
from fuzz.records.exit_code import ExitCode
from generators.config import DEFAULT
from generators.mutation.bases import forget_seeds, seeds
from generators.registry import make_case
from wasm.case import Case, CaseKind
from wasm.embedding import Invocation, Returned, TrapKind, Trapped, Value

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLE = PROJECT / "reports" / "example"
SEEDS = PROJECT / "corpus" / "seeds"


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """The example run's finding and some seeds."""
    folder = tmp_path / "corpus"
    assert (
        main(["corpus", "add", str(EXAMPLE), *map(str, sorted(SEEDS.glob("arith-*.json"))), "--into", str(folder)]) == 0
    )
    return folder


def test_a_cause_becomes_a_seed_with_expected_outcomes(corpus: Path) -> None:
    found = {path.name: entry for path, entry in entries(corpus)}
    (name,) = (name for name in found if name.startswith("cranelift"))
    entry = found[name]
    assert entry.expected is not None
    assert isinstance(entry.expected[0], Returned)
    assert len(entry.expected) == 1 + len(entry.case.invocations)
    forget_seeds()
    assert entry.case.content in {case.content for case in seeds(DEFAULT, corpus)}
    assert len(found) == 1 + len(list(SEEDS.glob("arith-*.json")))


def test_a_bundle_and_its_folder_are_the_same_case(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (bundle,) = (EXAMPLE / "findings").iterdir()
    capsys.readouterr()
    assert main(["corpus", "add", str(bundle), "--into", str(corpus)]) == 0
    assert "0 cases added" in capsys.readouterr().out


def test_merging_keeps_each_case_once_and_fills_in_what_is_expected(corpus: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for path in SEEDS.glob("arith-[34].json"):
        shutil.copy(path, other / f"renamed-{path.name}")
    shutil.copy(SEEDS / "memory-1.json", other)
    into = tmp_path / "all"
    assert main(["corpus", "merge", str(other), str(corpus), "--into", str(into)]) == 0
    merged = entries(into)
    assert len(merged) == len(entries(corpus)) + 1
    assert all(entry.expected is not None for _, entry in merged)
    assert main(["corpus", "merge", str(corpus), "--into", str(into)]) == 0
    assert len(entries(into)) == len(merged)


def test_distilling_keeps_all_that_is_executed(tmp_path: Path) -> None:
    whole, small = tmp_path / "whole", tmp_path / "small"
    cases = [make_case("arith", 1, index) for index in range(4)]
    shorter = [case.with_content(case.content, case.invocations[:1]) for case in cases]
    add(whole, map(entry_of, [*cases, *shorter]))
    assert main(["corpus", "distill", str(whole), "--into", str(small)]) == 0
    before, after = (set().union(*(kinds_of(entry) for _, entry in entries(one))) for one in (whole, small))
    assert before == after
    assert len(entries(whole)) > 4 >= len(entries(small))
    assert main(["corpus", "distill", str(whole), "--into", str(whole)]) == ExitCode.USAGE


KINDS = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=3), st.frozensets(st.integers(0, 12).map(str)), max_size=12
)


@settings(deadline=None, derandomize=True, max_examples=50, suppress_health_check=list(HealthCheck))
@given(KINDS)
def test_distilled_has_every_word_and_nothing_to_spare_at_the_end(kinds: dict[str, frozenset[str]]) -> None:
    chosen = distilled(kinds, dict.fromkeys(kinds, 1))
    assert set().union(*(kinds[name] for name in chosen)) == set().union(*kinds.values())
    assert {name for name, words in kinds.items() if not words} <= set(chosen)
    assert len(chosen) <= len(set().union(*kinds.values())) + sum(not words for words in kinds.values())


def test_stats_count(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["corpus", "stats", str(corpus), "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["cases"] == row["with_expected"] == len(entries(corpus))
    assert row["doubles"] == 0
    assert row["instructions"] > 10
    assert main(["corpus", "stats", str(corpus)]) == 0


def test_replaying_a_corpus_compares_every_case(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["replay", str(corpus), "--engine", "interpreter", "--engine", "compiler", "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == len(entries(corpus))
    assert all(row["compared"] and not row["wrong"] for row in rows)


def test_a_reference_that_has_changed_is_noticed(corpus: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, entry = entries(corpus)[0]
    assert entry.expected is not None
    changed = replace(entry, expected=(*entry.expected[:-1], Returned.of([Value("i32", 77)])))
    path.write_text(json.dumps(changed.to_json()))
    assert main(["replay", str(corpus), "--engine", "compiler"]) == ExitCode.FINDINGS
    assert f"{path.name}: the reference does not say any more what is expected" in capsys.readouterr().out


def test_messages_are_free_to_change() -> None:
    one = Trapped(frozenset({TrapKind.UNREACHABLE}), "unreachable")
    assert same((one,), (replace(one, message="unreachable executed"),))
    assert not same((one,), (Returned(()),))
    assert not same((one,), ())


def test_what_is_no_module_is_kept_and_is_no_seed(tmp_path: Path) -> None:
    add(tmp_path, [entry_of(Case(b"\0asm\1\0\0\0\xff", kind=CaseKind.BYTES)), entry_of(Case(b"\0asm\1\0\0\0"))])
    forget_seeds()
    assert [case.content for case in seeds(DEFAULT, tmp_path)] == [b"\0asm\1\0\0\0"]


@settings(deadline=None, derandomize=True, max_examples=50, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=40), st.lists(st.integers(0, 2**32 - 1), max_size=3))
def test_an_entry_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, numbers: list[int]
) -> None:
    calls = tuple(Invocation("f", (Value("i32", number),)) for number in numbers)
    expected = (Returned(()), *(Returned.of([Value("i32", number)]) for number in numbers))
    entry = Entry(Case(content, calls, kind=CaseKind.BYTES), expected, "what it shows")
    assert read_entry(entry.write(tmp_path_factory.mktemp("entry"))) == entry


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1}', '{"content": ""}', '{"content": 1'])
def test_what_is_no_case_is_one_line(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "case.json").write_text(text)
    assert is_corpus(tmp_path) == ("content" in text)
    for command in (["corpus", "stats", str(tmp_path)], ["replay", str(tmp_path)]):
        assert main(command) == ExitCode.USAGE
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert str(tmp_path) in error


def test_a_folder_without_cases_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["corpus", "stats", str(tmp_path)]) == ExitCode.USAGE
    assert main(["corpus", "merge", str(tmp_path / "no"), "--into", str(tmp_path / "x")]) == ExitCode.USAGE
    assert capsys.readouterr().err.count("\n") == 2
