// Runs the functions of a module from the harness of semantics_engines.py on operands read from stdin.
// Frames, little endian u32: module length, module; then per request: function, tuples, operand bytes, result bytes,
// operands. Each answer: number of traps, (tuple, kind) of each, results. Kinds: 0 other, 1 division by zero,
// 2 overflow, 3 conversion. Values never pass through JavaScript, so NaN bits survive.
"use strict";
const fs = require("fs");

function read(length) {
  const buffer = Buffer.alloc(length);
  for (let at = 0; at < length; ) {
    const got = fs.readSync(0, buffer, at, length - at, null);
    if (got === 0) return null;
    at += got;
  }
  return buffer;
}

function write(buffer) {
  for (let at = 0; at < buffer.length; ) at += fs.writeSync(1, buffer, at);
}

function kind(message) {
  if (/by zero/.test(message)) return 1;
  if (/result unrepresentable/.test(message)) return 2;
  return /float unrepresentable/.test(message) ? 3 : 0;
}

const size = read(4);
const tested = new WebAssembly.Instance(new WebAssembly.Module(read(size.readUInt32LE(0)))).exports;
const memory = Buffer.from(tested.memory.buffer);
for (let head; (head = read(16)) !== null; ) {
  const [f, count, inLength, outLength] = [0, 4, 8, 12].map((at) => head.readUInt32LE(at));
  read(inLength).copy(memory, tested.in.value);
  const traps = [];
  for (let from = 0; from < count; ) {
    try {
      tested["f" + f](from, count);
      break;
    } catch (error) {
      if (!(error instanceof WebAssembly.RuntimeError)) throw error;
      const at = memory.readUInt32LE(0);
      traps.push(at, kind(error.message));
      from = at + 1;
    }
  }
  const answer = Buffer.alloc(4 + 4 * traps.length);
  answer.writeUInt32LE(traps.length / 2, 0);
  traps.forEach((value, i) => answer.writeUInt32LE(value, 4 + 4 * i));
  write(answer);
  write(memory.subarray(tested.out.value, tested.out.value + outLength));
}
