"""The modules that the harness brings along: what it asks engines about themselves, and what the official suite needs.

``probes``
    One tiny module per feature, to ask an engine which it accepts; and one that every setting must compile.
``relaxed_question``
    A case that asks an engine for its relaxed-SIMD choices.
``spectest``
    The module ``spectest`` that the official suite imports from.

They are built with ``wasm.builder`` from text (``wasm.fragment``) once, when this is imported, and are bytes from then
on. Modules that depend on the case at hand, wrappers and import peers, are ``oracles.remote``'s.
"""
