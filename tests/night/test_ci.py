"""The files in ci/ are true: they can be read, the commands in them are commands, and what they name is there."""

from __future__ import annotations

import configparser
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fuzz.archive.repro import driver
from fuzz.atheris_targets.driver import FUZZ_TARGETS
from fuzz.cli.night_file import read_night
from fuzz.cli.parser import parse
from fuzz.corpus.entry import reference
from generators.registry import make_case
from wasm.case import Case
from wasm.embedding import Returned, Value

PROJECT = Path(__file__).resolve().parents[2]
CI = PROJECT / "ci"
FILES = sorted(path for path in CI.rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def commands() -> list[tuple[str, str]]:
    """Every ``fuzz ...`` in the files, with the file; the container's has no program before it."""
    found = [
        (path.name, re.sub(r"\s2$", "", words.strip()))
        for path in FILES
        for words in re.findall(r"(?:\.venv/bin/|`)fuzz ([^`>|&\n]+)", path.read_text(encoding="utf-8"))
    ]
    (entry,) = re.findall(r"^CMD \[(.*)\]$", (CI / "Containerfile").read_text(), flags=re.M)
    return [*found, ("Containerfile", " ".join(re.findall(r'"(.*?)"', entry)))]


def test_there_are_commands_in_every_file_that_runs_one() -> None:
    assert {name for name, _ in commands()} == {
        "github-actions.yml", "gitlab-ci.yml", "fuzz-night.service", "crontab", "README.md", "Containerfile",
    }  # fmt: skip


@pytest.mark.parametrize(("name", "command"), commands())
def test_commands_are_commands(name: str, command: str) -> None:
    args = parse(shlex.split(command))
    assert callable(args.run), name


def test_the_night_of_the_files_can_be_read_and_its_paths_are_those_that_jobs_keep() -> None:
    night = read_night(CI / "night.toml")
    assert night.out.resolve() == PROJECT / "findings"
    assert night.corpus is not None
    assert night.corpus.resolve() == PROJECT / "findings-corpus"
    assert all(path.is_file() for path in night.known)
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        assert {"findings", "findings-corpus"} <= set((CI / name).read_text().split()) | set(
            re.findall(r"[\w-]+", (CI / name).read_text())
        )


def _loaded(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text(encoding="utf-8"))


def test_github_keeps_the_archive_also_of_a_red_night() -> None:
    job = _loaded("github-actions.yml")["jobs"]["night"]
    steps = job["steps"]
    at = next(i for i, step in enumerate(steps) if "fuzz night" in step.get("run", ""))
    assert len(steps[at + 1 :]) == 5
    assert all(step["if"] == "always()" for step in steps[at + 1 :])
    kept = [step["with"]["key"] for step in steps if "cache/save" in step.get("uses", "")]
    taken = [step["with"]["key"] for step in steps if "cache/restore" in step.get("uses", "")]
    assert sorted(kept) == sorted(taken)
    assert len(kept) == 2
    assert 60 * job["timeout-minutes"] > read_night(CI / "night.toml").seconds + 600


def test_gitlab_keeps_the_archive_also_of_a_red_night() -> None:
    job = _loaded("gitlab-ci.yml")["night"]
    assert job["cache"]["when"] == job["artifacts"]["when"] == "always"
    assert job["artifacts"]["reports"]["junit"] == "findings/report/junit.xml"
    assert set(job["cache"]["paths"]) >= {"findings", ".cache"}


def test_systemd_units_have_what_they_need() -> None:
    service, timer = (configparser.ConfigParser(strict=False, interpolation=None) for _ in range(2))
    for parser in (service, timer):
        parser.optionxform = str  # type: ignore[assignment,method-assign]
    service.read(CI / "cron" / "fuzz-night.service")
    timer.read(CI / "cron" / "fuzz-night.timer")
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["SuccessExitStatus"] == "1"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_clusterfuzzlite_builds_the_targets_that_there_are() -> None:
    project = _loaded("clusterfuzzlite/project.yaml")
    assert project["language"] == "python"
    script = CI / "clusterfuzzlite" / "build.sh"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    (names,) = re.findall(r"^for target in (.*); do$", script.read_text(), flags=re.M)
    assert set(names.split()) == set(FUZZ_TARGETS)
    assert all((PROJECT / "fuzz" / "atheris_targets" / f"{name}.py").is_file() for name in names.split())


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("no node on the path")
    return found


def ran(node: str, script: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([node, *flags, script], capture_output=True, text=True, timeout=60, check=False)


def test_the_container_has_a_night_whose_folders_are_its_volume() -> None:
    (line,) = re.findall(r"^RUN (sed .*) > /project/night.toml$", (CI / "Containerfile").read_text(), flags=re.M)
    done = subprocess.run(["sh", "-c", line], cwd=PROJECT, capture_output=True, text=True, check=True)
    night = tomllib.loads(done.stdout)
    assert (night["out"], night["corpus"]) == ("/data/findings", "/data/findings-corpus")
    assert all((PROJECT / name.removeprefix("/project/")).is_file() for name in night["known"])


def test_the_bundle_for_clusterfuzz_runs_by_itself(tmp_path: Path) -> None:
    shutil.copy(CI / "clusterfuzz" / "run.py", tmp_path)
    for name in ("wasm", "compiler", "generators", "oracles", "fuzz", "corpus"):
        (tmp_path / name).symlink_to(PROJECT / name)
    words = ["--input_dir", "in", "--output_dir", "out", "--no_of_files", "1"]
    subprocess.run([sys.executable, "run.py", *words], check=True, cwd=tmp_path)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["fuzz-0.js"]


def test_programs_for_clusterfuzz_end_well_in_an_engine_that_is_right(tmp_path: Path, node: str) -> None:
    words = ["--input_dir", tmp_path / "in", "--output_dir", tmp_path / "out", "--no_of_files", "6", "--seed", "3"]
    subprocess.run([sys.executable, CI / "clusterfuzz" / "run.py", *words], check=True, cwd=tmp_path)
    files = sorted((tmp_path / "out").iterdir())
    assert [file.name for file in files] == [f"fuzz-{number}.js" for number in range(6)]
    returned = 0
    for file in files:
        done = ran(node, file)
        assert done.returncode == 0, done.stdout + done.stderr
        returned += "returned" in done.stdout
    assert returned >= 3, "an older engine does not take some of the modules"


def _simple(case: Case) -> bool:
    """Whether JavaScript can run it, and its first call returns integers."""
    expected = reference(case)
    assert expected is not None
    if not driver(case, expected, "x") or len(expected) < 2 or not isinstance(expected[1], Returned):
        return False
    return bool(expected[1].types) and set(expected[1].types) <= {"i32", "i64"}


def test_a_program_crashes_by_itself_where_a_call_is_wrong(tmp_path: Path, node: str) -> None:
    case = next(case for case in (make_case("arith", 3, index) for index in range(50)) if _simple(case))
    expected = reference(case)
    assert expected is not None
    first = expected[1]
    assert isinstance(first, Returned)
    wrong = Returned.of([Value(value.type, value.bits ^ 1) for value in first.values])
    script = tmp_path / "fuzz-0.js"
    script.write_text(driver(case, (expected[0], wrong, *expected[2:]), "arith-3"))
    done = ran(node, script)
    assert done.returncode == -signal.SIGABRT
    assert "wasm-codegen-fuzz: DISAGREEMENT in arith-3" in done.stdout
    native = ran(node, script, "--allow-natives-syntax")
    assert native.returncode < 0
    assert "abort: wasm-codegen-fuzz: DISAGREEMENT" in native.stdout + native.stderr
