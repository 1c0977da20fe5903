"""The module ``spectest`` that the official suite imports from, as an ordinary module, so that no host has to make it.

    (global (export "global_i32") i32 (i32.const 666))   (global (export "global_i64") i64 (i64.const 666))
    (global (export "global_f32") f32 (f32.const 666.6)) (global (export "global_f64") f64 (f64.const 666.6))
    (table (export "table") 10 20 funcref)               (table (export "table64") i64 10 20 funcref)
    (memory (export "memory") 1 2)
    (func (export "print")) (func (export "print_i32") (param i32)) ... that do nothing

``table64`` needs memory64; ``SPECTEST_NO_TABLE64`` is the module without it.
"""

from __future__ import annotations

from typing import Final

from oracles.remote.interface import FUNC, GLOBAL, MEMORY, TABLE
from oracles.remote.wasmbytes import HEADER, code, i32_const, i64_const, leb, name, section

_PRINTS: Final = {
    "print": b"",
    "print_i32": b"\x7f",
    "print_i64": b"\x7e",
    "print_f32": b"\x7d",
    "print_f64": b"\x7c",
    "print_i32_f32": b"\x7f\x7d",
    "print_f64_f64": b"\x7c\x7c",
}
_GLOBALS: Final = {
    "global_i32": b"\x7f\0" + i32_const(666),
    "global_i64": b"\x7e\0" + i64_const(666),
    "global_f32": b"\x7d\0\x43" + bytes.fromhex("66a62644"),
    "global_f64": b"\x7c\0\x44" + bytes.fromhex("cdccccccccd48440"),
}


def _build(table64: bool) -> bytes:
    exports = [name(text) + bytes((FUNC,)) + leb(i) for i, text in enumerate(_PRINTS)]
    exports += [name(text) + bytes((GLOBAL,)) + leb(i) for i, text in enumerate(_GLOBALS)]
    exports += [name("memory") + bytes((MEMORY, 0)), name("table") + bytes((TABLE, 0))]
    tables = [b"\x70\x01\x0a\x14"]
    if table64:
        tables.append(b"\x70\x05\x0a\x14")
        exports.append(name("table64") + bytes((TABLE, 1)))
    return b"".join(
        (
            HEADER,
            section(1, [b"\x60" + leb(len(params)) + params + b"\0" for params in _PRINTS.values()]),
            section(3, [leb(i) for i in range(len(_PRINTS))]),
            section(4, tables),
            section(5, [b"\x01\x01\x02"]),
            section(6, [one + b"\x0b" for one in _GLOBALS.values()]),
            section(7, exports),
            section(10, [code((), b"") for _ in _PRINTS]),
        )
    )


SPECTEST: Final = _build(True)
SPECTEST_NO_TABLE64: Final = _build(False)
