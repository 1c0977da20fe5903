"""Meetings of instructions by enumeration, not by luck: what the target ``pairs`` goes through.

A miscompile that shows where two ordinary instructions meet in one particular way is met by a random tree once in 10^4
to 10^6 cases. There are about 160,000 such meetings, so they are listed, and each is a small function of its own:

==============  ======================================================================================================
``rows``        which instructions make and take which type, and what their immediates are
``writing``     one function: how an operand comes about (its form), how the result is used (its sink), its arguments
``pairs``       one instruction feeds another, for every operand position
``triples``     two operations on the same operands, and a third that puts their results together
``addresses``   memory instructions on addresses that are computed
``listing``     these three in one order, by blocks
``depth``       chains and nests of one instruction: the cases of the target of that name, one each
==============  ======================================================================================================

Forms and sinks are not multiplied but spread: over the pairs of one instruction each form and each sink comes up, with
each other too (``spread``). A block is so many functions of one module, each exported under its number
(``p4711``), and block ``n`` is the same with every seed; a seed only chooses arguments and constants. The order mixes
types, so that a short run meets something of everything.

A new form or sink is one member of its enumeration and one arm in ``writing``; a new kind of meeting is a file with a
list and a function that writes one entry, and a letter in ``listing``. An instruction that the table gets takes part by
itself.

Nouns: a *meeting* is one entry of a list; a *block* a module of them.
"""
