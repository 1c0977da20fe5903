"""One variation of an aim as a function: which constants, how its leaves come about, how its value is used."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from generators.aims.aim import Address, Aim, Apply, Leaf, Open, Tree, parts, result_type
from generators.enumeration.rows import access_bytes
from generators.enumeration.writing import SINKS, Form, Meeting, Module, Sink
from wasm.features import Feature
from wasm.isa import OPS, Imm, MemArg, Op
from wasm.valtypes import NUM_TYPES, V128, NumType

_TYPES: Final = {t.name: t for t in NUM_TYPES}
FORMS: Final = 3
"""Functions of one choice of constants: parameters alone; a leaf loaded or called for; a leaf a constant or kept."""
_BROUGHT: Final = (Form.AT_END, Form.LOADED, Form.CALLED)
_WRITTEN: Final = (Form.CONSTANT, Form.KEPT, Form.RELATED)
_HARMLESS: Final = (Sink.RETURNED, Sink.ARGUMENT, Sink.DROPPED)


@dataclass(frozen=True, slots=True)
class Variation:
    """``values`` are the aim's constants. ``apart`` is a leaf whose last occurrence is another value, "" for none: just
    outside of a rule that asks for the same value twice. ``form`` is below ``FORMS``."""

    aim: Aim
    values: tuple[int, ...]
    apart: str
    form: int


def variations(aim: Aim) -> list[Variation]:
    """Inside of the rule's conditions, and just outside of them."""
    counts = Counter(part.name for part in parts(aim.tree) if isinstance(part, Leaf))
    twice = [name for name, count in counts.items() if count > 1]
    chosen = [(values, "") for values in (*aim.inside, *aim.outside)]
    chosen += [(aim.inside[0], name) for name in twice]
    return [Variation(aim, values, apart, form) for values, apart in chosen for form in range(FORMS)]


def features_of(aim: Aim) -> frozenset[Feature]:
    """The features of its rows."""
    rows = (OPS[part.row] for part in parts(aim.tree) if isinstance(part, Apply))
    found = {row.feature for row in rows if row.feature is not None}
    found |= {Feature.SIMD for part in parts(aim.tree) if isinstance(part, Leaf) and part.type == "v128"}
    return frozenset(found | ({Feature.SIMD} if Feature.RELAXED_SIMD in found else set()))


def write_variation(module: Module, number: int, variation: Variation) -> None:
    """The function of a variation, with its number in the list."""
    _Writer(Meeting(module, f"r{number}", number + module.variation), variation).write()


@dataclass(slots=True)
class _Writer:
    meeting: Meeting
    variation: Variation

    def write(self) -> None:
        meeting, tree = self.meeting, self.variation.aim.tree
        result = result_type(tree)
        sink = self._sink(result)
        if result is not None:
            meeting.before(sink, result)
        locals_ = self._shared(tree)
        self._push(tree, locals_, Counter())
        results = () if result is None else meeting.after(sink, result)
        meeting.finish(results)

    def _sink(self, result: NumType | None) -> Sink:
        """Where NaNs may come from, nothing is decided by their bits."""
        number, aim = self.meeting.number, self.variation.aim
        floats = [part for part in parts(aim.tree) if isinstance(part, Apply) and OPS[part.row].nan]
        if floats:
            self.meeting.risky = any(_reads_bits(part) for part in parts(aim.tree)) or result is V128
            return _HARMLESS[number % len(_HARMLESS)]
        if aim.branch:
            return Sink.BRANCH
        sink = SINKS[number % len(SINKS)]
        needs_vectors = sink is Sink.LANE or (sink is Sink.SHIFT and result not in (_TYPES["i32"], _TYPES["i64"]))
        return Sink.RETURNED if needs_vectors and Feature.SIMD not in self.meeting.module.features else sink

    def _shared(self, tree: Tree) -> dict[str, int]:
        """Leaves that occur more than once, each in a local or a parameter."""
        counts = Counter(part.name for part in parts(tree) if isinstance(part, Leaf))
        places: dict[str, int] = {}
        for part in parts(tree):
            if isinstance(part, Leaf) and counts[part.name] > 1 and part.name not in places:
                type_, form = _TYPES[part.type], self._form(part.name)
                if form is Form.PARAM:
                    self.meeting.params.append(type_)
                    places[part.name] = len(self.meeting.params) - 1
                else:
                    places[part.name] = local = self.meeting.local(type_)
                    self.meeting.operand(type_, form)
                    self.meeting.write((OPS["local.set"], local))
        return places

    def _form(self, name: str) -> Form:
        """How a leaf comes about: all are parameters, or all but one."""
        names = list(dict.fromkeys(part.name for part in parts(self.variation.aim.tree) if isinstance(part, Leaf)))
        number = self.meeting.number // FORMS
        if self.variation.form == 0 or name != names[number % len(names)]:
            return Form.PARAM
        forms = _BROUGHT if self.variation.form == 1 else _WRITTEN
        return forms[number % len(forms)]

    def _push(self, tree: Tree, places: dict[str, int], seen: Counter[str]) -> None:
        meeting = self.meeting
        match tree:
            case Address():
                # A leaf's address is at memory's end as well: accesses meet there.
                constant = meeting.number % 4 == 3
                meeting.write((OPS["i32.const"], 8 * (meeting.number % 13)) if constant else (OPS["local.get"], 0))
            case Leaf(name, type_):
                seen[name] += 1
                last = seen[name] == self._count(name)
                if name in places and not (name == self.variation.apart and last):
                    meeting.write((OPS["local.get"], places[name]))
                else:
                    meeting.operand(_TYPES[type_], Form.PARAM if name in places else self._form(name))
            case Apply(row, imms, args):
                for arg in args:
                    self._push(arg, places, seen)
                op = OPS[row]
                meeting.widest = max(meeting.widest, access_bytes(op))
                meeting.write((op, self._immediates(op, imms)))

    def _count(self, name: str) -> int:
        return sum(isinstance(part, Leaf) and part.name == name for part in parts(self.variation.aim.tree))

    def _immediates(self, op: Op, imms: tuple[int | Open, ...]) -> object:
        given = iter(self.variation.values[one.number] if isinstance(one, Open) else one for one in imms)
        made: list[object] = []
        for kind in op.imms:
            if kind is Imm.MEMARG:
                natural = access_bytes(op).bit_length() - 1
                made.append(MemArg(natural if op.feature is Feature.THREADS else 0, 0, 0))
            else:
                value = next(given)
                made.append(tuple(value.to_bytes(16, "little")) if kind is Imm.LANES else value)
        return None if not made else made[0] if len(made) == 1 else tuple(made)


def _reads_bits(tree: Tree) -> bool:
    """Whether an instruction that is no arithmetic on floats looks at what may be a NaN."""
    if not isinstance(tree, Apply) or OPS[tree.row].nan:
        return False
    return any(isinstance(arg, Apply) and OPS[arg.row].nan for arg in tree.args)
