// `io` for GraalJS, by the methods of a Java object (graalwasm/Worker.java).

import { serve } from "./js_serve.mjs";

// A buffer of Java's is copied: what WebAssembly takes and `subarray` shares is JavaScript's own then.
const taken = (buffer) => buffer && Buffer.from(new Uint8Array(new ArrayBuffer(buffer)));

// A module of (func (param i32) (result i32) local.get 0 i32.const 1 i32.add) and one that calls it.
const PROBE = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 127, 3, 3, 2, 0, 0, 7, 9, 2, 1, 97, 0, 0, 1, 98, 0, 1, 10, 16, 2,
  7, 0, 32, 0, 65, 1, 106, 11, 6, 0, 32, 0, 16, 0, 11,
];

// What speaks against the tier that is asked for.
function doubt() {
  const module = new WebAssembly.Module(new Uint8Array(PROBE));
  for (let round = 0; round < 2; round++) {
    const { a, b } = new WebAssembly.Instance(module).exports;
    if (a(1) !== 2 || b(2) !== 3) return "it adds wrongly";
    host.heat(module, 0);
  }
  return host.doubt(module);
}

serve({
  rounds: host.rounds(),
  heat: (module, others = 0) => host.heat(module, others),
  read: (size) => taken(host.read(size)),
  write: (data) => host.write(data),
  at: (phase, invocation = -1) => host.at(phase, invocation),
  cpu: () => host.cpu(),
  crc32: (data) => host.crc32(data),
  collect: () => host.collect(),
  about: () => ({ library: host.library(), shell: "GraalJS", engine: host.version(), host: host.version(), doubt: doubt() }),
});
