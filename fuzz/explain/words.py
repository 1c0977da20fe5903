"""An explanation in words: a screen for a terminal, a page for the bundle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fuzz.records.explanation import Explanation, Operation
from fuzz.records.markdown_text import fenced
from fuzz.records.printable import one_line

PAGE: Final = "explanation.md"
"""The page's file in a bundle."""

_WIDTH: Final = 11
_MOST_VALUES: Final = 6
_MOST_LINE: Final = 400
_MOST_SILENT: Final = 6


def lines(made: Explanation) -> list[str]:
    """What is known, a line each, at most a screen."""
    told: list[tuple[str, str]] = []
    if made.fingerprint is not None:
        told.append(("settings", made.fingerprint.words))
    if made.function is not None:
        name = f' "{made.function.name}"' if made.function.name else ""
        told.append(("function", f"{made.function.index}{name}: {made.function.how}"))
    if made.item is not None:
        told.append((made.item.kind, f"{made.item.index}: {made.item.how}"))
    if made.operation is not None:
        told += [("operation", operation_words(made.operation)), ("", made.operation.how)]
    told += [("stage", line) for line in made.stages]
    for line in made.silent[:_MOST_SILENT]:
        contradicts = line.startswith("contradiction: ")
        told.append(("contradicts" if contradicts else "no answer", line.removeprefix("contradiction: ")))
    return [f"{word:{_WIDTH}} {one_line(text)[:_MOST_LINE]}" for word, text in told]


def operation_words(operation: Operation) -> str:
    """``i32.or at 0:6 of (i32:0x18, i32:0x1): expected i32:0x19, got i32:0x1``."""
    where = operation.text
    if operation.function >= 0:
        where += f" at {operation.function}:{operation.position}"
    if operation.operands:
        where += f" of ({_values(operation.operands)})"
    if operation.execution > 1:
        where += f", execution {operation.execution}"
    if not operation.expected and not operation.actual:
        return where
    return f"{where}: expected {_values(operation.expected)}, got {_values(operation.actual)}"


def _values(values: Sequence[str]) -> str:
    more = f", ... ({len(values)} in all)" if len(values) > _MOST_VALUES else ""
    return ", ".join(values[:_MOST_VALUES]) + more


def page(all_made: Sequence[Explanation]) -> str:
    """``explanation.md``: every engine's explanation with the function's text, the ids that were run, and the code."""
    return "\n".join(_section(made) for made in all_made)


def _section(made: Explanation) -> str:
    parts = [f"# {one_line(made.engine)}", fenced("\n".join(lines(made)))]
    if made.function is not None:
        parts += ["## The function", fenced(made.function.text.rstrip())]
    if made.item is not None:
        parts += [f"## The {made.item.kind}", fenced(made.item.text)]
    if made.fingerprint is not None:
        parts.append("## Settings that were run")
        for word, ids in (("wrong", made.fingerprint.wrong), ("right", made.fingerprint.right),
                          ("without an answer", made.fingerprint.cannot)):  # fmt: skip
            if ids:
                parts += [f"{word}:", fenced("\n".join(ids))]
    if made.code:
        parts += ["## Machine code", fenced(made.code.rstrip())]
    parts.append(f"{made.cpu_seconds:.1f} CPU seconds.")
    return "\n\n".join(parts) + "\n"
