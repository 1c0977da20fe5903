"""The same as ``br_table`` by ``br_if``: which branch a table takes is no value that could stand in its place.

    br_table $a $b $b $c   ->   local.set $i
                                local.get $i  i32.const 0  i32.eq  br_if $a
                                local.get $i  i32.const 1  i32.eq  br_if $b
                                local.get $i  i32.const 2  i32.eq  br_if $b
                                br $c

Labels that are the last one as well need no line. What a ``br_if`` leaves has the types of its label (spec 3.4.2.6), so
where labels differ by subtyping what comes may be invalid; ``neutralized`` looks.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from wasm.fragment import Code, code
from wasm.isa import OPS, Instr, Op

BR_TABLE: Final = OPS["br_table"]
MOST: Final = 1024
"""Labels: a longer table is left as it is."""
_EQUAL: Final = tuple(map(code, ("i32.eq", "i32.xor  i32.eqz", "i32.sub  i32.const 1  i32.lt_u", "i32.ne  i32.eqz")))


def as_branches(instr: Instr, local: int, guilty: Collection[Op]) -> Code | None:
    """The ``br_if`` in place of a ``br_table``, with an i32 local that nobody else uses; None where the table has too
    many labels, or nothing compares without a guilty row."""
    labels, last = instr[1]
    equal = next((way for way in _EQUAL if not any(op in guilty for op, _ in way)), None)
    if equal is None or OPS["br_if"] in guilty or len(labels) > MOST:
        return None
    body: list[Instr] = [(OPS["local.set"], local)]
    for number, label in enumerate(labels):
        if label != last:
            body += [(OPS["local.get"], local), (OPS["i32.const"], number), *equal, (OPS["br_if"], label)]
    return (*body, (OPS["br"], last))
