"""Other projects' generators: their modules are cases like ours, the same every time, with every export called."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from fuzz.cli.main import main
from generators import peer
from generators.config import DEFAULT
from generators.peer import NoModule, PeerMissing, find_program, open_peer, peer_names, run_program
from generators.peers import ttf
from generators.registry import GENERATOR_VERSION, make_case, version_of
from oracles.interpreter import run_case
from wasm.builder import ModuleBuilder
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Returned
from wasm.feature_use import required_features
from wasm.validate import validate
from wasm.valtypes import F64, I32

COUNT = 25
PROJECT = Path(__file__).resolve().parent.parent.parent


def cases(name: str, count: int = COUNT) -> list[Case]:
    try:
        open_peer(name)
    except PeerMissing as error:
        pytest.skip(str(error))
    found = []
    for index in range(count):
        try:
            found.append(make_case(name, 3, index))
        except NoModule:
            continue
    return found


def test_the_folder_is_the_list() -> None:
    files = {path.stem.replace("_", "-") for path in (PROJECT / "generators" / "peers").glob("[!_]*.py")}
    assert {name.partition(":")[0] for name in peer_names()} == files
    assert {"wasm-smith", "wasm-smith:wide", "ttf"} <= set(peer_names())


@pytest.mark.parametrize("name", peer_names())
def test_modules_are_valid_and_called(name: str) -> None:
    found = cases(name)
    assert len(found) >= 0.9 * COUNT
    returned = 0
    for case in found:
        assert case.kind is CaseKind.WASM, "our validator rejects a peer's module"
        module = decode(case.content)
        validate(module)
        assert {feature.value for feature in required_features(module)} == case.features
        called = {invocation.export for invocation in case.invocations}
        simple = {
            item.name
            for item in module.exports
            if item.kind.value == 0 and all(type_ in (I32, F64) for type_ in module.func_types()[item.index].params)
        }
        assert simple <= called | {"hangLimitInitializer"}
        returned += any(isinstance(outcome, Returned) for outcome in run_case(case).outcomes)
    assert returned > len(found) // 4


@pytest.mark.parametrize("name", peer_names())
def test_the_same_every_time(name: str) -> None:
    first = cases(name, 3)
    open_peer.cache_clear()
    assert cases(name, 3) == first
    assert len({case.content for case in first}) == len(first)


def test_wide_modules_have_wide_functions() -> None:
    for case in cases("wasm-smith:wide", 5):
        types = decode(case.content).func_types()
        assert max(len(type_.results) for type_ in types) >= 300
        assert max(len(type_.params) for type_ in types) >= 300


def test_features_are_kept() -> None:
    """Peers get no feature that the configuration lacks.

    Element segments of expressions are bulk memory to wasm-smith, and reference types to us.
    """
    cases("wasm-smith", 0)
    narrow = peer._narrowed(DEFAULT)[-1]
    allowed = {feature.value for feature in narrow.features} | {"reference_types"}
    for index in range(6):
        assert make_case("wasm-smith", 3, index, narrow).features <= allowed


def test_what_peers_make_does_not_depend_on_our_version() -> None:
    cases("wasm-smith", 0)
    alone = version_of(["wasm-smith", "wasm-smith:wide"])
    assert alone.startswith("wasm-tools ")
    assert version_of(["arith", "wasm-smith", "wasm-smith:wide"]) == f"{GENERATOR_VERSION}, {alone}"


def test_what_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    open_peer.cache_clear()
    monkeypatch.setattr(ttf, "find_program", lambda *_: None)
    assert main(["run", "--generator", "ttf", "--cases", "1"]) == 3
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(PeerMissing, match="npm install binaryen"):
        version_of(["ttf"])
    assert find_program("no-such-program-anywhere") is None


def test_a_peer_that_fails_makes_no_module() -> None:
    with pytest.raises(NoModule, match="made no module"):
        run_program([shutil.which("false") or "false"])
    with pytest.raises(PeerMissing, match="does not start"):
        run_program(["/no/such/program"])


def test_unknown_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--generator", "nope", "--cases", "1"]) == 2
    assert "no generator 'nope': there are " in capsys.readouterr().err
    with pytest.raises(ValueError, match="no generator"):
        open_peer("nope")


def test_a_ttf_module_is_called_with_a_full_count() -> None:
    m = ModuleBuilder()
    for name in ("a", "b", "hangLimitInitializer"):
        m.func((I32,) if name == "a" else (), (), export=name)
    calls = [invocation.export for invocation in ttf._calls(m.finish())]
    assert calls == ["hangLimitInitializer", *"aaaa", "hangLimitInitializer", "b"]


def test_sizes_are_spread() -> None:
    drawn = [peer.log_uniform(random.Random(i), 512, 16384) for i in range(200)]
    assert all(512 <= size <= 16384 for size in drawn)
    assert sum(size < 2900 for size in drawn) in range(70, 131)


def test_a_campaign_of_peers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases("wasm-smith", 0)
    arguments = ["run", "--generator", "wasm-smith", "--cases", "6", "--seed", "1", "--jobs", "1", "--no-minimize"]
    code = main([*arguments, "--engine", "wasmtime:opt=none", "--out", str(tmp_path / "out")])
    out = capsys.readouterr().out
    assert code == 0, out
    assert "6 cases of wasm-smith with seed 1" in out
