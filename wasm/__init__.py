"""The WebAssembly language, and nothing else: no engine, no generator, no file format but a case's (docs/language.md).

    bytes -> decode -> Module -> validate -> encode -> bytes          and print_wat(Module) -> text

``valtypes``, ``canonical``, ``context``
    Types, interned; which are the same and which are below which; a module's index spaces, as validation needs them.
``isa/``, ``semantics/``, ``traps``, ``features``
    The instruction table: one row an instruction, the only list of them. What the pure ones compute.
``module``, ``builder``, ``fragment``
    A module as data, how to make one, and code as text for who makes many.
``decode``, ``decode_instr``, ``decode_types``, ``encode``, ``leb``, ``names``, ``limits``
    The binary format, total: any bytes give a ``Module`` or ``Malformed``.
``validate`` and ``validate_code``, ``_flow``, ``_stack``; ``signatures``, ``signatures_gc``; ``feature_use``
    Validation, ``Invalid`` or nothing; which features a module uses.
``text/``
    Printing as text.
``rewrite/``
    Changing modules: index maps, who makes what on the stack.
``neutral/``
    Other modules that do the same, for comparing an engine with itself (docs/mutants.md).
``embedding``, ``case``, ``default_calls``, ``hostmix``, ``errors``
    What running gives, as values; a case: a module and calls; what imported functions return; errors.
``plugins``, ``scratch``, ``cache``
    Not the language, and here because every floor above needs them: what other distributions add to a folder that is a
    registry; temporary folders that a killed process does not leave for good; where releases are kept, and what was
    read from them.

A new instruction is a row in ``isa/``, its meaning in ``semantics/`` if it is pure, and a rule in ``signatures`` or
``validate_flow`` if its type depends on the module or the stack. Everything else reads it off these.
"""
