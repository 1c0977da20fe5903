"""Constants with which a rule holds, and constants beside them with which it does not: found by trying.

Candidates are edges of the type, the numbers that the rule itself names, and for a second constant what is related to
the first: equal, negated, complemented, what is left of the width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Final

from generators.enumeration.rows import MASKS
from generators.isle.program import All, Bind, Call, Int, Let, Rule, Term
from generators.rules.clif import shape
from generators.rules.trees import Hole, Leaf, Node, parts

_TRIES: Final = 3000
_KEPT: Final = 4
_FOUND: Final = 400
_FLOATS: Final = {
    "f32": (0x3F800000, 0, 0x80000000, 0xBF800000, 0x40000000, 0x3F000000, 0x7F800000, 0x1, 0x4F000000, 0xCF000000),
    "f64": (0x3FF0000000000000, 0, 1 << 63, 0xBFF0000000000000, 0x4000000000000000, 0x3FE0000000000000,
            0x7FF0000000000000, 1, 0x41E0000000000000, 0xC1E0000000000000),
}  # fmt: skip
_VECTORS: Final = (0, (1 << 128) - 1, int.from_bytes(bytes(range(16)), "little"), 0x80 << 56, (1 << 127),
                   int.from_bytes(b"\x01\x00\x00\x00" * 4, "little"))  # fmt: skip
_PLAIN: Final = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 24, 31, 32, 63, 64, 100, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF,
                 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)  # fmt: skip

Constants = tuple[int, ...]


def numbers_in(rule: Rule) -> list[int]:
    """The numbers that a rule names."""
    found: list[int] = []

    def look(term: Term) -> None:
        match term:
            case Int(value):
                found.append(value)
            case Bind(_, inner):
                look(inner)
            case All(items) | Call(_, items):
                for one in items:
                    look(one)
            case Let(names, body):
                for _, one in names:
                    look(one)
                look(body)

    look(rule.left)
    for condition in rule.conditions:
        look(condition.pattern)
        look(condition.value)
    return list(dict.fromkeys(found))


def holes_of(tree: Leaf | Node) -> dict[Hole, str]:
    """The constants of a tree whose types are known, in order, each with its type or what its lanes are of."""
    found: dict[Hole, str] = {}
    for part in parts(tree):
        if isinstance(part, Node):
            of = part.type if part.op in ("const", "insertlane", "shuffle") else None
            for arg in part.args:
                if isinstance(arg, Hole):
                    vector = part.args[0]
                    looked = of or (vector.type if isinstance(vector, Leaf | Node) else part.type)
                    found.setdefault(arg, str(looked))
    return found


def candidates(hole: Hole, type_: str, named: Sequence[int]) -> list[int]:
    """What a constant might be."""
    if hole.kind == "lane":
        return list(range(shape(type_).lanes))
    if hole.kind == "mask":
        return [int.from_bytes(bytes(mask), "little") for mask in MASKS]
    if type_ in _FLOATS:
        return list(_FLOATS[type_])
    bits = shape(type_).whole
    if shape(type_).lanes > 1:
        return list(_VECTORS)
    mask = (1 << bits) - 1
    own = [one & mask for number in named for one in (number, number + 1, number - 1)]
    edges = [bits - 1, bits, bits // 2, mask, mask - 1, mask >> 1, (mask >> 1) + 1, mask // 3, mask ^ 0xFF]
    return list(dict.fromkeys([*own, *(one & mask for one in (*_PLAIN, *edges))]))


def _related(first: int, type_: str, named: Sequence[int]) -> list[int]:
    """What a constant might be beside another one."""
    parts_ = shape(type_)
    if parts_.floating or parts_.lanes > 1:
        return []
    bits, mask = parts_.bits, (1 << parts_.bits) - 1
    near = (first, ~first, -first, first + 1, first - 1, bits - first, 2 * first, first >> 1, bits - 1 - first,
            1 << first % bits, (1 << first % bits) - 1, 0, 1, mask, mask >> 1)  # fmt: skip
    return list(dict.fromkeys(one & mask for one in (*near, *named)))


def _tried(holes: Sequence[tuple[Hole, str]], named: Sequence[int], hints: Mapping[Hole, int]) -> Iterator[Constants]:
    """Lists of constants; those that the pattern itself names (``hints``) are what it says."""
    plain = [_hinted(hints[hole], type_) if hole in hints else candidates(hole, type_, named) for hole, type_ in holes]
    open_ = [at for at, (hole, _) in enumerate(holes) if hole not in hints]
    if not open_:
        yield from product(*plain)
        return
    for one in plain[open_[0]]:
        choices = []
        for at, (hole, type_) in enumerate(holes):
            if at == open_[0]:
                choices.append([one])
            elif hole in hints:
                choices.append(plain[at])
            else:
                near = _related(one, type_, named) if hole.kind == "const" else []
                whole = list(dict.fromkeys([*near, *plain[at]]))
                choices.append(whole if len(open_) == 2 else whole[:16])
        yield from product(*choices)


def _hinted(value: int, type_: str) -> list[int]:
    bits = shape(type_).whole
    return [value & (1 << bits) - 1]


def solved(
    tree: Leaf | Node,
    rule: Rule,
    holds: Callable[[Mapping[object, object]], bool],
    hints: Mapping[Hole, int],
) -> tuple[list[Constants], list[Constants]]:
    """Up to four lists of constants with which the rule holds, and up to four with which it just does not."""
    holes = list(holes_of(tree).items())
    if not holes:
        return ([()] if holds({}) else []), []
    named = numbers_in(rule)

    def fits(values: Constants) -> bool:
        return holds({hole: value for (hole, _), value in zip(holes, values, strict=True)})

    inside = list(islice(filter(fits, islice(_tried(holes, named, hints), _TRIES)), _FOUND))
    step = max(1, len(inside) // _KEPT)
    kept = inside[step // 2 :: step][:_KEPT]
    outside: dict[Constants, None] = {}
    for values in kept:
        for at, (hole, type_) in enumerate(holes):
            for other in _neighbours(values[at], hole, type_):
                changed = (*values[:at], other, *values[at + 1 :])
                if len(outside) < _KEPT and changed not in outside and not fits(changed):
                    outside[changed] = None
                    break
    return kept, list(outside)


def _neighbours(value: int, hole: Hole, type_: str) -> list[int]:
    if hole.kind != "const" or shape(type_).floating:
        return [one for one in candidates(hole, type_, ()) if one != value][:4]
    bits = shape(type_).whole
    mask = (1 << bits) - 1
    near = (value + 1, value - 1, ~value, value ^ 1 << bits - 1, -value, value ^ 1, 0, 1)
    return [one & mask for one in near if one & mask != value]
