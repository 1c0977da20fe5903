"""Releases at hand: fetched side by side while others are asked, and taken away again when they take too much room.

What was there before stays there, whatever it takes. Of what was fetched here the release that was used longest ago
goes first, unless another process uses it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from subprocess import SubprocessError
from types import TracebackType
from typing import Final

from oracles.engine import EngineUnavailable, Releases

DISK: Final = 2 << 30
PARALLEL: Final = 2
_FAILURES: Final = 3
"""So many releases in a row that cannot be fetched are the network's fault, and no more are tried."""


class Shelf:
    """The releases of one engine. ``fetched`` counts those that were fetched, ``removed`` those taken away again.

    ``disk`` is what may be kept of them, in bytes; what is just being asked is kept in any case.
    """

    def __init__(
        self, releases: Releases, parallel: int = PARALLEL, disk: int = DISK,
        on_fetch: Callable[[str], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.releases, self.disk = releases, disk
        self.fetched = self.removed = 0
        self._on_fetch = on_fetch
        self._sizes: dict[str, int] = {}
        """Of those that were fetched here, the one that was used longest ago first."""
        self._busy: set[str] = set()
        self._failures: list[str] = []
        self._parallel = parallel
        self._pool = ThreadPoolExecutor(parallel, thread_name_prefix="fetch")

    def each(self, wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The wanted releases as they come to hand, each with "" or why it cannot be fetched.

        One is in use until the next is asked for.
        """
        at_hand = set(self.releases.at_hand())  # each time: others may have taken some away
        waiting = deque(release for release in wanted if release not in at_hand)
        under_way: dict[Future[None], str] = {}
        self._busy.update(wanted)
        try:
            self._begin(waiting, under_way)
            for release in [one for one in wanted if one in at_hand]:
                yield release, ""
                self._done(release)
            while waiting or under_way:
                self._begin(waiting, under_way)
                if not under_way:
                    release = waiting.popleft()
                    yield release, f"not fetched, as the last {_FAILURES} could not be: {self._failures[-1]}"
                    continue
                ready, _ = wait(under_way, return_when=FIRST_COMPLETED)
                for future in ready:
                    release = under_way.pop(future)
                    reason = self._taken(release, future)
                    self._begin(waiting, under_way)
                    yield release, reason
                    self._done(release)
        finally:
            for future in under_way:
                future.cancel()
            self._busy.difference_update(wanted)

    def _begin(self, waiting: deque[str], under_way: dict[Future[None], str]) -> None:
        """Fetch as many at once as may be, and no more ahead of what is asked: they need room."""
        while waiting and len(under_way) < self._parallel and len(self._failures) < _FAILURES:
            release = waiting.popleft()
            self._on_fetch(release)
            under_way[self._pool.submit(self.releases.fetch, release)] = release

    def _taken(self, release: str, future: Future[None]) -> str:
        try:
            future.result()
        except (EngineUnavailable, OSError, SubprocessError) as error:
            self._failures.append(str(error))
            return str(error).removeprefix(f"{self.releases.name} {release} ")
        self._failures.clear()
        self.fetched += 1
        self._sizes[release] = self.releases.size(release)
        return ""

    def _done(self, release: str) -> None:
        """It is not in use any more, and was just used."""
        self._busy.discard(release)
        if release in self._sizes:
            self._sizes[release] = self._sizes.pop(release)
        total = sum(self._sizes.values())
        for oldest in [one for one in self._sizes if one not in self._busy]:
            if total <= self.disk:
                break
            if self.releases.remove(oldest):
                total -= self._sizes.pop(oldest)
                self.removed += 1

    def __enter__(self) -> Shelf:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
