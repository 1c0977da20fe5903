"""An engine that is a command line of the user's: ``mywasm run {wasm} --invoke {export} {args}``.

    description     the small TOML file that says how the command is called and how its output is read
    selfcontained   a case as one module that imports nothing and whose exports take nothing and give 64-bit integers
    direct          a case as it is, with arguments and results on the command line
    reading         from what a process printed, and how it ended, to an outcome
    launching       the engine in the harness that goes with a description; ``oracles.engines.wasm2c`` is one of ours
    worker_main     the process that does it, a worker like any other (``oracles.remote.protocol``)

A command line shows little: what it cannot show is ``Unsupported`` or left out of the observation, never made up.
"""
