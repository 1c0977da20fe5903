"""Instructions written by others that do the same.

    i32.clz      ->      i64.extend_i32_u  i64.clz  i32.wrap_i64  i32.const 32  i32.sub

``rules`` has them by the row's name. Most go through a wider type or through the complement; f32 through f64 is exact
for one operation, rounded once more (Figueroa 1995). What is wrong about an instruction by itself, in whatever code it
stands, shows here.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from wasm.fragment import Template, template
from wasm.isa import OPS, Instr, MemArg
from wasm.module import Module
from wasm.neutral.draws import Draws, many
from wasm.neutral.facts import Facts
from wasm.neutral.func_code import ELSE, END, FuncCode, in_functions
from wasm.rewrite.operands import Control
from wasm.valtypes import I32, I64, NumType, ValType

WEIGHT: Final = 14
_FEW: Final = 6
_FURTHEST: Final = 1 << 31
"""Accesses with a greater offset stay: the next byte's may not be one."""


def mutate(module: Module, draws: Draws, facts: Facts) -> Module | None:  # noqa: ARG001
    """Some or all instructions of a function that there is a rule for."""
    return in_functions(module, draws, lambda code: _edited(code, draws))


def _edited(func: FuncCode, draws: Draws) -> bool:
    places = [at for at in func.reachable if func.body[at][0].name in rules() or func.body[at][0].name in _SPECIAL]
    for at in many(draws, places, _FEW):
        made = instead(func, at)
        if made is not None:
            func.replace(at, at + 1, made)
    return func.write()


def instead(func: FuncCode, at: int) -> list[Instr] | None:
    """Other instructions for the one at a place, which may need new locals; None where there are none."""
    op, imm = func.body[at]
    if not func.room(3):
        return None
    if op.name in _SPECIAL:
        return _special(func, at)
    rule = rules()[op.name]
    operands = op.params or ()
    if not op.imms:
        names: dict[str, object] = dict(zip("abc", map(func.local, _numbers(operands)), strict=False))
        return _filled(op.name, names)
    assert isinstance(imm, MemArg)
    memory = func.module.memory_types()[imm.memory]
    address = I64 if memory.index64 else I32
    if imm.offset >= _FURTHEST or imm.align >= 16:
        return None
    names = {"a": func.local(address)}
    if len(operands) == 2:
        names["b"] = func.local(operands[1])  # type: ignore[arg-type]
    names |= {f"at{k}": MemArg(0, imm.offset + k, imm.memory) for k in (0, 2, 4)}
    return [*rule(**{name: names[name] for name in _holes(rule)})]


def _numbers(types: tuple[ValType | str, ...]) -> list[ValType]:
    return [type_ for type_ in types if isinstance(type_, NumType)]


def _holes(rule: Template) -> tuple[str, ...]:
    return rule.__code__.co_varnames[: rule.__code__.co_argcount]


def _filled(name: str, names: dict[str, object]) -> list[Instr]:
    """The rule of a row without immediates: operands from the stack into locals, and the code that reads them there."""
    rule = rules()[name]
    order = _holes(rule)
    sets: list[Instr] = [(OPS["local.set"], names[hole]) for hole in reversed("abc"[: len(OPS[name].params or ())])]
    return [*sets, *rule(**{hole: names[hole] for hole in order})]


_SPECIAL: Final = frozenset(("select", "select_t", "local.tee", "br_if"))


def _special(func: FuncCode, at: int) -> list[Instr] | None:
    """What has no type of its own."""
    op, imm = func.body[at]
    node = func.graph.nodes[at]
    if op.name == "local.tee":
        return [(OPS["local.set"], imm), (OPS["local.get"], imm)]
    if op.name == "br_if":
        carries = isinstance(node, Control) and node.carried
        return None if carries else [(OPS["if"], None), (OPS["br"], imm + 1), END]
    type_ = imm[0] if imm else node.ins[0].type
    if not isinstance(type_, NumType):
        return None
    a, b, c = func.local(type_), func.local(type_), func.local(I32)
    get = OPS["local.get"]
    sets = [(OPS["local.set"], place) for place in (c, b, a)]
    return [*sets, (get, c), (OPS["if"], type_), (get, a), ELSE, (get, b), END]


@lru_cache(maxsize=1)
def rules() -> dict[str, Template]:
    """By a row's name the code that gives the same, with its operands in locals ``$a``, ``$b`` and ``$c``; of an access
    the address is ``$a``, and ``$at2`` is the place two bytes behind its own."""
    texts = {**_integers(), **_floats(), **_vectors(), **_ACCESSES}
    return {name: template(_expanded(text)) for name, text in texts.items()}


def _expanded(text: str) -> str:
    """``a`` and its like alone stand for reading the local."""
    return " ".join(f"local.get ${word}" if word in ("a", "b", "c") else word for word in text.split())


