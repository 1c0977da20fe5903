"""Both register allocators under their checker, on machine functions (target ``regalloc``). It has no settings."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

from compiler.machine_text import MachineTextError
from compiler.regalloc.run import judge_machine
from oracles.engine import Capabilities, Engine, EngineId, Immediate, Limits, Session, UsageError
from wasm.case import Case, CaseKind
from wasm.embedding import Crashed, Observation, Outcome, Phase, Rejected, Returned, TimedOut, Unsupported

FAMILY: Final = "allocators"
CONTRACT: Final[tuple[str, ...]] = ()
"""It runs no modules; ``tests/allocation`` is about it."""
CONFIGURATIONS: Final = ("allocators",)
KINDS: Final = frozenset({CaseKind.MACHINE})
ALLOCATING: Final = re.compile(r"compiler/regalloc/")
"""Where a crash is about an allocation (as ``oracles.engines.compiler`` has it): all of them are."""
_PROBLEM: Final = re.compile(r"(\w+): (\w+): ")


def check(id: EngineId) -> EngineId:
    """Only the bare name is an engine. Raises ``UsageError``."""
    if id.settings or id.version or id.path:
        raise UsageError("the allocators have no settings, versions or paths: write allocators")
    return id


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:  # noqa: ARG001
    """Open it: nothing is started."""
    return AllocatorsEngine(id, limits)


class _Late(Exception):
    """The CPU time is over."""


@dataclass(slots=True)
class AllocatorsEngine:
    """What an allocator does wrong is a ``Crashed``, its place the allocator and the kind of problem.

    ``judge`` gives the problems of a text, a line each (``compiler.regalloc.run.judge_machine``).
    """

    id: EngineId
    limits: Limits
    judge: Callable[[str], tuple[str, ...]] = judge_machine

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities("1", frozenset(), FAMILY, kinds=KINDS)

    def start(self, case: Case) -> Immediate:
        return Immediate(self.run, case)

    def run(self, case: Case) -> Observation:
        start = time.process_time()
        try:
            with _limited(self.limits.cpu_seconds):
                outcome = self._outcome(case)
        except _Late:
            outcome = TimedOut(self.limits.cpu_seconds)
        cpu = (("compile", time.process_time() - start),)
        return Observation(str(self.id), outcome, Phase.COMPILE, cpu=cpu)

    def _outcome(self, case: Case) -> Outcome:
        if case.kind is not CaseKind.MACHINE:
            return Unsupported("anything but machine functions")
        try:
            problems = self.judge(case.content.decode("utf-8", "replace"))
        except (MachineTextError, ValueError) as error:
            return Rejected(str(error).splitlines()[0])
        if not problems:
            return Returned()
        match = _PROBLEM.match(problems[0])
        place = f"compiler/regalloc/{match[1]}:{match[2]}" if match else "compiler/regalloc"
        return Crashed(0, problems[0], place)

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:  # noqa: ARG002
        """There are no memories."""
        return {}

    def open_script(self) -> Session:
        raise UsageError("the allocators run no modules: choose another engine")

    def renew(self, from_scratch: bool = False) -> None:
        """There is nothing to end."""

    def close(self) -> None:
        """There is nothing to end."""


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Raise ``_Late`` after so much CPU time, where this is the main thread: an allocator may loop for ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def late(_number: int, _frame: FrameType | None) -> None:
        raise _Late

    previous = signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
