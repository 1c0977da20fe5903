"""Prints what a Wasmtime release compiles a module to: ``wasmtime_serialize.py CONFIG < module``, CONFIG as the
worker's without ``fds`` and with ``features``, the names of those that the module uses.

Imports nothing but the standard library and the release's bindings. What is refused is a line on standard error.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from ctypes import byref

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import wasmtime_api as api


def main() -> int:
    config = json.loads(sys.argv[1])
    module_bytes = sys.stdin.buffer.read()
    lib = api.load(config["package"], config["library"])

    def work(write: int, features: frozenset[str]) -> None:
        module, message = api.compile_module(lib, api.make_engine(lib, config["settings"], features), module_bytes)
        if module is None:
            raise api.Refused(message)
        vec = lib.wasm_byte_vec_t()
        if error := lib.wasmtime_module_serialize(module, byref(vec)):
            raise api.Refused(api.take_error(lib, error))
        with os.fdopen(write, "wb") as file:
            file.write(ctypes.string_at(vec.data, vec.size))

    try:
        features, _ = api.accepted_features(lib, config["settings"], module_bytes)
    except api.Refused:
        features = frozenset(config["features"]) & api.settable_features(lib)
    data, why = api.run_child(lambda write: work(write, features))
    if why is not None:
        print(why, file=sys.stderr)
        return 1
    sys.stdout.buffer.write(data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
