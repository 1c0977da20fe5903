"""Many searches at once, each in a process of its own: a fault in this process must not outlive its search."""

from __future__ import annotations

import multiprocessing
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from fuzz.selfcheck.search import Result, Search, search, subject_of
from oracles.engine import Capabilities


def run_searches(wanted: Sequence[tuple[str, Search]], known: dict[str, Capabilities], jobs: int) -> Iterator[Result]:
    """The results of looking for each name, as they come in, ``jobs`` searches at a time. A search whose process fails
    has an ``error``."""
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(wanted))
    running: dict[Connection, tuple[str, Search, BaseProcess]] = {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                name, how = waiting.pop()
                ours, theirs = context.Pipe(duplex=False)
                process: BaseProcess = context.Process(target=_child, args=(theirs, name, how, known), daemon=True)
                process.start()
                theirs.close()
                running[ours] = (name, how, process)
            for ready in wait(list(running)):
                assert isinstance(ready, Connection)
                name, how, process = running.pop(ready)
                result = _received(ready, name, how)
                process.join()
                yield result
    finally:
        for pipe, (_, _, process) in running.items():
            process.terminate()
            process.join()
            pipe.close()


def _received(pipe: Connection, name: str, how: Search) -> Result:
    try:
        result: Result = pipe.recv()
    except EOFError:
        result = subject_of(name, how.generator)
        result.error = "its process ended without a word"
    finally:
        pipe.close()
    return result


def _child(pipe: Connection, name: str, how: Search, known: dict[str, Capabilities]) -> None:
    try:
        result = search(name, how, known)
    except Exception:  # one search that fails must not end the others
        result = subject_of(name, how.generator)
        result.error = traceback.format_exc(limit=-3)
    pipe.send(result)
