"""State: globals, tables and memories, the statements on them, and the ends where accesses trap.

Each kind of state has a kit, one per module, that makes its items, chooses among them, and adds a function at the
module's end that shows what nothing else does: ``shell.kit(Globals)``, or by its ``open`` for a target that is about
it. Statements take what they need from the kit and never trap; what traps has exported functions of its own, the ends,
which the host calls with arguments on both sides.

- ``Global``, ``Globals`` (``globals``), statements in ``global_statements``; ``Writers`` is the kit of functions that
  change globals behind their callers' backs.
- ``Table``, ``Family``, ``Tables`` (``tables``), statements in ``table_statements``, ends in ``table_ends``. All
  functions of a family can be called by one type.
- ``Memory``, ``Memories`` (``memories``): accesses anywhere, copies and fills. ``Memories.open(shell, source)`` before
  any function for a target about memories, which calls ``digest()`` at the end if ``shell.private``; in parts
  ``shell.kit(Memories.of)``, which does so itself. The digest has the first 512 and the last 256 bytes. Statements are
  its methods, which write into a ``Tree``; ends, one access each on both sides of the end, are in ``memory_ends``.
- ``Area``, ``Areas`` (``segments``): memories again, for what data segments put there at the start. A module has
  either ``Memories`` or ``Areas``.
- Held reference (``held_refs``): a reference of the few types that globals, tables and segments hold here, made by a
  constant or by code, and folded. References of a module's own types belong to ``generators.refs``.
- ``atomics``: a part for other targets.

A statement on globals or tables is a function of (Program, Function, ChoiceSource), those on globals with the size of
expressions besides; a target's ``PARTS`` take the room besides. To add one, write it in the file of its kind, take
items by the kit's ``pick``, ``any`` or ``writable``, fold what it leaves on the stack, and list it in
``table_statements.STEPS`` or in the target's ``PARTS``.
"""
