"""Arguments that several commands have, and the types of their values. Imports nothing heavy: ``--help`` comes here."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fuzz.campaign.shards import Shard

MOST_JOBS: Final = 1024
MOST_MUTANTS: Final = 100
"""Of one case: other cases show more than more mutants of the same."""
_LARGEST: Final = 1 << 63
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> float:
    """Seconds from ``90``, ``90s``, ``10m``, ``1h30m``, ``1d``."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration: write 90s, 10m or 1h30m")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def natural(text: str) -> int:
    """A number from 0 on, decimal or as ``0x10``."""
    return _number(text, 0)


def natural_or_all(text: str) -> int | str:
    """The same, or the word ``all``."""
    return text if text == "all" else natural(text)


def positive(text: str) -> int:
    """A number from 1 on, decimal or as ``0x10``."""
    return _number(text, 1)


def jobs(text: str) -> int:
    """How many processes at once: each of them is started, so a slip of the finger has to stay harmless."""
    number = _number(text, 1)
    if number > MOST_JOBS:
        raise argparse.ArgumentTypeError(f"{text} are too many: {MOST_JOBS} at most")
    return number


def mutants(text: str) -> int:
    """How many neutral mutants of each case: no case is done before all of them are."""
    number = _number(text, 0)
    if number > MOST_MUTANTS:
        raise argparse.ArgumentTypeError(f"{text} are too many: {MOST_MUTANTS} at most")
    return number


def shard(text: str) -> Shard:
    """A shard, as ``2/4``."""
    from fuzz.campaign.shards import Shard

    try:
        return Shard.read(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _number(text: str, least: int) -> int:
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]+", text):
        # The archive has integers of 64 bits, and Python reads no more than some thousand digits.
        number = _LARGEST if len(text) > 40 else int(text, 16 if text[:2] in ("0x", "0X") else 10)
        if number >= _LARGEST:
            raise argparse.ArgumentTypeError(f"{text[:40]} is too large: {_LARGEST - 1} at most")
        if number >= least:
            return number
    raise argparse.ArgumentTypeError(f"{text!r} is no number from {least} on")


def path(text: str) -> Path:
    """The name of a file or folder; an empty one, as a variable that is not set gives, would be the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("'' names nothing: write . for the current folder")
    return Path(text)


def without(text: str) -> tuple[str, ...]:
    """``gc,i32.rotl,results<254``: what a case is made without, as its version has it after "without"."""
    from wasm.features import Feature, Hosting
    from wasm.isa import OPS

    words = tuple(sorted({*text.replace(",", " ").split()}))
    known = {one.value for one in (*Feature, *Hosting)}
    for word in words:
        if word not in known and word not in OPS and not re.fullmatch(r"(results|params)<[1-9][0-9]{0,3}", word):
            raise argparse.ArgumentTypeError(
                f"{word[:40]!r} is no feature (gc), instruction (i32.rotl), size (results<254) or matter of hosts "
                f"({', '.join(one.value for one in Hosting)}) to do without"
            )
    return words


def add_without(parser: argparse.ArgumentParser) -> None:
    words = "make it without these features, instructions, sizes or hosts that act, as a run did whose record says so "
    words += "(8 without acting_hosts gc)"
    parser.add_argument("--without", type=without, default=(), metavar="WORDS", help=words)


def add_engines(parser: argparse.ArgumentParser) -> None:
    """``--engine`` and ``--offline``, for the engines that a case is run on."""
    words = "an engine, as wasmtime@34.0.0:opt=none; several times for several (default: the interpreter and the "
    parser.add_argument("--engine", action="append", metavar="ID", help=words + "installed Wasmtime in four settings)")
    add_offline(parser)


def add_offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--offline", action="store_true", help="install nothing")


def add_trust(parser: argparse.ArgumentParser) -> None:
    """``--trust``, for commands that run the engines which a bundle names."""
    words = "run programs and options that the bundle itself names, and make builds (without it, only releases)"
    parser.add_argument("--trust", action="store_true", help=words)


def add_calls(parser: argparse.ArgumentParser) -> None:
    """``--invoke`` and ``--entry``, for the calls of a module that brings none."""
    words = (
        "a call, as 'f(i32:24, f64:0x7ff8000000000001)'; several times for several (default: every exported function "
    )
    parser.add_argument("--invoke", action="append", metavar="CALL", help=words + "with a few arguments)")
    words = "call through a second module (bit-exact everywhere) or by the host directly"
    parser.add_argument("--entry", choices=["wrapper", "host"], default="wrapper", help=words)


def size(text: str) -> int:
    """Bytes from ``3G``, ``512M``, ``64K`` or a number of bytes."""
    matched = re.fullmatch(r"(\d+(?:\.\d+)?)([KMG]?)(?:i?B)?", text)
    if matched is None or float(matched[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: write 3G or 512M")
    return int(float(matched[1]) * (1 << {"": 0, "K": 10, "M": 20, "G": 30}[matched[2]]))


def add_limits(parser: argparse.ArgumentParser) -> None:
    """``--cpu``, ``--memory`` and ``--wall``: what one engine may use for one case."""
    words = "CPU time that an engine has for the case (default: 10s, and 12s more for each MiB of the module)"
    parser.add_argument("--cpu", type=duration, metavar="T", help=words)
    words = "memory that it has (default: 2G, and 256M more for each MiB of the module)"
    parser.add_argument("--memory", type=size, metavar="SIZE", help=words)
    parser.add_argument("--wall", type=duration, metavar="T", help="time that it has (default: 6 times its CPU time)")


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="JSON lines (docs/json.md)")
