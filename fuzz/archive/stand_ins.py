"""Modules that stand in for the host, so that a script runs in any engine's own test runner (``wasm.hostmix``)."""

from __future__ import annotations

from oracles.remote.imports import ImportPlan, NoImport, Source, plan_imports
from oracles.remote.interface import Unreadable, read_interface
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


def stand_ins(content: bytes) -> list[Registered] | None:
    """The modules to register, in order, after ``HOST_TEXT``; empty if nothing is imported.

    None where wasm alone cannot stand in: host tokens, functions that re-enter the module or change it, one
    name at two types, and import modules named as the peers are.
    """
    try:
        module = decode(content)
        if not module.imports:
            return []
        plan = plan_imports(read_interface(content), frozenset())
    except (WasmError, Unreadable, NoImport):
        return None
    if any(one.how == "extern" or one.behaviour is Behaviour.REENTER or one.active for one in plan.sources):
        return None
    if any(source.signature and set(source.signature.results) & set("eE") for source in plan.sources):
        return None
    modules = [(name, peer) for name, peer in (("s", plan.store), ("f", plan.funcs)) if peer]
    names = list(dict.fromkeys(item.module for item in module.imports))
    if {"s", "f", "h"} & set(names):
        return None
    for name in names:
        made = _renamed(module, plan, name)
        if made is None:
            return None
        modules.append((name, made))
    return modules


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
