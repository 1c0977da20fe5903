"""Our own compiler as an engine: real x86-64 code, run in a worker process of its own.

Settings: ``regalloc=backtracking|single_pass``; ``opt=none|speed``; ``regs=N``, allocatable registers per class;
``spill=all``: every value lives in memory between instructions; ``order=rpo|reverse|random-SEED``, of blocks;
``fuel=off``: code without step counting, which only the deadline stops; ``checker=off``: allocations are not proved.
To find out what is wrong: ``opt-fuel=N``, simplification ends after N changes; ``skip=PASS``, one of its passes is left
out; ``only=0,2``, all functions but these (of those that the module defines) are compiled plainly, with ``rest`` as
their allocator.

It passes the official suite at every setting; GC is not compiled yet (``Unsupported``).
"""

from __future__ import annotations

import json
import platform
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from compiler.abi import MAX_REGS, MIN_REGS
from compiler.pipeline import OPTS, REGALLOCS, Settings
from compiler.simplify import PASSES
from oracles.engine import Ask, Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.reference import REFERENCE
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.sources import CALLBACK_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch
from wasm.errors import nearest

FAMILY: Final = "compiler"
VERSION: Final = "1"
DEFAULTS: Final = {
    "regalloc": Settings().regalloc, "opt": "speed", "regs": str(MAX_REGS), "order": "rpo", "fuel": "on",
    "checker": "on", "rest": "single_pass",
}  # fmt: skip
CHOICES: Final = {
    "regalloc": REGALLOCS, "opt": OPTS, "skip": tuple(PASSES), "spill": ("all",), "fuel": ("on", "off"),
    "checker": ("on", "off"), "rest": REGALLOCS,
}  # fmt: skip
_KEYS: Final = ("regalloc", "opt", "regs", "spill", "order", "fuel", "checker", "opt-fuel", "skip", "only", "rest")
_NUMBERS: Final = re.compile(r"none|\d{1,6}(,\d{1,6})*\Z")
_MOST_CHANGES: Final = 1 << 16
_DEADLINE: Final = 0.8
"""Of the harness' limit of CPU time: the worker stops the code itself before it is stopped."""
_ROOT: Final = str(Path(__file__).parents[2])
CONTRACT: Final = ("compiler:fuel=off", "compiler:opt=none+regs=6+order=random-1+fuel=off")
"""With the counting of steps an endless loop would end before the time is over, of which the suite has a test."""
CONFIGURATIONS: Final = ("compiler", "compiler:regalloc=single_pass")
NOISE: Final = re.compile(r"(?:CheckFailed|InvalidFunction|InvalidMachineFunc): .*| at (?:no code|\S+) \(address \w+\)")
"""The head of what the checker and the verifiers have to say, which begins on the next line; and where compiled code
died, which is anywhere."""
COMPILING: Final = re.compile(r"compiler/")
"""Where a crash is that happens while code is made; some of it is made when it is called first."""
ALLOCATING: Final = re.compile(r"compiler/regalloc/")
"""Where a crash is about an allocation: an allocator fails, or the checker finds its answer wrong."""


def check(id: EngineId) -> EngineId:
    """The canonical form: settings in a fixed order, without defaults. Raises ``UsageError``."""
    if id.version or id.path:
        raise UsageError("the compiler has no versions or paths: write compiler or compiler:KEY=VALUE")
    settings = dict(id.settings)
    for key, value in settings.items():
        if key in CHOICES:
            if value not in CHOICES[key]:
                hint = nearest(value, CHOICES[key])
                raise UsageError(f"{key}={value} is not possible{hint}: {key} is {' or '.join(CHOICES[key])}")
        elif key == "regs":
            if not value.isdecimal() or not MIN_REGS <= int(value) <= MAX_REGS:
                raise UsageError(f"regs={value} is not possible: regs is {MIN_REGS} to {MAX_REGS}")
            settings[key] = str(int(value))
        elif key == "opt-fuel":
            if not value.isdecimal():
                raise UsageError(f"opt-fuel={value} is not possible: opt-fuel is a number of changes")
            settings[key] = str(int(value))
        elif key == "only":
            if not _NUMBERS.match(value):
                raise UsageError(f"only={value} is not possible: only is none, or numbers of functions, as 0,2")
        elif key == "order":
            settings[key] = _order(value)
        else:
            raise UsageError(f"{key} is no setting of the compiler{nearest(key, _KEYS)}: it has {', '.join(_KEYS)}")
    kept = [(key, settings[key]) for key in _KEYS if key in settings and DEFAULTS.get(key) != settings[key]]
    return EngineId(id.name, "", "", tuple(kept))


def _order(value: str) -> str:
    word, _, seed = value.partition("-")
    if value in ("rpo", "reverse"):
        return value
    if word == "random" and seed.isdecimal():
        return f"random-{int(seed)}"
    raise UsageError(f"order={value} is not possible: order is rpo, reverse or random-SEED")


_PLACES: Final = frozenset({"regalloc", "regs", "order", "spill"})
"""Settings that change where values lie and code stands, and nothing of what is computed."""


