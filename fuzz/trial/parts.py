"""A case of functions that have nothing to do with each other, taken apart: one bad function hides no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from wasm.case import INDEPENDENT, Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.isa import OPS
from wasm.module import ExternKind, Module
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space

_CALL = OPS["call"]


def wrong_parts(case: Case, wrong: Callable[[Case], bool]) -> Iterator[Case]:
    """The functions of an independent case that are ``wrong`` by themselves, each cut out with what it calls. Groups
    are asked before single ones: most functions are right."""
    if INDEPENDENT not in case.labels:
        return
    names = list(dict.fromkeys(call.export for call in case.invocations))
    groups = [names[at : at + len(names) // 4 + 1] for at in range(0, len(names), len(names) // 4 + 1)]
    while groups:
        group = groups.pop()
        part = only(case, group)
        if len(group) == 1:
            cut = cut_out(part)
            if wrong(cut):
                yield cut
        elif wrong(part):
            middle = len(group) // 2
            groups += [group[:middle], group[middle:]]


def only(case: Case, names: Collection[str]) -> Case:
    """The case with the invocations of these exports alone."""
    wanted = frozenset(names)
    return replace(case, invocations=tuple(call for call in case.invocations if call.export in wanted), sites=())


def cut_out(case: Case) -> Case:
    """The case with the functions that its invocations reach by direct calls, and no other; what else the module has
    stays as it is."""
    module = decode(case.content)
    imported = len(module.imported(ExternKind.FUNC))
    called = {call.export for call in case.invocations}
    roots = {one.index for one in module.exports if one.kind is ExternKind.FUNC and one.name in called}
    stays = _reached(module, roots, imported)
    removal = Removal()
    for index in range(imported, imported + len(module.funcs)):
        if index not in stays:
            removal.add(Space.FUNC, index)
    made = remove_items(module, removal) if removal else module
    features = frozenset(feature.value for feature in required_features(made))
    labels = case.labels - {INDEPENDENT}
    origin = replace(case.provenance, part="+".join(sorted(called)))
    return replace(case, content=encode(made), features=features, labels=labels, sites=(), provenance=origin)


def _reached(module: Module, roots: set[int], imported: int) -> set[int]:
    seen: set[int] = set()
    todo = list(roots)
    while todo:
        index = todo.pop()
        if index not in seen and index >= imported:
            seen.add(index)
            todo += [imm for op, imm in module.funcs[index - imported].body if op is _CALL]
    return seen
