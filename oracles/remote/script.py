"""Scripts of several modules that see each other, step by step, in one worker."""

from __future__ import annotations

from typing import Any, Protocol

from oracles.engine import Capabilities, EngineId, Limits
from oracles.modules.spectest import SPECTEST, SPECTEST_NO_TABLE64
from oracles.remote.glue import call_glue, read_glue
from oracles.remote.interface import FUNC, GLOBAL, TYPE_NAMES, Interface, Unreadable, read_interface
from oracles.remote.outer import known_tags
from oracles.remote.process import WorkerProcess
from oracles.remote.protocol import (
    Flavour,
    encode_frame,
    prepare_call,
    tags_json,
    type_words,
)
from oracles.remote.replies import ReplyReader
from oracles.remote.wasmbytes import KIND_CODES
from oracles.remote.worker_calls import answered
from oracles.remote.wrapper import EXACT_READ, global_reader
from wasm.embedding import (
    Invocation,
    Outcome,
    Rejected,
    Returned,
    Unsupported,
    Value,
)
from wasm.feature_use import features_of_bytes
from wasm.features import Feature


class Host(Protocol):
    """What a script asks of the engine that it runs on (``WorkerEngine``)."""

    @property
    def id(self) -> EngineId: ...
    @property
    def capabilities(self) -> Capabilities: ...
    @property
    def limits(self) -> Limits: ...
    def send(self, frame: bytes) -> WorkerProcess: ...
    def renew(self) -> None: ...


class Script:
    """``Session`` over a worker."""

    def __init__(self, engine: Host, flavour: Flavour) -> None:
        self.engine, self.flavour = engine, flavour
        self.interfaces: dict[str, Interface] = {}
        self.lost = False
        self.unsupported: set[str] = set()
        """Names of instances that could not be made for want of a feature."""
        self._ask({"do": "open"}, [])
        table64 = Feature.MEMORY64 in engine.capabilities.features
        self.instantiate("spectest", SPECTEST if table64 else SPECTEST_NO_TABLE64)

    def instantiate(self, name: str, module: bytes) -> Outcome:
        if self.lost:
            return Unsupported("the worker died earlier in this script")
        header: dict[str, Any] = {"do": "instantiate", "name": name, "imports": [], "funcs": [], "tags": []}
        interface: Interface | None = None
        try:
            interface = read_interface(module)
            header["imports"] = [[item.module, item.name] for item in interface.imports]
            header["funcs"] = [item.name for item in interface.exports if item.sort == 0]
            tags = [tag for tag in known_tags(interface) if tag.imported_at < 0]
            header["tags"] = tags_json(interface, tags)
        except Unreadable:
            interface = None
        answer = self._ask(header, [module])
        if not isinstance(answer, tuple):
            return answer
        outcome = ReplyReader(answer[1]).outcome(answer[0]["out"], ())
        if isinstance(outcome, Rejected):
            has = {feature.value for feature in self.engine.capabilities.features}
            if lacking := features_of_bytes(module) - has:
                self.unsupported.add(name)
                return Unsupported(", ".join(sorted(lacking)))
            gone = {item.module for item in interface.imports} & self.unsupported if interface else set()
            if gone:
                return Unsupported(f"an import from {', '.join(sorted(gone))}, which could not be made")
        if isinstance(outcome, Returned) and interface is not None:
            self.interfaces[name] = interface
        return outcome

    def register(self, name: str, registered_as: str) -> None:
        if name in self.unsupported:
            self.unsupported.add(registered_as)
        if name in self.interfaces and not self.lost:
            self.interfaces[registered_as] = self.interfaces[name]
            self._ask({"do": "register", "name": name, "as": registered_as}, [])

    def invoke(self, name: str, invocation: Invocation) -> Outcome:
        interface = self.interfaces.get(name)
        if self.lost or interface is None:
            return Unsupported(f"no instance {name}")
        tags = tuple(tag.tag_index for tag in known_tags(interface) if tag.imported_at < 0)
        call = prepare_call(interface, invocation, self.flavour, tags)
        blobs, told = [call.args, call.wrapper], call.json(invocation.export, 0, 1)
        func = interface.find(invocation.export, FUNC)
        if self.flavour.by_name and call.wrapper and func is not None:
            named = [(tag.name, tag.tag_index, -1) for tag in known_tags(interface) if tag.imported_at < 0]
            blobs.append(call_glue(interface, invocation.export, func, named, None))
            told.append(2)
        answer = self._ask({"do": "invoke", "name": name, "call": told}, blobs)
        if not isinstance(answer, tuple):
            return answer
        return ReplyReader(answer[1]).outcome(answer[0]["out"], type_words(call.results))

    def get(self, name: str, export: str) -> Value | None:
        interface = self.interfaces.get(name)
        index = interface.find(export, GLOBAL) if interface else None
        if interface is None or index is None or self.lost:
            return None
        kind = interface.globals[index][0]
        exact = self.flavour.exact_host or kind not in EXACT_READ
        blobs = [] if exact else [global_reader(interface, (index,))]
        if self.flavour.by_name and kind == "v":
            raw = KIND_CODES[kind] + bytes((interface.globals[index][1],))
            blobs = [global_reader(interface, (index,)), read_glue(interface, [(export, raw)])]
        answer = self._ask({"do": "get", "name": name, "export": export, "kind": kind}, blobs)
        if not isinstance(answer, tuple) or not answer[0]["found"]:
            return None
        word = TYPE_NAMES.get(kind, "ref")
        if word == "ref":
            return Value("ref", 0, answer[0]["ref"])
        return Value(word, int.from_bytes(answer[1], "little"))

    def _ask(self, header: dict[str, Any], blobs: list[bytes]) -> tuple[dict[str, Any], bytes] | Outcome:
        process = self.engine.send(encode_frame({**header, "blobs": [len(one) for one in blobs]}, blobs))
        answer = answered(process, self.engine.id, self.engine.limits)
        if not isinstance(answer, tuple):
            self.lost = True
            self.engine.renew()
            return answer
        return answer if "refused" not in answer[0] else Rejected(answer[0]["refused"])

    def close(self) -> None:
        self.interfaces.clear()
