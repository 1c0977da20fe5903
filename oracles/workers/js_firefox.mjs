// What firefox.cfg has not of the functions that js_spidermonkey.mjs asks for, which comes after this.

import { tableCrc32 } from "./js_crc.mjs";

const DEAD_LOCALS = 100;

function sized(data) {
  const head = [];
  let length = data.length;
  for (; length > 127; length >>= 7) head.push((length & 127) | 128);
  return [...head, length, ...data];
}

// A module whose export `r` calls itself without end, counting in global `n`, with locals that nobody reads: the baseline
// compiler keeps each in the frame, the other one keeps none of them.
function recursive() {
  const dead = Array.from({ length: DEAD_LOCALS }, (_, local) => [0x23, 0, 0xad, 0x21, local]).flat();
  const body = [1, DEAD_LOCALS, 0x7e, 0x23, 0, 0x41, 1, 0x6a, 0x24, 0, ...dead, 0x10, 0, 0x0b];
  const sections = { 1: [1, 0x60, 0, 0], 3: [1, 0], 6: [1, 0x7f, 1, 0x41, 0, 0x0b], 7: [2, 1, 114, 0, 0, 1, 110, 3, 0], 10: [1, ...sized(body)] };
  const text = Object.entries(sections).flatMap(([id, data]) => [Number(id), ...sized(data)]);
  return new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, ...text]);
}

// How deep it goes; -1 if it is not compiled.
function depth() {
  let instance;
  try {
    instance = new WebAssembly.Instance(new WebAssembly.Module(recursive()));
  } catch {
    return -1;
  }
  try {
    instance.exports.r();
  } catch {
    return instance.exports.n.value;
  }
}

// What speaks against the switches being what they are taken for.
function doubt() {
  const depths = {};
  for (const tier of ["none", "baseline", "ion"]) {
    host.prefer(tier === "baseline", tier === "ion");
    depths[tier] = depth();
  }
  host.prefer(host.tier !== "ion", host.tier !== "baseline");
  if (depths.none !== -1) return "WebAssembly is compiled with both of its compilers off";
  if (depths.baseline > 0 && 3 * depths.baseline < depths.ion) return "";
  return `the same calls went ${depths.baseline} and ${depths.ion} deep: these are not its two compilers`;
}

host.crc = tableCrc32;
host.facts = { library: host.library, shell: "Firefox", engine: host.version, host: host.version, doubt: doubt() };
