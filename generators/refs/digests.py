"""Functions that fold all that a reference leads to into a number, so that every bit of every object is seen.

A digest takes (reference, depth): at depth 0 it tells null from the rest and i31 by value. The digest of ``any`` finds
out what an object is by casts of every form; its chain of types is in the order of the table of types or its reverse.

    (func $digest_of_3 (param (ref null 3) i32) (result i64)
      ...                              ;; null: a number of its own
      local.get 0  struct.get_s 3 0    ;; each field into the hash
      ...
      local.get 1  i32.eqz             ;; a reference: the digest of its type, one step less deep
      if  ...  else  ...  local.get 1  i32.const 1  i32.sub  call $digest_of_5  ...  end
"""

from __future__ import annotations

from typing import Final

from generators.module.function import GET, Function
from generators.module.shell import Shell
from generators.refs.expressions import RefCode
from generators.refs.instructions import array_get, struct_get
from generators.refs.lattice import Defined, value_type
from generators.refs.space import RefSpace, Role
from wasm.fragment import Code, code, template
from wasm.isa import Instr
from wasm.valtypes import ANYREF, FUNCREF, I32, I64, FuncType, HeapType, RefType, StorageType, ref

_CHAIN: Final = 12
"""How many types the digest of ``any`` asks for."""
_FOLLOWED: Final = 4
"""How many references of one object are followed; of the others only null is told from the rest."""
_FIRST: Final = 12
"""How many fields or elements are read at depth 0."""
_BRIEF: Final = 4
"""How many fields tell an object from its neighbours among many."""
_DRAWN: Final = 8
"""For so many fields it is drawn whether they are read with their sign; from there on it alternates."""
_QUESTIONS: Final = ("br_on_cast_fail", "br_on_cast", "test")

_IF_NULL: Final = code("local.get 0  ref.is_null  if  i64.const 0x9E3779B9  return  end")
_AT_DEPTH_0: Final = code("local.get 1  i32.eqz")
_SHALLOW: Final = code("i64.const 3")
_NUMBER: Final = template("i64.const $number")
_LEAVE: Final = template("local.get $hash  return")
_REFERENCE: Final = code("local.get 0")
_IS_NULL: Final = code("ref.is_null")
_DROP: Final = code("drop")
_NO_DEEPER: Final = template("i32.const 0  call $digest")
_ONE_STEP: Final = template("local.get 1  i32.const 1  i32.sub  call $digest")
_AS_DEEP: Final = template("local.get 1  call $digest")
_REST: Final = template("local.get 0  local.get 1  call $digest")
_NOT_NULL: Final = template("local.get 0  ref.as_non_null  local.set $held")
_LENGTH: Final = template("array.len  local.tee $length")
_CUT_AT_DEPTH_0: Final = template(
    "local.get $length  i32.const $first  i32.gt_u  local.get 1  i32.eqz  i32.and"
    "  if  i32.const $first  local.set $length  end"
)
_LEAVE_LOOP: Final = template("local.get $i  local.get $length  i32.ge_u  br_if 1")
_NEXT: Final = template("local.get $i  i32.const 1  i32.add  local.set $i  br 0")
_CALL: Final = template("local.get 0  call_ref $type")
_CALL_ANSWER: Final = template("call_ref $type")
_HOSTS_VIEW: Final = template("local.get 0  any.convert_extern  local.get 1  call $digest")
_TEST: Final = template("local.get 0  ref.test $heap")
_CAST: Final = template("local.get 0  ref.cast $heap")
_LEAVE_ON_CAST: Final = template("local.get 0  br_on_cast imm=$cast  drop")
_LEAVE_ON_OTHER: Final = template("local.get 0  br_on_cast_fail imm=$cast")
_I31_VALUE: Final = code("i31.get_s")


def write_functions(shell: Shell) -> None:
    """Write the bodies of all functions that were asked for, and of those that they ask for."""
    space = shell.kit(RefSpace)
    while space.unwritten:
        role, f, heap = space.unwritten.pop(0)
        source = space.fork()
        fn = Function.of(shell, f, source)
        fn.seed(source.bits(16) + f.index)
        refs = RefCode(fn, source)
        if role == "function":
            _function(refs)
        else:
            _Digest(refs).write(role, heap)


def _function(refs: RefCode) -> None:
    """A function of a type of the module's own: it folds its parameters and makes its results up from them."""
    fn = refs.fn
    for i, type_ in enumerate(refs.f.type.params):
        fn.get(i)
        refs.fold(type_, 0)
    fn.publish()
    for type_ in refs.f.type.results:
        if isinstance(type_, RefType):
            refs.push(type_, 1 if refs.source.one_in(2) else 0)
        else:
            refs.item(type_, 1)


