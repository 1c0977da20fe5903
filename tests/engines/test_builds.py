"""Builds of Wasmtime: what is asked of one, the files that are made for it, and one line wherever it cannot be made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fuzz.cli.main import main
from oracles import provision
from oracles.builds import cargo
from oracles.builds import wasmtime as builds
from oracles.builds.manifest import (
    Chosen,
    chosen_features,
    is_patched,
    locked_version,
    manifest,
    reversioned,
    seed_manifest,
)
from oracles.builds.options import Build
from oracles.engine import EngineId, EngineUnavailable, UsageError, risk
from oracles.engines.wasmtime import machine_code
from tests.engines.conftest import Wat, open_or_skip
from wasm.embedding import Crashed, Entry, Invocation, Phase, Returned, Trapped

SEED_BUG = "wasmtime-10741"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "wasm-codegen-fuzz"


@pytest.fixture(scope="session")
def tool() -> str:
    """Cargo, or a skipped test."""
    try:
        return cargo.find_cargo("this test")
    except EngineUnavailable as error:
        pytest.skip(str(error))


# What is asked for


@pytest.mark.parametrize(
    ("text", "canonical", "words"),
    [
        ("on", "on", ""),
        ("assertions", "assertions", "debug assertions"),
        ("regalloc2-0.12.1,assertions", "assertions,regalloc2-0.12.1", "debug assertions, regalloc2 0.12.1"),
        ("no-winch,with-wat,no-gc", "with-wat,no-gc,no-winch", "with wat, without gc, without winch"),
    ],
)
def test_what_is_asked_has_one_form(text: str, canonical: str, words: str) -> None:
    build = Build.parse(text)
    assert (str(build), build.words) == (canonical, words)
    assert Build.parse(str(build)) == build


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("asertions", "'asertions' is nothing that a build can have (did you mean assertions?): there are assertions, "
         "regalloc2-VERSION, with-FEATURE and no-FEATURE, with commas between them"),
        ("assertions,assertions", "build=assertions,assertions says a word twice"),
        ("regalloc2-0.12", "'0.12' is no release of regalloc2: write regalloc2-0.12.1"),
        ("regalloc2-0.12.1,regalloc2-0.12.2", "a build has one regalloc2, not 0.12.1 and 0.12.2"),
        ("with-gc,no-gc", "build=with-gc,no-gc asks for gc and for none of it"),
        ("no-", "'' is no feature of a crate: write no-winch"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        Build.parse(text)
    assert str(caught.value) == said


def test_the_seed_bug_has_a_name_of_its_own() -> None:
    assert str(EngineId.parse(SEED_BUG)) == "wasmtime@33.0.0:build=regalloc2-0.12.1"
    assert str(EngineId.parse(f"{SEED_BUG}:checker+opt=none")) == (
        "wasmtime@33.0.0:build=regalloc2-0.12.1+opt=none+checker"
    )
    with pytest.raises(UsageError, match=r"did you mean wasmtime-10741\?"):
        EngineId.parse("wasmtime-1074")


def test_a_build_is_of_a_release() -> None:
    assert str(EngineId.parse("wasmtime@33.0.0:winch+build")) == "wasmtime@33.0.0:build+winch"
    with pytest.raises(UsageError, match=r"build is of a release: write wasmtime@33\.0\.0:build=assertions$"):
        EngineId.parse("wasmtime:build=assertions")
    with pytest.raises(UsageError, match=r"build is of a release: a path is a build already$"):
        EngineId.parse("wasmtime@/a/lib.so:build=assertions")


def test_without_its_build_an_id_is_a_release() -> None:
    id = EngineId.parse(SEED_BUG)
    assert id.unreleased == "build=regalloc2-0.12.1"
    assert str(id.released("34.0.0")) == "wasmtime@34.0.0:opt=speed"
    assert str(EngineId.parse(f"{SEED_BUG}:checker").released()) == "wasmtime:checker"
    assert EngineId.parse("wasmtime@33.0.0").unreleased == ""


# The files


def test_a_plain_build_has_what_wheels_have() -> None:
    features = Chosen(("cranelift", "winch"), ("pulley",))
    assert (
        manifest("33.0.0", Build(), features)
        == """[package]
