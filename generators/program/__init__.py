"""Functions that call each other: calls of every kind, values pushed and used, arguments from the host.

    program    a module, its functions under construction, its exports and its call sites
    callee     a function that can be called, with the call sites inside it
    leaf       a callee that calls nothing: it folds its parameters and makes up results from them
    link       a callee that calls another by one kind of call and hands its results on
    kind, how  a kind of call (``generators.draw.operands.KINDS``): direct, indirect, ref, loop, recursive, tail, ...
    site       the account of one call: what is called, and the instruction that uses its last result
    mode       a way of using results (``use_values.MODES``)
    part       what one target can put into any function of a program

    program.py      ``Program``: ``open`` it, ``function``, ``close_function``, ``close()`` gives the case
    parts.py        ``Part``: what ``generators/targets/NAME.py`` lists in ``PARTS``
    arguments.py    which exports the host calls, with what, and by which way in
    calls.py        ``Calls``: the instructions of a call, links, leaves, imported callees, sites
    push_values.py  ``push_values``: typed values onto the stack, for arguments, results and payloads
    use_values.py   ``use``: results off the stack, so that order and each bit matter
    endings.py      how results leave a function, and traps for some arguments

A new kind of call is an entry of ``KINDS``, a branch of ``Calls.kinds`` and ``Calls.call``. A new way of using results
is an entry of ``MODES`` and a branch of ``use``; a new style of values is a method of ``push_values._Values``.
"""
