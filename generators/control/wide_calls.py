"""Modules around a call with an extreme signature: callees, chains of calls, and functions that use the results.

The targets ``returns``, ``params`` and ``calls`` draw the signature and the proportions; this builds the module:

    the host -> consumer c0 -> link -> link -> leaf     leaves have the signature, links hand results on
             -> consumer i0 -> an import                a host function of the same signature
             -> w                                       a leaf or link itself
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

from generators.choices import ChoiceSource, Weighted, shares, weighted
from generators.config import NARROW, Config, draw_size, in_zone
from generators.draw.operands import results_for
from generators.draw.signatures import draw_type, draw_types
from generators.module.function import Function
from generators.module.loops import ROUNDS, ROUNDS_BY_VALUE
from generators.module.shell import Shell
from generators.program import endings, use_values
from generators.program.arguments import Exported, callable_by_host, invocations
from generators.program.calls import (
    INTEGERS,
    VALUE_BYTES,
    Callee,
    Calls,
    can_import,
    host_site,
    import_callee,
    sites_of,
)
from generators.program.program import REFERENCES, TRAPS, VECTORS
from generators.program.push_values import push_values
from generators.scalar.expressions import emit_statement
from wasm.case import Case
from wasm.embedding import Invocation
from wasm.fragment import code, template
from wasm.module import ExternKind
from wasm.valtypes import I32, I64, FuncType, ValType

HOW: Final = weighted(("direct", 40), ("indirect", 30), ("ref", 15), ("loop", 15))
"""How a consumer calls a callee that is no import."""

_SEVERAL_VALUES: Final = 64
_WIDE_VALUES: Final = 128
_MANY_VALUES: Final = 400
"""Above so many values a case has less of everything else: the tail of the distribution decides the throughput."""

_ZONE_MISSING: Final = weighted((99, 10), (3, 30), (2, 90), (1, 90), (0, 36))
"""How many kinds of links an operand boundary goes without; the simplest case has none at all."""

_ROUNDS: Final = shares(("constant", 2), ("argument", 1), ("hash", 1))
"""What decides how often a consumer's loop runs."""

_HASH_GOES_ON: Final = template("local.get $acc  i64.const 3  i64.and  i64.eqz  i32.eqz")
_AND_FUEL_IS_LEFT: Final = code("i32.eqz  i32.eqz  i32.and  br_if 0")
_CALL: Final = template("call $func")


@dataclass(frozen=True, slots=True)
class Shape:
    """A target's proportions.

    ``results`` and ``params`` are tables of sizes (``generators.config``), the target's own side is drawn first.
    ``links`` and ``consumers`` are how many of each a case of ordinary size has, ``sink`` has the sizes of what a call
    on results gives. In ``host`` of 12 cases the host calls a function of the signature itself, in ``imports`` of 12
    one is imported; in ``pressure`` of 16 consumers up to 20 more values live across the calls.
    """

    results: tuple[int, ...]
    params: tuple[int, ...]
    results_first: bool
    links: Weighted[int]
    consumers: Weighted[int]
    sink: tuple[int, ...] = NARROW
    host: int = 5
    imports: int = 3
    pressure: int = 4


@dataclass(frozen=True, slots=True)
class CallPlan:
    """What one case is going to contain, as drawn from the main stream.

    ``zone``: its size is an operand boundary (``generators.config.in_zone``). ``links`` are kinds, the innermost first.
    ``host``, ``imported``, ``reenter`` and ``traps``: whether the host calls the signature, and which imports of it
    there are.
    """

    type: FuncType
    zone: bool
    links: tuple[str, ...]
    consumers: int
    host: bool
    imported: bool
    reenter: bool
    traps: bool

    @property
    def values(self) -> int:
        return len(self.type.params) + len(self.type.results)


