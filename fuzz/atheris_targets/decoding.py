"""One input of target ``decode``: any bytes are a module, malformed or invalid, and nothing else."""

from __future__ import annotations

from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import Invalid, Malformed
from wasm.features import ALL
from wasm.validate import validate


class RoundTripChanged(Exception):
    """A valid module is another one after it was encoded and decoded."""


def test_one_input(data: bytes) -> None:
    """Decode and validate with all features on; a valid module must survive encoding.

    Whatever this raises is a finding.
    """
    try:
        module = decode(data)
    except Malformed:
        return
    try:
        validate(module, ALL, data)
    except Invalid:
        return
    if decode(encode(module)) != module:
        raise RoundTripChanged(f"the module of {len(data)} bytes")
