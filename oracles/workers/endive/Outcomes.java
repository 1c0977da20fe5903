// How a step ended, as the protocol tells it.

import com.google.gson.JsonArray;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import run.endive.runtime.TrapException;
import run.endive.runtime.WasmException;

final class Outcomes {
    private Outcomes() {}

    /** What a host function of ours throws. */
    static final class HostTrap extends TrapException {
        HostTrap() {
            super("host trap");
        }
    }

    /** What is asked of a host that it cannot do. */
    static final class Unsupported extends RuntimeException {
        Unsupported(String what) {
            super(what);
        }
    }

    private static final Map<String, List<String>> TRAPS = new LinkedHashMap<>();

    static {
        TRAPS.put("unreachable", List.of("UNREACHABLE"));
        TRAPS.put("integer divide by zero", List.of("DIV_BY_ZERO"));
        TRAPS.put("integer overflow", List.of("INT_OVERFLOW"));
        TRAPS.put("invalid conversion to integer", List.of("BAD_CONVERSION"));
        TRAPS.put("out of bounds memory access", List.of("MEMORY_OOB"));
        TRAPS.put("out of bounds table access", List.of("TABLE_OOB"));
        TRAPS.put("out of bounds array access", List.of("ARRAY_OOB"));
        TRAPS.put("undefined element", List.of("UNDEFINED_ELEMENT"));
        TRAPS.put("uninitialized element", List.of("UNINITIALIZED_ELEMENT"));
        TRAPS.put("indirect call type mismatch", List.of("INDIRECT_TYPE_MISMATCH"));
        TRAPS.put("cast failure", List.of("CAST_FAILURE"));
        TRAPS.put("unaligned atomic", List.of("UNALIGNED_ATOMIC"));
        TRAPS.put("null array reference", List.of("NULL_REFERENCE"));
        TRAPS.put("null structure reference", List.of("NULL_REFERENCE"));
        TRAPS.put("null i31 reference", List.of("NULL_REFERENCE"));
        TRAPS.put("null function reference", List.of("NULL_REFERENCE"));
        TRAPS.put("null reference", List.of("NULL_REFERENCE"));
        TRAPS.put("Attempt to wait on a non-shared memory", List.of("EXPECTED_SHARED_MEMORY"));
    }

    static List<String> trapKinds(String text) {
        for (Map.Entry<String, List<String>> trap : TRAPS.entrySet()) {
            if (text.contains(trap.getKey())) {
                return trap.getValue();
            }
        }
        return null;
    }

    static JsonArray list(Object... parts) {
        JsonArray made = new JsonArray();
        for (Object part : parts) {
            if (part instanceof JsonArray array) {
                made.add(array);
            } else if (part instanceof Number number) {
                made.add(number);
            } else {
                made.add((String) part);
            }
        }
        return made;
    }

    static JsonArray returned() {
        return list("returned", new JsonArray());
    }

    static boolean ends(JsonArray outcome) {
        return List.of("exhausted", "out_of_memory", "crashed").contains(outcome.get(0).getAsString());
    }

    /** How a step ended that threw something; {@code linking}: what is no trap may be a refusal. */
    static JsonArray ended(Throwable thrown, boolean linking) {
        for (Throwable one = thrown; one != null; one = one.getCause()) {
            if (one instanceof HostTrap) {
                return list("trapped", list("HOST"), "host trap");
            } else if (one instanceof StackOverflowError) {
                return list("exhausted", "stack");
            } else if (one instanceof OutOfMemoryError) {
                return list("out_of_memory", String.valueOf(one.getMessage()));
            } else if (one instanceof WasmException) {
                return list("threw", "?", "", new JsonArray());
            } else if (one instanceof Unsupported) {
                return list("unsupported", one.getMessage());
            }
        }
        String text = String.valueOf(thrown.getMessage());
        if (Api.isOwn(thrown)) {
            List<String> kinds = trapKinds(text);
            if (kinds != null) {
                return list("trapped", list(kinds.toArray()), text);
            } else if (linking) {
                return list("rejected", text);
            }
        }
        return crashed(thrown);
    }

    /** How compiling ended that threw something. Of vectors the compiler says by another exception that it has none. */
    static JsonArray refused(Throwable thrown) {
        boolean lacking = thrown instanceof IllegalArgumentException && thrown.getMessage().startsWith("Unsupported ");
        if (Api.isOwn(thrown) || lacking) {
            return list("rejected", String.valueOf(thrown.getMessage()));
        }
        return ended(thrown, false);
    }

    /** What it says first; of code that the JVM's verifier refuses, why, which comes some lines later. */
    private static String said(Throwable thrown) {
        List<String> lines = thrown.toString().lines().map(String::strip).toList();
        int reason = lines.indexOf("Reason:") + 1;
        boolean told = thrown instanceof VerifyError && reason > 0 && reason < lines.size();
        return told ? lines.get(0) + ": " + lines.get(reason) : lines.get(0);
    }

    private static JsonArray crashed(Throwable thrown) {
        String place = "";
        for (StackTraceElement frame : thrown.getStackTrace()) {
            if (frame.getClassName().startsWith("run.endive.") && frame.getFileName() != null) {
                place = Api.NAME + "/" + frame.getFileName() + ":" + frame.getLineNumber();
                break;
            }
        }
        return list("crashed", 0, said(thrown), place);
    }
}