def draw_sizes(source: ChoiceSource, config: Config, shape: Shape) -> tuple[int, int]:
    """How many parameters and results, results perhaps in operands. The target's own side is drawn first."""
    if shape.results_first:
        results = draw_size(source, shape.results, config.max_results)
        return draw_size(source, shape.params, config.max_params), results
    params = draw_size(source, shape.params, config.max_params)
    return params, draw_size(source, shape.results, config.max_results)


def draw_plan(source: ChoiceSource, calls: Calls, type_: FuncType, zone: bool, shape: Shape) -> CallPlan:
    """A plan for calls of ``type_``; ``zone`` as in ``CallPlan``."""
    kinds = calls.kinds()
    if zone:
        # At an operand boundary nearly every kind of call gets its turn, on the one signature.
        missing = source.weighted(_ZONE_MISSING)
        count, order = max(0, len(kinds) - missing), source.below(len(kinds))
        links = tuple(kinds[(i + order) % len(kinds)] for i in range(count))
        return CallPlan(type_, True, links, 1, source.chance(10, 12), source.chance(10, 12), False, False)
    values = len(type_.params) + len(type_.results)
    count = source.weighted(shape.links)
    consumers = source.weighted(shape.consumers)
    if values > _SEVERAL_VALUES:
        count, consumers = min(count, 2), min(consumers, 2)
    if values > _MANY_VALUES:
        count, consumers = min(count, 1), 1
    links = tuple(source.pick(kinds) for _ in range(count))
    host, imported = source.chance(shape.host, 12), source.chance(shape.imports, 12)
    only_ints = INTEGERS.issuperset(type_.params + type_.results)
    reenter = only_ints and source.chance(1, 8)
    return CallPlan(type_, False, links, consumers, host, imported, reenter, source.one_in(TRAPS))


def build(source: ChoiceSource, config: Config, shape: Shape) -> Case:
    """One case around one signature."""
    module = _WideModule(source, config, shape)
    module.callees()
    module.consumers()
    return module.close()


