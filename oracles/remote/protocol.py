"""The framed protocol between the harness and a worker process.

A frame is u32 total size, u32 header size (both little-endian, the total counting everything after itself), a JSON
header and a binary body. Requests are ``hello``, ``case``, and for scripts ``open``, ``instantiate``, ``register``,
``invoke``, ``get``. Each gets one reply. Besides, the worker writes what it is about to do as 8 bytes at offset 0 of
a shared file: u32 phase (index in ``PHASES``), i32 invocation. The harness zeroes it before each request and reads it
when the worker dies or hangs, so progress costs it next to nothing.

A reply ends with five little-endian doubles: the process' CPU seconds so far, and those of the case's phases compile,
instantiate, invoke and state. Nothing before them depends on time, so equal replies are equal observations.

In the body of a request, the blobs of the header's ``blobs`` lengths follow each other: the module, the import peers
and wrappers, then argument slots. In the body of a reply, result and payload slots of the outcomes come in order, those
of ``before`` first, then
the host-call log, then globals, then the contents of dumped blocks.

The header of a ``case``; a blob is given by its position, -1 for none, and without ``imports`` the module is compiled
and no more:

    module      a blob
    features    names, only where the engine is to have these alone
    imports     sources: [module, name, sort, how, same, behaviour, kinds of parameters, kinds of results, token], where
                for what is no function the kinds are its own kind and whether it is mutable (``imports.Source``);
                store, funcs: the peers' blobs; funcs_from: [place, name] of what the latter imports; collect: the
                positions of host functions that collect garbage by themselves, where there are any
    ready       a blob: the module to be instantiated behind the one under test, where one is needed
    ready_from  [place, name]: where each of its imports is (``oracles.remote.ready.Ready``)
    before      [name, blob, imports as above] of each module that is instantiated before, in order, where there are
                any; imports.apart is there and true where it is to have a store of its own, if the engine has stores
    tags        [name, kinds of the payload, -1 or the position of its import]
    calls       [export, "host" or "wrapper" or why not, kinds of parameters, kinds of results, blob of argument slots,
                identities of the reference arguments, blob of the wrapper]
    globals     [name, kind]
    read        names of globals that the module in the blob ``reader`` reads
    memories    names
    shared      true where a memory that any of the modules imports or exports is shared, else not there
    tables      [name, kind]
    funcs       names
    dump        [memory, index of a block of 64 KiB]

and for an engine that finds imports by names alone (``Flavour.by_name``): ``imports.glue``, [module name, blob], what
the module imports from; ``reader_glue``, what the reader imports from as ``g``; and at the end of a call the blob that
its wrapper imports from as ``m`` (``oracles.remote.glue``).

The header of its reply; an outcome is a list whose first word says what it is (``ReplyReader.outcome``):

    before      the outcome of each module of the request's ``before``; none may be after one that neither returned nor
                trapped nor threw, which is the outcome ``inst``, too
    inst        the outcome of decoding, compiling and instantiating
    phase       how far that came (index in ``PHASES``)
    out         an outcome per call, up to one after which nothing more can be called
    log         [position of the import, identities of the reference arguments]
    globals     null, or a reference's identity
    mems        [name, pages, [[index of a block, CRC-32]]], blocks of zeros left out
    tables      [name, size, identities of the first elements]
    dumps       lengths

What an engine cannot show its reply leaves out, and it is not compared: all but ``inst`` may be missing.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from oracles.remote.glue import call_glue, import_glue, read_glue
from oracles.remote.imports import ImportPlan, plan_imports, plan_linked
from oracles.remote.interface import (
    FUNC,
    GLOBAL,
    MEMORY,
    TABLE,
    TYPE_NAMES,
    Interface,
    Unreadable,
    read_interface,
)
from oracles.remote.outer import KnownTag, is_shared, known_tags, outer_memories
from oracles.remote.ready import ready_module
from oracles.remote.sources import NoImport, made_kinds
from oracles.remote.wasmbytes import KIND_CODES
from oracles.remote.wrapper import EXACT_READ, UNREADABLE, NoWrapper, global_reader, wrapper_for
from wasm.case import APART, Case, CaseKind
from wasm.embedding import (
    SLOT,
    Entry,
    Invocation,
    Outcome,
    Phase,
    Unsupported,
    Value,
)
from wasm.features import Hosting
from wasm.hostmix import Act

VERSION: Final = 1
PHASES: Final = (Phase.DECODE, Phase.COMPILE, Phase.INSTANTIATE, Phase.INVOKE)
PROGRESS: Final = struct.Struct("<Ii")
FRAME: Final = struct.Struct("<II")
TIMES: Final = struct.Struct("<5d")
PARTS: Final = ("compile", "instantiate", "invoke", "state")
"""What a case's CPU time is accounted to."""
ACTING: Final = "a host that collects, grows, writes or calls back through a table"
"""What a case needs whose imports have acts (``wasm.hostmix``)."""
SEVERAL: Final = "several items as imports of the same names"
"""What a case needs that imports an item twice, at types that do not go together."""
LINKING: Final = "modules that are instantiated before its own"
"""What a case needs that has any (``Case.before``)."""
TABLE_LIMIT: Final = 1000
"""Elements of an exported table that are observed."""


