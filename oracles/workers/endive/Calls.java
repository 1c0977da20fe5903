// Calls of an instance's functions, directly and through a wrapper module (oracles/remote/wrapper.py).

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import java.util.ArrayList;
import java.util.List;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.TableInstance;
import run.endive.runtime.TagInstance;
import run.endive.runtime.WasmException;
import run.endive.wasm.types.ExternalType;

final class Calls {
    /** A tag under whose name the module's exceptions are told. */
    record Tag(String name, String kinds, TagInstance tag) {}

    /** How a call ended, and the slots of what it gave. */
    record Told(JsonArray outcome, Slots slots) {}

    private final Engine engine;
    private final Instance subject;
    private final References references;
    private final List<Tag> tags;

    Calls(Engine engine, Instance subject, References references, List<Tag> tags) {
        this.engine = engine;
        this.subject = subject;
        this.references = references;
        this.tags = tags;
    }

    static boolean isObject(char kind) {
        return "eag".indexOf(Character.toLowerCase(kind)) >= 0;
    }

    Told call(JsonArray call, Worker.Request request) {
        String export = call.get(0).getAsString(), via = call.get(1).getAsString();
        int function = References.exportIndex(subject, export, ExternalType.FUNCTION);
        if (!via.equals("host") && !via.equals("wrapper") || function < 0) {
            return new Told(Outcomes.list("unsupported", via), new Slots());
        }
        String params = call.get(2).getAsString(), results = call.get(3).getAsString();
        byte[] args = request.blob(call.get(4));
        try {
            if (via.equals("wrapper")) {
                return wrapped(request.blob(call.get(6)), function, params, results, args, call.get(5).getAsJsonArray());
            }
            return direct(function, params, results, args, call.get(5).getAsJsonArray());
        } catch (WasmException thrown) {
            return threw(thrown);
        } catch (RuntimeException | Error thrown) {
            return new Told(Outcomes.ended(thrown, false), new Slots());
        }
    }

    private Told direct(int function, String params, String results, byte[] args, JsonArray given) {
        int size = params.length() + (int) params.chars().filter(kind -> kind == 'v').count();
        long[] words = new long[size];
        Object[] refs = new Object[size];
        int at = 0, ref = 0;
        for (int i = 0; i < params.length(); i++) {
            char kind = params.charAt(i);
            if (kind == 'v') {
                words[at++] = Slots.low(args, i);
                words[at++] = Slots.high(args, i);
            } else if (Slots.number(kind)) {
                // An i32 or f32 goes as Java's own conversion to long makes it.
                words[at++] = kind == 'l' || kind == 'd' ? Slots.low(args, i) : (int) Slots.low(args, i);
            } else {
                argument(kind, given.get(ref++).getAsString(), words, refs, at++);
            }
        }
        Api.Result result = Api.call(subject, function, words, refs);
        return returned(results, result.words(), result.refs());
    }

    private void argument(char kind, String ref, long[] words, Object[] refs, int at) {
        if (ref.equals("null")) {
            words[at] = run.endive.wasm.types.Value.REF_NULL_VALUE;
        } else if (Character.toLowerCase(kind) == 'e' && ref.startsWith("extern:")) {
            Api.token(words, refs, at, References.token(ref));
        } else if (Character.toLowerCase(kind) == 'c') {
            words[at] = references.function(ref);
        } else {
            throw new Outcomes.Unsupported("no host value " + ref);
        }
    }

    private Told returned(String results, long[] words, Object[] objects) {
        Slots slots = new Slots();
        JsonArray refs = values(results, words, objects, slots);
        return new Told(Outcomes.list("returned", refs), slots);
    }

    /** Adds the slots of values; gives the identities of references. */
    private JsonArray values(String kinds, long[] words, Object[] objects, Slots slots) {
        JsonArray refs = new JsonArray();
        int at = 0;
        for (int i = 0; i < kinds.length(); i++) {
            char kind = kinds.charAt(i);
            if (kind == 'v') {
                slots.add(words[at], words[at + 1]);
                at++;
            } else if (Slots.number(kind)) {
                slots.add(Slots.narrow(kind, words[at]), 0);
            } else {
                long word = words == null ? 0 : words[at];
                refs.add(references.of(kind, word, objects == null ? null : objects[at]));
                slots.add(0, 0);
            }
            at++;
        }
        return refs;
    }

