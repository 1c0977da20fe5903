"""The text format, one way: modules as idiomatic WAT (spec 6) that the common parsers read back to an equal module.

    print_wat(module)    the whole module, as a string; ``print_wat_with_places`` says where its instructions stand
    print_function(module, index)    one function of it
    module_text.py       fields in the binary format's order, names from the name section
    body.py              ``BodyPrinter``: instructions, a line each, labels by block level
    words.py             ``Scope``: identifiers by index space, types, literals, long lists in rows

A new instruction needs no line here, a new kind of immediate one in ``body.py``. Text is read by ``wasmtime.wat2wasm``,
and fixed code in the project's own sources by ``wasm.fragment``.
"""

from __future__ import annotations

from wasm.text.module_text import print_function, print_wat, print_wat_with_places

__all__ = ["print_function", "print_wat", "print_wat_with_places"]
