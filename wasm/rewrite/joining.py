"""A module and one that imports from it in one, which does what the two did.

    a: (module (memory (export "m") 1) (func (export "f")))
    (module (import "a" "m" (memory 1)) (import "a" "f" (func)) (func (export "g") call 0))     become

    (module (memory 1) (func) (func (export "g") call 0))

Segments and start functions come in the order of the two instantiations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from wasm.isa import OPS
from wasm.module import Func, Module
from wasm.rewrite.index_map import map_module
from wasm.rewrite.merging import Moved, merged
from wasm.rewrite.spaces import SPACE_OF, Space, kind_of_import, space_sizes
from wasm.valtypes import FuncType


def joined(home: Module, user: Module, name: str) -> Module:
    """Both modules in one: what ``user`` imports from ``name`` and ``home`` exports is home's item. Only the exports of
    ``user`` are left. An import can be declared at a supertype of its item's type, so the whole need not be valid."""
    whole, of_home, of_user = merged(home, user, "")
    whole.exports = whole.exports[len(home.exports) :]
    found = dict(_found(home, user, name, of_home, of_user))
    gone = sorted(at for at, _ in enumerate(user.imports) if _key(user, at, of_user) in found)
    lost = sorted(found, key=lambda key: key[1])

    def to(space: Space, index: int) -> int:
        index = found.get((space, index), index)
        return index - sum(1 for other, at in lost if other is space and at < index)

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
    first = len(home.imports)
    whole.imports = [item for at, item in enumerate(whole.imports) if at - first not in gone]
    return map_module(whole, to)


def _found(
    home: Module, user: Module, name: str, of_home: Moved, of_user: Moved
) -> Iterator[tuple[tuple[Space, int], int]]:
    """Each import of ``user`` that is an item of ``home``, by its index in the whole, with that item's."""
    exports = {(item.name, item.kind): item.index for item in home.exports}
    for at, item in enumerate(user.imports):
        kind = kind_of_import(item)
        index = exports.get((item.name, kind)) if item.module == name else None
        if index is not None:
            yield _key(user, at, of_user), of_home(SPACE_OF[kind], index)


def _key(user: Module, at: int, of_user: Moved) -> tuple[Space, int]:
    """The index in the whole of the import at a position."""
    kind = kind_of_import(user.imports[at])
    before = Counter(kind_of_import(item) for item in user.imports[:at])
    return SPACE_OF[kind], of_user(SPACE_OF[kind], before[kind])
