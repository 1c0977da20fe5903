"""The text of rule files: words with their places, and lists of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from wasm.errors import UserError

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|;[^\n]*)
      | (?P<open>\()
      | (?P<close>\))
      | (?P<at>@)
      | (?P<text>"[^"]*")
      | (?P<int>[+-]?(?:0x[0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+|\d[\d_]*)(?=[\s()@;]|$))
      | (?P<word>[^\s()@;"]+)""",
    re.VERBOSE,
)


class RuleSyntaxError(UserError):
    """A rule file that is not one: where, and what stands there."""


@dataclass(frozen=True, slots=True)
class Word:
    """A symbol, or ``@``; ``line`` counts from 1."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Number:
    value: int
    line: int


@dataclass(frozen=True, slots=True)
class Group:
    """What stands between parentheses; ``line`` is the opening one's."""

    items: tuple[Form, ...]
    line: int

    @property
    def head(self) -> str:
        """The first word; "" if there is none."""
        return self.items[0].text if self.items and isinstance(self.items[0], Word) else ""


Form: TypeAlias = Word | Number | Group


def read_forms(text: str, name: str) -> list[Form]:
    """All forms of a file called ``name``. Raises ``RuleSyntaxError``."""
    text = _without_block_comments(text)
    stack: list[tuple[int, list[Form]]] = [(0, [])]
    line = 1
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise RuleSyntaxError(f"{name}:{line}: {text[at : at + 20]!r} is no word of a rule file")
        kind, said = found.lastgroup, found[0]
        at = found.end()
        if kind == "open":
            stack.append((line, []))
        elif kind == "close":
            if len(stack) == 1:
                raise RuleSyntaxError(f"{name}:{line}: a parenthesis closes that was never opened")
            start, items = stack.pop()
            stack[-1][1].append(Group(tuple(items), start))
        elif kind == "int":
            stack[-1][1].append(Number(int(said.replace("_", ""), 0), line))
        elif kind in ("word", "at", "text"):
            stack[-1][1].append(Word(said, line))
        line += said.count("\n")
    if len(stack) > 1:
        raise RuleSyntaxError(f"{name}:{stack[-1][0]}: a parenthesis is never closed")
    return stack[0][1]


_BLOCK: Final = re.compile(r"\(;(?!;)|;\)|;[^\n]*")
"""``(;;`` is a parenthesis and a line comment: rule files from before there were block comments have it."""


def _without_block_comments(text: str) -> str:
    """The text with ``(; ... ;)``, which nest, as empty lines; line comments may hold their marks."""
    if "(;" not in text:
        return text
    kept: list[str] = []
    depth = start = 0
    at = 0
    while found := _BLOCK.search(text, at):
        said = found[0]
        at = found.end()
        if said == "(;":
            if not depth:
                kept.append(text[start : found.start()])
                start = found.start()
            depth += 1
        elif said.startswith(";)") and depth:
            at = found.start() + 2
            depth -= 1
            if not depth:
                kept.append("\n" * text.count("\n", start, at))
                start = at
        elif depth:
            at = found.start() + 1  # a semicolon in a comment says nothing
    return "".join(kept) + ("" if depth else text[start:])
