"""``main``: run a command; the one place where errors become a line and an exit code."""

from __future__ import annotations

import argparse
import errno
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final

from fuzz import VERSION
from fuzz.cli.parser import code_for_git, parse
from fuzz.cli.streams import OutputError, ReaderGone, give_up, guarded
from fuzz.records.exit_code import ExitCode
from fuzz.records.printable import one_line

_MACHINE: Final = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
)
"""What the machine has too little of is no fault of ours."""
_APART: Final = "install this project into an environment of its own, as by pipx install . or uv tool install ."
PACKAGES: Final = ("wasm", "compiler", "generators", "oracles", "fuzz")


def main(arguments: Sequence[str] | None = None, loaded: Callable[[], object] | None = None) -> int:
    """Run a command and give its exit code; never raises and never prints a traceback.

    ``loaded`` is called when all that the command needs has been imported, before it is run.
    """
    words = sys.argv[1:] if arguments is None else arguments
    return code_for_git(words, _main(words, loaded))


def _main(words: Sequence[str], loaded: Callable[[], object] | None) -> int:
    try:
        with guarded():
            return _run(words, loaded)
    except OutputError as error:
        give_up(sys.stdout)
        return _complain(str(error))
    except ReaderGone:
        give_up(sys.stdout)
        return ExitCode.PIPE


def _run(words: Sequence[str], loaded: Callable[[], object] | None) -> int:
    try:
        _one_folder()
        args = parse(words)
        command: Callable[[argparse.Namespace], int] = args.run
        if loaded is not None:
            loaded()
        return int(command(args))
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else ExitCode.USAGE
    except KeyboardInterrupt:
        print("fuzz: interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except (OutputError, ReaderGone):
        raise
    except Exception as error:  # the last resort: an error is a line for whoever typed the command
        return _failed(error)


def _failed(error: Exception) -> int:
    """Print an error in one line: what the user is to mend, or that it is a fault of ours and where the details are."""
    import traceback

    if isinstance(error, ImportError) and (text := _overwritten(error)):
        print(f"fuzz: {one_line(text)}", file=sys.stderr)
        return ExitCode.UNUSABLE
    from wasm.errors import UserError  # not above: where another distribution hides our ``wasm``, we say so ourselves

    if isinstance(error, UserError):
        print(f"fuzz: {one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE:
        what = "out of memory" if isinstance(error, MemoryError) else str(error).partition("] ")[2] or str(error)
        print(f"fuzz: this machine does not let us go on: {one_line(what, 300)}", file=sys.stderr)
        return ExitCode.UNUSABLE
    text = f"fuzz {VERSION}, Python {sys.version}\narguments: {sys.argv[1:]}\n\n{traceback.format_exc()}"
    where = _keep(text)
    print(f"fuzz: internal error: {type(error).__name__}: {_first_line(error)} (please report this with {where})",
          file=sys.stderr)  # fmt: skip
    return ExitCode.UNUSABLE


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return one_line(lines[0], 200) if lines else ""


def _keep(text: str) -> str:
    """Write details to a file here or, where that is not possible, in the folder for temporary files."""
    import tempfile

    for folder in (os.getcwd(), tempfile.gettempdir()):
        path = os.path.join(folder, f"fuzz-{os.getpid()}.log")
        try:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            continue
        return path
    return "its arguments"


def _one_folder() -> None:
    """Make sure that all five packages are ours: other distributions use some of these names."""
    homes = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None else None
        homes[name] = os.path.dirname(os.path.dirname(os.path.realpath(origin))) if origin else "nowhere"
    if len(set(homes.values())) > 1:
        home = homes["fuzz"]
        name, place = next((name, place) for name, place in homes.items() if place != home)
        text = f"package {name} comes from {place}, not from {home}: another distribution hides it"
        sys.exit(_complain(f"{text}; {_APART}"))


def _overwritten(error: ImportError) -> str:
    """Where a module of ours lacks what ours has: whose it is now, and what to do; "" for another module."""
    package = (error.name or "").partition(".")[0]
    if package not in PACKAGES:
        return ""
    from importlib.metadata import packages_distributions

    others = sorted(set(packages_distributions().get(package, ())) - {"wasm-codegen-fuzz"})
    whose = f"of distribution {', '.join(others)}" if others else "not whole"
    return f"package {package} is {whose} ({_first_line(error)}): {_APART}"


def _complain(text: str) -> int:
    if sys.stderr is not None:
        print(f"fuzz: {text}", file=sys.stderr)
    return ExitCode.UNUSABLE
