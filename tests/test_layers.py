"""The contracts of pyproject.toml hold, each of them can fail, and what import-linter cannot see holds as well.

Contracts say which package, folder or stage may import which. What a graph of modules does not show is tested here:
imports are absolute, workers are scripts that import nothing of the project, and no module has the name of one of
Python's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wasm", "compiler", "generators", "oracles", "fuzz")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"

FLOORS = "Imports only go down the floors; generators and oracles never meet"
FUZZ = "Every folder of fuzz has a floor, and imports only go down"
STAGES = "The stages of fuzz know nothing of each other"
COMPILER = "The stages of the compiler know nothing of each other; the forms between them know no stage"
X64 = "In x64 rules and emission stand on the assembler, and that on the table"
APART = "The judge and the interpreter know nothing of each other"
JUDGE = "The judge knows no engine: it is handed what they did"
SIBLINGS = "No circle between the files and folders of a folder"
MODULES = "No circle between modules, a package's own file among them"


def lint(home: Path) -> subprocess.CompletedProcess[str]:
    """What ``lint-imports`` says of the project in ``home``, on lines as long as it likes."""
    environment = {**os.environ, "PYTHONPATH": str(home), "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", LINT], cwd=home, env=environment, capture_output=True, text=True, check=False
    )


def states(said: str, word: str) -> list[str]:
    """The contracts that a run of ``lint-imports`` calls KEPT or BROKEN; beside that it may say what is ignored."""
    return re.findall(rf"^(.+) {word}(?: \(.*\))?$", said, flags=re.M)


def broken(said: str) -> dict[str, str]:
    """The contracts that are broken, each with what ``lint-imports`` says of them."""
    details = said.partition("Broken contracts")[2]
    where = {name: details.index(name) for name in states(said, "BROKEN")}
    ends = [*sorted(where.values()), len(details)]
    return {name: details[at : ends[ends.index(at) + 1]] for name, at in where.items()}


def test_the_contracts_are_kept() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


class Plant(NamedTuple):
    """A line put at the end of a file (made if need be); the contract that must break, and words of its message."""

    file: str
    line: str
    contract: str
    says: str


PLANTS = (
    Plant("wasm/errors.py", "import oracles.engine", FLOORS, "wasm.errors -> oracles.engine"),
    Plant("compiler/errors.py", "import generators.choices", FLOORS, "compiler.errors -> generators.choices"),
    Plant("generators/config.py", "import oracles.provision", FLOORS, "generators.config -> oracles.provision"),
    Plant("oracles/provision.py", "import generators.choices", FLOORS, "oracles.provision -> generators.choices"),
    Plant("oracles/provision.py", "def late():\n    import fuzz", FLOORS, "oracles.provision -> fuzz (l."),
    Plant("fuzz/reduce/weights.py", "import fuzz.cli.main", FUZZ, "fuzz.reduce.weights -> fuzz.cli.main"),
    Plant("fuzz/triage/known.py", "import fuzz.campaign.slot", FUZZ, "fuzz.triage.known -> fuzz.campaign.slot"),
    Plant("fuzz/records/finding.py", "import fuzz.archive.disk", FUZZ, "fuzz.records.finding -> fuzz.archive.disk"),
    Plant("fuzz/trial/children.py", "import fuzz.archive.disk", FUZZ, "fuzz.trial.children -> fuzz.archive.disk"),
    Plant("fuzz/helpers.py", "", FUZZ, "- fuzz.helpers\n"),
    Plant("fuzz/reduce/weights.py", "import fuzz.triage.known", STAGES, "fuzz.reduce.weights -> fuzz.triage.known"),
    Plant("fuzz/report/words.py", "import fuzz.reduce.errors", STAGES, "fuzz.report.words -> fuzz.reduce.errors"),
    Plant("fuzz/faults/moves.py", "import fuzz.report.words", STAGES, "fuzz.faults.moves -> fuzz.report.words"),
    Plant("compiler/simplify/dead.py", "import compiler.x64.insts", COMPILER,
          "compiler.simplify.dead -> compiler.x64.insts"),
    Plant("compiler/x64/row.py", "import compiler.regalloc.moves", COMPILER,
          "compiler.x64.row -> compiler.regalloc.moves"),
    Plant("compiler/x64/assembler.py", "import compiler.x64.pseudo.calls", X64,
          "compiler.x64.assembler -> compiler.x64.pseudo.calls"),
    Plant("compiler/x64/rules/ints.py", "import compiler.x64.stubs", X64,
          "compiler.x64.rules.ints -> compiler.x64.stubs"),
    Plant("compiler/machine.py", "import compiler.regalloc.moves", COMPILER,
          "compiler.machine -> compiler.regalloc.moves"),
    Plant("compiler/machine.py", "import compiler.ir", COMPILER, "compiler.machine -> compiler.ir"),
    Plant("oracles/judge/vote.py", "import oracles.interpreter", APART, "oracles.judge.vote -> oracles.interpreter"),
    Plant("oracles/interpreter/store.py", "import oracles.judge.vote", APART,
          "oracles.interpreter.store -> oracles.judge.vote"),
    Plant("oracles/judge/vote.py", "import oracles.engine", JUDGE, "oracles.judge.vote -> oracles.engine"),
    Plant("wasm/leb.py", "import wasm.decode", SIBLINGS, "No cycles are allowed in wasm.\n"),
    Plant("compiler/simplify/dead.py", "import compiler.pipeline", SIBLINGS, "No cycles are allowed in compiler.\n"),
    Plant("fuzz/archive/disk.py", "import fuzz.archive.archive", SIBLINGS, "No cycles are allowed in fuzz.archive.\n"),
    Plant("wasm/leb.py", "import wasm.decode", MODULES, "wasm.leb -> wasm.decode"),
    Plant("fuzz/reduce/errors.py", "import fuzz.reduce", MODULES, "fuzz.reduce.errors -> fuzz.reduce (l."),
)  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's packages and contracts, to plant violations in."""
    home = tmp_path_factory.mktemp("project")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, home / package, ignore=shutil.ignore_patterns("__pycache__"))
    (home / "tests").mkdir()
    shutil.copy(ROOT / "tests/contracts.py", home / "tests")
    shutil.copy(ROOT / "pyproject.toml", home)
    return home


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.file}: {plant.line.rsplit('import ')[-1]}")
def test_a_planted_violation_breaks_its_contract(copy: Path, plant: Plant) -> None:
    path = copy / plant.file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    try:
        path.write_text(f"{before or ''}\n{plant.line}\n", encoding="utf-8")
        done = lint(copy)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
    assert done.returncode == 1, done.stdout + done.stderr
    found = broken(done.stdout)
    assert plant.contract in found, done.stdout
    assert plant.says in found[plant.contract], found[plant.contract]