def switches(id: EngineId) -> tuple[Switch, ...]:
    """Every setting one by one; of registers and orders of blocks, some others."""
    has = {**DEFAULTS, "spill": "off", **dict(id.settings)}
    plain = {"opt": "none", "regalloc": "single_pass", "regs": str(MAX_REGS), "order": "rpo", "fuel": "off",
             "checker": "off", "spill": "off"}  # fmt: skip
    others = {"opt": OPTS, "regalloc": REGALLOCS, "regs": (str(MIN_REGS), str(MAX_REGS)), "fuel": ("on", "off"),
              "spill": ("off", "all"), "order": ("rpo", "reverse", "random-1"), "checker": ("on", "off")}  # fmt: skip
    return tuple(
        Switch(f"{key}={value}", f"{key}={has[key]}", ((key, "" if key == "spill" and value == "off" else value),),
               value == plain[key], places=key in _PLACES)
        for key, values in others.items() for value in values if value != has[key]
    )  # fmt: skip


def settings_of(id: EngineId) -> Settings:
    """The compiler's settings behind a canonical id."""
    order, _, seed = id.get("order", "rpo").partition("-")
    return Settings(
        regalloc=id.get("regalloc", DEFAULTS["regalloc"]),
        opt=id.get("opt", "speed"),
        regs=int(id.get("regs", str(MAX_REGS))),
        spill_all=id.get("spill") == "all",
        order=order,
        seed=int(seed or 0),
        fuel=id.get("fuel") != "off",
        checker=id.get("checker") != "off",
        opt_fuel=int(id.get("opt-fuel")) if id.get("opt-fuel") else None,
        skip=id.get("skip"),
        only=_only(id.get("only")),
        rest=id.get("rest", DEFAULTS["rest"]),
    )


def _only(value: str) -> tuple[int, ...] | None:
    return None if not value else tuple(int(number) for number in value.split(",") if number != "none")


def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None:  # noqa: ARG001
    """The other functions are compiled plainly; or, where the id is about the plain allocator, by the other one."""
    changed = {**dict(id.settings), "only": ",".join(map(str, sorted(functions))) or "none"}
    if id.get("regalloc") == "single_pass":
        changed["rest"] = DEFAULTS["regalloc"]
    return check(id.with_settings(changed))


def stages(id: EngineId, ask: Ask) -> Iterator[str]:
    """Simplification by its fuel and its passes, the allocator by the other one and by the checker."""

    def asked(**changes: str) -> tuple[bool | None, str]:
        changed = {key.replace("_", "-"): value for key, value in changes.items()}
        return ask(check(id.with_settings({**dict(id.settings), **changed})))

    if id.get("opt", DEFAULTS["opt"]) != "none":
        if asked(opt_fuel="0")[0] is False:
            yield from _simplified(asked)
        elif asked(opt="none")[0] is False:
            yield "lowering: right with opt=none, and wrong with opt=speed without any simplification (opt-fuel=0)"
    allocator = id.get("regalloc", DEFAULTS["regalloc"])
    other = next(name for name in REGALLOCS if name != allocator)
    if asked(regalloc=other)[0] is False:
        yield f"allocation: right with regalloc={other}, wrong with regalloc={allocator}"
    if id.get("checker") == "off":
        wrong, said = asked(checker="on")
        if wrong is None and "CheckFailed" in said:
            yield f"allocation: the checker refuses it: {said[said.index('CheckFailed') :]}"


def _simplified(asked: Callable[..., tuple[bool | None, str]]) -> Iterator[str]:
    """It is right without simplification: how many changes does it take, and of which pass?"""
    right, wrong = 0, 1
    while asked(opt_fuel=str(wrong))[0] is False and wrong < _MOST_CHANGES:
        right, wrong = wrong, 2 * wrong
    while wrong - right > 1:
        middle = (right + wrong) // 2
        if asked(opt_fuel=str(middle))[0] is False:
            right = middle
        else:
            wrong = middle
    if asked(opt_fuel=str(wrong))[0]:
        yield f"simplification: wrong from its change {wrong} on (opt-fuel={wrong}), right before (opt-fuel={right})"
    for name in PASSES:
        if asked(skip=name)[0] is False:
            yield f"simplification: right without pass {name} (skip={name})"


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open it. Raises ``EngineUnavailable`` on a machine that it makes no code for."""
    machine = platform.machine()
    if machine not in ("x86_64", "AMD64") or sys.platform != "linux":
        raise EngineUnavailable(
            f"the compiler makes code for x86-64 Linux only, and this is {sys.platform} on {machine}"
        )
    return WorkerEngine(id, worker_of(id, limits), limits)


def worker_of(id: EngineId, limits: Limits, command: tuple[str, ...] = ("oracles.compiled.worker_main",)) -> Worker:
    """The worker behind a canonical id. ``command`` is the module that is run, and words before the configuration."""
    settings = settings_of(id)
    config = {
        "settings": {name: getattr(settings, name) for name in Settings.__slots__},
        "steps": limits.steps,
        "seconds": limits.cpu_seconds * _DEADLINE,
    }
    text = json.dumps(config)[:-1] + ', "fds": [{in}, {out}, {progress}], "nursery": {nursery}}'
    argv = (sys.executable, "-m", *command, text)

    def loaded(_hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        return VERSION, ()

    launch = Launch(argv, {"PYTHONPATH": _ROOT})
    return Worker(launch, Flavour(CALLBACK_KINDS, True, links=True), FAMILY, loaded, validator=REFERENCE)
