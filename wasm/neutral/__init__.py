"""Neutral mutants: other modules that must do what a module does (docs/mutants.md).

    local.get 0  i32.const 7  i32.mul      ->      local.get 0  global.get $seven  i32.mul

What a mutant returns, traps with, throws, tells the host and leaves in what it exports is the same; only how much it
takes for that (steps, stack, time, memory) may differ. So an engine that answers otherwise is wrong about one of them.

``draws``
    ``Draws``: where a mutator's choices come from; ``Drawn``: from a few numbers, the same on every machine.
``facts``
    ``Place``, ``Bounds`` and ``Facts``: what somebody saw in a run of the module, for mutators that rely on it.
``func_code``
    ``FuncCode``: a function with its graph and spans, and the edits that several mutators make.
``mutators/``
    One mutator a file; the listing is the registry. ``mutators/__init__`` has the contract.
``mutating``
    ``mutated``: a few mutators one after the other, as the choices have it.
"""
