"""Coverage-guided fuzzing with Atheris (libFuzzer for Python): the decoder and validator, and our own compiler.

``python -m fuzz.atheris_targets.decode`` and ``python -m fuzz.atheris_targets.compile`` take libFuzzer's flags and
corpus folders (docs/atheris.md). What an input means is in ``decoding`` and ``compiling``, which need no Atheris.
"""
