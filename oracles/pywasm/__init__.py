"""pywasm, whichever release, as an engine: what is around the package in the process that imports it.

    store         instances, calls and values in pywasm's machine, and what its exceptions stand for
    worker_main   a case and a script on them: the process that answers ``oracles.remote.protocol``

``oracles/engines/pywasm.py`` finds the release and starts the process, which nothing else imports.
"""
