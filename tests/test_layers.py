"""Imports only go down the house, modules never carry a standard library name, and the five packages come together."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("wasm", "compiler", "generators", "oracles", "fuzz")

MAY_IMPORT = {
    "wasm": {"wasm"},
    "compiler": {"wasm", "compiler"},
    "generators": {"wasm", "compiler", "generators"},
    "oracles": {"wasm", "compiler", "oracles"},
    "fuzz": set(PACKAGES),
}
"""generators and oracles stand on one floor and never meet."""

FUZZ_STAGES = ("reduce", "triage", "report", "faults")
"""Stages of fuzz/ that know nothing of each other nor of who wires them."""


def _modules() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def _imports(path: Path) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            found += [(node.lineno, f"{module}.{alias.name}") for alias in node.names]
    return found


def violations(path: Path, imports: list[tuple[int, str]]) -> list[str]:
    """The imports of a module that go up, across, or from one stage of fuzz/ into another."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    wrong = []
    for line, name in imports:
        words = name.split(".")
        if words[0] not in PACKAGES:
            continue
        up = words[0] not in MAY_IMPORT[parts[0]]
        across = False
        if parts[0] == "fuzz" and words[0] == "fuzz" and len(parts) > 2 and parts[1] in FUZZ_STAGES and len(words) > 1:
            across = words[1] != parts[1] and words[1] in (*FUZZ_STAGES, "campaign", "cli")
        worker = "workers" in parts
        if up or across or worker:
            wrong.append(f"{path.relative_to(ROOT)}:{line}: imports {name}")
    return wrong


def test_imports_only_go_down() -> None:
    wrong = [line for path in _modules() for line in violations(path, _imports(path))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("module", "imported"),
    [
        ("wasm/x.py", "oracles.pool"),
        ("generators/x.py", "oracles.judge.verdict.Kind"),
        ("oracles/x.py", "generators.choices"),
        ("fuzz/reduce/x.py", "fuzz.triage.signature"),
        ("fuzz/triage/x.py", "fuzz.campaign.loop"),
        ("oracles/workers/x_worker.py", "wasm.traps"),
    ],
)
def test_a_planted_import_is_found(module: str, imported: str) -> None:
    assert violations(ROOT / module, [(1, imported)])


def test_no_module_has_a_standard_library_name() -> None:
    wrong = [str(path.relative_to(ROOT)) for path in _modules() if path.stem in sys.stdlib_module_names]
    # A target's file has the target's name, and this one is called what the proposal is called.
    assert not set(wrong) - {"generators/targets/gc.py"}


def test_the_packages_come_from_one_folder() -> None:
    folders = {Path(str(__import__(package).__file__)).resolve().parent.parent for package in PACKAGES}
    assert len(folders) == 1, f"another distribution has installed one of {PACKAGES}: {folders}"
