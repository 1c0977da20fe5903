// Values between JavaScript and packed slots, references by identity, and how a step ended.

export const SLOT = 16;
const NUMBERS = "ilfdv";
export const isNumber = (kind) => NUMBERS.includes(kind);

const tokens = new Map();
const numbers = new Map();

// The object that stands for a host token.
export function token(number) {
  if (!tokens.has(number)) {
    const made = { token: number };
    tokens.set(number, made);
    numbers.set(made, number);
  }
  return tokens.get(number);
}

export const tokenTable = () => {
  const table = new WebAssembly.Table({ element: "externref", initial: 16 });
  for (let i = 0; i < 16; i++) table.set(i, token(i));
  return table;
};

// What a reference is, as in wasm.embedding.Value. `names` maps exported functions to their names.
export function identity(value, kind, names) {
  if (value === null) return "null";
  const lower = kind.toLowerCase();
  if (numbers.has(value)) return `extern:${numbers.get(value)}`;
  if (lower === "c") return names.has(value) ? `func:${names.get(value)}` : "func";
  if (lower === "a" && typeof value === "number") return `i31:${value & 0x7fffffff}`;
  return lower === "x" ? "exn" : "nonnull";
}

export class NoValue extends Error {}

// A reference argument.
export function reference(ref, exports) {
  if (ref === "null") return null;
  if (ref.startsWith("extern:")) return token(Number(ref.slice(7)));
  if (ref.startsWith("i31:")) return (Number(ref.slice(4)) << 1) >> 1;
  const named = ref.startsWith("func:") ? exports[ref.slice(5)] : undefined;
  if (typeof named !== "function") throw new NoValue(`no host value ${ref}`);
  return named;
}

// Arguments of a direct call from slots; only kinds i, l and references come here.
export function unpack(slots, kinds, refs, exports) {
  let next = 0;
  return Array.from(kinds, (kind, i) => {
    if (kind === "i") return slots.readInt32LE(i * SLOT);
    if (kind === "l") return slots.readBigInt64LE(i * SLOT);
    return reference(refs[next++], exports);
  });
}

// Values of kinds i, l, f, d and references as slots, and the references' identities.
export function pack(values, kinds, names) {
  const slots = Buffer.alloc(values.length * SLOT);
  const refs = [];
  values.forEach((value, i) => {
    if (kinds[i] === "i") slots.writeInt32LE(value, i * SLOT);
    else if (kinds[i] === "l") slots.writeBigInt64LE(value, i * SLOT);
    else if (kinds[i] === "f") slots.writeFloatLE(value, i * SLOT);
    else if (kinds[i] === "d") slots.writeDoubleLE(value, i * SLOT);
    else refs.push(identity(value, kinds[i], names));
  });
  return { slots, refs };
}

// A host trap must not be catchable by wasm, so it is the trap of a wasm function.
const trapModule = new WebAssembly.Module(
  Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 116, 0, 0, 10, 5, 1, 3, 0, 0, 11),
);
const trapping = new WebAssembly.Instance(trapModule).exports.t;
const hostTraps = new WeakSet();

export function hostTrap() {
  try {
    trapping();
  } catch (error) {
    hostTraps.add(error);
    throw error;
  }
}

