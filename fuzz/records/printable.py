"""Text of engines and files, made harmless for where it is shown.

What an engine says, and what a bundle or a file's name holds, is written by others: an escape sequence would move the
cursor of a terminal or rename its window, a line break would make a line of ours out of theirs, an override of the
direction of text would show other words than there are. ``fuzz.cli.streams`` sees to control characters in all that
commands print; what is *one line* there is the business of whoever writes it, by these functions
(``fuzz.records.markdown_text`` has those for Markdown):

    one_line('ok\\n\\x1b[2Jfuzz: all agree')    'ok \\\\x1b[2Jfuzz: all agree'
"""

from __future__ import annotations

from collections.abc import Iterator


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
