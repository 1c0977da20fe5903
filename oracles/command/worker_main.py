"""The worker of an engine that is a command: ``python -m oracles.command.worker_main CONFIG``.

CONFIG is a JSON object: ``data`` (what a description says) and the ``path`` that it comes from, ``seconds`` of CPU
time, ``wall`` seconds and ``memory`` of one process, the ``library`` that is the engine, the ``folder`` that modules
are put in, ``fds``. The protocol is in ``oracles/remote/protocol.py``. What a command has started and left behind
becomes this process's child (``PR_SET_CHILD_SUBREAPER``, Linux) and is ended with the command; where the harness is
gone, this process ends what runs and takes the folder away, before it ends itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import sys
from typing import Any, Final, NoReturn

from oracles.command.description import describe
from oracles.command.nesting import nesting
from oracles.command.reading import Ended, direct, ending, integers, is_end, said_of, unreadable
from oracles.command.running import Runner, ends_with_its_parent
from oracles.command.selfcontained import (
    PROOF,
    READY,
    Asked,
    NotPossible,
    SelfContained,
    features_used,
    linked_module,
    selfcontained,
    starts,
)
from oracles.remote.interface import TYPE_NAMES
from oracles.remote.process import children, end_family
from oracles.remote.protocol import PHASES, VERSION
from oracles.remote.serving import Answer, Channel, short
from wasm.embedding import (
    SLOT,
    WIDTHS,
    Outcome,
    Phase,
    Rejected,
    Returned,
    TimedOut,
    Trapped,
    Unsupported,
)
from wasm.encode import encode
from wasm.errors import UserError, WasmError
from wasm.module import Module

_READY: Final = Asked(READY, ("l",), (), 1)


def _orphaned(folder: str) -> NoReturn:
    """The harness is gone, and nobody else will tidy up."""
    with contextlib.suppress(OSError):
        for child in children(os.getpid()):
            end_family(child)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


class Worker:
    """Answers requests by running the command."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.description = describe(config["data"], config["path"])
        self.channel = Channel(config["fds"])
        self.runner = Runner(self.description, self.channel, config["seconds"], config["wall"], config["memory"],
                             config["folder"])  # fmt: skip
        self.library: str = config["library"]
        self.features: frozenset[str] = frozenset()

    def serve(self) -> None:
        """Answer requests until the harness closes its end."""
        self.channel.serve({"hello": self.hello, "case": self.case})

    # Hello

    def hello(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """Ask the command for its version, and about each feature unless its file names them."""
        refused = self._tried(blobs[0])
        if refused is not None:
            return {"refused": f"{self.description.name} does not run a small module: {refused}"}, b""
        if self.description.features is not None:
            names = sorted(self.description.features)
        elif header["known"] is not None:
            names = header["known"]
        else:
            names = [name for name, at in header["features"] if self._tried(blobs[at]) is None]
        self.features = frozenset(names)
        return {
            "protocol": VERSION, "features": names, "library": self.library, "state": None,
            "version": self._version(),
        }, b""  # fmt: skip

    def _version(self) -> str:
        if not self.description.version:
            return "0"
        found = re.search(r"\d+(?:\.\d+)*[\w.+-]*", self.runner.run(self.description.version).text)
        return found[0] if found else "0"

    def _tried(self, content: bytes) -> str | None:
        """Whether a module is taken: None, or what was said instead."""
        header = {"module": 0, "imports": {"sources": [], "store": -1, "funcs": -1}, "tags": [], "calls": []}
        made = selfcontained({**header, "globals": []}, [content])
        self.runner.put(made.content)
        said, ended = self._of(READY)
        outcome = self._outcome(_READY, said, ended, False)
        if _proved(outcome):
            return None
        if isinstance(outcome, TimedOut):
            return f"it does not end within {outcome.seconds:g} s"
        return " ".join(ended.text.split())[:200] or f"exit status {ended.status}"

    # Cases

    def case(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """One case, as far as a command line shows it."""
        self.channel.at(Phase.COMPILE)
        if "imports" not in header:
            return self._validity(blobs[header["module"]]), b""
        try:
            if not self.description.wrapper:
                return self._directly(header, blobs)
            one = self.description.calls == "one"
            made = selfcontained(header, blobs, chained=one)
        except (NotPossible, WasmError) as error:
            return _refused(Unsupported(str(error)))
        if made.start and not self.description.start:
            return _refused(Unsupported("a start function: its file says that it runs none"))
        if missing := made.features - self.features:
            return _refused(Unsupported(f"linking the module takes {', '.join(sorted(missing))}"))
        if too_much := self._too_much(made.module):
            return _refused(Unsupported(too_much))
        self.runner.put(made.content)
        return self._one_by_one(made) if one else self._all_at_once(made, header, blobs)

    def _validity(self, content: bytes) -> dict[str, Any]:
        """Whether bare bytes are a valid module, where there is a command that says so."""
        if not self.description.validate:
            return {"inst": ["unsupported", "validity: its file has no command to validate"]}
        self.runner.put(content)
        ended = self.runner.run(self.description.validate)
        if ended.stopped is not None:
            return {"inst": short(ended.stopped)[0]}
        if ended.status < 0:
            outcome = ending(self.description, ended.text, ended.status)
            assert outcome is not None
            return {"inst": short(outcome)[0]}
        return {"inst": short(Returned() if not ended.status else Rejected(ended.text.strip()[:2000]))[0]}

    def _too_much(self, module: Module) -> str:
        """What a module has more of than the file says that the engine takes; "" for nothing."""
        most = self.description.memory
        if most is not None and any(one.limits.minimum << one.page_log2 > most for one in module.memories):
            return f"a memory of more than {most} bytes"
        most = self.description.nesting
        with contextlib.suppress(ValueError):  # of what is not valid it is asked
            if most is not None and (deep := nesting(module)) > most:
                return f"expressions that are nested {deep} deep"
        return ""

    def _of(self, export: str, args: list[str] | None = None) -> tuple[str | None, Ended]:
        """Run one export, and what was said of it."""
        ended = self.runner.run(self.description.command, export, args)
        return said_of(self.description, ended.text, export), ended

    def _status(self, ended: Ended) -> int:
        """In a process that makes several calls, an exit code says nothing of one of them."""
        return ended.status if self.description.calls == "one" or ended.status < 0 else 0

    def _outcome(self, asked: Asked, said: str | None, ended: Ended, host_traps: bool) -> Outcome:
        """The outcome of an export, from a process that ran it."""
        failure = self._failure(said, ended, host_traps)
        if failure is not None:
            return failure
        parts = [said or ""]
        for name, _ in asked.more:
            if self.description.calls == "one":
                part, another = self._of(name)
                failure = self._failure(part, another, host_traps)
            else:
                part = said_of(self.description, ended.text, name)
                failure = self._failure(part, ended, host_traps)
            if failure is not None:
                return failure
            parts.append(part or "")
        return integers(self.description, asked, parts)

    def _failure(self, said: str | None, ended: Ended, host_traps: bool) -> Outcome | None:
        """What an export came to, where that is no result."""
        if ended.stopped is not None:
            return ended.stopped
        status = self._status(ended)
        found = ending(self.description, ended.text if said is None else said, status, host_traps)
        if found is not None:
            return found
        if said is None or (status and self.description.exits.get(status) != "returned"):
            return unreadable(self.description, ended.text)
        return None

    def _instantiated(self, made: SelfContained) -> Outcome:
        """What instantiation came to, by an export that does nothing."""
        self.channel.at(Phase.INSTANTIATE)
        said, ended = self._of(READY)
        return _started(self._outcome(_READY, said, ended, made.host_traps))

    def _one_by_one(self, made: SelfContained) -> Answer:
        """A process per call, each of which makes the calls before its own first."""
        if made.starts and not isinstance(outcome := self._instantiated(made), Returned):
            return _refused(outcome)
        outcomes: list[Outcome] = []
        for k, asked in enumerate(made.calls):
            self.channel.at(Phase.INVOKE, k)
            if isinstance(asked, str):
                outcomes.append(Unsupported(asked))
                continue
            said, ended = self._of(asked.name)
            outcome = self._outcome(asked, said, ended, made.host_traps)
            if not outcomes and isinstance(outcome, Rejected):
                return _refused(outcome)
            outcomes.append(outcome)
            if is_end(outcome):
                break
            if isinstance(outcome, Trapped):
                rest = len(made.calls) - len(outcomes)
                outcomes += [Unsupported("a process per call cannot go on after a trap")] * rest
                break
        return _answer(outcomes, None)

    def _all_at_once(self, made: SelfContained, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """All calls in one process; where it is stopped, one call more at a time until it is stopped again."""
        self.channel.at(Phase.INSTANTIATE)
        ended = self.runner.run(self.description.command)
        if ended.stopped is None and ended.status >= 0:
            return self._read_all(made, ended)
        before: Answer | None = None
        for k in range(len(made.calls) + 1):
            if k:
                self.channel.at(Phase.INVOKE, k - 1)
            part = selfcontained(header, blobs, through=k)
            self.runner.put(part.content)
            again = self.runner.run(self.description.command)
            if again.stopped is not None or again.status < 0:
                failure = again.stopped or ending(self.description, again.text, again.status)
                assert failure is not None
                if before is None:
                    return _refused(failure)
                before[0]["out"].append(short(failure)[0])
                return before
            before = self._read_all(part, again)
        return before or _refused(Unsupported("it ended early, and not when it was run again"))

    def _read_all(self, made: SelfContained, ended: Ended) -> Answer:
        said = said_of(self.description, ended.text, READY)
        inst = _started(self._outcome(_READY, said, ended, made.host_traps))
        if not isinstance(inst, Returned):
            return _refused(inst)
        outcomes: list[Outcome] = []
        for asked in made.calls:
            if isinstance(asked, str):
                outcomes.append(Unsupported(asked))
                continue
            said = said_of(self.description, ended.text, asked.name)
            outcomes.append(self._outcome(asked, said, ended, made.host_traps))
            if is_end(outcomes[-1]):
                return _answer(outcomes, None)
        states: list[Returned] = []
        for asked in made.globals or ():
            said = said_of(self.description, ended.text, asked.name)
            if isinstance(state := self._outcome(asked, said, ended, False), Returned):
                states.append(state)
        return _answer(outcomes, states if made.globals is not None and len(states) == len(made.globals) else None)

    def _directly(self, header: dict[str, Any], blobs: list[bytes]) -> Answer:
        """Exports as they are, a process per call on a fresh instance."""
        module, host_traps = linked_module(header, blobs)
        if missing := features_used(module) - self.features:
            return _refused(Unsupported(f"linking the module takes {', '.join(sorted(missing))}"))
        if too_much := self._too_much(module):
            return _refused(Unsupported(too_much))
        module.customs = []
        self.runner.put(encode(module))
        if starts(module):
            return _refused(Unsupported("what may trap as it starts, where calls are made as they are"))
        outcomes: list[Outcome] = []
        for k, call in enumerate(header["calls"]):
            self.channel.at(Phase.INVOKE, k)
            if k and not _keeps_nothing(module):
                outcomes.append(Unsupported("a process per call does not have what the calls before it left"))
                continue
            outcomes.append(self._direct(call, blobs, host_traps))
            if is_end(outcomes[-1]):
                break
        return _answer(outcomes, None)

    def _direct(self, call: list[Any], blobs: list[bytes], host_traps: bool) -> Outcome:
        export, via, params, results, at, _refs, _ = call
        if via not in ("host", "wrapper"):
            return Unsupported(via)
        args: list[str] = []
        for i, kind in enumerate(params):
            word = TYPE_NAMES.get(kind, "ref")
            form = self.description.arguments.get(word)
            if form is None:
                return Unsupported(f"arguments of type {word}: its file has no [arguments] for them")
            bits = int.from_bytes(blobs[at][i * SLOT : (i + 1) * SLOT], "little")
            half = 1 << (WIDTHS[word] - 1)
            args.append(form.format(unsigned=bits, signed=(bits ^ half) - half, hex=hex(bits)))
        said, ended = self._of(export, args)
        return self._failure(said, ended, host_traps) or direct(self.description, results, said or "")


def _proved(outcome: Outcome) -> bool:
    """Whether an outcome of ``READY`` is its answer."""
    return isinstance(outcome, Returned) and int.from_bytes(outcome.slots, "little") == PROOF


def _started(outcome: Outcome) -> Outcome:
    """An instantiation's outcome, from that of ``READY``."""
    if isinstance(outcome, Returned):
        return Returned() if _proved(outcome) else Unsupported(f"{READY} gave another number than it holds")
    return outcome


def _keeps_nothing(module: Module) -> bool:
    """Whether a call leaves nothing for the next one."""
    return not (module.memories or module.tables or any(item.type.mutable for item in module.globals))


def _refused(outcome: Outcome) -> Answer:
    """A case whose instantiation came to something else than an instance."""
    phase = Phase.COMPILE if isinstance(outcome, Rejected) else Phase.INSTANTIATE
    return {"inst": short(outcome)[0], "phase": PHASES.index(phase)}, b""


def _answer(outcomes: list[Outcome], globals_: list[Returned] | None) -> Answer:
    told = [short(one) for one in outcomes]
    header: dict[str, Any] = {"inst": ["returned", []], "out": [text for text, _ in told]}
    body = [slots for _, slots in told]
    if globals_ is not None:
        header["globals"] = [one.refs[0] if one.refs else None for one in globals_]
        body += [one.slots for one in globals_]
    return header, b"".join(body)


def main() -> None:
    config = json.loads(sys.argv[1])
    if sys.platform == "linux":
        signal.signal(signal.SIGTERM, lambda *_: _orphaned(config["folder"]))
        ends_with_its_parent()
    try:
        worker = Worker(config)
    except UserError as error:
        sys.exit(f"error: {error}")
    worker.serve()


if __name__ == "__main__":
    main()