def test_every_contract_is_seen_to_fail() -> None:
    assert set(states(lint(ROOT).stdout, "KEPT")) == {plant.contract for plant in PLANTS}


# --- what a graph of modules does not show ----------------------------------------------------------------------------


def _modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def relative(text: str) -> list[str]:
    """The imports of a file's text that are relative."""
    return re.findall(r"^\s*from\s*\..*", text, flags=re.M)


def ours(text: str) -> list[str]:
    """The imports in a file's text of the project's packages."""
    return re.findall(rf"^\s*(?:from|import)\s+(?:{'|'.join(PACKAGES)})\b.*", text, flags=re.M)


def test_imports_are_absolute() -> None:
    assert relative("import re\ndef f():\n    from .x import y\n") == ["    from .x import y"]
    wrong = {str(path.relative_to(ROOT)): relative(path.read_text(encoding="utf-8")) for path in _modules()}
    assert not {name: lines for name, lines in wrong.items() if lines}


def test_workers_import_nothing_of_the_project() -> None:
    """They run without its folder on their path, beside any release of an engine."""
    assert ours("import re\nimport wasmtime\nfrom wasm.traps import Trap\n") == ["from wasm.traps import Trap"]
    workers = [path for path in _modules() if "workers" in path.parts]
    assert len(workers) > 3
    wrong = {path.name: ours(path.read_text(encoding="utf-8")) for path in workers}
    assert not {name: lines for name, lines in wrong.items() if lines}


def test_no_module_has_a_standard_library_name() -> None:
    wrong = [str(path.relative_to(ROOT)) for path in _modules() if path.stem in sys.stdlib_module_names]
    # A target's file has the target's name, a command's the command's, a report format's the format's, an engine's the
    # engine's: these are called what people call them.
    allowed = {"generators/targets/gc.py", "fuzz/cli/commands/bisect.py", "fuzz/report/formats/html.py",
               "oracles/engines/cmd.py"}  # fmt: skip
    assert not set(wrong) - allowed


def test_the_packages_come_from_one_folder() -> None:
    folders = {Path(str(__import__(package).__file__)).resolve().parent.parent for package in PACKAGES}
    assert len(folders) == 1, f"another distribution has installed one of {PACKAGES}: {folders}"
