"""Vectors: expressions and statements over every vector instruction, relaxed ones too.

===============  =====================================================================================================
``expressions``  ``Vectors``: vector code in one function, its loads and stores among it
``values``       constants, masks of shuffles and amounts of shifts that instruction selection has rules for
``corners``      constants whose lanes are corners of the instruction that they are operands of, each lane another one
``idioms``       combinations that compilers match as one instruction, as postfix texts
===============  =====================================================================================================

Nouns are those of ``generators.scalar`` (candidates, open NaNs, forms, leaves), and:

- A *lane* is one number of a vector, a *shape* how a vector is divided: ``i16x8`` is eight lanes of 16 bits.
- A *mask* is the sixteen byte indices of a shuffle, 0 to 31: the first vector's bytes, then the second's.
- A function's *region* is the part of memory that it stores to, and loads from again.

Use:

    code = Vectors.of(fn, source)                  # knows the vectors among the function's parameters
    code.statement(2)                              # one instruction of all, each as likely as any other
    code.operand(V128, Nan.NONE, depth=3)          # a vector on the stack, without open NaNs
    code.fold(code.known)                          # use what statements have left in locals

An instruction that the table has is drawn by itself. A new idiom is one text in ``idioms``, a new kind of constant or
mask one function in ``values`` with a weight in its table.
"""
