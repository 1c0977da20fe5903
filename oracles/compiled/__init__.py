"""Running what our own compiler makes: images mapped into this process, which is a worker's and nobody else's.

Compiled code has full access to the process, so it is run in a process of its own that the harness can lose; nothing
but such a worker and tests imports this package.

``program``
    Bytes to a compiled module; ``Refused`` with an outcome where that fails.
``regions``, ``machine``, ``signals``
    Mapped memory. ``Machine`` enters code and is called back by it through a *mailbox* of slots; a signal in compiled
    code becomes an exception here.
``store``, ``aggregates``
    What each kind of item is in memory, as ``compiler.layout`` states it, and who owns it.
``helpers``
    What compiled code asks the host for: growing, tables, exceptions, objects.
``trampolines``
    Code between the host's calling convention and WebAssembly's, made by the compiler itself.
``link``, ``hosting``, ``values``
    Instantiation and calls over ``oracles.linking``, a case's imports, slots and references.
``case_run``, ``observing``, ``session``, ``worker_main``
    A whole case, what it leaves, a script, and the worker that answers ``oracles.remote.protocol``.
``stops``
    The ways in which only compiled code ends, beside ``oracles.stops``.

A function that the compiler cannot compile is ``Unsupported`` for the whole module, never a finding.
"""