class _WideModule:
    """The module under construction: the plan is drawn first, imports are made before functions, callers last."""

    def __init__(self, source: ChoiceSource, config: Config, shape: Shape) -> None:
        param_count, size = draw_sizes(source, config, shape)
        zone = in_zone(size)
        # Engines without references or vectors are common, and the other types deserve the room: many cases go without.
        if source.chance(4 if zone else 6, 16):
            config = config.without(*REFERENCES)
        if source.chance(6, 16):
            config = config.without(*VECTORS)
        self.source, self.config, self.shape = source, config, shape
        self.shell = Shell.open(source.fork("shell"), config)
        self.shell.draw_nans(source)
        self.calls = Calls(self.shell)
        references = self.shell.references()
        params = draw_types(source, config, param_count, references)
        count = results_for(size, params) if zone else size
        self.type = FuncType(params, draw_types(source, config, count, references))
        self.plan = draw_plan(source, self.calls, self.type, zone and size < _MANY_VALUES, shape)
        self.exports: list[Exported] = []
        self.leaves: list[Callee] = []
        # The outermost link, or the first leaf.
        self.head: Callee
        self.imported: Callee | None = None
        self.trap: Callee | None = None

    # Callees

    def callees(self) -> None:
        """The imports, two or three functions of the same type with different answers, and the chain of links."""
        plan, shell = self.plan, self.shell
        if plan.imported and can_import(self.type):
            self.imported = import_callee(shell, "env", "host0", self.type)
        if plan.traps and can_import(self.type):
            self.trap = import_callee(shell, "trap", "host1", self.type)
        reenter = import_callee(shell, "reenter", "back", self.type) if plan.reenter else None
        few = 1 if plan.zone or plan.values > _WIDE_VALUES else 2
        for i in range(1 + (self.source.below(few + 1) if plan.values <= _MANY_VALUES else 0)):
            name = "back" if reenter is not None and not i else None
            self.leaves.append(self.calls.leaf(self.source.fork(f"leaf{i}"), self.type, name))
        head = self.leaves[0]
        if reenter is not None:
            shell.labels.add("reenter")
            head = replace(reenter, pending=(("import", self.type),))
        room = self.config.max_stack_bytes // VALUE_BYTES
        for i, kind in enumerate(plan.links):
            if head.frame_values > room:
                break
            # Outside of a narrow link there are no wide parameters, so only the outermost may be one.
            narrow = i == len(plan.links) - 1 and self.source.chance(1, 2)
            fork = self.source.fork(f"link{i}")
            head = self.calls.link(fork, head, kind, narrow)
        self.head = head

    # Functions that the host calls

    def consumers(self) -> None:
        plan = self.plan
        for i in range(max(1, plan.consumers)):
            source = self.source.fork(f"consumer{i}")
            head = self.head if not i else source.pick([self.head, *self.leaves])
            kinds = self.calls.kinds()
            how = source.weighted(HOW)
            self._consumer(source, f"c{i}", head, how if how in kinds else "direct", source.weighted(use_values.MODES))
        if self.imported is not None:
            source = self.source.fork("import")
            mode = "drop" if plan.zone else source.weighted(use_values.MODES)
            self._consumer(source, "i0", self.imported, "import", mode)
        if plan.host and callable_by_host(self.type):
            self._host()

    def _host(self) -> None:
        """Export a callee itself: the trampolines carry the whole signature both ways."""
        callee = self.leaves[-1] if len(self.leaves) > 1 or self.type != self.head.type else self.head
        self.shell.builder.export("w", ExternKind.FUNC, callee.func)
        self.exports.append(Exported("w", self.type, self.source.between(1, 2)))

    def _consumer(self, source: ChoiceSource, name: str, callee: Callee, how: str, mode: str) -> None:
        """An exported function that calls ``callee`` and uses its results by ``mode``."""
        shell = self.shell
        shell.labels.add(mode)
        params: tuple[ValType, ...] = (I32, *draw_types(source, self.config, source.below(5)))
        if source.one_in(4):
            params = params[1:]
        f = shell.builder.func(params, (I64,), export=name)
        fn = Function.of(shell, f, source)
        fn.seed(source.bits(16))
        fn.fold_params()
        live = self._pressure(fn, source)
        with self._rounds(fn, source, callee.rounds) if how == "loop" else nullcontext():
            self._call_and_use(fn, source, callee, how, mode)
        for type_, local in live:
            fn.fold_local(type_, local)
        fn.publish()
        if source.one_in(TRAPS) or (self.trap and name == "c0"):
            self._trap(fn, source)
        fn.get(fn.acc)
        self.exports.append(Exported(name, f.type, 2 if params[:1] == (I32,) else source.between(1, 2)))

    @contextmanager
    def _rounds(self, fn: Function, source: ChoiceSource, rounds: int) -> Iterator[None]:
        """A loop that runs at least once around what the ``with`` statement writes; ``rounds`` are inside already.

        The number of rounds is constant, given by an argument, or depends on the hash: then fuel ends it.
        """
        decided_by = source.pick(_ROUNDS)
        if decided_by == "hash":
            self.shell.labels.add("fuel")
            spend = fn.spend_fuel(source.between(3, 40) // rounds)
            with fn.block("loop"):
                yield
                fn += (*_HASH_GOES_ON(acc=fn.acc), *spend, *_AND_FUEL_IS_LEFT)
            return
        count = fn.local(I32)
        if decided_by == "argument" and fn.f.type.params[:1] == (I32,):
            fn.get(0)
            fn += ROUNDS_BY_VALUE(count=count)
        else:
            fn += ROUNDS(count=count, rounds=source.between(1, 3))
        with fn.repeat(count):
            yield

    def _trap(self, fn: Function, source: ChoiceSource) -> None:
        """Trap at the end, for some arguments: by the import that traps where there is one."""
        trapping = self.trap

        def call() -> None:
            assert trapping is not None
            push_values(fn, source, self.type.params, clean=True)
            fn.f.body += _CALL(func=trapping.func)
            use_values.drop_all(fn, self.type.results)

        endings.trap(fn, source, "i64.div_u", call if trapping is not None else None)

    def _pressure(self, fn: Function, source: ChoiceSource) -> list[tuple[ValType, int]]:
        """Values that are live across the calls."""
        if not source.chance(self.shape.pressure, 16):
            return []
        live: list[tuple[ValType, int]] = []
        for _ in range(source.between(1, 20)):
            type_ = draw_type(source, self.config)
            live.append((type_, emit_statement(fn, source, type_, source.below(3))))
        return live

    def _call(self, fn: Function, source: ChoiceSource, callee: Callee, how: str) -> None:
        push_values(fn, source, callee.type.params, clean=callee is self.imported)
        if how in ("loop", "import"):
            how = "direct"
        other = None
        if callee.type == self.type and len(self.leaves) > 1 and source.chance(1, 2):
            other = self.leaves[-1]
        self.calls.call(fn, source, how, callee, other if other is not callee else None)

    def _call_and_use(self, fn: Function, source: ChoiceSource, callee: Callee, how: str, mode: str) -> None:
        types = callee.type.results
        passed = [(callee, how)]
        self._call(fn, source, callee, how)
        if mode == "pass" and types:
            self._pass(fn, source, callee, passed)
            return
        if mode == "two" and types:
            second = source.pick([callee, *self.leaves])
            passed.append((second, "direct"))
            self._call(fn, source, second, "direct")
            use_values.fold_stack(fn, second.type.results)
            self._account(fn, passed, use_values.fold_stack(fn, types))
            return

        def between() -> None:
            if mode == "keep":
                second = source.pick([callee, *self.leaves])
                self._call(fn, source, second, "direct")
                results = second.type.results
                used = use_values.use(fn, source, "drop" if source.chance(1, 4) else "fold", results)
                self._account(fn, [(second, "direct")], used)

        self._account(fn, passed, use_values.use(fn, source, mode, types, between))

    def _pass(self, fn: Function, source: ChoiceSource, callee: Callee, passed: list[tuple[Callee, str]]) -> None:
        """The results become the arguments of a call that has results of its own."""
        types = callee.type.results
        results = draw_types(source, self.config, draw_size(source, self.shape.sink, self.config.max_results))
        sink = self.calls.leaf(source.fork("sink"), FuncType(types, results))
        how = source.weighted(HOW)
        how = how if how in self.calls.kinds() and how != "loop" else "direct"
        self.calls.call(fn, source, how, sink)
        self._account(fn, passed, fn.here - 1)
        used = use_values.fold_stack(fn, results) if results else fn.here
        self._account(fn, [(sink, how)], used)

    def _account(self, fn: Function, passed: list[tuple[Callee, str]], use_at: int) -> None:
        for callee, how in passed:
            self.shell.sites += sites_of(fn, callee, how, use_at)

    # The end

    def close(self) -> Case:
        shell = self.shell
        source = self.source.fork("arguments")
        for exported in self.exports:
            if exported.name == "w":
                shell.sites.append(host_site(len(shell.invocations), exported.type))
            shell.invocations += invocations(source, exported)
        if self.config.overflows and source.chance(self.config.overflows, 1000):
            self._overflow(source)
        return shell.case()

    def _overflow(self, source: ChoiceSource) -> None:
        """A recursion without an end, as the last call: every engine must report that its stack is used up."""
        f = self.shell.builder.func(self.type.params, self.type.results)
        for i in range(len(self.type.params)):
            f.emit("local.get", i)
        f.emit("call", f.index)
        entry = self.shell.builder.func(export="deep")
        fn = Function.of(self.shell, entry, source.fork("deep"))
        push_values(fn, fn.source, self.type.params)
        fn += _CALL(func=f.index)
        use_values.drop_all(fn, self.type.results)
        self.shell.labels.add("overflows")
        self.shell.last.append(Invocation("deep"))
