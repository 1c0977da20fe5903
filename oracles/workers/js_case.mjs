// Cases in the JavaScript worker: compile, link, call, observe.

import { Hosts } from "./js_hosts.mjs";
import { SLOT, ended, identity, isNumber, pack, reference, unpack } from "./js_values.mjs";

const COMPILE = 1;
const INSTANTIATE = 2;
const INVOKE = 3;
const BLOCK = 65536;
const TABLE_LIMIT = 1000;
const ZEROS = Buffer.alloc(BLOCK);

// One invocation: {outcome, slots}. `via` is host, wrapper, or why the call cannot be made.
export function invoke(call, blobs, exports, tags, names) {
  const [name, via, params, results, at, refs, wrapper] = call;
  const none = Buffer.alloc(0);
  if (via !== "host" && via !== "wrapper") return { outcome: ["unsupported", via], slots: none };
  try {
    const args = at >= 0 ? blobs[at] : none;
    if (via === "wrapper") return wrapped(blobs[wrapper], exports[name], params, results, args, refs, exports, tags, names);
    const got = exports[name](...unpack(args, params, refs, exports));
    const values = results.length === 0 ? [] : results.length === 1 ? [got] : got;
    const packed = pack(values, results, names);
    return { outcome: ["returned", packed.refs], slots: packed.slots };
  } catch (error) {
    return ended(error, tags, names);
  }
}

// Call through a wrapper module (oracles/remote/wrapper.py).
function wrapped(bytes, func, params, results, args, refs, exports, tags, names) {
  const m = { f: func };
  tags.forEach(([, , tag], i) => (m[`t${i}`] = tag));
  const wrapper = new WebAssembly.Instance(new WebAssembly.Module(bytes), { m }).exports;
  const memory = Buffer.from(wrapper.memory.buffer);
  memory.set(args);
  let next = 0;
  Array.from(params).forEach((kind, i) => {
    const ref = isNumber(kind) ? "null" : refs[next++];
    if (ref !== "null" && !ref.startsWith("i31:")) wrapper[kind.toLowerCase()].set(i, reference(ref, exports));
  });
  const status = wrapper.call();
  const kinds = status === 0 ? results : tags[status - 1][1];
  const slots = Buffer.from(memory.subarray(params.length * SLOT, (params.length + kinds.length) * SLOT));
  const found = [];
  Array.from(kinds).forEach((kind, i) => {
    if (isNumber(kind)) return;
    const key = kind.toLowerCase() === "g" ? "a" : kind.toLowerCase();
    if (!slots[i * SLOT]) found.push("null");
    else found.push(key === "x" ? "exn" : identity(wrapper[key].get(params.length + i), kind, names));
    slots[i * SLOT] = 0;
  });
  if (status === 0) return { outcome: ["returned", found], slots };
  return { outcome: ["threw", tags[status - 1][0], kinds, found], slots };
}

// Exported functions by identity; the first name wins.
export function functionNames(funcs, exports, names = new Map()) {
  for (const name of funcs) if (!names.has(exports[name])) names.set(exports[name], name);
  return names;
}

// An exported global's slot and, for a reference, its identity.
export function readGlobal(global, kind, names) {
  const slot = Buffer.alloc(SLOT);
  if (kind === "i") slot.writeInt32LE(global.value);
  else if (kind === "l") slot.writeBigInt64LE(global.value);
  else if (!isNumber(kind)) {
    try {
      return { slot, ref: identity(global.value, kind, names) };
    } catch {
      return { slot, ref: "nonnull" };
    }
  }
  return { slot, ref: null };
}

// Globals with types that JavaScript cannot read exactly, through a reader module; slots by position.
export function readExactly(bytes, names, exports) {
  const g = {};
  names.forEach((name, i) => (g[`g${i}`] = exports[name]));
  const reader = new WebAssembly.Instance(new WebAssembly.Module(bytes), { g }).exports;
  reader.read();
  return Buffer.from(reader.memory.buffer);
}

function readTable(table, kind, names) {
  if (kind.toLowerCase() === "x") return [Number(table.length), []]; // which JavaScript cannot read
  const wide = typeof table.length === "bigint";
  const elements = [];
  for (let i = 0; i < Math.min(Number(table.length), TABLE_LIMIT); i++) {
    try {
      elements.push(identity(table.get(wide ? BigInt(i) : i), kind, names));
    } catch {
      elements.push("nonnull");
    }
  }
  return [Number(table.length), elements];
}

// A memory's bytes. Once V8 has compiled it for small ones, it divides and compares a length of 2^31 and more as a negative
// number (docs/found/v8-validity.md); as text it is right.
const sizeOf = (data) => Number(String(data.length));

