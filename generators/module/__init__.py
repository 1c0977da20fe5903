"""What everything is written into: the module's shell, and one function under construction.

============  ========================================================================================================
``shell``     ``Shell``: the module around the functions and the case around the module; ``case()`` closes it
``function``  ``Function``: ``Function.of(shell, builder.func(...), source)``, then ``fn += code``, ``with fn.block()``
``loops``     counters of loops that end by construction; ``Function.repeat`` is such a loop
============  ========================================================================================================

Nouns:

- The *checksum* is a global of 64 bits into which functions fold their hashes: the state that a wrong bit ends up in.
- A function's *hash* is a local of 64 bits into which it *folds* every value, in order. ``fold`` gives the instructions
  that fold what is on the stack, ``take`` adds them and knows what to do with a host token too. To *publish* is to fold
  the hash into the checksum.
- The *digest* is an exported function that folds all state into one number, in modules that export none.
- A *token* is an externref that the host made: the table ``tokens`` holds those that code draws from, and the table
  ``sink`` gets those that code has computed, so that the host can tell them apart.
- A *kit* is what one kind of statements keeps in a module: ``shell.kit(Tables)``.
- The *selector* is an i32 local by which the host decides what runs.

A target seldom makes either itself: ``generators.program.program.Program`` opens a shell and its functions. What a
new kind of state needs at the end of a module goes into ``Shell.closers``, not into the shell.
"""
