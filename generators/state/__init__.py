"""Globals, tables and memories: what statements share, the statements, and the ends."""
