"""State: globals, tables and memories, the statements on them, and the ends where accesses trap.

Each kind of state has a kit (one per module, ``shell.kit(Globals)``) that makes its items, chooses among them, and adds
a function at the module's end that shows what nothing else does. Statements take what they need from the kit and never
trap; what traps has exported functions of its own, the ends, which the host calls with arguments on both sides.

- ``Global``, ``Globals`` (``globals``), statements in ``global_statements``; ``Writers`` is the kit of functions that
  change globals behind their callers' backs.
- ``Table``, ``Family``, ``Tables`` (``tables``), statements in ``table_statements``, ends in ``table_ends``. All
  functions of a family can be called by one type.
- ``Memory``, ``Memories`` (``memories``), which has the statements as methods, ends in ``memory_ends``: for loads
  and stores anywhere.
- ``Area``, ``Areas`` (``segments``): memories again, for what data segments put there at the start. A module has
  either ``Memories`` or ``Areas``.
- Held reference (``held_refs``): a reference of the few types that globals, tables and segments hold here, made by a
  constant or by code, and folded. References of a module's own types belong to ``generators.refs``.
- ``atomics``: a part for other targets.

A statement is a function of (Program, Function, ChoiceSource), those on globals with the size of expressions besides.
To add one, write it in the file of its kind, take items by the kit's ``pick``, ``any`` or ``writable``, fold what it
leaves on the stack, and list it in ``STEPS`` or in the target's ``PARTS``.
"""
