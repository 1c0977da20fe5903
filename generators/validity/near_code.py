"""Near misses in code: one instruction, immediate, block or local of a valid module made almost right.

Each is a function that changes the module in place and says whether there was something to change:

    local.get 2     ->  local.get 3            # index_by_one
    i64.load        ->  i64.load align=16      # access
    i32.add  drop   ->  i32.add                # missing
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from generators.choices import ChoiceSource, shares, weighted
from generators.config import Config
from generators.draw.value_types import draw_heap_type, draw_value_type
from generators.validity.func_draft import END
from wasm.fragment import Code, code
from wasm.isa import ROWS, Catch, Imm, Instr, MemArg, Op
from wasm.module import Func, Module
from wasm.valtypes import F32, F64, I32, I64, RefType, ValType, ref

_INDICES: Final = frozenset((
    Imm.LABEL, Imm.FUNC, Imm.TYPE, Imm.TABLE, Imm.MEMORY, Imm.GLOBAL, Imm.LOCAL, Imm.TAG, Imm.DATA, Imm.ELEM,
    Imm.FIELD, Imm.COUNT, Imm.LANE,
))  # fmt: skip
_EXTRA: Final[Code] = (
    *code("drop  nop  unreachable  return  ref.is_null  i32.eqz"), END,
    *code("i32.const 0  i64.const 0  f32.const 0.0  ref.null func"),
)  # fmt: skip
_BLOCK_TYPES: Final = shares(("none", 1), ("value", 1), ("index", 2))
_CATCHES: Final = ("catch", "catch_ref", "catch_all", "catch_all_ref")

Miss = Callable[[ChoiceSource, Config, Module], bool]
"""Changes the module in place and says so; False where it has nothing to change."""


class _Place(NamedTuple):
    """One instruction of a function."""

    func: Func
    at: int

    @property
    def instr(self) -> Instr:
        """The instruction as it is now."""
        return self.func.body[self.at]

    def parts(self) -> list[Any]:
        """The instruction's immediates, one by one in the table's order."""
        row, imm = self.instr
        return [imm] if len(row.imms) == 1 else list(imm) if row.imms else []

    def put(self, parts: list[Any]) -> None:
        """Give the instruction other immediates."""
        row, _ = self.instr
        self.func.body[self.at] = row, None if not parts else parts[0] if len(parts) == 1 else tuple(parts)


@lru_cache(maxsize=512)
def _like(features: frozenset[Any], imms: tuple[Imm, ...]) -> tuple[Op, ...]:
    """The rows with these kinds of immediates."""
    return tuple(row for row in ROWS if row.imms == imms and (row.feature is None or row.feature in features))


def _function(source: ChoiceSource, module: Module) -> Func | None:
    """A function with more than its end."""
    written = [func for func in module.funcs if len(func.body) > 1]
    return source.pick(written) if written else None


def _place(source: ChoiceSource, module: Module, *kinds: Imm) -> _Place | None:
    """An instruction of some function that has an immediate of one of these kinds."""
    func = _function(source, module)
    if func is None:
        return None
    wanted = frozenset(kinds)
    places = [i for i, (row, _) in enumerate(func.body) if not wanted.isdisjoint(row.imms)]
    return _Place(func, source.pick(places)) if places else None


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
    place = _place(source, module, *_INDICES)
    if place is None:
        return False
    row, _ = place.instr
    parts = place.parts()
    which = source.pick([i for i, kind in enumerate(row.imms) if kind in _INDICES])
    # A lane is one byte, other indices are numbers of up to 32 bits; more would not decode, which is damage to bytes.
    most = 0xFF if row.imms[which] is Imm.LANE else 0xFFFFFFFF
    parts[which] = max(0, parts[which] + source.pick((1, -1, 1, -1, 2, 0xFFFF))) & most
    place.put(parts)
    return True


def access(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """Alignment too large, offset out of range, another memory."""
    place = _place(source, module, Imm.MEMARG)
    if place is None:
        return False
    parts = place.parts()
    which = place.instr[0].imms.index(Imm.MEMARG)
    align, offset, memory = parts[which]
    match source.pick(("alignment by one", "offset", "memory", "alignment")):
        case "alignment by one":
            align += source.pick((1, -1 if align else 1))
        case "offset":
            offset = source.pick((1 << 32, (1 << 32) - 1, (1 << 64) - 1, 1 << 63))
        case "memory":
            memory += -1 if memory > 0 and source.one_in(2) else 1
        case "alignment":
            align = source.pick((4, 5, 6, 31))
    # Exponents from 64 on are read as flags; those in between have no meaning that all share.
    parts[which] = MemArg(min(align, 31), offset, memory)
    place.put(parts)
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
    place = _place(source, module, Imm.BLOCK_TYPE)
    if place is None:
        return False
    parts = place.parts()
    types = len(module.flat_types())
    match source.pick(_BLOCK_TYPES):
        case "none":
            parts[0] = None
        case "value":
            parts[0] = draw_value_type(source, config, types)
        case "index":
            parts[0] = source.below(types + 1)
    place.put(parts)
    return True


def reference_type(source: ChoiceSource, config: Config, module: Module) -> bool:
    """Another heap type, other types of a select, a cast whose target is no subtype of its source."""
    place = _place(source, module, Imm.HEAP, Imm.TYPES, Imm.CAST)
    if place is None:
        return False
    row, imm = place.instr
    types = len(module.flat_types()) + source.one_in(8)
    if Imm.HEAP in row.imms:
        place.put([draw_heap_type(source, config, types)])
    elif Imm.TYPES in row.imms:
        count = source.pick((1, 1, 1, 0, 2))
        place.put([tuple(draw_value_type(source, config, types) for _ in range(count))])
    else:
        label, from_, to = imm
        match source.pick(("turned round", "source's null", "target's null", "target")):
            case "turned round":
                from_, to = to, from_
            case "source's null":
                from_ = ref(from_.heap, not from_.nullable)
            case "target's null":
                to = ref(to.heap, not to.nullable)
            case "target":
                to = ref(draw_heap_type(source, config, types), to.nullable)
        place.func.body[place.at] = row, (label, from_, to)
    return True


def clause(source: ChoiceSource, config: Config, module: Module) -> bool:  # noqa: ARG001
    """A catch clause of another kind, with another tag or label; a br_table with one more target."""
    place = _place(source, module, Imm.CATCHES, Imm.LABELS)
    if place is None:
        return False
    row, imm = place.instr
    if Imm.LABELS in row.imms:
        depths, default = imm
        place.func.body[place.at] = row, ((*depths, source.below(4)), default + source.below(2))
        return True
    type_, clauses = imm
    kind = source.pick(_CATCHES)
    tag = source.below(len(module.tag_types()) + 1) if kind in _CATCHES[:2] else None
    label = clauses[0].label if clauses and source.one_in(2) else source.below(3)
    rest = clauses[1:] if source.one_in(2) else clauses
    place.func.body[place.at] = row, (type_, (Catch(kind, tag, label), *rest))
    return True


def locals_(source: ChoiceSource, config: Config, module: Module) -> bool:
    """A local of another type, perhaps one that must be set before it is read; one less, one more."""
    func = _function(source, module)
    if func is None:
        return False
    if not func.locals or source.one_in(4):
        func.locals.insert(0, (source.pick((1, 0, 2)), draw_value_type(source, config, len(module.flat_types()))))
        return True
    at = source.below(len(func.locals))
    count, type_ = func.locals[at]
    match source.pick(("type", "one less", "none")):
        case "type":
            func.locals[at] = count, _other_type(source, config, module, type_)
        case "one less":
            func.locals[at] = max(0, count - 1), type_
        case "none":
            del func.locals[at]
    return True


def _other_type(source: ChoiceSource, config: Config, module: Module, type_: ValType) -> ValType:
    if isinstance(type_, RefType) and source.one_in(2):
        return ref(type_.heap, not type_.nullable)
    if source.one_in(2):
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
