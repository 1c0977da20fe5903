"""A night's configuration: what is read, and one line for each mistake."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.cli.main import main
from fuzz.cli.night_file import KEYS, TEMPLATE, read_night
from fuzz.records.exit_code import ExitCode
from generators.registry import target_names
from oracles.engine import UsageError
from wasm.errors import nearest

START = 'out = "o"\ntime = "1h"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "night.toml"
    path.write_text(text)
    return path


def test_init_writes_what_can_be_read_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["night", "--init"]) == 0
    night = read_night(tmp_path / "night.toml")
    assert night.out == tmp_path / "findings"
    assert (night.seconds, night.retest, night.minimize, night.bisect) == (28800, 600, 60, 0)
    assert set(night.targets) == set(target_names())
    assert main(["night", "night.toml", "--check"]) == 0
    assert "cases: until second" in capsys.readouterr().out
    # A first try is short: nothing but the time has to be changed for that.
    written(tmp_path, TEMPLATE.replace('time = "8h"', 'time = "2m"'))
    assert main(["night", "night.toml", "--check"]) == 0
    assert main(["night", "--init"]) == ExitCode.USAGE
    assert main(["night"]) == ExitCode.USAGE


def test_the_template_has_every_key() -> None:
    assert set(re.findall(r"^#?\[?(\w+)\]?(?: =|$)", TEMPLATE, flags=re.M)) >= set(KEYS)


def test_all_that_is_commented_out_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "corpus" / "all").mkdir(parents=True)
    lines = [line[1:] if re.match(r"#(\w+ =|\[releases\]$)", line) else line for line in TEMPLATE.splitlines()]
    read = read_night(written(tmp_path, "\n".join(line for line in lines if "v8" not in line)))
    assert read.cases == 100000
    assert read.seeds == tmp_path / "corpus" / "all"
    assert "wasmtime@31.0.0:winch" in read.engines


def test_releases_are_for_engines_without_one(tmp_path: Path) -> None:
    text = START + 'engines = ["wasmtime:winch", "wasmtime@33.0.0:opt=none", "compiler"]\n[releases]\n'
    night = read_night(written(tmp_path, text + 'wasmtime = ["31.0.0", "32.0.0"]\n'))
    assert night.engines == (
        "wasmtime@31.0.0:winch", "wasmtime@32.0.0:winch", "wasmtime@33.0.0:opt=none", "compiler"
    )  # fmt: skip


def test_a_corpus_may_feed_the_nights_that_make_it(tmp_path: Path) -> None:
    path = written(tmp_path, START + 'seeds = "corpus"\ncorpus = "corpus"\nknown = []\n')
    assert read_night(path).seeds is None
    (tmp_path / "corpus").mkdir()
    assert read_night(path).seeds == read_night(path).corpus == tmp_path / "corpus"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "out is missing: add out"),
        ('out = "o"\n', 'time is missing: add time = "90s"'),
        (START + "tagets = []\n", r"there is no key 'tagets' \(did you mean targets\?\)"),
        (START + 'targets = "returns"\n', "\"all\" or a list of targets, and not 'returns'"),
        (START + 'targets = ["retuns"]\n', r"no target 'retuns' \(did you mean returns\?\)"),
        (START + 'engines = ["wasmtme"]\n', r"did you mean wasmtime\?"),
        (START + 'engines = ["interpreter"]\n', "nothing to be compared with"),
        (START + "jobs = true\n", "jobs is a number from 1 to 1024, and not true"),
        (START + "jobs = 0\n", "and not 0"),
        (START + 'seed = 1\nshard = "5/4"\n', "shard is text, as \"2/4\" for the second of four, and not '5/4'"),
        (START + "seed = 1\nshard = 2\n", "shard is text"),
        (START + 'shard = "2/4"\n', "shard needs seed"),
        (START + "bisect = true\n", 'bisect is a duration, as "10m", or false, and not true'),
        (START + 'bisect = "10 minutes"\n', "bisect is a duration"),
        (START + 'bisect = "2h"\n', "leaves nothing for cases"),
        (START + 'fail_on = "all"\n', '"new", "any" or "slow"'),
        (START + "mutants = 101\n", "mutants is a number from 0 to 100, and not 101"),
        (START + 'mutants = 2\njudge = "me"\n', 'judge is "reference" or "itself", and not'),
        (START + 'judge = "itself"\n', "judge needs mutants"),
        (START + 'mutants = 2\njudge = "itself"\ntargets = ["regalloc"]\n', "none of regalloc"),
        (START + 'fail_on = "slow"\n', "fail_on needs slow = true"),
        (START + 'reports = ["htlm"]\n', r"no format 'htlm' \(did you mean html\?\)"),
        (START + 'seeds = "nowhere"\n', "there is no such folder"),
        (START + 'known = "x.toml"\n', "known is a list of files"),
        (START + '[releases]\nwasmtme = ["1"]\n', r"did you mean wasmtime\?"),
        (START + '[releases]\nwasmtime = "1"\n', "a list of releases"),
        (START + '[releases]\nv8 = ["20.0.0"]\n', "none of the engines is v8 without a release"),
        ("out = \n", "is not TOML"),
    ],
)
def test_a_mistake_is_one_line(text: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, text)
    assert main(["night", str(path), "--check"]) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert re.search(words, error), error
    assert error.count("\n") == 1
    assert "night.toml" in error


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["night", str(tmp_path / "no.toml")]) == ExitCode.USAGE
    assert capsys.readouterr().err.count("\n") == 1


@settings(deadline=None, derandomize=True, max_examples=50, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(KEYS)), st.integers(0, 20), st.sampled_from("aeixz_"))
def test_a_misspelt_key_is_never_taken(tmp_path_factory: pytest.TempPathFactory, key: str, at: int, c: str) -> None:
    word = key[:at] + c + key[at:]
    if word in KEYS:
        return
    path = written(tmp_path_factory.mktemp("odd"), f"{word} = 1\n{START}")
    with pytest.raises(UsageError) as raised:
        read_night(path)
    assert repr(word) in str(raised.value)
    assert nearest(word, KEYS) in str(raised.value)
