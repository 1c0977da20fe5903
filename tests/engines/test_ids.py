"""Engine ids: one grammar, one canonical form, errors of one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracles.engine import EngineId, EngineUnavailable, UsageError, adapter, engine_names, open_engine

CANONICAL = {
    "wasmtime": "wasmtime:opt=speed",
    "wasmtime:opt=speed": "wasmtime:opt=speed",
    "wasmtime:regalloc=backtracking": "wasmtime:opt=speed",
    "wasmtime:checker+opt=none": "wasmtime:opt=none+checker",
    "wasmtime:checker=on+regalloc=single_pass+opt=speed": "wasmtime:regalloc=single_pass+checker",
    "wasmtime@34.0.0:flag.has_avx=false+opt=none": "wasmtime@34.0.0:opt=none+flag.has_avx=false",
    "wasmtime@/a/b:c/lib.so:pulley": "wasmtime@/a/b:c/lib.so:pulley",
    "wasmtime@/a/lib.so": "wasmtime@/a/lib.so:opt=speed",
    "wasmtime:winch": "wasmtime:winch",
    "v8": "v8",
    "v8@26.10.0:turbofan": "v8@26.10.0:turbofan",
    "v8:liftoff+flag.a=1+target=aarch64": "v8:target=aarch64+liftoff+flag.a=1",
    "deno@2.9.6:flag.wasm-inlining=off+liftoff": "deno@2.9.6:liftoff+flag.wasm-inlining=off",
    "v8:flag.wasm-inlining=off+liftoff": "v8:liftoff+flag.wasm-inlining=off",
    "jsc:flag.useB3HoistLoopInvariantValues=off+omg": "jsc:omg+flag.useB3HoistLoopInvariantValues=off",
    "webkit@/a/jsc:flag.useAVX=off+llint": "webkit@/a/jsc:llint+flag.useAVX=off",
    "spidermonkey@1.4.1:ion": "spidermonkey@1.4.1:ion",
    "firefox@/usr/lib/firefox-esr/firefox-esr:baseline=on": "firefox@/usr/lib/firefox-esr/firefox-esr:baseline",
    "graalwasm": "graalwasm",
    "graalwasm@25.0.2:compiled=on": "graalwasm@25.0.2:compiled",
    "chicory@1.7.5:interpreter": "chicory@1.7.5:interpreter",
    "interpreter": "interpreter",
}
WRONG = (
    "", "nothing", "wasmtime:", "Wasmtime", "wasmtime@", "wasmtime@not/absolute", "wasmtime:opt=fast", "wasmtime:opt",
    "wasmtime:winch=off", "wasmtime:opt=none+opt=speed", "wasmtime:winch+opt=none", "wasmtime:tier=2", "wasmtime:=",
    "spidermonkey:baseline+ion", "spidermonkey:flag.x=1", "spidermonkey@/a", "firefox@153.8.0",
    "graalwasm:ion", "graalwasm@/a", "graalwasm:compiled=off", "chicory:compiler", "chicory@/a",
    "webkit@2.50.6", "webkit:target=aarch64", "webkit:ipint+llint", "binaryen:level=O2",
    "v8:target=riscv64", "jsc:target=on", "deno:target=aarch64", "jsc:bbq+omg", "jsc:liftoff", "jsc:omg=off",
    "v8:liftoff+turbofan", "v8:opt=none", "v8:liftoff=off", "interpreter:fast", "interpreter@1", "engine",
)  # fmt: skip


@pytest.mark.parametrize("text", CANONICAL)
def test_the_canonical_form(text: str) -> None:
    parsed = EngineId.parse(text)
    assert str(parsed) == CANONICAL[text]
    assert EngineId.parse(str(parsed)) == parsed


@pytest.mark.parametrize("text", [text for text in WRONG if text != "wasmtime:"])
def test_a_wrong_id_is_a_usage_error_of_one_line(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        EngineId.parse(text)
    assert "\n" not in str(caught.value)


@given(st.text(max_size=40) | st.from_regex(r"(wasmtime|v8|jsc)(@[^:]{0,9})?(:.{0,20})?", fullmatch=True))
def test_any_text_is_an_id_or_a_usage_error(text: str) -> None:
    try:
        parsed = EngineId.parse(text)
    except UsageError as error:
        lines = str(error).splitlines()
    else:
        lines = []
        assert EngineId.parse(str(parsed)) == parsed
    assert len(lines) <= 1 or "\n" in text


OF_THE_USER = {"cmd", "mutant", "program", "transformed"}
"""Engines whose name alone says nothing."""


def test_every_adapter_has_the_three_functions() -> None:
    assert {"interpreter", "jsc", "v8", "wasmtime"} <= set(engine_names())
    for name in engine_names():
        assert all(hasattr(adapter(name), word) for word in ("check", "open_engine", "CONTRACT")), name
        if name not in OF_THE_USER:
            assert EngineId.parse(name).name == name


def test_a_release_that_is_not_cached_cannot_be_had_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("wasmtime@0.0.1", "v8@0.0.1", "jsc@0.0.1"):
        with pytest.raises(EngineUnavailable, match="--offline"):
            open_engine(name, offline=True)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wasmtime@/no/such/file", "is not a file"),
        ("v8@/no/such/node", "is not an executable"),
        ("jsc@/no/such/bun", "is not an executable"),
        ("webkit@/no/such/jsc", "is not an executable"),
        ("webkit@/bin/echo", "no shell of WebKit's"),
        ("wasmtime:flag.no_such_flag=1", "no_such_flag|No existing setting"),
        ("wasmtime:flag.opt_level=speed", "no effect"),
    ],
)
def test_what_cannot_be_used_says_so(name: str, message: str) -> None:
    with pytest.raises(EngineUnavailable, match=message) as caught:
        _ = open_engine(name, offline=True).capabilities
    assert "\n" not in str(caught.value)
