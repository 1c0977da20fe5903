"""Running what our own compiler makes: images mapped into this process, which is a worker's and nobody else's.

Compiled code has full access to the process. ``oracles.engines.compiler`` therefore runs ``worker_main`` in a process of
its own; nothing else but tests imports this package.
"""
