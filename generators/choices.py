"""One source of choices behind every generator: a seeded stream, a replay, a fuzzer's raw bytes, or one binary draw.

A stream is a string of bytes read from the front; a choice takes a fixed number of bytes that depends only on how many
alternatives there are, and is never rejected and drawn again. The choice is monotone in the bytes: smaller bytes,
smaller choice, and every generator puts its simplest alternative first, so lowering bytes simplifies. What lies past
the end reads as zero.

The seeded form expands a key with SHAKE-128 (FIPS 202), so that the same seed gives the same program on every machine,
Python version and ``PYTHONHASHSEED``. Sub-streams (``fork``) have keys of their own: an edit in one function's choices
leaves the others alone.

The byte form (``recorded``, ``replay``) is a row of segments, the main stream first and then each fork in the order in
which it was made: a length in units of 8 bytes (one byte, or 255 and two bytes, big-endian), then the bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import blake2b, shake_128
from typing import Final, TypeVar, final

T = TypeVar("T")

_UNIT: Final = 8
_LONG: Final = 255
_FIRST_BLOCK: Final = 256
_LARGEST_BLOCK: Final = 8192
_NARROW: Final = 16
_MEDIUM: Final = 4096
_LARGE: Final = 1 << 20


@final
class ChoiceSource:
    """A stream of choices; made by ``seeded`` or ``replay``, never directly."""

    __slots__ = ("_data", "_family", "_key", "_position")

    def __init__(self, data: bytes, key: bytes | None, family: _Family) -> None:
        self._data = data
        self._key = key
        self._position = 0
        self._family = family
        family.streams.append(self)

    @staticmethod
    def seeded(*key: str | int, stratum: int | None = None) -> ChoiceSource:
        """An endless stream that depends on nothing but ``key``.

        ``stratum`` (16 bits) replaces the first two bytes of the main stream: a caller that makes many programs passes
        a low-discrepancy sequence, so that the first choice covers its range evenly even in a short run.
        """
        text = "\x00".join(map(str, key))
        root = blake2b(text.encode(), digest_size=16).digest()
        data = shake_128(root).digest(_FIRST_BLOCK)
        if stratum is not None:
            data = (stratum & 0xFFFF).to_bytes(2, "big") + data[2:]
        return ChoiceSource(data, root, _Family(b""))

    @staticmethod
    def replay(data: bytes) -> ChoiceSource:
        """The stream that any bytes stand for: what ``recorded`` gave, or a fuzzer's input."""
        family = _Family(data)
        return ChoiceSource(family.next_segment(), None, family)

    def recorded(self) -> bytes:
        """The choices made so far by this stream's whole family, in the form that ``replay`` reads."""
        return b"".join(_segment(stream._data[: stream._position]) for stream in self._family.streams)

    def fork(self, label: str | int) -> ChoiceSource:
        """An independent sub-stream; ``label`` must be new within this stream."""
        if self._key is None:
            return ChoiceSource(self._family.next_segment(), None, self._family)
        key = blake2b(str(label).encode(), digest_size=16, key=self._key).digest()
        return ChoiceSource(shake_128(key).digest(_FIRST_BLOCK), key, self._family)

    def _more(self, end: int) -> bytes:
        """Make the stream at least ``end`` bytes long."""
        while len(self._data) < end:
            have = len(self._data)
            if self._key is None:
                self._data += bytes(_FIRST_BLOCK)
                continue
            block = shake_128(self._key + have.to_bytes(8, "big")).digest(min(have, _LARGEST_BLOCK))
            self._data += block
        return self._data

    def below(self, n: int) -> int:
        """A number in 0..n-1, 1 <= n <= 2**48. Takes 1 byte up to 16 alternatives, 2 to 4096, 4 to 2**20, else 8."""
        data, position = self._data, self._position
        if n <= _NARROW:
            self._position = end = position + 1
            if end > len(data):
                data = self._more(end)
            return data[position] * n >> 8
        if n <= _MEDIUM:
            self._position = end = position + 2
            if end > len(data):
                data = self._more(end)
            return (data[position] << 8 | data[position + 1]) * n >> 16
        width = 4 if n <= _LARGE else 8
        return self.bits(8 * width) * n >> 8 * width

    def bits(self, count: int) -> int:
        """A number of ``count`` bits; ``count`` is a multiple of 8."""
        position = self._position
        self._position = end = position + (count >> 3)
        data = self._data
        if end > len(data):
            data = self._more(end)
        return int.from_bytes(data[position:end], "big")

    def bytes(self, count: int) -> bytes:
        """``count`` bytes of the stream."""
        return self.bits(8 * count).to_bytes(count, "big")

    def between(self, low: int, high: int) -> int:
        """A number in low..high, both included; ``low`` is the simplest."""
        return low + self.below(high - low + 1)

    # The four below are most of all draws. They read the one byte of a narrow choice themselves, as ``below`` would:
    # a call less for each makes generation a twentieth faster.

    def chance(self, numerator: int, denominator: int) -> bool:
        """True with the given probability; False is simpler."""
        if denominator > _NARROW:
            return self.below(denominator) >= denominator - numerator
        position = self._position
        self._position = end = position + 1
        data = self._data
        if end > len(data):
            data = self._more(end)
        return data[position] * denominator >> 8 >= denominator - numerator

    def one_in(self, n: int) -> bool:
        """True once in ``n`` times; False is simpler. The same choice as ``chance(1, n)``."""
        if n > _NARROW:
            return self.below(n) == n - 1
        position = self._position
        self._position = end = position + 1
        data = self._data
        if end > len(data):
            data = self._more(end)
        return data[position] * n >> 8 == n - 1

    def pick(self, items: Sequence[T]) -> T:
        """One of ``items``; the first is the simplest."""
        n = len(items)
        if n > _NARROW:
            return items[self.below(n)]
        position = self._position
        self._position = end = position + 1
        data = self._data
        if end > len(data):
            data = self._more(end)
        return items[data[position] * n >> 8]

    def weighted(self, table: Weighted[T]) -> T:
        """One entry of a weighted table (1 byte)."""
        position = self._position
        self._position = end = position + 1
        data = self._data
        if end > len(data):
            data = self._more(end)
        return table[data[position]]


