"""Ways to write a module otherwise without changing what it does, one a file; the listing is the registry.

A file has

    WEIGHT: int                 # how often it is taken, beside the others
    def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None

``mutate`` is given a copy that it may change in place and gives it back, or another module; None where it finds nothing
to do. ``facts`` are about the module that it is given. What it makes is valid, has the same imports and exports, and
does the same: the same results, traps of the same kind in the same calls, the same exceptions, host calls and state.
It may take more steps and stack, a few times as much at most. ``tests/mutants`` holds every mutator to that.
"""
