"""Text of engines and files, made harmless for where it is shown.

What an engine says, and what a bundle or a file's name holds, is written by others: an escape sequence would move the
cursor of a terminal or rename its window, a line break would make a line of ours out of theirs, an override of the
direction of text would show other words than there are, and in Markdown a bar, a backtick or a tag would break out of
its cell. ``fuzz.cli.streams`` sees to control characters in all that commands print; what is *one line* there, and
Markdown, is the business of whoever writes it, by these functions:

    one_line('ok\\n\\x1b[2Jfuzz: all agree')    'ok \\\\x1b[2Jfuzz: all agree'
    markdown('a|b <b>*c*')                    'a\\\\|b \\\\<b\\\\>\\\\*c\\\\*'
    code('a`b')                               '``a`b``'
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_MARKDOWN: Final = re.compile(
    r"[\\`*\[\]<>|~&]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"  # anywhere; an underscore inside a word is no emphasis
    r"|^#|^[-+=](?=[ =-]|$)|(?<=^[0-9])[.)](?= )|(?<=^[0-9]{2})[.)](?= )"  # at the beginning: headings, lists, rules
)
_TICKS: Final = re.compile("`+")


def printable(text: str) -> str:
    """Text without control characters, line breaks, overrides of direction, characters of no width and halves of
    characters: each is shown as Python would write it."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def printable_lines(text: str) -> str:
    """``printable``, but line feeds and tabs stay."""
    if "\t" in text:
        return "\t".join(map(printable_lines, text.split("\t")))
    return "\n".join(map(printable, text.split("\n")))


def _escaped(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")


def text_lines(text: str) -> Iterator[str]:
    """The lines of a text whatever ends them, each printable, tabs as spaces."""
    for line in text.splitlines():
        yield printable(line.expandtabs(4)).rstrip()


def one_line(text: str, most: int = 0) -> str:
    """A text as one printable line; of more than ``most`` characters (if that is not 0) the first ones."""
    line = printable(" ".join(text.split()))
    return line if not most or len(line) <= most else line[: most - 3] + "..."


def markdown(text: str) -> str:
    """A text as one line of Markdown that shows it as it is: in a paragraph, a list, a heading or a table's cell."""
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def code(text: str) -> str:
    """A text as a Markdown code span, which it cannot end. Not for cells of tables, where a bar would."""
    line = one_line(text)
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"