def _integers() -> dict[str, str]:
    u, s = "i64.extend_i32_u", "i64.extend_i32_s"
    made = {
        "i32.clz": f"a {u} i64.clz i32.wrap_i64 i32.const 32 i32.sub",
        "i32.ctz": f"a {u} i64.const 0x100000000 i64.or i64.ctz i32.wrap_i64",
        "i32.popcnt": f"a {u} i64.popcnt i32.wrap_i64",
        "i64.ctz": "i64.const 0 a i64.sub a i64.and i64.const 1 i64.sub i64.popcnt",
        "i64.popcnt": f"a i32.wrap_i64 i32.popcnt a i64.const 32 i64.shr_u i32.wrap_i64 i32.popcnt i32.add {u}",
        "i64.extend_i32_s": f"a {u} i64.const 32 i64.shl i64.const 32 i64.shr_s",
        "i64.extend_i32_u": f"a {s} i64.const 0xffffffff i64.and",
        "i32.wrap_i64": "a i64.const 0xffffffff i64.and i32.wrap_i64",
        "i32.rotl": "a b i32.shl a i32.const 0 b i32.sub i32.shr_u i32.or",
        "i32.rotr": "a b i32.shr_u a i32.const 0 b i32.sub i32.shl i32.or",
        "i64.rotl": "a b i64.shl a i64.const 0 b i64.sub i64.shr_u i64.or",
        "i64.rotr": "a b i64.shr_u a i64.const 0 b i64.sub i64.shl i64.or",
        "i64.add": "a i64.const 0 b i64.sub i64.sub",
        "i64.sub": "a b i64.const -1 i64.xor i64.add i64.const 1 i64.add",
        "i64.and": "a b i64.or a b i64.xor i64.xor",
        "i64.or": "a b i64.and a b i64.xor i64.xor",
        "i64.xor": "a b i64.or a b i64.and i64.sub",
        "i64.eq": "a b i64.xor i64.eqz",
        "i64.ne": "a b i64.sub i64.eqz i32.eqz",
        "i64.mul": "a b i64.const 0xffffffff i64.and i64.mul a b i64.const 32 i64.shr_u i64.mul i64.const 32 i64.shl "
                   "i64.add",
    }  # fmt: skip
    for type_, widths in (("i32", (8, 16)), ("i64", (8, 16, 32))):
        made[f"{type_}.eqz"] = f"a {type_}.const 0 {type_}.eq"
        for width in widths:
            shift = f"{type_}.const {int(type_[1:]) - width}"
            made[f"{type_}.extend{width}_s"] = f"a {shift} {type_}.shl {shift} {type_}.shr_s"
    for word in ("add", "sub", "mul", "and", "or", "xor", "div_u", "rem_u", "rem_s"):
        extend = s if word.endswith("_s") else u
        made[f"i32.{word}"] = f"a {extend} b {extend} i64.{word} i32.wrap_i64"
    for word in ("shl", "shr_u", "shr_s"):
        made[f"i32.{word}"] = f"a {s if word == 'shr_s' else u} b i32.const 31 i32.and {u} i64.{word} i32.wrap_i64"
    for word in ("eq", "ne", "lt_s", "lt_u", "gt_s", "gt_u", "le_s", "le_u", "ge_s", "ge_u"):
        extend = s if word.endswith("_s") else u
        made[f"i32.{word}"] = f"a {extend} b {extend} i64.{word}"
        if "_" in word:
            least = "i64.const 0x8000000000000000 i64.xor"
            other = word[:-1] + ("u" if word.endswith("s") else "s")
            made[f"i64.{word}"] = f"a {least} b {least} i64.{other}"
    return made


def _floats() -> dict[str, str]:
    wide, narrow = "f64.promote_f32", "f32.demote_f64"
    made = {
        "f32.neg": "a i32.reinterpret_f32 i32.const 0x80000000 i32.xor f32.reinterpret_i32",
        "f32.abs": "a i32.reinterpret_f32 i32.const 0x7fffffff i32.and f32.reinterpret_i32",
        "f64.neg": "a i64.reinterpret_f64 i64.const 0x8000000000000000 i64.xor f64.reinterpret_i64",
        "f64.abs": "a i64.reinterpret_f64 i64.const 0x7fffffffffffffff i64.and f64.reinterpret_i64",
        "f32.convert_i32_s": f"a f64.convert_i32_s {narrow}",
        "f32.convert_i32_u": f"a f64.convert_i32_u {narrow}",
        "f64.convert_i32_s": "a i64.extend_i32_s f64.convert_i64_s",
        "f64.convert_i32_u": "a i64.extend_i32_u f64.convert_i64_s",
        "f64.ne": "a b f64.eq i32.eqz",
        "f64.le": "a b f64.lt a b f64.eq i32.or",
        "f64.ge": "a b f64.gt a b f64.eq i32.or",
    }
    for type_, bits in (("f32", "i32"), ("f64", "i64")):
        top = 1 << int(bits[1:]) - 1
        made[f"{type_}.copysign"] = (
            f"a {bits}.reinterpret_{type_} {bits}.const {top - 1} {bits}.and "
            f"b {bits}.reinterpret_{type_} {bits}.const {top} {bits}.and {bits}.or {type_}.reinterpret_{bits}"
        )
    for word in ("sqrt", "ceil", "floor", "trunc", "nearest"):
        made[f"f32.{word}"] = f"a {wide} f64.{word} {narrow}"
    for word in ("add", "sub", "mul", "div", "min", "max"):
        made[f"f32.{word}"] = f"a {wide} b {wide} f64.{word} {narrow}"
    for word in ("eq", "ne", "lt", "gt", "le", "ge"):
        made[f"f32.{word}"] = f"a {wide} b {wide} f64.{word}"
    for type_ in ("i32", "i64"):
        for sign in "su":
            made[f"{type_}.trunc_f32_{sign}"] = f"a {wide} {type_}.trunc_f64_{sign}"
            made[f"{type_}.trunc_sat_f32_{sign}"] = f"a {wide} {type_}.trunc_sat_f64_{sign}"
    return made


