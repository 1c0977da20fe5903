// As much of node's Buffer as the worker's modules use, for a shell that has none.

const ASCII = 8192;

export class Buffer extends Uint8Array {
  static alloc = (size) => new Buffer(size);
  static allocUnsafe = (size) => new Buffer(size);

  // A string's bytes in UTF-8, a view of an ArrayBuffer, or a copy of bytes.
  static from(value) {
    if (typeof value === "string") return Uint8Array.from.call(Buffer, unescape(encodeURIComponent(value)), (c) => c.charCodeAt(0));
    const shared = typeof SharedArrayBuffer === "function" && value instanceof SharedArrayBuffer;
    if (value instanceof ArrayBuffer || shared) return new Buffer(value);
    const copy = new Buffer(value.length);
    copy.set(value);
    return copy;
  }

  static concat(parts) {
    const all = new Buffer(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  get view() {
    return new DataView(this.buffer, this.byteOffset, this.length);
  }

  compare(other, start, end) {
    for (let i = 0; i < this.length; i++) if (this[i] !== other[start + i]) return this[i] < other[start + i] ? -1 : 1;
    return Math.sign(this.length - (end - start));
  }

  toString(_, start = 0, end = this.length) {
    let text = "";
    for (let at = start; at < end; at += ASCII) text += String.fromCharCode(...this.subarray(at, Math.min(at + ASCII, end)));
    return decodeURIComponent(escape(text));
  }

  readUInt32LE(at) {
    return this.view.getUint32(at, true);
  }
  readInt32LE(at) {
    return this.view.getInt32(at, true);
  }
  readBigInt64LE(at) {
    return this.view.getBigInt64(at, true);
  }
  writeUInt32LE(value, at = 0) {
    this.view.setUint32(at, value, true);
  }
  writeInt32LE(value, at = 0) {
    this.view.setInt32(at, value, true);
  }
  writeBigInt64LE(value, at = 0) {
    this.view.setBigInt64(at, value, true);
  }
  writeFloatLE(value, at = 0) {
    this.view.setFloat32(at, value, true);
  }
  writeDoubleLE(value, at = 0) {
    this.view.setFloat64(at, value, true);
  }
}
