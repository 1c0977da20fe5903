"""Typed edits of a valid function: each keeps it valid, and most of them the places that it must not trap or hang in.

    _constant       i64.const 7                   i64.const 0x8000000000000000
    _instruction    i32.add                       i32.sub
    _swap           local.get 0  i32.const 1      i32.const 1  local.get 0
    _replace        local.get 0  i32.const 1  i32.add                 a new expression of the parameters
    _repeat         i32.const 1  global.set 0     the same twice
    _offset         i32.load offset=8             i32.load align=1 offset=4
    _choose         local.get 0                   local.get 0  i32.const 7  local.get 1  select
    _through_local  local.get 0                   local.get 0  local.set 3  local.get 3
    _wrap           local.get 0                   block (result i32)  local.get 0  end
    _identity       local.get 0                   local.get 0  i32.const 0  i32.xor

An edit that turns out invalid after all is taken back; whoever asked for it counts that.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from typing import Any, Final, TypeAlias

from generators.choices import weighted
from generators.draw.values import draw_bits
from generators.mutation.editor import Editor
from wasm.fragment import Code, code, template
from wasm.isa import OPS, ROWS, Imm, Instr, MemArg, Op
from wasm.rewrite.spans import closed
from wasm.valtypes import F32, F64, I32, I64, V128, NumType, ValType

Edit: TypeAlias = Callable[[Editor], bool]
"""Makes one edit; False if there was nothing to make it of."""

_CONSTANTS: Final = {OPS[f"{type_}.const"]: type_ for type_ in (I32, I64, F32, F64, V128)}
_ELSE: Final = OPS["else"].bare
_END: Final = OPS["end"].bare
_SELECT: Final = OPS["select"].bare
_LEAVE: Final = code("br 0")
_ALWAYS: Final = code("i32.const 1")
_KEEP: Final = template("local.tee $local")
_PASS: Final = template("local.set $local  local.get $local")


def make_edit(editor: Editor) -> bool | None:
    """Try one edit. None: nothing to edit was there; False: the result was not valid and was taken back."""
    change = editor.source.weighted(_EDITS)
    return editor.attempt(change, change in _IN_PLACE)


# Edits that change what is computed.


def _constant(editor: Editor) -> bool:
    """A constant becomes one from an edge."""
    at = editor.pick(lambda _, row, __: row in _CONSTANTS)
    if at is None:
        return False
    row = editor.func.body[at][0]
    editor.func.body[at] = row, draw_bits(editor.source, _CONSTANTS[row])
    return True


_OBSERVING: Final = ("reinterpret", "copysign", "bitmask", "any_true", "all_true", "extract_lane", "narrow")
"""What looks at the bits of a NaN, which the specification leaves open (spec 4.3.3)."""


def _family(row: Op) -> str:
    return row.name.partition(".")[0] if row.params and V128 in row.params else ""


@lru_cache(maxsize=1024)
def _alike(row: Op, features: frozenset[Any]) -> tuple[Op, ...]:
    """The rows that can stand in for one: same type, no trap and no open NaN that it has not, no bits looked at."""
    if row.params is None or row.access is not None or row.imms or row.traps:
        return ()
    return tuple(
        other
        for other in ROWS
        if (other.params, other.results, other.imms) == (row.params, row.results, row.imms)
        and other is not row
        and other.access is None
        and not other.traps
        and (row.nan or not other.nan)
        and _family(other) == _family(row)
        and not any(word in other.name for word in _OBSERVING)
        and (other.feature is None or other.feature in features)
        and (other.feature is row.feature or row.feature is None or other.feature is None)
        and "relaxed" not in other.name
    )


def _instruction(editor: Editor) -> bool:
    """An instruction becomes another one of the same type."""
    at = editor.pick(lambda _, row, __: bool(_alike(row, editor.config.features)))
    if at is None:
        return False
    row, imm = editor.func.body[at]
    editor.func.body[at] = editor.source.pick(_alike(row, editor.config.features)), imm
    return True


def _swap(editor: Editor) -> bool:
    """Two operands of one type change places."""
    nodes, start = editor.code.nodes, editor.code.spans.start

    def two(at: int, row: Op, _: Any) -> bool:
        ins = nodes[at].ins
        if len(ins) < 2 or row.params is None or ins[-1].type is not ins[-2].type:
            return False
        a, b = ins[-2:]
        # Each by a span of its own, the second one's right behind the first one's and right before the instruction.
        return 0 <= start(a) < start(b) == a.maker + 1 and b.maker + 1 == at and not {a.maker, b.maker} & editor.kept

    at = editor.pick(two)
    if at is None:
        return False
    first, second = map(start, nodes[at].ins[-2:])
    body = editor.func.body
    editor.splice(first, at, body[second:at] + body[first:second])
    return True


def _replace(editor: Editor) -> bool:
    """An expression becomes a new one."""
    span = editor.number()
    if span is None:
        return False
    start, end, type_ = span
    body = editor.func.body
    if any(body[at][0].name in ("local.tee", "local.set") and at in editor.kept for at in range(start, end)):
        return False
    new = editor.fresh(type_, editor.source.between(0, 3))
    if new is None:
        return False
    editor.splice(start, end, new)
    return True


def _repeat(editor: Editor) -> bool:
    """A statement is done twice."""
    statement = editor.statement()
    if statement is None:
        return False
    start, end = statement
    again = editor.func.body[start:end]
    if not closed(again):
        return False
    editor.splice(end, end, again)
    return True


def _offset(editor: Editor) -> bool:
    """An access a little lower, or with another alignment: never further out than before."""
    body = editor.func.body
    # Atomic accesses (prefix 0xFE) have to be aligned and trap where they are not.
    places = [at for at in editor.code.at if Imm.MEMARG in body[at][0].imms and body[at][0].prefix != 0xFE]
    if not places:
        return False
    at = editor.source.pick(places)
    row, imm = body[at]
    memarg = imm if isinstance(imm, MemArg) else imm[0]
    assert row.access is not None
    offset = editor.source.pick((memarg.offset, memarg.offset // 2, 0, max(0, memarg.offset - 1)))
    align = editor.source.below(row.access.bytes.bit_length())
    changed = MemArg(align, offset, memarg.memory)
    body[at] = row, changed if isinstance(imm, MemArg) else (changed, *imm[1:])
    return True


def _choose(editor: Editor) -> bool:
    """An expression becomes one arm of a choice; the other arm is a new one."""
    span = editor.number()
    if span is None:
        return False
    start, end, type_ = span
    value = editor.func.body[start:end]
    if not closed(value):
        return False
    other = editor.fresh(type_, 2)
    condition = editor.fresh(I32, 1)
    if other is None or condition is None:
        return False
    if editor.source.one_in(2):
        editor.splice(start, end, [*condition, (OPS["if"], type_), *value, _ELSE, *other, _END])
    else:
        editor.splice(start, end, [*value, *other, *condition, _SELECT])
    return True


# Edits that only change how it is computed.


def _through_local(editor: Editor) -> bool:
    """A value goes through a new local, or is kept in one besides."""
    span = editor.span()
    if span is None or not getattr(span[2], "nullable", True):
        return False
    _, end, type_ = span
    local = editor.local(type_)
    editor.splice(end, end, _PASS(local) if editor.source.one_in(2) else _KEEP(local))
    return True


class _Around(Enum):
    """What an expression moves into."""

    BLOCK = "a block"
    LOOP = "a loop that is not repeated"
    LEFT_BLOCK = "a block that a branch leaves at its end"
    ARM = "an arm that is always taken; a plain block where there is no constant for the other one"


def _wrap(editor: Editor) -> bool:
    """An expression moves into a block, a loop that is not repeated, or an arm that is always taken."""
    span = editor.span()
    if span is None:
        return False
    start, end, type_ = span
    value = editor.func.body[start:end]
    if not closed(value):
        return False
    around = editor.source.pick(tuple(_Around))
    if around is _Around.ARM and isinstance(type_, NumType):
        zero: Instr = (OPS[f"{type_}.const"], 0)
        editor.splice(start, end, [*_ALWAYS, (OPS["if"], type_), *value, _ELSE, zero, _END])
        return True
    opener = OPS["loop" if around is _Around.LOOP else "block"]
    leave = _LEAVE if around is _Around.LEFT_BLOCK else ()
    editor.splice(start, end, [(opener, type_), *value, *leave, _END])
    return True


def _identities(type_: NumType) -> tuple[Code, ...]:
    """Code that takes an integer and gives it back."""
    t, bits, most = type_, type_.bits, (1 << type_.bits - 1) - 1
    return (
        *(code(f"{t}.const 0  {t}.{word}") for word in ("add", "or", "xor", "shl", "rotl", "sub")),
        code(f"{t}.const -1  {t}.and"),
        code(f"{t}.const 1  {t}.mul"),
        code(f"{t}.const {bits}  {t}.shr_u"),
        *(code(f"{t}.const {value}  {t}.add  {t}.const {value}  {t}.sub") for value in (1, 0x7F, most)),
        code(f"f{bits}.reinterpret_i{bits}  i{bits}.reinterpret_f{bits}"),
    )


_SAME: Final[dict[ValType, tuple[Code, ...]]] = {
    I32: (*_identities(I32), code("i64.extend_i32_u  i32.wrap_i64")),
    I64: _identities(I64),
}


def _identity(editor: Editor) -> bool:
    """An integer goes through operations that leave it as it is."""
    span = editor.number()
    if span is None or span[2] not in _SAME:
        return False
    _, end, type_ = span
    editor.splice(end, end, editor.source.pick(_SAME[type_]))
    return True


_EDITS: Final = weighted(
    (_constant, 40), (_instruction, 44), (_swap, 30), (_replace, 34), (_repeat, 18), (_offset, 18), (_choose, 18),
    (_through_local, 18), (_wrap, 18), (_identity, 18),
)  # fmt: skip
_IN_PLACE: Final = frozenset((_constant, _instruction, _offset))
"""These put one instruction in the place of another one of its type: all that is known of the function still holds."""
