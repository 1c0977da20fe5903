"""Programs of the other targets over two to four modules that import from each other, at every type that fits.

Which items, which functions and which single instructions stand in which module is drawn (``generators.linking``). Some
items are the host's, some are exported again on their way, some imports are declared with wider limits or at a
supertype, some memories are shared, and some of these have a store of their own. Some modules between them write into
what there is and then trap.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.linking.halves import candidates, half
from generators.linking.levels import Key, Levels, draw_levels, set_apart
from generators.linking.outlining import outline
from generators.linking.shared import share
from generators.linking.splitting import Split, place_of, split
from generators.registry import load_target
from wasm.case import APART, Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.feature_use import required_features
from wasm.features import ALL, Feature, Hosting
from wasm.module import ExternType, ImportedFunc, Module
from wasm.rewrite.spaces import Space
from wasm.validate import validate
from wasm.valtypes import GlobalType, Limits, MemType, RefType, TableType, ref

NEEDS: Final[frozenset[Feature]] = frozenset({Feature.REFERENCE_TYPES, Feature.BULK_MEMORY})
HOSTING: Final = frozenset({Hosting.LINKED_MODULES})
COST: Final = 51.0

_BASES: Final = weighted(
    ("memory", 5), ("tables", 5), ("mixed", 4), ("globals", 3), ("tries", 6), ("refs", 3), ("calls", 3), ("returns", 2),
    ("params", 2), ("startup", 2), ("gc", 2), ("locals", 1),
)  # fmt: skip
_PLAIN: Final = "memory"
"""What there is for an engine that lacks what a drawn one needs."""
_LARGE: Final = 65_536 - 4
"""Pages or elements up to which a maximum is raised: more than 65,536 pages would need 64-bit addresses."""
_ITEMS: Final = {Space.MEMORY: "memory", Space.TABLE: "table", Space.GLOBAL: "global", Space.TAG: "tag"}


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case of another target, split."""
    name = source.weighted(_BASES)
    target = load_target(name if load_target(name).needs <= config.features else _PLAIN)
    case = target.generate(source.fork("case"), config)
    return linked(case, source.fork("links"), config)


def linked(case: Case, source: ChoiceSource, config: Config) -> Case:
    """A case over several modules. Its calls mean what they did, unless a module between them writes, or a memory that
    is shared now has a maximum."""
    module = decode(case.content)
    if config.allows(Feature.THREADS) and source.one_in(2):
        share(module, source.fork("shared"))
    moved = outline(module, source.fork("outlined")) if source.chance(3, 4) else []
    drawn = source.fork("levels")
    # Sites are hooks in the case's own module, and every case has one.
    pinned = {site.func for site in case.sites[:1] if site.func >= 0}
    pinned |= {site.func for site in case.sites[1:] if site.func >= 0 and drawn.chance(3, 4)}
    apart = set_apart(module) if source.fork("apart").one_in(4) else None
    levels = apart or draw_levels(drawn, module, pinned, moved, True)
    types = source.fork("types")
    between = source.fork("between")
    able = candidates(module, levels)
    asked = {between.pick(able): 0} if able and between.one_in(6) else {}
    made = _split(module, levels, types, asked)
    modules = [(place_of(level), one) for level, one in enumerate(made.modules[:-1])]
    for key in asked:
        home = levels.of[key]
        at = between.between(home + 1, levels.last)
        modules.insert(at, ("half", half(module, between, key, home)))
    if apart:
        # Its store is its own, where an engine has several: shared memories are what can go from one to another.
        modules = [(_apart(name), one) for name, one in modules]
        for one in (*(one for _, one in modules), made.modules[-1]):
            one.imports = [replace(item, module=_apart(item.module)) for item in one.imports]
    before = tuple((name, encode(one)) for name, one in modules)
    everything = [one for _, one in modules] + [made.modules[-1]]
    features = frozenset(feature.value for one in everything for feature in required_features(one))
    sites = tuple(
        replace(site, func=made.funcs[site.func]) if site.func >= 0 else site
        for site in case.sites
        if site.func < 0 or levels.of.get((Space.FUNC, site.func), levels.last) == levels.last
    )
    labels = case.labels | _labels(module, levels, made, bool(asked)) | ({"apart"} if apart else set())
    content = encode(made.modules[-1])
    return replace(case, content=content, before=before, features=features, sites=sites, labels=labels)


def _apart(name: str) -> str:
    return f"{APART} 0" if name == place_of(0) else name


def _split(module: Module, levels: Levels, source: ChoiceSource, asked: dict[Key, int]) -> Split:
    """With imports at other types than their items have where that is valid, else with other limits alone."""
    for subtyping in (True, False):
        types, routes = source.fork("types"), source.fork("routes")

        def declared(type_: ExternType, types: ChoiceSource = types, subtyping: bool = subtyping) -> ExternType:
            return _declared(module, type_, types, subtyping)

        def via(home: int, level: int, routes: ChoiceSource = routes) -> int:
            return home if routes.chance(3, 8) else routes.between(home, level - 1)

        made = split(module, levels, via, declared, asked)
        try:
            if subtyping:
                for one in made.modules:
                    validate(one, ALL)
        except WasmError:
            continue
        return made
    raise AssertionError("imports at their own types are always valid")


def _declared(module: Module, type_: ExternType, source: ChoiceSource, subtyping: bool) -> ExternType:
    """The type of an import: half of the time the item's own."""
    if source.one_in(2):
        return type_
    match type_:
        case MemType() | TableType():
            bounded = isinstance(type_, MemType) and type_.shared
            return replace(type_, limits=_wider(type_.limits, source, bounded))
        case ImportedFunc(index) if subtyping and (above := module.flat_types()[index].supertypes):
            return ImportedFunc(above[0])
        case GlobalType(RefType() as held, False) if subtyping:
            return GlobalType(ref(held.heap, True), False)
        case _:
            return type_


def _wider(limits: Limits, source: ChoiceSource, bounded: bool) -> Limits:
    least = source.pick((0, limits.minimum, source.below(limits.minimum + 1)))
    most = limits.maximum
    if most is not None and source.one_in(2):
        more = source.below(4) if most < _LARGE else 0
        most = most + more if bounded or source.one_in(2) else None
    return Limits(least, most)


def _labels(module: Module, levels: Levels, made: Split, half_way: bool) -> frozenset[str]:
    """Which items come from elsewhere to the case's own module or between the others, and how."""
    labels = {"linked", f"modules{levels.last + 1}"}
    for (level, key), source in made.routes.items():
        word = _ITEMS.get(key[0], "function")
        labels.add(f"{word}_imported")
        if source > levels.of[key]:
            labels.add(f"{word}_again")
        if key in levels.hosted:
            labels.add(f"{word}_of_host")
        if key[0] is Space.MEMORY and level and module.memory_types()[key[1]].shared:
            labels.add("shared_imported")
    if levels.links is not None:
        labels.add("calls_later")
    if half_way:
        labels.add("half_way")
    return frozenset(labels)
