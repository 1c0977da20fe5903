"""Functions that fold all that a reference leads to into a number, so that every bit of every object is seen.

A digest takes (reference, depth): at depth 0 it tells null from the rest and i31 by value. The digest of ``any`` finds
out what an object is by casts of every form; its chain of types is in the order of the table of types or its reverse.
"""

from __future__ import annotations

from typing import Final

from generators.module.function import BARE, GET, I32_CONST, I64_CONST, SET, TEE, Function
from generators.module.shell import Shell
from generators.refs.expressions import Code, getter
from generators.refs.lattice import Defined, value_type
from generators.refs.space import References
from wasm.isa import OPS, Instr
from wasm.valtypes import ANYREF, FUNCREF, I32, I64, FuncType, HeapType, RefType, StorageType, ref

_CHAIN: Final = 12
"""How many types the digest of ``any`` asks for."""
_FOLLOWED: Final = 4
"""How many references of one object are followed; of the others only null is told from the rest."""
_FIRST: Final = 12
"""How many fields or elements are read at depth 0."""
_BRIEF: Final = 4
"""How many fields tell an object from its neighbours in a wide row."""
_NULL: Final = 0x9E3779B9


def write_functions(shell: Shell) -> None:
    """Write the bodies of all functions that were asked for, and of those that they ask for."""
    space = shell.kit(References)
    while space.unwritten:
        what, f, heap = space.unwritten.pop(0)
        source = space.fork()
        fn = Function.of(shell, f, source)
        fn.seed(source.bits(16) + f.index)
        code = Code(fn, source)
        if what == "function":
            _function(code)
            continue
        writer = _Digest(code, space)
        if what == "rest":
            writer.rest(heap)
        elif what == "brief":
            writer.brief(heap)
        elif isinstance(heap, int):
            writer.defined(space.lattice.types[heap])
        elif heap == "extern":
            writer.extern()
        elif heap == "func":
            writer.any_function()
        else:
            writer.anything()
        fn.close_vectors()
        f.body.append((GET, fn.acc))


def _function(code: Code) -> None:
    """A function of a type of the module's own: it folds its parameters and makes its results up from them."""
    fn, f = code.fn, code.f
    for i, type_ in enumerate(f.type.params):
        f.body.append((GET, i))
        code.fold(type_, 0)
    fn.publish()
    for type_ in f.type.results:
        if isinstance(type_, RefType):
            code.push(type_, 1 if code.source.below(2) else 0)
        else:
            code.item(type_, 1)


