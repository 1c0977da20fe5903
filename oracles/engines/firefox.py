"""SpiderMonkey, through Firefox: ``@/path/to/firefox``, or the one on the PATH (``firefox-esr``, ``firefox``).

Its SpiderMonkey is the newest that can be had: ``spidermonkey`` comes from a Python package of early 2025. Settings:
``baseline`` (the baseline compiler alone), ``ion`` (the optimising one alone), neither for SpiderMonkey's own tiering.
The worker proves that the compiler that is asked for is the one that runs. No window is opened and no page loaded: the
worker is a program that Firefox runs as it starts (AutoConfig), with its privileges, and never goes on from.
"""

from __future__ import annotations

import configparser
import hashlib
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.engines import spidermonkey
from oracles.provision import cache_root
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour
from oracles.remote.scripted import program_file
from oracles.remote.shells import tier_of
from oracles.remote.sources import SCRIPT_KINDS
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch

TIERS: Final = spidermonkey.TIERS
CONTRACT: Final = ("firefox", *(f"firefox:{tier}" for tier in TIERS))
NOISE: Final = spidermonkey.NOISE
_NAMES: Final = ("firefox-esr", "firefox")
_WORKERS: Final = Path(__file__).parents[1] / "workers"
_PREFERENCES: Final = """\
pref("general.config.filename", "worker.cfg");
pref("general.config.obscure_value", 0);
pref("general.config.sandbox_enabled", false);
pref("security.allow_eval_with_system_principal", true);
pref("security.allow_eval_in_parent_process", true);
"""
"""That the worker's program is run as it starts, and may compile WebAssembly."""


def check(id: EngineId) -> EngineId:
    """The canonical form. Raises ``UsageError``."""
    if id.version:
        raise UsageError("firefox is not installed by fuzz: write firefox, or firefox@/path/to/firefox")
    return spidermonkey.check_compilers(id)


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other tiers."""
    return spidermonkey.switches(id)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open the one that is there. Raises ``EngineUnavailable``."""
    home = _home(id.path)
    version = _version(home)
    tier = tier_of(id, TIERS)
    argv = (sys.executable, "-I", "-S", str(_WORKERS / "firefox_worker.py"), str(_folder(home)), tier,
            "{in}", "{out}", "{progress}", str(program_file(id.name)))  # fmt: skip

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if doubt := hello["doubt"]:
            raise EngineUnavailable(f"{id}: {doubt}")
        if hello["host"] != version:
            raise EngineUnavailable(f"{id}: Firefox {hello['host']} ran instead of {version}")
        return version, (f"SpiderMonkey of Firefox {version}",)

    worker = Worker(
        Launch(argv), Flavour(SCRIPT_KINDS, False, links=True), f"spidermonkey-{tier or 'baseline'}", loaded
    )
    return WorkerEngine(id, worker, limits)


def _home(path: str) -> Path:
    """The folder with Firefox's library. Raises ``EngineUnavailable``."""
    found = path or next(filter(None, map(shutil.which, _NAMES)), "")
    if not found:
        raise EngineUnavailable("no Firefox was found: apt-get install firefox-esr, or write firefox@/path/to/firefox")
    home = Path(found).resolve().parent
    if not (home / "application.ini").is_file():
        # What a distribution puts on the PATH can be a script beside which nothing else lies.
        home = Path("/usr/lib") / Path(found).name
    if not (home / "application.ini").is_file():
        raise EngineUnavailable(f"{found} is no Firefox: beside it should be application.ini")
    return home


def _version(home: Path) -> str:
    told = configparser.ConfigParser()
    try:
        told.read(home / "application.ini")
        return told["App"]["Version"]
    except (configparser.Error, KeyError, OSError) as error:
        raise EngineUnavailable(f"{home / 'application.ini'} does not say which Firefox it is: {error}") from None


def _folder(home: Path) -> Path:
    """The same Firefox with the worker's program, in the cache: links to everything but the executable, for it looks
    beside itself for the rest. Raises ``EngineUnavailable``."""
    program = (_WORKERS / "firefox.cfg").read_bytes()
    try:
        stat = (home / "application.ini").stat()
        told = f"{home} {stat.st_mtime_ns} {_PREFERENCES}".encode() + program
        folder = cache_root() / "firefox" / hashlib.sha256(told).hexdigest()[:16]
        if folder.is_dir():
            return folder
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=folder.parent))
        (made / "defaults" / "pref").mkdir(parents=True)
        for one in home.iterdir():
            if one.name not in ("defaults", "distribution", "firefox", "firefox-bin", "firefox-esr"):
                (made / one.name).symlink_to(one)
        shutil.copy(next(home / name for name in ("firefox-esr", "firefox", "firefox-bin") if (home / name).is_file()),
                    made / "firefox")  # fmt: skip
        for one in (home / "defaults" / "pref").glob("*.js"):
            shutil.copy(one, made / "defaults" / "pref")
        (made / "defaults" / "pref" / "worker.js").write_text(_PREFERENCES)
        (made / "worker.cfg").write_bytes(program)
        try:
            made.replace(folder)
        except OSError:
            shutil.rmtree(made)  # another slot has made it meanwhile
            if not folder.is_dir():
                raise
    except (OSError, StopIteration) as error:
        raise EngineUnavailable(f"{home} cannot be used: {error}") from None
    return folder
