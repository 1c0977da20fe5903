"""Engines: their ids, what they can do, and the protocol that every adapter in ``oracles/engines/`` implements.

The folder is the registry: engine ``NAME`` is the module ``oracles.engines.NAME``, or what another distribution adds by
an entry point (``wasm.plugins``), imported when first asked for, with

    def check(id: EngineId) -> EngineId      # canonical settings; raises UsageError
    def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine    # raises EngineUnavailable
    SAFE_FLAGS: re.Pattern[str]  # optional: flags that a stranger's engine id may have (``risk``)
    def risk(id: EngineId) -> str    # optional: what else a stranger's engine id would do (``risk``); "" if nothing
    def within(id: EngineId) -> EngineId    # optional: the engine behind it, whose risk it is; raises UsageError
    def prepare(id: EngineId, offline: bool) -> None    # optional: bring here what takes long, before a clock runs
    def builds() -> Iterator[str]    # optional: ids of builds that are at hand, or lines about those under way
    ALIASES: Mapping[str, str]   # optional: names with a hyphen, each for the beginning of an id
    def draws(id: EngineId) -> tuple[EngineId, ...]    # optional: those that an id stands for, if it stands for several
    KINDS: frozenset[CaseKind]   # optional: the kinds of cases that it takes, where those are not modules
    CONTRACT: tuple[str, ...]    # the ids under which tests/engines meets it; none for an engine without a worker
    RELEASES: Releases           # optional: its released versions, for an engine that a registry has (``Releases``)
    def releases(id: EngineId) -> Releases | None    # optional: those that it can be run in with the id's settings

With ``RELEASES``, ``@VERSION`` may be unfinished (``wasmtime@33``), ``fuzz engines`` lists and installs releases,
shells complete them, and ``fuzz bisect`` goes over them. ``oracles.provision.Registry`` is one over PyPI or npm.

For ``fuzz explain`` (docs/explaining.md) an adapter may have, as far as the engine allows it,

    def switches(id: EngineId) -> tuple[Switch, ...]    # the settings that a bug may depend on (``oracles.switches``)
    def split(id: EngineId, functions: frozenset[int], count: int) -> EngineId | None    # of ``count`` functions that a
        # module defines, only these (from 0) are compiled as ``id`` does it; None where the engine cannot do that
    def stages(id: EngineId, ask: Ask) -> Iterator[str]    # lines on which stage of a compiler is to blame
    def machine_code(id: EngineId, content: bytes, offline: bool) -> dict[int, bytes]    # x86-64 code of functions, by
        # their number among those that a module defines
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias

from wasm.case import Case, CaseKind
from wasm.embedding import Invocation, Observation, Outcome, Value
from wasm.errors import UserError, nearest
from wasm.features import Feature, Hosting
from wasm.plugins import entry, names_in


class UsageError(UserError):
    """Something that the user wrote cannot be meant: one line that says what to write instead. Exit code 2."""


class EngineUnavailable(UserError):
    """An engine cannot be used as asked for: one line that says why and what to do. Exit code 3."""

    exit_code = 3


_NAME: Final = re.compile(r"[a-z][a-z0-9_]*\Z")
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]*\Z")
_KEY: Final = re.compile(r"[a-z][A-Za-z0-9_.-]*\Z")
_ALIAS: Final = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)+\Z")
BUILD: Final = "build"
"""The setting that says that the engine is built here, in place of being fetched as a release."""


MODULES: Final = frozenset({CaseKind.WASM, CaseKind.BYTES})
"""The kinds of cases that most engines take."""


@dataclass(frozen=True, slots=True)
class EngineId:
    """``name[@version|@/path][:key=value(+key=value)*]`` (docs/engines.md); ``str`` gives the canonical form.

    A bare word among the settings stands for ``word=on``. ``version`` and ``path`` exclude each other; both empty
    means the installed release. ``settings`` are sorted by key, without the ones at their default. Of an engine that is
    a command of the user's (``cmd:mywasm run {wasm}``) the command is the only setting, with the key "".
    """

    name: str
    version: str = ""
    path: str = ""
    settings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        place = f"@{self.path or self.version}" if self.path or self.version else ""
        settings = "+".join(
            value if not key else key if value == "on" else f"{key}={value}" for key, value in self.settings
        )
        return f"{self.name}{place}{':' if settings else ''}{settings}"

    def get(self, key: str, default: str = "") -> str:
        return dict(self.settings).get(key, default)

    @property
    def unreleased(self) -> str:
        """What this runs that is no release: a path, or what is asked of a build; "" for a release."""
        return self.path or (f"{BUILD}={self.get(BUILD)}" if self.get(BUILD) else "")

    def released(self, version: str = "") -> EngineId:
        """The same settings in a release, by default the installed one, and not by a path or in a build."""
        kept = tuple((key, value) for key, value in self.settings if key != BUILD)
        id = EngineId(self.name, version, "", kept)
        return id if kept == self.settings else EngineId.parse(str(id))

    def with_settings(self, settings: Mapping[str, str]) -> EngineId:
        return EngineId(self.name, self.version, self.path, tuple(sorted(settings.items())))

    @property
    def command(self) -> str:
        """The command that an id holds in place of settings; "" for none."""
        return self.get("")

    @staticmethod
    def read(text: str) -> EngineId:
        """An id as it stands, of an engine that need not be here. Raises ``UsageError`` for what is no id."""
        return _split(text.strip())

    @staticmethod
    def parse(text: str) -> EngineId:
        """Read an id and bring it to its canonical form by the adapter's own ``check``. Raises ``UsageError``."""
        id = _split(text.strip())
        if id.name not in (names := engine_names()):
            raise UsageError(f"no engine {id.name!r}{nearest(id.name, names)}: there are {', '.join(names)}")
        checked: EngineId = adapter(id.name).check(id)
        return checked


