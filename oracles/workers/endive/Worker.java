// The worker for Endive: java ... Worker compiler|interpreter REQUESTS REPLIES PROGRESS. The protocol is in
// oracles/remote/protocol.py.

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.RandomAccessFile;
import java.io.StringWriter;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.Instance;

public final class Worker {
    static final int COMPILE = 1, INSTANTIATE = 2, INVOKE = 3;
    private static final int STACK = 64 << 20;
    private static final com.sun.management.OperatingSystemMXBean SYSTEM =
            (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    final Engine engine;
    /** CPU seconds of the parts compile, instantiate, invoke, state. */
    final double[] times = new double[4];
    private final DataInputStream requests;
    private final FileOutputStream replies;
    private final RandomAccessFile progress;
    private final ByteBuffer said = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    private Script script;

    private Worker(String[] args) throws IOException {
        engine = new Engine(args[0].equals("compiler"));
        requests = new DataInputStream(new FileInputStream("/proc/self/fd/" + args[1]));
        replies = new FileOutputStream("/proc/self/fd/" + args[2]);
        progress = new RandomAccessFile("/proc/self/fd/" + args[3], "rw");
    }

    /** Says what is done next. */
    void at(int phase, int invocation) {
        try {
            progress.seek(0);
            progress.write(said.putInt(0, phase).putInt(4, invocation).array());
        } catch (IOException error) {
            throw new IllegalStateException(error);
        }
    }

    static double cpu() {
        return SYSTEM.getProcessCpuTime() / 1e9;
    }

    /** A request's header and blobs. */
    record Request(JsonObject header, List<byte[]> blobs) {
        byte[] blob(JsonElement at) {
            return at == null || at.isJsonNull() || at.getAsInt() < 0 ? null : blobs.get(at.getAsInt());
        }

        String word(String key) {
            return header.get(key).getAsString();
        }

        JsonArray list(String key) {
            return header.getAsJsonArray(key);
        }
    }

    /** What a request is answered: a header, and slots behind it. */
    record Answer(JsonObject header, Slots slots) {}

    private Request receive() throws IOException {
        byte[] frame;
        try {
            frame = new byte[Integer.reverseBytes(requests.readInt())];
        } catch (EOFException end) {
            return null;
        }
        requests.readFully(frame);
        ByteBuffer view = ByteBuffer.wrap(frame).order(ByteOrder.LITTLE_ENDIAN);
        byte[] text = new byte[view.getInt()];
        view.get(text);
        JsonObject header = JsonParser.parseString(new String(text, StandardCharsets.UTF_8)).getAsJsonObject();
        List<byte[]> blobs = new ArrayList<>();
        for (JsonElement size : header.getAsJsonArray("blobs")) {
            byte[] blob = new byte[size.getAsInt()];
            view.get(blob);
            blobs.add(blob);
        }
        return new Request(header, blobs);
    }

    private void reply(Answer answer) throws IOException {
        byte[] text = ascii(new Gson().toJson(answer.header())).getBytes(StandardCharsets.US_ASCII);
        byte[] body = answer.slots().bytes();
        int size = 4 + text.length + body.length + 40;
        ByteBuffer frame = ByteBuffer.allocate(4 + size).order(ByteOrder.LITTLE_ENDIAN);
        frame.putInt(size).putInt(text.length).put(text).put(body).putDouble(cpu());
        for (int part = 0; part < times.length; part++) {
            frame.putDouble(times[part]);
            times[part] = 0;
        }
        replies.write(frame.array());
    }

    private static String ascii(String text) {
        StringBuilder out = new StringBuilder(text.length());
        for (char one : text.toCharArray()) {
            out.append(one < 128 ? String.valueOf(one) : String.format("\\u%04x", (int) one));
        }
        return out.toString();
    }

    private Answer hello(Request request) throws Exception {
        JsonElement accepted = request.header().get("known");
        if (accepted.isJsonNull()) {
            JsonArray names = new JsonArray();
            for (JsonElement row : request.list("features")) {
                if (engine.has(request.blob(row.getAsJsonArray().get(1)))) {
                    names.add(row.getAsJsonArray().get(0));
                }
            }
            accepted = names;
        }
        Class<?> about = engine.compiles ? MachineFactoryCompiler.class : Instance.class;
        JsonObject answer = new JsonObject();
        answer.addProperty("protocol", 1);
        answer.add("features", accepted);
        answer.addProperty("library", Path.of(about.getProtectionDomain().getCodeSource().getLocation().toURI()).toString());
        answer.addProperty("version", run.endive.wasm.Version.version());
        return new Answer(answer, new Slots());
    }

    /** Handles a request; a fault of the worker's own must not pass for one of the engine's. */
    private Answer answer(Request request) {
        try {
            switch (request.word("do")) {
                case "hello":
                    return hello(request);
                case "case":
                    return new CaseRun(this, request).run();
                case "open":
                    script = new Script(this);
                    return new Answer(new JsonObject(), new Slots());
                default:
                    return script.step(request);
            }
        } catch (Exception fault) {
            StringWriter text = new StringWriter();
            fault.printStackTrace(new PrintWriter(text));
            JsonObject answer = new JsonObject();
            answer.addProperty("broken", text.toString());
            return new Answer(answer, new Slots());
        }
    }

    private void serve() {
        try {
            for (Request request = receive(); request != null; request = receive()) {
                reply(answer(request));
            }
        } catch (IOException gone) {
            return;
        }
    }

    public static void main(String[] args) throws Exception {
        Worker worker = new Worker(args);
        // The main thread's stack is as large as the shell's limit says.
        Thread thread = new Thread(null, worker::serve, "worker", STACK);
        thread.start();
        thread.join();
    }
}
