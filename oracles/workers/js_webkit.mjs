// `io` for WebKit's own shell, `jsc`. `host` is {fds: [requests, replies, progress], rounds}.
//
// The shell reads a file by lines, each as a string of bytes, and does not tell an empty one from the end; so a line's end
// follows each frame, and empty lines where a frame's size should be are the end. It writes whole files: replies go to the pipe
// by its name under /dev. It cannot tell its CPU time (the harness looks), and so the parts are by the clock.

import { tableCrc32 } from "./js_crc.mjs";
import { serve } from "./js_serve.mjs";

const HEAD = 4;
const [IN, OUT, PROGRESS] = host.fds.map((fd) => `/dev/fd/${fd}`);
const requests = openFile(IN);
const progress = Buffer.alloc(8);
const started = preciseTime();
let rest = Buffer.alloc(0);

// Lines until there are `size` bytes, each with its end; false at the end of all requests.
function gather(size) {
  const parts = [rest];
  let length = rest.length;
  while (length < size) {
    const text = readline(requests);
    const data = Buffer.alloc(text.length + 1);
    for (let i = 0; i < text.length; i++) data[i] = text.charCodeAt(i);
    data[text.length] = 10;
    length += data.length;
    if (parts.push(data) > HEAD && length === HEAD) return false;
  }
  rest = Buffer.concat(parts);
  return true;
}

// The file that JavaScriptCore is in: the shell, or a library beside it.
function library() {
  const paths = [];
  const maps = openFile("/proc/self/maps");
  for (let text; (text = readline(maps)); ) if (text.includes("/")) paths.push(text.slice(text.indexOf("/")));
  return paths.find((path) => /javascriptcore[^/]*$/i.test(path)) ?? paths[0];
}

serve({
  rounds: host.rounds,
  read(size) {
    const head = size === HEAD; // no frame is as short
    if (head) rest = Buffer.alloc(0); // it was the line's end behind the frame before
    if (!gather(head ? size : size + 1)) return null;
    const data = rest.subarray(0, size);
    rest = rest.subarray(size);
    return data;
  },
  write: (data) => writeFile(OUT, data),
  at(phase, invocation = -1) {
    progress.writeUInt32LE(phase, 0);
    progress.writeInt32LE(invocation, 4);
    writeFile(PROGRESS, progress);
  },
  cpu: () => 0,
  clock: () => preciseTime() - started,
  crc32: tableCrc32,
  collect: (minor) => (minor ? edenGC() : fullGC()),
  about: () => ({ library: library(), shell: "jsc", engine: "", host: "" }),
});
