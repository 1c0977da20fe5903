"""Feedback: a folder of cases that executed something new, from which ``mutate`` and ``mixed`` draw (``--feedback``).

What is new is told by words: pairs of instructions executed one after the other, shapes of the module by size, ways in
which invocations ended, the machine instructions that our compiler's lowering rules chose, and by size how much its
allocator spilled, split, evicted and moved. What a run keeps goes into the subfolder ``new`` and is there for the next
run, so that the cases of a run depend on the folder as it was at its start and on nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fuzz.archive.disk import explained, write_file
from fuzz.records.stats import size_range
from fuzz.records.target_yield import measure
from oracles.interpreter import Budget, run_case
from oracles.interpreter.runner import load
from wasm.case import Case, CaseKind
from wasm.context import ModuleContext
from wasm.embedding import Observation
from wasm.isa import Op
from wasm.module import Module

_STEPS: Final = 20_000
"""Following a case costs several times what running it does; what comes later is mostly more rounds of the same."""

_LARGEST: Final = 8_000
"""Larger modules are not kept: every edit reads its function again."""


_NEW: Final = "new"


@dataclass(slots=True)
class _Pairs:
    """The interpreter's tracer: every two instructions in a row."""

    seen: set[tuple[Op | None, Op]] = field(default_factory=set)
    last: Op | None = None

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:  # noqa: ARG002
        self.seen.add((self.last, op))
        self.last = op


def words_of(case: Case) -> frozenset[str]:
    """What a case executes and is, in words; none for a case that is not run."""
    if case.kind is not CaseKind.WASM:
        return frozenset()
    module = load(case.content)
    if isinstance(module, Observation):
        return frozenset()
    pairs = _Pairs()
    seen = run_case(case, module, Budget(steps=_STEPS), tracer=pairs)
    words = {f"{first.name if first else 'start'} {second.name}" for first, second in pairs.seen}
    words |= {f"shape {name} {size_range(size)}" for name, size in measure(module).items()}
    words |= {f"outcome {type(outcome).__name__}" for outcome in (seen.instantiation, *seen.outcomes)}
    return frozenset(words | compiled_words(module))


def compiled_words(module: Module) -> set[str]:
    """What the compiler's stages did with a valid module, as far as they got. A failure there is for others to find."""
    # Every run starts this file, few have feedback on, and the compiler is half of what there is to import.
    from compiler.pipeline import Settings, compile_function
    from oracles.compiled.program import Refused, refusals

    unchecked = Settings(checker=False, verify=False)
    words: set[str] = set()

    def watch(stage: str, result: Any) -> None:
        if stage == "machine":
            words.update(f"machine {inst.name}" for block in result.blocks for inst in block.insts)
        elif stage == "alloc":
            words.update(f"alloc {name} {size_range(count)}" for name, count in result.stats.items())

    context = ModuleContext.of(module)
    first = len(context.funcs) - len(module.funcs)
    with suppress(Refused), refusals():
        for index in range(first, len(context.funcs)):
            compile_function(module, context, index, unchecked, watch)
    return words


@dataclass(slots=True)
class Feedback:
    """The folder and what is known. Several slots keep cases of their own; names come from the contents."""

    folder: Path
    known: set[str] = field(default_factory=set)

    @staticmethod
    def open(folder: Path) -> Feedback:
        """Read what the folder's cases showed. Raises ``ArchiveError``."""
        with explained(folder):
            known = {word for path in sorted(folder.glob("*.words")) for word in path.read_text().splitlines()}
        return Feedback(folder, known)

    def consider(self, case: Case) -> int:
        """Keep the case if it shows anything new; how much."""
        if case.size > _LARGEST:
            return 0
        new = words_of(case) - self.known
        if new:
            self.known |= new
            self._keep(case, new)
        return len(new)

    def _keep(self, case: Case, words: Iterable[str]) -> None:
        name = case.content_hash[:16]
        write_file(self.folder / _NEW / f"{name}.words", "".join(f"{word}\n" for word in sorted(words)).encode())
        write_file(self.folder / _NEW / f"{name}.json", json.dumps(case.to_json()).encode() + b"\n")


def begin(folder: Path) -> None:
    """Make the folder if there is none, and take in what earlier runs kept. Raises ``ArchiveError``."""
    with explained(folder):
        (folder / _NEW).mkdir(parents=True, exist_ok=True)
        for path in sorted((folder / _NEW).iterdir()):
            path.replace(folder / path.name)