@dataclass(frozen=True, slots=True)
class Call:
    """One prepared invocation. ``via`` is ``host``, ``wrapper``, or why it cannot be made."""

    params: str
    results: str
    via: str
    args: bytes
    refs: tuple[str, ...]
    wrapper: bytes = b""

    def json(self, export: str, args: int, wrapper: int) -> list[Any]:
        """The call as a worker gets it; ``args`` and ``wrapper`` are blobs by their positions."""
        return [export, self.via, self.params, self.results, args, list(self.refs), wrapper]


@dataclass(frozen=True, slots=True)
class Request:
    """An encoded case and what is needed to read its reply."""

    frame: bytes
    interface: Interface | None
    plan: ImportPlan | None
    calls: tuple[Call, ...]
    refused: Outcome | None = None
    """Set where the harness already knows that no host can link the module."""
    dumps: tuple[tuple[str, int], ...] = ()
    globals: tuple[tuple[str, str], ...] = ()
    """Exported globals, in order: name and kind."""
    mix_types: tuple[tuple[str, ...], ...] = field(default=())
    """Per import, the embedding types of a function's parameters."""


@lru_cache(maxsize=1024)
def type_words(kinds: str) -> tuple[str, ...]:
    """The embedding's type words of a string of kinds."""
    return tuple([TYPE_NAMES.get(kind, "ref") for kind in kinds])


def encode_frame(header: dict[str, Any], blobs: list[bytes]) -> bytes:
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    body = b"".join(blobs)
    return b"".join((FRAME.pack(4 + len(text) + len(body), len(text)), text, body))


def pack_args(args: tuple[Value, ...]) -> tuple[bytes, tuple[str, ...]]:
    """Argument slots (references zero) and reference identities in order."""
    slots = b"".join([arg.bits.to_bytes(SLOT, "little") for arg in args])
    return slots, tuple(arg.ref for arg in args if arg.type == "ref")


