// Serving requests in JavaScript: frames in and out, whatever shell it is in.
//
// `io` is what a shell brings: `read(size)` and `write(bytes)` block; `at(phase, invocation)` records how far a case is;
// `cpu()` has the seconds of the process, 0 where it cannot tell (`clock()` is for the parts of a case then);
// `crc32(bytes)` is zlib's; `rounds` is how often each case runs, on fresh instances
// of one module (the last one counts); `collect(minor)`, where there is one, collects garbage; `heat(module, others)`, where
// there is one, has each of its functions compiled by its call after so many others; `about()` says who runs.
// The protocol is in oracles/remote/protocol.py.

import { cases } from "./js_case.mjs";
import { scripts } from "./js_script.mjs";

const PROTOCOL = 1;

export function serve(io) {
  function receive() {
    const head = io.read(4);
    const frame = head && io.read(head.readUInt32LE(0));
    if (!frame) return null;
    const size = frame.readUInt32LE(0);
    const header = JSON.parse(frame.toString("utf8", 4, 4 + size));
    let at = 4 + size;
    const blobs = (header.blobs ?? []).map((length) => frame.subarray(at, (at += length)));
    return { header, blobs };
  }

  function reply(header, body) {
    const text = Buffer.from(JSON.stringify(header).replace(/[\u0080-\uffff]/g, escaped));
    const length = body.reduce((sum, part) => sum + part.length, 0);
    const head = Buffer.alloc(8);
    const times = Buffer.alloc(40);
    [io.cpu(), ...io.times].forEach((seconds, i) => times.writeDoubleLE(seconds, 8 * i));
    io.times = [0, 0, 0, 0];
    head.writeUInt32LE(4 + text.length + length + times.length, 0);
    head.writeUInt32LE(text.length, 4);
    io.write(Buffer.concat([head, text, ...body, times]));
  }

  function escaped(unit) {
    return "\\u" + unit.charCodeAt(0).toString(16).padStart(4, "0");
  }

  function hello(header, blobs) {
    const works = ([, at]) => WebAssembly.validate(blobs[at]);
    const accepted = header.known ?? header.features.filter(works).map(([name]) => name);
    return { answer: { protocol: PROTOCOL, features: accepted, ...io.about() }, body: [] };
  }

  io.times = [0, 0, 0, 0];
  const verbs = { hello, ...cases(io), ...scripts(io) };
  let sinceCollection = 0;

  function attempt({ header, blobs }) {
    try {
      return verbs[header.do](header, blobs);
    } catch (error) {
      // A fault of ours must not pass for one of the engine's.
      return { answer: { broken: String(error?.stack ?? error) }, body: [] };
    }
  }

  for (let request; (request = receive()) !== null; ) {
    const { answer, body } = attempt(request);
    reply(answer, body);
    // Modules and memories hold far more outside the heap than inside, so the collector would not run often enough.
    if (++sinceCollection >= 64 && io.collect) {
      io.collect();
      sinceCollection = 0;
    }
  }
}
