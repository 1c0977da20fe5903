"""A module and one that imports from it in one, which does what the two did.

    a: (module (memory (export "m") 1) (func (export "f")))
    (module (import "a" "m" (memory 1)) (import "a" "f" (func)) (func (export "g") call 0))     become

    (module (memory 1) (func) (func (export "g") call 0))

Segments and start functions come in the order of the two instantiations.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import compress

from wasm.isa import OPS
from wasm.module import Func, Module
from wasm.rewrite.index_map import map_module
from wasm.rewrite.merging import merged
from wasm.rewrite.spaces import SPACE_OF, Space, kind_of_import, space_sizes
from wasm.valtypes import FuncType


def joined(home: Module, user: Module, name: str) -> Module:
    """Both modules in one: what ``user`` imports from ``name`` and ``home`` exports is home's item. Only the exports of
    ``user`` are left. An import can be declared at a supertype of its item's type, so the whole need not be valid."""
    whole, of_home, of_user = merged(home, user, "")
    whole.exports = whole.exports[len(home.exports) :]
    found: dict[tuple[Space, int], int] = {}
    stays = [True] * len(home.imports)
    exports = {(item.name, item.kind): item.index for item in home.exports}
    seen: Counter[Space] = Counter()
    for item in user.imports:
        kind = kind_of_import(item)
        space = SPACE_OF[kind]
        index = exports.get((item.name, kind)) if item.module == name else None
        stays.append(index is None)
        if index is not None:
            found[space, of_user(space, seen[space])] = of_home(space, index)
        seen[space] += 1
    gone = {space: sorted(at for other, at in found if other is space) for space in seen}

    def to(space: Space, index: int) -> int:
        index = found.get((space, index), index)
        return index - bisect_left(gone.get(space, ()), index)

    starts = [
        moved(Space.FUNC, module.start)
        for module, moved in ((home, of_home), (user, of_user))
        if module.start is not None
    ]
    whole.start = starts[0] if starts else None
    if len(starts) > 1:
        type_index = whole.type_index(FuncType())
        whole.start = space_sizes(whole)[Space.FUNC]
        body = [(OPS["call"], start) for start in starts]
        whole.funcs.append(Func(type_index, [], [*body, OPS["end"].bare]))
    whole.imports = list(compress(whole.imports, stays))
    return map_module(whole, to)