name = "wasmtime-build"
version = "0.0.0"
edition = "2021"
publish = false

[lib]
name = "wasmtime"
crate-type = ["cdylib"]

[dependencies]
wasmtime-c-api-impl = { version = "=33.0.0", default-features = false, features = ["cranelift", "winch"] }
wasmtime = { version = "=33.0.0", default-features = false, features = ["pulley"] }

[profile.release]
panic = "abort"
strip = "debuginfo"

[workspace]
"""
    )


def test_assertions_pins_and_another_allocator_stand_in_the_manifest() -> None:
    build = Build.parse("assertions,regalloc2-0.12.1")
    pins = [("cranelift-codegen", "0.112.0")]
    text = manifest("25.0.0", build, Chosen((), ()), pins, "crates/regalloc2-0.12.1")
    assert (
        text.partition("[dependencies]\n")[2]
        == """\
wasmtime-c-api-impl = { version = "=25.0.0", default-features = false }
wasmtime = { version = "=25.0.0", default-features = false }
cranelift-codegen = { version = "=0.112.0", default-features = false }

[patch.crates-io]
regalloc2 = { path = "crates/regalloc2-0.12.1" }

[profile.release]
panic = "abort"
strip = "debuginfo"
debug-assertions = true
overflow-checks = true

[workspace]
"""
    )


def test_features_are_those_that_the_release_has() -> None:
    c_api, wasmtime = ("cranelift", "winch", "gc", "wat"), ("cranelift", "pulley", "wat")
    assert chosen_features(Build(), c_api, wasmtime) == Chosen(("cranelift", "winch", "gc"), ("pulley",))
    asked = Build.parse("with-wat,no-winch,no-pulley")
    assert chosen_features(asked, c_api, wasmtime) == Chosen(("cranelift", "gc", "wat"), ())
    with pytest.raises(UsageError, match=r"has no feature winnch \(did you mean winch\?\): it has cranelift, gc, "):
        chosen_features(Build.parse("no-winnch"), c_api, wasmtime)


LOCK = """version = 4

[[package]]
name = "regalloc2"
version = "0.12.2"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "5216"

[[package]]
name = "rustix"
version = "0.38.0"

