// An engine in JavaScript that speaks the frame protocol: fuzz run --engine program:'node toy.mjs'
//
// The engine is the one that runs this file: what it can call without a wrapper module are functions of i32 and i64.
// Put your own in place of `instance`; all else stays as it is (docs/protocol.md).

import fs from "node:fs";
import process from "node:process";

const [requests, replies, progress] = process.argv.slice(-3).map(Number);

function read(size) {
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    try {
      const count = fs.readSync(requests, data, at, size - at, null);
      if (count === 0) process.exit(); // the harness has closed its end
      at += count;
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
  return data;
}

function at(phase, invocation) {
  const said = Buffer.alloc(8);
  said.writeUInt32LE(phase, 0);
  said.writeInt32LE(invocation, 4);
  fs.writeSync(progress, said, 0, 8, 0);
}

function hello(header, blobs) {
  const features = header.features.filter(([, blob]) => WebAssembly.validate(blobs[blob])).map(([name]) => name);
  return [{ protocol: 1, name: "toy-js", version: process.versions.v8, features, carries: "il", exact: true }, []];
}

function call(exports, [name, via, params, results, args, ,], blobs, body) {
  if (!["host", "wrapper"].includes(via) || /[^il]/.test(params + results)) {
    return ["unsupported", `a call ${params} -> ${results}`];
  }
  try {
    const values = Array.from(params, (kind, i) =>
      kind === "i" ? blobs[args].readInt32LE(16 * i) : blobs[args].readBigInt64LE(16 * i),
    );
    const got = exports[name](...values);
    const slots = Buffer.alloc(16 * results.length);
    (results.length === 1 ? [got] : (got ?? [])).forEach((value, i) => {
      if (results[i] === "i") slots.writeInt32LE(value, 16 * i);
      else slots.writeBigInt64LE(value, 16 * i);
    });
    body.push(slots);
    return ["returned", []];
  } catch (error) {
    if (error instanceof RangeError) return ["exhausted", "stack"];
    const kind = { "divide by zero": "DIV_BY_ZERO", unreachable: "UNREACHABLE" }[error.message];
    return kind ? ["trapped", [kind], error.message] : ["unsupported", error.message];
  }
}

function runCase(header, blobs) {
  at(1, -1);
  let instance;
  try {
    const module = new WebAssembly.Module(blobs[header.module]);
    if (!header.imports) return [{ inst: ["returned", []] }, []];
    if (header.imports.sources.length) return [{ inst: ["unsupported", "imports"] }, []];
    instance = new WebAssembly.Instance(module);
  } catch (error) {
    const refused = error instanceof WebAssembly.CompileError;
    return [{ inst: [refused ? "rejected" : "unsupported", error.message] }, []];
  }
  const out = [];
  const body = [];
  for (const [index, one] of header.calls.entries()) {
    at(3, index);
    out.push(call(instance.exports, one, blobs, body));
    if (out.at(-1)[0] === "exhausted") break;
  }
  return [{ inst: ["returned", []], out }, body];
}

while (true) {
  const frame = read(read(4).readUInt32LE(0));
  let end = 4 + frame.readUInt32LE(0);
  const header = JSON.parse(frame.toString("utf8", 4, end));
  const blobs = header.blobs.map((length) => frame.subarray(end, (end += length)));
  const [answer, body] = (header.do === "hello" ? hello : runCase)(header, blobs);
  const text = Buffer.from(JSON.stringify(answer));
  const head = Buffer.alloc(8);
  const times = Buffer.alloc(40);
  times.writeDoubleLE(process.cpuUsage().user / 1e6, 0);
  const all = Buffer.concat([head, text, ...body, times]);
  all.writeUInt32LE(all.length - 4, 0);
  all.writeUInt32LE(text.length, 4);
  for (let done = 0; done < all.length; ) done += fs.writeSync(replies, all, done);
}
