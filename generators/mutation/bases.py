"""Cases to start from: the corpus's, and what another target makes of the same choices."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import corpus
from generators.choices import ChoiceSource
from generators.config import Config
from generators.registry import load_target, target_names
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.features import ALL
from wasm.validate import validate
from wasm.valtypes import FuncType

SEEDS: Final = Path(str(corpus.__file__)).resolve().parent / "seeds"
"""Cases as ``fuzz generate`` writes them, small ones of every target."""


@lru_cache(maxsize=64)
def base_targets(config: Config) -> tuple[str, ...]:
    """The targets to start from that need no more than these features, in order.

    They say so themselves: if every new target were one, it would change what the targets make that start from others.
    """
    targets = map(load_target, target_names())
    return tuple(target.name for target in targets if target.base and target.needs <= config.features)


def drawn_case(source: ChoiceSource, config: Config) -> Case:
    """A case of one of the other targets."""
    return load_target(source.pick(base_targets(config))).generate(source.fork("case"), config)


@lru_cache(maxsize=4)
def _seeds(folder: Path) -> tuple[tuple[Case, int, int], ...]:
    """The seeds by file name, each with the most parameters and results of its function types. What a corpus keeps
    beside single valid modules (``fuzz corpus``) is nothing to start from."""
    measured = []
    for path in sorted(folder.glob("*.json")):
        case = Case.from_json(json.loads(path.read_text(encoding="utf-8")))
        if case.kind is not CaseKind.WASM or case.before or not _is_valid(case.content):
            continue
        module = decode(case.content)
        # What a file says of features may be older than what is known of them.
        case = replace(case, features=frozenset(feature.value for feature in required_features(module)))
        types = [sub.composite for sub in module.flat_types()]
        funcs = [type_ for type_ in types if isinstance(type_, FuncType)]
        params = max((len(type_.params) for type_ in funcs), default=0)
        measured.append((case, params, max((len(type_.results) for type_ in funcs), default=0)))
    return tuple(measured)


def _is_valid(content: bytes) -> bool:
    try:
        validate(decode(content), ALL)
    except WasmError:
        return False
    return True


@lru_cache(maxsize=64)
def seeds(config: Config, folder: Path = SEEDS) -> tuple[Case, ...]:
    """The cases of the corpus that keep to a configuration, by file name."""
    names = {feature.value for feature in config.features}
    return tuple(
        case
        for case, params, results in _seeds(folder)
        if case.features <= names and params <= config.max_params and results <= config.max_results
    )


def forget_seeds() -> None:
    """Read the folders again from now on."""
    seeds.cache_clear()
    _seeds.cache_clear()


def any_case(source: ChoiceSource, config: Config) -> Case:
    """A case of one of the other targets, or half of the time one of the corpus, if there are any."""
    known = seeds(config)
    if config.seeds is not None and source.chance(3, 4):
        known = seeds(config, config.seeds) or known
    if source.one_in(2) and known:
        return source.pick(known)
    return drawn_case(source, config)
