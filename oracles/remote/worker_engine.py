"""An engine behind a worker process: cases, scripts, and what becomes of a death, a hang or a memory blow-up."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

from oracles.engine import MODULES, Capabilities, EngineId, EngineUnavailable, Limits, UsageError
from oracles.modules.probes import BASIC, DEEP, PROBES
from oracles.modules.relaxed_question import relaxed_answers, relaxed_question
from oracles.remote.crash import read_crash
from oracles.remote.nursery import Nursery
from oracles.remote.process import TICK, Died, Launch, WorkerProcess, file_hash, wait_any
from oracles.remote.protocol import (
    PHASES,
    VERSION,
    Flavour,
    Request,
    encode_frame,
)
from oracles.remote.replies import Reply, decode_dumps
from oracles.remote.script import Script
from oracles.remote.worker_calls import (
    WorkerFault,
    await_reply,
    broken,
    over_limits,
    shared_reading,
    shared_request,
    understood,
)
from wasm.case import Case, CaseKind
from wasm.embedding import (
    Crashed,
    Observation,
    Outcome,
    Phase,
    Returned,
    Unsupported,
)
from wasm.features import Feature

START_SECONDS: Final = 60.0
"""Wall-clock seconds for a worker to start and say hello."""
_TRIES: Final = 3
"""Starts of a worker whose engine has worked before: where memory is short, the kernel ends workers first, new ones
too, and an engine that is given up is out for as long as the run goes on."""
_FAULTS: Final = 3
"""An engine whose worker has failed in so many cases by a mistake of its own is given up."""


@dataclass(frozen=True, slots=True)
class Worker:
    """What an adapter says about its worker: how to start it, what its host can carry, and who votes.

    ``version`` is the release that must be found; ``check`` gets the hello's header and returns (version, notes),
    raising ``EngineUnavailable`` if something else was loaded than asked for. ``validator`` names another engine whose
    decoder and validator it has. ``scripts``: it links instances to each other. ``told``, where it is set, makes of the
    hello's header what stands in place of all this: for a worker that says itself what it is. ``kinds`` are the cases
    that it takes. A worker whose resident set is above ``kept_bytes`` after a case is ended, and the next case meets a
    new one; 0 for never.
    """

    launch: Launch
    flavour: Flavour
    family: str
    check: Callable[[dict[str, Any]], tuple[str, tuple[str, ...]]]
    validator: str = ""
    scripts: bool = True
    told: Callable[[dict[str, Any]], Worker] | None = None
    kinds: frozenset[CaseKind] = MODULES
    kept_bytes: int = 0


class WorkerEngine:
    """``Engine`` over one persistent worker, restarted when the next case needs it.

    ``known`` are its capabilities where they were found out before: then its worker is not probed for features.
    ``faults`` has what the worker said of mistakes of its own.
    """

    def __init__(self, id: EngineId, worker: Worker, limits: Limits, known: Capabilities | None = None) -> None:
        self._id, self._worker, self._limits = id, worker, limits
        self._process: WorkerProcess | None = None
        self._nursery: Nursery | None = None
        self._from_scratch = True
        self._capabilities = known
        self._state: Any = None
        self.faults: list[str] = []

    @property
    def id(self) -> EngineId:
        return self._id

    @property
    def capabilities(self) -> Capabilities:
        if self._capabilities is None:
            self.process()
            assert self._capabilities is not None
            if Feature.RELAXED_SIMD in self._capabilities.features:
                answers = relaxed_answers(self.run(relaxed_question()))
                self._capabilities = replace(self._capabilities, relaxed=answers)
        return self._capabilities

    def process(self) -> WorkerProcess:
        """The running worker; starts one and hears its hello if there is none. Raises ``EngineUnavailable``."""
        tries = 1 if self._capabilities is None else _TRIES
        while self._process is None:
            memory, tries = self._limits.memory_bytes, tries - 1
            process = WorkerProcess(self._worker.launch, memory, self._mother())
            self._from_scratch = False
            try:
                self._greet(process)
            except Died as died:
                process.close()
                if not tries:
                    raise EngineUnavailable(f"{self._id}: the worker died at its start: {_last_words(died)}") from None
            except BaseException:
                process.close()
                raise
            else:
                self._process = process
        return self._process

    def _mother(self) -> Nursery | None:
        """Who forks the next worker; nobody for the first one, or for one that was wanted from scratch. Many engines
        never need a second one."""
        if self._from_scratch:
            return None
        if self._nursery is None:
            self._nursery = self._worker.launch.nursery(self._limits.memory_bytes)
        return self._nursery

    def _greet(self, process: WorkerProcess) -> None:
        """Raises ``Died`` and ``EngineUnavailable``."""
        blobs = [BASIC, DEEP, *PROBES.values()]
        names = [[feature.value, i] for i, feature in enumerate(PROBES, 2)]
        known = sorted(f.value for f in self._capabilities.features) if self._capabilities else None
        header = {"do": "hello", "features": names, "known": known, "state": self._state}
        frame = encode_frame({**header, "blobs": [len(one) for one in blobs]}, blobs)
        process.send(frame, START_SECONDS)
        with understood(self._id):
            reply = await_reply(process, START_SECONDS)
        if reply is None:
            raise EngineUnavailable(f"{self._id}: the worker did not answer within {START_SECONDS:g} s")
        with understood(self._id):
            self._hear(reply[0])

    def _hear(self, hello: dict[str, Any]) -> None:
        """Take in a hello's header."""
        broken(self._id, hello)
        if "refused" in hello:
            raise EngineUnavailable(f"{self._id}: {hello['refused']}")
        if hello["protocol"] != VERSION:
            raise EngineUnavailable(f"{self._id}: the worker speaks protocol {hello['protocol']}, not {VERSION}")
        if self._worker.told is not None:
            self._worker = self._worker.told(hello)
        version, notes = self._worker.check(hello)
        try:
            sha256 = file_hash(hello["library"])
        except OSError as error:
            text = f"its worker names the library {hello['library']}, which cannot be read"
            raise EngineUnavailable(f"{self._id}: {text}: {error.strerror}") from None
        capabilities = Capabilities(
            version,
            self._features(hello["features"]),
            self._worker.family,
            hello["library"],
            sha256,
            notes,
            self._capabilities.relaxed if self._capabilities else (),
            kinds=self._worker.kinds,
            validator=self._worker.validator or self._id.name,
            hosting=self._worker.flavour.hosting,
        )
        if self._capabilities is not None and capabilities.sha256 != self._capabilities.sha256:
            raise EngineUnavailable(f"{self._id}: {capabilities.library} has changed since the run began: start again")
        self._capabilities = capabilities
        self._state = hello.get("state")

    def _features(self, names: list[str]) -> frozenset[Feature]:
        known = {feature.value: feature for feature in Feature}
        for name in names:
            if name not in known:
                raise EngineUnavailable(f"{self._id}: its worker claims {name!r}: there is no feature {name!r}")
        return frozenset(known[name] for name in names)

    def request(self, case: Case, dumps: tuple[tuple[str, int], ...] = ()) -> Request:
        """The case encoded for this engine; engines of one flavour share the work through ``shared_request``."""
        if self._worker.told is not None and self._capabilities is None:
            self.process()
        return shared_request(case, self._worker.flavour, dumps)

    def reading(self, request: Request, reply: Reply) -> Observation:
        """What the reply to a request says. Raises ``EngineUnavailable``."""
        return shared_reading(self._id, request, reply)

    def send(self, frame: bytes) -> WorkerProcess:
        """Send a frame, to a fresh worker if the old one has died meanwhile. Raises ``EngineUnavailable``."""
        for _ in range(3):
            process = self.process()
            try:
                process.send(frame, self._limits.cpu_seconds)
            except Died:
                self.renew()
            else:
                return process
        raise EngineUnavailable(f"{self._id}: the worker keeps dying before it reads a case")

    def runs(self, process: WorkerProcess) -> bool:
        """Whether this is the engine's present worker."""
        return self._process is process

    def renew(self, from_scratch: bool = False) -> None:
        if self._process is not None:
            self._process.close()
            self._process = None
        self._from_scratch = self._from_scratch or from_scratch

    def forgives(self, fault: WorkerFault, case: Case) -> bool:
        """Take a mistake of the worker's own down; whether it goes on after that."""
        told = case.provenance
        self.faults.append(
            f"{fault} ({told.target}, seed {told.seed}, case {told.index})" if told.target else str(fault)
        )
        return len(self.faults) < _FAULTS

    def rest(self) -> None:
        """After a case: end a worker that has kept too much of what it was given."""
        most = self._worker.kept_bytes
        if most and self._process is not None and self._process.usage()[1] > most:
            self.renew()

    @property
    def limits(self) -> Limits:
        return self._limits

    def start(self, case: Case) -> CasePending:
        return CasePending(self, case, self.request(case))

    def run(self, case: Case) -> Observation:
        return self.start(case).result()

    def dump(self, case: Case, blocks: tuple[tuple[str, int], ...]) -> dict[tuple[str, int], bytes]:
        request = self.request(case, blocks)
        pending = CasePending(self, case, request)
        pending.result()
        with understood(self._id):
            return decode_dumps(request, *pending.reply.parse()) if pending.reply else {}

    def open_script(self) -> Script:
        """Raises ``UsageError`` where the worker runs no scripts."""
        if self._worker.told is not None and self._capabilities is None:
            self.process()
        if not self._worker.scripts:
            raise UsageError(f"{self._id} runs no scripts: choose another engine")
        return Script(self, self._worker.flavour)

    def close(self) -> None:
        self.renew(from_scratch=True)
        if self._nursery is not None:
            self._nursery.close()
            self._nursery = None


