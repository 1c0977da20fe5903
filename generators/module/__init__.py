"""What everything is written into: the module's shell, and one function under construction.

    shell        the module around the functions, and the case around the module: its checksum global, its memory, its
                 tables for references, what is exported, the invocations, and the digest of what is not exported
    checksum     a global of 64 bits into which functions fold their hashes: the state that a wrong bit ends up in
    function     one function under construction: instructions, locals, and its hash
    hash         a local of 64 bits into which a function folds every value, in order
    fold, take   put the value on the stack into the hash (``fold`` gives instructions, ``take`` adds them and knows
                 what to do with a host token too)
    publish      fold the hash into the checksum
    token        an externref that the host made; the table ``tokens`` holds those that the code draws from
    sink         the table that host tokens go to, where the host can tell them apart
    kit          what one kind of statements keeps in a module (``Shell.kit``)

    shell.py     ``Shell``: ``open`` it, add functions, ``case()`` closes it
    loops.py     loops that end by construction
    function.py  ``Function``: ``of(shell, builder.func(...), source)``, then ``fn += code``, ``with fn.block(...)``
    loops.py     counters of loops that end by construction

A target seldom makes either itself: ``generators.program.program.Program`` opens a shell and its functions. What a
new kind of state needs at the end of a module goes into ``Shell.closers``, not into the shell.
"""
