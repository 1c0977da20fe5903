"""Second tier: the integer instructions that are written out as Python expressions instead of calling their function.

``{a}`` and ``{b}`` are the operands, unsigned. A test's expression is a Python condition; where its value is needed it
becomes 1 or 0. ``tests/interpreter`` compares each template with the row's function on boundary operands.
"""

from __future__ import annotations

from typing import Final


def _templates(type_: str, bits: int) -> tuple[dict[str, str], dict[str, str]]:
    mask, half, count = f"{(1 << bits) - 1:#x}", f"{1 << bits - 1:#x}", bits - 1
    values = {
        "add": f"({{a}} + {{b}} & {mask})",
        "sub": f"({{a}} - {{b}} & {mask})",
        "mul": f"({{a}} * {{b}} & {mask})",
        "and": "({a} & {b})",
        "or": "({a} | {b})",
        "xor": "({a} ^ {b})",
        "shl": f"({{a}} << ({{b}} & {count}) & {mask})",
        "shr_u": f"({{a}} >> ({{b}} & {count}))",
        "shr_s": f"((({{a}} ^ {half}) - {half} >> ({{b}} & {count})) & {mask})",
    }
    unsigned = {"eq": "==", "ne": "!=", "lt_u": "<", "gt_u": ">", "le_u": "<=", "ge_u": ">="}
    signed = {"lt_s": "<", "gt_s": ">", "le_s": "<=", "ge_s": ">="}
    tests = {name: f"{{a}} {sign} {{b}}" for name, sign in unsigned.items()}
    # Flipping the sign bits turns signed order into unsigned order.
    tests |= {name: f"{{a}} ^ {half} {sign} {{b}} ^ {half}" for name, sign in signed.items()}
    tests["eqz"] = "not {a}"
    named = [{f"{type_}.{name}": text for name, text in each.items()} for each in (values, tests)]
    return named[0], named[1]


_I32, _I64 = _templates("i32", 32), _templates("i64", 64)

VALUES: Final[dict[str, str]] = {
    **_I32[0],
    **_I64[0],
    "i32.wrap_i64": "({a} & 0xffffffff)",
    "i64.extend_i32_u": "{a}",
    "i64.extend_i32_s": "(({a} ^ 0x80000000) - 0x80000000 & 0xffffffffffffffff)",
}
"""By row: an expression that cannot trap."""

TESTS: Final[dict[str, str]] = {**_I32[1], **_I64[1]}
"""By row: a condition that cannot trap."""
