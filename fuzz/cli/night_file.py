"""A night's configuration: a TOML file. Every key is here, with its type; a word that is none of them is an error."""

from __future__ import annotations

import argparse
import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from fuzz.archive.report_files import format_names
from fuzz.campaign.shards import Shard
from fuzz.cli.arguments import MOST_JOBS, MOST_MUTANTS, duration
from fuzz.cli.asked import asked_engines
from fuzz.cli.chosen import ALL, chosen_targets, need_mutants
from fuzz.cli.names import one_of
from fuzz.night.settings import Night, shares
from fuzz.records.printable import one_line
from fuzz.records.regular_file import read_regular
from fuzz.trial.bench import default_engines
from generators.registry import kind_of
from oracles.engine import EngineId, UsageError, engine_names
from oracles.reference import REFERENCE
from wasm.errors import nearest

DEFAULT_NAME: Final = "night.toml"
_LARGEST: Final = 1 << 20

TEMPLATE: Final = """\
# A night: fuzz night {name}          (fuzz night {name} --check says what would run)
# Paths are relative to this file. A line that begins with # shows what is taken without it.

out = "findings"                      # the folder that nights go on in: the archive, bundles, report/

# How long, all in all: old causes, cases, minimizing, releases and reports end by then, whatever engines do.
time = "8h"
#cases = 100000                       # an end by cases too, within the time

# What is generated: "all" targets in turns by their weights, or some: ["returns", "calls"]
#targets = "all"

# The engines (fuzz engines). Without it: the interpreter and the installed Wasmtime in four settings.
#engines = ["interpreter", "wasmtime:opt=speed", "wasmtime:winch", "v8:liftoff"]

# Releases at which those of the engines that name none run, each at all of them.
#[releases] is a table, and so stands at the end of the file.

#jobs = 2                             # slots that run cases; without it: the CPUs
#seed = 1                             # without it: that of the last night in the folder, or a random one
#shard = "2/4"                        # only the second of four parts of the cases; with seed (docs/scale.md)
#offline = false                      # install nothing

#retest = "10m"                       # try the known causes again first, for so long at most; false: do not
#minimize = "60s"                     # for each finding; false: store findings as they are
# Without these two lines it is that, or a tenth of time if that is less.
bisect = false                        # "30m": find out which releases show each new cause, for so long in all
explain = false                       # "10m", or true for a twentieth of time: why each new cause is wrong
#examples = 3                         # findings to store of one cause
#steer = true                         # make most cases without what known causes need
#narrow = true                        # make a part of the cases without what engines lack
#allot = true                         # of all targets, give more turns to those that find something new

#mutants = 2                          # neutral mutants of each case, run beside it (docs/mutants.md)
#judge = "reference"                  # "itself": each engine against itself, by mutants alone
#slow = false                         # find what takes long to compile, too (docs/slow.md)

#known = ["corpus/known/wasmtime.toml"]   # files of known issues, which are not new
#fail_on = "new"                      # "any": exit with 1 for causes of earlier nights too; "slow": for slow ones

#seeds = "corpus/all"                 # a corpus that target mutate starts from (fuzz corpus)
#corpus = "corpus/night"              # where the smallest case of each cause is added

reports = ["html", "junit", "sarif", "markdown"]    # files in out/report (docs/reports.md)

#[releases]
#wasmtime = ["31.0.0", "50.0.1"]
"""


@dataclass(frozen=True, slots=True)
class _Key:
    """What a key takes: ``fits`` says whether a value does, ``words`` what does, for errors."""

    fits: Callable[[Any], bool]
    words: str


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: type(value) is kind


def _texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one for one in value)


def _within(least: int, most: int) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and duration(value) > 0
    except argparse.ArgumentTypeError:
        return False


