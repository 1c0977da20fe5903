"""Modules about validity: valid ones with every kind of declaration and instruction, and near misses of them.

Nothing here is ever run. A module is judged by whether engines accept it, so its code need not make sense, only types.

================  ====================================================================================================
``declarations``  ``declare``: a small valid module with each kind of section, entry, type and constant expression
``snippets``      ``fill``: the body of one function, a row of snippets
``func_draft``    the function under construction: values of any type, instructions with any immediates
``near_types``    ``near_miss``: one thing in a valid module made almost right, in declarations or in code
``near_code``     what can be almost right about code
``near_bytes``    ``damaged``: small damage to a module's bytes, mostly with the sizes around it put right
================  ====================================================================================================

Nouns:

- A *snippet* leaves the stack as it was: an instruction between its operands and drops, or a *construct*, which is what
  has no type of its own: blocks, branches, calls by reference, dead code.
- A *near miss* changes one thing to its neighbour: an index by one, a supertype and its subtype the wrong way round.
  Some of them are valid again, which is as good a question.
- *Damage* is a near miss that knows nothing of what the bytes mean.

Use:

    module = declare(source, config)
    near_miss(source, config, module)              # in place; False if it found nothing to change
    content = damaged(source, encode(module))

A new near miss is a function of (source, config, module) that returns whether it changed something, with a weight in
``CODE_MISSES`` or ``_DECLARED``; a new construct a function of the draft with a weight in ``_CONSTRUCTS``.
"""