def _last_words(died: Died) -> str:
    """What is most telling of what a process said, in one line."""
    crash = read_crash(died.args[0], died.args[1])
    text = crash.text if isinstance(crash, Crashed) else getattr(crash, "message", "")
    lines = text.strip().splitlines() or ["no message"]
    return next((line.strip() for line in lines if "error" in line.lower()), lines[-1])


class CasePending:
    """A case under way (``Pending``).

    When the worker dies or is stopped in invocation i, the outcomes before it are lost with it, so the first i
    invocations are run once more in a fresh worker. While one case is waited for, the limits of all are watched.
    """

    under_way: ClassVar[weakref.WeakSet[CasePending]] = weakref.WeakSet()

    def __init__(self, engine: WorkerEngine, case: Case, request: Request) -> None:
        self.engine, self.case, self.request = engine, case, request
        self.failure: Outcome | None = None
        self.observation: Observation | None = None
        self.unusable: EngineUnavailable | None = None
        self.reply: Reply | None = None
        self.process: WorkerProcess | None = None
        self.before = 0
        self.again = False
        if request.refused is not None:
            self.observation = Observation(str(engine.id), request.refused)
        else:
            if engine.limits.peaks:
                self.before = engine.process().resident()
            self.process = engine.send(request.frame)
            self.under_way.add(self)

    def fileno(self) -> int | None:
        return self.process.replies if self.process else None

    def poll(self) -> Observation | None:
        if self.unusable is not None:
            raise self.unusable
        if self.observation is None:
            self._advance()
        return self.observation

    def result(self) -> Observation:
        while self.observation is None and self.unusable is None:
            self._wait()
        observation = self.poll()
        assert observation is not None
        return observation

    @classmethod
    def _wait(cls) -> None:
        """Sleep until any case under way has news or must be looked at, and move those on."""
        there = [one for one in cls.under_way if one._is_there()]
        ready = wait_any([one.process for one in there if one.process is not None], TICK)
        now = time.monotonic()
        for one in there:
            if one.process is not None and (one.process.replies in ready or now >= one.process.next_look):
                one._advance()

    def _is_there(self) -> bool:
        """Whether the worker that was asked is still the engine's; an engine may be closed in the middle of a case."""
        if self.process is not None and self.engine.runs(self.process):
            return True
        self.unusable = EngineUnavailable(f"{self.engine.id}: closed in the middle of a case")
        self.under_way.discard(self)
        return False

    def _advance(self) -> None:
        """Take in what there is. What goes wrong with the engine is kept for whoever asks for this case."""
        if self.process is None or not self._is_there():
            return
        try:
            with understood(self.engine.id):
                reply = self.process.receive()
            if reply is not None:
                self._finished(reply)
            elif (excess := over_limits(self.process, self.engine.limits)) is not None:
                self._failed(excess)
        except Died as died:
            self._failed(read_crash(died.args[0], died.args[1]))
        except WorkerFault as fault:
            self._faulted(fault)
        except EngineUnavailable as error:
            self.engine.renew()  # whatever else it has written is no answer to the next case
            self.unusable = error
            self.under_way.discard(self)

    def _faulted(self, fault: WorkerFault) -> None:
        """It is asked once more, in a worker from scratch; of what fails there as well nothing is known."""
        self.engine.renew(from_scratch=True)
        self.before = 0  # that was the other worker's
        try:
            if not self.again:
                self.again, self.process = True, self.engine.send(self.request.frame)
            elif self.engine.forgives(fault, self.case):
                self._end(Observation(str(self.engine.id), Unsupported(str(fault))))
            else:
                raise fault
        except EngineUnavailable as error:
            self.unusable = error
            self.under_way.discard(self)

    def _end(self, observation: Observation) -> None:
        self.observation = observation
        self.under_way.discard(self)

    def _finished(self, reply: Reply) -> None:
        self.reply = reply
        seen = self.engine.reading(self.request, reply)
        outcomes = seen.outcomes if self.failure is None else (*seen.outcomes, self.failure)
        phase = seen.phase if self.failure is None else Phase.INVOKE
        name, state = str(self.engine.id), (seen.host_calls, seen.globals, seen.memories, seen.tables)
        # Of a case that is run again after a death only a part is seen.
        highest = self.process.peak() if self.before and self.process and self.failure is None else 0
        peak = max(0, highest - self.before) if highest else None
        self._end(
            Observation(
                name, seen.instantiation, phase, outcomes, *state, notes=None, cpu=reply.cpu, blind=seen.blind,
                before=seen.before, peak=peak,
            )
        )  # fmt: skip
        self.engine.rest()

    def _failed(self, outcome: Outcome) -> None:
        assert self.process is not None
        phase, invocation = self.process.progress()
        if phase >= len(PHASES):  # it wrote there whatever it liked: nobody knows how far it came
            phase = invocation = 0
        self.engine.renew()
        name = str(self.engine.id)
        if self.failure is not None:
            earlier = (Unsupported("lost with the worker"),) * len(self.case.invocations)
            self._end(Observation(name, Returned(), Phase.INVOKE, (*earlier, self.failure)))
        elif PHASES[phase] is not Phase.INVOKE:
            self._end(Observation(name, outcome, PHASES[phase]))
        elif invocation <= 0:
            self._end(Observation(name, Returned(), Phase.INVOKE, (outcome,)))
        else:
            self._retry(outcome, invocation)

    def _retry(self, outcome: Outcome, invocation: int) -> None:
        """Run the invocations before the failed one again."""
        self.failure = outcome
        self.case = replace(self.case, invocations=self.case.invocations[:invocation])
        self.request = self.engine.request(self.case)
        try:
            self.process = self.engine.send(self.request.frame)
        except EngineUnavailable as error:
            self.unusable = error
            self.under_way.discard(self)
