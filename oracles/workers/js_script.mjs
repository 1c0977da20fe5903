// Scripts in the JavaScript worker: instances that import from each other by name.

import { functionNames, invoke, readExactly, readGlobal } from "./js_case.mjs";
import { SLOT, ended } from "./js_values.mjs";

export function scripts(io) {
  let instances = new Map();

  function instantiate(header, blobs) {
    try {
      io.at(1);
      const module = new WebAssembly.Module(blobs[0]);
      const object = Object.create(null);
      for (const [source, name] of header.imports) {
        object[source] ??= Object.create(null);
        const exports = instances.get(source)?.exports;
        if (exports && name in exports) object[source][name] = exports[name];
      }
      io.at(2);
      const { exports } = new WebAssembly.Instance(module, object);
      io.heat?.(module, 2);
      instances.set(header.name, { exports, about: header });
      return { answer: { out: ["returned", []] }, body: [] };
    } catch (error) {
      const { outcome, slots } = ended(error, [], new Map());
      return { answer: { out: outcome }, body: [slots] };
    }
  }

  // A reference may belong to any instance, the one at hand first.
  function known(name) {
    const { exports, about } = instances.get(name);
    const names = functionNames(about.funcs, exports);
    const tags = about.tags.map(([tag, kinds]) => [tag, kinds, exports[tag]]);
    return { exports, names, tags };
  }

  return {
    open() {
      instances = new Map();
      return { answer: {}, body: [] };
    },
    instantiate,
    register(header) {
      instances.set(header.as, instances.get(header.name));
      return { answer: {}, body: [] };
    },
    invoke(header, blobs) {
      io.at(3);
      const { exports, names, tags } = known(header.name);
      const { outcome, slots } = invoke(header.call, blobs, exports, tags, names);
      return { answer: { out: outcome }, body: [slots] };
    },
    get(header, blobs) {
      const { exports, names } = known(header.name);
      const global = exports[header.export];
      if (!(global instanceof WebAssembly.Global)) return { answer: { found: false, ref: null }, body: [] };
      const { slot, ref } = readGlobal(global, header.kind, names);
      const exact = blobs.length ? readExactly(blobs[0], [header.export], exports).subarray(0, SLOT) : slot;
      return { answer: { found: true, ref }, body: [exact] };
    },
  };
}
