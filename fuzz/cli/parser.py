"""The parser: every file of ``fuzz/cli/commands`` is a command, and only the one that was asked for is imported."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

from fuzz import VERSION
from fuzz.records.exit_code import ExitCode

_FOLDER: Final = Path(__file__).with_name("commands")


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(ExitCode.USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def command_names() -> tuple[str, ...]:
    """Every command, by its file's name."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.py") if path.stem != "__init__"))


def summary(name: str) -> str:
    """What ``fuzz --help`` says of a command: the first line of its file, which is not imported for that."""
    with (_FOLDER / f"{name}.py").open(encoding="utf-8") as file:
        return file.readline().strip().strip('"').rstrip(".")


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line. Only the command that it names has its arguments; ``run`` is then its function."""
    parser = _Parser(prog="fuzz", description="Find disagreements between WebAssembly code generators.")
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # No option before the command takes a value, so the first word that is no option is the command.
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name in command_names():
        words = summary(name)
        command = commands.add_parser(name, help=words, description=f"{words}.")
        if name == wanted:
            module = importlib.import_module(f"fuzz.cli.commands.{name}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser
