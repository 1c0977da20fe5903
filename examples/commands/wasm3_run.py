"""Call an export of a module in wasm3 and print what it gives: ``python3 wasm3_run.py MODULE EXPORT``.

wasm3 has no program of its own in a package index, only a module for Python: pip install pywasm3.
"""

import sys

try:
    import wasm3
except ImportError:
    sys.exit("wasm3's module for Python is missing: pip install pywasm3")

environment = wasm3.Environment()
runtime = environment.new_runtime(1 << 16)  # more, and deep recursion ends the process
try:
    with open(sys.argv[1], "rb") as file:
        runtime.load(environment.parse_module(file.read()))
    given = runtime.find_function(sys.argv[2])()
except RuntimeError as error:
    sys.exit(f"error: {error}")
print(*(given if isinstance(given, tuple) else (given,)))
