"""Control flow: branches, graphs, exceptions, calls of extreme signatures, and values that live across all of it.

    carried    values that labels have as parameters or results
    watched    locals that a flow changes, and that are looked at behind it
    try_table  the instruction, its clauses and the handlers of its own; they nest, outermost first
    handler    where a clause jumps to, and what is done with what was caught
    region     the calls under a function's try_tables
    mode       the i32 by which the host says how a call ends; its *digit* is the tag that is thrown
    thrower    a function that returns or throws as its mode says; ``Ends`` says how by the digit
    live       values that a function keeps in locals while *steps* change, move, hold and merge them
    around     what a function can call: its ``Surroundings``

    branches.py      loops, branch tables, merges and ifs that carry values; conditions; dead code
    graphs.py        state machines, deep nesting, random statements over locals
    try_tables.py    ``TryTable``: drawing it, writing it, and which handler will run (``settle``)
    throwers.py      functions that throw by mode, and links that pass exceptions on
    regions.py       ``Region``: what try_tables protect
    wide_calls.py    the modules of ``returns``, ``params`` and ``calls``: one signature in every kind of call
    live_values.py   ``LiveValues``: where they are, and moves of many at once
    pressure.py      ``STEPS`` on live values
    local_steps.py   ``LOCAL_STEPS``: those that are about locals
    many_locals.py   ``DeclaredLocals``: thousands of locals, filled, drained and rotated
    surroundings.py  small functions to call, at times an import, at times a thrower

A new step is a function of ``LiveValues`` and a depth, and an entry of ``STEPS``; a new construct of branches is a
function of (fn, source, carried) and an entry of ``generators/targets/control.py``; a new kind of clause goes into
``TryTableDrawer.draw``, and what its handler does with an exception into ``Handler.throws``, which ``settle`` believes.
"""
