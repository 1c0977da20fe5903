"""Load a module into wasm3 and run all of its exported functions: what stands behind ``oracles.engines.wasm3``.

    python wasm3_run.py PACKAGE MODULE

PACKAGE is the folder with wasm3's module for Python. Each export takes nothing and gives 64-bit integers; a line is
printed for each, in their order:

    c0() => i64:1 i64:-1
    c1() => error: [trap] integer divide by zero
"""

from __future__ import annotations

import sys
from pathlib import Path

STACK = 1 << 16
"""Bytes of wasm3's own stack. With more of it deep recursion comes to the end of the process's first."""


def exports(content: bytes) -> list[str]:
    """The names of the exported functions, by the binary format."""
    at = 8

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = content[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    names = []
    while at < len(content):
        section = content[at]
        at += 1
        end = number() + at
        if section == 7:
            for _ in range(number()):
                length = number()
                name = content[at : at + length].decode()
                at += length
                kind = content[at]
                at += 1
                number()
                if kind == 0:
                    names.append(name)
        at = end
    return names


def main() -> None:
    folder, file = sys.argv[1:]
    sys.path.insert(0, folder)
    import wasm3

    if file == "--version":
        print(wasm3.M3_VERSION)
        return
    content = Path(file).read_bytes()
    environment = wasm3.Environment()
    runtime = environment.new_runtime(STACK)
    try:
        runtime.load(environment.parse_module(content))
    except RuntimeError as error:
        print(f"error: {error}")
        sys.exit(1)
    for name in exports(content):
        try:
            given = runtime.find_function(name)()
        except RuntimeError as error:
            print(f"{name}() => error: {error}", flush=True)
            continue
        values = given if isinstance(given, tuple) else (given,)
        print(f"{name}() => {' '.join(f'i64:{value}' for value in values)}", flush=True)


if __name__ == "__main__":
    main()
