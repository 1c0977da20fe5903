// `io` for SpiderMonkey, by functions of whoever embeds it: Python's (spidermonkey_worker.py), or C's (firefox.cfg).

import { serve } from "./js_serve.mjs";

const facts = Object.fromEntries(Object.entries(host.facts));

serve({
  rounds: 1,
  read(size) {
    const data = Buffer.alloc(size);
    return host.fill(data) ? data : null;
  },
  write: (data) => host.send(data),
  at: (phase, invocation = -1) => host.record(phase, invocation),
  cpu: () => host.cpu(),
  crc32: (data) => host.crc(data),
  collect: () => host.sweep(),
  about: () => facts,
});
