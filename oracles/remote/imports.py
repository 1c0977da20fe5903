"""What a module's imports are given, as data for the workers: the one meaning of ``wasm.hostmix``.

Functions are host functions where the worker's host can carry their types bit for bit, else functions of a generated
*peer* module that computes the same mix and logs into its own memory. Globals, memories, tables and tags come from a
second peer, except globals of externref types, which only a host can make. An imported memory or table has its minimum
size and holds zeros or nulls. Imports that agree in module, name and type are one and the same item.

The function peer exports ``i0 i1 ...`` (by import index), ``log`` (a memory of records: import index and slot count as
u32 at 0 and 4, the argument slots from 16 on), ``count`` (i32 global: calls so far), ``pos`` (i32 global: log's end)
and ``reenter`` (a funcref table: by import index what its end calls, and behind these, again by import index, what does
its acts; ``oracles.remote.ready``). It imports ``h.trap``, which makes a host trap, and with externref
results ``h.tokens``, a table of the host tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

from oracles.remote.interface import (
    FUNC,
    GLOBAL,
    MEMORY,
    TABLE,
    TAG,
    TYPE_NAMES,
    ImportItem,
    Interface,
    Signature,
    Unreadable,
)
from oracles.remote.wasmbytes import (
    I32_CONST,
    I64_CONST,
    KIND_CODES,
    STORE,
    code_entry,
    export_entry,
    fixed,
    func_type,
    heap_of,
    import_entry,
    memory_of,
    piece,
    section,
    split_types,
    table_of,
    type_section,
)
from wasm.embedding import SLOT
from wasm.encode import END, OPCODES, encode_instrs, global_type
from wasm.hostmix import (
    BUMP,
    EXTERN_TOKENS,
    F1,
    F2,
    GOLDEN,
    LOG_LIMIT,
    ROTATE,
    STEP,
    THROWN_TAG,
    Act,
    Behaviour,
    acts,
    behaviour,
    mix,
    seed,
)
from wasm.isa import OPS
from wasm.leb import unsigned
from wasm.module import HEADER, ExternKind, Section
from wasm.valtypes import EXTERNREF, FUNCREF, I32, GlobalType

CALLBACK_KINDS: Final = frozenset("ilfdveEcCaAgGxX")
"""A host that takes raw slots takes every kind."""
SCRIPT_KINDS: Final = frozenset("ileEcaAg")
"""A JavaScript host loses NaN bits, cannot take v128 or exceptions, and has no non-null function or struct to give.

Nor has it a global whose type is not nullable: what its constructor makes of a host token is an externref.
"""


_CALLS: Final = (Behaviour.REENTER, Behaviour.CALLBACK)


class NoImport(Exception):
    """An import that no host can provide, in one line."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where one import comes from: ``how`` is ``host``, ``funcs``, ``store`` (export ``i<index>``), ``extern``, or
    ``linked``: an export of the instance that is registered under the import's module name (``Case.before``).

    ``same`` is the earlier import that this one shares its item with, or its own index. ``token`` is the host token of
    an ``extern`` global. ``signature`` is set for functions. ``acts`` are those that have something to work on.
    """

    item: ImportItem
    how: str
    same: int
    behaviour: Behaviour = Behaviour.MIX
    token: int = 0
    signature: Signature | None = None
    acts: frozenset[Act] = frozenset()

    @property
    def active(self) -> bool:
        """Whether it takes a host that does more than compute, trap, throw and call an export."""
        return bool(self.acts) or self.behaviour is Behaviour.CALLBACK


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """All imports in order, and the peer modules' bytes (empty where there is no need for one)."""

    sources: tuple[Source, ...]
    store: bytes = b""
    funcs: bytes = b""
    funcs_from: tuple[tuple[str, str], ...] = ()
    """Where each import of the function peer is, and what it is called there."""

    @property
    def active(self) -> bool:
        """Whether any source is."""
        return any(source.active for source in self.sources)


Names: TypeAlias = Mapping[str, frozenset[str]]
"""What the modules export that come before a case's own, by the name that each is registered under."""
NO_NAMES: Final[Names] = MappingProxyType({})


@lru_cache(maxsize=64)
def plan_imports(interface: Interface, host_kinds: frozenset[str]) -> ImportPlan:
    """Decide on every import. Raises ``NoImport``, and ``Unreadable`` for type indices that do not fit."""
    return plan_linked(interface, host_kinds, NO_NAMES)


