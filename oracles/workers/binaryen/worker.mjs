// The worker for Binaryen's optimizer: node worker.mjs PASSES OPTIMIZE SHRINK REQUESTS REPLIES PROGRESS.
//
// Requests have the frames of oracles/remote/protocol.py: `hello`, and `transform`, whose one blob is a module. The
// reply's body is the module that was made; `refused` in its header says why there is none. Where Binaryen aborts, so
// does the process.

import fs from "node:fs";
import process from "node:process";

// It takes its copy of console.error as it is loaded.
let said = "";
const told = console.error.bind(console);
console.error = (...words) => {
  said = `${said}${words.join(" ")}\n`.slice(-4000);
  told(...words);
};
const { default: binaryen } = await import("binaryen");

const [passes, optimize, shrink, ...words] = process.argv.slice(2);
const [requests, replies, progress] = words.map(Number);

function read(size) {
  const data = Buffer.alloc(size);
  for (let at = 0; at < size; ) {
    try {
      const count = fs.readSync(requests, data, at, size - at, null);
      if (count === 0) process.exit();
      at += count;
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
  return data;
}

// With all that Binaryen has, it writes types of proposals that are younger than what engines take.
const TAKEN = [
  "Atomics", "MutableGlobals", "NontrappingFPToInt", "SIMD128", "BulkMemory", "BulkMemoryOpt", "SignExt",
  "ExceptionHandling", "TailCall", "ReferenceTypes", "CallIndirectOverlong", "Multivalue", "GC", "Memory64",
  "RelaxedSIMD", "ExtendedConst", "MultiMemory", "CustomPageSizes", "WideArithmetic",
];
const FEATURES = TAKEN.reduce((mask, name) => mask | (binaryen.Features[name] ?? 0), 0);

function load(content) {
  const module = binaryen.readBinary(content, FEATURES);
  module.setFeatures(FEATURES);
  return module;
}

// Why a module was not read. That is in a line which is not ended, and so not given out, before something else is said.
function reason(error) {
  const module = new binaryen.Module();
  module.addFunction("f", binaryen.none, binaryen.i32, [], module.nop());
  module.validate();
  module.dispose();
  return /^\[parse exception: (.*?)\](?:\[wasm-validator|\n)/.exec(said)?.[1] ?? String(error?.message ?? error);
}

function hello(header, blobs) {
  const features = header.features.filter(([, at]) => {
    try {
      const module = load(blobs[at]);
      const valid = module.validate();
      module.dispose();
      return valid;
    } catch {
      return false;
    }
  });
  return [{ protocol: 1, features: features.map(([name]) => name) }, Buffer.alloc(0)];
}

function transform(_header, [content]) {
  fs.writeSync(progress, Buffer.of(1, 0, 0, 0, 255, 255, 255, 255), 0, 8, 0);
  let module;
  said = "";
  try {
    module = load(content);
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) throw error;
    return [{ refused: reason(error).slice(0, 500) }, Buffer.alloc(0)];
  }
  binaryen.setOptimizeLevel(Number(optimize));
  binaryen.setShrinkLevel(Number(shrink));
  if (passes === "-") module.optimize();
  else module.runPasses(passes.split(","));
  const made = Buffer.from(module.emitBinary());
  module.dispose();
  return [{}, made];
}

while (true) {
  const frame = read(read(4).readUInt32LE(0));
  let end = 4 + frame.readUInt32LE(0);
  const header = JSON.parse(frame.toString("utf8", 4, end));
  const blobs = header.blobs.map((length) => frame.subarray(end, (end += length)));
  const [answer, body] = { hello, transform }[header.do](header, blobs);
  const text = Buffer.from(JSON.stringify(answer).replace(/[\u0080-\uffff]/g, "?"));
  const head = Buffer.alloc(8);
  const times = Buffer.alloc(40);
  const { user, system } = process.cpuUsage();
  times.writeDoubleLE((user + system) / 1e6, 0);
  const all = Buffer.concat([head, text, body, times]);
  all.writeUInt32LE(all.length - 4, 0);
  all.writeUInt32LE(text.length, 4);
  for (let done = 0; done < all.length; ) done += fs.writeSync(replies, all, done);
}
