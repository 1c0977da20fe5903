"""``fuzz engines doctor --all``: a line for every configuration, and none that is not told of."""

from __future__ import annotations

import re

import pytest

from fuzz.cli import doctor
from fuzz.cli.main import main
from oracles.engine import EngineId, configurations, engine_names


def test_a_line_each_with_why_one_cannot_be_had(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = ("interpreter", "allocators", "wasmtime@0.0.1", "wasmtime:opt=fast", "wasmtime:winch")
    monkeypatch.setattr(doctor, "configurations", lambda: ids)
    assert main(["engines", "doctor", "--all"]) == 0
    lines = [re.sub(r"\d+\.\d ms", "N ms", line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "interpreter: release 1, family interpreter, N ms a case"
    assert lines[1] == "allocators: release 1, family allocators, N ms a case"
    assert lines[2] == (
        "wasmtime@0.0.1: cannot be had: wasmtime 0.0.1 is not in the cache and --offline is set: run once without it"
    )
    assert lines[3].startswith("wasmtime:opt=fast: cannot be had: opt=fast")
    assert re.fullmatch(r"wasmtime:winch: release \S+, family winch, N ms a case", lines[4])
    assert lines[5] == "of 5 configurations 3 can be had here, of 3 families"


def test_either_all_or_some(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["engines", "doctor", "--all", "wasmtime"]) == 2
    assert "not allowed with" in capsys.readouterr().err


def test_each_is_an_id_and_only_what_is_the_users_or_needs_another_engine_is_missing() -> None:
    names = {EngineId.parse(one).name for one in configurations()}
    assert set(engine_names()) - names == {"cmd", "program", "mutant"}
