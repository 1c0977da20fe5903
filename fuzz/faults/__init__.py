"""Faults for ``fuzz selfcheck``: one file per family, each with ``FAULTS``; this folder's listing is the registry.

The code under test knows nothing of them: ``fuzz.faults.injection`` patches it from outside.
"""
