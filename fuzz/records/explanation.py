"""Why a finding is wrong, by three instruments (``fuzz explain``), each of which may have no answer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fuzz.records.typed import need_type


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The settings that switch the bug on and off. ``words`` is a sentence; ``wrong`` and ``right`` are the canonical
    ids that were run, ``cannot`` those that could not."""

    words: str
    wrong: tuple[str, ...]
    right: tuple[str, ...]
    cannot: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Guilty:
    """The function whose compilation makes the difference: its index in the function index space, its name (of an
    export or "") and text. ``how`` says how that is known."""

    index: int
    name: str
    text: str
    how: str


@dataclass(frozen=True, slots=True)
class Item:
    """The part of a module that makes the difference before any function runs: ``kind`` as the text format calls it
    (elem, data, global, table, memory, start, export, func, type), its index, its text, and how that is known."""

    kind: str
    index: int
    text: str
    how: str


@dataclass(frozen=True, slots=True)
class Operation:
    """The first operation whose operands are right and whose result is wrong.

    ``function`` and ``position`` (in the flat body) say where it stands, ``text`` is the instruction. ``function`` is
    -1 for what instantiation executes of the explanation's item: ``position`` counts in its constant expression, and is
    -1 for the ``memory.init`` or ``table.init`` that an active segment means. Values are
    written as ``type:0xbits``. ``execution`` counts from 1 how often the place had been run.
    ``how`` says how that is known.
    """

    function: int
    position: int
    text: str
    operands: tuple[str, ...]
    expected: tuple[str, ...]
    actual: tuple[str, ...]
    execution: int
    how: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of one finding on one engine (its canonical id).

    ``stages`` has lines on which of the compiler's stages is to blame (for ``compiler``); ``code`` is disassembly side
    by side, as text; ``silent`` says for each instrument that had no answer why not. ``cpu_seconds`` is what it cost.
    ``item`` is named where no function is to blame; explanations of before it was looked for have none.
    """

    engine: str
    fingerprint: Fingerprint | None = None
    function: Guilty | None = None
    operation: Operation | None = None
    stages: tuple[str, ...] = ()
    code: str = ""
    silent: tuple[str, ...] = ()
    cpu_seconds: float = 0.0
    item: Item | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: dict[str, Any]) -> Explanation:
        """Read ``to_json``'s form. Raises ``KeyError`` or ``TypeError`` for anything else."""
        fingerprint, function, operation = data["fingerprint"], data["function"], data["operation"]
        made = Explanation(
            data["engine"],
            Fingerprint(**_tuples(fingerprint)) if fingerprint is not None else None,
            Guilty(**function) if function is not None else None,
            Operation(**_tuples(operation)) if operation is not None else None,
            tuple(data["stages"]),
            data["code"],
            tuple(data["silent"]),
            data["cpu_seconds"],
            Item(**item) if (item := data.get("item")) is not None else None,
        )
        need_type(made, Explanation, "explanation")
        return made


def _tuples(data: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
