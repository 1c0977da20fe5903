"""The cache of releases: complete or absent, whatever happens, and one installer at a time."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

import pytest

from oracles import clients, provision
from oracles.engine import EngineUnavailable


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_the_cache_follows_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert provision.cache_root() == tmp_path / "wasm-codegen-fuzz"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert provision.cache_root() == Path.home() / ".cache" / "wasm-codegen-fuzz"


def test_versions_are_ordered_by_value() -> None:
    for version in ("9.0.0", "33.0.0", "33.0.10", "33.0.2"):
        (provision.cache_root() / "wasmtime" / version).mkdir(parents=True)
    assert provision.installed("wasmtime") == ("33.0.10", "33.0.2", "33.0.0", "9.0.0")
    assert provision.installed("node") == ()


def test_a_failed_installation_leaves_nothing() -> None:
    def fails(folder: Path) -> None:
        (folder / "half").write_text("")
        raise EngineUnavailable("no network")

    with pytest.raises(EngineUnavailable, match="no network"):
        provision.provide("wasmtime", "1.2.3", fails, offline=False)
    assert provision.installed("wasmtime") == ()
    assert [one.name for one in (provision.cache_root() / "wasmtime").iterdir()] == [".lock-1.2.3"]


def test_what_a_killed_installer_left_is_taken_away() -> None:
    left = provision.cache_root() / "wasmtime" / ".new-1.2.3-abc" / "tree"
    left.mkdir(parents=True)
    provision.provide("wasmtime", "1.2.3", lambda folder: (folder / "file").touch(), offline=False)
    assert sorted(one.name for one in (provision.cache_root() / "wasmtime").iterdir()) == [".lock-1.2.3", "1.2.3"]


def test_two_installers_do_the_work_once() -> None:
    done: list[str] = []
    ready = threading.Barrier(2)

    def install(folder: Path) -> None:
        done.append(folder.name)
        (folder / "file").write_text("whole")

    def work() -> None:
        ready.wait()
        assert (provision.provide("node", "1.2.3", install, offline=False) / "file").read_text() == "whole"

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1


def test_a_client_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["sh", "-c", "echo trying; echo 'ERROR: no matching distribution'; exit 1"]
    with pytest.raises(EngineUnavailable, match=r"^thing could not be fetched: ERROR: no matching distribution$"):
        clients.run_client(command, "thing")
    monkeypatch.setattr(provision.shutil, "which", lambda _: None)
    for name, engine in (("node", "v8"), ("bun", "jsc"), ("deno", "deno")):
        with pytest.raises(EngineUnavailable, match=f"npm, which is not installed: use {engine}@/PATH/TO/{name}"):
            provision.shell(name, "1.2.3")


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="processes are looked for in /proc")
def test_a_client_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    """A compiler that cargo leaves behind writes into the files of the next build."""
    (tmp_path / "compiler").symlink_to("/bin/sleep")
    command = ["sh", "-c", f"{tmp_path}/compiler 61 & echo begun; {tmp_path}/compiler 61"]
    with pytest.raises(
        EngineUnavailable, match=r"^thing was not there after 0.5 s: try again, which goes on where it can$"
    ):
        clients.run_client(command, "thing", 0.5)
    mark = f"{tmp_path}/compiler\0".encode()
    running = []
    for one in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            running += [one] if one.read_bytes().startswith(mark) else []
    assert not running


def test_a_release_that_does_not_exist_is_answered_with_its_neighbours() -> None:
    text = "ERROR: No matching version (from versions: 9.0.0, 33.0.0, 34.0.0, 36.0.0, 35.0.0, 50.0.1)"
    with pytest.raises(EngineUnavailable, match=r"no wasmtime 34.1.0: the nearest are 33.0.0, 34.0.0, 35.0.0, 36.0.0$"):
        clients.run_client(["sh", "-c", f"echo '{text}'; exit 1"], "wasmtime 34.1.0")


def test_a_pip_is_found_that_runs() -> None:
    command = clients.find_pip()
    assert clients.works([*command, "--version"])


@pytest.mark.parametrize(
    ("package", "file"), [("pytest", "pytest/__init__.py"), ("mypy_extensions", "mypy_extensions.py")]
)
def test_what_this_python_has_is_not_fetched(package: str, file: str) -> None:
    """Modules of several files, and those of one."""
    release = provision.own(package)
    for get in (provision.own_or_wheel, provision.own_or_package):
        for name in (release, f"{release}.0"):
            assert (get(package, package, name, offline=True) / file).exists()
        with pytest.raises(EngineUnavailable):
            get(package, package, "0.0.0", offline=True)


def test_what_is_not_at_hand_is_told_with_how_to_get_it() -> None:
    releases = provision.Registry("none-such", lambda version, _: Path(version))
    with pytest.raises(EngineUnavailable, match=r"^no toy is at hand: fuzz engines install toy@VERSION$"):
        releases.chosen("", False, "toy@VERSION")
    assert releases.chosen("1.2", False, "toy@VERSION") == ("1.2", Path("1.2"))
    for version in ("1.0", "1.10", "1.9"):
        (provision.cache_root() / "none-such" / version).mkdir(parents=True)
    assert releases.chosen("", False, "toy@VERSION") == ("1.10", Path("1.10"))
