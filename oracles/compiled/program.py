"""Modules compiled and ready to be instantiated, remembered by their bytes: wrappers and peers come again and again."""

from __future__ import annotations

import traceback
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

from compiler.emit import CompiledFunction
from compiler.errors import Unsupported as NotCompiled
from compiler.pipeline import Settings, compile_function
from compiler.simplify import Fuel
from wasm.context import ModuleContext
from wasm.decode import decode
from wasm.embedding import Crashed, Outcome, OutOfMemory, Phase, Rejected, Unsupported
from wasm.errors import Malformed, WasmError
from wasm.features import DEFAULT
from wasm.module import Module
from wasm.validate import validate

_KEPT: Final = 64
_LARGEST: Final = 1 << 16
"""Modules of more bytes are not remembered."""


@dataclass(frozen=True, slots=True)
class Program:
    """A valid module and its code by function index. ``context`` holds the types whose canonical ids the code names."""

    module: Module
    context: ModuleContext
    functions: dict[int, CompiledFunction]


class Refused(Exception):
    """Not compiled: the outcome, and the phase that it belongs to."""

    def __init__(self, outcome: Outcome, phase: Phase) -> None:
        super().__init__(str(outcome))
        self.outcome, self.phase = outcome, phase


def compile_module(module: Module, settings: Settings) -> Program:
    """Compile a valid module. Raises ``Refused``; with ``Crashed`` where the compiler failed, which is its bug."""
    context = ModuleContext.of(module)
    first = len(context.funcs) - len(module.funcs)
    fuel = Fuel(settings.opt_fuel)
    with refusals():
        functions = {
            index: compile_function(module, context, index, _of_function(settings, index - first), fuel=fuel)
            for index in range(first, len(context.funcs))
        }
    return Program(module, context, functions)


def _of_function(settings: Settings, number: int) -> Settings:
    return settings if settings.only is None or number in settings.only else settings.plain()


@contextmanager
def refusals() -> Iterator[None]:
    """Whatever the compiler raises inside becomes ``Refused``."""
    try:
        yield
    except NotCompiled as error:
        raise Refused(Unsupported(error.what), Phase.COMPILE) from None
    except MemoryError:
        raise Refused(OutOfMemory("while compiling"), Phase.COMPILE) from None
    except Exception as error:
        raise Refused(crash(error), Phase.COMPILE) from error


def crash(error: Exception) -> Crashed:
    """A failure of the compiler as an engine's panic: its text and the innermost place of ours."""
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "compiler" in PurePath(frame.filename).parts
    ]
    place = ""
    if frames:
        parts = PurePath(frames[-1].filename).parts
        start = len(parts) - 1 - parts[::-1].index("compiler")
        place = f"{'/'.join(parts[start:])}:{frames[-1].lineno}"
    return Crashed(0, f"{type(error).__name__}: {error}"[:2000], place)


class Programs:
    """The compiler with its settings, and the latest small modules that it compiled."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._made: OrderedDict[bytes, Program] = OrderedDict()

    def get(self, content: bytes) -> Program:
        """Decode, validate and compile. Raises ``Refused``."""
        remembered = self._made.get(content)
        if remembered is not None:
            self._made.move_to_end(content)
            return remembered
        try:
            module = decode(content)
            validate(module, DEFAULT, content)
        except WasmError as error:
            phase = Phase.DECODE if isinstance(error, Malformed) else Phase.COMPILE
            raise Refused(Rejected(str(error)), phase) from None
        program = compile_module(module, self.settings)
        if len(content) <= _LARGEST:
            self._made[content] = program
            if len(self._made) > _KEPT:
                self._made.popitem(last=False)
        return program
