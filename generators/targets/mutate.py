"""Typed edits of corpus modules and of other targets' cases, and functions spliced between two of them.

    local.get 0  i64.const 7  i64.mul   becomes, by two edits,   local.get 0  i64.const -1  i64.mul  i64.const 0  i64.or

Constants become edge values, instructions others of the same type, operands change places, expressions are replaced,
wrapped, repeated or made one arm of a choice. The conditions of loops and the operands of what may trap keep their
values; loops that depend on anything else get fuel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypeAlias

from generators.choices import ChoiceSource, weighted
from generators.config import Config
from generators.mutation.bases import any_case
from generators.mutation.editor import Editor, Move
from generators.mutation.edits import make_edit
from generators.mutation.fuel import add_fuel, fuelled
from generators.mutation.guards import CodeReader, deep_functions, guarded
from generators.mutation.splicing import spliced
from generators.program.calls import site
from wasm.case import Case
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import Invalid
from wasm.feature_use import required_features
from wasm.features import Feature
from wasm.module import ExternKind, Func, Module
from wasm.validate import validate

NEEDS: Final[frozenset[Feature]] = frozenset()
COST: Final = 35.0

_EDITS: Final = weighted((0, 8), (1, 40), (2, 60), (4, 80), (8, 60), (16, 8))
_FUNCTIONS: Final = 3
"""The edits of a case go to so many functions at most, in equal parts."""

_SPLICED: Final = 5
"""One case in so many has the functions of two."""

_FUEL: Final = 20_000
_LARGEST: Final = 12_000
"""Bases of more bytes are left as they are: reading them takes longer than running them."""

Moves: TypeAlias = dict[int, list[Move]]
"""By function, what its edits moved, in the order in which they did."""


def generate(source: ChoiceSource, config: Config) -> Case:
    """A case like another one."""
    count = source.weighted(_EDITS)
    base = any_case(source.fork("base"), config)
    if not count or len(base.content) > _LARGEST:
        return _labelled(base, "base")
    whole = _spliced(base, source.fork("splice"), config) if source.one_in(_SPLICED) else base
    module = decode(whole.content)
    labels = set(base.labels) | ({"spliced"} if whole is not base else set())
    moves: Moves = {}
    done, failed = _edit(module, config, source.fork("edits"), count, moves)
    labels |= {"edited"} if done else set()
    labels |= {"edit taken back"} if failed else set()
    if done or whole is not base:
        _fuel(module, moves)
    try:
        validate(module, config.features)
    except Invalid:
        return _labelled(base, "unedited")
    return _closed(whole, module, moves, frozenset(labels))


def _labelled(case: Case, label: str) -> Case:
    return replace(case, labels=case.labels | {label})


def _edit(module: Module, config: Config, source: ChoiceSource, count: int, moves: Moves) -> tuple[int, int]:
    """Edit up to ``_FUNCTIONS`` functions; how many edits were made and how many were taken back."""
    context = ModuleContext.of(module)
    imported = len(context.funcs) - len(module.funcs)
    deep = deep_functions(module)
    reader = CodeReader(context)
    done = failed = 0
    for turn in range(min(_FUNCTIONS, count)):
        index = imported + source.below(len(module.funcs))
        editor = Editor.open(module, reader, config, source.fork(turn), index, deep)
        if editor is None:
            continue
        for _ in range(-(-count // _FUNCTIONS)):
            result = make_edit(editor)
            done += result is True
            failed += result is False
        moves.setdefault(index, []).extend(editor.moves)
    return done, failed


def _fuel(module: Module, moves: Moves) -> None:
    """Give fuel to loops that end by what they read from outside of their function, which may be another value now."""
    context = ModuleContext.of(module)
    deep = deep_functions(module)
    imported = len(context.funcs) - len(module.funcs)
    reader = CodeReader(context)
    fuel = None
    for index, func in enumerate(module.funcs, imported):
        if any(row.name == "loop" for row, _ in func.body) and _uncertain(func, reader, index in deep, deep):
            fuel = add_fuel(module, _FUEL) if fuel is None else fuel
            moves.setdefault(index, []).extend(fuelled(func, context.func_type(index), fuel))


def _uncertain(func: Func, reader: CodeReader, recursive: bool, deep: frozenset[int]) -> bool:
    """Whether a loop may not end. Of a function that edits leave alone nothing is known, so it may."""
    code = reader.read(func)
    return code is None or guarded(code, func.body, recursive, deep).open_loops


def _spliced(base: Case, source: ChoiceSource, config: Config) -> Case:
    """``base`` beside another case, or by itself where they do not go together."""
    other = any_case(source.fork("other"), config)
    return base if len(other.content) > _LARGEST else spliced(base, other, source, config)


def _closed(whole: Case, module: Module, moves: Moves, labels: frozenset[str]) -> Case:
    sites = []
    for one in whole.sites:
        at: int | None = one.use_at
        for start, end, delta in moves.get(one.func, ()) if one.func >= 0 else ():
            if at is not None and at >= end:
                at += delta
            elif at is not None and at >= start:
                at = None
        if at is not None:
            sites.append(replace(one, use_at=at))
    if not sites and whole.invocations:
        last = whole.invocations[-1].export
        index = next(item.index for item in module.exports if item.name == last and item.kind is ExternKind.FUNC)
        sites.append(site("host", -1, len(whole.invocations) - 1, module.func_types()[index]))
    features = frozenset(feature.value for feature in required_features(module))
    return Case(encode(module), whole.invocations, features=features, sites=tuple(sites), labels=labels)
