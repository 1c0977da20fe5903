"""One file per engine; the listing of this folder is the registry (``oracles/engine.py`` says what a file holds).

The command line, the grammar of ids and the contract suite (``tests/engines``, by each file's ``CONTRACT``) find an
engine here and nowhere else.
"""