def plan_linked(interface: Interface, host_kinds: frozenset[str], linked: Names) -> ImportPlan:
    """The same where instances may have the imports. A mapping has no hash, so that nothing is remembered."""
    seen: dict[tuple[str, str, int, bytes], int] = {}
    sources: list[Source] = []
    for index, item in enumerate(interface.imports):
        same = seen.setdefault((item.module, item.name, item.sort, item.raw), index)
        if item.name in linked.get(item.module, ()):
            sources.append(Source(item, "linked", same, signature=_signature(interface, item)))
        else:
            sources.append(_source(interface, item, same, host_kinds))
    plan = tuple(sources)
    funcs, places = _function_peer(interface, plan)
    return ImportPlan(plan, _store_peer(interface, plan), funcs, places)


def _signature(interface: Interface, item: ImportItem) -> Signature | None:
    return interface.type_at(item.index) if item.sort == FUNC else None


def _source(interface: Interface, item: ImportItem, same: int, host_kinds: frozenset[str]) -> Source:
    if item.sort == FUNC:
        signature = interface.type_at(item.index)
        does = _does(interface, item, signature)
        acting = _acts(interface, item)
        # A host that carries no kind of value hosts nothing, not even functions without any. One that collects garbage
        # before it hands on references would have to keep them alive; WebAssembly does that by itself.
        hosted = (
            bool(host_kinds)
            and does is not Behaviour.THROW
            and not (does in _CALLS and acting and not TYPE_NAMES.keys() >= set(signature.params))
            and host_kinds.issuperset(signature.params + signature.results)
        )
        return Source(item, "host" if hosted else "funcs", same, does, 0, signature, acting)
    if item.sort == GLOBAL and (item.kind == "e" or (item.kind == "E" and host_kinds >= CALLBACK_KINDS)):
        bits = mix(item.module, item.name, 0, b"")
        return Source(item, "extern", same, token=bits % EXTERN_TOKENS)
    lettered = item.sort in (GLOBAL, TABLE) and item.kind in ("C", "E", "G", "X")
    if lettered or (item.sort == TABLE and item.kind.isupper()):
        raise NoImport(f"no host value for import {item.module}.{item.name}")
    return Source(item, "store", same)


def _does(interface: Interface, item: ImportItem, signature: Signature) -> Behaviour:
    """The behaviour, or ``TRAP`` where it has nothing to work on."""
    does = behaviour(item.module)
    if does is Behaviour.THROW and _thrown(interface) is None:
        return Behaviour.TRAP
    if does is Behaviour.REENTER:
        target = interface.find(item.name, FUNC)
        if target is None or target >= len(interface.funcs):
            return Behaviour.TRAP
        other = interface.signature(target)
        if interface.funcs[target] != item.index and (other != signature or not signature.plain):
            return Behaviour.TRAP
    if does is Behaviour.CALLBACK and called_back(interface, item) is None:
        return Behaviour.TRAP
    if does is Behaviour.MIX and any(kind in "CGX" for kind in signature.results):
        return Behaviour.TRAP
    return does


def called_back(interface: Interface, item: ImportItem) -> int | None:
    """The index of the table that ``wasm.hostmix.Behaviour.CALLBACK`` calls through."""
    table = interface.find(item.name, TABLE)
    return table if table is not None and interface.tables[table] in "cC" else None


def _acts(interface: Interface, item: ImportItem) -> frozenset[Act]:
    """Those that the module has something for."""
    asked = acts(item.module)
    if not asked:
        return asked
    memory, table, held = (interface.find(item.name, sort) for sort in (MEMORY, TABLE, GLOBAL))
    able = {Act.COLLECT}
    if memory is not None:
        able |= {Act.GROW, Act.WRITE}
    if table is not None and interface.tables[table].islower():
        able.add(Act.GROW)
    if held is not None:
        kind, mutable = interface.globals[held]
        if mutable and (kind.islower() or kind == "A"):
            able.add(Act.WRITE)
    return asked & able


def _thrown(interface: Interface) -> int | None:
    """The tag index of the imported tag that ``throw`` functions throw."""
    tags = [item for item in interface.imports if item.sort == TAG]
    return next((k for k, item in enumerate(tags) if (item.module, item.name) == THROWN_TAG), None)


