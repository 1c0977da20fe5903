// The JavaScript worker: runs cases and scripts in the JavaScript engine that runs it.
//
// Started as `node FLAGS js_worker.mjs CONFIG` (or by bun, or deno) with CONFIG a JSON object that has `fds` (requests, replies,
// progress) and `rounds` (how often each case runs, on fresh instances of one module; the last one counts).
// Another shell needs its own `io` only (js_serve.mjs): SpiderMonkey has it from Python (spidermonkey_worker.py).
// Bits never pass through JavaScript numbers: wrapper, peer and reader modules, made by the harness, keep them in wasm.

import fs from "node:fs";
import process from "node:process";
import zlib from "node:zlib";
import { tableCrc32 } from "./js_crc.mjs";
import { serve } from "./js_serve.mjs";

const config = JSON.parse(process.argv[2]);
// A minor collection moves what is young, a full one moves it on and takes what is dead; JavaScriptCore has one kind.
const collect = globalThis.gc
  ? (minor) => (minor ? globalThis.gc({ type: "minor" }) : globalThis.gc())
  : globalThis.Bun && (() => globalThis.Bun.gc(true));

// Deno counts descriptors of its own and has none for what it inherits: it opens them again.
const [IN, OUT, PROGRESS] = globalThis.Deno
  ? config.fds.map((fd, at) => fs.openSync(`/dev/fd/${fd}`, ["r", "w", "r+"][at]))
  : config.fds;

const io = {
  fds: [IN, OUT, PROGRESS],
  collect,
  rounds: config.rounds,
  read(size) {
    const data = Buffer.allocUnsafe(size);
    for (let at = 0; at < size; ) {
      let count = 0;
      try {
        count = fs.readSync(this.fds[0], data, at, size - at, null);
      } catch (error) {
        if (error.code !== "EAGAIN") throw error;
        continue;
      }
      if (count === 0) return null;
      at += count;
    }
    return data;
  },
  write(data) {
    for (let at = 0; at < data.length; ) at += fs.writeSync(this.fds[1], data, at);
  },
  progress: Buffer.alloc(8),
  at(phase, invocation = -1) {
    this.progress.writeUInt32LE(phase, 0);
    this.progress.writeInt32LE(invocation, 4);
    fs.writeSync(this.fds[2], this.progress, 0, 8, 0);
  },
  cpu() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  },
  crc32: zlib.crc32 ?? tableCrc32,
  about() {
    const { v8, node, webkit, bun, deno } = process.versions;
    const [shell, engine, host] = bun ? ["bun", webkit, bun] : deno ? ["deno", v8, deno] : ["node", v8, node];
    const library = process.platform === "linux" ? fs.realpathSync("/proc/self/exe") : process.execPath;
    return { library, shell, engine, host };
  },
};

serve(io);
