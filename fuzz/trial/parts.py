"""A case of functions that have nothing to do with each other, taken apart: one bad function hides no other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from oracles.judge.verdict import Disagree, Verdict
from wasm.case import INDEPENDENT, Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.feature_use import required_features
from wasm.isa import OPS
from wasm.module import ExternKind, Module
from wasm.rewrite.removal import Removal, remove_items
from wasm.rewrite.spaces import Space

_CALL = OPS["call"]


def wrong_parts(case: Case, first: Disagree, look: Callable[[Case], Verdict]) -> Iterator[Case]:
    """The functions of an independent case that are wrong by themselves, each cut out with what it calls.

    ``first`` is the verdict on the case, ``look`` gives one on a smaller case. A verdict names the function where it
    begins to be wrong: that one is asked alone, and the others in two halves. Where it names none, as of a module that
    is refused, the halves are asked with all of their functions. So a bad function of ``n`` takes ``2 * log2(n)``
    questions at most, on modules that halve in size.
    """
    if INDEPENDENT in case.labels:
        names = list(dict.fromkeys(call.export for call in case.invocations))
        yield from _within(case, names, _named(case, first), look)


def _within(case: Case, names: list[str], told: set[str], look: Callable[[Case], Verdict]) -> Iterator[Case]:
    """Those among the functions ``names``, of which some are wrong, those that were ``told`` above all."""
    named = [name for name in names if name in told] if len(names) > 1 else names
    rest = [name for name in names if name not in named]
    groups = [[name] for name in named] + [half for half in (rest[: len(rest) // 2], rest[len(rest) // 2 :]) if half]
    for group in groups:
        part = cut_out(only(case, group))
        verdict = look(part)
        if not isinstance(verdict, Disagree):
            continue
        if len(group) == 1:
            yield part
        else:
            yield from _within(case, group, _named(part, verdict), look)


def _named(case: Case, verdict: Disagree) -> set[str]:
    """The functions at whose invocation engines begin to dissent."""
    words = [dissent.where.split(" ") for dissent in verdict.dissents]
    return {case.invocations[int(rest[0])].export for word, *rest in words if word == "invoke"}


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
