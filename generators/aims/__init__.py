"""Aims: patterns of instructions with the constants that matter, and the functions that are made of them.

    (i32.or (i32.shl x:i32 (i32.const $0)) (i32.shr_u x:i32 (i32.const $1)))    inside 7,25  outside 7,24

==============  ======================================================================================================
``aim``         a tree with what is open in it; as text, as JSON
``own``         a short list of our own
``store``       the files that ``fuzz rules`` writes into the cache
``writing``     one variation as a function: constants, leaves, sink
``listing``     all variations in one order, by blocks: the cases of the target ``rules``
``finding``     which aims stand in a module, whoever made it
``drawing``     one aim drawn in a function that has other things in it, without a trap: what ``mixed`` takes
==============  ======================================================================================================

A *variation* of an aim has constants inside or just outside of the conditions, or a leaf that occurs twice as two
values; its leaves are parameters, or one of them is loaded, called for, kept or a constant; its value goes into one of
the sinks of ``generators.enumeration.writing``. An aim of ours is added as a line in ``own``; a new kind of variation
in ``writing``.
"""
