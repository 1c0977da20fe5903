// `io` for GraalJS, by the methods of a Java object (graalwasm/Worker.java).

import { serve } from "./js_serve.mjs";

// A buffer of Java's is copied: what WebAssembly takes and `subarray` shares is JavaScript's own then.
const taken = (buffer) => buffer && Buffer.from(new Uint8Array(new ArrayBuffer(buffer)));

serve({
  rounds: 1,
  read: (size) => taken(host.read(size)),
  write: (data) => host.write(data),
  at: (phase, invocation = -1) => host.at(phase, invocation),
  cpu: () => host.cpu(),
  crc32: (data) => host.crc32(data),
  collect: () => host.collect(),
  about: () => ({ library: host.library(), shell: "GraalJS", engine: host.version(), host: host.version() }),
});
