"""The interface of transformers (``oracles.transformers``), and one behind a worker process."""

from __future__ import annotations

from typing import Any, Protocol

from oracles.engine import EngineUnavailable, Limits
from oracles.modules.probes import PROBES
from oracles.remote.crash import read_crash
from oracles.remote.process import Died, Launch, WorkerProcess
from oracles.remote.protocol import encode_frame
from oracles.remote.worker_calls import answered
from oracles.remote.worker_engine import START_SECONDS
from wasm.embedding import Outcome, Rejected
from wasm.features import Feature


class Transformer(Protocol):
    """A tool that takes a module and gives one that means the same. Not thread-safe; ended by ``close``."""

    @property
    def version(self) -> str: ...

    @property
    def library(self) -> str:
        """The file that does it."""

    @property
    def keeps_causes(self) -> bool:
        """Whether what it makes traps for the same cause, or merely in the same calls."""

    @property
    def features(self) -> frozenset[Feature]:
        """What it takes. Raises ``EngineUnavailable``."""

    def transform(self, content: bytes) -> bytes | Outcome:
        """The module that it makes; what it did instead, as a refusal, a crash, a time-out."""

    def close(self) -> None: ...


class WorkerTransformer:
    """A transformer in a process of its own, which answers ``hello`` and ``transform``."""

    def __init__(self, launch: Launch, version: str, library: str, keeps_causes: bool, limits: Limits) -> None:
        self._launch, self._limits, self.keeps_causes = launch, limits, keeps_causes
        self.version, self.library = version, library
        self._process: WorkerProcess | None = None
        self._features: frozenset[Feature] | None = None

    @property
    def features(self) -> frozenset[Feature]:
        if self._features is None:
            names = [[feature.value, i] for i, feature in enumerate(PROBES)]
            answer = self._ask({"do": "hello", "features": names}, list(PROBES.values()), START_SECONDS)
            if not isinstance(answer, tuple):
                raise EngineUnavailable(f"{self.library} does not start: {answer}")
            self._features = frozenset(map(Feature, answer[0]["features"]))
        return self._features

    def transform(self, content: bytes) -> bytes | Outcome:
        answer = self._ask({"do": "transform"}, [content], self._limits.cpu_seconds)
        if not isinstance(answer, tuple):
            return answer
        header, body = answer
        return Rejected(header["refused"]) if "refused" in header else body

    def _ask(
        self, header: dict[str, Any], blobs: list[bytes], seconds: float
    ) -> tuple[dict[str, Any], bytes] | Outcome:
        frame = encode_frame({**header, "blobs": [len(one) for one in blobs]}, blobs)
        if self._process is None:
            self._process = WorkerProcess(self._launch, self._limits.memory_bytes)
        answer: tuple[dict[str, Any], bytes] | Outcome | None = None
        try:
            self._process.send(frame, seconds)
            answer = answered(self._process, self.library, self._limits)
        except Died as died:
            answer = read_crash(*died.args)
        finally:
            if not isinstance(answer, tuple):
                self.close()
        return answer

    def close(self) -> None:
        """End the worker; the next module starts another."""
        if self._process is not None:
            self._process.close()
            self._process = None
