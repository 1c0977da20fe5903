"""Traps, exceptions, and exhausted fuel, stack and memory end a call of compiled code, and the instance goes on."""

from __future__ import annotations

import json
import platform
import subprocess
import sys

import pytest

from tests.conftest import PROJECT

pytestmark = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the code is for x86-64")
pytest.importorskip("wasmtime", reason="wasmtime reads the module's text: pip install wasmtime")


def test_every_way_to_stop() -> None:
    command = [sys.executable, "-m", "tests.native.stops"]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    fuel, one = {"kind": "exhausted", "what": "fuel"}, {"kind": "returned", "values": ["i32:0x1"]}
    assert found["endless()"] == [fuel, fuel]
    assert found["deep(i32:0x1)"] == [{"kind": "exhausted", "what": "stack"}]
    assert found["thrower()"] == [{"kind": "threw", "tag": "tag", "values": ["i32:0x7", "v128:0x20000000000000001"]}]
    assert found["divide(i32:0x0)"][0]["kinds"] == ["integer divide by zero"]
    assert found["outside()"][0]["kinds"] == ["out of bounds memory access"]
    assert found["divide(i32:0x1)"] == [one, one]
    assert found["grow(i32:0x1)"] == [one, {"kind": "returned", "values": ["i32:0xffffffff"]}]
    assert found["size()"] == [{"kind": "returned", "values": ["i32:0x2"]}]
    assert found["g"] == ["i32:0x5"]
    assert [found[name][0]["kind"] for name in ("absent()", "grow()")] == ["rejected", "rejected"]
