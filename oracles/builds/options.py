"""What is asked of a build, as it stands behind ``build=`` in an engine's id.

Words with commas between them: ``assertions`` (debug assertions and overflow checks on), ``regalloc2-VERSION`` (that
release of regalloc2 in place of the one which the release has), ``with-FEATURE`` and ``no-FEATURE`` (a feature of the
crates on or off). ``on``, or nothing behind ``build``, is what the release's own crates give.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from oracles.engine import UsageError
from wasm.errors import nearest

PLAIN: Final = "on"
ASSERTIONS: Final = "assertions"
_REGALLOC2: Final = "regalloc2-"
_ON, _OFF = "with-", "no-"
_VERSION: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\Z")
_FEATURE: Final = re.compile(r"[a-z][a-z0-9-]*\Z")


@dataclass(frozen=True, slots=True)
class Build:
    """``regalloc2`` is a version, "" for the release's own; ``on`` and ``off`` are features, sorted, each once."""

    assertions: bool = False
    regalloc2: str = ""
    on: tuple[str, ...] = ()
    off: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The canonical form; ``Build.parse`` reads it."""
        words = [ASSERTIONS] if self.assertions else []
        words += [f"{_REGALLOC2}{self.regalloc2}"] if self.regalloc2 else []
        words += [f"{_ON}{name}" for name in self.on]
        words += [f"{_OFF}{name}" for name in self.off]
        return ",".join(words) or PLAIN

    @property
    def words(self) -> str:
        """For people: ``debug assertions, regalloc2 0.12.1``; "" for a build that changes nothing."""
        parts = ["debug assertions"] if self.assertions else []
        parts += [f"regalloc2 {self.regalloc2}"] if self.regalloc2 else []
        parts += [f"with {name}" for name in self.on]
        parts += [f"without {name}" for name in self.off]
        return ", ".join(parts)

    @staticmethod
    def parse(text: str) -> Build:
        """Read it. Raises ``UsageError``."""
        if text == PLAIN:
            return Build()
        words = text.split(",")
        found = Build(ASSERTIONS in words, _one_version(words), _features(words, _ON), _features(words, _OFF))
        if both := set(found.on) & set(found.off):
            raise UsageError(f"build={text} asks for {min(both)} and for none of it")
        if len(words) != len(set(words)):
            raise UsageError(f"build={text} says a word twice")
        for word in words:
            if word != ASSERTIONS and not word.startswith((_REGALLOC2, _ON, _OFF)):
                hint = nearest(word, (ASSERTIONS, "regalloc2-0.12.1", "with-component-model", "no-winch"))
                forms = f"{ASSERTIONS}, regalloc2-VERSION, with-FEATURE and no-FEATURE, with commas between them"
                raise UsageError(f"{word!r} is nothing that a build can have{hint}: there are {forms}")
        return found


def _one_version(words: list[str]) -> str:
    named = [word.removeprefix(_REGALLOC2) for word in words if word.startswith(_REGALLOC2)]
    if len(named) > 1:
        raise UsageError(f"a build has one regalloc2, not {' and '.join(named)}")
    if named and not _VERSION.match(named[0]):
        raise UsageError(f"{named[0]!r} is no release of regalloc2: write regalloc2-0.12.1")
    return named[0] if named else ""


def _features(words: list[str], sign: str) -> tuple[str, ...]:
    named = sorted(word.removeprefix(sign) for word in words if word.startswith(sign))
    for name in named:
        if not _FEATURE.match(name):
            raise UsageError(f"{name!r} is no feature of a crate: write {sign}winch")
    return tuple(named)
