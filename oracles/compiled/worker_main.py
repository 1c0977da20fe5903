"""The worker of our own compiler: ``python -m oracles.compiled.worker_main CONFIG``, in a process that may be lost.

CONFIG is a JSON object: ``settings`` (of ``compiler.pipeline.Settings``), ``steps`` and ``seconds`` (per case or script
step), ``fds`` (requests, replies, progress), ``nursery``. The protocol is in ``oracles/remote/protocol.py``; unlike the
workers of foreign engines this one makes imports by itself, so that their peer modules are not needed.
"""

from __future__ import annotations

import gc
import json
import sys
from contextlib import suppress
from typing import Any, Final

import compiler.pipeline
from compiler.pipeline import Settings
from oracles.compiled.case_run import CaseRun, Limits, Watched, global_slot, one_call
from oracles.compiled.link import Linker
from oracles.compiled.machine import machine
from oracles.compiled.program import Programs, Refused
from oracles.compiled.store import Extern, Global, Instance, Store
from oracles.compiled.trampolines import Trampolines
from oracles.modules.probes import BASIC
from oracles.remote.protocol import VERSION
from oracles.remote.serving import Answer, Channel, short
from oracles.workers.nursery import descriptors
from wasm.embedding import Outcome, Phase, Returned
from wasm.module import Import


class Script:
    """Instances that see each other."""

    def __init__(self, linker: Linker) -> None:
        self.linker = linker
        self.instances: dict[str, Watched] = {}

    def find(self, item: Import, _instance: Instance) -> Extern | None:
        """What an import names: an instance by its own name or one that it was registered under."""
        watched = self.instances.get(item.module)
        return watched.instance.exports.get(item.name, (None, None))[1] if watched else None


class Worker:
    """Answers requests on ``fds`` (requests, replies, progress); compiles with one setting."""

    def __init__(self, programs: Programs, limits: Limits, fds: list[int]) -> None:
        self.channel = Channel(fds)
        self.limits = limits
        self.programs = programs
        self.machine = machine()
        self.trampolines = Trampolines(self.machine)
        self.script: Script | None = None

    def serve(self) -> None:
        """Answer requests until the harness closes its end."""
        self.channel.serve({
            "hello": self.hello, "case": self.case, "open": self.open, "instantiate": self.instantiate,
            "register": self.register, "invoke": self.invoke, "get": self.get,
        })  # fmt: skip

    # Requests

    def hello(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """Prove that the settings compile, and find out which features do."""
        self.programs.get(blobs[0])
        accepted = header["known"]
        if accepted is None:
            accepted = [name for name, index in header["features"] if self._compiles(blobs[index])]
        return {"protocol": VERSION, "features": accepted, "library": compiler.pipeline.__file__, "state": None}, b""

    def _compiles(self, module: bytes) -> bool:
        try:
            self.programs.get(module)
        except Refused:
            return False
        return True

    def _linker(self) -> Linker:
        return Linker(Store(self.machine, self.programs.settings), self.trampolines)

    def case(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """One case from compilation to state (``decode_case`` in ``oracles/remote/replies.py`` reads the reply)."""
        linker = self._linker()
        run = CaseRun(self.programs, linker, self.limits, self.channel.at)
        self.channel.cpu = run.cpu
        try:
            return run.run(header, blobs)
        finally:
            linker.store.close()
            if self.script is None:
                self.trampolines.trim()

    def open(self, _header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        """A new script: a store with no instances."""
        if self.script is not None:
            self.script.linker.store.close()
        self.trampolines.trim()
        self.script = Script(self._linker())
        return {}, b""

    def _opened(self) -> Script:
        assert self.script is not None, "no script is open"
        return self.script

    def _step(self, outcome: Outcome) -> Answer:
        text, body = short(outcome)
        return {"out": text}, body

    def instantiate(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        script = self._opened()
        try:
            self.channel.at(Phase.COMPILE)
            program = self.programs.get(blobs[0])
        except Refused as refused:
            return self._step(refused.outcome)
        self.channel.at(Phase.INSTANTIATE)
        self.machine.refuel(self.limits.steps)
        with self.machine.deadline(self.limits.seconds):
            made = script.linker.instantiate(program, script.find)
        if not isinstance(made, Instance):
            return self._step(made)
        script.instances[header["name"]] = Watched.of(made, header["tags"])
        return self._step(Returned())

    def register(self, header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        script = self._opened()
        script.instances[header["as"]] = script.instances[header["name"]]
        return {}, b""

    def invoke(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        script = self._opened()
        self.channel.at(Phase.INVOKE)
        self.machine.refuel(self.limits.steps)
        with self.machine.deadline(self.limits.seconds):
            outcome = one_call(self.programs, script.linker, script.instances[header["name"]], header["call"], blobs)
        return self._step(outcome)

    def get(self, header: dict[str, Any], _blobs: list[bytes]) -> Answer:
        instance = self._opened().instances[header["name"]].instance
        _, item = instance.exports.get(header["export"], (None, None))
        if not isinstance(item, Global):
            return {"ref": None, "found": False}, b""
        slot, ref = global_slot(item, instance)
        return {"ref": ref, "found": True}, slot


_YOUNG: Final = 50_000
"""Objects made before the collector of cycles looks through them. Compiling makes hundreds of thousands, nearly all of
which go by their counts: looking every 700 took a sixth of the time."""


def main() -> None:
    config = json.loads(sys.argv[1])
    words = config["settings"]
    programs = Programs(Settings(**words | {"only": None if words["only"] is None else tuple(words["only"])}))
    limits = Limits(config["steps"], config["seconds"])
    gc.set_threshold(_YOUNG)
    with suppress(Exception):
        programs.get(BASIC)  # every worker is asked to: what it takes is imported and made once in a nursery
    gc.freeze()
    Worker(programs, limits, descriptors(config)).serve()


if __name__ == "__main__":
    main()
