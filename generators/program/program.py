"""A module and its functions under construction: what targets that are not about one signature have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.module.function import Function
from generators.module.shell import Shell
from generators.program import endings
from generators.program.arguments import Exported, callable_by_host, invocations
from generators.program.calls import Callee, Calls, host_site, sites_of
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.features import Feature
from wasm.fragment import code
from wasm.valtypes import NumType, ValType

REFERENCES: Final = (Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.GC)
VECTORS: Final = (Feature.SIMD, Feature.RELAXED_SIMD)

TRAPS: Final = 64
"""One exported function in so many traps at its end, for some arguments."""

_RETURN: Final = code("return")


@dataclass(slots=True)
class Program:
    """A module, its exports in the order in which they are called, and its call sites."""

    source: ChoiceSource
    config: Config
    shell: Shell
    calls: Calls
    exports: list[Exported] = field(default_factory=list)

    @staticmethod
    def open(source: ChoiceSource, config: Config, imports: Callable[[ModuleBuilder], None] | None = None) -> Program:
        """A new program; ``imports`` as in ``Shell.open``."""
        shell = Shell.open(source.fork("shell"), config, imports)
        return Program(source, config, shell, Calls(shell))

    def function(
        self,
        source: ChoiceSource,
        params: Sequence[ValType],
        results: Sequence[ValType],
        export: str = "",
        times: int = 2,
    ) -> Function:
        """A function whose hash starts from its number parameters; exported and called ``times`` if it has a name."""
        f = self.shell.builder.func(params, results, export=export or None)
        fn = Function.of(self.shell, f, source)
        fn.seed(source.bits(16) + f.index)
        for i, type_ in enumerate(params):
            if isinstance(type_, NumType):
                fn.fold_local(type_, i)
        if export:
            assert callable_by_host(f.type)
            self.exports.append(Exported(export, f.type, times))
        return fn

    def close_function(self, fn: Function, source: ChoiceSource, rest: Sequence[int] = ()) -> None:
        """Publish the hash and return it, after the values of the locals ``rest``; sometimes trap before."""
        fn.publish()
        if source.one_in(TRAPS):
            self.trap(fn, source)
        fn.get(*rest, fn.acc)
        if source.one_in(4):
            fn += _RETURN

    def trap(self, fn: Function, source: ChoiceSource) -> None:
        """Trap for some values of the hash: what was computed before must still be seen in the state."""
        endings.trap(fn, source)

    def passed(self, fn: Function, callee: Callee, how: str) -> None:
        """Account for a call of ``callee`` in ``fn``; the instruction that comes next is its last use."""
        self.shell.sites += sites_of(fn, callee, how, fn.here)

    def close(self) -> Case:
        """The invocations, the host's last call as one more site, and the case."""
        shell = self.shell
        source = self.source.fork("arguments")
        for exported in self.exports:
            shell.invocations += invocations(source, exported)
            if exported is self.exports[-1]:
                last = len(shell.invocations) - 1
                shell.sites.append(host_site(last, exported.type))
        return shell.case()
