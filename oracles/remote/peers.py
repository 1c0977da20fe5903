"""The peer modules: what provides a case's imports where the worker's host cannot, as bytes.

The store peer has the globals, memories, tables and tags. An imported memory or table has its minimum size and holds
zeros or nulls. The function peer computes the same mix as a host function and logs into its own memory. It exports
``i0 i1 ...`` (by import index), ``log`` (a memory of records: import index and slot count as
u32 at 0 and 4, the argument slots from 16 on), ``count`` (i32 global: calls so far), ``pos`` (i32 global: log's end)
and ``reenter`` (a funcref table: by import index what its end calls, and behind these, again by import index, what does
its acts; ``oracles.remote.ready``). It imports ``h.trap``, which makes a host trap, and with externref
results ``h.tokens``, a table of the host tokens.
"""

from __future__ import annotations

from typing import Final, NamedTuple

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
from oracles.remote.sources import Source, made_kinds, thrown_tag
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
    Behaviour,
    mix,
    seed,
)
from wasm.isa import OPS
from wasm.leb import unsigned
from wasm.module import HEADER, ExternKind, Section
from wasm.valtypes import EXTERNREF, FUNCREF, I32, GlobalType


def store_peer(interface: Interface, sources: tuple[Source, ...]) -> bytes:
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


def function_peer(
    interface: Interface, sources: tuple[Source, ...]
) -> tuple[bytes, tuple[tuple[str, str], ...]]:  # fmt: skip
    peers = [(i, s) for i, s in enumerate(sources) if s.how == "funcs" and s.same == i]
    if not peers:
        return b"", ()
    places = [("h", "trap")]
    thrown = thrown_tag(interface)
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
        thrown = thrown_tag(interface) if does is Behaviour.THROW else None
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
