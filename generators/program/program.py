"""A module of ordinary functions under construction: what targets that are not about one signature have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.module.function import BARE, GET, I32_CONST, I64_CONST, Function
from generators.module.shell import Shell
from generators.program import calls
from generators.program.arguments import Exported, callable_by_host, invocations
from generators.program.calls import Callee, Calls
from wasm.builder import ModuleBuilder
from wasm.case import Case
from wasm.features import Feature
from wasm.isa import OPS, MemArg
from wasm.valtypes import NumType, ValType

REFERENCES: Final = (Feature.REFERENCE_TYPES, Feature.FUNCTION_REFERENCES, Feature.GC)
VECTORS: Final = (Feature.SIMD, Feature.RELAXED_SIMD)

TRAPS: Final = 64
"""One exported function in so many traps at its end, for some arguments."""


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
        """A new program; ``imports`` as in ``Scaffold.open``."""
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
                f.body += ((GET, i), *fn.fold(type_))
        if export:
            assert callable_by_host(f.type)
            self.exports.append(Exported(export, f.type, times))
        return fn

    def close_function(self, fn: Function, source: ChoiceSource, rest: Sequence[int] = ()) -> None:
        """Publish the hash and return it, after the values of the locals ``rest``; sometimes trap before."""
        fn.publish()
        if not source.below(TRAPS) - (TRAPS - 1):
            self.trap(fn, source)
        fn.f.body += [(GET, local) for local in rest]
        fn.f.body.append((GET, fn.acc))
        if source.below(4) == 3:
            fn.f.emit("return")

    def trap(self, fn: Function, source: ChoiceSource) -> None:
        """Trap for some values of the hash: what was computed before must still be seen in the state."""
        self.shell.labels.add("traps")
        body = fn.f.body
        body += ((GET, fn.acc), (I64_CONST, 1 << source.below(8)), BARE["i64.and"], BARE["i64.eqz"])
        fn.f.open("if")
        kind = source.below(3)
        if kind == 0:
            body.append(BARE["unreachable"])
        elif kind == 1:
            body += ((GET, fn.acc), (I64_CONST, 0), BARE["i64.rem_s"], BARE["drop"])
        else:
            self.shell.uses_memory = True
            body += ((I32_CONST, 0xFFFFFFFF), (OPS["i64.load"], MemArg(3, 0)), BARE["drop"])
        fn.f.end()

    def passed(self, fn: Function, callee: Callee, how: str) -> None:
        """Account for a call of ``callee`` in ``frame``; the instruction that comes next is its last use."""
        use_at = len(fn.f.body)
        for kind, type_ in ((how, callee.type), *callee.pending):
            self.shell.sites.append(calls.site(kind, fn.f.index, use_at, type_))

    def close(self) -> Case:
        """The invocations, the host's last call as one more site, and the case."""
        shell = self.shell
        source = self.source.fork("arguments")
        for exported in self.exports:
            shell.invocations += invocations(source, exported)
            if exported is self.exports[-1]:
                last = len(shell.invocations) - 1
                shell.sites.append(calls.site("host", -1, last, exported.type))
        return shell.case()
