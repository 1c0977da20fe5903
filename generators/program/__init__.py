"""Functions that call each other: calls of every kind, values pushed and used, arguments from the host.

===============  =====================================================================================================
``program``      ``Program``: ``open`` it, ``function``, ``close_function``, ``close()`` gives the case
``parts``        ``Part``: what one target can put into any function of a program, and lists in ``PARTS``
``arguments``    which exports the host calls, with what, and by which way in
``calls``        ``Calls``: the instructions of a call, links, leaves, imported callees, sites
``push_values``  typed values onto the stack, for arguments, results and payloads
``hosts``        imports whose host collects garbage, grows or writes: ``Host``, the kit ``Collectors``
``use_values``   results off the stack, so that order and each bit matter
``endings``      how results leave a function, and traps for some arguments
===============  =====================================================================================================

Nouns:

- A *callee* (``Callee``) is a function that can be called, with the call sites inside it. A *leaf* calls nothing: it
  folds its parameters and makes up results from them. A *link* calls another callee and hands its results on.
- A *kind* is a kind of call (``generators.draw.operands.KINDS``): direct, indirect, ref, loop, recursive, tail, ...;
  *how* something is called is one of those that are one instruction, or ``import``.
- A *site* is the account of one call: what is called, and the instruction that uses its last result.
- A *mode* is a way of using results (``use_values.MODES``), a *style* a way of making a value (``push_values``).

Use:

    program = Program.open(source, config)
    callee = program.calls.leaf(source.fork("leaf"), FuncType((I32, F64), (I64, I64)))
    fn = program.function(source, (I32,), (I64,), export="f")
    push_values(fn, source, callee.type.params)
    program.calls.call(fn, source, "indirect", callee)
    use(fn, source, "store", callee.type.results)
    program.passed(fn, callee, "indirect")
    program.close_function(fn, source)
    case = program.close()

A new kind of call is an entry of ``KINDS``, and a branch of ``Calls.kinds`` and of ``Calls.call``. A new way of using
results is an entry of ``MODES`` and a branch of ``use``; a new style is a method in ``push_values`` with a weight.
"""
