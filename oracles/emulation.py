"""Machines of another kind: how programs for them are linked, and how they are run here, under qemu's user mode.

What is needed comes with the system and not with this project; what is missing is one line that says how to get it. A
target that is the machine's own kind needs no emulator.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from oracles.engine import EngineUnavailable, Limits, UsageError
from wasm.errors import nearest

TARGET: Final = "target"
"""The setting of an id that names a machine."""
_SLOWER: Final = 10
"""What an emulator takes of CPU time where the machine itself takes one, about: 10 to 13 where it compiles."""


@dataclass(frozen=True, slots=True)
class Target:
    """``triple`` is Rust's name of it, ``gnu`` that of C compilers and of the folder with its C library, ``debian`` the
    part of a package's name, ``loader`` the program in that folder which loads others, ``cpu`` what the emulator is to
    be asked for beside its default."""

    name: str
    triple: str
    gnu: str
    debian: str
    loader: str
    cpu: str = ""
    big_endian: bool = False

    @property
    def is_own(self) -> bool:
        """Whether programs for it run here as they are."""
        return platform.machine() == self.name


_TARGETS: Final = (
    Target("aarch64", "aarch64-unknown-linux-gnu", "aarch64-linux-gnu", "arm64", "ld-linux-aarch64.so.1"),
    Target("riscv64", "riscv64gc-unknown-linux-gnu", "riscv64-linux-gnu", "riscv64", "ld-linux-riscv64-lp64d.so.1",
           "rv64,v=true,vext_spec=v1.0"),
    Target("s390x", "s390x-unknown-linux-gnu", "s390x-linux-gnu", "s390x", "ld64.so.1", big_endian=True),
    Target("x86_64", "x86_64-unknown-linux-gnu", "x86_64-linux-gnu", "amd64", "ld-linux-x86-64.so.2"),
)  # fmt: skip
TARGETS: Final = {one.name: one for one in _TARGETS}


def check_target(name: str, possible: Collection[str]) -> str:
    """The setting's value. Raises ``UsageError`` for one that is none of those that are possible."""
    if name not in possible:
        raise UsageError(f"{TARGET}={name} is not possible{nearest(name, possible)}: {', '.join(possible)} is")
    return name


def emulator(target: Target, static: bool = False) -> tuple[str, ...]:
    """The words before a program's own that run it here, none for the machine's own kind. A program that is not
    ``static`` has its C library where ``QEMU_LD_PREFIX`` says, or where Debian's packages have it. Raises
    ``EngineUnavailable``."""
    if target.is_own:
        return ()
    named = f"qemu-{target.name}"
    program = shutil.which(named) or shutil.which(f"{named}-static")
    if program is None:
        raise EngineUnavailable(f"{target.name} is run by {named}, which is not installed: apt-get install qemu-user")
    words = (program, *(("-cpu", target.cpu) if target.cpu else ()))
    if static:
        return words
    root = os.environ.get("QEMU_LD_PREFIX") or f"/usr/{target.gnu}"
    if not (Path(root) / "lib" / target.loader).exists():
        text = f"install libc6-{target.debian}-cross and libgcc-s1-{target.debian}-cross, or name its root"
        raise EngineUnavailable(f"{target.name} has no C library in {root}: {text} by QEMU_LD_PREFIX")
    return (*words, "-L", root)


def notes(target: Target | None) -> tuple[str, ...]:
    """What an engine's capabilities say of where it runs."""
    return () if target is None or target.is_own else (f"on {target.name}, under an emulator",)


def scaled(limits: Limits, target: Target) -> Limits:
    """Limits in which an emulator does what the machine itself would do."""
    if target.is_own:
        return limits
    seconds = limits.cpu_seconds * _SLOWER
    return replace(limits, cpu_seconds=seconds, wall_factor=max(2.0, limits.wall_factor / 2))


def cargo_settings(target: Target, what: str) -> dict[str, str]:
    """The environment in which cargo links for a target. Raises ``EngineUnavailable`` where it cannot."""
    if not (_rust_libraries() / target.triple).is_dir():
        raise EngineUnavailable(f"Rust's library for {what} is not installed: rustup target add {target.triple}")
    key = f"CARGO_TARGET_{target.triple.upper().replace('-', '_')}_LINKER"
    if target.is_own or os.environ.get(key):
        return {}
    linker = shutil.which(f"{target.gnu}-gcc")
    if linker is None:
        text = f"apt-get install gcc-{target.gnu.replace('_', '-')}, or name another by {key}"
        raise EngineUnavailable(f"{what} is linked by {target.gnu}-gcc, which is not installed: {text}")
    return {key: linker}


@lru_cache(maxsize=1)
def _rust_libraries() -> Path:
    """The folder in which the Rust compiler has a library for each target. Raises ``EngineUnavailable``."""
    try:
        done = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise EngineUnavailable(f"the Rust compiler does not run: {error}: install Rust (https://rustup.rs)") from None
    return Path(done.stdout.strip()) / "lib" / "rustlib"
