"""Running what our own compiler makes: images mapped into this process, which is a worker's and nobody else's.

Compiled code has full access to the process, so it is run in a process of its own that the harness can lose; nothing
but such a worker and tests imports this package.
"""