@dataclass(frozen=True, slots=True)
class Flavour:
    """What decides how a case is put to a worker: the kinds that its host carries exactly, and whether entries are.

    ``exact_host`` says that a direct call keeps all bits. Else a direct call is made only where it does: all types are
    in ``host_kinds``; other invocations go through the wrapper whatever their entry.
    """

    host_kinds: frozenset[str]
    exact_host: bool
    exact_features: bool = False
    acts: bool = True
    """Its host does what ``ready`` and ``imports.collect`` are for. Else a case whose imports ask for it is not put to
    the worker."""
    by_name: bool = False
    """Imports are found by the names of instances alone (``oracles.remote.glue``), and a direct call does not tell what
    was thrown: with tags whose payloads are numbers a call goes through the wrapper. References have no other way than
    a direct call."""
    links: bool = False
    """It instantiates the modules that come before a case's own (``Case.before``)."""
    one_by_name: frozenset[int] = frozenset()
    """Imports of these sorts (``FUNC``, ...) that share both names cannot be told apart, nor can different sorts: a
    case where they are to be several items is not put to the worker."""
    passes: bool = True
    """A function of its host throws what a function that it calls throws. Else, in a module with tags, a function that
    calls back is a peer's."""
    direct: bool = False
    """Whatever the host can carry is called directly: calls from module to module are known to go wrong."""

    @property
    def hosting(self) -> frozenset[Hosting]:
        """What its worker is to be asked for besides features."""
        able = {Hosting.ACTING_HOSTS: self.acts, Hosting.LINKED_MODULES: self.links}
        return frozenset(one for one, does in able.items() if does)


def shares_names(interface: Interface, plan: ImportPlan, sorts: frozenset[int]) -> bool:
    """Whether two imports share both names and are different items, of different sorts or of one of these."""
    items: dict[tuple[str, str], tuple[int, int]] = {}
    for item, source in zip(interface.imports, plan.sources, strict=True):
        sort, same = items.setdefault((item.module, item.name), (item.sort, source.same))
        if same != source.same and (sort != item.sort or sort in sorts):
            return True
    return False


def prepare_call(
    interface: Interface, invocation: Invocation, flavour: Flavour, tags: tuple[int, ...] | None = None
) -> Call:
    """Resolve one invocation against a module's exports. Never raises: a call that cannot be made says why.

    ``tags`` are the tags whose exceptions the caller can name, by index; all that have a name if None.
    """
    func = interface.find(invocation.export, FUNC)
    args, refs = pack_args(invocation.args)
    if func is None:
        return Call("", "", f"no exported function {invocation.export}", args, refs)
    try:
        signature = interface.signature(func)
        if type_words(signature.params) != tuple(arg.type for arg in invocation.args):
            return Call("", "", f"arguments do not fit the type of {invocation.export}", args, refs)
        if tags is None:
            tags = tuple(tag.tag_index for tag in known_tags(interface))
        carried = signature.params + signature.results
        if not flavour.exact_host:
            # What is thrown comes through the host as results do.
            carried += "".join(interface.type_at(interface.tags[tag]).params for tag in tags)
        hosted = flavour.exact_host or flavour.host_kinds.issuperset(carried)
        if flavour.by_name:
            thrown = "".join(interface.type_at(interface.tags[tag]).params for tag in tags)
            through = tags or invocation.entry is Entry.WRAPPER
            hosted = not (through and TYPE_NAMES.keys() >= set(carried + thrown))
        if (invocation.entry is Entry.HOST or flavour.by_name or flavour.direct) and hosted:
            return Call(signature.params, signature.results, "host", args, refs)
        wrapper = wrapper_for(interface, func, tags, refs)
        return Call(signature.params, signature.results, "wrapper", args, refs, wrapper)
    except (Unreadable, NoWrapper) as error:
        return Call("", "", str(error), args, refs)


class _Blobs:
    """Blobs of a request, the same bytes only once."""

    def __init__(self) -> None:
        self.items: list[bytes] = []
        self.seen: dict[bytes, int] = {}

    def add(self, data: bytes) -> int:
        """The blob's position; -1 for no bytes."""
        if not data:
            return -1
        index = self.seen.setdefault(data, len(self.items))
        if index == len(self.items):
            self.items.append(data)
        return index


