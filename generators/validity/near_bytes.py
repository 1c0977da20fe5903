"""Small damage to a module's bytes: values, lengths, the order of sections, numbers in longer forms than needed.

Damage inside of a section or a function body mostly comes with the sizes around it put right: otherwise a reader would
stop at the size and never get to what is odd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from generators.choices import ChoiceSource, weighted
from wasm.leb import unsigned

_HEADER: Final = 8
_CODE: Final = 10
_MOST_BODIES: Final = 1 << 21
_BYTES: Final = (
    0x00, 0x01, 0x02, 0x7F, 0x80, 0xFF, 0x40, 0x0B, 0x05, 0x60, 0x5F, 0x5E, 0x50, 0x4F, 0x4E, 0x63, 0x64, 0x70, 0x6F,
    0x6E, 0x69, 0x7B, 0x7C, 0x7D, 0x7E, 0x78, 0x77, 0xFB, 0xFC, 0xFD, 0xFE, 0x41, 0x23, 0xD2, 0x1F, 0x06,
)  # fmt: skip
"""Bytes that mean something: ends of ranges, type codes, prefixes, opcodes of constants and blocks."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its id and what stands behind its size."""

    id: int
    content: bytes

    def bytes(self) -> bytes:
        """The section as it stands in a module."""
        return bytes((self.id,)) + unsigned(len(self.content)) + self.content


def sections_of(module: bytes) -> list[Section]:
    """The sections of a module that is well-formed as far as its sections' headers go."""
    sections, at = [], _HEADER
    while at < len(module):
        size, start = read_unsigned(module, at + 1)
        sections.append(Section(module[at], module[start : start + size]))
        at = start + size
    return sections


def read_unsigned(data: bytes, at: int) -> tuple[int, int]:
    """A LEB128 number and where it ends; zeros past the end of the data."""
    value = shift = 0
    while True:
        byte = data[at] if at < len(data) else 0
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80 or shift > 63:
            return value, at


def damaged(source: ChoiceSource, module: bytes) -> bytes:
    """The module with one piece of damage, seldom two."""
    for _ in range(1 + source.one_in(8)):
        module = source.weighted(_WAYS)(source, module)
    return module


# --- where ---


def _anywhere(source: ChoiceSource, module: bytes) -> bytes:
    """No size is put right."""
    return source.weighted(_EDITS)(source, module)


def _in_section(source: ChoiceSource, module: bytes) -> bytes:
    """Inside of a section, whose size is put right."""
    sections = sections_of(module)
    if not sections:
        return _anywhere(source, module)
    at = source.below(len(sections))
    sections[at] = Section(sections[at].id, source.weighted(_EDITS)(source, sections[at].content))
    return _joined(module, sections)


def _in_body(source: ChoiceSource, module: bytes) -> bytes:
    """Inside of a function body, whose size and section's size are put right."""
    sections = sections_of(module)
    at = next((i for i, section in enumerate(sections) if section.id == _CODE), None)
    if at is None:
        return _in_section(source, module)
    content = sections[at].content
    count, start = read_unsigned(content, 0)
    bodies: list[bytes] = []
    # Earlier damage may have left a count that nothing stands behind. What is missing reads as empty, as far as that
    # can be written down.
    while len(bodies) < count and (start < len(content) or count < _MOST_BODIES):
        size, begin = read_unsigned(content, start)
        bodies.append(content[begin : begin + size])
        start = begin + size
    if not bodies:
        return _in_section(source, module)
    which = source.below(len(bodies))
    bodies[which] = source.weighted(_EDITS)(source, bodies[which])
    sections[at] = Section(_CODE, unsigned(count) + b"".join(unsigned(len(body)) + body for body in bodies))
    return _joined(module, sections)


def _joined(module: bytes, sections: list[Section]) -> bytes:
    return module[:_HEADER] + b"".join(section.bytes() for section in sections)


def _sections(source: ChoiceSource, module: bytes) -> bytes:
    """The sections themselves: order, number, ids, sizes, counts, custom ones between them."""
    sections = sections_of(module)
    if not sections:
        return module + source.bytes(2)
    at, other = source.below(len(sections)), source.below(len(sections))
    match source.pick(("order", "missing", "twice", "id", "custom", "empty", "size", "count")):
        case "order":
            sections[at], sections[other] = sections[other], sections[at]
        case "missing":
            del sections[at]
        case "twice":
            sections.insert(other, sections[at])
        case "id":
            sections[at] = Section(source.below(16), sections[at].content)
        case "custom":
            sections.insert(at, Section(0, _custom(source)))
        case "empty":
            sections.insert(at, Section(source.between(1, 13), b"\0"))
        case "size":
            return _wrong_size(source, module, sections, at)
        case "count":
            count, start = read_unsigned(sections[at].content, 0)
            wrong = max(0, count + source.pick((-1, 1, 127, 1 << 31)))
            sections[at] = Section(sections[at].id, unsigned(wrong & 0xFFFFFFFF) + sections[at].content[start:])
    return _joined(module, sections)


