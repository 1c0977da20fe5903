"""References: types in recursion groups with subtypes, code that makes, casts and calls, and digests that see it all.

The nouns:

- ``Lattice`` (``lattice``): the types of one module, structs, arrays and functions, drawn all at once; ``Defined`` is
  one of them.
- ``RefSpace`` (``space``): what a module keeps besides: functions of those types, globals, tables, segments, a pool of
  objects whose types no compiler knows. One per module, ``shell.kit(RefSpace)``.
- ``RefCode`` (``expressions``): code on references in one function. ``push`` makes a value of any reference type,
  ``fold`` puts all that a value leads to into the function's hash, ``known`` has the locals that hold references.
  ``instructions`` chooses those whose opcode depends on a type: packed fields, casts with and without null.
- Digest (``digests``): a function (reference, depth) -> i64 that ``fold`` calls. Digests are asked for while code is
  written; ``write_functions`` writes them at the end.
- Statement (``statements`` has the type): a function of (Program, RefCode) that writes code and leaves nothing on the
  stack. ``statements`` has those on any reference, ``flow_statements`` on labels and exceptions, ``call_statements``,
  ``object_statements``, ``cast_statements`` and ``array_statements`` what they say. None of them traps.
  ``host_statements`` has those in which the host acts: it collects, throws, calls back, sets a global, grows a table.
- Trap (``traps``): an exported function of one instruction that traps for some arguments; it is called last.

A target (``generators/targets/refs.py``, ``gc.py``) weights statements and calls ``programs.build``; ``part_of`` makes
a statement a part for other targets.

To add a statement: write it beside those of its subject, of values that ``refs.push`` makes and ``refs.fold`` uses, and
give it a weight in a target. What it leaves in locals is ``refs.keep``; after a block, ``refs.leave(mark)`` forgets the
locals that are set in it only.
"""
