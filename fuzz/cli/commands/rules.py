"""Read a compiler's own rules, and aim at what they look for."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from fuzz.cli.asked import asked_engines
from fuzz.cli.streams import say
from generators.aims.store import folder, names_at_hand, read_file, write_aims
from generators.registry import load_target
from generators.rules.reading import read_release
from oracles.crates import sources
from oracles.engine import EngineId, UsageError

EXAMPLES: Final = ("rules wasmtime@50.0.1", "rules wasmtime@50.0.1 --left", "run --target rules:wasmtime@50.0.1")

_CRATE: Final = "cranelift-codegen"
_FAMILY: Final = "wasmtime"
_MOST: Final = 12
"""Reasons that are shown; --left has all rules."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("engine", metavar="ENGINE", help="a release of Wasmtime, as wasmtime@50.0.1")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--list", action="store_true", help="print the aims, a line each, instead of counts")
    which.add_argument("--left", action="store_true", help="print the rules that have none, each with its reason")
    parser.add_argument("--offline", action="store_true", help="read what is in the cache, and fetch nothing")


def run(args: argparse.Namespace) -> int:
    """Derive a release's aims, write them into the cache, and say how many rules they aim at."""
    name, version = _release(args.engine, args.offline)
    if not ((args.list or args.left) and name in names_at_hand()):
        home = sources(_CRATE, crate_version(version), ".isle", args.offline)
        write_aims(name, read_release(name, home, _tell).to_json())
    for line in _lines(args, name, read_file(name)):
        say(line)
    return 0


def _lines(args: argparse.Namespace, name: str, data: dict[str, Any]) -> Iterator[str]:
    """What is printed of a file of aims."""
    if args.list:
        yield from (f"{', '.join(one['rules'])}: {one['tree']}{_constants(one)}" for one in data["aims"])
    elif args.left:
        yield from (f"{one['rule']}: {one['reason']}" for one in data["left"])
    else:
        yield from _counts(data, name)


def crate_version(wasmtime: str) -> str:
    """The release of ``cranelift-codegen`` in a release of Wasmtime: 50.0.1 has 0.137.1, 0.40.0 has 0.87.0.

    Raises ``UsageError``.
    """
    numbers = wasmtime.split(".")
    if len(numbers) != 3 or not all(number.isdigit() for number in numbers):
        raise UsageError(f"{wasmtime} is no release of Wasmtime: write {_FAMILY}@50.0.1")
    major, minor, patch = map(int, numbers)
    return f"0.{major + 87}.{patch}" if major else f"0.{minor + 47}.{patch}"


def _release(text: str, offline: bool) -> tuple[str, str]:
    """The release's id without settings, and its version. Raises ``UsageError``."""
    id = EngineId.parse(text)
    if id.name != _FAMILY or not id.version:
        raise UsageError(f"{text}: rules are read of releases of Wasmtime, as {_FAMILY}@50.0.1")
    # Of an unfinished version the newest release is meant; the engine itself is not needed.
    version = EngineId.parse(asked_engines([text], offline)[0]).version if id.version.count(".") < 2 else id.version
    return f"{_FAMILY}@{version}", version


def _tell(file: str) -> None:
    print(f"fuzz: reading {file}", file=sys.stderr)


def _constants(aim: dict[str, Any]) -> str:
    parts = (
        f"; {word} {' '.join(','.join(choice) for choice in aim[word])}"
        for word in ("inside", "outside")
        if word in aim
    )
    return "".join(parts) + (f"; open: {', '.join(aim['open'])}" if "open" in aim else "")


def _counts(data: dict[str, Any], name: str) -> Iterator[str]:
    files = data["files"]
    width = max(map(len, files), default=0)
    yield f"{'':{width}}   read  aimed at"
    for file, counts in files.items():
        more = f"  (constants of {counts['open']} are not known)" if counts["open"] else ""
        yield f"{file:{width}}  {counts['read']:5}  {counts['aimed']:8}{more}"
    read, aimed = (sum(counts[word] for counts in files.values()) for word in ("read", "aimed"))
    yield f"{'all':{width}}  {read:5}  {aimed:8}"
    reasons = Counter(one["reason"] for one in data["left"])
    yield f"{sum(reasons.values())} rules have no aim:"
    for reason, count in reasons.most_common(_MOST):
        yield f"  {count:5}  {reason}"
    if len(reasons) > _MOST:
        rest = sum(count for _, count in reasons.most_common()[_MOST:])
        yield f"  {rest:5}  for {len(reasons) - _MOST} other reasons: fuzz rules {name} --left"
    target = f"rules:{name}"
    yield f"{len(data['aims'])} aims in {folder() / name}.json (digest {load_target(target).data})"
    yield f"fuzz run --target {target} makes cases of them"
