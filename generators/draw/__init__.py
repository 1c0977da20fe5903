"""What is drawn before any code is written: bit patterns, operands that belong together, types, signatures.

Nothing here knows of a module or a function. A generator draws with these and writes with the other wings.

======================  ==============================================================================================
``values``              constants that matter by themselves, per type; long rows of constants that one choice stands for
``edges``               constants for one operand of one instruction, related to those drawn before
``corners``             bit patterns for all operands of one instruction at once, where two have to meet
``signatures``          types of wide signatures in patterns that stress registers and stack slots
``value_types``         any value type that a set of features has, references to a module's own types too
``operands``            how many operands a register allocator sees of a call: the budget of extreme signatures
======================  ==============================================================================================

Nouns:

- A *bit pattern* is how every constant travels: an unsigned number of the type's width, never a Python float.
- An *edge* is where an instruction begins to behave otherwise, for one operand: a shift by the width, the last float
  that a conversion takes. A *corner* is the same for operands together: the least number divided by -1.
- A *format* is what a float's bit patterns are computed from (``values.Format``).

    bits = draw_bits(source, F64)                        # any constant of a type
    bits = constants.operand(OPS["i32.shl"], 1, I32)     # the amount of a shift
    first, second = source.pick(corners(OPS["f32.min"])) # zeros of either sign, a NaN and a number, ...
    params = draw_types(source, config, 254)             # the types of a wide signature

A constant that is worth having for every instruction goes into ``values.INTERESTING``; one that only some instructions
tell from its neighbours into ``edges`` or, if it takes two operands, into ``corners``. All tables start with the
simplest, and each addition moves the others: it raises ``GENERATOR_VERSION``.
"""
