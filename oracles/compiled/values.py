"""Values between the embedding and compiled code: 16-byte slots, and references as ``compiler.layout`` states them.

An i31 is 2 * N + 1 with N its unsigned 31 bits: which of the two kinds of odd numbers a reference is, its static type
says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from oracles.compiled.store import Func, Instance
from oracles.stops import BadArgument
from wasm.canonical import Types, canonical_subtype
from wasm.embedding import SLOT, Returned, Value
from wasm.valtypes import NumType, RefType, ValType

_DEPTH: Final = 2


def extern_bits(token: int) -> int:
    """The reference to a host token."""
    return 2 * (token + 1) + 1


def reference_bits(ref: str, function: Callable[[str], Func | None]) -> int | None:
    """A reference from its identity; None where there is none such. ``function`` finds an exported function."""
    kind, _, rest = ref.partition(":")
    match kind:
        case "null":
            return 0
        case "extern" if rest.isdigit():
            return extern_bits(int(rest))
        case "i31" if rest.isdigit():
            return 2 * (int(rest) & 0x7FFFFFFF) + 1
        case "func":
            func = function(rest)
            return None if func is None else func.address
    return None


def reference_name(bits: int, type_: RefType, types: Types, instance: Instance | None, depth: int = _DEPTH) -> str:
    """The identity of a reference of a static type, as ``Value.ref`` states it.

    Functions go by ``instance``'s exports; structs and arrays show their contents to a depth.
    """
    if bits == 0:
        return "null"
    match types.top(type_.heap):
        case "func":
            if instance is not None and bits not in instance.store.funcs:
                return f"address {bits:#x}"
            name = instance.name_of(bits) if instance is not None else None
            return "func" if name is None else f"func:{name}"
        case "extern":
            return f"extern:{(bits >> 1) - 1}"
        case "exn":
            return "exn"
        case _ if bits & 1:
            return f"i31:{bits >> 1}"
    aggregate = instance.store.aggregates.get(bits) if instance is not None else None
    if aggregate is None:
        return f"address {bits:#x}"  # of nothing that there is: a compiler bug, and the judge is to see it
    return aggregate.show(depth, lambda b, r, t, d: reference_name(b, r, t, instance, d))


@lru_cache(maxsize=1024)
def _number_mask(types: tuple[ValType, ...]) -> tuple[int, tuple[tuple[int, RefType], ...]]:
    """The bits of packed slots that belong to numbers, and where the references are."""
    mask = 0
    refs = []
    for position, type_ in reversed(list(enumerate(types))):
        mask <<= 8 * SLOT
        if isinstance(type_, NumType):
            mask |= (1 << type_.bits) - 1
        else:
            refs.append((position, type_))
    return mask, tuple(reversed(refs))


@lru_cache(maxsize=1024)
def type_words(types: tuple[ValType, ...]) -> tuple[str, ...]:
    """The embedding's type words."""
    return tuple(type_.name if isinstance(type_, NumType) else "ref" for type_ in types)


def packed(
    types_of: tuple[ValType, ...], slots: bytes, types: Types, instance: Instance | None
) -> tuple[bytes, list[str]]:
    """Raw slots as the embedding packs them (zero above each number and for references), and the references' names."""
    mask, places = _number_mask(types_of)
    clean = (int.from_bytes(slots, "little") & mask).to_bytes(len(slots), "little")
    names = [
        reference_name(int.from_bytes(slots[SLOT * i : SLOT * i + 8], "little"), type_, types, instance)
        for i, type_ in places
    ]
    return clean, names


def returned(types_of: tuple[ValType, ...], slots: bytes, types: Types, instance: Instance | None) -> Returned:
    """Raw slots as a value of the embedding."""
    clean, names = packed(types_of, slots, types, instance)
    return Returned(type_words(types_of), clean, tuple(names))


def raw(types_of: tuple[ValType, ...], slots: bytes, refs: Sequence[str], types: Types, instance: Instance) -> bytes:
    """The slots that compiled code takes for packed arguments. Raises ``BadArgument``."""
    if all(isinstance(type_, NumType) for type_ in types_of):
        return slots
    out = bytearray(slots)
    names = iter(refs)
    for i, type_ in enumerate(types_of):
        if isinstance(type_, RefType):
            name = next(names)
            bits = reference_bits(name, instance.exported_func)
            if bits is None or not _fits(name, bits, type_, types, instance):
                raise BadArgument(f"ref:{name} is no {type_}")
            out[SLOT * i : SLOT * i + 8] = bits.to_bytes(8, "little")
    return bytes(out)


def _fits(name: str, bits: int, type_: RefType, types: Types, instance: Instance) -> bool:
    kind = name.partition(":")[0]
    if kind == "null":
        return type_.nullable
    if isinstance(type_.heap, int):
        func = instance.store.funcs.get(bits) if kind == "func" else None
        return func is not None and canonical_subtype(func.type_id, types.canonical_id(type_.heap))
    return type_.heap in {"extern": ("extern",), "i31": ("i31", "eq", "any"), "func": ("func",)}.get(kind, ())


def pack_arguments(args: tuple[Value, ...]) -> tuple[bytes, list[str]]:
    """Arguments as slots (references zero) and the references' identities in order."""
    slots = b"".join([arg.bits.to_bytes(SLOT, "little") for arg in args])
    return slots, [arg.ref for arg in args if arg.type == "ref"]


def to_value(type_: ValType, bits: int, types: Types, instance: Instance | None) -> Value:
    """One value for the embedding from the bits of its cell."""
    if isinstance(type_, NumType):
        return Value(type_.name, bits & (1 << type_.bits) - 1)
    return Value("ref", 0, reference_name(bits & (1 << 64) - 1, type_, types, instance))
