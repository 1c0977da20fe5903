"""Builds that a person has, in place of an engine's releases: a command is run for each, and its exit status is read
as ``git bisect run`` reads it: 0 is good, 125 cannot be asked, other numbers up to 127 are bad, and anything else ends
the search.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from fuzz.bisect.history import Bisected, Nobody, Options, Search, Watcher
from fuzz.bisect.question import Answer, Question
from fuzz.records.strip import State, Strip
from fuzz.reduce.predicate import command_words, exit_status
from oracles.engine import EngineUnavailable

ONE: Final = "this build"
"""What the only build is called, where the command names it itself."""
_CANNOT: Final = 125
_LAST_BAD: Final = 127


def bisect_builds(
    command: str, builds: Sequence[str], question: Question, options: Options, watcher: Watcher | None = None
) -> Bisected:
    """Search ``builds``, oldest first, with a command that is split into words as a shell would.

    In its words ``{case}`` stands for a file with the case's content (of a case of several modules: as ``{calls}``),
    ``{calls}`` for a JSON file with the case and its calls, ``{build}`` for the build's name; without ``{case}`` the
    file is the last word. Raises ``NoCommand``, and ``EngineUnavailable`` where the command ends the search.
    """
    words, told, start = command_words(command), watcher or Nobody(), time.monotonic()
    if not any("{case}" in word for word in words):
        words.append("{case}")
    names = list(dict.fromkeys(builds)) or [ONE]
    search = Search(names)
    with tempfile.TemporaryDirectory(prefix="bisect-") as folder:
        calls = Path(folder, "calls.json")
        calls.write_text(json.dumps(question.case.to_json()) + "\n", encoding="utf-8")
        # As for a command that says what is interesting (fuzz.reduce.predicate).
        case = calls if question.case.before else Path(folder, f"case{question.case.kind.suffix}")
        if case is not calls:
            case.write_bytes(question.case.content)

        def ask_each(wanted: Sequence[str]) -> Iterator[tuple[str, Answer]]:
            for build in wanted:
                filled = {"{case}": str(case), "{calls}": str(calls), "{build}": build}
                answer = _tried(_filled(words, filled), build, question)
                told.asked(command, build, answer)
                yield build, answer

        search.run(ask_each, (), options.every, options.deadline)
    strip = Strip(command, question.case_hash, tuple(names), search.tried())
    showing = frozenset(name for name, answer in search.answers.items() if answer.shows)
    return Bisected(strip, showing, search.runs, seconds=time.monotonic() - start, complete=search.complete,
                    tries=question.tries)  # fmt: skip


def _filled(words: Sequence[str], values: dict[str, str]) -> list[str]:
    filled = []
    for word in words:
        for name, value in values.items():
            word = word.replace(name, value)
        filled.append(word)
    return filled


def _tried(line: Sequence[str], build: str, question: Question) -> Answer:
    """Bad if it is so in any of the tries."""
    answer = _once(line, build, question.limits.wall_seconds)
    for _ in range(1, question.tries):
        if answer.state is not State.GOOD:
            break
        answer = _once(line, build, question.limits.wall_seconds)
    return answer


def _once(line: Sequence[str], build: str, seconds: float) -> Answer:
    status = exit_status(line, seconds)
    if status is None:
        return Answer(State.CANNOT, f"no answer within {seconds:g} s (--wall gives it more)", lasting=False)
    if status == 0:
        return Answer(State.GOOD, "exit status 0")
    if status == _CANNOT:
        return Answer(State.CANNOT, f"exit status {_CANNOT}")
    if 0 < status <= _LAST_BAD:
        return Answer(State.BAD, f"exit status {status}", shows=True)
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with exit status {status}"
    raise EngineUnavailable(f"{line[0]} {ended} on {build}: the search stops there, as git bisect's would")
