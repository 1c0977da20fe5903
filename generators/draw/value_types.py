"""Value types of any kind, references to a module's own types among them, as far as a set of features has them."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from wasm.features import Feature
from wasm.valtypes import F32, F64, I32, I64, V128, HeapType, ValType, ref

_ABSTRACT: Final = (
    ({Feature.REFERENCE_TYPES}, ("func", "extern")),
    ({Feature.GC}, ("any", "eq", "i31", "struct", "array", "none", "nofunc", "noextern")),
    ({Feature.EXCEPTIONS}, ("exn",)),
    ({Feature.EXCEPTIONS, Feature.GC}, ("noexn",)),
)
"""``noexn`` came with neither proposal alone: of exceptions without garbage collection ``exn`` is the only type."""


@lru_cache(maxsize=64)
def abstract_heap_types(features: frozenset[Feature]) -> tuple[HeapType, ...]:
    """The abstract heap types that the features have."""
    return tuple(heap for needs, words in _ABSTRACT if needs <= features for heap in words)


def draw_heap_type(source: ChoiceSource, config: Config, types: int) -> HeapType:
    """A heap type: abstract, or one of the first ``types`` indices."""
    abstract = abstract_heap_types(config.features) or ("func",)
    if types and config.allows(Feature.FUNCTION_REFERENCES) and source.one_in(2):
        return source.below(types)
    return source.pick(abstract)


def draw_value_type(source: ChoiceSource, config: Config, types: int) -> ValType:
    """A value type; references may name the first ``types`` types."""
    names: tuple[ValType, ...] = (I32, I64, F32, F64)
    if config.allows(Feature.SIMD):
        names = (*names, V128)
    if not config.allows(Feature.REFERENCE_TYPES) or source.one_in(2):
        return source.pick(names)
    nullable = not (config.allows(Feature.FUNCTION_REFERENCES) and source.one_in(3))
    return ref(draw_heap_type(source, config, types), nullable)
