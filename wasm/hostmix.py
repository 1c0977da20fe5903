"""The one meaning of imports: what an imported function returns, whoever hosts it.

Everything is arithmetic on unsigned 64-bit words that Python, JavaScript's BigInt and WebAssembly itself do alike
(``xor``, ``rotl``, ``mul``, ``add``, ``shr_u``, all modulo 2**64), so that a host written in any of them, or a
generated module that stands in for a host, gives the same results.

``seed``    FNV-1a, 64 bits, over the UTF-8 bytes of the module name, one byte 0xFF, and the UTF-8 bytes of the name.
``absorb``  h starts as the seed. For each argument in order, for the low and then the high 64-bit word of its 16-byte
            slot: ``h = rotl(h ^ word, 29) * STEP + BUMP``. A reference argument counts as 0 if null, else 1.
``result``  word k of result i (k = 0 low, 1 high) is ``finish(h + (2*i + k + 1) * GOLDEN)`` where ``finish`` is the
            finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014):
            ``z = (z ^ z>>30) * F1; z = (z ^ z>>27) * F2; z ^ z>>31``.

A result of type i32 or f32 is the low 32 bits, i64 or f64 the low 64, v128 all 128. ``result_value`` gives references.

What a function does besides depends on its import's module name (``behaviour``, ``acts``). Every call is logged first.
"""

from __future__ import annotations

import struct
from enum import Enum
from functools import lru_cache
from typing import Final

from wasm.embedding import SLOT, Returned, Value
from wasm.valtypes import NumType, ValType

MASK: Final = (1 << 64) - 1
FNV_BASIS: Final = 0xCBF29CE484222325
FNV_PRIME: Final = 0x100000001B3
STEP: Final = 0x9FB21C651E98DF25
BUMP: Final = 0xD6E8FEB86659FD93
GOLDEN: Final = 0x9E3779B97F4A7C15
F1: Final = 0xBF58476D1CE4E5B9
F2: Final = 0x94D049BB133111EB
ROTATE: Final = 29

EXTERN_TOKENS: Final = 16
"""An externref result is one of the host tokens 0 to 15."""

LOG_LIMIT: Final = 1000
"""The host-call log keeps this many calls; later ones are only counted."""


GROWS_BELOW: Final = 64 << 16
"""``Act.GROW`` lets a memory alone that has so many bytes."""

GROWS_BELOW_ELEMENTS: Final = 100
"""``Act.GROW`` lets a table alone that has so many elements."""

WRITES_BELOW: Final = 1024
"""``Act.WRITE`` writes into a memory's first bytes, and lets one alone that has not so many."""


class Act(Enum):
    """What a host function does after logging the call and before it ends, in this order; the value is the word in an
    import's module name that asks for it. ``state`` is the mix's after the arguments (``absorb``).

    ``COLLECT`` collects garbage, which nothing shows: hosts without garbage do nothing. The others change the export of
    the instance that has the import's own name, if it is there and fits; else they do nothing, and so do they as long
    as the start function runs, since a host gets the exports of an instance that is finished.

    ``GROW`` adds one page to a memory that has less than ``GROWS_BELOW`` bytes, or one null to a table that has less
    than ``GROWS_BELOW_ELEMENTS`` elements and may hold null, unless its type forbids it. ``WRITE`` stores the eight
    bytes of ``state`` at address ``written_at(state)`` of a memory that has ``WRITES_BELOW`` bytes at least, or sets a
    mutable global to ``written_value``.
    """

    COLLECT = "collect"
    GROW = "grow"
    WRITE = "write"


class Behaviour(Enum):
    """How a call of a host function ends; the value is the word in an import's module name that asks for it.

    ``MIX`` returns results. ``TRAP`` traps (``TrapKind.HOST``). ``THROW`` throws the tag
    imported as ``throw.tag`` with the results of ``mix`` at the tag's parameter types as payload; it traps where the
    module imports no such tag. ``REENTER`` calls the export that has the import's name with the same arguments and
    returns what it returns; a trap or an exception of that call passes through, and where there is no such export, or
    its type differs, it traps. ``CALLBACK`` does what ``call_indirect`` of the import's own type does with element 0 of
    the exported table of functions that has the import's name, traps included; where there is no such table, it traps
    as a host. As for ``Act``, there are no exports as long as the start function runs.

    A module name is one such word, or several ``Act`` joined by ``+`` with at most one of these at the end:
    ``collect``, ``grow+write``, ``collect+throw``. Any other module name means ``MIX`` and no act.
    """

    MIX = "env"
    TRAP = "trap"
    THROW = "throw"
    REENTER = "reenter"
    CALLBACK = "callback"


_BEHAVIOURS: Final = {behaviour.value: behaviour for behaviour in Behaviour}
_ACTS: Final = {act.value: act for act in Act}
DOING: Final = (*_ACTS, Behaviour.CALLBACK.value)
"""The words of which an import's module name has one, if its functions ask more of a host than to compute or end."""
THROWN_TAG: Final = ("throw", "tag")
"""Module and name of the imported tag that ``Behaviour.THROW`` throws."""


