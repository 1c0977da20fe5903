"""Other projects' generators, one file each, for comparing with ours; the folder is their list.

A *peer* is a program that makes modules from bytes; ``generators.peer`` opens it, adds the calls and makes a case of
what it gives. A *variant* is a word behind a peer's name (``wasm-smith:wide``). ``NoModule`` is a draw that made
nothing, ``PeerMissing`` a program that is not on this machine.

A new one is a file ``NAME.py`` (``wasm_smith.py`` is ``wasm-smith`` on the command line) with

    VARIANTS: Final = ("",)                                  # "" is the plain name

    def open_peer(variant: str) -> Peer:                   # raises PeerMissing with one line that says how to get it
        program = find_program("made-up", Path("node_modules/.bin/made-up"))
        ...
        return Peer(version, make)                         # make(source, config) gives a module's bytes

``make`` draws from its ``random.Random`` only, so that a case depends on the program's version, name, seed and index.
"""
