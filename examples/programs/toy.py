"""A toy engine in Python that speaks the frame protocol: ``fuzz run --engine program:'python3 toy.py'``.

It runs functions of i32 and i64 that add, subtract and multiply, and says of all others that it cannot. Put your own
engine in place of ``run``; all else stays as it is (docs/protocol.md).
"""

import json
import os
import struct
import sys
import time

REQUESTS, REPLIES = os.fdopen(int(sys.argv[1]), "rb"), os.fdopen(int(sys.argv[2]), "wb", 0)
PROGRESS = int(sys.argv[3])
WIDTH, Unsupported = {"i": 32, "l": 64}, type("Unsupported", (Exception,), {})


def number(data, at, signed=False):
    value = shift = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return (value - (1 << shift) if signed and byte & 64 else value), at


def functions(module):
    """The body of every function, and the function of every exported name."""
    bodies, exports, at = [], {}, 8
    while at < len(module):
        section = module[at]
        size, at = number(module, at + 1)
        end = at + size
        if section in (7, 10):
            count, at = number(module, at)
            for _ in range(count):
                length, at = number(module, at)
                if section == 10:
                    bodies.append(module[at : at + length])
                    at += length
                else:
                    name, kind = module[at : at + length].decode(), module[at + length]
                    index, at = number(module, at + length + 1)
                    exports |= {name: index} if kind == 0 else {}
        at = end
    return bodies, exports


def run(body, args):
    stack, (groups, at) = [], number(body, 0)
    if groups:
        raise Unsupported("locals")
    while True:
        op, at = body[at], at + 1
        if op == 0x0B:
            return stack
        if op in (0x20, 0x41, 0x42):
            value, at = number(body, at, op != 0x20)
            stack.append(args[value] if op == 0x20 else value)
        elif op in (0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E):
            b, a = stack.pop(), stack.pop()
            stack.append({0xA: a + b, 0xB: a - b, 0xC: a * b}[op & 15 if op < 0x70 else (op & 15) - 2])
        else:
            raise Unsupported(f"opcode {op:#x}")


def case(header, blobs):
    if "imports" not in header or header["imports"]["sources"]:
        return {"inst": ["unsupported", "imports, or validation alone"]}, b""
    bodies, exports = functions(blobs[header["module"]])
    out, body = [], b""
    for index, (name, via, params, results, args, _refs, _wrapper) in enumerate(header["calls"]):
        os.pwrite(PROGRESS, struct.pack("<Ii", 3, index), 0)
        try:
            if via not in ("host", "wrapper") or set(params + results) - {"i", "l"}:
                raise Unsupported(f"a call {params} -> {results}")
            slots = [int.from_bytes(blobs[args][16 * i : 16 * i + 8], "little") for i in range(len(params))]
            given = run(bodies[exports[name]], slots)
            body += b"".join((v % (1 << WIDTH[k])).to_bytes(16, "little") for k, v in zip(results, given, strict=True))
            out.append(["returned", []])
        except Unsupported as error:
            out.append(["unsupported", str(error)])
    return {"inst": ["returned", []], "out": out}, body


HELLO = {"protocol": 1, "name": "toy", "version": "1.0", "features": ["multi_value"], "carries": "il", "exact": True}
while True:
    frame = REQUESTS.read(int.from_bytes(REQUESTS.read(4), "little"))
    if not frame:
        break  # the harness has closed its end
    at = 4 + int.from_bytes(frame[:4], "little")
    header, blobs = json.loads(frame[4:at]), []
    for length in header["blobs"]:
        blobs.append(frame[at : at + length])
        at += length
    answer, body = (HELLO, b"") if header["do"] == "hello" else case(header, blobs)
    text = json.dumps(answer).encode()
    times = struct.pack("<5d", time.process_time(), 0, 0, 0, 0)
    reply = struct.pack("<I", len(text)) + text + body + times
    REPLIES.write(struct.pack("<I", len(reply)) + reply)