def _store_peer(interface: Interface, sources: tuple[Source, ...]) -> bytes:
    stored = [s for i, s in enumerate(sources) if s.how == "store" and s.same == i]
    if not stored:
        return b""
    parts: dict[int, list[bytes]] = {TABLE: [], MEMORY: [], GLOBAL: [], TAG: []}
    exports: list[bytes] = []
    for source in stored:
        item = source.item
        exports.append(export_entry(f"i{source.same}", item.sort, len(parts[item.sort])))
        parts[item.sort].append(item.raw + _initial(item) if item.sort == GLOBAL else item.raw)
    return b"".join(
        (
            HEADER,
            type_section(interface.type_count, interface.type_bytes, ()) if interface.type_count else b"",
            section(Section.TABLE, parts[TABLE]),
            section(Section.MEMORY, parts[MEMORY]),
            section(Section.TAG, parts[TAG]),
            section(Section.GLOBAL, parts[GLOBAL]),
            section(Section.EXPORT, exports),
        )
    )


_REF_NULL: Final = OPCODES[OPS["ref.null"]]
"""Its heap type comes as bytes, out of the module that is served."""
_INITIAL: Final = {
    **{kind: piece(f"{word}.const $bits") for kind, word in TYPE_NAMES.items()},
    **dict.fromkeys("aA", piece("i32.const $bits  ref.i31")),
}
_WIDTHS: Final = {"i": 32, "l": 64, "f": 32, "d": 64, "v": 128, "a": 31, "A": 31}


def _initial(item: ImportItem) -> bytes:
    """The initial value of an imported global: a mix of its name, or null."""
    if made := _INITIAL.get(item.kind):
        bits = mix(item.module, item.name, 0, b"")
        return made(bits & (1 << _WIDTHS[item.kind]) - 1) + END
    return _REF_NULL + heap_of(item.raw[:-1]) + END


_STEP, _FINISH, _FIRST_PEER = 1, 2, 3
"""Function indices of the function peer: behind its one import ``h.trap``, the mix' two parts and the peers."""
_COUNT, _POS = 0, 1
"""Its globals."""
_WORD: Final = (1 << 64) - 1


def _function_peer(
    interface: Interface, sources: tuple[Source, ...]
) -> tuple[bytes, tuple[tuple[str, str], ...]]:  # fmt: skip
    peers = [(i, s) for i, s in enumerate(sources) if s.how == "funcs" and s.same == i]
    if not peers:
        return b"", ()
    places = [("h", "trap")]
    thrown = _thrown(interface)
    throws = thrown is not None and any(s.behaviour is Behaviour.THROW for _, s in peers)
    base = len(interface.types)
    word = KIND_CODES["l"]
    types = [func_type(), func_type([word, word], [word]), func_type([word], [word])]
    acting = base + len(types)
    if any(s.acts for _, s in peers):
        types.append(func_type([word]))
    imports = [import_entry("h", "trap", ExternKind.FUNC, unsigned(base))]
    if any(kind in "eE" for _, s in peers for kind in made_kinds(interface, s)):
        imports.append(import_entry("h", "tokens", ExternKind.TABLE, table_of(EXTERNREF, EXTERN_TOKENS)))
        places.append(("h", "tokens"))
    tokens = len(imports) - 1
    if throws:
        tag = next(s for s in sources if (s.item.module, s.item.name) == THROWN_TAG)
        imports.append(import_entry("s", f"i{tag.same}", ExternKind.TAG, tag.item.raw))
        places.append(("s", f"i{tag.same}"))
    widest = max(len(s.signature.params) for _, s in peers if s.signature)
    counter = global_type(GlobalType(I32, True)) + I32_CONST(0) + END
    exports = [export_entry(f"i{i}", FUNC, _FIRST_PEER + k) for k, (i, _) in enumerate(peers)]
    exports += [export_entry("log", MEMORY, 0), export_entry("count", GLOBAL, _COUNT)]
    exports += [export_entry("pos", GLOBAL, _POS), export_entry("reenter", TABLE, tokens)]
    bodies = [code_entry((), _STEP_BODY), code_entry((), _FINISH_BODY)]
    bodies += [_peer_code(interface, i, s, _Acting(tokens, len(sources) + i, acting)) for i, s in peers]
    content = b"".join(
        (
            HEADER,
            type_section(interface.type_count, interface.type_bytes, types),
            section(Section.IMPORT, imports),
            section(Section.FUNCTION, map(unsigned, (base + 1, base + 2, *(s.item.index for _, s in peers)))),
            section(Section.TABLE, [table_of(FUNCREF, slots_of(sources))]),
            section(Section.MEMORY, [memory_of(LOG_LIMIT * (SLOT + SLOT * widest))]),
            section(Section.GLOBAL, [counter, counter]),
            section(Section.EXPORT, exports),
            section(Section.CODE, bodies),
        )
    )
    return content, tuple(places)


