"""Modules about validity: declarations of every kind, code of every instruction, near misses."""
