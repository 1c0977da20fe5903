"""From a target's name to a running fuzzer: instrumented imports, and a program that libFuzzer can start again."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Final

UNUSABLE: Final = 3
"""Exit code where Atheris is not installed, as everywhere in the project for an engine that cannot be used."""

_ROOT: Final = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class FuzzTarget:
    """``module`` has ``test_one_input``; the packages in ``instrumented`` report coverage to the fuzzer."""

    module: str
    instrumented: tuple[str, ...]


FUZZ_TARGETS: Final = {
    "decode": FuzzTarget("fuzz.atheris_targets.decoding", ("wasm",)),
    "compile": FuzzTarget("fuzz.atheris_targets.compiling", ("compiler", "generators")),
}


def main(name: str, argv: list[str]) -> int:
    """Fuzz until libFuzzer ends the process, with its own exit codes; ``UNUSABLE`` without Atheris."""
    try:
        import atheris
    except ImportError:
        print("coverage-guided fuzzing needs Atheris: pip install 'wasm-codegen-fuzz[atheris]'", file=sys.stderr)
        return UNUSABLE
    target = FUZZ_TARGETS[name]
    with atheris.instrument_imports(include=list(target.instrumented)):
        module = import_module(target.module)
    atheris.Setup([program(name, argv[0]), *argv[1:]], module.test_one_input)
    atheris.Fuzz()
    return 0


def program(name: str, started_as: str) -> str:
    """What libFuzzer must run to start this target again, as it does for ``-merge``, ``-fork``, ``-jobs`` and
    ``-minimize_crash``: it hands its argument 0 to a shell, unquoted.

    A module run by ``python -m`` is no executable file, so a launcher is written to the project's cache folder. A
    frozen program (PyInstaller, as OSS-Fuzz makes it) is one already.
    """
    if getattr(sys, "frozen", False):
        return started_as
    text = launcher_text(name)
    path = _cache() / f"{name}-{blake2b(text.encode(), digest_size=8).hexdigest()}"
    try:
        if not os.access(path, os.X_OK):
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f"{path.name}.{os.getpid()}")
            fresh.write_text(text, encoding="utf-8")
            fresh.chmod(0o755)
            fresh.replace(path)
    except OSError as error:
        print(f"no -merge, -fork or -jobs: cannot write {path}: {error.strerror}; set XDG_CACHE_HOME", file=sys.stderr)
        return started_as
    return shlex.quote(str(path))


def launcher_text(name: str) -> str:
    """A shell script that starts a target with this interpreter and this copy of the project, in any folder."""
    python, root = shlex.quote(sys.executable), shlex.quote(str(_ROOT))
    return (
        "#!/bin/sh\n"
        f'PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}" exec {python} -m fuzz.atheris_targets.{name} "$@"\n'
    )


def _cache() -> Path:
    # Not oracles.provision.cache_root: importing the oracles would import wasm before it is instrumented.
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "wasm-codegen-fuzz" / "atheris"
