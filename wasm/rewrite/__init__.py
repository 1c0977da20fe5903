"""Rewriting modules: what names what, and who makes what on the stack. The reducer and the mutation target stand on it.

Which immediates are indices is read off the instruction table (``wasm.isa``), so a new instruction needs no line here.

    space       an index space of a module: types, functions, tables ... (``spaces``)
    index map   a function (space, old index) -> new index, applied to an instruction, an item or a module
                (``index_map``); taking items out (``removal``) and putting two modules together (``merging``) are two
    graph       a function body as instructions with the values that they take and give (``operands``)
"""
