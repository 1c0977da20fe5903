"""What a run counts of its targets: shapes, endings, what was executed; and that counts add up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest
from json_docs import ROOT

from fuzz.records.finding import Signature
from fuzz.records.stats import Stats, size_range
from fuzz.records.summary import Now, Stored, Summary
from fuzz.records.target_yield import TargetYield, measure
from fuzz.report.words import progress_line, summary_lines
from fuzz.trial.account import SAMPLE, account
from fuzz.trial.bench import Bench
from generators.registry import make_case
from wasm.builder import ModuleBuilder
from wasm.valtypes import I32, I64


def counted(*indices: int, target: str = "returns") -> Stats:
    bench = Bench(())
    stats = Stats()
    for index in indices:
        account(stats, bench.run(make_case(target, 1, index)))
    return stats


def test_every_case_is_counted_and_every_twentieth_sampled() -> None:
    stats = counted(0, 1, 2, SAMPLE, SAMPLE + 1)
    found = stats.of("returns")
    assert (found.cases, found.sampled) == (5, 2)
    assert sum(found.outcomes.values()) == sum(stats.outcomes.values()) > 5
    assert sum(n for bar, n in found.asked.items() if bar.startswith("results ")) == 5
    assert sum(n for bar, n in found.measured.items() if bar.startswith("instructions ")) == 2
    assert found.passed == found.asked
    assert found.passed_wide == found.wide


def test_what_is_executed_is_in_the_module() -> None:
    found = counted(0, target="calls").of("calls")
    assert set(found.executed) <= set(found.generated)
    assert {"call", "end"} & set(found.executed)
    assert found.sampled == 1
    assert set(found.executed.values()) == {1}


def test_what_is_executed_is_in_one_of_the_modules() -> None:
    counts = counted(*range(0, 100, SAMPLE), target="linked").of("linked")
    assert counts.sampled == 5
    assert set(counts.executed) <= set(counts.generated)


def test_halves_add_up_to_the_whole() -> None:
    whole, half = counted(0, 1, 2, 3), counted(0, 1)
    half.add(counted(2, 3))
    assert half.of("returns") == whole.of("returns")


def test_counts_survive_json_and_older_journals() -> None:
    stats = counted(0, 1)
    stats.generator_cpu = 1.5
    again = Stats.from_json(json.loads(json.dumps(stats.to_json())))
    assert again.to_json() == stats.to_json()
    assert Stats.from_json({"cases": 3}).yields == {}
    assert TargetYield.from_json({}) == TargetYield()


def test_a_module_is_measured_as_it_is() -> None:
    m = ModuleBuilder()
    m.import_func("env", "f", (I32,) * 30)
    f = m.func((), (I64,) * 7)
    f.local(I32, 12)
    f.open("block", (), (I32,) * 5)
    f.open("block")
    outer = f.open("loop")
    f.i32(0)
    f.br_table([outer, outer, outer], outer)
    f.end()
    f.end()
    f.emit("unreachable")
    f.end()
    f.emit("unreachable")
    found = measure(m.finish())
    assert found == {
        "results": 7, "params": 30, "locals": 12, "block values": 5, "nesting": 3, "labels": 3, "functions": 1,
        "instructions": 11,
    }  # fmt: skip


def test_shares() -> None:
    found = TargetYield()
    assert found.share("returned") == 0
    found.outcomes.update({"returned": 6, "trapped": 3, "exhausted stack": 1})
    assert found.share("returned") == pytest.approx(0.6)
    assert found.share("exhausted", "trapped") == pytest.approx(0.4)


def test_the_summary_has_a_line_for_each_target() -> None:
    stats = counted(0, 1)
    stats.add(counted(0, target="calls"))
    lines = list(summary_lines(Summary(("returns", "calls"), 1, "1", out=__file__, stats=stats)))  # type: ignore[arg-type]
    (returns,) = (line for line in lines if line.startswith("  returns: "))
    calls = next(i for i, line in enumerate(lines) if line.startswith("  calls: "))
    assert "2 cases" in returns
    assert re.fullmatch(
        r"    in 1 cases looked at closely \d+ of \d+ kinds of instruction were executed, .*", lines[calls + 1]
    )


def test_the_summary_says_what_a_wide_call_is_before_it_uses_the_word() -> None:
    text = "\n".join(summary_lines(Summary(("returns",), 1, "1", out=Path(), stats=counted(0, 1))))
    assert text.index("wide") == text.index("wide call (more than 20 parameters or results)")
    assert not re.search(r"\bsites?\b|\bvotes?\b|\byield\b", text, re.I)
    assert max(map(len, text.splitlines())) <= 120


def test_the_summary_says_how_many_mutants_there_were() -> None:
    stats = counted(0, 1)
    stats.mutants = 6
    assert next(summary_lines(Summary(("returns",), 1, "1", out=Path(), stats=stats))).startswith(
        "Done: 2 cases and 6 mutants of returns with seed 1"
    )


def test_the_readme_shows_such_a_summary() -> None:
    def words(lines: Iterable[str]) -> set[str]:
        """The lines on what was reached, without numbers and the histograms behind a colon."""
        return {re.sub(r"[\d.]+", "N", line) for line in lines if re.search("wide|240|looked at", line)}

    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line.removeprefix("    ") for line in readme.splitlines() if line.startswith("    ")]
    said = summary_lines(Summary(("returns",), 1, "1", out=Path(), stats=counted(0, 1, 2, 3)))
    assert words(shown) == words(said)
    progress = r" +\d+ s  \d+ cases, [\d.]+ cases/s, \d+ s left, \d+ findings"
    assert any(re.fullmatch(progress, line) for line in shown)
    running = Summary(("returns",), 1, "1", out=Path(), stats=counted(0), wall_seconds=9.0, quiet_since=9.0)
    running.now = Now(running=1, seconds_left=51.0)
    assert re.fullmatch(progress, progress_line(running))


def test_progress_says_when_nothing_ends() -> None:
    """A run that retries a slow case looks as if it stood still."""
    summary = Summary(("returns",), 1, "1", out=Path(), stats=counted(0, 1), wall_seconds=30.0, quiet_since=25.0)
    summary.now = Now(running=1)
    assert "waiting" not in progress_line(summary)
    summary.wall_seconds = 45.0
    assert "2 cases, 0.0 cases/s, waiting 20 s for slow ones, " in progress_line(summary)


def test_ranges_cover_all_sizes() -> None:
    names = [size_range(size) for size in range(1100)]
    assert [names[i] for i in (0, 1, 20, 21, 255, 1000, 1001)] == [
        "0", "1", "17..20", "21..32", "253..258", "1000", "1001..5000",
    ]  # fmt: skip
    assert len(dict.fromkeys(names)) == len(set(names))
    assert size_range(1 << 20) == "65536.."


def test_three_findings_of_a_cause_are_named_and_the_rest_is_counted() -> None:
    """A bug that is met in many guises is one entry of a few lines."""
    summary = Summary(("arith",), 7, "1", Path("out"))
    where = Signature("cranelift", "invoke", "trap")
    summary.findings = [
        Stored(Path(f"out/findings/x-{size}"), where, 90, "", True, size, cause=2, cause_name="a load")
        for size in range(60, 65)
    ]
    lines = list(summary_lines(summary))
    at = lines.index("    out/findings/x-60 (60 bytes)")
    assert lines[at + 1 : at + 4] == [
        "    out/findings/x-61 (61 bytes)", "    out/findings/x-62 (62 bytes)",
        "    and 2 more: fuzz causes out show 2",
    ]  # fmt: skip