[[package]]
name = "rustix"
version = "1.0.3"
"""


def test_the_lock_says_which_release_is_to_be_replaced() -> None:
    assert locked_version(LOCK, "regalloc2") == "0.12.2"
    assert locked_version(LOCK, "rustix") == locked_version(LOCK, "nothing") == ""
    assert not is_patched(LOCK, "regalloc2")
    assert is_patched(LOCK.replace('source = "registry+', 'other = "'), "regalloc2")


def test_a_crate_gets_the_version_that_is_asked_for() -> None:
    crate = '[package]\nedition = "2021"\nversion = "0.12.1"\n\n[dependencies.log]\nversion = "0.4.8"\n'
    assert reversioned(crate, "0.12.2") == crate.replace("0.12.1", "0.12.2")
    with pytest.raises(EngineUnavailable, match="no version in it"):
        reversioned("[package]\nversion.workspace = true\n", "0.12.2")


# Where it cannot be made


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("   Compiling log v0.4\nerror: linker `cc` not found\n  |\n  = note: No such file or directory",
         "the linker cc is missing: install gcc or clang"),
        ('error: failed to run custom build command for `wasmtime v33`\n  failed to find tool "c++": No such file',
         "the linker c++ is missing: install gcc or clang"),
        ('error: failed to select a version for the requirement `regalloc2 = "=0.99.0"`\n'
         "candidate versions found which didn't match: 0.15.2, 0.15.1, ...\nlocation searched: crates.io index",
         'there is no regalloc2="=0.99.0" in the registry: there are 0.15.2, 0.15.1, ...'),
        ("warning: unused\nerror[E0308]: mismatched types\n  --> src/lib.rs:1:2\n   |\n",
         "error[E0308]: mismatched types --> src/lib.rs:1:2"),
        ("error: failed to get `log` as a dependency\n\nCaused by:\n  no network\n",
         "error: failed to get `log` as a dependency no network"),
        ("", "cargo said nothing"),
    ],
)  # fmt: skip
def test_cargo_is_read_for_what_is_wrong(said: str, line: str) -> None:
    assert cargo.first_error(said) == line


@pytest.mark.usefixtures("cache")
def test_without_cargo_it_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "")
    assert main(["engines", "install", SEED_BUG]) == 3
    line = "wasmtime 33.0.0 (regalloc2 0.12.1) is built by cargo, which is not installed: install Rust (https://rustup"
    assert line in capsys.readouterr().err


@pytest.mark.usefixtures("cache")
def test_offline_a_missing_build_is_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "corpus/controls/wasmtime-12318.wat", "--offline", "--engine", SEED_BUG]) == 3
    assert "33.0.0+regalloc2-0.12.1 is not in the cache and --offline is set" in capsys.readouterr().err


def test_a_full_disk_is_said_before_it_begins(cache: Path, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:  # noqa: ARG001
    class Full:
        free = 5 << 20

    monkeypatch.setattr(builds.shutil, "disk_usage", lambda _: Full)
    with pytest.raises(EngineUnavailable, match=r"takes up to 1024 MB while it is built: .* has 5 MB$"):
        builds.library("33.0.0", Build())


@pytest.mark.usefixtures("cache")
def test_only_a_whole_release_is_built() -> None:
    with pytest.raises(EngineUnavailable, match=r"33 is no release that can be built: write one as wasmtime@33\.0\.0"):
        builds.library("33", Build())


# What is at hand


def test_builds_are_listed_finished_or_not(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("33.0.0+regalloc2-0.12.1", "50.0.1+assertions", "50.0.1+plain", ".work-43.0.0+assertions"):
        (cache / builds.NAME / name).mkdir(parents=True)
    assert main(["engines", "list"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith(("build of", "wasmtime-"))]
    assert lines == [
        "build of wasmtime at hand: wasmtime@50.0.1:build",
        "build of wasmtime at hand: wasmtime@50.0.1:build=assertions",
        "build of wasmtime at hand: wasmtime@33.0.0:build=regalloc2-0.12.1",
        f"build of wasmtime not finished: {cache / builds.NAME / '.work-43.0.0+assertions'}",
        "wasmtime-10741 is wasmtime@33.0.0:build=regalloc2-0.12.1",
    ]


def test_a_strangers_bundle_builds_nothing_untold(cache: Path) -> None:
    id = EngineId.read(SEED_BUG)
    assert risk(id) == f"a build of Wasmtime by cargo, {builds.MINUTES}"
    (cache / builds.NAME / "33.0.0+regalloc2-0.12.1").mkdir(parents=True)
    assert risk(id) == ""


def test_a_build_is_not_bisected(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    (cache / builds.NAME / "33.0.0+regalloc2-0.12.1").mkdir(parents=True)
    (cache / builds.NAME / "33.0.0+regalloc2-0.12.1" / "libwasmtime.so").touch()
    assert main(["bisect", "corpus/controls/wasmtime-12318.wat", "--offline", "--engine", SEED_BUG]) == 2
    assert "is one build: write wasmtime@VERSION" in capsys.readouterr().err


# Cargo itself, on a package that needs nothing


def package(folder: Path, source: str) -> Path:
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "lib.rs").write_text(source)
    text = '[package]\nname = "small"\nversion = "0.0.0"\nedition = "2021"\n\n[lib]\ncrate-type = ["cdylib"]\n'
    (folder / "Cargo.toml").write_text(f"{text}\n[workspace]\n")
    return folder


def test_a_package_is_built_again_where_it_was_left(tmp_path: Path, tool: str) -> None:
    folder = package(tmp_path, "pub fn f() { g() }")
    assert len(cargo.metadata(tool, folder, "small").built) == 1
    with pytest.raises(EngineUnavailable, match=r"^small could not be built: error\[E0425\]: cannot find function `g`"):
        cargo.build(tool, folder, 1, "small")
    assert "E0425" in (folder / cargo.LOG).read_text()
    package(tmp_path, '#[no_mangle] pub extern "C" fn f() -> i32 { 42 }')
    library = cargo.build(tool, folder, 1, "small")
    assert library == folder / "target" / "release" / "libsmall.so"
    made = library.stat().st_mtime_ns
    assert cargo.build(tool, folder, 1, "small").stat().st_mtime_ns == made


def test_a_manifest_that_cargo_cannot_read_is_one_line(tmp_path: Path, tool: str) -> None:
    (tmp_path / "Cargo.toml").write_text("[package")
    with pytest.raises(EngineUnavailable, match=r"^small cannot be built: error: "):
        cargo.metadata(tool, tmp_path, "small")


def test_a_crate_is_looked_into_by_a_package_that_needs_it() -> None:
    assert seed_manifest("regalloc2", "0.12.1").splitlines()[-3:] == [
        'regalloc2 = { version = "=0.12.1", default-features = false }', "", "[workspace]"]  # fmt: skip


# The real one, where it has been built


WIDE = '(module (func (export "f") (result {types}) {values}))'


def wide(wat: Wat, results: int):
    values = " ".join(f"(i32.const {i})" for i in range(results))
    return wat(WIDE.format(types=" ".join(["i32"] * results), values=values), Invocation("f", (), Entry.WRAPPER))


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_253_results_are_right_and_254_are_the_bug(wat: Wat) -> None:
    if not builds.is_at_hand("33.0.0", Build.parse("regalloc2-0.12.1")):
        pytest.skip(f"{SEED_BUG} has not been built here (fuzz engines install {SEED_BUG})")
    engine = open_or_skip(SEED_BUG)
    try:
        assert engine.capabilities.version == "33.0.0+regalloc2-0.12.1"
        assert engine.capabilities.notes == ("33.0.0 is built from its crates: regalloc2 0.12.1",)
        seen = engine.run(wide(wat, 252))
        assert isinstance(seen.outcomes[0], Returned)
        assert [value.bits for value in seen.outcomes[0].values] == list(range(252))
        seen = engine.run(wide(wat, 254))
        assert isinstance(seen.instantiation, Crashed)
        assert seen.phase is Phase.COMPILE
        assert "called `Option::unwrap()` on a `None` value" in seen.instantiation.text
    finally:
        engine.close()


SILENT = """(module (type $wide (func (param i32 i32 i32) (result {types}))) (global $n (mut i32) (i32.const 0))
    (func $f (type $wide) (global.set $n (global.get $n)) unreachable)
    (func (export "f") (call $f (i32.const 0) (i32.const 0) (i32.const 0))
        (global.set $n (global.get $n)) unreachable))"""


@pytest.mark.parametrize(("floats", "wrong"), [(247, False), (249, True)])
def test_a_result_in_a_register_overwrites_an_operand_without_a_word(wat: Wat, floats: int, wrong: bool) -> None:
    """Nobody looks at what place result 256 has; operand 0 gets it, and one move to an argument is another."""
    if not builds.is_at_hand("33.0.0", Build.parse("regalloc2-0.12.1")):
        pytest.skip(f"{SEED_BUG} has not been built here (fuzz engines install {SEED_BUG})")
    types = ["f32"] * floats + ["i32"] * 2
    case = wat(SILENT.format(types=" ".join(types)), Invocation("f", (), Entry.WRAPPER))
    right, seen = (machine_code(EngineId.parse(id), case.content, offline=True) for id in ("wasmtime@33.0.0", SEED_BUG))
    assert [number for number in right if right[number] != seen[number]] == ([1] if wrong else [])
    assert len(right[1]) == len(seen[1])
    engine = open_or_skip(SEED_BUG)
    try:
        outcome = engine.run(case).outcomes[0]
    finally:
        engine.close()
    assert isinstance(outcome, Crashed if wrong else Trapped)


def test_the_cache_keeps_what_a_build_was_made_from() -> None:
    if not builds.is_at_hand("33.0.0", Build.parse("regalloc2-0.12.1")):
        pytest.skip(f"{SEED_BUG} has not been built here (fuzz engines install {SEED_BUG})")
    folder = provision.cache_root() / builds.NAME / "33.0.0+regalloc2-0.12.1"
    assert sorted(path.name for path in folder.iterdir()) == ["Cargo.lock", "Cargo.toml", "libwasmtime.so"]
    lock = (folder / "Cargo.lock").read_text(encoding="utf-8")
    assert locked_version(lock, "cranelift-codegen") == "0.120.0"
    assert is_patched(lock, "regalloc2")
