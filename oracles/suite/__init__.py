"""The official test suite: scripts as commands, and asking an engine every command of them.

``wast`` reads what ``wasm-tools json-from-wast`` makes of a script; ``spectest`` runs it in an engine's session and
counts what passed. The module that scripts import from is ``oracles.modules.spectest``. ``fuzz spectest`` and
tests/interpreter/test_suite.py are the users.
"""
