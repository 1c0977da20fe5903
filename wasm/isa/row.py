"""One row per instruction: the only list of instructions; codec, validator, text, generators and compilers read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, TypeAlias

from wasm.features import Feature
from wasm.semantics import SEMANTICS
from wasm.semantics.registry import Pure
from wasm.traps import TrapKind
from wasm.valtypes import ANYREF, EXNREF, EXTERNREF, FUNCREF, NUM_TYPES, ValType, ref


class Imm(Enum):
    """The kinds of immediates. An instruction's ``imm`` holds one value of each kind that its row lists, in this form.

    Binary order is the row's order. No immediates: None; one: the value itself; several: a tuple of them.
    """

    BLOCK_TYPE = "None, a ValType, or a type index"
    LABEL = "relative depth, 0 is innermost"
    LABELS = "(tuple of depths, default depth)"
    CATCHES = "tuple of Catch"
    FUNC = "function index"
    TYPE = "type index"
    TABLE = "table index"
    MEMORY = "memory index"
    GLOBAL = "global index"
    LOCAL = "local index"
    TAG = "tag index"
    DATA = "data segment index"
    ELEM = "element segment index"
    FIELD = "field index"
    COUNT = "number of operands"
    MEMARG = "MemArg"
    LANE = "lane index"
    LANES = "tuple of 16 lane indices"
    I32 = "bits of an i32, as an unsigned number"
    I64 = "bits of an i64, as an unsigned number"
    F32 = "bits of an f32"
    F64 = "bits of an f64"
    V128 = "bits of a v128, lane 0 lowest"
    HEAP = "HeapType"
    TYPES = "tuple of ValType"
    CAST = "(label, source RefType, target RefType)"
    ORDERING = "0 (sequentially consistent)"


class MemArg(NamedTuple):
    """``align`` is the exponent of 2; ``offset`` 0..2^64-1; ``memory`` the memory's index."""

    align: int
    offset: int
    memory: int = 0


class Catch(NamedTuple):
    """A clause of try_table: ``kind`` is catch, catch_ref, catch_all or catch_all_ref (``tag`` None for these two)."""

    kind: str
    tag: int | None
    label: int


CATCH_CODES: Final = ("catch", "catch_ref", "catch_all", "catch_all_ref")
"""Clause kinds by their binary code (spec 5.4.1)."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a memory instruction touches: ``bytes`` wide; ``kind`` is load, store, rmw, cmpxchg, wait or notify.

    ``signed`` is for loads that extend. For vector loads ``shape`` says what becomes of the bytes: ``splat``, ``zero``,
    ``lane``, or a lane width in bits to extend from; "" for a plain access.
    """

    bytes: int
    kind: str
    signed: bool = False
    shape: str = ""


ADDR: Final = "addr"
"""Placeholder in a row's type: the index type of the memory that the immediate names (i32 or i64)."""

StackType: TypeAlias = ValType | str


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """A row. Compare by identity; ``name`` is the unique key, ``mnemonic`` the text format's word.

    ``params`` and ``results`` are None where the type depends on the context (``wasm.signatures`` has the rule); an
    entry is a ValType or ``ADDR``. ``nan``: a NaN result's bits are open (spec 4.3.3). ``bare`` is the instruction
    without immediates, one shared object. ``const``: allowed in constant expressions (spec 3.4.13).
    """

    name: str
    mnemonic: str
    prefix: int
    code: int
    params: tuple[StackType, ...] | None
    results: tuple[StackType, ...] | None
    imms: tuple[Imm, ...]
    access: Access | None
    traps: frozenset[TrapKind]
    feature: Feature | None
    nan: bool
    const: bool
    pure: Pure | None

    @property
    def bare(self) -> Instr:
        return _BARE[self]

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _by_name, (self.name,)


Instr: TypeAlias = tuple[Op, Any]
"""An instruction: its row and its immediates in the form that ``Imm`` states."""

ROWS: Final[list[Op]] = []
_BARE: Final[dict[Op, Instr]] = {}
_NAMES: Final[dict[str, Op]] = {}
_CODES: Final[set[tuple[int, int]]] = set()

_WORDS: Final[dict[str, StackType]] = {
    **{t.name: t for t in NUM_TYPES},
    "addr": ADDR,
    "funcref": FUNCREF,
    "externref": EXTERNREF,
    "anyref": ANYREF,
    "exnref": EXNREF,
    "eqref": ref("eq"),
    "i31ref": ref("i31"),
    "(i31)": ref("i31", False),
    "arrayref": ref("array"),
}


def _by_name(name: str) -> Op:
    return _NAMES[name]


def _stack(text: str) -> tuple[StackType, ...]:
    return tuple(_WORDS[word] for word in text.split())


def op(
    name: str,
    code: int,
    signature: str | None,
    *imms: Imm,
    prefix: int = 0,
    mnemonic: str = "",
    access: Access | None = None,
    traps: tuple[TrapKind, ...] = (),
    feature: Feature | None = None,
    nan: bool = False,
    const: bool = False,
) -> Op:
    """Add a row. ``signature`` is ``"params -> results"``, or None where it depends on the context.

    Raises ``ValueError`` for a name or code that is taken.
    """
    if name in _NAMES or (prefix, code) in _CODES:
        raise ValueError(f"{name} ({prefix:#x} {code:#x}) is in the table already")
    params = results = None
    if signature is not None:
        before, _, after = signature.partition("->")
        params, results = _stack(before), _stack(after)
    row = Op(
        name, mnemonic or name, prefix, code, params, results, imms, access, frozenset(traps), feature, nan, const,
        SEMANTICS.get(name),
    )  # fmt: skip
    ROWS.append(row)
    _NAMES[name] = row
    _CODES.add((prefix, code))
    _BARE[row] = (row, None)
    return row