const TRAPS = [
  [/divide by zero|remainder by zero|division by zero/i, ["DIV_BY_ZERO"]],
  [/divide result unrepresentable/, ["INT_OVERFLOW"]],
  [/integer overflow/i, ["INT_OVERFLOW", "BAD_CONVERSION"]],
  [/float unrepresentable|invalid conversion to integer|Out of bounds Trunc/, ["INT_OVERFLOW", "BAD_CONVERSION"]],
  // Array instructions on segments check two bounds, and engines differ in which they check first.
  [/data segment.*out of bounds|data segment .*does not fit|data segment initialization/, ["MEMORY_OOB", "ARRAY_OOB"]],
  [/element segment.*out of bounds|table initializer|out of bounds table index/, ["TABLE_OOB", "ARRAY_OOB"]],
  // JavaScriptCore's constructors of arrays have one message for all that can go wrong.
  [/failed to allocate in array\.new_data/, ["MEMORY_OOB", "ARRAY_OOB", "ALLOCATION_TOO_LARGE"]],
  [/failed to allocate in array\.new_elem/, ["TABLE_OOB", "ARRAY_OOB", "ALLOCATION_TOO_LARGE"]],
  [/Out of bounds array\.init_data/, ["MEMORY_OOB", "ARRAY_OOB"]],
  [/Out of bounds array\.init_elem/, ["TABLE_OOB", "ARRAY_OOB"]],
  [/memory access out of bounds|out of bounds memory access/i, ["MEMORY_OOB"]],
  // SpiderMonkey's, where a segment is shorter than the array that is made from it.
  [/too many array elements/, ["MEMORY_OOB", "TABLE_OOB", "ARRAY_OOB", "ALLOCATION_TOO_LARGE"]],
  [/array element access out of bounds|array access out of bounds|out of bounds array/i, ["ARRAY_OOB"]],
  [/array is too large|array too large|failed to allocate new array/i, ["ALLOCATION_TOO_LARGE"]],
  [
    /table index is out of bounds|table access out of bounds|Out of bounds table access|Out of bounds call_indirect/i,
    ["TABLE_OOB", "UNDEFINED_ELEMENT"],
  ],
  // V8 had one message for a null and for a function of another type, and newer releases have two.
  [/function signature mismatch/, ["INDIRECT_TYPE_MISMATCH", "UNINITIALIZED_ELEMENT"]],
  [/null function/, ["UNINITIALIZED_ELEMENT"]],
  // JavaScriptCore's signature of null matches none.
  [/indirect call signature mismatch/, ["INDIRECT_TYPE_MISMATCH"]],
  [/signature.*does not match/, ["INDIRECT_TYPE_MISMATCH", "UNINITIALIZED_ELEMENT"]],
  [/indirect call to null|to a null table entry/, ["UNINITIALIZED_ELEMENT"]],
  // A cast of null in JavaScriptCore is an access to it.
  [/access to a null reference/, ["NULL_REFERENCE", "CAST_FAILURE"]],
  [/null pointer|null reference|rethrowing null|null value/i, ["NULL_REFERENCE"]],
  [/illegal cast|cast failure|bad cast|failed to cast/i, ["CAST_FAILURE"]],
  [/unaligned/i, ["UNALIGNED_ATOMIC"]],
  // GraalWasm's.
  [/^Element index '-?\d+' out of table bounds/, ["UNDEFINED_ELEMENT"]],
  [/^Table element at index \d+ is uninitialized/, ["UNINITIALIZED_ELEMENT"]],
  [/types differ in the indirect call/, ["INDIRECT_TYPE_MISMATCH"]],
  [/memory access at address .* out-of-bounds|^memory access of negative length/, ["MEMORY_OOB"]],
  [/Atomics\.wait|not shared|non-shared/, ["EXPECTED_SHARED_MEMORY"]],
  // SpiderMonkey has one message for every index.
  [/index out of bounds/, ["MEMORY_OOB", "TABLE_OOB", "UNDEFINED_ELEMENT", "ARRAY_OOB"]],
  [/unreachable/i, ["UNREACHABLE"]],
];

// How a step ended that threw: {outcome, slots}. `tags` has [name, payload kinds, tag].
export function ended(error, tags, names) {
  const none = Buffer.alloc(0);
  if (hostTraps.has(error)) return { outcome: ["trapped", ["HOST"], "host trap"], slots: none };
  if (WebAssembly.Exception && error instanceof WebAssembly.Exception) return thrown(error, tags, names);
  const message = String(error?.message ?? error).replace(/ \(evaluating .*$/s, "");
  // GraalJS's program may not wait, whatever its options say.
  const lacking = error instanceof NoValue || /used by agent which cannot block/.test(message);
  if (lacking) return { outcome: ["unsupported", message], slots: none };
  if (/call stack|too much recursion/.test(message)) return { outcome: ["exhausted", "stack"], slots: none };
  if (/out of memory|could not allocate|allocation failed|couldn't create (table|memory)/i.test(message)) {
    return { outcome: ["out_of_memory", message], slots: none };
  }
  // GraalJS makes a LinkError of what traps in a start function.
  const trap = error instanceof WebAssembly.RuntimeError || (globalThis.Graal && error instanceof WebAssembly.LinkError);
  if (trap) {
    const found = TRAPS.find(([pattern]) => pattern.test(message));
    if (found) return { outcome: ["trapped", found[1], message], slots: none };
  }
  return { outcome: ["rejected", message.slice(0, 2000)], slots: none };
}

function thrown(error, tags, names) {
  const found = tags.find(([, , tag]) => error.is(tag));
  if (!found) return { outcome: ["threw", "?", "", []], slots: Buffer.alloc(0) };
  const [name, kinds, tag] = found;
  try {
    const values = Array.from(kinds, (_, i) => error.getArg(tag, i));
    const { slots, refs } = pack(values, kinds, names);
    return { outcome: ["threw", name, kinds, refs], slots };
  } catch {
    return { outcome: ["unsupported", `the payload of an exception ${name} cannot be read here`], slots: Buffer.alloc(0) };
  }
}
