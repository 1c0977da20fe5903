"""Modules that write into what others have and then trap: what was written stays (spec 4.7.2).

(module (import "m 0" "m 3" (memory 1)) (data (i32.const 17) "abc") (data (i32.const 65534) "xyz"))
"""

from __future__ import annotations

from typing import Final

from generators.choices import ChoiceSource
from generators.draw.values import CONST
from generators.linking.levels import Key, Levels
from generators.linking.splitting import name_of, place_of
from wasm.builder import const
from wasm.isa import OPS
from wasm.module import Data, Elem, Expr, Func, Import, Module, SegmentMode
from wasm.rewrite.spaces import Space
from wasm.valtypes import FuncType, MemType, NumType, TableType

_UNREACHABLE, _END = OPS["unreachable"], OPS["end"]
_LONGEST: Final = 9


def candidates(module: Module, levels: Levels) -> list[Key]:
    """The memories, and tables of nullable references to types that every module knows, that others can import."""
    memories = [(Space.MEMORY, i) for i in range(len(module.memory_types()))]
    tables = [
        (Space.TABLE, i)
        for i, type_ in enumerate(module.table_types())
        if type_.ref.nullable and isinstance(type_.ref.heap, str) and i != levels.links
    ]
    return [key for key in memories + tables if levels.of.get(key, levels.last) < levels.last]


def half(module: Module, source: ChoiceSource, key: Key, level: int) -> Module:
    """A module that imports one item of the program, changes it, and ends by a segment that does not fit, or by a trap
    of its start function."""
    made = Module()
    item: MemType | TableType
    if key[0] is Space.MEMORY:
        item = module.memory_types()[key[1]]
        size = item.limits.minimum << item.page_log2
    else:
        item = module.table_types()[key[1]]
        size = item.limits.minimum
    made.imports.append(Import(place_of(level), name_of(key), item))
    for _ in range(source.between(0, 3)):
        length = min(size, source.between(1, _LONGEST))
        at = source.pick((size - length, source.below(size - length + 1)))
        _segment(made, source, item, at, length)
    if source.one_in(4):
        made.funcs.append(Func(made.type_index(FuncType((), ())), [], [(_UNREACHABLE, None), (_END, None)]))
        made.start = 0
    else:
        length = source.between(1, _LONGEST)
        most = (1 << item.index_type.bits) - 1
        _segment(made, source, item, source.pick((size - length + 1, size, size + 1, most)) & most, length)
    return made


def _segment(made: Module, source: ChoiceSource, item: MemType | TableType, at: int, length: int) -> None:
    offset = _at(item.index_type, at)
    if isinstance(item, MemType):
        data = bytes(1 + source.below(255) for _ in range(length))
        made.datas.append(Data(data, SegmentMode.ACTIVE, 0, offset))
    else:
        init = (const("ref.null", item.ref.heap),) * length
        made.elems.append(Elem(item.ref, init, SegmentMode.ACTIVE, 0, offset))


def _at(address: NumType, value: int) -> Expr:
    return ((CONST[address], value),)
