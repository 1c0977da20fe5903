"""Typed edits of cases that exist, of the corpus or of another target: what the target ``mutate`` makes.

    base      the case to start from (``bases``): a seed of the corpus, or what another target makes
    edit      one change of one function that keeps it valid (``edits``): a constant, an instruction of the same type,
              an expression replaced, wrapped, repeated, made one arm of a choice
    editor    a function under edit: what may be changed, and the means to change it (``editor``)
    span      code that makes one value and nothing else; a statement makes none (``wasm.rewrite.spans``)
    guard     what keeps code from trapping and loops from going on: edits leave it alone (``guards``)
    fuel      a global that every round of a loop takes from, where guards cannot tell any more (``fuel``)
    splice    two cases in one module, the functions of the one calling the other's (``splicing``)
    move      (start, end, delta): where an edit put the instructions that follow it; call sites are found again by it

How a function is read is not this wing's: ``wasm.rewrite`` gives its operand graph, and knows every instruction that
the validator knows. To add an edit, write a function ``_name(editor) -> bool`` in ``edits`` that asks the editor for a
place, gives False if there is none, and splices; enter it in ``_EDITS`` with a weight. Other weights are other cases of
the same choices: raise ``GENERATOR_VERSION``.
"""
