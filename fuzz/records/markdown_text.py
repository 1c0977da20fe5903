"""Text of engines and files in Markdown, where a bar, a backtick or a tag would break out of its place.

markdown('a|b <b>*c*')    'a\\|b \\<b\\>\\*c\\*'
code('a`b')               '``a`b``'
"""

from __future__ import annotations

import re
from typing import Final

from fuzz.records.printable import one_line, printable_lines

_MARKDOWN: Final = re.compile(
    r"[\\`*\[\]<>|~&]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])"  # anywhere; an underscore inside a word is no emphasis
    r"|^#|^[-+=](?=[ =-]|$)|(?<=^[0-9])[.)](?= )|(?<=^[0-9]{2})[.)](?= )"  # at the beginning: headings, lists, rules
)
_TICKS: Final = re.compile("`+")


def markdown(text: str) -> str:
    """A text as one line of Markdown that shows it as it is: in a paragraph, a list, a heading or a table's cell."""
    return _MARKDOWN.sub(r"\\\g<0>", one_line(text))


def code(text: str) -> str:
    """A text as a Markdown code span, which it cannot end. Not for cells of tables, where a bar would."""
    line = one_line(text)
    fence = "`" * (max(map(len, _TICKS.findall(line)), default=0) + 1)
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def code_block(text: str) -> str:
    """Lines of text as a Markdown code block, which they cannot end."""
    shown = printable_lines(text)
    fence = "`" * max(3, max(map(len, _TICKS.findall(shown)), default=0) + 1)
    return f"{fence}\n{shown}\n{fence}"
