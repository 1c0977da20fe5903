"""A module without certain instructions, otherwise as it was: what a known bug needs, taken out of a generated module.

    avoid i32.rotl     i32.rotl      ->   i32.rotr                            another row of the same type
    avoid i32.sub      i32.sub       ->   i32.const -1  i32.mul  i32.add      the same value, by other rows
    avoid i32.lt_u     i32.lt_u      ->   i32.ge_u  i32.eqz

Counting and comparing keep their values, since loops and fuel end by them. What masks and shifts is left alone for the
same reason, and so is what touches memory or has no row of the same type: such instructions cannot be avoided here.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache, lru_cache
from typing import Final

from wasm.fragment import Code, code
from wasm.isa import OPS, ROWS, Instr, Op
from wasm.module import Func, Module
from wasm.valtypes import NumType

_OPPOSITES: Final = (("eq", "ne"), ("lt_s", "ge_s"), ("lt_u", "ge_u"), ("gt_s", "le_s"), ("gt_u", "le_u"))
_KEPT: Final = frozenset(
    f"{t}.{word}" for t in ("i32", "i64") for word in ("and", "or", "xor", "shl", "shr_s", "shr_u")
)


@cache
def _identities() -> dict[str, Code]:
    """The same value by other rows, by a row's name."""
    same = {}
    for t in ("i32", "i64"):
        same[f"{t}.add"] = code(f"{t}.const -1  {t}.mul  {t}.sub")
        same[f"{t}.sub"] = code(f"{t}.const -1  {t}.mul  {t}.add")
        same[f"{t}.eqz"] = code(f"{t}.const 0  {t}.eq")
        for one, other in _OPPOSITES:
            same[f"{t}.{one}"] = code(f"{t}.{other}  i32.eqz")
            same[f"{t}.{other}"] = code(f"{t}.{one}  i32.eqz")
    return same


def avoidable(names: Collection[str]) -> frozenset[str]:
    """Those of these rows that can be avoided while all of them are to be."""
    wanted = frozenset(names)
    return frozenset(name for name in wanted if name in OPS and _instead(OPS[name], wanted))


def without_rows(module: Module, names: Collection[str]) -> dict[int, list[int]] | None:
    """Take the rows of these names out of a module's functions, as far as they are avoidable; the module is changed.

    Gives, by the number of each changed function among those that the module defines, the new position of each of its
    instructions; None if nothing was changed.
    """
    wanted = frozenset(names)
    ops = {OPS[name] for name in avoidable(wanted)}
    moved = {number: _avoid(func, ops, wanted) for number, func in enumerate(module.funcs)
             if any(op in ops for op, _ in func.body)}  # fmt: skip
    return moved or None


def _avoid(func: Func, ops: set[Op], wanted: frozenset[str]) -> list[int]:
    body: list[Instr] = []
    positions = []
    for at, (op, imm) in enumerate(func.body):
        positions.append(len(body))
        if op not in ops:
            body.append((op, imm))
            continue
        ways = _instead(op, wanted)
        # Which of several: by position, so that not one and the same row takes the place of all.
        chosen = ways[at % len(ways)]
        body += chosen if isinstance(chosen, tuple) else ((chosen, imm),)
        positions[-1] = len(body) - 1
    func.body = body
    return positions


@lru_cache(maxsize=4096)
def _instead(op: Op, wanted: frozenset[str]) -> tuple[Op | Code, ...]:
    """What can stand for a row: the code of an identity, or rows of the same type; () where nothing can."""
    identity = _identities().get(op.name)
    if identity is not None:
        return () if any(part.name in wanted for part, _ in identity) else (identity,)
    if op.pure is None or op.name in _KEPT or not _numeric(op):
        return ()
    return tuple(
        row for row in ROWS
        if row is not op and row.name not in wanted and row.pure is not None and not row.traps
        and (row.params, row.results, row.imms) == (op.params, op.results, op.imms)
        and row.feature in (None, op.feature)
    )  # fmt: skip


def _numeric(op: Op) -> bool:
    types = (*(op.params or ()), *(op.results or ()))
    return bool(op.params) and bool(op.results) and all(isinstance(type_, NumType) for type_ in types)
