// References by identity: host tokens, functions that a module exports, null, and others.

import com.google.gson.JsonElement;
import java.util.HashMap;
import java.util.Map;
import run.endive.runtime.Instance;
import run.endive.wasm.types.ExportSection;
import run.endive.wasm.types.ExternalType;
import run.endive.wasm.types.Value;

final class References {
    private final Map<Integer, String> names = new HashMap<>();
    private final Instance subject;

    /** A function is a number in its instance; {@code funcs} are the exports that it may be called after. */
    References(Instance subject, Iterable<JsonElement> funcs) {
        this.subject = subject;
        for (JsonElement name : funcs) {
            names.putIfAbsent(exportIndex(subject, name.getAsString(), ExternalType.FUNCTION), name.getAsString());
        }
    }

    /** The index of an exported item, or -1. */
    static int exportIndex(Instance instance, String name, ExternalType type) {
        ExportSection exports = instance.module().exportSection();
        for (int i = 0; i < exports.exportCount(); i++) {
            if (exports.getExport(i).exportType() == type && exports.getExport(i).name().equals(name)) {
                return exports.getExport(i).index();
            }
        }
        return -1;
    }

    /** A function as it is in an instance. */
    String function(long index, Instance in) {
        if ((int) index == Value.REF_NULL_VALUE) {
            return "null";
        }
        String name = in == null || in == subject ? names.get((int) index) : null;
        return name == null ? "func" : "func:" + name;
    }

    String of(char kind, long word, Object ref) {
        switch (Character.toLowerCase(kind)) {
            case 'c':
                return function(word, subject);
            case 'x':
                return (int) word == Value.REF_NULL_VALUE ? "null" : "exn";
            default:
                return Api.object(word, ref);
        }
    }

    /** The number of a host's token. */
    static long token(String ref) {
        return Long.parseLong(ref.substring("extern:".length()));
    }

    long function(String ref) {
        if (ref.equals("null")) {
            return Value.REF_NULL_VALUE;
        }
        int index = ref.startsWith("func:") ? exportIndex(subject, ref.substring(5), ExternalType.FUNCTION) : -1;
        if (index < 0) {
            throw new Outcomes.Unsupported("no host value " + ref);
        }
        return index;
    }
}