def encode_case(case: Case, flavour: Flavour, dumps: tuple[tuple[str, int], ...] = ()) -> Request:
    """A case as a request frame. Any bytes can be encoded: a module whose outside is unreadable is only compiled, and
    so is one of a case about validity, with all features of the engine: how numbers may be encoded depends on some.
    """
    blobs = _Blobs()
    header: dict[str, Any] = {"do": "case", "module": blobs.add(case.content or b"\0")}
    if case.kind is CaseKind.BYTES:
        return _compile_only(header, blobs)
    if flavour.exact_features:
        header["features"] = sorted(case.features)
    try:
        interface = read_interface(case.content)
        earlier = _earlier(case, flavour) if case.before else None
        if earlier is None:
            plan = plan_imports(interface, flavour.host_kinds, flavour.passes)
        else:
            plan = plan_linked(interface, flavour.host_kinds, earlier.names, flavour.passes)
            earlier.join(plan)
        if plan.active and not flavour.acts:
            raise NoImport(ACTING)
        if flavour.one_by_name and shares_names(interface, plan, flavour.one_by_name):
            raise NoImport(SEVERAL)
        ready = ready_module(interface, plan, flavour.by_name)
    except NoImport as error:
        return Request(b"", None, None, (), refused=Unsupported(str(error)))
    except Unreadable:
        return _compile_only(header, blobs)
    tags = known_tags(interface)
    tag_indices = tuple(tag.tag_index for tag in tags)
    calls = tuple([prepare_call(interface, one, flavour, tag_indices) for one in case.invocations])
    exported = [item for item in interface.exports if item.sort == GLOBAL and item.index < len(interface.globals)]
    if not flavour.exact_host:
        exported = [item for item in exported if interface.globals[item.index][0] not in UNREADABLE]
    kinds = tuple((item.name, interface.globals[item.index][0]) for item in exported)
    if earlier is not None:
        header["before"] = [
            [name, blobs.add(content), _imports_json(p, blobs) | ({"apart": True} if name in earlier.apart else {})]
            for name, content, p in earlier.modules
        ]
    header["imports"] = _imports_json(plan, blobs)
    header["tags"] = tags_json(interface, tags)
    header["calls"] = [
        call.json(one.export, blobs.add(call.args), blobs.add(call.wrapper))
        for one, call in zip(case.invocations, calls, strict=True)
    ]
    header["globals"] = kinds
    inexact = (
        [] if flavour.exact_host else [item for item in exported if interface.globals[item.index][0] in EXACT_READ]
    )
    header["read"] = [item.name for item in inexact]
    reader = global_reader(interface, tuple(item.index for item in inexact)) if inexact else b""
    header["reader"] = blobs.add(reader)
    header["memories"] = [item.name for item in interface.exports if item.sort == MEMORY]
    if any(map(is_shared, outer_memories(interface))) or (earlier is not None and earlier.shared):
        header["shared"] = True
    header["tables"] = [[item.name, interface.tables[item.index]] for item in interface.exports if item.sort == TABLE]
    header["funcs"] = [item.name for item in interface.exports if item.sort == FUNC]
    header["dump"] = dumps
    if ready is not None:
        header["ready"], header["ready_from"] = blobs.add(ready.content), ready.imports
    if flavour.by_name:
        try:
            _by_name(header, blobs, interface, plan, case, calls, exported)
        except NoImport as error:
            return Request(b"", None, None, (), refused=Unsupported(str(error)))
    header["blobs"] = [len(one) for one in blobs.items]
    params = tuple(type_words(s.signature.params) if s.signature else () for s in plan.sources)
    return Request(encode_frame(header, blobs.items), interface, plan, calls, None, dumps, kinds, params)


@dataclass(slots=True)
class _Earlier:
    """The modules before a case's own with the plans of their imports, and the exports that have a place by then.
    ``apart`` are those that are instantiated in stores of their own."""

    modules: list[tuple[str, bytes, ImportPlan]] = field(default_factory=list)
    apart: set[str] = field(default_factory=set)
    crossing: dict[str, set[str]] = field(default_factory=dict)
    """By module, the exports that a module of another store can import: shared memories, and nothing else."""

    def join(self, plan: ImportPlan) -> None:
        """Have those in one store with a module that it imports anything else from."""
        linked = [source.item for source in plan.sources if source.how == "linked"]
        self.apart -= {item.module for item in linked if item.name not in self.crossing[item.module]}

    names: dict[str, frozenset[str]] = field(default_factory=dict)
    shared: bool = False