Weighted = tuple[T, ...]
"""256 entries: an item as often as its weight asks, simplest first."""


def weighted(*pairs: tuple[T, int]) -> Weighted[T]:
    """A table for ``ChoiceSource.weighted``; an item with a positive weight gets at least one entry of 256."""
    pairs = tuple((item, weight) for item, weight in pairs if weight > 0)
    total = sum(weight for _, weight in pairs)
    if not total or len(pairs) > 256:
        raise ValueError("a weighted table takes 1 to 256 items with positive weights")
    counts = [max(1, round(256 * weight / total)) for _, weight in pairs]
    counts[counts.index(max(counts))] += 256 - sum(counts)
    return tuple(item for (item, _), count in zip(pairs, counts, strict=True) for _ in range(count))


def shares(*pairs: tuple[T, int]) -> tuple[T, ...]:
    """A table for ``pick``: each item as many times as it has shares, simplest first.

    ``pick(shares(("plain", 3), ("typed", 1)))`` is ``typed`` once in four times; up to 16 shares in all take one byte.
    """
    return tuple(item for item, count in pairs for _ in range(count))


@final
class _Family:
    """The streams that came out of one root, and the bytes that later forks of a replay will read."""

    __slots__ = ("data", "position", "streams")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.streams: list[ChoiceSource] = []

    def next_segment(self) -> bytes:
        """The bytes of the next fork of a replay, or of its main stream; none past the end."""
        data, position = self.data, self.position
        if position >= len(data):
            return b""
        units = data[position]
        position += 1
        if units == _LONG:
            units = int.from_bytes(data[position : position + 2].ljust(2, b"\0"), "big")
            position += 2
        self.position = position + units * _UNIT
        return data[position : self.position]


def _segment(data: bytes) -> bytes:
    data = data.rstrip(b"\0")
    units = -(-len(data) // _UNIT)
    if units >= 1 << 16:
        raise ValueError("a stream of over 512 KiB has no byte form")
    head = bytes([units]) if units < _LONG else b"\xff" + units.to_bytes(2, "big")
    return head + data.ljust(units * _UNIT, b"\0")


def spread(items: Iterable[T], size: int) -> tuple[T, ...]:
    """``size`` entries that sample ``items`` evenly in order: an inverse cumulative distribution."""
    rows = list(items)
    return tuple(rows[i * len(rows) // size] for i in range(size))
