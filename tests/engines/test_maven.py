"""Workers in a JVM: which JVM is taken, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracles import maven
from oracles.engine import EngineUnavailable, Limits


def jvm(folder: Path, version: str) -> Path:
    """A folder that looks like a JVM's home."""
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "java").write_text("")
    (folder / "release").write_text(f'IMPLEMENTOR="A"\nJAVA_VERSION="{version}"\n')
    return folder


@pytest.fixture
def homes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any JVM but those that a test puts into the folder."""
    folder = tmp_path / "jvm"
    monkeypatch.setattr(maven, "_JVMS", folder)
    monkeypatch.setattr(maven.shutil, "which", lambda _name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def java(least: int) -> str:
    return maven.command("Thing", Path("/w"), Limits(), least)[0]


def test_the_jvm_that_the_user_has_chosen_if_it_is_new_enough(homes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jvm(homes / "java-17", "17.0.15")
    jvm(homes / "java-25", "25.0.3")
    monkeypatch.setenv("JAVA_HOME", str(jvm(homes.parent / "own", "21.0.1")))
    assert java(21) == str(homes.parent / "own" / "bin" / "java")
    assert java(11) == str(homes.parent / "own" / "bin" / "java")
    assert java(24) == str(homes / "java-25" / "bin" / "java")


def test_without_one_it_is_said_what_is_missing(homes: Path) -> None:
    with pytest.raises(
        EngineUnavailable, match=r"^Thing runs in a JVM: there is no java on the PATH, in JAVA_HOME or in"
    ):
        java(11)
    jvm(homes / "java-17", "17.0.15")
    (jvm(homes / "java-x", "?") / "release").unlink()
    with pytest.raises(
        EngineUnavailable, match=r"^Thing asks for Java 21 or later, and the newest here is 17: set JAVA"
    ):
        java(21)
    assert java(17) == str(homes / "java-17" / "bin" / "java")
