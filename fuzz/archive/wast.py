"""A case as a script of the official test suite (``.wast``), with assertions: the form that upstream reports want."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from fuzz.archive.stand_ins import HOST_TEXT, Registered, stand_ins, stand_ins_of
from fuzz.records.printable import one_line
from oracles.interpreter import run_case
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Exhausted, FreeNan, Invocation, Outcome, Rejected, Returned, Threw, Trapped, Value
from wasm.errors import WasmError
from wasm.module import ExternKind, Module
from wasm.text import print_wat
from wasm.traps import TrapKind
from wasm.valtypes import FuncType, RefType, ValType

_SIGN = {32: 1 << 31, 64: 1 << 63}
_MANTISSA = {32: 23, 64: 52}


def to_wat(content: bytes) -> str:
    """The text form of a module; for bytes that are no module, a ``(module binary ...)`` with the reason."""
    try:
        return print_wat(decode(content))
    except WasmError as error:
        return f";; not decodable: {one_line(str(error))}\n{_binary(content)}\n"


def to_wast(case: Case, expected: Sequence[Outcome], before: Sequence[Case] = ()) -> str:
    """The script. ``expected`` begins with the instantiation's outcome; an invocation without one is left out.

    Free NaNs in the expected results become ``nan:canonical`` or ``nan:arithmetic``. Cases ``before`` it are modules of
    their own whose calls are made without asking what comes of them.
    """
    if before:
        return "\n".join([*map(_earlier, before), to_wast(case, expected)])
    start = expected[0] if expected else Returned()
    try:
        module = decode(case.content)
    except WasmError as error:
        return f'(assert_malformed\n  {_binary(case.content)}\n  "{_escape(error.message.encode())}")\n'
    hosts = _before(case) if case.before else _stand_ins(stand_ins(case.content))
    text = print_wat(module).rstrip() if case.kind is CaseKind.WASM else _binary(case.content)
    match start:
        case Rejected():
            kind = "assert_unlinkable" if module.imports and case.kind is CaseKind.WASM else "assert_invalid"
            return f'{hosts}({kind}\n{text}\n  "{_escape(start.message.encode())}")\n'
        case Trapped():
            return f'{hosts}(assert_trap\n{text}\n  "{_trap(start)}")\n'
        case _:
            pass
    lines = [hosts + text]
    for invocation, outcome in zip(case.invocations, expected[1:], strict=False):
        lines.append(_assertion(module, invocation, outcome))
    return "\n\n".join(lines) + "\n"


def _earlier(case: Case) -> str:
    """A case that only has to have run: what its calls return is not asked. How they trap is, as the reference has it,
    since a plain call that traps would end the script."""
    try:
        module = decode(case.content)
    except WasmError:
        return ";; bytes that are no module were compiled here: fuzz replay\n"
    seen = run_case(case, module).outcomes
    hosts = _before(case) if case.before else _stand_ins(stand_ins(case.content))
    lines = [hosts + print_wat(module).rstrip()]
    for invocation, outcome in zip(case.invocations, seen, strict=False):
        known = outcome if isinstance(outcome, Trapped | Threw) else Exhausted("")
        lines.append(_assertion(module, invocation, known))
    return "\n\n".join(lines) + "\n"


def _before(case: Case) -> str:
    """The modules before the case's own, registered, and what stands in for the host of each."""
    hosts = stand_ins_of(case)
    if hosts is None:
        return _stand_ins(None)
    lines = []
    for number, ((name, content), made) in enumerate(zip(case.before, run_case(case).before, strict=False)):
        text = print_wat(decode(content)).rstrip()
        lines.append(_stand_ins(hosts[number]))
        if isinstance(made, Trapped):
            lines.append(f'(assert_trap\n{text}\n  "{_trap(made)}")\n\n')
        elif isinstance(made, Threw):
            lines.append(f"(assert_exception\n{text})\n\n")
        else:
            named = text.replace("(module", f"(module $b{number}", 1)
            lines.append(f'{named}\n(register "{_escape(name.encode())}" $b{number})\n\n')
    return "".join(lines) + _stand_ins(hosts[-1])


def _stand_ins(hosts: list[Registered] | None) -> str:
    """The modules that a module imports from, registered; a remark where wasm cannot stand in for the host."""
    if hosts is None:
        return ";; imports host functions that a script cannot have: fuzz replay\n"
    parts = [HOST_TEXT] if hosts else []
    for i, (name, module) in enumerate(hosts):
        binary = _binary(module).replace("(module", f"(module $m{i}", 1)
        parts.append(f'{binary}\n(register "{_escape(name.encode())}" $m{i})')
    return "".join(f"{part}\n\n" for part in parts)