class _Digest:
    """The body of one digest: parameter 0 is the reference, parameter 1 the depth."""

    def __init__(self, refs: RefCode) -> None:
        self.refs, self.space, self.f, self.fn = refs, refs.space, refs.f, refs.fn

    def write(self, role: Role, heap: HeapType) -> None:
        if role == "rest":
            self._beyond(heap)
        elif role == "brief":
            self._brief(heap)
        elif isinstance(heap, int):
            self._defined(self.space.lattice.types[heap])
        elif heap == "extern":
            self._extern()
        elif heap == "func":
            self._any_function()
        else:
            self._anything()
        self.fn.close_vectors()
        self.fn.get(self.fn.acc)

    # Pieces of any digest

    def _fold(self) -> None:
        """Fold the i64 on the stack."""
        self.f.body += self.fn.fold(I64)

    def _tell(self, number: Code) -> None:
        """Fold a number that says what the reference was recognised as."""
        self.f.body += number
        self._fold()

    def _leave(self) -> None:
        self.fn.close_vectors()
        self.f.body += _LEAVE(self.fn.acc)

    def _if_null(self) -> None:
        """Leave with a number of its own for null."""
        self.f.body += _IF_NULL

    def _if_shallow(self) -> None:
        """Leave at depth 0: calls would go on for ever."""
        self.f.body += _AT_DEPTH_0
        with self.f.block("if"):
            self._tell(_SHALLOW)
            self._leave()

    def _nested(self, get: Code, type_: RefType, follow: bool, last: bool = False) -> None:
        """Fold a reference that ``get`` puts on the stack: followed while there is depth left, ``last``: one step."""
        body, f = self.f.body, self.f
        if not self.space.inhabited(type_.heap) or not follow:
            body += (*get, *_IS_NULL, *self.fn.fold(I32))
            return
        heap = "func" if self.space.is_answer(type_.heap) else type_.heap
        digest = self.space.digest(heap)
        body += _AT_DEPTH_0
        with f.block("if"):
            body += (*get, *_IS_NULL, *self.fn.fold(I32))
            f.else_()
            body += (*get, *(_NO_DEEPER if last else _ONE_STEP)(digest), *self.fn.fold(I64))

    def _storage(self, get: Code, storage: StorageType, follow: bool, last: bool = False) -> None:
        """Fold a field or an element that ``get`` puts on the stack."""
        type_ = value_type(storage)
        if isinstance(type_, RefType):
            self._nested(get, type_, follow, last)
        else:
            self.f.body += (*get, *self.fn.fold(type_))

    def _rest(self, heap: HeapType) -> None:
        """Fold the rest of the digest, a function of its own."""
        self.f.body += _REST(self.space.digest(heap, "rest"))
        self._fold()

    # One type

    def _defined(self, type_: Defined) -> None:
        self._if_null()
        match type_.kind:
            case "struct":
                self._struct(type_)
            case "array":
                self._array(type_)
            case _:
                self._if_shallow()
                self._rest(type_.index)

    def _brief(self, heap: HeapType) -> None:
        """A struct among a thousand: told from its neighbours."""
        assert isinstance(heap, int)
        self._if_null()
        type_ = self.space.lattice.types[heap]
        for i, field in enumerate(type_.fields[:_BRIEF]):
            self._storage((*_REFERENCE, struct_get(type_, i, i & 1)), field.storage, False)

    def _beyond(self, heap: HeapType) -> None:
        """The rest: what is neither null nor asked for at depth 0."""
        if heap == "func":
            self._own_function()
        elif heap == "any":
            self._own_object()
        else:
            assert isinstance(heap, int)
            type_ = self.space.lattice.types[heap]
            if type_.kind == "struct":
                self._fields(type_, _FIRST, len(type_.fields))
            else:
                self._call(type_)

    def _object(self, type_: Defined) -> Instr:
        """How the object is read: the parameter, which may be null, or a local that may not."""
        if self.refs.source.one_in(2):
            return _REFERENCE[0]
        held = self.f.local(ref(type_.index, False))
        self.f.body += _NOT_NULL(held)
        return GET, held

    def _struct(self, type_: Defined) -> None:
        self._fields(type_, 0, _FIRST)
        if len(type_.fields) > _FIRST:
            self._if_shallow()
            self._rest(type_.index)

    def _fields(self, type_: Defined, start: int, end: int) -> None:
        """Fold these fields; in a wide object, references of them are followed by one step only."""
        held = self._object(type_)
        followed = sum(isinstance(field.storage, RefType) for field in type_.fields[:start])
        for i, field in enumerate(type_.fields[start:end], start):
            unsigned = self.refs.source.below(2) if i < _DRAWN else i & 1
            followed += isinstance(field.storage, RefType)
            get = (held, struct_get(type_, i, unsigned))
            self._storage(get, field.storage, followed <= _FOLLOWED, len(type_.fields) > _FIRST)

    def _array(self, type_: Defined) -> None:
        """Fold the length and every element, at depth 0 the first few."""
        f, body = self.f, self.f.body
        held = self._object(type_)
        i, length = f.local(I32), f.local(I32)
        body += (held, *_LENGTH(length), *self.fn.fold(I32))
        body += _CUT_AT_DEPTH_0(length=length, first=_FIRST)
        with f.block(), f.block("loop"):
            body += _LEAVE_LOOP(i=i, length=length)
            get = (held, (GET, i), array_get(type_, self.refs.source.below(2)))
            self._storage(get, type_.fields[0].storage, True)
            body += _NEXT(i)

    def _call(self, type_: Defined) -> None:
        """Call the function with simple arguments and fold its results."""
        signature = type_.composite
        assert isinstance(signature, FuncType)
        # The digest's parameters are no values to give away: a function would be called with itself.
        self.refs.known.clear()
        self.refs.arguments(signature.params, 0)
        body = self.f.body
        body += _CALL(type_.index)
        for result in reversed(signature.results):
            if isinstance(result, RefType):
                body += _IS_NULL
                body += self.fn.fold(I32)
            else:
                body += self.fn.fold(result)

    # Any type

    def _extern(self) -> None:
        """What the host's view of an internal value is a view of; a host's own value is nothing that can be told."""
        if self.space.gc:
            self.f.body += _HOSTS_VIEW(self.space.digest("any"))
            self._fold()
        else:
            self.f.body += (*_REFERENCE, *_IS_NULL, *self.fn.fold(I32))

    def _any_function(self) -> None:
        """A function: called if its type is one of the module's, by a table or after a cast."""
        self._if_null()
        self._if_shallow()
        if self.space.gc:
            self._rest("func")
        else:
            self.f.body += (*_REFERENCE, *self.fn.fold(FUNCREF))

    def _own_function(self) -> None:
        """A function of one of the module's types, or of the answers' type."""
        self._chain(self._some(self.space.lattice.all("func")), FUNCREF)
        answer = self.space.shell.answer_type
        with self.f.block(results=(FUNCREF,)):
            self.f.body += _LEAVE_ON_OTHER((0, FUNCREF, ref(answer, False)))
            self.f.body += (*_CALL_ANSWER(answer), *self.fn.fold(I32))
            self._leave()
        self.f.body += _DROP

    def _anything(self) -> None:
        """Null, an i31, or an object."""
        self._if_null()
        with self.f.block(results=(ANYREF,)):
            self.f.body += (*_LEAVE_ON_OTHER((0, ANYREF, ref("i31", False))), *_I31_VALUE, *self.fn.fold(I32))
            self._leave()
        self.f.body += _DROP
        self._if_shallow()
        self._rest("any")

    def _own_object(self) -> None:
        """An object of one of the module's types; of others, what kind it is."""
        self._chain(self._some(self.space.concrete("any")), ANYREF)
        for heap in ("struct", "array", "eq"):
            self.f.body += (*_TEST(heap), *self.fn.fold(I32))

    def _some(self, types: list[Defined]) -> list[int]:
        """The indices of at most a dozen types, in order or the last first."""
        step = -(-len(types) // _CHAIN) or 1
        indices = [t.index for t in types[self.refs.source.below(step) :: step]]
        return indices[::-1] if self.refs.source.one_in(2) else indices

    def _chain(self, types: list[int], top: RefType) -> None:
        """Ask for each type in turn; leave with the digest of the first that the object has."""
        f, body = self.f, self.f.body
        for index in types:
            digest = self.space.digest(index)
            target = ref(index, False)
            match self.refs.source.pick(_QUESTIONS):
                case "test":
                    body += _TEST(index)
                    with f.block("if"):
                        body += _CAST(index)
                        self._leave_with(digest, index)
                case "br_on_cast":
                    with f.block() as past:
                        with f.block(results=(target,)):
                            body += _LEAVE_ON_CAST((0, top, target))
                            f.br(past)
                        self._leave_with(digest, index)
                case _:
                    with f.block(results=(top,)):
                        body += _LEAVE_ON_OTHER((0, top, target))
                        self._leave_with(digest, index)
                    body += _DROP

    def _leave_with(self, digest: int, index: int) -> None:
        """The object is on the stack as one of type ``index``: leave with its digest."""
        self.f.body += _AS_DEEP(digest)
        self._fold()
        self._tell(_NUMBER(index))
        self._leave()
