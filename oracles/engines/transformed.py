"""Modules through a tool that must preserve their meaning, and then on an engine: ``transformed:by=binaryen+level=O3``.

Settings: ``by``, a transformer of ``oracles/transformers``; ``on``, the engine that runs what it makes (the interpreter
if it is not said; a dot stands for the colon, as in ``on=wasmtime.winch``), and the transformer's own. ``@VERSION`` is
the transformer's. Where that engine is right about what it is given, a disagreement blames the transformer.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from oracles.engine import (
    Capabilities,
    Engine,
    EngineId,
    Immediate,
    Limits,
    Releases,
    Session,
    UsageError,
)
from oracles.engine import open_engine as open_any
from oracles.reference import REFERENCE
from oracles.remote.process import file_hash
from oracles.transformers import binaryen
from oracles.transforming import Transformer
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Observation, Outcome, Phase, Trapped, Unsupported
from wasm.errors import WasmError, nearest
from wasm.plugins import entry, names_in
from wasm.traps import TrapKind
from wasm.valtypes import GlobalType, MemType, TableType

FOLDER: Final = "oracles.transformers"
RELEASES: Final = binaryen.RELEASES
"""Of the transformer that is meant where none is said; ``releases`` has those of each."""
CONTRACT: Final[tuple[str, ...]] = ()
"""The contract suite is about workers; ``tests/engines/test_transformed.py`` is about this."""
CONFIGURATIONS: Final = (
    "transformed:by=binaryen", *(f"transformed:by=wasm_tools+do={does}" for does in ("text", "strip", "mutate")),
)  # fmt: skip
_ON: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)?\Z")


def check(id: EngineId) -> EngineId:
    """The canonical form: the transformer, its settings, the engine. Raises ``UsageError``."""
    settings, names = dict(id.settings), names_in(FOLDER)
    by = settings.pop("by", "")
    if by not in names:
        raise UsageError(f"by={by} is no transformer{nearest(by, names)}: there are {', '.join(names)}")
    on = settings.pop("on", REFERENCE)
    if not _ON.match(on) or id.path:
        raise UsageError(f"on={on} is not possible: write an engine's name, or a name and a setting, as wasmtime.winch")
    EngineId.parse(on.replace(".", ":"))
    known = entry(FOLDER, by).SETTINGS
    for key, value in settings.items():
        if key not in known or (known[key] and value not in known[key]):
            told = ", ".join(f"{word}={'|'.join(values)}" if values else word for word, values in known.items())
            raise UsageError(f"{key}={value} is not possible{nearest(key, known)}: {by} has {told}")
    kept = [("by", by), *sorted(settings.items()), *([("on", on)] if on != REFERENCE else [])]
    return EngineId(id.name, id.version, "", tuple(kept))


def releases(id: EngineId) -> Releases | None:
    """Those of the transformer that an id names."""
    found: Releases | None = entry(FOLDER, id.get("by")).RELEASES
    return found


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open the transformer, and the engine behind it."""
    settings = {key: value for key, value in id.settings if key not in ("by", "on")}
    transformer = entry(FOLDER, id.get("by")).open_transformer(id.version, settings, limits, offline)
    behind = open_any(id.get("on", REFERENCE).replace(".", ":"), limits, offline)
    return TransformedEngine(id, limits, transformer, behind)


def _imported_twice(content: bytes) -> str:
    """Module and name of a memory, a table or a mutable global that a module imports more than once; "" for none."""
    try:
        imports = decode(content).imports
    except WasmError:
        return ""
    seen = set()
    for item in imports:
        if isinstance(item.type, MemType | TableType) or (isinstance(item.type, GlobalType) and item.type.mutable):
            if (item.module, item.name) in seen:
                return f"{item.module}.{item.name}"
            seen.add((item.module, item.name))
    return ""


def _any_cause(outcome: Outcome) -> Outcome:
    return replace(outcome, kinds=frozenset(TrapKind)) if isinstance(outcome, Trapped) else outcome


class TransformedEngine:
    """``Engine`` that runs what a transformer makes of each module."""

    def __init__(self, id: EngineId, limits: Limits, transformer: Transformer, behind: Engine) -> None:
        self.id, self.limits, self.transformer, self.behind = id, limits, transformer, behind
        self._capabilities: Capabilities | None = None

    @property
    def capabilities(self) -> Capabilities:
        if self._capabilities is None:
            behind = self.behind.capabilities
            self._capabilities = replace(
                behind, version=self.transformer.version, features=behind.features & self.transformer.features,
                family=self.id.get("by"), library=self.transformer.library, sha256=file_hash(self.transformer.library),
                kinds=frozenset({CaseKind.WASM}), validator=self.id.get("by"),
            )  # fmt: skip
        return self._capabilities

    def start(self, case: Case) -> Immediate:
        return Immediate(self.run, case)

    def run(self, case: Case) -> Observation:
        if twice := next(filter(None, map(_imported_twice, case.contents)), ""):
            # Two names in the module for one item of the host: tools take what is imported for distinct.
            return Observation(str(self.id), Unsupported(f"{twice} is imported twice"), Phase.COMPILE)
        made = self._transformed(case)
        if not isinstance(made, Case):
            return Observation(str(self.id), made, Phase.COMPILE)
        seen = replace(self.behind.run(made), engine=str(self.id), notes=None)
        if self.transformer.keeps_causes:
            return seen
        outcomes = tuple(map(_any_cause, seen.outcomes))
        before = tuple(map(_any_cause, seen.before))
        return replace(seen, instantiation=_any_cause(seen.instantiation), outcomes=outcomes, before=before)

    def _transformed(self, case: Case) -> Case | Outcome:
        """The case with all its modules transformed."""
        made = []
        for content in case.contents:
            one = self.transformer.transform(content)
            if not isinstance(one, bytes):
                return one
            made.append(one)
        names = [name for name, _ in case.before]
        return replace(case, content=made[-1], before=tuple(zip(names, made[:-1], strict=True)))

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        made = self._transformed(case)
        return self.behind.dump(made, blocks) if isinstance(made, Case) else {}

    def open_script(self) -> Session:
        raise UsageError(f"{self.id} runs no scripts: choose another engine")

    def renew(self, from_scratch: bool = False) -> None:
        self.transformer.close()
        self.behind.renew(from_scratch)

    def close(self) -> None:
        self.transformer.close()
        self.behind.close()
