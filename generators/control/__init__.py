"""Control flow: branches, graphs, exceptions, calls of extreme signatures, and values that live across all of it.

================  ====================================================================================================
``branches``      loops, branch tables, merges and ifs that carry values; conditions; dead code
``graphs``        state machines, deep nesting, random statements over locals
``try_tables``    ``TryTable``: drawing it, writing it, and which handler will run (``settle``)
``throwers``      ``Thrower``: functions that throw by mode, and links that pass exceptions on
``regions``       ``Region``: what try_tables protect
``wide_calls``    the modules of ``returns``, ``params`` and ``calls``: one signature in every kind of call
``live_values``   ``LiveValues``: where they are, and moves of many at once
``pressure``      ``STEPS`` on live values
``local_steps``   ``LOCAL_STEPS``: those that are about locals
``many_locals``   ``DeclaredLocals``: thousands of locals, filled, drained and rotated
``surroundings``  ``Surroundings``: small functions to call, at times an import, at times a thrower
================  ====================================================================================================

Nouns:

- *Carried* values are parameters or results of labels; *watched* locals are those that a flow changes, and that are
  looked at behind it.
- A *try_table* is the instruction with its clauses and the handlers of its own; they nest, the outermost first. A
  *handler* is where a clause jumps to, and what is done with what was caught.
- A *region* is the calls under a function's try_tables.
- A *mode* is the i32 by which the host says how calls end; its *digit*, the lowest three bits, is 0 for a call that
  returns, or says which tag is thrown. ``Ends`` has the tag for each digit.
- *Live* values are kept in locals while *steps* change, move, hold and merge them; a *position* is a place among them.

A new step is a function of ``LiveValues`` and a depth, with a weight in ``STEPS``; a new construct of branches a
function of (fn, source, carried) with a weight in ``generators/targets/control.py``. A new kind of clause goes into
``TryTableDrawer.draw``; what its handler does with an exception into ``Handler.throws``, which ``settle`` believes.
"""