@lru_cache(maxsize=1024)
def _meaning(module: str) -> tuple[frozenset[Act], Behaviour]:
    """What the words of an import's module name ask for."""
    *first, last = module.split("+")
    words = first if last in _BEHAVIOURS else [*first, last]
    if any(word not in _ACTS for word in words) or len(set(words)) != len(words):
        return frozenset(), Behaviour.MIX
    return frozenset(_ACTS[word] for word in words), _BEHAVIOURS.get(last, Behaviour.MIX)


def behaviour(module: str) -> Behaviour:
    """How calls of functions imported from ``module`` end."""
    return _meaning(module)[1]


def acts(module: str) -> frozenset[Act]:
    """What functions imported from ``module`` do before."""
    return _meaning(module)[0]


def idle(module: str) -> str:
    """The name of a module whose functions end as those of ``module`` do, and do nothing before that; of functions that
    call back through a table, one whose functions return results."""
    doing, ends = _meaning(module)
    if not doing and ends is not Behaviour.CALLBACK:
        return module
    return f"idle+{module}" if ends in (Behaviour.MIX, Behaviour.CALLBACK) else ends.value


def written_at(state: int) -> int:
    """Where ``Act.WRITE`` stores eight bytes, all of them below ``WRITES_BELOW``."""
    return state >> 32 & WRITES_BELOW - 8


def written_value(type_: ValType, state: int) -> Value | None:
    """What ``Act.WRITE`` sets a global of a type to: the state's low bits, twice its 64 for a vector; i31 of the low 31
    bits where the type takes one; else null, or None (it does nothing) where it takes no null."""
    if isinstance(type_, NumType):
        return Value(type_.name, (state | state << 64) & (1 << type_.bits) - 1)
    if type_.heap in ("any", "eq", "i31"):
        return Value("ref", 0, f"i31:{state & 0x7FFFFFFF}")
    return Value("ref", 0, "null") if type_.nullable else None


@lru_cache(maxsize=4096)
def seed(module: str, name: str) -> int:
    """The 64-bit state before any argument."""
    h = FNV_BASIS
    for byte in b"\xff".join((module.encode("utf-8", "surrogatepass"), name.encode("utf-8", "surrogatepass"))):
        h = (h ^ byte) * FNV_PRIME & MASK
    return h


def absorb(module: str, name: str, args: bytes) -> int:
    """The 64-bit state after the arguments, packed in ``SLOT`` bytes each (see ``mix_slots`` for references)."""
    h = seed(module, name)
    for word in struct.unpack(f"<{len(args) // 8}Q", args):
        h ^= word
        h = ((h << ROTATE | h >> 64 - ROTATE) & MASK) * STEP + BUMP & MASK
    return h


def result_bits(state: int, index: int) -> int:
    """The 128 bits of result ``index`` from the state that ``absorb`` gave."""
    return _finish(state + (2 * index + 1) * GOLDEN) | _finish(state + (2 * index + 2) * GOLDEN) << 64


def mix(module: str, name: str, index: int, args: bytes) -> int:
    """The 128 bits of result ``index`` of a call of import ``module.name``."""
    return result_bits(absorb(module, name, args), index)


def _finish(z: int) -> int:
    z &= MASK
    z = (z ^ z >> 30) * F1 & MASK
    z = (z ^ z >> 27) * F2 & MASK
    return z ^ z >> 31


def mix_slots(args: Returned) -> bytes:
    """The argument slots as ``absorb`` wants them: the slot of a non-null reference holds 1."""
    if not args.refs:
        return args.slots
    slots = bytearray(args.slots)
    refs = iter(args.refs)
    for i, kind in enumerate(args.types):
        if kind == "ref" and next(refs) != "null":
            slots[i * SLOT] = 1
    return bytes(slots)


def result_value(type_: ValType, bits: int) -> Value | None:
    """The value of a type that 128 bits of ``mix`` stand for; None where a host has none to give, and traps.

    Numbers take their low bits. ``extern`` gives host token ``low word % 16``; ``any``, ``eq`` and ``i31`` give the i31
    of the low 31 bits; every other reference type gives null, or None if it is not nullable.
    """
    if isinstance(type_, NumType):
        return Value(type_.name, bits & (1 << type_.bits) - 1)
    if type_.heap == "extern":
        return Value("ref", 0, f"extern:{bits % EXTERN_TOKENS}")
    if type_.heap in ("any", "eq", "i31"):
        return Value("ref", 0, f"i31:{bits & 0x7FFFFFFF}")
    return Value("ref", 0, "null") if type_.nullable else None


def results(module: str, name: str, args: Returned, types: tuple[ValType, ...]) -> Returned | None:
    """All results of a call of import ``module.name``; None where one of the types has no value (the host traps)."""
    state = absorb(module, name, mix_slots(args))
    values: list[Value] = []
    for i, type_ in enumerate(types):
        value = result_value(type_, result_bits(state, i))
        if value is None:
            return None
        values.append(value)
    return Returned.of(values)


def global_value(module: str, name: str, type_: ValType) -> Value | None:
    """The value of an imported global: result 0 of a call without arguments. None where the type has no value."""
    return result_value(type_, mix(module, name, 0, b""))
