"""The official test suite: its scripts as commands, the module that they import from, and running them."""
