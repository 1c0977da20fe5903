// Cases: compile, link, call, observe.

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.zip.CRC32;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.TableInstance;
import run.endive.runtime.TagInstance;
import run.endive.wasm.types.ExternalType;
import run.endive.wasm.types.GlobalImport;
import run.endive.wasm.types.Import;
import run.endive.wasm.types.Table;
import run.endive.wasm.types.TableLimits;
import run.endive.wasm.types.ValType;

final class CaseRun {
    private static final int TOKENS = 16, TABLE_LIMIT = 1000, BLOCK = 65536;
    private static final byte[] ZEROS = new byte[BLOCK];

    private final Worker worker;
    private final Worker.Request request;
    private final JsonObject answer = new JsonObject();
    private final Slots body = new Slots();
    private final Hosts hosts = new Hosts();
    private Instance store, subject;
    private List<Object> given = List.of();
    private double mark = Worker.cpu();

    CaseRun(Worker worker, Worker.Request request) {
        this.worker = worker;
        this.request = request;
    }

    private void lap(int part) {
        double now = Worker.cpu();
        worker.times[part] = now - mark;
        mark = now;
    }

    Worker.Answer run() {
        answer.add("inst", Outcomes.returned());
        answer.addProperty("phase", Worker.COMPILE);
        worker.at(Worker.COMPILE, -1);
        Engine.Compiled compiled;
        try {
            compiled = worker.engine.compile(request.blob(request.header().get("module")));
            if (!request.header().has("imports")) {
                compiled.validate();
            }
        } catch (RuntimeException | Error refusal) {
            answer.add("inst", Outcomes.refused(refusal));
            return new Worker.Answer(answer, body);
        } finally {
            lap(0);
        }
        if (request.header().has("imports")) {
            execute(compiled);
        }
        lap(3);
        return new Worker.Answer(answer, body);
    }

    private void execute(Engine.Compiled compiled) {
        worker.at(Worker.INSTANTIATE, -1);
        answer.addProperty("phase", Worker.INSTANTIATE);
        JsonObject imports = request.header().getAsJsonObject("imports");
        JsonArray sources = imports.getAsJsonArray("sources");
        JsonArray inst = link(compiled, imports, sources);
        lap(1);
        if (inst != null) {
            answer.add("inst", inst);
        } else {
            answer.addProperty("phase", Worker.INVOKE);
            invoke();
        }
        answer.add("log", hosts.merged(sources, body));
        if (inst == null) {
            globals();
            memories();
            tables();
            dumps();
        }
    }

    /** Instantiates what the harness made and then the module; gives how that ended where it is not there then. */
    private JsonArray link(Engine.Compiled compiled, JsonObject imports, JsonArray sources) {
        try {
            store = peer(request.blob(imports.get("store")));
            hosts.peer = peer(request.blob(imports.get("funcs")));
            given = new ArrayList<>();
            for (int i = 0; i < sources.size(); i++) {
                Import asked = compiled.module().importSection().getImport(i);
                given.add(item(i, sources.get(i).getAsJsonArray(), asked));
            }
        } catch (RuntimeException | LinkageError refusal) {
            return Outcomes.list("unsupported", "its imports: " + refusal);
        }
        try {
            subject = compiled.instantiate(Linking.inOrder(compiled.module(), given));
        } catch (RuntimeException | Error thrown) {
            return Outcomes.ended(thrown, true);
        }
        hosts.subject = subject;
        hosts.references = new References(subject, request.list("funcs"));
        callBack(sources);
        return null;
    }

    private Instance peer(byte[] content) {
        if (content == null) {
            return null;
        }
        Engine.Compiled compiled = worker.engine.compile(content);
        List<Object> items = new ArrayList<>();
        for (int i = 0; i < compiled.module().importSection().importCount(); i++) {
            Import asked = compiled.module().importSection().getImport(i);
            if (asked.module().equals("s")) {
                items.add(Linking.export(store, asked.name()));
            } else if (asked.name().equals("trap")) {
                items.add(Hosts.trap());
            } else {
                items.add(tokens());
            }
        }
        return compiled.instantiate(Linking.inOrder(compiled.module(), items));
    }

    private static TableInstance tokens() {
        TableInstance table = new TableInstance(new Table(ValType.ExternRef, new TableLimits(TOKENS, TOKENS)), -1);
        for (int i = 0; i < TOKENS; i++) {
            Api.token(table, i, i, null);
        }
        return table;
    }

