"""The control that began it, on real releases, as far as they are at hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_command import said

from oracles import provision
from oracles.provision import version_key

CONTROL = Path(__file__).resolve().parents[2] / "corpus" / "controls" / "wasmtime-12318.wat"
CALL = ("--invoke", "f(i32:24, i32:1)")


@pytest.mark.usefixtures("real_cache")
def test_the_control_has_its_history(capsys: pytest.CaptureFixture[str]) -> None:
    """Bad from 31.0.0 until 40.0.2: each release from 18 on that is at hand, and nothing of those that are not."""
    if "33.0.0" not in provision.installed("wasmtime"):
        pytest.skip("wasmtime 33.0.0 is not at hand: fuzz engines install wasmtime@33.0.0")
    asked = ("--engine", "wasmtime@33.0.0:opt=none", "--offline", "--all", "--no-cache", "--from", "18", "--json")
    out, _ = said(capsys, 0, "bisect", str(CONTROL), *CALL, *asked)
    strip = json.loads(out.splitlines()[-1])
    for one in strip["tried"]:
        bad = version_key("31.0.0") <= version_key(one["release"]) < version_key("40.0.2")
        if one["state"] == "cannot":
            assert one["why"] == "not at hand, and --offline is set"
        else:
            assert (one["state"] == "bad") is bad, one
    assert "33.0.0" in strip["showing"]


@pytest.mark.usefixtures("real_cache")
def test_a_setting_that_old_releases_do_not_take(capsys: pytest.CaptureFixture[str]) -> None:
    at_hand = provision.installed("wasmtime")
    old = next((one for one in at_hand if one.startswith(("7.", "0.", "18."))), None)
    if old is None:
        pytest.skip("no old wasmtime is at hand: fuzz engines install wasmtime@18.0.2")
    bounds = ("--engine", "wasmtime:regalloc=single_pass", "--offline", "--no-cache", "--from", old, "--to", old)
    out, _ = said(capsys, 3, "bisect", str(CONTROL), *CALL, *bounds)
    assert f"cannot be asked: {old}: " in out
