"""One file per engine; the listing of this folder is the registry (``oracles/engine.py`` says what a file holds)."""