export function cases(io) {
  function blocks(data) {
    const found = [];
    const size = sizeOf(data);
    for (let i = 0, at = 0; at < size; i++, at += BLOCK) {
      const block = data.subarray(at, at + BLOCK);
      if (block.compare(ZEROS, 0, block.length) !== 0) found.push([i, io.crc32(block)]);
    }
    return found;
  }

  function readState(header, blobs, exports, names, answer, body) {
    const exact = header.reader >= 0 ? readExactly(blobs[header.reader], header.read, exports) : null;
    for (const [name, kind] of header.globals) {
      const at = header.read.indexOf(name);
      const { slot, ref } = readGlobal(exports[name], kind, names);
      body.push(at >= 0 && exact ? exact.subarray(at * SLOT, at * SLOT + SLOT) : slot);
      answer.globals.push(ref);
    }
    const memories = new Map(header.memories.map((name) => [name, Buffer.from(exports[name].buffer)]));
    for (const [name, data] of memories) answer.mems.push([name, sizeOf(data) / BLOCK, blocks(data)]);
    for (const [name, kind] of header.tables) answer.tables.push([name, ...readTable(exports[name], kind, names)]);
    answer.dumps = header.dump.map(([name, block]) => {
      const data = memories.get(name).subarray(block * BLOCK, block * BLOCK + BLOCK);
      body.push(data);
      return data.length;
    });
  }

  // The exports of the instances before the module under test, by name; none of one that traps or throws. Each
  // outcome goes to `told`; the case ends with one of another kind.
  function before(header, blobs, told) {
    const places = new Map();
    for (const [name, at, imports] of header.before ?? []) {
      const known = new Map(places);
      places.set(name, undefined);
      try {
        const module = new WebAssembly.Module(blobs[at]);
        io.at(INSTANTIATE);
        const object = new Hosts(new Map(), null).link(imports, blobs, known);
        places.set(name, new WebAssembly.Instance(module, object).exports);
        io.heat?.(module);
        told({ outcome: ["returned", []], slots: Buffer.alloc(0) });
      } catch (error) {
        const end = ended(error, [], new Map());
        told(end);
        if (end.outcome[0] !== "trapped" && end.outcome[0] !== "threw") throw error;
      }
    }
    return places;
  }

  // An instance: {hosts, names, tags, exports}, filled in as far as it gets.
  function instantiate(module, header, blobs, round, told = () => {}) {
    io.at(INSTANTIATE);
    const places = before(header, blobs, told);
    round.hosts = new Hosts(round.names, io.collect);
    const object = round.hosts.link(header.imports, blobs, places);
    const linked = header.tags.filter(([, , at]) => at >= 0);
    round.tags = linked.map(([name, kinds, at]) => [name, kinds, round.hosts.items[at]]);
    round.exports = new WebAssembly.Instance(module, object).exports;
  }

  // What calls need of an instance. Not the engine's doing: a fault here is ours.
  function prepare(header, blobs, round) {
    const { exports, hosts } = round;
    functionNames(header.funcs, exports, round.names);
    hosts.ready(exports, header.ready >= 0 ? blobs[header.ready] : null);
    round.tags = header.tags.map(([name, kinds, at]) => [name, kinds, at < 0 ? exports[name] : hosts.items[at]]);
  }

  // All calls in order, up to one after which nothing can be said.
  function* invocations(header, blobs, { exports, tags, names }) {
    for (const [index, call] of header.calls.entries()) {
      io.at(INVOKE, index);
      const ended = invoke(call, blobs, exports, tags, names);
      yield ended;
      if (ended.outcome[0] === "exhausted" || ended.outcome[0] === "out_of_memory") return;
    }
  }

  // A round that does not count, after which an engine that replaces code as it gets hot has better code.
  function rehearse(module, header, blobs) {
    const round = { names: new Map(), tags: [] };
    try {
      instantiate(module, header, blobs, round);
    } catch {
      return; // The round that counts says why.
    }
    prepare(header, blobs, round);
    for (const _ of invocations(header, blobs, round));
  }

  function run(header, blobs) {
    const answer = { inst: ["returned", []], out: [], log: [], globals: [], mems: [], tables: [], phase: COMPILE };
    const body = [];
    const clock = () => (io.clock ?? io.cpu)();
    let mark = clock(); // parts: compile, instantiate, invoke, state
    const lap = (part) => {
      const now = clock();
      io.times[part] = now - mark;
      mark = now;
    };
    const round = { names: new Map(), hosts: null, tags: [], exports: null };
    try {
      io.at(COMPILE);
      const module = new WebAssembly.Module(blobs[header.module]);
      lap(0);
      if (!header.imports) return { answer, body };
      answer.phase = INSTANTIATE;
      for (let nth = 1; nth < io.rounds; nth++) {
        rehearse(module, header, blobs);
        io.heat?.(module);
      }
      instantiate(module, header, blobs, round, ({ outcome, slots }) => {
        (answer.before ??= []).push(outcome);
        body.push(slots);
      });
      lap(1);
    } catch (error) {
      const { outcome, slots } = ended(error, round.tags, round.names);
      answer.inst = outcome;
      body.push(slots);
      lap(answer.phase === COMPILE ? 0 : 1);
    }
    if (round.exports) {
      answer.phase = INVOKE;
      prepare(header, blobs, round);
      for (const { outcome, slots } of invocations(header, blobs, round)) {
        answer.out.push(outcome);
        body.push(slots);
      }
      lap(2);
    }
    for (const [index, slots, refs] of round.hosts?.calls() ?? []) {
      answer.log.push([index, refs]);
      body.push(slots);
    }
    if (round.exports) readState(header, blobs, round.exports, round.names, answer, body);
    lap(3);
    return { answer, body };
  }

  return { case: run };
}
