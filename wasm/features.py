"""What an engine may lack: features of WebAssembly, each named after its proposal, and what a case asks of a host."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Final, TypeAlias


class Feature(Enum):
    """A feature that can be switched off; the value is the name used in cases, settings and reports.

    What 1.0 had, with sign extension, saturating conversions and mutable globals, is always on.
    """

    __hash__ = object.__hash__  # that of an Enum is a function in Python, and sets of features are made for every case

    MULTI_VALUE = "multi_value"
    BULK_MEMORY = "bulk_memory"
    REFERENCE_TYPES = "reference_types"
    SIMD = "simd"
    RELAXED_SIMD = "relaxed_simd"
    TAIL_CALL = "tail_call"
    EXCEPTIONS = "exceptions"
    LEGACY_EXCEPTIONS = "legacy_exceptions"
    MULTI_MEMORY = "multi_memory"
    MEMORY64 = "memory64"
    EXTENDED_CONST = "extended_const"
    FUNCTION_REFERENCES = "function_references"
    GC = "gc"
    THREADS = "threads"
    CUSTOM_PAGE_SIZES = "custom_page_sizes"
    WIDE_ARITHMETIC = "wide_arithmetic"


class Hosting(Enum):
    """What a case may ask of the host around an engine, which no module's features tell; the value is the name used in
    versions of cases and in reports.

    ``ACTING_HOSTS`` are imported functions that collect, grow, write or call back through a table (``wasm.hostmix``),
    ``LINKED_MODULES`` modules that are instantiated before the case's own (``Case.before``).
    """

    __hash__ = object.__hash__

    ACTING_HOSTS = "acting_hosts"
    LINKED_MODULES = "linked_modules"


Lack: TypeAlias = Feature | Hosting

ALL: Final = frozenset(Feature)
WASM3: Final = ALL - {
    Feature.LEGACY_EXCEPTIONS,
    Feature.THREADS,
    Feature.CUSTOM_PAGE_SIZES,
    Feature.WIDE_ARITHMETIC,
}
"""What version 3.0 of the specification contains."""
DEFAULT: Final = ALL - {Feature.LEGACY_EXCEPTIONS}
"""What the project's own validator and interpreter accept when nothing else is said."""

BUILDS_ON: Final = {
    Feature.FUNCTION_REFERENCES: Feature.REFERENCE_TYPES,
    Feature.GC: Feature.FUNCTION_REFERENCES,
    Feature.RELAXED_SIMD: Feature.SIMD,
}
"""What a feature cannot do without."""


def with_dependents(features: Iterable[Feature]) -> frozenset[Feature]:
    """These features and all that build on them: without reference types there is no garbage collection either."""
    out = set(features)
    while more := {feature for feature, base in BUILDS_ON.items() if base in out} - out:
        out |= more
    return frozenset(out)
