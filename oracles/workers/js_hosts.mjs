// Imports in the JavaScript worker: host functions with the meaning of wasm/hostmix.py, and the peers' exports.

import { SLOT, hostTrap, isNumber, pack, token, tokenTable } from "./js_values.mjs";

const LOG_LIMIT = 1000;
const COLLECTIONS = 24; // of a case; which of them happen nothing shows, and each takes milliseconds
const wrap = (value) => BigInt.asUintN(64, value);
const FNV_PRIME = 0x100000001b3n;
const STEP = 0x9fb21c651e98df25n;
const BUMP = 0xd6e8feb86659fd93n;
const GOLDEN = 0x9e3779b97f4a7c15n;

function seed(module, name) {
  let h = 0xcbf29ce484222325n;
  for (const byte of Buffer.concat([Buffer.from(module), Buffer.of(255), Buffer.from(name)])) {
    h = wrap((h ^ BigInt(byte)) * FNV_PRIME);
  }
  return h;
}

function step(h, word) {
  h ^= word;
  return wrap(wrap((h << 29n) | (h >> 35n)) * STEP + BUMP);
}

function absorb(module, name, params, args) {
  let state = seed(module, name);
  args.forEach((value, i) => {
    let word = value === null ? 0n : 1n;
    if (params[i] === "i") word = BigInt(value >>> 0);
    if (params[i] === "l") word = wrap(value);
    state = step(step(state, word), 0n);
  });
  return state;
}

// The low word of result `index`.
function low(state, index) {
  let z = wrap(state + BigInt(2 * index + 1) * GOLDEN);
  z = wrap((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = wrap((z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function result(kind, word) {
  if (kind === "i") return Number(BigInt.asIntN(32, word));
  if (kind === "l") return BigInt.asIntN(64, word);
  if ("eE".includes(kind)) return token(Number(word % 16n));
  if ("aA".includes(kind)) return Number(BigInt.asIntN(31, word));
  return null;
}

// All the imports of one case. `collect` collects garbage, where the shell can.
export class Hosts {
  constructor(names, collect) {
    this.names = names;
    this.collections = 0;
    this.collect = () => {
      if (collect && ++this.collections <= COLLECTIONS) collect(this.collections % 2 === 1);
    };
    this.acts = {};
    this.log = [];
    this.exports = null;
    this.peer = null;
    this.items = [];
  }

  // The import object of a module; `places` has the exports of the instances before it by name.
  link({ sources, store, funcs, collect = [] }, blobs, places) {
    this.sources = sources;
    this.places = places;
    this.collecting = new Set(collect);
    const stored = store >= 0 ? new WebAssembly.Instance(new WebAssembly.Module(blobs[store])).exports : {};
    const h = { trap: hostTrap, tokens: tokenTable() };
    if (funcs >= 0) this.peer = new WebAssembly.Instance(new WebAssembly.Module(blobs[funcs]), { h, s: stored }).exports;
    this.items = [];
    sources.forEach((source, index) => this.items.push(this.item(source, index, stored)));
    return this.object();
  }

  item([module, name, , how, same, behaviour, params, results, number], index, stored) {
    if (same !== index) return this.items[same];
    if (how === "host") return this.host(index, module, name, behaviour, params, results);
    if (how === "linked") return this.places.get(module)?.[name];
    if (how === "extern") return new WebAssembly.Global({ value: "externref", mutable: results }, token(number));
    return (how === "store" ? stored : this.peer)[`i${index}`];
  }

  // Imports may share both names and differ in type: then each is handed out in turn, in the order of the imports.
  object() {
    const spaces = Object.create(null);
    const queues = new Map();
    this.sources.forEach(([module, name], index) => {
      spaces[module] ??= Object.create(null);
      const key = JSON.stringify([module, name]);
      if (!queues.has(key)) queues.set(key, []);
      const queue = queues.get(key);
      queue.push(this.items[index]);
      let turn = 0;
      const get = () => queue[turn++ % queue.length];
      if (queue.length === 2) delete spaces[module][name];
      if (queue.length === 1) spaces[module][name] = queue[0];
      else if (queue.length === 2) Object.defineProperty(spaces[module], name, { get, configurable: true });
    });
    return spaces;
  }

  // Give functions the exports that they call, and what changes them (oracles/remote/ready.py).
  ready(exports, bytes) {
    this.exports = exports;
    if (bytes) {
      const places = { subject: exports, f: this.peer ?? {}, h: { collect: this.collect } };
      this.acts = new WebAssembly.Instance(new WebAssembly.Module(bytes), places).exports;
    }
    this.sources.forEach(([, name, , how, same, behaviour], index) => {
      if (how === "funcs" && behaviour === "reenter" && same === index) this.peer.reenter.set(index, exports[name]);
    });
  }

  host(index, module, name, behaviour, params, results) {
    return (...args) => {
      if (this.log.length < LOG_LIMIT) {
        this.log.push([this.peer ? this.peer.count.value : 0, index, pack(args, params, this.names)]);
      }
      if (this.collecting.has(index)) this.collect();
      const act = this.acts[`i${index}`];
      if (act) act(BigInt.asIntN(64, absorb(module, name, params, args)));
      if (behaviour === "trap") hostTrap();
      if (behaviour === "reenter" || behaviour === "callback") {
        if (!this.exports) hostTrap();
        return behaviour === "reenter" ? this.exports[name](...args) : this.acts[`b${index}`](...args);
      }
      const state = absorb(module, name, params, args);
      const values = Array.from(results, (kind, i) => result(kind, low(state, i)));
      return values.length > 1 ? values : values[0];
    };
  }

  // Calls of host functions and of the function peer in the order in which they were made.
  calls() {
    const merged = [];
    const own = this.log.slice();
    const count = this.peer ? Math.min(this.peer.count.value, LOG_LIMIT) : 0;
    const memory = this.peer ? Buffer.from(this.peer.log.buffer) : null;
    for (let seen = 0, at = 0; seen < count || own.length; ) {
      if (own.length && own[0][0] <= seen) {
        const [, index, { slots, refs }] = own.shift();
        merged.push([index, slots, refs]);
        continue;
      }
      const index = memory.readUInt32LE(at);
      const size = memory.readUInt32LE(at + 4) * SLOT;
      const slots = Buffer.from(memory.subarray(at + SLOT, at + SLOT + size));
      const refs = [];
      const [, , , , , , params] = this.sources[index];
      Array.from(params).forEach((kind, i) => {
        if (isNumber(kind)) return;
        refs.push(slots[i * SLOT] ? "nonnull" : "null");
        slots[i * SLOT] = 0;
      });
      merged.push([index, slots, refs]);
      at += SLOT + size;
      seen++;
    }
    return merged.slice(0, LOG_LIMIT);
  }
}