def _vectors() -> dict[str, str]:
    zero = "v128.const i32x4 0 0 0 0"
    ones = "v128.const i32x4 -1 -1 -1 -1"
    made = {
        "v128.not": f"a {ones} v128.xor",
        "v128.andnot": "a b v128.not v128.and",
        "v128.and": "a b v128.not v128.andnot",
        "v128.or": "a v128.not b v128.not v128.and v128.not",
        "v128.xor": "a b v128.andnot b a v128.andnot v128.or",
        "v128.bitselect": "a c v128.and b c v128.andnot v128.or",
    }
    for shape in ("i8x16", "i16x8", "i32x4", "i64x2"):
        made[f"{shape}.sub"] = f"a b {shape}.neg {shape}.add"
        made[f"{shape}.add"] = f"a {zero} b {shape}.sub {shape}.sub"
        made[f"{shape}.neg"] = f"{zero} a {shape}.sub"
        made[f"{shape}.abs"] = f"a {shape}.neg a a {zero} {shape}.lt_s v128.bitselect"
        for word, other in (("eq", "ne"), ("ne", "eq")):
            made[f"{shape}.{word}"] = f"a b {shape}.{other} v128.not"
        for sign in ("s", "u") if shape != "i64x2" else ("s",):
            for word, other in (("lt", "ge"), ("ge", "lt"), ("gt", "le"), ("le", "gt")):
                made[f"{shape}.{word}_{sign}"] = f"a b {shape}.{other}_{sign} v128.not"
            if shape != "i64x2":
                for word, than in (("min", "lt"), ("max", "gt")):
                    made[f"{shape}.{word}_{sign}"] = f"a b a b {shape}.{than}_{sign} v128.bitselect"
    for shape, width in (("i8x16", 8), ("i16x8", 16), ("i32x4", 32), ("i64x2", 64)):
        for word in ("shl", "shr_s", "shr_u"):
            made[f"{shape}.{word}"] = f"a b i32.const {width - 1} i32.and {shape}.{word}"
    lanes = [f"a i64x2.extract_lane {lane} b i64x2.extract_lane {lane} i64.mul" for lane in (0, 1)]
    made["i64x2.mul"] = f"{lanes[0]} i64x2.splat {lanes[1]} i64x2.replace_lane 1"
    for shape in ("f32x4", "f64x2"):
        for word, other in (("eq", "ne"), ("ne", "eq")):
            made[f"{shape}.{word}"] = f"a b {shape}.{other} v128.not"
    return made


_ACCESSES: Final = {
    "i32.load": "local.set $a a i32.load16_u imm=$at0 a i32.load16_u imm=$at2 i32.const 16 i32.shl i32.or",
    "i64.load": "local.set $a a i64.load32_u imm=$at0 a i64.load32_u imm=$at4 i64.const 32 i64.shl i64.or",
    "f32.load": "i32.load imm=$at0 f32.reinterpret_i32",
    "f64.load": "i64.load imm=$at0 f64.reinterpret_i64",
    "i32.load8_s": "i32.load8_u imm=$at0 i32.extend8_s",
    "i32.load16_s": "i32.load16_u imm=$at0 i32.extend16_s",
    "i64.load32_s": "i64.load32_u imm=$at0 i64.extend32_s",
    "i32.store": "local.set $b local.tee $a i32.load imm=$at0 drop a b i32.store16 imm=$at0 a b i32.const 16 i32.shr_u "
                 "i32.store16 imm=$at2",
    "i64.store": "local.set $b local.tee $a i64.load imm=$at0 drop a b i64.store32 imm=$at0 a b i64.const 32 i64.shr_u "
                 "i64.store32 imm=$at4",
    "f32.store": "i32.reinterpret_f32 i32.store imm=$at0",
    "f64.store": "i64.reinterpret_f64 i64.store imm=$at0",
}  # fmt: skip
