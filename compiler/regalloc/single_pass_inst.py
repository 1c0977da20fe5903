"""One instruction of the single-pass allocator, and the state that the scan carries from one to the one before it."""

from __future__ import annotations

from compiler.machine import (
    ConstraintKind,
    MachineEnv,
    MachineInst,
    OperandKind,
    TooManyLiveRegs,
    VReg,
)
from compiler.regalloc.flow import Flow
from compiler.regalloc.places import (
    DEFINITION,
    FIXUP,
    SCRATCH_SOURCE,
    SCRATCH_TARGET,
    MoveGroups,
    Place,
    Slots,
    hw_of,
    place_of,
    registers_of,
    scratch_places,
)
from compiler.regalloc.requirements import (
    ANY_REGISTER,
    EARLY,
    LATE,
    THROUGH,
    Demand,
    assign,
    clobbered_places,
    operand_span,
    reuse_need,
)
from wasm.valtypes import F32, F64, V128


class ScanState:
    """What is where at the current point: the header of ``single_pass`` has the rules."""

    def __init__(self, flow: Flow, env: MachineEnv) -> None:
        self.flow = flow
        self.types = flow.func.vregs
        self.floats = [type_ is F64 or type_ is F32 or type_ is V128 for type_ in self.types]
        self.registers = registers_of(env)
        self.allocatable = frozenset(self.registers[0] + self.registers[1])
        self.scratch = scratch_places(env)
        self.slots = Slots()
        self.slot_of: dict[VReg, Place] = {}
        self.groups = MoveGroups()
        self.operands: list[list[Place]] = [[] for _ in flow.insts]
        self.home: dict[VReg, Place] = {}
        self.held: dict[Place, VReg] = {}
        self.touched = dict.fromkeys(self.allocatable, len(flow.insts))
        self.evictions = 0
        # What crosses an edge does so in its slot, so its definition must store it, wherever that is met.
        for live_in, block in zip(flow.live_in, flow.func.blocks, strict=True):
            for vreg in (*sorted(live_in), *block.params):
                self.slot(vreg)

    def slot(self, vreg: VReg) -> Place:
        place = self.slot_of.get(vreg)
        if place is None:
            place = self.slot_of[vreg] = self.slots.new(self.types[vreg] is V128)
        return place


