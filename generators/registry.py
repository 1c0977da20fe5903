"""Finding targets and making their cases: case ``index`` depends on (generator version, target, seed, index) only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from types import ModuleType
from typing import Any, Final
from zlib import crc32

from generators.choices import ChoiceSource
from generators.config import DEFAULT, Config
from generators.peer import open_peer, peer_case, peer_names
from wasm.case import COLLECTS, Case, CaseKind, Provenance
from wasm.decode import decode
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.features import Feature, Hosting, Lack, with_dependents
from wasm.hostmix import DOING
from wasm.isa import OPS
from wasm.module import ExternKind
from wasm.plugins import entry, names_in
from wasm.rewrite.avoid import without_rows
from wasm.rewrite.idle_hosts import idle_hosts

GENERATOR_VERSION: Final = "12"
"""Raised with every change that makes a different program of the same choices."""
_STREAM: Final = "2"
"""Part of every seed. It stays when the version rises, so that a change moves only the cases that it is about."""

_GOLDEN: Final = 40503
"""The golden ratio's fraction of 2^16: steps of it fill the range evenly, however many there are."""

_WITHOUT: Final = " without "

_DOING: Final = tuple(word.encode() for word in DOING)
"""A module without any of these words has no host that acts: looking for bytes costs less than reading it."""

_FEATURES: Final = frozenset(feature.value for feature in Feature)

_FOLDER: Final = "generators.targets"
"""A name and no import: targets stand on the wings, the wings on ``choices`` and ``config``, and this file beside those
knows of no wing."""


USUAL: Final = 35.0
"""What a case of a target that nobody has measured is taken to cost, in CPU milliseconds."""


@dataclass(frozen=True, slots=True)
class Target:
    """One file of ``generators/targets``: ``summary`` is its first docstring line, ``needs`` its ``NEEDS``, ``hosting``
    its ``HOSTING``.

    ``kind`` is the file's ``KIND``, modules to run where it has none. ``weight`` is its ``WEIGHT``, 1 where it has
    none: its part of the CPU time where targets share it (``fuzz selfcheck``), more where there is more to look for.
    ``cost`` is its ``COST``: CPU milliseconds that a case takes with the default engines, the interpreter and the
    generator, as ``fuzz run --target all --cases 570 --no-minimize --json`` tells (``targets_cpu_seconds`` by
    ``targets_cases``).
    ``enumerated`` is the file's function of that name, where its cases are listed instead of drawn: (seed, index,
    config) gives the case, ``count`` how many there are and ``meetings`` how many of what is listed, by kind. Nothing
    steers those.
    ``base``, the file's ``BASE``, says that other targets start from its cases (``generators.mutation.bases``).
    ``data`` stands for what the cases are made of besides seed and index, "" for nothing: the digest of the aims in
    ``rules:wasmtime@50.0.1``. ``about`` says what is listed, "" for what the kinds say: how many rules are aimed at.
    """

    name: str
    summary: str
    needs: frozenset[Feature]
    kind: CaseKind
    generate: Callable[[ChoiceSource, Config], Case]
    weight: float = 1.0
    base: bool = False
    cost: float = USUAL
    enumerated: Callable[[int, int, Config], Case] | None = None
    count: Callable[[Config], int] | None = None
    meetings: Callable[[Config], Mapping[str, int]] | None = None
    data: str = ""
    about: str = ""
    hosting: frozenset[Hosting] = frozenset()

    @property
    def asks(self) -> frozenset[Lack]:
        """All that an engine must have for its cases."""
        return self.needs | self.hosting


@lru_cache(maxsize=1)
def target_names() -> tuple[str, ...]:
    """All targets, those that other distributions add among them (``wasm.plugins``), in alphabetical order."""
    return names_in(_FOLDER)


def wasm_target_names() -> tuple[str, ...]:
    """The targets that make modules to run, not raw bytes or machine functions."""
    return tuple(name for name in target_names() if load_target(name).kind is CaseKind.WASM)


def known_targets() -> tuple[str, ...]:
    """All targets by every name that they have here: ``rules``, and ``rules:wasmtime@50.0.1`` where those aims are at
    hand."""
    found = list(target_names())
    for name in target_names():
        variants = getattr(target_module(name), "variants", None)
        found += [f"{name}:{one}" for one in variants()] if variants is not None else []
    return tuple(found)


def target_module(name: str) -> ModuleType:
    """The file of a target, for what it offers beside a ``Target``. Raises ``ValueError`` with the known names."""
    if name not in target_names():
        raise ValueError(f"no target {name!r}: choose from {', '.join(target_names())}")
    module: ModuleType = entry(_FOLDER, name)
    return module


@lru_cache(maxsize=64)
def load_target(name: str) -> Target:
    """The target of that name. Raises ``ValueError`` with the known names if there is none, and what ``chosen`` of its
    file raises for what stands behind a colon."""
    plain, _, which = name.partition(":")
    module: Any = target_module(plain)
    summary = (module.__doc__ or "").strip().partition("\n")[0]
    if which:
        if not hasattr(module, "chosen"):
            raise ValueError(f"no target {name!r}: {plain} has no variants")
        module = module.chosen(which)
    kind, weight = getattr(module, "KIND", CaseKind.WASM), getattr(module, "WEIGHT", 1.0)
    starts = getattr(module, "BASE", False)
    cost = getattr(module, "COST", USUAL)
    listed: dict[str, Any] = {name: getattr(module, name, None) for name in ("enumerated", "count", "meetings")}
    listed |= {"data": getattr(module, "DATA", ""), "about": getattr(module, "ABOUT", "")}
    listed["hosting"] = getattr(module, "HOSTING", frozenset())
    needs, make = module.NEEDS, module.generate
    return Target(name, summary, needs, kind, make, weight, starts, cost, **listed)


