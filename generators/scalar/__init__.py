"""Numbers: expressions of scalar instructions, drawn evenly from the table, and trees that tempt instruction selection.

===============  =====================================================================================================
``candidates``   the instruction table as makers of expressions see it, and where open NaNs may be
``expressions``  the plain ones: ``emit`` draws evenly from the candidates of a type
``trees``        ``Tree``: deep ones of related instructions, whose values may be used again
``families``     which instructions are related: what a tree stays within
``idioms``       combinations that compilers match as one instruction, as postfix texts
``conditions``   what a select or a branch depends on
``operands``     operands at an instruction's corners, and what keeps it from trapping
``uses``         what becomes of a tree's value
``grower``       the trees' interface for the files that make parts of them
===============  =====================================================================================================

Nouns:

- A *candidate* is a row of the table as a generator sees it: what its operands and its result may hold.
- An *open NaN* is one whose bits the specification leaves open (4.3.3). ``Nan`` says where a value may hold one. It
  flows on until an instruction would observe its bits; ``settle`` then makes it canonical, and ``merge`` lets two
  alternatives for one place hold one kind only. Every maker of a value returns a ``Nan``; its consumer settles it.
- A *guard* keeps an instruction from trapping, whatever its operand is.
- A *form* is what an expression can be at its top (an operation, a select, a loop ...), a *leaf* has no operands.
- ``depth`` is how far operands may nest; ``room`` how many nodes a tree may have left.

Two ways in:

    emit_clean(fn, source, F64, 2)                 # any value, for code that is about something else
    tree = Tree(fn, source, PLAIN, room=200)       # for code that is about values
    local, nan = tree.statement(I64, 6)
    used(tree, "fold", I64, local, nan)

An instruction that the table has is drawn by itself. A new idiom is one text in ``idioms``; a new form is one method of
``Tree`` with an entry in ``_FORMS`` and a weight in the mixes.
"""
