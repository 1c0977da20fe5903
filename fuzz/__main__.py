"""``python -m fuzz``, and what the installed ``fuzz`` calls: all else is imported where interrupts are heard."""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False  # ``typing`` itself takes 5 ms to load, in which nobody would hear an interrupt
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

INTERRUPTED = 130


def main() -> int:
    """Run the command line and give its exit code.

    While modules are loaded an interrupt ends the process at once: there is nothing to tidy up, and an exception would
    surface wherever an import happens to be, a destructor among them, whose exceptions Python prints and forgets.
    """
    usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if usual:
        signal.signal(signal.SIGINT, _leave)
    try:
        if "_ARGCOMPLETE" in os.environ:
            from fuzz.cli.completion import complete

            complete()
        from fuzz.cli.main import main as run

        return run(loaded=_hear if usual else None)
    except KeyboardInterrupt:
        print("fuzz: interrupted", file=sys.stderr)
        return INTERRUPTED
    finally:
        if usual:
            signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
    os.write(2, b"fuzz: interrupted\n")
    os._exit(INTERRUPTED)


def _hear() -> None:
    """From here on an interrupt is a ``KeyboardInterrupt``."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


if __name__ == "__main__":
    sys.exit(main())