_COMMAND: Final = re.compile(r"([a-z][a-z0-9_]*):\s*((?=.*[\s{])[^\s+=].*|/.*)", re.S)
"""A name and what no setting can be: words with spaces between or holes in them, or a path."""


def _split(text: str) -> EngineId:
    if command := _COMMAND.fullmatch(text):
        return EngineId(command[1], settings=(("", command[2]),))
    head, _, tail = _cut_settings(_spelled_out(text))
    name, at, place = head.partition("@")
    if not _NAME.match(name):
        hint = nearest(name, aliases()) if "-" in name else ""
        raise UsageError(f"{text!r} is not an engine{hint}: write NAME[@VERSION|@/PATH][:KEY=VALUE+KEY=VALUE]")
    path = place if place.startswith("/") else ""
    if at and not path and not _VERSION.match(place):
        raise UsageError(f"{place!r} is neither a version nor an absolute path (in {text!r})")
    settings: dict[str, str] = {}
    for item in tail.split("+") if tail else ():
        key, _, value = item.partition("=")
        if not _KEY.match(key):
            raise UsageError(f"{item!r} is not a setting (in {text!r}): write KEY=VALUE, several joined by '+'")
        if key in settings:
            raise UsageError(f"{key} is set twice (in {text!r})")
        settings[key] = value or "on"
    return EngineId(name, "" if path else place, path).with_settings(settings)


def _spelled_out(text: str) -> str:
    """An id that begins with an alias, in full; any other as it is."""
    name, colon, more = text.partition(":")
    if not _ALIAS.match(name) or (full := aliases().get(name)) is None:
        return text
    return f"{full}{'+' if ':' in full else ':'}{more}" if colon else full


def _cut_settings(text: str) -> tuple[str, str, str]:
    """Split at the colon before the settings; a path may contain colons itself, settings never a slash."""
    colon = text.rfind(":")
    if colon < 0 or "/" in text[colon:]:
        return text, "", ""
    return text[:colon], ":", text[colon + 1 :]


_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,-]*\Z")


def risk(id: EngineId) -> str:
    """What an id would do beyond running cases in a release of an engine, as words; "" if nothing.

    That is to run a program or load a library that is named by its path, or to hand over an option that may do so: an
    adapter whose program has options of its own says by ``SAFE_FLAGS`` which are the engine's.
    """
    if id.path:
        return f"the program or library {id.path}"
    known = adapter(id.name) if id.name in engine_names() else None
    if (within := getattr(known, "within", None)) is not None:
        return risk(within(id))
    safe = getattr(known, "SAFE_FLAGS", None)
    if id.command:
        return f"the command {id.command}"
    for key, value in id.settings:
        flag = key.removeprefix("flag.")
        if not _PLAIN.match(value) or (flag != key and safe is not None and not safe.match(flag)):
            return f"the option {flag}={value}"
    more: Callable[[EngineId], str] | None = getattr(known, "risk", None)
    return more(id) if more is not None else ""


