"""docs/night.md: its commands are commands, its table has every key, its snippet runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.cli.main import main
from fuzz.cli.night_file import KEYS
from fuzz.cli.parser import parse

PROJECT = Path(__file__).resolve().parents[2]
PAGE = (PROJECT / "docs" / "night.md").read_text(encoding="utf-8")
COMMANDS = [
    re.split(r" {2,}", line)[0].partition("fuzz ")[2] for line in re.findall(r"^ {4}(\S*fuzz .*)$", PAGE, flags=re.M)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_commands(command: str) -> None:
    assert callable(parse(shlex.split(command)).run)


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 6


def test_the_table_has_every_key() -> None:
    told = set(re.findall(r"^\| (.*?) \|", PAGE, flags=re.M))
    assert {name for cell in told for name in re.findall(r"`\[?(\w+)\]?`", cell)} >= set(KEYS)


def test_files_that_are_named_are_there() -> None:
    names = set(re.findall(r"`?(ci/[\w./-]*\w)", PAGE)) - {"ci/cron/fuzz-night"}
    assert names
    assert all((PROJECT / name).exists() for name in names), names


def test_the_snippet_for_other_test_suites_runs(tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    seeds = [str(path) for path in sorted((PROJECT / "corpus" / "seeds").glob("arith-*.json"))]
    assert main(["corpus", "add", *seeds, "--into", str(tmp_path / "corpus" / "night")]) == 0
    (tmp_path / "test_corpus.py").write_text(snippet)
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        "--rootdir",
        str(tmp_path),
    ]
    done = subprocess.run([*words, "test_corpus.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert f"{len(seeds)} passed" in done.stdout