def _is_shard(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(Shard.read(value))
    except ValueError:
        return False


_TEXT: Final = _Key(lambda value: isinstance(value, str) and bool(value), 'text, as "findings"')
_TEXTS: Final = _Key(_texts, 'a list of texts, as ["a", "b"]')
_BOOL: Final = _Key(_is(bool), "true or false")
_TIME: Final = _Key(_is_time, 'a duration, as "90s", "10m" or "8h"')
_MAYBE: Final = _Key(lambda value: value is False or _is_time(value), 'a duration, as "10m", or false')
_COUNT: Final = _Key(_within(1, 1 << 62), "a number from 1 on")

KEYS: Final[Mapping[str, _Key]] = {
    "out": _TEXT,
    "time": _TIME,
    "cases": _COUNT,
    "targets": _Key(lambda value: value == ALL or _texts(value), '"all" or a list of targets'),
    "engines": _TEXTS,
    "releases": _Key(_is(dict), 'a table, as [releases] with wasmtime = ["31.0.0"] in it'),
    "jobs": _Key(_within(1, MOST_JOBS), f"a number from 1 to {MOST_JOBS}"),
    "shard": _Key(_is_shard, 'text, as "2/4" for the second of four'),
    "seed": _Key(_within(0, (1 << 63) - 1), "a number from 0 on"),
    "offline": _BOOL,
    "retest": _MAYBE,
    "minimize": _MAYBE,
    "bisect": _MAYBE,
    "explain": _Key(lambda value: isinstance(value, bool) or _is_time(value), 'a duration, as "10m", true or false'),
    "examples": _COUNT,
    "steer": _BOOL,
    "narrow": _BOOL,
    "allot": _BOOL,
    "mutants": _Key(_within(0, MOST_MUTANTS), f"a number from 0 to {MOST_MUTANTS}"),
    "judge": _Key(lambda value: value in ("reference", "itself"), '"reference" or "itself"'),
    "slow": _BOOL,
    "known": _Key(lambda value: value == [] or _texts(value), 'a list of files, as ["known.toml"]'),
    "fail_on": _Key(lambda value: value in ("new", "any", "slow"), '"new", "any" or "slow"'),
    "seeds": _TEXT,
    "corpus": _TEXT,
    "reports": _Key(lambda value: value == [] or _texts(value), 'a list of formats, as ["html", "junit"]'),
}
_RETEST: Final = 600.0
_MINIMIZE: Final = 60.0


def read_night(path: Path) -> Night:
    """Read a configuration. Raises ``UsageError`` with a line that names the key; engines as ``asked_engines``."""
    data = _checked(path, _load(path))
    home = path.parent
    offline = data.get("offline", False)
    named = data.get("engines", [])
    targets = _at(path, lambda: chosen_targets(",".join(_list(data.get("targets", ALL))), named))
    named = _with_releases(path, named or default_engines(map(kind_of, set(targets))), data.get("releases", {}))
    engines = _at(path, lambda: asked_engines(named, offline))
    if engines == [REFERENCE]:
        raise UsageError(f"{path}: the interpreter has nothing to be compared with: name another engine in engines")
    seconds = duration(data["time"])
    night = Night(
        out=home / data["out"],
        targets=targets,
        engines=tuple(engines),
        seconds=seconds,
        cases=data.get("cases"),
        seed=data.get("seed"),
        shard=Shard.read(data["shard"]) if "shard" in data else None,
        jobs=data.get("jobs") or len(os.sched_getaffinity(0)),
        minimize=_seconds(data.get("minimize"), min(_MINIMIZE, seconds / 10)),
        retest=_seconds(data.get("retest"), min(_RETEST, seconds / 10)),
        bisect=_seconds(data.get("bisect"), 0.0),
        explain=_seconds(None if data.get("explain") is True else data.get("explain", False), seconds / 20),
        examples=data.get("examples", 3),
        steer=data.get("steer", True),
        narrow=data.get("narrow", True),
        allot=data.get("targets", ALL) in (ALL, [ALL]) and data.get("allot", True),
        fail_on_any=data.get("fail_on") == "any",
        fail_on_slow=data.get("fail_on") == "slow",
        mutants=data.get("mutants", 0),
        by_mutants=data.get("judge") == "itself",
        slow=data.get("slow", False),
        offline=offline,
        known=tuple(home / name for name in data.get("known", [])),
        seeds=home / data["seeds"] if "seeds" in data else None,
        corpus=home / data["corpus"] if "corpus" in data else None,
        reports=tuple(_at(path, lambda: [one_of(name, "format", format_names()) for name in data.get("reports", [])])),
    )
    if night.seeds is not None and night.seeds == night.corpus and not night.seeds.exists():
        night = replace(night, seeds=None)  # the first night makes it
    if night.seeds is not None and not night.seeds.is_dir():
        raise UsageError(f"{path}: seeds is {night.seeds}, and there is no such folder: fuzz corpus makes one")
    if night.shard is not None and night.seed is None:
        raise UsageError(f"{path}: shard needs seed: all shards are parts of one series")
    if night.by_mutants and not night.mutants:
        raise UsageError(f"{path}: judge needs mutants: mutants = 3")
    if night.by_mutants:
        _at(path, lambda: need_mutants(targets))
    if night.fail_on_slow and not night.slow:
        raise UsageError(f"{path}: fail_on needs slow = true: without it nobody looks at times")
    _at(path, lambda: shares(night))
    return night


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_regular(path, _LARGEST, "that is no configuration").decode())
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {one_line(str(error))}") from None


def _checked(path: Path, data: dict[str, Any]) -> dict[str, Any]:
    for name, value in data.items():
        if name not in KEYS:
            told = nearest(name, KEYS) or f": there are {', '.join(KEYS)}"
            raise UsageError(f"{path}: there is no key {name!r}{told}")
        if not KEYS[name].fits(value):
            raise UsageError(f"{path}: {name} is {KEYS[name].words}, and not {one_line(_shown(value), 80)}")
    for name in ("out", "time"):
        if name not in data:
            raise UsageError(f"{path}: {name} is missing: add {name} = {KEYS[name].words.partition('as ')[2]}")
    return data


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _with_releases(path: Path, engines: Sequence[str], releases: dict[str, Any]) -> Sequence[str]:
    """The engines, those without a release at each of the releases that the table has for them."""
    for name, versions in releases.items():
        if name not in engine_names():
            raise UsageError(f"{path}: [releases] has no engine {name!r}{nearest(name, engine_names())}")
        if not _texts(versions):
            raise UsageError(f"{path}: in [releases] {name} is a list of releases, and not {_shown(versions)}")
    if not releases:
        return engines
    parsed = _at(path, lambda: [EngineId.parse(id) for id in engines])
    unused = [name for name in releases if not any(id.name == name and not (id.version or id.path) for id in parsed)]
    if unused:
        raise UsageError(
            f"{path}: [releases] has {unused[0]}, and none of the engines is {unused[0]} without a release"
        )
    found = []
    for id in parsed:
        tail = str(id).removeprefix(id.name)
        at = releases.get(id.name, []) if not (id.version or id.path) else []
        found += [f"{id.name}@{version}{tail}" for version in at] or [str(id)]
    return found


def _at(path: Path, make: Callable[[], Any]) -> Any:
    """Whatever is wrong is wrong in the file."""
    try:
        return make()
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _seconds(value: str | bool | None, default: float) -> float:
    return default if value is None else duration(value) if isinstance(value, str) else 0.0