Ask: TypeAlias = Callable[[EngineId], tuple[bool | None, str]]
"""Whether a finding is wrong on an engine with other settings; None and the reason where that is not known."""


FOLDER: Final = "oracles.engines"


def engine_names() -> tuple[str, ...]:
    """Every adapter in ``oracles/engines/``, by its file's name, and those that other distributions add."""
    return names_in(FOLDER)


def adapter(name: str) -> Any:
    """The adapter module of an engine name that ``engine_names`` lists."""
    return entry(FOLDER, name)


def kinds_of(name: str) -> frozenset[CaseKind]:
    """The kinds of cases that an engine takes by its adapter; modules for one that is not here."""
    found: frozenset[CaseKind] = getattr(adapter(name), "KINDS", MODULES) if name in engine_names() else MODULES
    return found


def aliases() -> dict[str, str]:
    """Names for engine ids that no one would remember: what stands for each."""
    return {short: full for name in engine_names() for short, full in getattr(adapter(name), "ALIASES", {}).items()}


def prepare(id: EngineId, offline: bool) -> None:
    """Bring here what an engine takes minutes for, before a clock runs. Raises ``EngineUnavailable``."""
    get: Callable[[EngineId, bool], None] | None = getattr(adapter(id.name), "prepare", None)
    if get is not None:
        get(id, offline)


def draws(id: EngineId) -> tuple[EngineId, ...]:
    """The engines of which a campaign takes now this, now that one for an id: ``wasmtime:cpu=any``; most are alone."""
    known = adapter(id.name) if id.name in engine_names() else None
    several: Callable[[EngineId], tuple[EngineId, ...]] | None = getattr(known, "draws", None)
    return several(id) if several is not None else (id,)


class Releases(Protocol):
    """An engine's released versions, by their names in ``@VERSION``: numbers with dots, older ones first.

    ``name`` is what is released, as people say it: ``wasmtime``, ``node``, ``bun``.
    """

    @property
    def name(self) -> str: ...

    def offered(self) -> Sequence[str]:
        """All that the registry has for this machine. Raises ``EngineUnavailable``."""

    def at_hand(self) -> Sequence[str]:
        """Those that can be run without fetching anything."""

    def fetch(self, version: str) -> None:
        """Bring one onto this machine, without a word; from several threads at once. Raises ``EngineUnavailable``."""

    def size(self, version: str) -> int:
        """The bytes that a fetched one takes."""

    def remove(self, version: str) -> bool:
        """Take a fetched one away again, unless somebody else uses it; whether it is gone."""


def configurations() -> tuple[str, ...]:
    """What ``fuzz engines doctor --all`` starts: of each adapter what the contract suite meets (``CONTRACT``), what it
    names beside that (``CONFIGURATIONS``), and what was built (``builds()``). Not all of it need be at hand."""
    found: list[str] = []
    for name in engine_names():
        known = adapter(name)
        built = [line.split()[0] for line in getattr(known, "builds", tuple)() if not line.startswith("not")]
        found += [*getattr(known, "CONTRACT", ()), *getattr(known, "CONFIGURATIONS", ()), *built]
    return tuple(dict.fromkeys(found))


def releases_of(name: str) -> Releases | None:
    """The releases of an engine; None for one that no registry has, or that is not here."""
    found: Releases | None = getattr(adapter(name), "RELEASES", None) if name in engine_names() else None
    return found


def releases_for(id: EngineId) -> Releases | None:
    """The releases that an engine can be run in with its settings; None where they are not to be had."""
    known = adapter(id.name) if id.name in engine_names() else None
    of: Callable[[EngineId], Releases | None] | None = getattr(known, "releases", None)
    return of(id) if of is not None else releases_of(id.name)


