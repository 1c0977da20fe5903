"""The store (spec 4.2.3): functions, instances, and what all instances of a run share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, final

from oracles.interpreter.budget import Budget, Meter
from oracles.interpreter.memory import Memory
from oracles.interpreter.table import Table
from oracles.interpreter.taint import guarded
from oracles.interpreter.values import Global, Layout, Ref, Tag
from oracles.linking import FuncItem
from wasm.canonical import Types
from wasm.features import Feature
from wasm.isa import Instr, Op
from wasm.module import ExternKind, Module
from wasm.semantics.registry import Pure
from wasm.semantics.relaxed import DETERMINISTIC, RelaxedProfile, relaxed_semantics
from wasm.valtypes import ValType

Native: TypeAlias = Callable[[list[Any], int], list[Any]]
"""A function as the machine calls it: arguments, and the depth of the new frame; gives the results.

A host function gets the depth only to pass it on; a compiled one checks it.
"""


@final
class Func(FuncItem):
    """A function instance (spec 4.2.6): a host function, or one of a module with its two tiers.

    ``native`` takes over from the first tier when it is set: always for host functions, and for hot functions once
    they are compiled. ``direct`` is the same with the depth first and then positional arguments, giving None, the
    result, or a tuple of them: how compiled code calls.
    ``code`` is the first tier's, made when first called; ``cost`` the steps that an entry takes, ``weight`` what a
    frame counts against the depth limit, ``calls`` the entries seen by the first tier.
    """

    __slots__ = (
        "_type_id", "body", "calls", "code", "cost", "direct", "index", "instance", "locals", "loops", "meter",
        "native", "params", "results", "type_index", "types", "weight", "zeros",
    )  # fmt: skip

    def __init__(self, types: Types, type_index: int, meter: Meter) -> None:
        self.types, self.type_index, self.meter = types, type_index, meter
        type_ = types.flat[type_index].composite
        self.params: tuple[ValType, ...] = type_.params  # type: ignore[union-attr]
        self.results: tuple[ValType, ...] = type_.results  # type: ignore[union-attr]
        self._type_id = -1
        self.instance: Instance | None = None
        self.index = -1
        self.body: Any = ()
        self.locals: list[tuple[int, ValType]] = []
        self.native: Native | None = None
        self.direct: Callable[..., Any] | None = None
        self.code: list[tuple[Any, ...]] | None = None
        self.zeros: list[Any] = []
        self.loops: dict[int, Loop] = {}
        self.cost = self.calls = 0
        self.weight = 1

    @property
    def type_id(self) -> int:
        """The canonical id of its type."""
        if self._type_id < 0:
            self._type_id = self.types.canonical_id(self.type_index)
        return self._type_id


@final
class Loop:
    """A loop of a function: its place in the body, the steps of an arrival at its head, and how often that was.

    ``end`` is where the first tier goes on after it.

    ``native`` is the second tier's form, once there is one; ``cold`` says that there never will be.
    """

    __slots__ = ("arrivals", "at", "cold", "cost", "end", "native")

    def __init__(self, at: int) -> None:
        self.at, self.cost, self.arrivals, self.end = at, 0, 0, -1
        self.cold = False
        self.native: Any = None


Extern: TypeAlias = Func | Table | Memory | Global | Tag
Hook: TypeAlias = Callable[[list[Any], list[Any]], None]
"""Called before an instruction with the operand stack and the locals, which it must not change."""


class Tracer(Protocol):
    """Sees every instruction before it is executed."""

    def step(self, func: int, at: int, op: Op, imm: Any, stack: list[Any], locals_: list[Any]) -> None:
        """``func`` and ``at`` are the function's index and the position in its flat body; values as at run time."""