    private Told threw(WasmException thrown) {
        TagInstance seen = thrown.instance().tag(thrown.tagIdx());
        for (Tag tag : tags) {
            if (tag.tag() == seen) {
                Slots slots = new Slots();
                JsonArray refs = values(tag.kinds(), thrown.args(), Api.refs(thrown), slots);
                return new Told(Outcomes.list("threw", tag.name(), tag.kinds(), refs), slots);
            }
        }
        return new Told(Outcomes.list("threw", "?", "", new JsonArray()), new Slots());
    }

    private Told wrapped(byte[] content, int function, String params, String results, byte[] args, JsonArray given) {
        Instance wrapper;
        try {
            Engine.Compiled compiled = engine.compile(content);
            List<Object> items = new ArrayList<>();
            items.add(new Linking.Function(subject, function));
            tags.forEach(tag -> items.add(tag.tag()));
            wrapper = compiled.instantiate(Linking.inOrder(compiled.module(), items));
        } catch (RuntimeException | LinkageError refusal) {
            return new Told(Outcomes.list("unsupported", "the wrapper: " + refusal), new Slots());
        }
        Memory memory = wrapper.exports().memory("memory");
        if (args != null) {
            memory.write(0, args);
        }
        fill(wrapper, params, given);
        int status = (int) wrapper.export("call").apply()[0];
        String kinds = status == 0 ? results : tags.get(status - 1).kinds();
        byte[] data = memory.readBytes(Slots.SIZE * params.length(), Slots.SIZE * kinds.length());
        Slots slots = new Slots();
        JsonArray refs = left(wrapper, kinds, data, params.length(), slots);
        if (status == 0) {
            return new Told(Outcomes.list("returned", refs), slots);
        }
        return new Told(Outcomes.list("threw", tags.get(status - 1).name(), kinds, refs), slots);
    }

    /** The reference arguments into a wrapper's tables, at their positions. */
    private void fill(Instance wrapper, String params, JsonArray given) {
        int at = 0;
        for (int i = 0; i < params.length(); i++) {
            char kind = Character.toLowerCase(params.charAt(i));
            if (Slots.number(kind)) {
                continue;
            }
            String ref = given.get(at++).getAsString();
            if (ref.equals("null") || ref.startsWith("i31:")) {
                continue;
            }
            TableInstance table = wrapper.exports().table(String.valueOf(kind));
            if (kind == 'c') {
                table.setRef(i, (int) references.function(ref), subject);
            } else {
                Api.token(table, i, References.token(ref), subject);
            }
        }
    }

    /** The values that a wrapper left: numbers in its memory, references in its tables. */
    private JsonArray left(Instance wrapper, String kinds, byte[] data, int first, Slots slots) {
        JsonArray refs = new JsonArray();
        for (int i = 0; i < kinds.length(); i++) {
            char kind = kinds.charAt(i);
            if (Slots.number(kind)) {
                slots.add(Slots.narrow(kind, Slots.low(data, i)), kind == 'v' ? Slots.high(data, i) : 0);
                continue;
            }
            slots.add(0, 0);
            char lower = Character.toLowerCase(kind);
            if ((Slots.low(data, i) & 0xff) == 0) {
                refs.add("null");
            } else if (lower == 'x') {
                refs.add("exn");
            } else {
                TableInstance table = wrapper.exports().table(lower == 'g' ? "a" : String.valueOf(lower));
                // A function is a number in the module under test, whichever instance has put it there.
                int place = first + i;
                refs.add(references.of(kind, table.ref(place), Api.ref(table, place)));
            }
        }
        return refs;
    }

    /** Tags as the header names them. */
    static List<Tag> tags(Iterable<JsonElement> rows, java.util.function.IntFunction<TagInstance> imported, Instance of) {
        List<Tag> made = new ArrayList<>();
        for (JsonElement item : rows) {
            JsonArray row = item.getAsJsonArray();
            String name = row.get(0).getAsString();
            int at = row.get(2).getAsInt();
            TagInstance tag = at >= 0 ? imported.apply(at) : of.tag(References.exportIndex(of, name, ExternalType.TAG));
            made.add(new Tag(name, row.get(1).getAsString(), tag));
        }
        return made;
    }
}
