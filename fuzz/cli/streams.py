"""Standard output and standard error as every command has them: nothing escapes into a terminal, and what cannot be
written is an error with a line and an exit code.

While ``guarded`` lasts, control characters in what is printed are shown and not sent (``fuzz.records.printable``), and
characters that the locale does not have are written as Python would. JSON lines are ASCII and pass as they are.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Final

from fuzz.records.printable import printable, printable_lines

STANDARD: Final = (0, 1, 2)


class OutputError(Exception):
    """Standard output cannot be written: the message says why."""


class ReaderGone(Exception):
    """Whoever read our standard output has gone."""


class Guarded(io.TextIOBase):
    """A text stream that cannot move a terminal's cursor.

    ``rich_proxied_file`` is what rich writes to (its own name for it), and who needs a carriage return (``plain``).
    What cannot be written to standard error (``last``) is lost: there is nobody to tell.
    """

    def __init__(self, stream: IO[str], last: bool = False) -> None:
        self.rich_proxied_file, self.last = stream, last

    def write(self, text: str) -> int:
        with self._failing():
            self.rich_proxied_file.write(printable_lines(text))
        return len(text)

    def flush(self) -> None:
        with self._failing():
            self.rich_proxied_file.flush()

    def isatty(self) -> bool:
        return self.rich_proxied_file.isatty()

    def fileno(self) -> int:
        return self.rich_proxied_file.fileno()

    def writable(self) -> bool:
        return True

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if self.last:
                give_up(self)
            elif isinstance(error, BrokenPipeError):
                raise ReaderGone from None
            else:
                raise OutputError(f"cannot write standard output: {error.strerror or error}") from None


def plain(stream: IO[str] | Guarded) -> IO[str]:
    """The stream behind a guarded one, for control characters that are meant."""
    return stream.rich_proxied_file if isinstance(stream, Guarded) else stream


def say(text: str = "") -> None:
    """Print a line in which there is text of engines or files: a line break in that is shown and not sent. Only at the
    beginning it is one."""
    start = len(text) - len(text.lstrip("\n"))
    print(text[:start] + printable(text[start:]))


@contextmanager
def guarded() -> Iterator[None]:
    """Guard ``sys.stdout`` and ``sys.stderr``; what is still in them at the end is written then.

    Raises ``OutputError`` or ``ReaderGone`` where output cannot be written, and ``OutputError`` at once where standard
    output is closed: the next file that anybody opened would become it.
    """
    closed = sys.stdout is None
    if closed or sys.stderr is None:
        _occupy()
    if closed:
        raise OutputError("standard output is closed: give it a file, or /dev/null")
    before = sys.stdout, sys.stderr
    for stream in before:
        with suppress(AttributeError, io.UnsupportedOperation):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.stdout = Guarded(before[0])
    sys.stderr = Guarded(before[1] if before[1] is not None else io.StringIO(), last=True)
    try:
        yield
        sys.stdout.flush()
    finally:
        sys.stdout, sys.stderr = before


def _occupy() -> None:
    """Let closed standard descriptors lead nowhere, so that no file of ours gets their numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) in STANDARD:
        os.set_inheritable(fd, True)
    os.close(fd)


def give_up(stream: IO[str] | Guarded) -> None:
    """Let a stream lead nowhere: what is left in it would be complained about when the interpreter ends."""
    with suppress(OSError, ValueError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, plain(stream).fileno())
        os.close(null)