def sample_of(target: str, cases: int) -> list[int]:
    """Indices of so many cases that stand for a target: the first ones, or every so many-th of an enumeration, whose
    first cases are of one kind."""
    count = load_target(target).count
    step = max(1, count(DEFAULT) // cases) if count is not None else 1
    return [index * step for index in range(cases)]


def source_of(target: str, seed: int, index: int) -> ChoiceSource:
    """The choices of one case. Over consecutive indices the first choice runs through its range evenly (a Kronecker
    sequence with the golden ratio), so that rare sizes turn up at their rate even in a short run."""
    start = crc32(f"{target}/{seed}".encode())
    return ChoiceSource.seeded(_STREAM, target, seed, index, stratum=start + index * _GOLDEN)


def make_case(target: str, seed: int, index: int, config: Config = DEFAULT) -> Case:
    """Case ``index`` of a run. Raises ``ValueError`` for an unknown target, or one whose needs ``config`` lacks.

    ``target`` may also name a peer (``generators.peer``): then it may raise ``NoModule`` and ``PeerMissing``.
    """
    config, words = _narrowed(config)
    if target in peer_names():
        case = peer_case(target, seed, index, config)
    else:
        loaded = load_target(target)
        missing = loaded.asks - config.features - {one for one in Hosting if one.value not in config.avoid}
        if missing:
            names = ", ".join(sorted(one.value for one in missing))
            raise ValueError(f"target {target} needs {names}, which an engine lacks")
        if loaded.enumerated is not None:
            case = loaded.enumerated(seed, index, config)
        else:
            case = loaded.generate(source_of(target, seed, index), config)
        case = replace(case, provenance=Provenance(target, seed, index, version_of((target,))))
        if config.avoid and case.kind is CaseKind.WASM and loaded.enumerated is None:
            case, words = _steered(case, config), tuple(sorted({*words, *config.avoid}))
    version = steered_version(case.provenance.version, words)
    return replace(case, provenance=replace(case.provenance, version=version))


def _narrowed(config: Config) -> tuple[Config, tuple[str, ...]]:
    """The features and the sizes of a config without those that are to be avoided (``gc``, ``results<254``), and the
    features among the words that say so."""
    features = [Feature(word) for word in config.avoid if word in _FEATURES]
    names = tuple(feature.value for feature in features)
    config = replace(config.without(*with_dependents(features)), avoid=tuple(sorted({*config.avoid} - {*names})))
    limits = dict(word.split("<") for word in config.avoid if "<" in word)
    results = min(config.max_results, int(limits.get("results", config.max_results + 1)) - 1)
    params = min(config.max_params, int(limits.get("params", config.max_params + 1)) - 1)
    return replace(config, max_results=results, max_params=params), names


def _steered(case: Case, config: Config) -> Case:
    """The case without the hosts that act and the instructions, where these are to be avoided."""
    if Hosting.ACTING_HOSTS.value in config.avoid and any(word in case.content for word in _DOING):
        case = _idle(case)
    if not any(word in OPS for word in config.avoid):
        return case
    module = decode(case.content)
    moved = without_rows(module, config.avoid)
    earlier = [(name, decode(content)) for name, content in case.before]
    changed = [without_rows(one, config.avoid) is not None for _, one in earlier]
    if any(changed):
        case = replace(case, before=tuple((name, encode(one)) for name, one in earlier))
        moved = moved or {}
    if moved is None:
        return case
    first = len(module.imported(ExternKind.FUNC))
    sites = tuple(
        replace(site, use_at=moved[site.func - first][site.use_at]) if site.func - first in moved else site
        for site in case.sites
    )
    return replace(
        case, content=encode(module), sites=sites,
        features=frozenset(
            feature.value for one in (module, *(one for _, one in earlier)) for feature in required_features(one)
        ),
    )  # fmt: skip


def _idle(case: Case) -> Case:
    """The case with hosts that do nothing besides computing; what computes alone is its own module's business."""
    module = decode(case.content)
    return replace(case, content=encode(module), labels=case.labels - {COLLECTS}) if idle_hosts(module) else case


def steered_version(version: str, avoid: tuple[str, ...]) -> str:
    """What stands for the generators' version in cases that avoid something: ``1 without gc i32.rotl i32.sub``. With it
    a case can be made again."""
    return f"{version}{_WITHOUT}{' '.join(avoid)}" if avoid else version


def avoided(version: str) -> tuple[str, tuple[str, ...]]:
    """The generators' version and what was avoided, from ``steered_version``."""
    plain, _, names = version.partition(_WITHOUT)
    return plain, tuple(names.split())


def version_of(names: Sequence[str]) -> str:
    """What, with name, seed and index, determines the cases of these targets and peers. Raises ``PeerMissing``."""
    peers = [name for name in names if name in peer_names()]
    others = dict.fromkeys(open_peer(name).version for name in peers)
    ours = [name for name in dict.fromkeys(names) if name not in peer_names()]
    data = [f"{name} {found}" for name in ours if (found := load_target(name).data)]
    return ", ".join((GENERATOR_VERSION, *data, *others) if ours else others)


def kind_of(name: str) -> CaseKind:
    """The kind of the cases of a target or a peer."""
    return CaseKind.WASM if name in peer_names() else load_target(name).kind
