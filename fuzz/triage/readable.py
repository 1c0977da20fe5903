"""The module of a case that is run, for whoever looks at instructions."""

from __future__ import annotations

from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.errors import WasmError
from wasm.module import Module


def module_of(case: Case) -> Module | None:
    """The case's own module; None for a case of another kind, and for what cannot be decoded."""
    if case.kind is not CaseKind.WASM:
        return None
    try:
        return decode(case.content)
    except WasmError:
        return None
