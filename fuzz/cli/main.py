"""The command line: one parser, one table of commands, one place where errors become a line and an exit code.

Commands are imported when they are asked for, so that ``--help`` is quick.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from fuzz import VERSION

PACKAGES: Final = ("wasm", "compiler", "generators", "oracles", "fuzz")
USAGE, UNUSABLE, INTERRUPTED = 2, 3, 130

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def duration(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``10m``, ``1h30m``, ``1d``."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)


def _natural(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 0 on")
    return int(text)


def _engines(parser: argparse.ArgumentParser) -> None:
    words = "an engine, as wasmtime@34.0.0:opt=none; several times for several (default: the interpreter and the "
    parser.add_argument("--engine", action="append", metavar="ID", help=words + "installed Wasmtime in four settings)")
    parser.add_argument("--offline", action="store_true", help="install nothing")


def _calls(parser: argparse.ArgumentParser) -> None:
    words = (
        "a call, as 'f(i32:24, f64:0x7ff8000000000001)'; several times for several (default: every exported function "
    )
    parser.add_argument("--invoke", action="append", metavar="CALL", help=words + "with a few arguments)")
    words = "call through a second module (bit-exact everywhere) or by the host directly"
    parser.add_argument("--entry", choices=["wrapper", "host"], default="wrapper", help=words)


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(prog="fuzz", description="Find disagreements between WebAssembly code generators.")
    parser.add_argument("-V", "--version", action="version", version=f"%(prog)s {VERSION}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="generate cases, run them on all engines, keep every disagreement")
    what = run.add_mutually_exclusive_group(required=True)
    what.add_argument("--target", metavar="T[,T...]", help="what to generate (see fuzz targets)")
    words = "take modules from other projects' generators instead: wasm-smith, wasm-smith:wide or ttf"
    what.add_argument("--generator", metavar="G[,G...]", help=words)
    _engines(run)
    budget = run.add_mutually_exclusive_group()
    budget.add_argument("--time", type=duration, metavar="T", help="how long, as 10m (default: 60s)")
    budget.add_argument("--cases", type=_natural, metavar="N", help="how many cases")
    run.add_argument("--seed", type=_natural, metavar="N", help="the seed (default: random, and printed)")
    run.add_argument("--jobs", type=_positive, metavar="N", help="slots that run cases (default: the CPUs)")
    run.add_argument("--out", type=Path, metavar="DIR", help="where to record (default: a new folder in reports/)")
    run.add_argument("--known", type=Path, metavar="FILE", help="known issues (TOML)")
    words = "keep cases that execute something new here; target mutate starts from those of earlier runs"
    run.add_argument("--feedback", type=Path, metavar="DIR", help=words)
    run.add_argument(
        "--max-per-signature", type=_positive, default=3, metavar="N", help="examples to store of one kind"
    )
    minimize = run.add_mutually_exclusive_group()
    minimize.add_argument("--no-minimize", action="store_true", help="store findings as they are")
    minimize.add_argument("--minimize-time", type=duration, default=60.0, metavar="T", help="for each (default: 60s)")
    run.add_argument("--json", action="store_true", help="JSON lines (docs/json.md)")

    show = commands.add_parser("show", help="show one generated case: text, shape, the interpreter's outcome")
    show.add_argument("--target", required=True, metavar="T")
    show.add_argument("--seed", type=_natural, required=True, metavar="N")
    show.add_argument("--index", type=_natural, required=True, metavar="I")

    commands.add_parser("targets", help="list what can be generated")

    engines = commands.add_parser("engines", help="list, install or check engines")
    actions = engines.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="engines and installed releases (the default)")
    install = actions.add_parser("install", help="fetch a release")
    install.add_argument("id", metavar="ID", help="as wasmtime@34.0.0, v8@26.10.0 or jsc@1.4.5")
    doctor = actions.add_parser("doctor", help="start engines and run a case on each")
    doctor.add_argument("id", metavar="ID", nargs="*", help="default: the default engines")

    generate = commands.add_parser("generate", help="write cases without running them")
    generate.add_argument("--target", required=True, metavar="T")
    generate.add_argument("--seed", type=_natural, required=True, metavar="N")
    generate.add_argument("--count", type=_natural, default=1, metavar="N")
    generate.add_argument("--out", type=Path, required=True, metavar="DIR")

    replay = commands.add_parser("replay", help="run a case and print every engine's outcome side by side")
    replay.add_argument("case", type=Path, metavar="BUNDLE|FILE", help="a bundle, a .wasm, a .wat, or a case's .json")
    _engines(replay)
    _calls(replay)
    replay.add_argument("--json", action="store_true", help="JSON lines (docs/json.md)")

    reduce = commands.add_parser("minimize", help="make a case as small as it can be and still show its finding")
    reduce.add_argument("case", type=Path, metavar="BUNDLE|FILE")
    _engines(reduce)
    _calls(reduce)
    words = "a command that gets the file's path and exits with 0 if it is interesting (default: the engines disagree "
    reduce.add_argument("--predicate", metavar="CMD", help=words + "as they do on the input)")
    reduce.add_argument("--time", type=duration, metavar="T", help="stop after this long")
    reduce.add_argument("--runs", type=_positive, metavar="N", help="stop after this many questions")
    reduce.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write the module (default: beside the input)"
    )
    reduce.add_argument("--json", action="store_true", help="JSON lines (docs/json.md)")

    report = commands.add_parser("report", help="a report of what a folder holds")
    report.add_argument("dir", type=Path, metavar="DIR")
    report.add_argument("--format", default="markdown", metavar="F", help="markdown (the default) or jsonl")

    suite = commands.add_parser("spectest", help="run the official test suite through an engine")
    suite.add_argument("path", type=Path, nargs="?", metavar="DIR|FILE")
    suite.add_argument("--engine", default="interpreter", metavar="ID")
    suite.add_argument("--offline", action="store_true", help="install nothing")
    suite.add_argument("--json", action="store_true", help="JSON lines (docs/json.md)")

    _selfcheck(commands.add_parser("selfcheck", help="put known faults into the project and look for them"))
    _compile(commands.add_parser("compile", help="show what our own compiler makes of a module, stage by stage"))
    return parser


def _selfcheck(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--list", action="store_true", help="name all faults")
    parser.add_argument("--target", metavar="T[,T...]", help="what to generate (default: all targets that fit)")
    words = "who generates, a column each: ours (the targets, the default), wasm-smith, wasm-smith:wide, ttf"
    parser.add_argument("--generator", default="ours", metavar="G[,G...]", help=words)
    parser.add_argument("--by-target", action="store_true", help="each target alone, a column each")
    words = "a fault, or a mutant as MODULE#NUMBER; several times for several (default: all named faults)"
    parser.add_argument("--fault", action="append", metavar="NAME", help=words)
    words = "mutants of the compiler instead of the named faults, or beside those given by --fault"
    parser.add_argument("--mutants", type=_natural, default=0, metavar="N", help=words)
    parser.add_argument("--mutant-seed", type=_natural, default=20261123, metavar="N", help="(default: 20261123)")
    parser.add_argument("--baseline", action="store_true", help="no fault at all: nothing may be found")
    parser.add_argument("--seconds", type=duration, default=20.0, metavar="T", help="CPU time per fault (default: 20s)")
    parser.add_argument("--seed", type=_natural, default=1, metavar="N", help="the cases' seed (default: 1)")
    minimize = parser.add_mutually_exclusive_group()
    minimize.add_argument("--no-minimize", action="store_true", help="do not make findings smaller")
    words = "for making a finding smaller, beside the time to find it (default: 15s)"
    minimize.add_argument("--minimize-time", type=duration, default=15.0, metavar="T", help=words)
    words = "append JSON lines to this file, and leave out what it has already"
    parser.add_argument("--out", type=Path, metavar="FILE", help=words)
    words = "only print Markdown tables of what these files of --out hold, generators side by side"
    parser.add_argument("--table", type=Path, nargs="+", metavar="FILE", help=words)
    parser.add_argument("--jobs", type=_positive, metavar="N", help="searches at once (default: the CPUs)")
    parser.add_argument("--offline", action="store_true", help="install nothing")
    parser.add_argument("--json", action="store_true", help="JSON lines (docs/json.md)")


def _compile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a .wasm, a .wat, or a case's .json")
    stages = ("ssa", "simplified", "machine", "alloc", "asm", "image")
    words = "ssa, simplified, machine, alloc (with allocation and edits), asm (with disassembly), or image"
    parser.add_argument("--emit", required=True, choices=stages, metavar="STAGE", help=words)
    parser.add_argument("--func", metavar="N", help="one function: its index, imports counted, or its exported name")
    words = "as in the engine's id: regalloc=single_pass+opt=none+regs=8 (see fuzz engines)"
    parser.add_argument("--set", metavar="SETTINGS", help=words)


_COMMANDS: Final = {
    "run": "fuzz.cli.run:run",
    "show": "fuzz.cli.cases:show_case",
    "generate": "fuzz.cli.cases:generate",
    "replay": "fuzz.cli.replay:replay",
    "minimize": "fuzz.cli.minimize:minimize",
    "targets": "fuzz.cli.cases:targets",
    "engines": "fuzz.cli.engines:engines",
    "report": "fuzz.cli.report:report",
    "spectest": "fuzz.cli.engines:spectest",
    "compile": "fuzz.cli.compile:compile_file",
    "selfcheck": "fuzz.cli.selfcheck:selfcheck",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and give its exit code; never raises and never prints a traceback."""
    try:
        args = build_parser().parse_args(arguments)
        _one_folder()
        module, _, function = _COMMANDS[args.command].partition(":")
        command: Callable[[argparse.Namespace], int] = getattr(importlib.import_module(module), function)
        code = int(command(args))
        sys.stdout.flush()
        return code
    except SystemExit as exit_:
        return exit_.code if isinstance(exit_.code, int) else USAGE
    except KeyboardInterrupt:
        print("fuzz: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; keep the interpreter from complaining about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNUSABLE
    except Exception as error:  # the last resort: an error is a line for whoever typed the command
        return _failed(error)


def _failed(error: Exception) -> int:
    code = _expected(error)
    if code is not None:
        print(f"fuzz: {error}", file=sys.stderr)
        return code
    text = f"fuzz {VERSION}, Python {sys.version}\narguments: {sys.argv[1:]}\n\n{traceback.format_exc()}"
    where = _keep(text)
    print(f"fuzz: internal error: {type(error).__name__}: {_first_line(error)} (please report this with {where})",
          file=sys.stderr)  # fmt: skip
    return UNUSABLE


def _expected(error: Exception) -> int | None:
    """The exit code of an error that is the user's or the machine's, not ours."""
    names = {
        "oracles.engine:UsageError": USAGE,
        "fuzz.triage.known:KnownFileError": USAGE,
        "fuzz.reduce.errors:ReduceError": USAGE,
        "oracles.engine:EngineUnavailable": UNUSABLE,
        "fuzz.archive.disk:ArchiveError": UNUSABLE,
        "generators.peer:PeerMissing": UNUSABLE,
        "fuzz.faults.injection.patches:FaultError": UNUSABLE,
    }
    for name, code in names.items():
        module, _, attribute = name.partition(":")
        if module in sys.modules and isinstance(error, getattr(sys.modules[module], attribute)):
            return code
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else ""


def _keep(text: str) -> str:
    """Write details to a file here or, where that is not possible, in the folder for temporary files."""
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
    found = {}
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        origin = spec.origin if spec is not None else None
        found[name] = str(Path(origin).resolve().parent.parent) if origin else "nowhere"
    if len(set(found.values())) > 1:
        home = found["fuzz"]
        name, place = next((name, place) for name, place in found.items() if place != home)
        sys.exit(_complain(f"package {name} comes from {place}, not from {home}: another distribution hides it"))


def _complain(text: str) -> int:
    print(f"fuzz: {text}", file=sys.stderr)
    return UNUSABLE
