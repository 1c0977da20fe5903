"""Cases around a module's bytes: what all formats that hold modules end in."""

from __future__ import annotations

from fuzz.intake.calls import check_call
from fuzz.intake.piece import Given, Piece
from oracles.engine import UsageError
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.default_calls import default_calls
from wasm.errors import WasmError
from wasm.feature_use import features_of_bytes, required_features
from wasm.validate import validate


def piece_of(given: Given, content: bytes, what: str, notes: tuple[str, ...] = ()) -> Piece:
    """The piece of a binary module. Without wished calls every exported function is called with a few arguments; bytes
    that are no valid module become a case for judging validity. Raises ``UsageError``."""
    wish = given.wish
    try:
        module = decode(content)
        validate(module)
    except WasmError as error:
        if wish.invocations:
            raise UsageError(f"{given.name} is no valid module, so nothing in it can be called: {error}") from None
        case = Case(content, (), CaseKind.BYTES, features_of_bytes(content))
        note = f"not valid for our validator ({error}): engines are asked whether they take it, nothing is called"
        return Piece(given.name, what, case, notes=(*notes, note))
    features = frozenset(feature.value for feature in required_features(module))
    for invocation in wish.invocations:
        check_call(module, given.name, invocation)
    calls = wish.invocations or default_calls(module, wish.entry)
    return Piece(given.name, what, Case(content, calls, features=features), notes=notes)
