"""What excuses an engine: limits that an implementation may set (spec, appendix A.2), and growth that may fail."""

from __future__ import annotations

from typing import Final

from wasm.case import Case
from wasm.decode import decode
from wasm.embedding import Observation
from wasm.errors import WasmError
from wasm.features import ALL
from wasm.module import ExternKind, Module
from wasm.validate import validate
from wasm.valtypes import FuncType, Limits, StructType

MAX_BYTES: Final = 7_654_321
MAX_PARAMS: Final = 1000
MAX_RESULTS: Final = 1000
MAX_LOCALS: Final = 50_000
MAX_BR_TABLE: Final = 65_520
MAX_INITIALIZED: Final = 50_000
MAX_MEMORY_BYTES: Final = 262_144 << 16
MAX_TABLE: Final = 10_000_000
"""Up to these every engine known takes a module (the JS API's limits, and measured); above, refusal is legal.

Fields and elements are those that the instructions of one function initialize one by one: Wasmtime 33.0.0 refuses the
code for 100,000 of them as too large, and takes 60,000. A memory's is for its declared maximum, too: V8 reads the JS
API's limit of 262,144 pages that way. A table's is for its initial size."""

GUARANTEED_BYTES: Final = 64 << 16
GUARANTEED_SLOTS: Final = 10_000
"""Growing within the declared maximum and up to these must succeed (docs/judging.md)."""


def beyond_limits(case: Case) -> bool:
    """Whether an engine may refuse a module of the case for its size (spec A.2.1 and A.2.2)."""
    return any(map(_beyond_limits, case.contents))


def _beyond_limits(content: bytes) -> bool:
    if len(content) > MAX_BYTES:
        return True
    try:
        module = decode(content)
        validate(module, ALL)
    except WasmError as error:
        return error.limit  # our own decoder and validator have limits, too
    types = [sub.composite for sub in module.flat_types()]
    return (
        any(len(t.params) > MAX_PARAMS or len(t.results) > MAX_RESULTS for t in types if isinstance(t, FuncType))
        or _most_locals(module) > MAX_LOCALS
        or _longest_br_table(module) > MAX_BR_TABLE
        or _most_initialized(module) > MAX_INITIALIZED
        or any(_most(memory.limits) << memory.page_log2 > MAX_MEMORY_BYTES for memory in module.memory_types())
        or any(table.limits.minimum > MAX_TABLE for table in module.table_types())
    )


def _most(limits: Limits) -> int:
    return limits.minimum if limits.maximum is None else max(limits.minimum, limits.maximum)


def _decoded(content: bytes) -> Module | None:
    try:
        return decode(content)
    except WasmError:
        return None


def _most_locals(module: Module) -> int:
    """Locals of the function with the most, parameters counted in, as all engines count."""
    defined = module.func_types()[len(module.func_type_indices()) - len(module.funcs) :]
    pairs = zip(module.funcs, defined, strict=True)
    return max((sum(count for count, _ in func.locals) + len(type_.params) for func, type_ in pairs), default=0)


def _longest_br_table(module: Module) -> int:
    tables = (imm for func in module.funcs for op, imm in func.body if op.name == "br_table")
    return max((len(labels) for labels, _ in tables), default=0)


def _most_initialized(module: Module) -> int:
    """Fields and elements that the instructions of one function list, each as often as its instruction stands there."""
    types = module.flat_types()
    sizes = [len(sub.composite.fields) if isinstance(sub.composite, StructType) else 0 for sub in types]
    most = 0
    for func in module.funcs:
        count = 0
        for op, imm in func.body:
            if op.name in ("struct.new", "struct.new_default"):
                count += sizes[imm]
            elif op.name == "array.new_fixed":
                count += imm[1]
        most = max(most, count)
    return most


def growth_is_free(case: Case, expected: Observation, seen: Observation) -> bool:
    """Whether a deviation may come from growth that succeeded here and failed there, both being legal.

    Spec 4.6.8 (memory.grow, table.grow): growing may fail for lack of resources. What decides is what can be seen:
    where exported sizes differ, the greater one must be above the guaranteed size. A memory or table that is not
    exported is given the benefit of the doubt if the module grows it and it may have passed that size.
    """
    module = _decoded(case.content)
    if module is None:
        return False
    exported = {(item.kind, item.name): item.index for item in module.exports}
    memory_types = module.memory_types()
    sizes = {item.export: item.pages for item in seen.memories}
    for memory in expected.memories:
        got = sizes.get(memory.export, memory.pages)
        log2 = memory_types[exported[ExternKind.MEMORY, memory.export]].page_log2
        if got != memory.pages:
            return max(got, memory.pages) << log2 > GUARANTEED_BYTES
    slots = {item.export: item.size for item in seen.tables}
    for table in expected.tables:
        got = slots.get(table.export, table.size)
        if got != table.size:
            return max(got, table.size) > GUARANTEED_SLOTS
    modules = map(_decoded, case.contents)
    return any(_hidden_growth(one, expected) for one in modules if one is not None)


def _hidden_growth(module: Module, expected: Observation) -> bool:
    """Whether something that no export shows is grown, and may have been grown above the guaranteed size."""
    shown = {(item.kind, item.index) for item in module.exports}
    grown = {
        (ExternKind.MEMORY if op.name == "memory.grow" else ExternKind.TABLE, imm)
        for func in module.funcs
        for op, imm in func.body
        if op.name in ("memory.grow", "table.grow")
    } - shown
    small_memories = expected.notes is not None and expected.notes.pages << 16 <= GUARANTEED_BYTES
    for kind, index in grown:
        if kind is ExternKind.MEMORY:
            memory = module.memory_types()[index]
            most = memory.limits.maximum
            if not small_memories and (most is None or most << memory.page_log2 > GUARANTEED_BYTES):
                return True
        else:
            most = module.table_types()[index].limits.maximum
            if most is None or most > GUARANTEED_SLOTS:
                return True
    return False
