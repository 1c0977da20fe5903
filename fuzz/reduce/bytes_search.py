"""Reducing raw bytes (cases about what is a module at all): cuts that know sections, then delta debugging on bytes.

The bytes need not be a module; but where they begin like one, a section is cut with its header, alone or with another
one (functions and code go together), and a cut inside a section is also tried with sizes put right: the section's own,
that of a name, a string or a body around the cut, and the section's count of items.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fuzz.reduce.cache import Answers
from fuzz.reduce.engine import Meter, PassStats, Predicate, Progress
from wasm.case import Case, CaseKind
from wasm.feature_use import features_of_bytes

HEADER = 8


@dataclass(frozen=True, slots=True)
class Section:
    """A section by where it stands: its id, its content's first byte, and the byte after it."""

    start: int
    content: int
    end: int


def sections(data: bytes) -> list[Section]:
    """The sections as far as their headers can be read."""
    read, position = [], HEADER
    while position < len(data):
        size, shift, at = 0, 0, position + 1
        while at < len(data) and shift < 35:
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if not data[at - 1] & 0x80:
                break
        else:
            break
        end = at + size
        if end > len(data):
            break
        read.append(Section(position, at, end))
        position = end
    return read


def leb(value: int) -> bytes:
    """Unsigned LEB128 (spec 5.2.2)."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def resized(data: bytes, section: Section, content: bytes) -> bytes:
    """The bytes with a section's content replaced and its size put right."""
    head = data[: section.start + 1] + leb(len(content))
    return head + content + data[section.end :]


class ByteSearch:
    """The best bytes so far; smaller is better, then lower in lexicographic order."""

    def __init__(
        self, case: Case, is_interesting: Predicate, meter: Meter, answers: Answers, on_progress: Progress | None
    ) -> None:
        self.best, self.is_interesting, self.meter, self.answers = case, is_interesting, meter, answers
        self.on_progress = on_progress
        self.stats = PassStats()

    @property
    def data(self) -> bytes:
        return self.best.content

    def ask(self, case: Case) -> bool:
        """The predicate's answer, from the cache or by a run. Raises ``OutOfBudget``."""
        digest = case.digest
        known = self.answers.get(digest)
        if known is not None:
            self.meter.cached += 1
            return known
        self.meter.check()
        self.meter.runs += 1
        self.stats.runs += 1
        known = self.is_interesting(case)
        self.answers.put(digest, known)
        return known

    def consider(self, data: bytes) -> bool:
        """Take the bytes if they are better and interesting."""
        self.stats.candidates += 1
        if (len(data), data) >= (len(self.data), self.data):
            self.stats.larger += 1
            return False
        case = self.best.with_content(data)
        if case.kind is CaseKind.BYTES:
            case = replace(case, features=features_of_bytes(data))
        if not self.ask(case):
            return False
        self.stats.accepted += 1
        self.stats.saved += len(self.data) - len(data)
        self.best = case
        self.meter.trace.append((self.meter.runs, len(data)))
        self.answers.best(case)
        if self.on_progress is not None:
            self.on_progress(self.meter.runs, len(data))
        return True


def reduce_bytes(search: ByteSearch) -> None:
    """Cut until no single cut and no simpler byte is interesting. Raises ``OutOfBudget``."""
    while True:
        before = search.data
        _cut_sections(search)
        _cut_contents(search)
        _cut_bytes(search)
        _simplify(search)
        if search.data == before:
            return


def _cut_sections(search: ByteSearch) -> None:
    """Cut single sections from the last to the first, then pairs."""
    for k in reversed(range(len(sections(search.data)))):
        _cut(search, k)
    count = len(sections(search.data))
    for first in reversed(range(count)):
        for second in reversed(range(first + 1, count)):
            _cut(search, first, second)


def _cut(search: ByteSearch, *numbers: int) -> None:
    whole = sections(search.data)
    if numbers[-1] < len(whole):
        data = search.data
        for k in reversed(numbers):
            data = data[: whole[k].start] + data[whole[k].end :]
        search.consider(data)


def _windows(length: int, least: int = 1) -> Iterator[tuple[int, int]]:
    """(first, size) of chunks: all of it, halves, quarters, down to ``least`` bytes, each from the end backwards."""
    size = length
    while size >= max(1, least):
        for first in range(max(0, length - size), -1, -size):
            yield first, size
        size = 0 if size == 1 else (size + 1) // 2


def _cut_contents(search: ByteSearch) -> None:
    """Cut inside each section and put sizes right."""
    for k in range(len(sections(search.data))):
        for content in _shorter_contents(search, k):
            whole = sections(search.data)
            search.consider(resized(search.data, whole[k], content))


def _content(search: ByteSearch, k: int) -> bytes:
    whole = sections(search.data)
    return search.data[whole[k].content : whole[k].end] if k < len(whole) else b""


def _shorter_contents(search: ByteSearch, k: int) -> Iterator[bytes]:
    """Contents for section ``k``, each made from what it is by then."""
    at = 0
    while at < len(_content(search, k)):
        content = _content(search, k)
        length = content[at] if at + content[at] < len(content) else 0
        for first, size in _windows(length if length < 0x80 else 0, length // 16):
            content = _content(search, k)
            if at < len(content) and first < content[at] and at + content[at] < len(content):
                size = min(size, content[at] - first)
                cut = at + 1 + first
                yield content[:at] + bytes((content[at] - size,)) + content[at + 1 : cut] + content[cut + size :]
        at += 1
    for first, size in _windows(len(_content(search, k))):
        content = _content(search, k)
        if first < len(content):
            yield content[:first] + content[first + size :]
        content = _content(search, k)
        if 0 < first < len(content) and content[0]:
            yield bytes((content[0] - 1,)) + content[1:first] + content[first + size :]


def _cut_bytes(search: ByteSearch) -> None:
    for first, size in _windows(len(search.data)):
        if first < len(search.data):
            search.consider(search.data[:first] + search.data[first + size :])


def _simplify(search: ByteSearch) -> None:
    """Set bytes to zero, else clear their upper bits."""
    for k in range(len(search.data)):
        for value in (0, search.data[k] & 0x0F):
            if k < len(search.data) and value < search.data[k]:
                search.consider(search.data[:k] + bytes((value,)) + search.data[k + 1 :])