class _Digest:
    """The body of one digest: parameter 0 is the reference, parameter 1 the depth."""

    def __init__(self, code: Code, space: References) -> None:
        self.code, self.space, self.f, self.fn = code, space, code.f, code.fn

    def _fold(self) -> None:
        """Fold the i64 on the stack."""
        self.f.body += self.fn.fold(I64)

    def _tell(self, value: int) -> None:
        """Fold a number that says what was found."""
        self.f.body.append((I64_CONST, value))
        self._fold()

    def _leave(self) -> None:
        self.fn.close_vectors()
        self.f.body += ((GET, self.fn.acc), BARE["return"])

    def _if_null(self) -> None:
        """Leave with a number of its own for null."""
        self.f.body += ((GET, 0), BARE["ref.is_null"])
        self.f.open("if")
        self.f.body += ((I64_CONST, _NULL), BARE["return"])
        self.f.end()

    def _if_shallow(self) -> None:
        """Leave at depth 0: calls would go on for ever."""
        self.f.body += ((GET, 1), BARE["i32.eqz"])
        self.f.open("if")
        self._tell(3)
        self._leave()
        self.f.end()

    def _nested(self, get: tuple[Instr, ...], type_: RefType, follow: bool, last: bool = False) -> None:
        """Fold a reference that ``get`` puts on the stack: followed while there is depth left, ``last``: one step."""
        body, f = self.f.body, self.f
        if not self.space.inhabited(type_.heap) or not follow:
            body += (*get, BARE["ref.is_null"], *self.fn.fold(I32))
            return
        heap = "func" if self.space.is_answer(type_.heap) else type_.heap
        digest = self.space.digest(heap)
        body += ((GET, 1), BARE["i32.eqz"])
        f.open("if")
        body += (*get, BARE["ref.is_null"], *self.fn.fold(I32))
        f.else_()
        left = ((I32_CONST, 0),) if last else ((GET, 1), (I32_CONST, 1), BARE["i32.sub"])
        body += (*get, *left, (OPS["call"], digest), *self.fn.fold(I64))
        f.end()

    def _storage(self, get: tuple[Instr, ...], storage: StorageType, follow: bool, last: bool = False) -> None:
        type_ = value_type(storage)
        if isinstance(type_, RefType):
            self._nested(get, type_, follow, last)
        else:
            self.f.body += (*get, *self.fn.fold(type_))

    # One type

    def defined(self, type_: Defined) -> None:
        self._if_null()
        match type_.kind:
            case "struct":
                self._struct(type_)
            case "array":
                self._array(type_)
            case _:
                self._if_shallow()
                self._rest(type_.index)

    def _rest(self, heap: HeapType) -> None:
        """Fold the rest of the digest, a function of its own."""
        self.f.body += ((GET, 0), (GET, 1), (OPS["call"], self.space.digest(heap, "rest")))
        self._fold()

    def brief(self, heap: HeapType) -> None:
        """A struct in a row of a thousand: told from its neighbours."""
        assert isinstance(heap, int)
        self._if_null()
        type_ = self.space.lattice.types[heap]
        for i, field in enumerate(type_.fields[:_BRIEF]):
            get = ((GET, 0), (OPS[getter(field.storage, "struct", i & 1)], (heap, i)))
            self._storage(get, field.storage, False)

    def rest(self, heap: HeapType) -> None:
        """What is neither null nor asked for at depth 0."""
        if heap == "func":
            self._function()
        elif heap == "any":
            self._object()
        else:
            assert isinstance(heap, int)
            type_ = self.space.lattice.types[heap]
            if type_.kind == "struct":
                self._fields(type_, _FIRST, len(type_.fields))
            else:
                self._call(type_)

    def _known(self, type_: Defined) -> Instr:
        """How the object is read: the parameter, which may be null, or a local that may not."""
        if self.code.source.below(2):
            return GET, 0
        held = self.f.local(ref(type_.index, False))
        self.f.body += ((GET, 0), BARE["ref.as_non_null"], (SET, held))
        return GET, held

    def _struct(self, type_: Defined) -> None:
        self._fields(type_, 0, _FIRST)
        if len(type_.fields) > _FIRST:
            self._if_shallow()
            self._rest(type_.index)

    def _fields(self, type_: Defined, start: int, end: int) -> None:
        held = self._known(type_)
        followed = sum(isinstance(field.storage, RefType) for field in type_.fields[:start])
        for i, field in enumerate(type_.fields[start:end], start):
            read = getter(field.storage, "struct", self.code.source.below(2) if i < 8 else i & 1)
            reference = isinstance(field.storage, RefType)
            followed += reference
            get = (held, (OPS[read], (type_.index, i)))
            self._storage(get, field.storage, followed <= _FOLLOWED, len(type_.fields) > _FIRST)

    def _array(self, type_: Defined) -> None:
        f, body, source = self.f, self.f.body, self.code.source
        held = self._known(type_)
        storage = type_.fields[0].storage
        i, length = f.local(I32), f.local(I32)
        body += (held, BARE["array.len"], (TEE, length), *self.fn.fold(I32))
        body += ((GET, length), (I32_CONST, _FIRST), BARE["i32.gt_u"], (GET, 1), BARE["i32.eqz"], BARE["i32.and"])
        f.open("if")
        body += ((I32_CONST, _FIRST), (SET, length))
        f.end()
        done = f.open("block")
        f.open("loop")
        body += ((GET, i), (GET, length), BARE["i32.ge_u"])
        f.br(done, "br_if")
        get = (held, (GET, i), (OPS[getter(storage, "array", source.below(2))], type_.index))
        self._storage(get, storage, True)
        body += ((GET, i), (I32_CONST, 1), BARE["i32.add"], (SET, i), (OPS["br"], 0))
        f.end()
        f.end()

    def _call(self, type_: Defined) -> None:
        """Call the function with simple arguments and fold its results."""
        composite = type_.composite
        assert isinstance(composite, FuncType)
        self.code.known.clear()
        self.code.arguments(composite.params, 0)
        self.f.body += ((GET, 0), (OPS["call_ref"], type_.index))
        for result in reversed(composite.results):
            if isinstance(result, RefType):
                self.f.body.append(BARE["ref.is_null"])
                self.f.body += self.fn.fold(I32)
            else:
                self.f.body += self.fn.fold(result)

    # Any type

    def extern(self) -> None:
        """What the host's view of an internal value is a view of; a host's own value is nothing that can be told."""
        if self.space.gc:
            digest = self.space.digest("any")
            self.f.body += ((GET, 0), BARE["any.convert_extern"], (GET, 1), (OPS["call"], digest))
            self._fold()
        else:
            self.f.body += ((GET, 0), BARE["ref.is_null"], *self.fn.fold(I32))

    def any_function(self) -> None:
        """A function: called if its type is one of the module's, by a table or after a cast."""
        self._if_null()
        self._if_shallow()
        if self.space.gc:
            self._rest("func")
        else:
            self.f.body += ((GET, 0), *self.fn.fold(FUNCREF))

    def _function(self) -> None:
        self._chain([t.index for t in self._some(self.space.lattice.all("func"))], FUNCREF)
        answer = self.space.shell.answer_type
        self.f.open("block", (), (FUNCREF,))
        self.f.body += ((GET, 0), (OPS["br_on_cast_fail"], (0, FUNCREF, ref(answer, False))))
        self.f.body += ((OPS["call_ref"], answer), *self.fn.fold(I32))
        self._leave()
        self.f.end()
        self.f.body.append(BARE["drop"])

    def anything(self) -> None:
        self._if_null()
        f, body = self.f, self.f.body
        f.open("block", (), (ANYREF,))
        body += ((GET, 0), (OPS["br_on_cast_fail"], (0, ANYREF, ref("i31", False))), BARE["i31.get_s"])
        body += self.fn.fold(I32)
        self._leave()
        f.end()
        body.append(BARE["drop"])
        self._if_shallow()
        self._rest("any")

    def _object(self) -> None:
        self._chain([t.index for t in self._some(self.space.concrete("any"))], ANYREF)
        body = self.f.body
        for heap in ("struct", "array", "eq"):
            body += ((GET, 0), (OPS["ref.test"], heap), *self.fn.fold(I32))

    def _some(self, found: list[Defined]) -> list[Defined]:
        """At most a dozen types, in order or the last first."""
        step = -(-len(found) // _CHAIN) or 1
        found = found[self.code.source.below(step) :: step]
        return found[::-1] if self.code.source.below(2) else found

    def _chain(self, types: list[int], top: RefType) -> None:
        """Ask for each type in turn; leave with the digest of the first that the object has."""
        f, body, source = self.f, self.f.body, self.code.source
        for index in types:
            digest = self.space.digest(index)
            target = ref(index, False)
            how = source.below(3)
            if how == 2:
                body += ((GET, 0), (OPS["ref.test"], index))
                f.open("if")
                body += ((GET, 0), (OPS["ref.cast"], index))
            elif how == 1:
                past = f.open("block")
                f.open("block", (), (target,))
                body += ((GET, 0), (OPS["br_on_cast"], (0, top, target)), BARE["drop"])
                f.br(past)
                f.end()
            else:
                f.open("block", (), (top,))
                body += ((GET, 0), (OPS["br_on_cast_fail"], (0, top, target)))
            body += ((GET, 1), (OPS["call"], digest))
            self._fold()
            self._tell(index)
            self._leave()
            f.end()
            if how == 0:
                body.append(BARE["drop"])