    /** What an import is given (oracles/remote/imports.py). */
    private Object item(int index, JsonArray source, Import asked) {
        int same = source.get(4).getAsInt();
        if (same != index) {
            return given.get(same);
        }
        switch (source.get(3).getAsString()) {
            case "host":
                return hosts.function(index, source);
            case "extern":
                return Api.token((GlobalImport) asked, source.get(8).getAsLong());
            case "funcs":
                return Linking.export(hosts.peer, "i" + index);
            default:
                return Linking.export(store, "i" + index);
        }
    }

    /** What peers that call back call, into their table. */
    private void callBack(JsonArray sources) {
        for (int i = 0; i < sources.size(); i++) {
            JsonArray source = sources.get(i).getAsJsonArray();
            boolean back = source.get(3).getAsString().equals("funcs") && source.get(5).getAsString().equals("reenter");
            if (back && source.get(4).getAsInt() == i) {
                int target = References.exportIndex(subject, source.get(1).getAsString(), ExternalType.FUNCTION);
                hosts.peer.exports().table("reenter").setRef(i, target, subject);
            }
        }
    }

    private void invoke() {
        List<Calls.Tag> tags = Calls.tags(request.list("tags"), at -> (TagInstance) given.get(at), subject);
        Calls calls = new Calls(worker.engine, subject, hosts.references, tags);
        JsonArray out = new JsonArray();
        for (JsonElement call : request.list("calls")) {
            worker.at(Worker.INVOKE, out.size());
            Calls.Told told = calls.call(call.getAsJsonArray(), request);
            out.add(told.outcome());
            body.add(told.slots());
            if (Outcomes.ends(told.outcome())) {
                break;
            }
        }
        answer.add("out", out);
        lap(2);
    }

    private void globals() {
        JsonArray held = new JsonArray();
        for (JsonElement row : request.list("globals")) {
            String name = row.getAsJsonArray().get(0).getAsString();
            held.add(global(subject.exports().global(name), row.getAsJsonArray().get(1).getAsString().charAt(0), hosts.references, body));
        }
        answer.add("globals", held);
    }

    /** Adds a global's slot; gives the identity of a reference. */
    static JsonElement global(GlobalInstance global, char kind, References references, Slots slots) {
        if (Slots.number(kind)) {
            slots.add(Slots.narrow(kind, global.getValueLow()), kind == 'v' ? global.getValueHigh() : 0);
            return JsonNull.INSTANCE;
        }
        slots.add(0, 0);
        return Outcomes.list(references.of(kind, global.getValueLow(), Api.ref(global))).get(0);
    }

    private void memories() {
        JsonArray held = new JsonArray();
        for (JsonElement name : request.list("memories")) {
            Memory memory = subject.exports().memory(name.getAsString());
            JsonArray blocks = new JsonArray();
            for (int page = 0; page < memory.pages(); page++) {
                byte[] block = memory.readBytes(page * BLOCK, BLOCK);
                if (!Arrays.equals(block, ZEROS)) {
                    CRC32 sum = new CRC32();
                    sum.update(block);
                    blocks.add(Outcomes.list(page, sum.getValue()));
                }
            }
            held.add(Outcomes.list(name.getAsString(), memory.pages(), blocks));
        }
        answer.add("mems", held);
    }

    private void tables() {
        JsonArray held = new JsonArray();
        for (JsonElement row : request.list("tables")) {
            String name = row.getAsJsonArray().get(0).getAsString();
            char kind = row.getAsJsonArray().get(1).getAsString().charAt(0);
            TableInstance table = subject.exports().table(name);
            JsonArray elements = new JsonArray();
            for (int i = 0; i < Math.min(table.size(), TABLE_LIMIT); i++) {
                boolean function = Character.toLowerCase(kind) == 'c';
                elements.add(function
                        ? hosts.references.function(table.ref(i), table.instance(i))
                        : hosts.references.of(kind, table.ref(i), Api.ref(table, i)));
            }
            held.add(Outcomes.list(name, table.size(), elements));
        }
        answer.add("tables", held);
    }

    private void dumps() {
        JsonArray sizes = new JsonArray();
        for (JsonElement row : request.list("dump")) {
            Memory memory = subject.exports().memory(row.getAsJsonArray().get(0).getAsString());
            byte[] block = memory.readBytes(row.getAsJsonArray().get(1).getAsInt() * BLOCK, BLOCK);
            sizes.add(block.length);
            body.add(block);
        }
        answer.add("dumps", sizes);
    }
}
