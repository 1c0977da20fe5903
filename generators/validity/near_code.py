"""Near misses in code: one instruction, immediate, block or local of a valid module made almost right."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from wasm.isa import OPS, ROWS, Catch, Imm, Instr, MemArg, Op
from wasm.module import Func, Module
from wasm.valtypes import F32, F64, I32, I64, RefType, ValType, ref

_INDICES: Final = frozenset((
    Imm.LABEL, Imm.FUNC, Imm.TYPE, Imm.TABLE, Imm.MEMORY, Imm.GLOBAL, Imm.LOCAL, Imm.TAG, Imm.DATA, Imm.ELEM,
    Imm.FIELD, Imm.COUNT, Imm.LANE,
))  # fmt: skip
_BARE: Final = {name: row.bare for name, row in OPS.items()}
_EXTRA: Final[tuple[Instr, ...]] = (
    *(_BARE[name] for name in ("drop", "nop", "unreachable", "return", "ref.is_null", "i32.eqz", "end")),
    *((OPS[name], 0) for name in ("i32.const", "i64.const", "f32.const")),
    (OPS["ref.null"], "func"),
)
_CATCHES: Final = ("catch", "catch_ref", "catch_all", "catch_all_ref")

Miss = Callable[[ChoiceSource, Config, Module], bool]
"""Changes the module in place and says so; False where it has nothing to change."""


@lru_cache(maxsize=512)
def _like(features: frozenset[Any], imms: tuple[Imm, ...]) -> tuple[Op, ...]:
    """The rows with these kinds of immediates."""
    return tuple(row for row in ROWS if row.imms == imms and (row.feature is None or row.feature in features))


def _function(source: ChoiceSource, module: Module) -> Func | None:
    found = [func for func in module.funcs if len(func.body) > 1]
    return source.pick(found) if found else None


def _where(source: ChoiceSource, func: Func, wanted: Callable[[Instr], bool]) -> int | None:
    found = [i for i, instr in enumerate(func.body) if wanted(instr)]
    return source.pick(found) if found else None


def _parts(row: Op, imm: Any) -> list[Any]:
    return [imm] if len(row.imms) == 1 else list(imm) if row.imms else []


def _whole(parts: list[Any]) -> Any:
    return None if not parts else parts[0] if len(parts) == 1 else tuple(parts)


def other_instruction(source: ChoiceSource, config: Config, module: Module) -> bool:
    """An instruction replaced by another one with immediates of the same kinds: mostly of another type."""
    func = _function(source, module)
    if func is None:
        return False
    at = source.below(len(func.body))
    row, imm = func.body[at]
    alike = _like(config.features, row.imms)
    if not alike:
        return False
    func.body[at] = source.pick(alike), imm
    return True


def index_by_one(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """An index one too high or too low, or far outside."""
    func = _function(source, module)
    at = _where(source, func, lambda instr: not _INDICES.isdisjoint(instr[0].imms)) if func else None
    if func is None or at is None:
        return False
    row, imm = func.body[at]
    parts = _parts(row, imm)
    which = source.pick([i for i, kind in enumerate(row.imms) if kind in _INDICES])
    lane = row.imms[which] is Imm.LANE
    by = source.pick((1, -1, 1, -1, 2, 0xFFFF))
    parts[which] = max(0, parts[which] + by) & (0xFF if lane else 0xFFFFFFFF)
    func.body[at] = row, _whole(parts)
    return True


def access(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """Alignment too large, offset out of range, another memory."""
    func = _function(source, module)
    at = _where(source, func, lambda instr: Imm.MEMARG in instr[0].imms) if func else None
    if func is None or at is None:
        return False
    row, imm = func.body[at]
    parts = _parts(row, imm)
    which = row.imms.index(Imm.MEMARG)
    align, offset, memory = parts[which]
    kind = source.below(4)
    if kind == 0:
        align += source.pick((1, -1 if align else 1))
    elif kind == 1:
        offset = source.pick((1 << 32, (1 << 32) - 1, (1 << 64) - 1, 1 << 63))
    elif kind == 2:
        memory = memory + 1 - 2 * (memory > 0 and source.below(2))
    else:
        align = source.pick((4, 5, 6, 31))
    # Alignments from 64 on are read as flags; those in between have no meaning that all share.
    parts[which] = MemArg(min(align, 31), offset, memory)
    func.body[at] = row, _whole(parts)
    return True


def missing(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """An instruction left out: an operand is missing, or a value too many is left."""
    func = _function(source, module)
    if func is None:
        return False
    del func.body[source.below(len(func.body))]
    return True


def extra(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """An instruction too many: a drop of what is needed, a value that nobody takes, a second copy."""
    func = _function(source, module)
    if func is None:
        return False
    at = source.below(len(func.body))
    func.body.insert(at, source.pick((func.body[at], *_EXTRA)))
    return True


def swapped(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """Two neighbours in the wrong order."""
    func = _function(source, module)
    if func is None:
        return False
    at = source.below(len(func.body) - 1)
    func.body[at], func.body[at + 1] = func.body[at + 1], func.body[at]
    return True


def block_type(source: ChoiceSource, config: Config, module: Module) -> bool:
    """A block with another type."""
    func = _function(source, module)
    at = _where(source, func, lambda instr: Imm.BLOCK_TYPE in instr[0].imms) if func else None
    if func is None or at is None:
        return False
    row, imm = func.body[at]
    parts = _parts(row, imm)
    types = len(module.flat_types())
    kind = source.below(4)
    if kind == 0:
        parts[0] = None
    elif kind == 1:
        parts[0] = draw_value_type(source, config, types)
    else:
        parts[0] = source.below(types + 1)
    func.body[at] = row, _whole(parts)
    return True


def reference_type(source: ChoiceSource, config: Config, module: Module) -> bool:
    """Another heap type, other types of a select, a cast whose target is no subtype of its source."""
    kinds = frozenset((Imm.HEAP, Imm.TYPES, Imm.CAST))
    func = _function(source, module)
    at = _where(source, func, lambda instr: not kinds.isdisjoint(instr[0].imms)) if func else None
    if func is None or at is None:
        return False
    row, imm = func.body[at]
    types = len(module.flat_types()) + source.chance(1, 8)
    if Imm.HEAP in row.imms:
        func.body[at] = row, draw_heap_type(source, config, types)
    elif Imm.TYPES in row.imms:
        count = source.pick((1, 1, 1, 0, 2))
        func.body[at] = row, tuple(draw_value_type(source, config, types) for _ in range(count))
    else:
        label, from_, to = imm
        kind = source.below(4)
        if kind == 0:
            from_, to = to, from_
        elif kind == 1:
            from_ = ref(from_.heap, not from_.nullable)
        elif kind == 2:
            to = ref(to.heap, not to.nullable)
        else:
            to = ref(draw_heap_type(source, config, types), to.nullable)
        func.body[at] = row, (label, from_, to)
    return True


def clause(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """A catch clause of another kind, with another tag or label; a br_table with one more target."""
    func = _function(source, module)
    kinds = frozenset((Imm.CATCHES, Imm.LABELS))
    at = _where(source, func, lambda instr: not kinds.isdisjoint(instr[0].imms)) if func else None
    if func is None or at is None:
        return False
    row, imm = func.body[at]
    if Imm.LABELS in row.imms:
        depths, default = imm
        func.body[at] = row, ((*depths, source.below(4)), default + source.below(2))
        return True
    type_, clauses = imm
    kind = source.pick(_CATCHES)
    tag = source.below(len(module.tag_types()) + 1) if kind in _CATCHES[:2] else None
    label = clauses[0].label if clauses and source.below(2) else source.below(3)
    rest = clauses[1:] if source.below(2) else clauses
    func.body[at] = row, (type_, (Catch(kind, tag, label), *rest))
    return True


def locals_(source: ChoiceSource, config: Config, module: Module) -> bool:
    """A local of another type, perhaps one that must be set before it is read; one less, one more."""
    func = _function(source, module)
    if func is None:
        return False
    if not func.locals or source.below(4) == 3:
        func.locals.insert(0, (source.pick((1, 0, 2)), draw_value_type(source, config, len(module.flat_types()))))
        return True
    at = source.below(len(func.locals))
    count, type_ = func.locals[at]
    kind = source.below(3)
    if kind == 0:
        func.locals[at] = count, _other_type(source, config, module, type_)
    elif kind == 1:
        func.locals[at] = max(0, count - 1), type_
    else:
        del func.locals[at]
    return True


def _other_type(source: ChoiceSource, config: Config, module: Module, type_: ValType) -> ValType:
    if isinstance(type_, RefType) and source.below(2):
        return ref(type_.heap, not type_.nullable)
    if source.below(2):
        return source.pick((I32, I64, F32, F64))
    return draw_value_type(source, config, len(module.flat_types()))


def own_type(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """A function that says it has another type."""
    func = _function(source, module)
    if func is None:
        return False
    func.type_index = source.below(len(module.flat_types()) + 1)
    return True


CODE_MISSES: Final = weighted(
    (index_by_one, 44), (other_instruction, 44), (missing, 24), (extra, 24), (swapped, 20), (access, 26),
    (block_type, 20), (reference_type, 22), (clause, 12), (locals_, 14), (own_type, 6),
)  # fmt: skip
