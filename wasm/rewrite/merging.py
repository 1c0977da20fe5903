"""Two modules in one: the second one's items follow the first one's in every index space.

(module (import "m" "f" (func)) (func call 0 call 1))     and the same again are

(module (import "m" "f" (func)) (import "m" "f" (func)) (func call 0 call 2) (func call 1 call 3))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from wasm.module import Export, Func, Module
from wasm.rewrite.index_map import map_module
from wasm.rewrite.spaces import Space, imported_counts, space_sizes

_NOTHING: Final = dict.fromkeys(Space, 0)


@dataclass(frozen=True, slots=True)
class Moved:
    """An index map: how one module's indices read in the whole. All imports come first, so items go up by one of two.

    By space: ``first`` is how many of the items are imported, ``imported`` how far these go up, ``defined`` how far
    the others do.
    """

    first: dict[Space, int]
    imported: dict[Space, int]
    defined: dict[Space, int]

    def __call__(self, space: Space, index: int) -> int:
        return index + (self.imported if index < self.first[space] else self.defined)[space]


def merged(first: Module, second: Module, prefix: str) -> tuple[Module, Moved, Moved]:
    """Both modules in one, and how each one's indices read in it. The second one's exports get ``prefix``.

    The start function is the first one's; custom sections are left out. Nothing of the result is shared with either
    module that could be changed. Whether the whole is valid depends on what it needs (several memories) and on limits.
    """
    own, others = imported_counts(first), imported_counts(second)
    a = Moved(own, _NOTHING, others)
    b = Moved(others, own, space_sizes(first))
    one, two = map_module(first, a), map_module(second, b)
    return (
        Module(
            types=one.types + two.types,
            imports=one.imports + two.imports,
            funcs=[Func(func.type_index, list(func.locals), list(func.body)) for func in one.funcs + two.funcs],
            tables=one.tables + two.tables,
            memories=one.memories + two.memories,
            tags=one.tags + two.tags,
            globals=one.globals + two.globals,
            exports=one.exports + [Export(prefix + item.name, item.kind, item.index) for item in two.exports],
            start=one.start,
            elems=one.elems + two.elems,
            datas=one.datas + two.datas,
            has_data_count=first.has_data_count or second.has_data_count,
        ),
        a,
        b,
    )
