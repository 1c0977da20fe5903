"""regalloc2, the register allocator of Cranelift, by itself: ``regalloc2@VERSION`` is built from its crate by cargo.

It takes machine functions only, the cases of target ``regalloc``, beside our own ``allocators``. Settings: ``ion`` (the
default, backtracking), ``fastalloc`` (single pass); ``known``: ask what is known to go wrong as well
(docs/found/regalloc2.md). Each answer is judged by our checker and by its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from compiler.machine import ConstraintKind, MachineEnv, MachineFunc
from oracles import crates
from oracles.built import BuiltReleases
from oracles.engine import Engine, EngineId, EngineUnavailable, Limits, UsageError
from oracles.machine.dialect import Dialect, adapted
from oracles.machine.flat import NoAnswer, written
from oracles.machine.judging import NoFunction, judged, parsed
from oracles.remote.process import Launch
from oracles.remote.protocol import Flavour, Request, encode_frame
from oracles.remote.replies import BadReply, Reply
from oracles.remote.worker_calls import broken, understood
from oracles.remote.worker_engine import Worker, WorkerEngine
from oracles.switches import Switch
from oracles.versions import version_key
from wasm.case import Case, CaseKind
from wasm.embedding import Observation, Phase, Rejected, Unsupported

ALGORITHMS: Final = ("ion", "fastalloc")
KNOWN: Final = "known"
_STACK_IN_FASTALLOC: Final = "0.13.1"
CONTRACT: Final[tuple[str, ...]] = ()
"""It runs no modules; ``tests/engines/test_regalloc2.py`` is about it."""
CONFIGURATIONS: Final = ("regalloc2:ion", "regalloc2:fastalloc")
KINDS: Final = frozenset({CaseKind.MACHINE})
RELEASES: Final = BuiltReleases(
    "regalloc2",
    partial(crates.listed, "regalloc2"),
    partial(crates.build, "regalloc2"),
    since="0.11.0",
    shared=(crates.SHARED,),
)
"""Before 0.11.0 there was one algorithm, and another interface."""


def check(id: EngineId) -> EngineId:
    """The canonical form: ``fastalloc`` or nothing. Raises ``UsageError``."""
    words = {key for key, value in id.settings if value == "on"}
    if id.path or len(words) != len(id.settings) or not words <= {*ALGORITHMS, KNOWN}:
        raise UsageError("regalloc2 is a crate with two algorithms: write regalloc2@VERSION:ion or :fastalloc")
    if words >= {*ALGORITHMS}:
        raise UsageError("regalloc2 runs one algorithm: ion or fastalloc")
    return id.with_settings({key: "on" for key in words if key != ALGORITHMS[0]})


def algorithm_of(id: EngineId) -> str:
    """Which of the two."""
    return "fastalloc" if id.get("fastalloc") else "ion"


def switches(id: EngineId) -> tuple[Switch, ...]:
    """The other algorithm."""
    if id.get("fastalloc"):
        return (Switch("ion", "fastalloc", (("fastalloc", ""),)),)
    return (Switch("fastalloc", "ion", (("fastalloc", "on"),), plainer=True),)


def open_engine(id: EngineId, limits: Limits, offline: bool) -> Engine:
    """Open it, building the worker if the release is asked for and missing."""
    version, worker = RELEASES.chosen(id.version, offline)
    algorithm = algorithm_of(id)
    family = f"regalloc2-{algorithm}"
    dialects: list[Dialect] = []

    def loaded(hello: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        if hello["version"] != version:
            raise EngineUnavailable(f"{id}: regalloc2 {hello['version']} was built instead")
        dialects[:] = [_dialect(hello["constraints"], id, version)]
        lacking = [kind.value for kind in ConstraintKind if kind not in dialects[0].constraints]
        return version, (f"what asks for {' and '.join(lacking)} is asked without",) if lacking else ()

    launch = Launch((str(worker), algorithm, "{in}", "{out}", "{progress}"), {"RUST_BACKTRACE": "0"})
    told = Worker(launch, Flavour(frozenset(), True), family, loaded, scripts=False, kinds=KINDS)
    return Regalloc2Engine(id, told, limits, dialects)


def _dialect(constraints: list[str], id: EngineId, version: str) -> Dialect:
    """What a release's algorithm can be asked, of the constraints that the crate has words for."""
    fast = algorithm_of(id) == "fastalloc"
    has = {kind for kind in ConstraintKind if kind.value in constraints}
    if fast:
        has.discard(ConstraintKind.LIMIT)  # "not yet supported in fastalloc"
        if version_key(version) < version_key(_STACK_IN_FASTALLOC):
            has.discard(ConstraintKind.STACK)
    return Dialect(frozenset(has), fast=fast, known=bool(id.get(KNOWN)))


@dataclass(frozen=True, slots=True)
class MachineRequest(Request):
    """A request with the function that it asks about."""

    func: MachineFunc | None = None
    env: MachineEnv | None = None


class Regalloc2Engine(WorkerEngine):
    """A worker that is asked about machine functions. ``dialects`` has its dialect once it has said hello."""

    def __init__(self, id: EngineId, worker: Worker, limits: Limits, dialects: list[Dialect]) -> None:
        super().__init__(id, worker, limits)
        self._dialects = dialects

    def request(self, case: Case, dumps: tuple[tuple[str, int], ...] = ()) -> MachineRequest:
        del dumps  # there are no memories
        if case.kind is not CaseKind.MACHINE:
            return MachineRequest(b"", None, None, (), refused=Unsupported("anything but machine functions"))
        try:
            func, env = parsed(case.content)
        except NoFunction as error:
            return MachineRequest(b"", None, None, (), refused=Rejected(str(error)))
        if not self._dialects:
            self.process()
        asked = adapted(func, env, self._dialects[0])
        blob = written(asked, env)
        frame = encode_frame({"do": "case", "blobs": [len(blob)]}, [blob])
        return MachineRequest(frame, None, None, (), func=asked, env=env)

    def reading(self, request: Request, reply: Reply) -> Observation:
        assert isinstance(request, MachineRequest)
        assert request.func is not None
        assert request.env is not None
        with understood(self.id):
            header, body = reply.parse()
            broken(self.id, header)
            place = f"regalloc2/{algorithm_of(self.id)}"
            try:
                outcome = judged(request.func, request.env, header, body, place, self._dialects[0])
            except NoAnswer as error:
                raise BadReply(str(error)) from None
        return Observation(str(self.id), outcome, Phase.COMPILE)