def slots_of(sources: tuple[Source, ...]) -> int:
    """The size of the function peer's table ``reenter``."""
    return len(sources) * (2 if any(s.acts for s in sources if s.how == "funcs") else 1)


def made_kinds(interface: Interface, source: Source) -> str:
    """The kinds of the values that a peer function makes up."""
    if source.behaviour is Behaviour.THROW:
        thrown = _thrown(interface)
        return interface.type_at(interface.tags[thrown]).params if thrown is not None else ""
    return source.signature.results if source.signature and source.behaviour is Behaviour.MIX else ""


_STEP_BODY: Final = piece("""
    local.get 0  local.get 1  i64.xor  i64.const $rotate  i64.rotl  i64.const $step  i64.mul  i64.const $bump  i64.add
""")(ROTATE, STEP, BUMP)
"""(h, word) -> rotl(h ^ word, ROTATE) * STEP + BUMP"""
_FOLD: Final = piece("local.get 0  local.get 0  i64.const $shift  i64.shr_u  i64.xor")
_TIMES: Final = piece("i64.const $factor  i64.mul  local.set 0")
_FINISH_BODY: Final = _FOLD(30) + _TIMES(F1) + _FOLD(27) + _TIMES(F2) + _FOLD(31)
"""SplitMix64's finaliser."""

_GET: Final = piece("local.get $local")
_TRAPS: Final = fixed("call 0  unreachable")
_TRAPS_IF_NULL: Final = piece("i32.const $index  table.get $reenter  ref.is_null  if  call 0  unreachable  end")
_CALLS_BACK: Final = piece("i32.const $index  call_indirect $reenter (type $type_)")
_THROWS: Final = fixed("throw 0")
_ACTS: Final = piece("""
    i32.const $slot  table.get $reenter  ref.is_null  i32.eqz
    if  local.get $state  i32.const $slot  call_indirect $reenter (type $type_)  end
""")


class _Acting(NamedTuple):
    """Where a peer function finds what does its acts: the table ``reenter``, the slot, and the type of that."""

    table: int
    slot: int
    type: int


def _peer_code(interface: Interface, index: int, source: Source, acting: _Acting) -> bytes:
    """A peer function: its parameters, then an i64 (the mix's state) and an i32 (an address in the log) as locals."""
    signature = source.signature
    if signature is None:
        raise Unreadable("an import without a type")
    state = len(signature.params)
    body = _log_code(index, signature, state + 1)
    does, table = source.behaviour, acting.table
    if source.acts or does in (Behaviour.MIX, Behaviour.THROW):
        body += _absorb_code(source.item, signature, state)
    if source.acts:
        body += _ACTS(acting.slot, table, state, acting.type)
    if does is Behaviour.TRAP:
        body += _TRAPS
    elif does in (Behaviour.REENTER, Behaviour.CALLBACK):
        body += _TRAPS_IF_NULL(index, table) + b"".join(map(_GET, range(state)))
        body += _CALLS_BACK(index, table, source.item.index)
    else:
        thrown = _thrown(interface) if does is Behaviour.THROW else None
        made = interface.type_at(interface.tags[thrown]) if thrown is not None else signature
        types = split_types(made.raw)[0 if thrown is not None else 1]
        kinds = made_kinds(interface, source)
        body += b"".join(_result_code(kind, types[i], i, state) for i, kind in enumerate(kinds))
        body += _THROWS if thrown is not None else b""
    return code_entry([(1, KIND_CODES["l"]), (1, KIND_CODES["i"])], body)


