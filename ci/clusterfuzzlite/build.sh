#!/bin/bash -eu
# Makes the two Atheris targets of fuzz/atheris_targets (docs/atheris.md), each with a corpus to begin with.
pip3 install .
for target in decode compile; do
  compile_python_fuzzer "fuzz/atheris_targets/$target.py" \
    --collect-submodules wasm --collect-submodules compiler --collect-submodules generators \
    --collect-submodules fuzz --collect-submodules oracles --collect-data corpus
  python3 -m fuzz.atheris_targets.inputs seeds "$target" "seeds-$target"
  (cd "seeds-$target" && python3 -m zipfile -c "$OUT/${target}_seed_corpus.zip" ./*)
done
