"""Modules that stand in for the host, so that a script runs in any engine's own test runner (``wasm.hostmix``)."""

from __future__ import annotations

from oracles.remote.imports import NO_NAMES, ImportPlan, Names, plan_linked
from oracles.remote.interface import Unreadable, read_interface
from oracles.remote.sources import NoImport, Source
from wasm.case import Case
from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import WasmError
from wasm.hostmix import Behaviour
from wasm.module import Export, ExternKind, Import, Module
from wasm.rewrite.spaces import kind_of_import

Registered = tuple[str, bytes]
"""A binary module and the name that it is registered under."""

# The function peer imports ``h.trap`` and, for externref results, ``h.tokens``; a script can only make null tokens.
HOST_TEXT = '(module $h (func (export "trap") unreachable) (table (export "tokens") 16 externref))\n(register "h" $h)'


def stand_ins(content: bytes, linked: Names = NO_NAMES) -> list[Registered] | None:
    """The modules to register, in order, after ``HOST_TEXT``; empty if nothing is imported but from other modules.

    None where wasm alone cannot stand in: host tokens, functions that re-enter the module or change it, one
    name at two types, import modules named as the peers are, and a name under which both the host and a module before
    this one (``linked``, by exports) have something.
    """
    try:
        module = decode(content)
        if not module.imports:
            return []
        plan = plan_linked(read_interface(content), frozenset(), linked)
    except (WasmError, Unreadable, NoImport):
        return None
    if any(one.how == "extern" or one.behaviour is Behaviour.REENTER or one.active for one in plan.sources):
        return None
    if any(source.signature and set(source.signature.results) & set("eE") for source in plan.sources):
        return None
    modules = [(name, peer) for name, peer in (("s", plan.store), ("f", plan.funcs)) if peer]
    sources = zip(module.imports, plan.sources, strict=True)
    names = list(dict.fromkeys(item.module for item, source in sources if source.how != "linked"))
    if {"s", "f", "h", *linked} & set(names) or (names and {"s", "f", "h"} & set(linked)):
        return None
    for name in names:
        made = _renamed(module, plan, name)
        if made is None:
            return None
        modules.append((name, made))
    return modules


def stand_ins_of(case: Case) -> list[list[Registered]] | None:
    """``stand_ins`` of each of a case's modules, in the order of instantiation; None where one has none."""
    names: dict[str, frozenset[str]] = {}
    made = []
    for place, content in (*case.before, ("", case.content)):
        hosts = stand_ins(content, names)
        if hosts is None:
            return None
        made.append(hosts)
        try:
            names[place] = frozenset(one.name for one in decode(content).exports)
        except WasmError:
            return None
    return made


def _renamed(module: Module, plan: ImportPlan, name: str) -> bytes | None:
    """A module that imports items from the peers and exports them under the names of import module ``name``."""
    made = Module(types=module.types)
    counts = dict.fromkeys(ExternKind, 0)
    names: dict[str, int] = {}
    for item, source in zip(module.imports, plan.sources, strict=True):
        if item.module != name:
            continue
        if item.name in names:
            if names[item.name] != source.same:
                return None
            continue
        names[item.name] = source.same
        kind = kind_of_import(item)
        made.imports.append(Import(_peer(source), f"i{source.same}", item.type))
        made.exports.append(Export(item.name, kind, counts[kind]))
        counts[kind] += 1
    return encode(made)


def _peer(source: Source) -> str:
    return "f" if source.how == "funcs" else "s"
