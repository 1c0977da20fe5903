"""Engines in worker processes: one process, its protocol, the modules that link and call, and what becomes of a death.

From the bottom to the top:

``interface``
    A module's outside, read from its bytes without its code. A type is one character there, its *kind*.
``outer``
    What is asked of that as a whole: memories, and tags that have a name.
``wasmbytes``
    Pieces of the binary format. ``piece`` turns instructions as text into bytes with holes.
``imports``, ``wrapper``
    The *linking modules*. A *peer* is what a module's imports come from where the host cannot make them bit for bit; a
    *wrapper* calls an export from WebAssembly, so that the host converts no argument and no result.
``protocol``
    Frames: a *request* is a case as a JSON header and blobs, a *reply* is an observation.
``process``
    One process: descriptors, what it prints, its CPU time and memory, its end. Knows nothing of cases.
``worker_calls``, ``crash``
    What several engines share of a request and a reply; reading a dead process' last words.
``worker_engine``
    ``WorkerEngine``: an engine over a worker that is kept from case to case. ``Script``: the same for scripts.
``shells``
    JavaScript shells, which V8 and JavaScriptCore share.

The worker's side is in ``oracles/workers`` and, for our own compiler, in ``oracles.compiled.worker_main``. To add a
worker, write a program that answers the requests of ``protocol`` on the descriptors it is given.
"""
