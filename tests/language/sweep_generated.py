"""Round trip of generated modules: encode, decode, validate, print, and back through two foreign parsers.

    python -m tests.language.sweep_generated --count 10000 --seed 1

Every module must decode to an equal one, be valid in our validator and in Wasmtime, and its printed text must come back
equal from ``wasmtime.wat2wasm``; every 20th also goes through ``wasm-tools parse``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

import wasmtime

from generators.registry import make_case, wasm_target_names
from wasm.decode import decode
from wasm.encode import encode
from wasm.module import Module
from wasm.text import print_wat
from wasm.validate import validate
from wasm.valtypes import ValType


def plain(module: Module) -> Module:
    """Without what text does not keep: custom sections, and how equal locals are cut into runs."""
    module.customs = []
    for func in module.funcs:
        runs: list[tuple[int, ValType]] = []
        for count, type_ in func.locals:
            if runs and runs[-1][1] is type_:
                runs[-1] = (runs[-1][0] + count, type_)
            elif count:
                runs.append((count, type_))
        func.locals = runs
    return module


def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    for name in ("threads", "wide_arithmetic", "exceptions", "gc", "function_references", "custom_page_sizes"):
        setattr(config, f"wasm_{name}", True)
    return wasmtime.Engine(config)


def main() -> int:
    parser = argparse.ArgumentParser(description="Round-trip generated modules.")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    tools = shutil.which("wasm-tools") or str(Path(sys.executable).parent / "wasm-tools")
    targets = wasm_target_names()
    judge = engine()
    bytewise = parsed = 0
    start = time.process_time()
    for index in range(options.count):
        case = make_case(targets[index % len(targets)], options.seed, index // len(targets))
        module = decode(case.content)
        validate(module, data=case.content)
        wasmtime.Module.validate(judge, case.content)
        again = encode(module)
        bytewise += again == case.content
        assert decode(again) == module, case.provenance
        text = print_wat(module)
        expected = plain(module)
        assert plain(decode(bytes(wasmtime.wat2wasm(text)))) == expected, case.provenance
        if index % 20 == 0:
            back = subprocess.run([tools, "parse", "-"], input=text.encode(), capture_output=True, check=True)
            assert plain(decode(back.stdout)) == expected, case.provenance
            parsed += 1
    seconds = time.process_time() - start
    print(f"{options.count} modules of {', '.join(targets)}: all equal, {bytewise} byte for byte, {parsed} through")
    print(f"wasm-tools as well; {seconds:.1f} s CPU")
    return 0


if __name__ == "__main__":
    sys.exit(main())
