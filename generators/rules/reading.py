"""The rule files of one release of Cranelift, and all aims that they give."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from generators.aims.aim import VERSION, merged
from generators.isle.program import Program, Rule, read_program
from generators.rules.deriving import Derived, Deriver

MACHINES: Final = ("x64", "aarch64")
_MID_END: Final = ("src/prelude.isle", "src/prelude_opt.isle")


@dataclass(slots=True)
class Counts:
    """Of one rule file: rules that were read, and that have aims. ``open`` counts those of the second whose constants
    nobody here knows, since a condition is the compiler's own code."""

    read: int = 0
    aimed: int = 0
    open: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Every rule of a release, file by file in order."""

    name: str
    derived: tuple[Derived, ...]

    def by_file(self) -> dict[str, Counts]:
        """A rule that conditions of others use counts as aimed at where one of their aims makes it hold."""
        found: dict[str, Counts] = {}
        through = self.through()
        for one in self.derived:
            counts = found.setdefault(one.rule.file, Counts())
            counts.read += 1
            aimed = bool(one.aims) or one.rule.place in through
            counts.aimed += aimed
            counts.open += bool(one.aims) and all(aim.open for aim in one.aims)
        return found

    def through(self) -> frozenset[str]:
        """The places of all rules that some aim is of."""
        return frozenset(place for one in self.derived for aim in one.aims for place in aim.rules)

    def to_json(self) -> dict[str, Any]:
        """A file of aims (docs/json.md)."""
        aims = merged(aim for one in self.derived for aim in one.aims)
        through = self.through()
        return {
            "version": VERSION,
            "name": self.name,
            "files": {
                name: {"read": one.read, "aimed": one.aimed, "open": one.open} for name, one in self.by_file().items()
            },
            "left": [
                {"rule": one.rule.place, "reason": one.reason} for one in self.derived if one.rule.place not in through
            ],
            "aims": [aim.to_json() for aim in aims],
        }


def read_release(name: str, home: Path, tell: Callable[[str], None] = lambda _: None) -> Reading:
    """All rules of the crate's source in ``home``, the mid-end's first. Raises ``RuleSyntaxError``; ``tell`` is called
    with each file's name as it begins."""
    found: list[Derived] = []
    for deriver, rules in read_programs(home):
        told = ""
        for rule in rules:
            if rule.file != told:
                told = rule.file
                tell(told)
            found.append(deriver.derive(rule))
    return Reading(name, tuple(found))


def read_programs(home: Path) -> Iterator[tuple[Deriver, list[Rule]]]:
    """What derives the rules of a program, and those of its rules that are looked at: the mid-end, each machine."""
    opts = sorted(str(path.relative_to(home)) for path in (home / "src" / "opts").glob("*.isle"))
    mid_end = _program(home, (*_MID_END, *opts))
    yield Deriver(mid_end), [rule for rule in mid_end.rules if rule.file in opts]
    for machine in MACHINES:
        lower = f"src/isa/{machine}/lower.isle"
        if (home / lower).is_file():
            files = ("src/prelude.isle", "src/prelude_lower.isle", f"src/isa/{machine}/inst.isle", lower)
            program = _program(home, files)
            yield Deriver(program, mid_end), [rule for rule in program.rules if rule.file == lower]


def _program(home: Path, files: Iterable[str]) -> Program:
    there: Mapping[str, Path] = {file: home / file for file in files}
    return read_program({file: path.read_text(encoding="utf-8") for file, path in there.items() if path.is_file()})
