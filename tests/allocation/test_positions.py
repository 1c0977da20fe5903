"""The grid of positions, and its picture in docs/regalloc.md, drawn here from what the scan makes of the example."""

from __future__ import annotations

from pathlib import Path

from compiler.machine_text import inst_text, parse_case
from compiler.regalloc.backtracking.ranges import LiveRange, build_ranges
from compiler.regalloc.flow import analyse
from compiler.regalloc.positions import after, clobbers, early, inst_of, is_early, late, next_inst, point

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "regalloc.md"
EXAMPLE = """\
registers int:0 int:1 int:2
scratch int:31 float:31
function example
block 0
  args v0:i64>fixed(int:0) v1:i64>fixed(int:1)
  add v0<reg v1<any v2:i64>reuse(0)
  call v2<fixed(int:0) !int:0 !int:1
  ret v1<reg => .
"""
NAMES = 6
"""Columns before the grid."""


def picture() -> str:
    """One column group of four positions per instruction, a row per VReg; ``#`` where it lives, ``!`` a clobber."""
    func, env = parse_case(EXAMPLE)
    flow = analyse(func)
    ranges = build_ranges(flow, env)
    count = after(len(flow.insts) - 1)
    lines = [f"{inst_of(early(i)):>{NAMES}}  {inst_text(inst, func)}" for i, inst in enumerate(flow.insts)]
    lines += ["", " " * NAMES + "".join(f"{at:>3}" for at in range(count))]
    moments = {0: "E", 1: "C", 2: "L", 3: "."}
    lines.append(" " * NAMES + "".join(f"{moments[at % 4]:>3}" for at in range(count)))
    for vreg, of in enumerate(ranges.of):
        lines.append(f"{f'v{vreg}':<{NAMES}}" + "".join(f"{_mark(of, at):>3}" for at in range(count)).rstrip())
    ended = sorted({at for positions in ranges.clobbers.values() for at in positions})
    lines.append(f"{'ended':<{NAMES}}" + "".join(f"{'!' if at in ended else '':>3}" for at in range(count)).rstrip())
    return "\n".join(f"    {line}".rstrip() for line in lines) + "\n"


def _mark(ranges: list[LiveRange], at: int) -> str:
    return "#" if any(start <= at < end for start, end, _ in ranges) else ""


def test_the_page_shows_the_grid() -> None:
    assert picture() in PAGE.read_text(encoding="utf-8"), picture()


def test_a_value_lives_from_late_to_past_its_last_early_use() -> None:
    func, env = parse_case(EXAMPLE)
    of = build_ranges(analyse(func), env).of
    assert of[0] == [(late(0), clobbers(1), 0)]
    assert of[1] == [(late(0), clobbers(3), 1)]
    assert of[2] == [(late(1), clobbers(2), 2)]


def test_positions_and_points_are_in_program_order() -> None:
    for inst in range(3):
        moments = (early(inst), clobbers(inst), late(inst))
        assert sorted(moments) == list(moments)
        assert {inst_of(at) for at in moments} == {inst}
        assert [is_early(at) for at in moments] == [True, False, False]
        assert after(inst) == early(inst + 1)
        assert point(inst, 0) < point(inst, 1) < point(inst + 1, 0)
        assert (next_inst(point(inst, 0)), next_inst(point(inst, 1))) == (inst, inst + 1)
