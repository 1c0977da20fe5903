"""Engines in worker processes: the process, the protocol, linking modules, and what becomes of a death."""