def _assertion(module: Module, invocation: Invocation, outcome: Outcome) -> str:
    params = _params(module, invocation.export)
    args = "".join(f" {_argument(value, params, i)}" for i, value in enumerate(invocation.args))
    call = f'(invoke "{_escape(invocation.export.encode())}"{args})'
    match outcome:
        case Returned():
            free = outcome.free_nans
            results = [_result(v, [nan for nan in free if nan.index == i]) for i, v in enumerate(outcome.values)]
            separator = "\n    " if len(results) > 4 else " "
            return f"(assert_return {call}{separator if results else ''}{separator.join(results)})"
        case Trapped():
            return f'(assert_trap {call} "{_trap(outcome)}")'
        case Threw():
            return f"(assert_exception {call})"
        case Exhausted(what="stack"):
            return f'(assert_exhaustion {call} "call stack exhausted")'
        case _:
            return call


def _trap(outcome: Trapped) -> str:
    if outcome.kinds == {TrapKind.HOST}:
        return TrapKind.UNREACHABLE.value  # the stand-in for the host traps by that
    # Of several that hold one is told: of an atomic access that it is not aligned, which most engines look at first.
    return max(kind.value for kind in outcome.kinds) if outcome.kinds else _escape(outcome.message.encode())


def _params(module: Module, export: str) -> tuple[ValType, ...]:
    types = module.flat_types()
    indices = module.func_type_indices()
    for item in module.exports:
        if item.name == export and item.kind is ExternKind.FUNC:
            composite = types[indices[item.index]].composite
            return composite.params if isinstance(composite, FuncType) else ()
    return ()


def _argument(value: Value, params: tuple[ValType, ...], index: int) -> str:
    if value.type != "ref" or value.ref != "null":
        return _result(value, [])
    type_ = params[index] if index < len(params) else None
    heap = type_.heap if isinstance(type_, RefType) and isinstance(type_.heap, str) else "any"
    return f"(ref.null {heap})"


def _result(value: Value, free: list[FreeNan]) -> str:
    if value.type == "ref":
        return _reference(value.ref)
    if value.type == "v128":
        width = free[0].width if free else 32
        lanes = [value.bits >> shift & (1 << width) - 1 for shift in range(0, 128, width)]
        named = {nan.offset // width: nan for nan in free}
        shape = f"{'f' if free else 'i'}{width}x{128 // width}"
        words = [_float(b, width, named.get(i)) if free else f"{b:#010x}" for i, b in enumerate(lanes)]
        return f"(v128.const {shape} {' '.join(words)})"
    if value.type in ("i32", "i64"):
        return f"({value.type}.const {value.bits:#x})"
    return f"({value.type}.const {_float(value.bits, int(value.type[1:]), free[0] if free else None)})"


def _reference(identity: str) -> str:
    kind, _, rest = identity.partition(":")
    match kind:
        case "null":
            return "(ref.null)"
        case "extern":
            return f"(ref.extern {rest})"
        case "i31":
            return "(ref.i31)"
        case "func":
            return "(ref.func)"
        case _ if kind.startswith(("struct", "array")):
            return f"(ref.{'struct' if kind.startswith('struct') else 'array'})"
        case _:
            return "(ref.extern)"


def _float(bits: int, width: int, free: FreeNan | None) -> str:
    if free is not None:
        return "nan:canonical" if free.canonical else "nan:arithmetic"
    mantissa = _MANTISSA[width]
    sign = "-" if bits & _SIGN[width] else ""
    magnitude = bits & _SIGN[width] - 1
    infinity = _SIGN[width] - (1 << mantissa)
    if magnitude == infinity:
        return f"{sign}inf"
    if magnitude > infinity:
        return f"{sign}nan:{magnitude - infinity:#x}"
    form = "<f" if width == 32 else "<d"
    number: float = struct.unpack(form, magnitude.to_bytes(width // 8, "little"))[0]
    return f"{sign}{number.hex()}"


def _binary(content: bytes) -> str:
    lines = [content[i : i + 32] for i in range(0, len(content), 32)]
    text = "\n    ".join('"' + "".join(f"\\{byte:02x}" for byte in line) + '"' for line in lines)
    return f"(module binary\n    {text})"


def _escape(text: bytes) -> str:
    plain = range(0x20, 0x7F)
    return "".join(chr(b) if b in plain and b not in b'"\\' else f"\\{b:02x}" for b in text)
