"""Shuffle patterns that x86-64 has one instruction for, and some that are close to them."""

from __future__ import annotations

import random
from collections.abc import Iterator

Pattern = tuple[int, ...]


def groups(picks: list[int]) -> Pattern:
    """The byte pattern of a pattern of words (8 picks) or doublewords (4 picks)."""
    size = 16 // len(picks)
    return tuple(pick * size + i for pick in picks for i in range(size))


def interleaving(size: int, high: bool, first: int, second: int) -> Pattern:
    """punpck: units of ``size`` bytes of two operands that begin at ``first`` and ``second``, in turns."""
    start = 8 if high else 0
    return tuple(
        base + step + i for step in range(start, start + 8, size) for base in (first, second) for i in range(size)
    )


def single_instruction() -> Iterator[tuple[str, Pattern]]:
    """(mnemonic, pattern)"""
    yield "movaps", tuple(range(16))
    yield "movaps", tuple(range(16, 32))
    for picks in ([3, 2, 1, 0], [0, 0, 0, 0], [1, 3, 3, 2]):
        yield "pshufd", groups(picks)
        yield "pshufd", groups([pick + 4 for pick in picks])
    yield "pshuflw", groups([3, 1, 0, 2, 4, 5, 6, 7])
    yield "pshufhw", groups([8, 9, 10, 11, 15, 13, 12, 12])
    for size, letters in ((1, "bw"), (2, "wd"), (4, "dq"), (8, "qdq")):
        for high in (False, True):
            for first, second in ((0, 16), (16, 0)):
                name = f"punpck{'h' if high else 'l'}{letters}"
                yield name, interleaving(size, high, first, second)
    for size, letters in ((1, "bw"), (2, "wd")):
        yield f"punpckl{letters}", interleaving(size, False, 0, 0)
        yield f"punpckh{letters}", interleaving(size, True, 16, 16)
    for start in (1, 7, 15, 17, 24, 31):
        yield "palignr", tuple((start + i) % 32 for i in range(16))
    for start in (1, 5, 15):
        yield "palignr", tuple((start + i) % 16 for i in range(16))
    yield "pblendw", groups([0, 9, 2, 11, 12, 5, 6, 15])
    yield "pblendw", groups([8, 1, 2, 3, 4, 5, 6, 7])
    yield "shufps", groups([1, 3, 4, 6])
    yield "shufps", groups([7, 7, 0, 2])


def patterns() -> list[Pattern]:
    """All of the above, each also with one byte changed; every rotation; random doublewords and words."""
    source = random.Random("patterns")
    found = [pattern for _, pattern in single_instruction()]
    for pattern in list(found):
        changed = list(pattern)
        changed[source.randrange(16)] = source.randrange(32)
        found.append(tuple(changed))
    found += [tuple((start + i) % 32 for i in range(16)) for start in range(32)]
    found += [groups([source.randrange(8) for _ in range(4)]) for _ in range(20)]
    found += [groups([source.randrange(16) for _ in range(8)]) for _ in range(10)]
    found += [tuple(source.randrange(16) for _ in range(16)), tuple(source.randrange(16, 32) for _ in range(16))]
    return list(dict.fromkeys(found))
