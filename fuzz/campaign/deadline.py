"""A hard end for what runs in this process: engines that hang and downloads that do not come must not hold it up."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TimeIsOver(KeyboardInterrupt):
    """The time is over. It ends what is under way just as a user's interrupt does, and by the same ways."""


@contextmanager
def until(when: float | None) -> Iterator[None]:
    """``TimeIsOver`` is raised within at ``when`` (by ``time.monotonic``), once; never where that is None.

    For the main thread, and not within itself.
    """
    if when is None:
        yield
        return
    armed = True

    def over(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        if armed:
            raise TimeIsOver

    previous = signal.signal(signal.SIGALRM, over)
    try:
        signal.setitimer(signal.ITIMER_REAL, max(0.001, when - time.monotonic()))
        yield
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