def _wrong_size(source: ChoiceSource, module: bytes, sections: list[Section], at: int) -> bytes:
    """One section's size wrong by one, huge, or in a longer form than needed."""
    before = module[:_HEADER] + b"".join(section.bytes() for section in sections[:at])
    after = b"".join(section.bytes() for section in sections[at + 1 :])
    size = len(sections[at].content)
    by = source.pick((-1, 1, 1 << 31, None))
    number = padded(size, source.between(2, 6)) if by is None else unsigned(max(0, size + by))
    return before + bytes((sections[at].id,)) + number + sections[at].content + after


def _custom(source: ChoiceSource) -> bytes:
    """A custom section's content: its name well-formed or not, then anything."""
    name = source.pick((b"x", b"", b"name", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"))
    size = unsigned(len(name)) if source.chance(3, 4) else source.pick((b"\x7f", b"\x80", b""))
    return size + name + source.bytes(source.below(4))


def _header(source: ChoiceSource, module: bytes) -> bytes:
    at = source.below(_HEADER)
    return module[:at] + bytes((source.pick((0, 1, 2, 0xD, 0xFF)),)) + module[at + 1 :]


# --- what ---


def _place(source: ChoiceSource, data: bytes) -> int:
    return source.below(max(1, len(data)))


def _flip(source: ChoiceSource, data: bytes) -> bytes:
    at = _place(source, data)
    return data[:at] + bytes(byte ^ 1 << source.below(8) for byte in data[at : at + 1]) + data[at + 1 :]


def _step(source: ChoiceSource, data: bytes) -> bytes:
    """One more or one less: an index or a count just past what there is."""
    at = _place(source, data)
    by = source.pick((1, -1))
    return data[:at] + bytes(byte + by & 0xFF for byte in data[at : at + 1]) + data[at + 1 :]


def _set(source: ChoiceSource, data: bytes) -> bytes:
    at = _place(source, data)
    return data[:at] + bytes((source.pick(_BYTES),)) + data[at + 1 :]


def _insert(source: ChoiceSource, data: bytes) -> bytes:
    at = source.below(len(data) + 1)
    return data[:at] + bytes(source.pick(_BYTES) for _ in range(source.between(1, 3))) + data[at:]


def _delete(source: ChoiceSource, data: bytes) -> bytes:
    at = _place(source, data)
    return data[:at] + data[at + source.between(1, 3) :]


def _cut(source: ChoiceSource, data: bytes) -> bytes:
    return data[: source.below(len(data) + 1)]


def _repeat(source: ChoiceSource, data: bytes) -> bytes:
    at = _place(source, data)
    piece = data[at : at + source.between(1, 6)]
    return data[:at] + piece + data[at:]


def _pad(source: ChoiceSource, data: bytes) -> bytes:
    """A byte that may be a number of its own, as a number of more bytes than needed, or of too many."""
    at = _place(source, data)
    if at >= len(data) or data[at] >= 0x80:
        return data
    width = source.pick((2, 5, 3, 6, 10, 11))
    filler = 0xFF if data[at] & 0x40 and source.one_in(2) else 0x80
    last = source.pick((0x7F if filler == 0xFF else 0x00, 0x10, 0x0F, 0x70))
    return data[:at] + bytes((data[at] | 0x80, *(filler,) * (width - 2), last)) + data[at + 1 :]


def padded(value: int, width: int) -> bytes:
    """An unsigned number in ``width`` bytes, however few it takes."""
    digits = [value >> 7 * i & 0x7F for i in range(width)]
    return bytes(digit | 0x80 for digit in digits[:-1]) + bytes(digits[-1:])


_Edit = Callable[[ChoiceSource, bytes], bytes]

_EDITS: Final = weighted(
    (_flip, 40), (_step, 50), (_set, 50), (_insert, 30), (_delete, 30), (_pad, 36), (_repeat, 12), (_cut, 8)
)
"""What is done to a row of bytes."""

_WAYS: Final = weighted(
    (_in_section, 100), (_in_body, 90), (_sections, 36), (_anywhere, 24), (_header, 6)
)  # fmt: skip
"""Which bytes it is done to, or ``_sections`` as a whole."""