@final
class Instance:
    """A module instance (spec 4.2.5).

    ``entries`` has the first tier's code by instruction (``oracles.interpreter.prepare``).
    ``hooks`` (by function index and position) see the first tier only: a function with hooks stays in it. Of several
    instances the one that is ``watched`` is the one that a tracer sees.
    """

    __slots__ = (
        "datas", "elems", "entries", "exports", "finished", "funcs", "globals", "hooks", "imported", "layouts",
        "memories", "module", "names", "store", "tables", "tags", "types", "watched",
    )  # fmt: skip

    def __init__(
        self, module: Module, store: Store, hooks: dict[int, dict[int, Hook]] | None = None, watched: bool = True
    ) -> None:
        self.module, self.store, self.watched = module, store, watched
        store.instances.append(self)
        self.hooks = hooks or {}
        self.types = Types(module.types)
        self.funcs: list[Func] = []
        self.tables: list[Table] = []
        self.memories: list[Memory] = []
        self.globals: list[Global] = []
        self.tags: list[Tag] = []
        self.imported: list[Extern] = []
        self.elems: list[list[Ref]] = []
        self.datas: list[bytes] = []
        self.layouts: dict[int, Layout] = {}
        self.exports: dict[str, tuple[ExternKind, Extern]] = {}
        self.names: dict[Func, str] | None = None
        self.finished = False
        self.entries: dict[Instr, tuple[Any, ...] | None] | None = None

    def layout(self, index: int) -> Layout:
        """The layout of the struct or array type at an index; always the same object."""
        layout = self.layouts.get(index)
        if layout is None:
            layout = self.layouts[index] = Layout(self.types, index)
        return layout

    def name_of(self, ref: Ref) -> str | None:
        """The first export of this instance that is the given function."""
        if self.names is None:
            self.names = {}
            for name, (_, item) in self.exports.items():
                if isinstance(item, Func):
                    self.names.setdefault(item, name)
        return self.names.get(ref)

    def exported_func(self, name: str) -> Func | None:
        kind_and_item = self.exports.get(name)
        item = kind_and_item[1] if kind_and_item else None
        return item if isinstance(item, Func) else None


class Store:
    """What instances share: the meter, the relaxed profile, and how code is to be run.

    ``tiering`` False keeps everything in the first tier; a ``tracer`` and ``counts`` (executed instructions by row) see
    the first tier only, so that they switch tiering off. ``counting`` has the hooks that count a row.
    ``instances`` are all that were made in it.
    """

    def __init__(
        self, budget: Budget | None = None, profile: RelaxedProfile = DETERMINISTIC, *, tiering: bool = True,
        tracer: Tracer | None = None, counts: dict[Op, int] | None = None,
    ) -> None:  # fmt: skip
        self.meter = Meter(budget or Budget())
        self.tracer, self.counts = tracer, counts
        self.tiering = tiering and tracer is None and counts is None
        self._relaxed = None if profile == DETERMINISTIC else relaxed_semantics(profile)
        self._meanings: dict[Op, Pure] = {}
        self.counting: dict[Op, Hook] = {}
        self.instances: list[Instance] = []

    def release(self) -> None:
        """Part instances from their functions, after which nothing of them can be used. They name each other, and what
        only a garbage collector finds lies about until it looks: a case's memories among it."""
        for instance in self.instances:
            for func in instance.funcs:
                func.instance = func.code = func.native = func.direct = None
                func.loops = {}
            instance.entries = None
        self.instances.clear()

    def meaning(self, op: Op) -> Pure:
        """The function of a pure row on run-time values, open bits and relaxed profile included."""
        meaning = self._meanings.get(op)
        if meaning is None:
            pure = op.pure
            assert pure is not None, op.name
            if op.feature is Feature.RELAXED_SIMD:
                pure = self._relaxed_meaning(op, pure)
            meaning = self._meanings[op] = guarded(op, pure, self.meter)
        return meaning

    def _relaxed_meaning(self, op: Op, pure: Pure) -> Pure:
        chosen = pure if self._relaxed is None else self._relaxed[op.name]
        meter = self.meter

        def relaxed(*operands: int) -> Any:
            meter.relaxed = True
            return chosen(*operands)

        return relaxed
