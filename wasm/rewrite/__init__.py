"""Rewriting modules: what names what, and who makes what on the stack. The reducer and the mutation target stand on it.

Nothing here knows an instruction by itself. Which immediates are indices is read off the instruction table
(``wasm.isa``); what an instruction takes, gives and branches to is heard from the validator (``wasm.signatures``,
``wasm.validate_flow``) while it works. A new instruction is a row, and a rule if its type depends on the operand stack
or the labels; then every edit built on this package knows it.

The nouns:

    space       an index space of a module: types, functions, tables ... (``spaces``)
    index map   a function (space, old index) -> new index, applied to an instruction, an item or a module
                (``index_map``); taking items out (``removal``) and putting two modules together (``merging``) are two
    slot        one value on the operand stack of a function body, with its maker and type (``operands``)
    node        one instruction, with the slots that it pops and pushes and the frames that its labels mean
    frame       a block, or the function itself
    graph       a function's nodes and frames: what ``lift`` makes of a valid body
    span        instructions that stand together and do nothing to the stack but push one value (``spans``)

For an edit that moves items, write an index map and call ``map_module``. For one that changes code, lift the function
(``lift.ModuleGraphs`` keeps those of a module), look at nodes and slots, and write the body anew.
"""