_LOG_HAS_ROOM: Final = piece(f"global.get {_COUNT}  i32.const $limit  i32.lt_u")(LOG_LIMIT)
_IF: Final = encode_instrs([(OPS["if"], None)])
_LOG_HEAD: Final = piece(f"""
    global.get {_POS}  local.set $at
    local.get $at  i32.const $index  i32.store
    local.get $at  i32.const $params  i32.store offset=4
""")
_LOG_VALUE: Final = {kind: piece(f"local.get $at  local.get $local  {store}") for kind, store in STORE.items()}
_LOG_NON_NULL: Final = piece(f"local.get $at  local.get $local  ref.is_null  i32.eqz  {STORE['i']}")
_LOG_END: Final = piece(f"local.get $at  i32.const $size  i32.add  global.set {_POS}")
_COUNT_CALL: Final = fixed(f"global.get {_COUNT}  i32.const 1  i32.add  global.set {_COUNT}")


def _log_code(index: int, signature: Signature, at: int) -> bytes:
    """While the log has room: header, number slots, a 1 for each non-null reference; then count the call."""
    params = signature.params
    out = [_LOG_HAS_ROOM, _IF, _LOG_HEAD(at, index, len(params))]
    out += [_LOG_VALUE.get(kind, _LOG_NON_NULL)(at, i, SLOT + SLOT * i) for i, kind in enumerate(params)]
    out += [_LOG_END(at, SLOT + SLOT * len(params)), END, _COUNT_CALL]
    return b"".join(out)


_NO_HIGH_WORD: Final = "i64.const 0"
_WORDS: Final = {
    "i": ("local.get $local  i64.extend_i32_u", _NO_HIGH_WORD),
    "l": ("local.get $local", _NO_HIGH_WORD),
    "f": ("local.get $local  i32.reinterpret_f32  i64.extend_i32_u", _NO_HIGH_WORD),
    "d": ("local.get $local  i64.reinterpret_f64", _NO_HIGH_WORD),
    "v": ("local.get $local  i64x2.extract_lane 0", "local.get $local  i64x2.extract_lane 1"),
}
"""The low and the high word of an argument's slot, by kind."""
_ABSORBS: Final = {kind: piece(f"{low}  call {_STEP}  {high}  call {_STEP}") for kind, (low, high) in _WORDS.items()}
_ABSORBS_NON_NULL: Final = piece(
    f"local.get $local  ref.is_null  i32.eqz  i64.extend_i32_u  call {_STEP}  {_NO_HIGH_WORD}  call {_STEP}"
)
_TO_STATE: Final = piece("local.set $state")


def _absorb_code(item: ImportItem, signature: Signature, state: int) -> bytes:
    """The mix of all arguments (``wasm.hostmix.mix``) into the local ``state``."""
    out = [I64_CONST(seed(item.module, item.name))]
    out += [_ABSORBS.get(kind, _ABSORBS_NON_NULL)(i) for i, kind in enumerate(signature.params)]
    return b"".join(out) + _TO_STATE(state)


_RESULT_WORD: Final = piece(f"local.get $state  i64.const $step  i64.add  call {_FINISH}")
_FROM_WORD: Final = {
    "i": fixed("i32.wrap_i64"),
    "l": b"",
    "f": fixed("i32.wrap_i64  f32.reinterpret_i32"),
    "d": fixed("f64.reinterpret_i64"),
    "v": fixed("i64x2.splat"),
    "a": fixed("i32.wrap_i64  ref.i31"),
    "e": piece("i32.wrap_i64  i32.const $mask  i32.and  table.get 0")(EXTERN_TOKENS - 1),
}
_HIGH_LANE: Final = fixed("i64x2.replace_lane 1")
_NON_NULL: Final = fixed("ref.as_non_null")


def _result_code(kind: str, type_: bytes, index: int, state: int) -> bytes:
    """Result ``index`` of a mix, or null where no value of the type can be made."""

    def word(k: int) -> bytes:
        return _RESULT_WORD(state, (2 * index + k + 1) * GOLDEN & _WORD)

    made = _FROM_WORD.get(kind.lower())
    if made is None:
        return _REF_NULL + heap_of(type_)
    code = word(0) + made
    if kind == "v":
        return code + word(1) + _HIGH_LANE
    return code + _NON_NULL if kind == "E" else code
