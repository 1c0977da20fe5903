"""Two cases in one module: the functions of the first call some of the second's in place of their own.

first     (func $helper (param i32)) (func (export "main") ... call $helper ...)
second    (func $other (param i32))  (func (export "main") ...)
spliced   both, the second one's export as "b_main"; the first one's main may say ``call $other``
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from wasm.case import CallSite, Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.isa import OPS
from wasm.module import Module
from wasm.rewrite.merging import Moved, merged
from wasm.rewrite.spaces import Space

_PREFIX: Final = "b_"
_CALLS: Final = frozenset((OPS["call"], OPS["return_call"]))


def spliced(base: Case, other: Case, source: ChoiceSource, config: Config) -> Case:
    """The functions of ``other`` beside those of ``base``; ``base`` itself if they don't go together.

    The other one calls none of the first, so that no recursion comes about. The result is valid mostly: it may have
    more of something than a module can have (spec 3.4), which its user finds out.
    """
    own = decode(base.content)
    module, first, second = merged(own, decode(other.content), _PREFIX)
    features = required_features(module)
    if not features <= config.features:
        return base
    _cross(module, source, len(own.funcs))
    shift = len(base.invocations)
    calls = tuple(replace(call, export=_PREFIX + call.export) for call in other.invocations)
    sites = _moved_sites(base.sites, first, 0) + _moved_sites(other.sites, second, shift)
    return Case(
        content=encode(module),
        invocations=base.invocations + calls,
        features=frozenset(feature.value for feature in features),
        sites=sites,
        labels=base.labels | other.labels,
    )


def _moved_sites(sites: tuple[CallSite, ...], moved: Moved, shift: int) -> tuple[CallSite, ...]:
    return tuple(
        replace(one, use_at=one.use_at + shift) if one.func < 0 else replace(one, func=moved(Space.FUNC, one.func))
        for one in sites
    )


def _cross(module: Module, source: ChoiceSource, count: int) -> None:
    """Half of the calls in the first ``count`` functions go to functions of the second module of the same type."""
    types = module.func_types()
    imported = len(types) - len(module.funcs)
    theirs = list(range(imported + count, len(types)))
    for func in module.funcs[:count]:
        for at, (row, imm) in enumerate(func.body):
            same = [index for index in theirs if types[index] == types[imm]] if row in _CALLS else []
            if same and source.one_in(2):
                func.body[at] = row, source.pick(same)
