// The worker for GraalWasm: java ... Worker REQUESTS REPLIES PROGRESS PROGRAM TIER. It runs the worker of all JavaScript
// engines in GraalJS, whose WebAssembly is GraalWasm; this class reads and writes for it. PROGRAM is that worker's text
// (oracles/remote/scripted.py), TIER is interpreter or compiled.

import java.io.DataInputStream;
import java.io.EOFException;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.CRC32;
import org.graalvm.options.OptionDescriptor;
import org.graalvm.polyglot.Context;
import org.graalvm.polyglot.Engine;
import org.graalvm.polyglot.HostAccess;
import org.graalvm.polyglot.PolyglotAccess;
import org.graalvm.polyglot.Value;

public final class Worker {
    /** Compiled frames are small, and an overflow takes a fraction of a millisecond to go up through each. */
    private static final int STACK = 64 << 20, COMPILED_STACK = 1 << 20;
    private static final long LARGE = (1 << 30) / 4096;
    private static final com.sun.management.OperatingSystemMXBean SYSTEM =
            (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private final DataInputStream requests;
    private final FileOutputStream replies;
    private final RandomAccessFile progress;
    private final ByteBuffer said = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    private final CRC32 crc = new CRC32();
    private byte[] block = new byte[1 << 16];
    private final String library;
    /** null for the interpreter. */
    private Compiled compiled;
    private String lacking = "";

    private Worker(String in, String out, String at, boolean compiles) throws IOException {
        requests = new DataInputStream(new FileInputStream("/proc/self/fd/" + in));
        replies = new FileOutputStream("/proc/self/fd/" + out);
        progress = new RandomAccessFile("/proc/self/fd/" + at, "rw");
        library = jar("wasm-language");
        if (compiles) {
            lacking = Compiled.lacking();
            if (lacking.isEmpty()) compiled = new Compiled();
        }
    }

    /** The path of a library on the class path. The languages say of themselves that they are development builds. */
    private static String jar(String name) {
        for (String path : System.getProperty("java.class.path").split(File.pathSeparator)) {
            if (Path.of(path).getFileName().toString().startsWith(name + "-")) return path;
        }
        return "";
    }

    /** So many bytes; null at the end. */
    @HostAccess.Export
    public ByteBuffer read(int size) throws IOException {
        byte[] data = new byte[size];
        try {
            requests.readFully(data);
        } catch (EOFException end) {
            return null;
        }
        return ByteBuffer.wrap(data);
    }

    @HostAccess.Export
    public void write(Value array) throws IOException {
        replies.write(copied(array), 0, length(array));
    }

    /** Says what is done next. */
    @HostAccess.Export
    public void at(int phase, int invocation) throws IOException {
        progress.seek(0);
        progress.write(said.putInt(0, phase).putInt(4, invocation).array());
    }

    /** CPU seconds of this process. */
    @HostAccess.Export
    public double cpu() {
        return SYSTEM.getProcessCpuTime() / 1e9;
    }

    @HostAccess.Export
    public long crc32(Value array) {
        crc.reset();
        crc.update(copied(array), 0, length(array));
        return crc.getValue();
    }

    @HostAccess.Export
    public void collect() {
        System.gc();
    }

    @HostAccess.Export
    public String version() {
        return library.replaceAll(".*-|\\.jar$", "");
    }

    /** Where GraalWasm was loaded from. */
    @HostAccess.Export
    public String library() {
        return library;
    }

    /** How often a case is run before the code is there that is wanted. */
    @HostAccess.Export
    public int rounds() {
        return compiled == null ? 1 : 2;
    }

    /** Says that a module's functions are to be compiled, each by its call after so many others. */
    @HostAccess.Export
    public void heat(Value module, int others) throws IOException {
        if (compiled == null) return;
        compiled.heat(module, others);
        // A large memory of an instance that has done its part is still there, and the next has one, too.
        if (residentPages() > LARGE) System.gc();
    }

    private static long residentPages() throws IOException {
        return Long.parseLong(Files.readString(Path.of("/proc/self/statm")).split(" ")[1]);
    }

    /** Whether there is reason to doubt that a heated module, whose functions were called, is compiled; "" if not. */
    @HostAccess.Export
    public String doubt(Value module) {
        return compiled == null ? lacking : compiled.doubt(module);
    }

    private static int length(Value array) {
        return array.getMember("length").asInt();
    }

    /** A Uint8Array's bytes, in an array that may be longer. */
    private byte[] copied(Value array) {
        int length = length(array);
        if (block.length < length) block = new byte[length];
        if (length > 0) array.getMember("buffer").readBuffer(array.getMember("byteOffset").asLong(), block, 0, length);
        return block;
    }

    public static void main(String[] args) throws Exception {
        Worker worker = new Worker(args[0], args[1], args[2], args[4].equals("compiled"));
        String program = Files.readString(Path.of(args[3]));
        Thread thread = new Thread(null, () -> worker.serve(program), "worker", worker.compiled == null ? STACK : COMPILED_STACK);
        thread.start();
        thread.join();
        System.exit(0);
    }

    /** Whether an option switches on a proposal that is off, or what some of them ask for: that depends on the release. */
    private static boolean isWanted(OptionDescriptor option) {
        boolean proposal = option.getKey().getDefaultValue().equals(false) && option.getHelp().startsWith("Enable");
        return proposal || option.getName().equals("wasm.UseUnsafeMemory");
    }

    private Engine engine() {
        Engine.Builder builder = Engine.newBuilder().allowExperimentalOptions(true)
                .option("engine.WarnInterpreterOnly", "false").option("js.webassembly", "true");
        try (Engine plain = Engine.newBuilder().option("engine.WarnInterpreterOnly", "false").build()) {
            for (OptionDescriptor option : plain.getLanguages().get("wasm").getOptions()) {
                if (isWanted(option)) builder.option(option.getName(), "true");
            }
        }
        if (compiled != null) Compiled.set(builder);
        return builder.build();
    }

    private void serve(String program) {
        HostAccess access = HostAccess.newBuilder(HostAccess.EXPLICIT).allowBufferAccess(true).build();
        try (Engine engine = engine();
                Context context = Context.newBuilder("js", "wasm").engine(engine)
                        .allowHostAccess(access).allowPolyglotAccess(PolyglotAccess.ALL).build()) {
            context.eval("js", program).execute(this);
        }
    }
}
