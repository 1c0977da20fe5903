"""The project's own code generator, written to be tested hard (docs/compiler.md, docs/regalloc.md).

    Func -> translate -> ir.Function -> simplify -> lower -> machine.MachineFunc -> regalloc -> x64.emission -> layout

``pipeline``
    All stages in a row, with the verifier or checker behind each that can have one.
``translate``, ``ir``, ``ir_verify``, ``ir_text``
    From WebAssembly to SSA with block parameters; the form, its verifier, its text both ways.
``simplify/``
    Passes on SSA, one file each: folding, numbering of equal values, dead code.
``lower``, ``machine``, ``machine_verify``, ``machine_text``
    From SSA to instructions with operand constraints; the form (regalloc2's), its verifier, its text both ways.
``regalloc/``
    Two allocators, and the checker that proves what either did from its input.
``x64/``
    The instruction set: table, lowering rules, encodings, emission.
``emit``, ``layout``, ``image``
    The code of all functions, with its traps, relocations and handlers, as one image.

It knows of no engine and runs nothing; ``oracles.compiled`` does that. What each stage makes of what is text in, text
out: ``tests/translation``, ``tests/simplification``, ``tests/lowering``, ``tests/allocation``, ``tests/encoding``.
"""