class InstScan:
    """One instruction: what its operands get, and the state before it from the state after it.

    ``early`` and ``late`` are the registers taken at those moments and for which VReg. ``run`` changes the scan's state
    only once every demand is met; ``clear`` first takes every register from what only passes through.
    """

    def __init__(self, scan: ScanState, number: int, inst: MachineInst, clear: bool = False) -> None:
        self.scan = scan
        self.number = number
        self.inst = inst
        self.clear = clear
        self.places: list[Place] = [-1] * len(inst.operands)
        self.early: dict[Place, VReg] = {}
        self.late: dict[Place, VReg] = {}
        self.clobbers = clobbered_places(inst) if inst.clobbers else frozenset[Place]()
        self.reused: dict[int, int] = {}  # the reused input's operand: the definition's
        self.defined: dict[VReg, int] = {}
        self.evicted: list[VReg] = []
        self.wanted: dict[VReg, tuple[int, int, list[int]]] = {}  # need, span, operands

    def run(self) -> bool:
        """Whether the instruction's demands could be met; if not, nothing has changed."""
        self._fixed()
        self._pass_through()
        self._definitions()
        self._inputs()
        if not self._meet_demands():
            return False
        self._commit_definitions()
        self._commit_inputs()
        return True

    def _take(self, place: Place, vreg: VReg, span: int) -> None:
        for moment, taken in ((EARLY, self.early), (LATE, self.late)):
            if span & moment and taken.setdefault(place, vreg) != vreg:
                raise TooManyLiveRegs(f"{self.inst.name} needs one register for two values", self.number)
        if span == THROUGH and place in self.clobbers:
            raise TooManyLiveRegs(f"{self.inst.name} clobbers a register that it needs", self.number)

    def _fixed(self) -> None:
        """Give fixed operands their registers, and find out what is reused and defined."""
        operands = self.inst.operands
        held_inputs = []
        for k, (vreg, constraint, kind, pos) in enumerate(operands):
            if kind is OperandKind.DEF:
                self.defined[vreg] = k
            if constraint.kind is ConstraintKind.REUSE:
                self.reused[constraint.number] = k
                constraint = operands[constraint.number].constraint
            if constraint.kind is ConstraintKind.FIXED:
                assert constraint.preg is not None
                place = self.places[k] = place_of(constraint.preg)
                if place in self.scan.allocatable:
                    self._take(place, vreg, operand_span(kind, pos, False))
                    if kind is OperandKind.USE:
                        held_inputs.append((place, vreg))
        if self.reused:
            for place, vreg in held_inputs:
                self.late.setdefault(place, vreg)

    def _pass_through(self) -> None:
        """Evict values that live through the instruction from registers that it takes or clobbers."""
        held = self.scan.held
        if self.clear:
            self.evicted = [vreg for vreg in held.values() if vreg not in self.defined]
            return
        if not held:
            return
        for place in {*self.early, *self.late, *self.clobbers}:
            vreg = held.get(place)
            if (
                vreg is not None
                and vreg not in self.defined
                and (
                    place in self.clobbers or self.early.get(place, vreg) != vreg or self.late.get(place, vreg) != vreg
                )
            ):
                self.evicted.append(vreg)

    def _home(self, vreg: VReg) -> Place | None:
        """The register that a value living through the instruction keeps."""
        return None if vreg in self.evicted else self.scan.home.get(vreg)

    def _want(self, vreg: VReg, need: int, span: int, k: int) -> None:
        known = self.wanted.get(vreg)
        if known is None:
            self.wanted[vreg] = (need, span, [k])
        else:
            known_need, known_span, ks = known
            self.wanted[vreg] = (min(need, known_need), span | known_span, [*ks, k])

    def _definitions(self) -> None:
        scan = self.scan
        for vreg, k in self.defined.items():
            if self.places[k] >= 0:
                continue
            _, constraint, kind, pos = self.inst.operands[k]
            span = operand_span(kind, pos, False)
            need = 0
            if constraint.kind is ConstraintKind.REG:
                need = ANY_REGISTER
            elif constraint.kind is ConstraintKind.REUSE:
                need = reuse_need(self.inst.operands[constraint.number].constraint)
            elif constraint.kind is ConstraintKind.LIMIT:
                need = constraint.number
            elif constraint.kind is ConstraintKind.STACK:
                self.places[k] = scan.slot(vreg)
                continue
            home = scan.home.get(vreg)
            fits = (
                home is not None
                and (hw_of(home) < need or not need)
                and home not in self.late
                and not (span & EARLY and home in self.early)
                and not (span == THROUGH and home in self.clobbers)
            )
            if fits and home is not None and not self.clear:
                self.places[k] = home
                self._take(home, vreg, span)
            elif need:
                self._want(vreg, need, span, k)
            else:
                self.places[k] = scan.slot(vreg)

    def _inputs(self) -> None:
        """Inputs that need a register: the one they live in, one they are fixed in, or else a demand."""
        has_reuse = bool(self.reused)
        for k, (vreg, constraint, kind, pos) in enumerate(self.inst.operands):
            if kind is OperandKind.DEF or self.places[k] >= 0 or k in self.reused:
                continue
            if constraint.kind is ConstraintKind.REG:
                need = ANY_REGISTER
            elif constraint.kind is ConstraintKind.LIMIT:
                need = constraint.number
            else:
                continue
            span = operand_span(kind, pos, has_reuse)
            home = self._home(vreg)
            if home is not None and hw_of(home) < need:
                self.places[k] = home
                continue
            for place, owner in self.early.items():
                if owner == vreg and hw_of(place) < need and self._holds(place, vreg, span):
                    self.places[k] = place
                    break
            else:
                self._want(vreg, need, span, k)

    def _holds(self, place: Place, vreg: VReg, span: int) -> bool:
        """Whether a register taken for ``vreg`` early is still its own over ``span``."""
        if span & LATE and self.late.get(place) != vreg:
            return False
        return span != THROUGH or place not in self.clobbers

    def _meet_demands(self) -> bool:
        if not self.wanted:
            return True
        if self.clear:
            return self._meet_exactly()
        scan = self.scan
        # What passes through holds its register at both moments.
        keeps = {place: vreg for place, vreg in scan.held.items() if vreg not in self.defined}
        for vreg in self.evicted:
            del keeps[scan.home[vreg]]
        order = list(self.wanted.items())
        if len(order) > 1:
            order.sort(key=_hardest_first)
        for vreg, (need, span, ks) in order:
            place = self._free(vreg, need, span, keeps)
            if place is None:
                place = self._evict(vreg, need, span, keeps)
            if place is None:
                return False
            self._take(place, vreg, span)
            for k in ks:
                self.places[k] = place
        return True

    def _free(self, vreg: VReg, need: int, span: int, keeps: dict[Place, VReg]) -> Place | None:
        early, late, clobbers, held = self.early, self.late, self.clobbers, self.scan.held
        second = None
        for place in self.scan.registers[self.scan.floats[vreg]]:
            if (
                hw_of(place) < need
                and place not in keeps
                and not (span & EARLY and place in early)
                and not (span & LATE and place in late)
                and not (span == THROUGH and place in clobbers)
            ):
                if place not in held:
                    return place
                # Some definition of this instruction lives here afterwards, which had to be put elsewhere.
                second = place
        return second

    def _evict(self, vreg: VReg, need: int, span: int, keeps: dict[Place, VReg]) -> Place | None:
        """Take the register touched longest ago from a value that passes through unused."""
        best, oldest = None, -1
        touched = self.scan.touched
        used = set(self.places)
        for place in self.scan.registers[self.scan.floats[vreg]]:
            if (
                hw_of(place) < need
                and place in keeps
                and place not in used
                and touched[place] > oldest
                and not (span & EARLY and place in self.early)
                and not (span & LATE and place in self.late)
                and not (span == THROUGH and place in self.clobbers)
            ):
                best, oldest = place, touched[place]
        if best is not None:
            self.evicted.append(keeps.pop(best))
        return best

    def _meet_exactly(self) -> bool:
        for floats in (False, True):
            vregs = [vreg for vreg in self.wanted if self.scan.floats[vreg] is floats]
            wanted = [self.wanted[vreg] for vreg in vregs]
            demands = [Demand(need, span) for need, span, _ in wanted]
            places = assign(demands, self.scan.registers[floats], self.early, self.late, self.clobbers)
            if places is None:
                return False
            for vreg, place, (_, span, ks) in zip(vregs, places, wanted, strict=True):
                self._take(place, vreg, span)
                for k in ks:
                    self.places[k] = place
        return True

    # From here on nothing can fail.

    def _commit_definitions(self) -> None:
        scan, number = self.scan, self.number
        point, after = number, 1
        if self.inst.edges:
            # A terminator's results exist on its first edge, whose target has no other way in.
            point, after = scan.flow.first[self.inst.edges[0].block], 0
        homes, held = scan.home, scan.held
        for vreg in self.evicted:
            # Its slot has held the value since its definition, so the register is given back by a load and no store.
            home = homes.pop(vreg)
            del held[home]
            scan.groups.add(number, 1, DEFINITION, (scan.slot(vreg), home, scan.types[vreg]))
        scan.evictions += len(self.evicted)
        for vreg, k in self.defined.items():
            source = self.places[k]
            if self.inst.operands[k].constraint.kind is ConstraintKind.REUSE:
                self.places[self.inst.operands[k].constraint.number] = source
            if source in scan.scratch:
                # The parallel moves that follow may need the scratch register, and the home's last value too.
                slot = scan.slot(vreg)
                scan.groups.add(point, after, SCRATCH_SOURCE, (source, slot, scan.types[vreg]))
                source = slot
            if vreg in homes:
                home = homes.pop(vreg)
                del held[home]
                if home != source:
                    scan.groups.add(point, after, DEFINITION, (source, home, scan.types[vreg]))
            slot = scan.slot_of.get(vreg, source)
            if slot != source:
                scan.groups.add(point, after, DEFINITION, (source, slot, scan.types[vreg]))

    def _commit_inputs(self) -> None:
        """Homes for the inputs that have none yet, and copies from homes to where else they are wanted."""
        scan, places, number = self.scan, self.places, self.number
        homes, held = scan.home, scan.held
        operands = self.inst.operands
        # The registers of values that live on. What gets a home below keeps it for its own span here only.
        through = set(held)
        for k, (vreg, _, kind, _) in enumerate(operands):
            place = places[k]
            if kind is OperandKind.USE and place in scan.allocatable:
                scan.touched[place] = number
                if vreg not in homes:
                    homes[vreg] = place
                    held[place] = vreg
                self.early.setdefault(place, vreg)
        for k, (vreg, constraint, kind, pos) in enumerate(operands):
            if kind is OperandKind.DEF:
                continue
            place = places[k]
            if place < 0:
                if constraint.kind is ConstraintKind.STACK:
                    places[k] = scan.slot(vreg)
                else:
                    places[k] = self._any(vreg, operand_span(kind, pos, bool(self.reused)), through)
                continue
            source = homes.get(vreg)
            if source is None:
                source = scan.slot(vreg)
            if source != place:
                order = SCRATCH_TARGET if place in scan.scratch else FIXUP
                scan.groups.add(number, 0, order, (source, place, scan.types[vreg]))

    def _any(self, vreg: VReg, span: int, through: set[Place]) -> Place:
        """A place for an input that takes any: its home, a register that is free, or its slot."""
        scan = self.scan
        home = scan.home.get(vreg)
        if home is not None:
            # A home that lives through holds it all along; one that this instruction gave it, for its span only.
            return home if span == EARLY or home in through or self._holds(home, vreg, span) else scan.slot(vreg)
        if len(scan.held) >= len(scan.allocatable):
            return scan.slot(vreg)
        for place in scan.registers[scan.floats[vreg]]:
            if (
                place not in scan.held
                and place not in self.early
                and not (span & LATE and place in self.late)
                and not (span == THROUGH and place in self.clobbers)
            ):
                scan.home[vreg] = place
                scan.held[place] = vreg
                self._take(place, vreg, span)
                return place
        return scan.slot(vreg)


def _hardest_first(wanted: tuple[VReg, tuple[int, int, list[int]]]) -> tuple[int, int]:
    """Longer spans before shorter ones, tighter limits before looser ones."""
    _, (need, span, _) = wanted
    return -span, need
