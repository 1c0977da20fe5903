"""The parser: every file of ``fuzz/cli/commands`` is a command, and only the one that was asked for is imported.

Nothing here or in ``main`` takes long to import, ``pathlib`` included: shells wait for ``--help`` and for completion.

A command's file has ``add_arguments(parser)`` and ``run(args) -> int``, and may have ``EXAMPLES``, command lines
without ``fuzz``, and ``EXITS``, what its exit codes mean beyond what they mean everywhere.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Final, NoReturn

from fuzz import VERSION
from fuzz.records.exit_code import ExitCode

_FOLDER: Final = os.path.join(os.path.dirname(__file__), "commands")
_INVALID: Final = r"invalid choice: '(.*?)' \(choose from (.*)\)"

EXITS: Final[Mapping[int, str]] = {
    ExitCode.CLEAN: "done",
    ExitCode.USAGE: "usage",
    ExitCode.UNUSABLE: "the harness, an engine or standard output cannot be used",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.PIPE: "whoever read the output has gone",
}
GIT_BISECT: Final = "--git-bisect"
"""Of ``fuzz replay``; whatever goes wrong with it must not be a code that git takes for an answer."""
GRAMMAR: Final = """\
engines: NAME[@VERSION | @/PATH/TO/A/BUILD][:KEY=VALUE(+KEY=VALUE)*]
  wasmtime  wasmtime@33  wasmtime@33.0.0:opt=none  wasmtime:winch  wasmtime@/path/to/libwasmtime.so
  v8:liftoff  v8@26.10.0:turbofan  jsc:omg  compiler:regalloc=single_pass  interpreter
  (fuzz engines lists names, settings and releases at hand; docs/engines.md)"""


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, with the nearest word that exists; ``words`` are what it reads."""

    words: Sequence[str] = ()

    def error(self, message: str) -> NoReturn:
        from fuzz.records.printable import one_line
        from wasm.errors import nearest  # not above: where another distribution hides our ``wasm``, main says so

        if "required" in message and (odd := self._odd()):  # what is missing is there, and misspelt
            self.unknown(odd)
        if invalid := re.search(_INVALID, message, re.S):
            names = [name.strip().strip("'") for name in invalid[2].split(",")]
            choices = f"there are {', '.join(names)}"
            message = f"{message[: invalid.start()]}no {invalid[1]!r}{nearest(invalid[1], names)}: {choices}"
        self.exit(ExitCode.USAGE, f"{self.prog}: {one_line(message)} (see {self.prog} --help)\n")

    def _odd(self) -> list[str]:
        options = [word for word in self.words if word.startswith("--") and len(word) > 2]
        known = self._option_string_actions
        return [word for word in options if not any(name.startswith(word.partition("=")[0]) for name in known)]

    def unknown(self, words: Sequence[str]) -> NoReturn:
        """Say which words are no options of this command."""
        from wasm.errors import nearest

        names = [word.partition("=")[0] for word in words]
        hints = (nearest(name, self._option_string_actions) for name in names if name.startswith("-"))
        self.error(f"unrecognized arguments: {' '.join(words)}{next(filter(None, hints), '')}")


def command_names() -> tuple[str, ...]:
    """Every command, by its file's name."""
    names = (os.path.splitext(name) for name in os.listdir(_FOLDER))
    return tuple(sorted(name for name, ending in names if ending == ".py" and name != "__init__"))


def code_for_git(words: Sequence[str], code: int) -> int:
    """The exit code, or where ``git bisect run`` asks for it what that reads rightly: 125 for what could not be asked,
    128 to end the search for a mistake in the command line. Options may be shortened."""
    asked = any(GIT_BISECT.startswith(word) for word in words if word.startswith("--g"))
    return {int(ExitCode.USAGE): 128, int(ExitCode.UNUSABLE): 125}.get(code, code) if asked else code


def summary(name: str) -> str:
    """What ``fuzz --help`` says of a command: the first line of its file, which is not imported for that."""
    with open(os.path.join(_FOLDER, f"{name}.py"), encoding="utf-8") as file:
        return file.readline().strip().strip('"').rstrip(".")


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser for a command line. Only the command that it names has its arguments; ``run`` is then its function
    and ``parser`` its parser."""
    ends = _closing(["run --target returns --time 10m", "replay reports/NIGHT/findings/NAME"], EXITS, "run --help")
    parser = _Parser(prog="fuzz", description="Find disagreements between WebAssembly code generators.", epilog=ends,
                     formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    # No option before the command takes a value, so the first word that is no option is the command.
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name in command_names():
        words = summary(name)
        command = commands.add_parser(name, help=words, description=f"{words}.",
                                      formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
        if name == wanted:
            module = importlib.import_module(f"fuzz.cli.commands.{name}")
            module.add_arguments(command)
            command.words = arguments
            command.epilog = _epilog(module, command)
            command.set_defaults(run=module.run, parser=command)
    return parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Read a command line. Raises ``SystemExit`` after it has said what is wrong with it, or what was asked for."""
    parser = build_parser(arguments)
    args, rest = parser.parse_known_args(arguments)
    if rest:
        args.parser.unknown(rest)
    return args


def _epilog(module: ModuleType, command: argparse.ArgumentParser) -> str:
    exits = {**EXITS, **getattr(module, "EXITS", {})}
    text = _closing(getattr(module, "EXAMPLES", ()), exits)
    return f"{text}\n\n{GRAMMAR}" if "--engine" in command._option_string_actions else text


def _closing(examples: Iterable[str], exits: Mapping[int, str], more: str = "") -> str:
    """Examples and exit codes, as ``--help`` ends."""
    shown = "\n".join(f"  fuzz {example}" for example in (*examples, *([more] if more else [])))
    codes = "\n".join(f"  {int(code):3}  {words}" for code, words in sorted(exits.items()))
    return (f"examples:\n{shown}\n\n" if shown else "") + f"exit codes:\n{codes}"