def _earlier(case: Case, flavour: Flavour) -> _Earlier:
    """Raises ``NoImport`` where the worker cannot link them, and for one that no worker could be told of."""
    if not flavour.links:
        raise NoImport(LINKING)
    made = _Earlier()
    for name, content in case.before:
        try:
            interface = read_interface(content)
            plan = plan_linked(interface, flavour.host_kinds, made.names, flavour.passes)
        except Unreadable as error:
            raise NoImport(f"module {name}: {error}") from None
        if any(source.how in ("host", "funcs") for source in plan.sources):
            raise NoImport(f"module {name}: a function of the host is for the case's own module alone")
        made.modules.append((name, content, plan))
        made.names[name] = frozenset(item.name for item in interface.exports)
        made.shared = made.shared or any(map(is_shared, outer_memories(interface)))
        made.join(plan)
        made.crossing[name] = {item.name for item in interface.exports if item.sort == MEMORY
                               and is_shared(interface.type_of(MEMORY, item.index))}  # fmt: skip
        if name.startswith(APART) and not any(source.how == "linked" for source in plan.sources):
            made.apart.add(name)
    return made


def _by_name(
    header: dict[str, Any], blobs: _Blobs, interface: Interface, plan: ImportPlan, case: Case, calls: tuple[Call, ...],
    exported: list[Any],
) -> None:  # fmt: skip
    """What an engine needs that finds imports by names alone; the reader reads all vectors."""
    glued = import_glue(interface, plan)
    if any(source.how == "funcs" and "e" in made_kinds(interface, source).lower() for source in plan.sources):
        raise NoImport("a peer function that gives references of the host")
    header["imports"]["glue"] = [[module, blobs.add(content)] for module, content in glued]
    tags = [(tag.name, tag.tag_index, tag.imported_at) for tag in known_tags(interface)]
    for item, one, call in zip(header["calls"], case.invocations, calls, strict=True):
        func = interface.find(one.export, FUNC)
        wrapped = call.via == "wrapper" and func is not None
        item.append(blobs.add(call_glue(interface, one.export, func or 0, tags, plan)) if wrapped else -1)
    vectors = [item for item in exported if interface.globals[item.index][0] == "v"]
    if vectors:
        header["read"] = [item.name for item in vectors]
        header["reader"] = blobs.add(global_reader(interface, tuple(item.index for item in vectors)))
        types = [(item.name, KIND_CODES["v"] + bytes((interface.globals[item.index][1],))) for item in vectors]
        header["reader_glue"] = blobs.add(read_glue(interface, types))


def _compile_only(header: dict[str, Any], blobs: _Blobs) -> Request:
    header["blobs"] = [len(one) for one in blobs.items]
    return Request(encode_frame(header, blobs.items), None, None, ())


def tags_json(interface: Interface, tags: Iterable[KnownTag]) -> list[list[Any]]:
    """Tags as a worker gets them: name, kinds of the payload, and where it is (``KnownTag.imported_at``)."""
    return [[tag.name, interface.type_at(interface.tags[tag.tag_index]).params, tag.imported_at] for tag in tags]


def _imports_json(plan: ImportPlan, blobs: _Blobs) -> dict[str, Any]:
    sources = [
        [
            s.item.module, s.item.name, s.item.sort, s.how, s.same,
            s.behaviour.value, s.signature.params if s.signature else s.item.kind,
            s.signature.results if s.signature else s.item.mutable, s.token,
        ]
        for s in plan.sources
    ]  # fmt: skip
    made: dict[str, Any] = {"sources": sources, "store": blobs.add(plan.store), "funcs": blobs.add(plan.funcs)}
    if plan.funcs:
        made["funcs_from"] = plan.funcs_from
    if collecting := [i for i, s in enumerate(plan.sources) if s.how == "host" and s.acts == {Act.COLLECT}]:
        made["collect"] = collecting
    return made
