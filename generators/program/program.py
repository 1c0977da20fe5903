"""A module of ordinary functions under construction: what targets that are not about one signature have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from generators.choices import ChoiceSource
from generators.config import Config
from generators.module.body import BARE, GET, I32_CONST, I64_CONST, Frame
from generators.module.shell import Scaffold
from generators.program import calls as callsites
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
    scaffold: Scaffold
    calls: Calls
    exports: list[Exported] = field(default_factory=list)

    @staticmethod
    def open(source: ChoiceSource, config: Config, imports: Callable[[ModuleBuilder], None] | None = None) -> Program:
        """A new program; ``imports`` as in ``Scaffold.open``."""
        scaffold = Scaffold.open(source.fork("shell"), config, imports)
        return Program(source, config, scaffold, Calls(scaffold))

    def function(
        self,
        source: ChoiceSource,
        params: Sequence[ValType],
        results: Sequence[ValType],
        export: str = "",
        times: int = 2,
    ) -> Frame:
        """A function whose hash starts from its number parameters; exported and called ``times`` if it has a name."""
        f = self.scaffold.builder.func(params, results, export=export or None)
        frame = Frame.of(self.scaffold, f, source)
        frame.seed(source.bits(16) + f.index)
        for i, type_ in enumerate(params):
            if isinstance(type_, NumType):
                f.body += ((GET, i), *frame.fold(type_))
        if export:
            assert callable_by_host(f.type)
            self.exports.append(Exported(export, f.type, times))
        return frame

    def close_function(self, frame: Frame, source: ChoiceSource, rest: Sequence[int] = ()) -> None:
        """Publish the hash and return it, after the values of the locals ``rest``; sometimes trap before."""
        frame.publish()
        if not source.below(TRAPS) - (TRAPS - 1):
            self.trap(frame, source)
        frame.f.body += [(GET, local) for local in rest]
        frame.f.body.append((GET, frame.acc))
        if source.below(4) == 3:
            frame.f.emit("return")

    def trap(self, frame: Frame, source: ChoiceSource) -> None:
        """Trap for some values of the hash: what was computed before must still be seen in the state."""
        self.scaffold.labels.add("traps")
        body = frame.f.body
        body += ((GET, frame.acc), (I64_CONST, 1 << source.below(8)), BARE["i64.and"], BARE["i64.eqz"])
        frame.f.open("if")
        kind = source.below(3)
        if kind == 0:
            body.append(BARE["unreachable"])
        elif kind == 1:
            body += ((GET, frame.acc), (I64_CONST, 0), BARE["i64.rem_s"], BARE["drop"])
        else:
            self.scaffold.uses_memory = True
            body += ((I32_CONST, 0xFFFFFFFF), (OPS["i64.load"], MemArg(3, 0)), BARE["drop"])
        frame.f.end()

    def passed(self, frame: Frame, callee: Callee, how: str) -> None:
        """Account for a call of ``callee`` in ``frame``; the instruction that comes next is its last use."""
        use_at = len(frame.f.body)
        for kind, type_ in ((how, callee.type), *callee.pending):
            self.scaffold.sites.append(callsites.site(kind, frame.f.index, use_at, type_))

    def close(self) -> Case:
        """The invocations, the host's last call as one more site, and the case."""
        scaffold = self.scaffold
        source = self.source.fork("arguments")
        for exported in self.exports:
            scaffold.invocations += invocations(source, exported)
            if exported is self.exports[-1]:
                last = len(scaffold.invocations) - 1
                scaffold.sites.append(callsites.site("host", -1, last, exported.type))
        return scaffold.case()
