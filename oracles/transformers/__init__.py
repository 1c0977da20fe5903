"""Tools that must preserve what a module means, one a file: optimizers, and whatever else rewrites modules.

A transformer is tested by running what it makes: the engine ``transformed`` hands each module to it and the result to
another engine, so that a disagreement is the transformer's. A file has

    RELEASES: Releases | None      # as an adapter's (``oracles.engine``)
    SETTINGS: Mapping[str, Sequence[str]]    # by key, the values; "on" alone for a word
    def open_transformer(version: str, settings: Mapping[str, str], limits: Limits, offline: bool) -> Transformer

To add one, write the file, or add an entry point in ``wasm_codegen_fuzz.transformers``.
"""
