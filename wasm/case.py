"""A test case: what is run, and where it came from. The content is the truth; the recipe is only its history."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final

from wasm.embedding import Invocation

CASE_VERSION: Final = 1
LINKED_VERSION: Final = 2
"""The version of a case with modules before its own: a reader that knows none must refuse it."""
APART: Final = "apart"
"""What the name of an earlier module begins with that has a store of its own, where an engine has several and all that
others import from it are shared memories. It means the same as in one store."""
INDEPENDENT: Final = "independent"
"""Label of a case whose exported functions have nothing to do with each other."""
COLLECTS: Final = "collects"
"""Label of a case whose host collects garbage."""


class CaseKind(Enum):
    """A valid module to execute; raw bytes to judge validity on; or a machine function for the allocators."""

    WASM = "wasm"
    BYTES = "bytes"
    MACHINE = "machine"

    @property
    def suffix(self) -> str:
        """How a file with such a case's content is named."""
        return {CaseKind.WASM: ".wasm", CaseKind.BYTES: ".bin", CaseKind.MACHINE: ".mach"}[self]


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a case was made: case ``index`` of (``version`` of the generators, ``target``, ``seed``) is always the same.

    ``target`` is ``file`` for a case that a person brought. ``part`` is the export that was cut out of an
    ``INDEPENDENT`` case, "" for the whole. ``mutant`` is the number of the neutral mutant of that case which this one
    is (docs/mutants.md), 0 for the case itself.
    """

    target: str = "file"
    seed: int = 0
    index: int = 0
    version: str = ""
    part: str = ""
    mutant: int = 0


@dataclass(frozen=True, slots=True)
class CallSite:
    """A call site that the case is about, for yield accounting.

    ``kind`` is ``host direct indirect ref tail tail_indirect tail_ref import recursive loop``, or ``throw`` where a
    handler uses a payload, whose values count as parameters. ``operands`` is how many register-allocation operands the
    call has: results, register parameters, contexts and the callee's address (docs/compiler.md). The site counts
    as passed once the instruction at (``func``, ``use_at``) was executed: the one that uses the last result (``func``
    counts imports; ``use_at`` indexes the flat body). A site of kind ``host`` has ``func`` -1 and ``use_at`` the index
    of the invocation that must return.
    """

    kind: str
    func: int
    use_at: int
    params: int
    results: int
    operands: int

    @property
    def wide(self) -> bool:
        """More than 20 parameters or results: beyond every stock generator."""
        return self.params > 20 or self.results > 20


@dataclass(frozen=True, slots=True)
class Case:
    """A case: its content, the calls to make on one instance, the features it needs, and its history.

    ``content`` is a binary module for ``WASM`` and ``BYTES`` and the text form for ``MACHINE``. ``features`` are names
    of ``wasm.features.Feature``. ``labels`` are words for the histograms and for minorities that exhaust on purpose
    (``overflows``, ``big_memory``), and ``INDEPENDENT``.

    ``before`` are modules, each with the name under which it is registered, that are instantiated in order before
    ``content``, in one store. An import is found in the last instance so far that is registered under its module's name
    and exports its name, whatever it exports there; what is not found so is the host's, which makes it for that one
    module. A module that traps or throws is registered all the same and has no exports: what imports them is not
    linkable. Calls are made, and state is read, by what ``content`` exports.
    """

    content: bytes
    invocations: tuple[Invocation, ...] = ()
    kind: CaseKind = CaseKind.WASM
    features: frozenset[str] = frozenset()
    sites: tuple[CallSite, ...] = ()
    labels: frozenset[str] = frozenset()
    provenance: Provenance = field(default=Provenance())
    before: tuple[tuple[str, bytes], ...] = ()

    def with_content(self, content: bytes, invocations: tuple[Invocation, ...] | None = None) -> Case:
        """The same case around changed content (the reducer's step); call sites no longer hold and are dropped."""
        kept = self.invocations if invocations is None else invocations
        return replace(self, content=content, invocations=kept, sites=())

    @property
    def contents(self) -> tuple[bytes, ...]:
        """What is instantiated, in order: the case's own content last."""
        return (*(content for _, content in self.before), self.content)

    @property
    def content_hash(self) -> str:
        """SHA-256 (hexadecimal) of all that is instantiated: of ``content`` alone where nothing comes before it."""
        return hashlib.sha256(b"".join(self.contents)).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of all that is instantiated."""
        return sum(map(len, self.contents))

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of kind, modules and calls: the same for what runs the same, whoever made it."""
        calls = "\n".join(f"{call} {call.entry.value}" for call in self.invocations)
        parts = [self.kind.value.encode(), self.content, calls.encode()]
        parts += [f"{name}\n{hashlib.sha256(content).hexdigest()}".encode() for name, content in self.before]
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def to_json(self) -> dict[str, Any]:
        return {
            "version": LINKED_VERSION if self.before else CASE_VERSION,
            "kind": self.kind.value,
            "content": base64.b64encode(self.content).decode("ascii"),
            **({"before": [[n, base64.b64encode(c).decode("ascii")] for n, c in self.before]} if self.before else {}),
            "invocations": [invocation.to_json() for invocation in self.invocations],
            "features": sorted(self.features),
            "sites": [[s.kind, s.func, s.use_at, s.params, s.results, s.operands] for s in self.sites],
            "labels": sorted(self.labels),
            "provenance": {
                "target": self.provenance.target,
                "seed": self.provenance.seed,
                "index": self.provenance.index,
                "version": self.provenance.version,
                **({"part": self.provenance.part} if self.provenance.part else {}),
                **({"mutant": self.provenance.mutant} if self.provenance.mutant else {}),
            },
        }

    @staticmethod
    def from_json(data: dict[str, Any]) -> Case:
        """Read ``to_json``'s form. Raises ``ValueError`` for a version that this release does not know, and for modules
        before it that are no pairs of texts."""
        if data.get("version") not in (CASE_VERSION, LINKED_VERSION):
            known = f"{CASE_VERSION} and {LINKED_VERSION}"
            raise ValueError(f"case version {data.get('version')!r}: this release reads versions {known}")
        before = data.get("before", [])
        if not isinstance(before, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(one, str) for one in pair) for pair in before
        ):
            raise ValueError("before is a list of pairs, each of a module's name and its bytes in base64")
        return Case(
            content=base64.b64decode(data["content"]),
            invocations=tuple(map(Invocation.from_json, data["invocations"])),
            kind=CaseKind(data["kind"]),
            features=frozenset(data["features"]),
            sites=tuple(CallSite(*row) for row in data["sites"]),
            labels=frozenset(data["labels"]),
            provenance=Provenance(**data["provenance"]),
            before=tuple((name, base64.b64decode(content)) for name, content in before),
        )