def released() -> dict[str, Releases]:
    """All engines that a registry has, by name."""
    return {name: found for name in engine_names() if (found := releases_of(name)) is not None}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one case may use. Time is CPU seconds of the worker for the whole case; memory is its resident set.

    ``wall_factor`` times ``cpu_seconds`` (and never less than ``least_wall``) is the wall-clock limit for a worker that
    hardly moves, ``idle_seconds`` for one that does not move at all: it uses no CPU time, and none of its threads wants
    any. ``steps`` and ``depth`` bind engines that count them, ``pages`` those that can refuse growth. ``peaks``: what a
    worker takes of memory for each case is measured as well.
    """

    cpu_seconds: float = 10.0
    memory_bytes: int = 2 << 30
    wall_factor: float = 6.0
    least_wall: float = 10.0
    idle_seconds: float = 5.0
    steps: int = 50_000_000
    depth: int = 20_000
    pages: int = 65_536
    peaks: bool = False

    @property
    def wall_seconds(self) -> float:
        return max(self.least_wall, self.cpu_seconds * self.wall_factor)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine is and accepts, as its worker's hello states it.

    ``version`` is the release, ``library`` and ``sha256`` the file that was really loaded (empty for an in-process
    engine). ``family`` names the independent code that its vote belongs to: ``cranelift`` (every Cranelift setting and
    Pulley, which shares its middle end), ``winch``, ``liftoff``, ``turbofan``, ``interpreter``, ... ``relaxed`` has the
    results of the relaxed-SIMD probe module by export name, which ``wasm.semantics.relaxed`` turns into a profile.
    ``kinds`` are the cases that it takes. ``validator`` is the engine whose decoder and validator it has, its own or
    another's; "" where that is nobody else's. ``hosting`` is what else than features cases can ask of it.
    """

    version: str
    features: frozenset[Feature]
    family: str
    library: str = ""
    sha256: str = ""
    notes: tuple[str, ...] = ()
    relaxed: tuple[tuple[str, Outcome], ...] = field(default=(), compare=False)
    kinds: frozenset[CaseKind] = MODULES
    validator: str = ""
    hosting: frozenset[Hosting] = frozenset(Hosting)


class Pending(Protocol):
    """A case under way. In-process engines compute it in ``result``; workers run meanwhile."""

    def fileno(self) -> int | None:
        """What to wait for readability on; None if ``result`` will not wait."""

    def poll(self) -> Observation | None:
        """Advance without blocking: reads what there is and checks the limits. None if not finished."""

    def result(self) -> Observation:
        """Wait for the end. Whatever the engine does is in the observation; only a broken harness raises."""


@dataclass(frozen=True, slots=True)
class Immediate:
    """A case of an engine in this process, which runs when its result is asked for."""

    run: Callable[[Case], Observation]
    case: Case

    def fileno(self) -> int | None:
        return None

    def poll(self) -> Observation | None:
        return self.result()

    def result(self) -> Observation:
        return self.run(self.case)


class Session(Protocol):
    """Instances that see each other, for scripts such as the official suite's. One session per engine at a time.

    The module ``spectest`` is registered from the start. After ``Crashed``, ``TimedOut`` or ``OutOfMemory`` all
    instances are gone and every later step gives ``Unsupported``.
    """

    def instantiate(self, name: str, module: bytes) -> Outcome:
        """Decode, validate, compile and instantiate, imports resolved among registered instances.

        An empty ``Returned`` on success; ``Rejected`` for an invalid module or an import that does not fit.
        """

    def register(self, name: str, registered_as: str) -> None:
        """Make instance ``name`` importable under another name."""

    def invoke(self, name: str, invocation: Invocation) -> Outcome: ...

    def get(self, name: str, export: str) -> Value | Outcome | None:
        """The value of an exported global; None if there is none, and why where that cannot be said."""

    def close(self) -> None: ...


class Engine(Protocol):
    """One engine with its settings. Not thread-safe."""

    @property
    def id(self) -> EngineId: ...

    @property
    def capabilities(self) -> Capabilities:
        """Starts the worker if needed. Raises ``EngineUnavailable``."""

    def start(self, case: Case) -> Pending:
        """Begin a case; the one before must be finished."""

    def run(self, case: Case) -> Observation:
        """One case from beginning to end."""

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        """Run the case again; the contents at the end of the given (exported memory, 64 KiB block) pairs."""

    def open_script(self) -> Session: ...

    def renew(self, from_scratch: bool = False) -> None:
        """End the worker: the next case meets a new process, and one that was not forked if it is ``from_scratch``."""

    def close(self) -> None:
        """End whatever runs; the next case starts anew."""


def open_engine(id: EngineId | str, limits: Limits | None = None, offline: bool = False) -> Engine:
    """Open an engine. Raises ``UsageError`` or ``EngineUnavailable``; its worker starts with the first case."""
    parsed = EngineId.parse(id) if isinstance(id, str) else id
    make: Callable[..., Engine] = adapter(parsed.name).open_engine
    return make(parsed, limits or Limits(), offline)
