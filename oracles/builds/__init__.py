"""Builds of an engine that nobody releases, made by cargo from the Rust package registry into the cache.

``options`` is the grammar of ``build=`` in an engine's id, ``manifest`` the files of a build as text, ``cargo`` runs
cargo and tells how far it is, ``wasmtime`` puts them together.
"""
