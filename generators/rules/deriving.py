"""From rules to aims: shapes, types, constants, and the instructions whose translation they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice, product
from typing import Any, Final

from generators.aims.aim import Aim, Apply, result_type
from generators.aims.aim import Leaf as AimLeaf
from generators.aims.aim import parts as aim_parts
from generators.enumeration.listing import strided
from generators.isle.program import Call, Program, Rule
from generators.rules.clif import FLOATCCS, FOREIGN, INTCCS, TYPES, shape
from generators.rules.constants import holes_of, solved
from generators.rules.functions import TYPE_CHECKS
from generators.rules.matching import Matcher
from generators.rules.reaching import Reacher, Stack
from generators.rules.skeletons import Grower, NotDerived
from generators.rules.trees import Hole, Leaf, Node, Relation, State, TypeVar, filled, parts
from generators.rules.typings import VOID, fits
from wasm.isa import OPS

_AIMS: Final = 5
"""Of one rule whose pattern is one tree: types, conditions, ways to write it."""
_EACH: Final = 2
"""Of each tree, where its conditions leave several."""
_CONDITIONS: Final = 12
"""Of comparisons whose condition is open, for each choice of types."""
_SOLUTIONS: Final = 48
_SEARCHES: Final = 14
"""For constants, of one tree, that come to nothing: types differ little in that."""
_STAND_IN: Final = 1_000_000


class NoConstants(NotDerived):
    """The rule takes no tree of these types with any constants that were tried."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A rule with its aims, or why it has none. ``trees`` are what each aim was made of, with the first constants
    inside."""

    rule: Rule
    aims: tuple[Aim, ...]
    reason: str = ""
    trees: tuple[Leaf | Node, ...] = ()


@dataclass(slots=True)
class Deriver:
    """The rules of one program. ``others`` are rules with which the same release prepares what these look at: the
    mid-end's for a machine's lowering rules."""

    program: Program
    others: Program | None = None
    _impossible: set[tuple[str, str]] = field(default_factory=set)
    _makers: dict[tuple[int, str], list[Rule]] = field(default_factory=dict)

    def derive(self, rule: Rule) -> Derived:
        """The aims of a rule."""
        reasons: Counter[str] = Counter()
        try:
            found = list(self._aims(rule, reasons))
        except NotDerived as why:
            return Derived(rule, (), str(why))
        reason = reasons.most_common(1)[0][0] if reasons else "no types fit its operators"
        aims, trees = (tuple(column) for column in zip(*found, strict=True)) if found else ((), ())
        return Derived(rule, aims, "" if aims else reason, trees)

    def _aims(self, rule: Rule, reasons: Counter[str]) -> Iterator[tuple[Aim, Leaf | Node]]:
        seen = set()
        foreign = False
        trees = Grower(self.program).trees(rule)
        for grown, state in trees:
            left = _AIMS if len(trees) == 1 else _EACH
            if any(isinstance(part, Hole) and part.kind == "intcc" for part in parts(state.whole(grown))):
                left = _CONDITIONS
            tree = state.whole(grown)
            assert isinstance(tree, Leaf | Node)
            given = list(islice(solutions(tree, state), _SOLUTIONS))
            searches = _SEARCHES
            foreign |= not given and _is_foreign(tree, state)
            for values in given:
                try:
                    aim, example = self._aim(rule, filled(tree, values), state)
                except NoConstants as why:
                    reasons[str(why)] += 1
                    searches -= 1
                    if not searches:
                        break
                    continue
                except NotDerived as why:
                    reasons[str(why)] += 1
                    continue
                if aim.tree not in seen:
                    seen.add(aim.tree)
                    yield aim, example
                    left -= 1
                    if not left:
                        break
        if foreign:
            reasons["types that no instruction of WebAssembly has: 128-bit integers, f16, halves of vectors"] += 1

    def _aim(self, rule: Rule, tree: object, state: State) -> tuple[Aim, Leaf | Node]:
        assert isinstance(tree, Leaf | Node)
        matcher = Matcher(self.program)

        def holds(values: Mapping[object, object]) -> bool:
            return matcher.takes(rule, filled(tree, values))

        reacher = Reacher(self.other)
        reached, branch = reacher.root(tree)
        missing = next((p.row for p in aim_parts(reached) if isinstance(p, Apply) and p.row not in OPS), "")
        if missing:
            raise NotDerived(f"there is no instruction {missing}")
        result_type(reached)
        leaves = {leaf for leaf in aim_parts(reached) if isinstance(leaf, AimLeaf)}
        names = {leaf.name for leaf in leaves}
        if len(names) < len(leaves) or any(f"v{name[1:]}" in names for name in names if name[0] == "n"):
            raise NotDerived("a narrow value that is used in two ways")
        inside, outside = solved(tree, rule, holds, state.hints())
        order = list(holes_of(tree))
        # A narrow constant beside what is extended by its sign has to be one that is not negative.
        small = [at for at, hole in enumerate(order) if hole in reacher.small]
        inside, outside = ([one for one in some if all(one[at] < 128 for at in small)] for some in (inside, outside))
        if not inside and not order:
            raise NotDerived("its conditions hold for none of its types")
        if not inside:
            raise NoConstants("no constants were found that fulfil its conditions")
        matcher.used.clear()
        for values in inside:
            holds(dict(zip(order, values, strict=True)))
        places = sorted((number, order.index(hole)) for hole, number in reacher.holes.items())
        found, missed = ([tuple(one[at] for _, at in places) for one in some] for some in (inside, outside))
        aim = Aim(
            reached,
            tuple(dict.fromkeys(found)),
            tuple(one for one in dict.fromkeys(missed) if one not in found),
            tuple(dict.fromkeys((rule.place, *state.through, *sorted(matcher.used)))),
            tuple(sorted(matcher.undecided)),
            branch,
        )
        return aim, filled(tree, dict(zip(order, inside[0], strict=True)))

    # --- what other rules make ---------------------------------------------------------------------------------------

    def other(self, node: Node, stack: Stack) -> Node | None:
        """A tree that some rule rewrites to this operator, and that instructions are translated to."""
        key = stack[-1]
        if key in self._impossible:
            return None
        for program in (self.program, self.others):
            for rule in self._making(program, node.op) if program is not None else ():
                for shape_, tree in self._before(program, rule, node):  # type: ignore[arg-type]
                    if self._reaches(shape_, stack):
                        return tree
        if len(stack) == 1:
            self._impossible.add(key)
        return None

    def _reaches(self, tree: Node, stack: Stack) -> bool:
        reacher = Reacher(self.other, stack)
        try:
            if tree.type in ("i8", "i16"):
                reacher.wrapped(tree)
            else:
                reacher.reach(tree)
        except NotDerived:
            return False
        return True

    def _making(self, program: Program, op: str) -> list[Rule]:
        """The mid-end rules whose result is that operator, short ones first."""
        key = id(program), op
        if key not in self._makers:
            found = [rule for rule in program.of("simplify") if (right := _right(rule)) and right.term == op]
            self._makers[key] = sorted(found, key=lambda rule: (len(repr(rule.left)), rule.place))[:24]
        return self._makers[key]

    def _before(self, program: Program, rule: Rule, node: Node) -> Iterator[tuple[Node, Node]]:
        """The trees that a rule rewrites to a node: with leaves for what it takes over as it is, and with that."""
        right = _right(rule)
        assert right is not None
        for env in Matcher(program).match(right, node, {}):
            stand_ins: dict[object, object] = {}
            given = {}
            for at, (name, value) in enumerate(env.items()):
                given[name] = value
                if isinstance(value, Node):
                    given[name] = Leaf(_STAND_IN + at, value.type)
                    stand_ins[given[name]] = value
            try:
                for grown, _, state in Grower(program).grow(rule.left.args[0], "value", given, State(count=2_000_000)):
                    tree = state.whole(grown)
                    if not isinstance(tree, Node) or any(isinstance(p, Node) and p.op == node.op for p in parts(tree)):
                        continue
                    for values in islice(solutions(tree, state), 4):
                        made = filled(tree, values)
                        if isinstance(made, Node) and made.type == node.type:
                            yield from _closed(program, rule, made, stand_ins, state.hints())
            except NotDerived:
                continue


def _closed(
    program: Program, rule: Rule, tree: Node, stand_ins: Mapping[object, object], hints: Mapping[Hole, int]
) -> Iterator[tuple[Node, Node]]:
    """The tree with the first constants that the rule takes."""
    matcher = Matcher(program)
    inside, _ = solved(tree, rule, lambda values: matcher.takes(rule, filled(tree, values)), hints)
    if inside and not matcher.undecided:
        known: dict[Any, Any] = dict(zip(holes_of(tree), inside[0], strict=True))
        made = filled(tree, known)
        yield made, filled(made, stand_ins)


def _right(rule: Rule) -> Call | None:
    right = rule.right
    while isinstance(right, Call) and right.term in ("subsume", "remat"):
        right = right.args[0]
    return right if isinstance(right, Call) else None


# --- types ------------------------------------------------------------------------------------------------------------


def _is_foreign(tree: Leaf | Node, state: State) -> bool:
    """Whether a tree has types only where they are not ours."""
    return next(solutions(tree, state, (*TYPES, *FOREIGN, "i8x8", "i16x4", "i32x2", "f32x2")), None) is not None


def solutions(tree: Leaf | Node, state: State, domain: Sequence[str] = TYPES) -> Iterator[Mapping[object, object]]:
    """What type variables, and conditions of comparisons, may be, so that every operator has a typing."""
    relations = [
        Relation(one.name, _seen(state, one.result), tuple(_seen(state, arg) for arg in one.args), one.check)
        for one in state.relations
    ]
    variables: list[TypeVar] = []
    for part in parts(tree):
        if not isinstance(part, Hole):
            _add(variables, part.type)
    for relation in relations:
        if not relation.check:
            _add(variables, relation.result)
            for arg in relation.args:
                _add(variables, arg)
    holes = [
        part for part in dict.fromkeys(parts(tree)) if isinstance(part, Hole) and part.kind in ("intcc", "floatcc")
    ]
    conditions = strided(list(product(*(INTCCS if hole.kind == "intcc" else FLOATCCS for hole in holes))))
    for turn, types in enumerate(_typed(variables, relations, {}, domain)):
        for at in range(min(_CONDITIONS, len(conditions))):
            chosen = conditions[(turn * _CONDITIONS + at) % len(conditions)]
            yield {**types, **dict(zip(holes, chosen, strict=True))}


def _seen(state: State, type_: object) -> str | TypeVar:
    found = state.seen(type_)
    assert isinstance(found, str | TypeVar)
    return found


def _add(variables: list[TypeVar], type_: object) -> None:
    if isinstance(type_, TypeVar) and type_ not in variables:
        variables.append(type_)


def _typed(
    variables: Sequence[TypeVar], relations: Sequence[Relation], types: dict[object, object], domain: Sequence[str]
) -> Iterator[dict[object, object]]:
    """Types for the variables, one after another, each as soon as a relation can be checked."""
    if not all(_holds(one, types) for one in relations):
        return
    if not variables:
        yield types
        return
    for type_ in domain:
        yield from _typed(variables[1:], relations, {**types, variables[0]: type_}, domain)


def _holds(relation: Relation, types: Mapping[object, object]) -> bool:
    """Whether a relation holds, or cannot be told yet."""
    result = types.get(relation.result, relation.result)
    if isinstance(result, TypeVar):
        return True
    assert isinstance(result, str)
    if relation.check:
        if result == VOID:
            return False
        if relation.name in ("multi_lane", "dynamic_lane"):
            parts_ = shape(result)
            wanted = zip((parts_.bits, parts_.lanes), relation.args, strict=False)
            return relation.name == "multi_lane" and parts_.lanes > 1 and all(w in ("", str(n)) for n, w in wanted)
        return TYPE_CHECKS[relation.name](result)
    args = tuple(types.get(arg, arg) for arg in relation.args)
    if any(isinstance(arg, TypeVar) for arg in args):
        return True
    return fits(relation.name, result, args)  # type: ignore[arg-type]  # all of them are names now
