// Host functions with the meaning of wasm/hostmix.py, and the log of their calls.

import com.google.gson.JsonArray;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.Deque;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.WasmFunctionHandle;
import run.endive.wasm.types.ExternalType;
import run.endive.wasm.types.Value;

final class Hosts {
    static final int LOG_LIMIT = 1000;
    private static final int TOKENS = 16;
    private static final long STEP = 0x9fb21c651e98df25L, BUMP = 0xd6e8feb86659fd93L, GOLDEN = 0x9e3779b97f4a7c15L;

    /** A logged call: how many of the peer's came before it. */
    private record Logged(int before, int index, Slots slots, JsonArray refs) {}

    private final Deque<Logged> log = new ArrayDeque<>();
    /** Set when they are there. */
    Instance subject, peer;
    References references;

    static WasmFunctionHandle trap() {
        return Api.handle((words, refs) -> {
            throw new Outcomes.HostTrap();
        });
    }

    private static long seed(String module, String name) {
        long h = 0xcbf29ce484222325L;
        byte[] first = module.getBytes(StandardCharsets.UTF_8), second = name.getBytes(StandardCharsets.UTF_8);
        for (int i = 0; i < first.length + 1 + second.length; i++) {
            int one = i < first.length ? first[i] : i == first.length ? 0xff : second[i - first.length - 1];
            h = (h ^ one & 0xff) * 0x100000001b3L;
        }
        return h;
    }

    private static long absorb(long h, long word) {
        return Long.rotateLeft(h ^ word, 29) * STEP + BUMP;
    }

    /** Word {@code k} of result {@code index}. */
    private static long word(long state, int index, int k) {
        long z = state + (2L * index + k + 1) * GOLDEN;
        z = (z ^ z >>> 30) * 0xbf58476d1ce4e5b9L;
        z = (z ^ z >>> 27) * 0x94d049bb133111ebL;
        return z ^ z >>> 31;
    }

    /** The function of an import: {@code source} as in the header. */
    WasmFunctionHandle function(int index, JsonArray source) {
        String module = source.get(0).getAsString(), name = source.get(1).getAsString();
        String does = source.get(5).getAsString();
        String params = source.get(6).getAsString(), results = source.get(7).getAsString();
        return Api.handle((words, refs) -> {
            note(index, params, words, refs);
            if (does.equals("trap") || does.equals("reenter") && subject == null) {
                throw new Outcomes.HostTrap();
            } else if (does.equals("reenter")) {
                int target = References.exportIndex(subject, name, ExternalType.FUNCTION);
                return Api.call(subject, target, words, refs);
            }
            return mix(mixed(seed(module, name), params, words, refs), results);
        });
    }

    private void note(int index, String params, long[] words, Object[] objects) {
        if (log.size() >= LOG_LIMIT) {
            return;
        }
        Slots slots = new Slots();
        JsonArray refs = new JsonArray();
        int at = 0;
        for (char kind : params.toCharArray()) {
            if (kind == 'v') {
                slots.add(words[at], words[at + 1]);
                at++;
            } else if (Slots.number(kind)) {
                slots.add(Slots.narrow(kind, words[at]), 0);
            } else {
                slots.add(0, 0);
                refs.add(identity(kind, words[at], objects == null ? null : objects[at]));
            }
            at++;
        }
        log.add(new Logged(peerCount(), index, slots, refs));
    }

    /** While a module starts, its functions have no names yet. */
    private String identity(char kind, long word, Object object) {
        if (references != null) {
            return references.of(kind, word, object);
        } else if (Calls.isObject(kind)) {
            return Api.object(word, object);
        }
        return (int) word == Value.REF_NULL_VALUE ? "null" : "func";
    }

    private static long mixed(long seed, String params, long[] words, Object[] objects) {
        long state = seed;
        int at = 0;
        for (char kind : params.toCharArray()) {
            long low, high = 0;
            if (kind == 'v') {
                low = words[at++];
                high = words[at];
            } else if (Slots.number(kind)) {
                low = Slots.narrow(kind, words[at]);
            } else if (Calls.isObject(kind)) {
                low = Api.object(words[at], objects == null ? null : objects[at]).equals("null") ? 0 : 1;
            } else {
                low = (int) words[at] == Value.REF_NULL_VALUE ? 0 : 1;
            }
            at++;
            state = absorb(absorb(state, low), high);
        }
        return state;
    }

    private static Api.Result mix(long state, String results) {
        int size = results.length() + (int) results.chars().filter(kind -> kind == 'v').count();
        long[] words = new long[size];
        Object[] refs = new Object[size];
        int at = 0;
        for (int i = 0; i < results.length(); i++) {
            char kind = results.charAt(i);
            long low = word(state, i, 0);
            if (kind == 'v') {
                words[at++] = low;
                words[at] = word(state, i, 1);
            } else if (kind == 'e') {
                Api.token(words, refs, at, Long.remainderUnsigned(low, TOKENS));
            } else if (Slots.number(kind)) {
                words[at] = kind == 'l' || kind == 'd' ? low : (int) low;
            } else {
                words[at] = Value.REF_NULL_VALUE;
            }
            at++;
        }
        return new Api.Result(words, refs);
    }

    private int peerCount() {
        return peer == null ? 0 : (int) peer.exports().global("count").getValue();
    }

    /** The host's log and the peer's, in the order in which the calls were made; their slots go to {@code body}. */
    JsonArray merged(JsonArray sources, Slots body) {
        JsonArray merged = new JsonArray();
        int count = Math.min(peerCount(), LOG_LIMIT), at = 0;
        for (int seen = 0; merged.size() < LOG_LIMIT && (seen < count || !log.isEmpty()); ) {
            if (!log.isEmpty() && log.peek().before() <= seen) {
                Logged one = log.poll();
                merged.add(Outcomes.list(one.index(), one.refs()));
                body.add(one.slots());
            } else {
                at = peerCall(sources, at, merged, body);
                seen++;
            }
        }
        return merged;
    }

    /** One record of the peer's log (oracles/remote/peers.py); gives where the next begins. */
    private int peerCall(JsonArray sources, int at, JsonArray merged, Slots body) {
        Memory memory = peer.exports().memory("log");
        int index = memory.readInt(at), size = memory.readInt(at + 4);
        byte[] slots = memory.readBytes(at + Slots.SIZE, size * Slots.SIZE);
        JsonArray refs = new JsonArray();
        String params = sources.get(index).getAsJsonArray().get(6).getAsString();
        for (int i = 0; i < params.length(); i++) {
            if (!Slots.number(params.charAt(i))) {
                refs.add(slots[Slots.SIZE * i] != 0 ? "nonnull" : "null");
                slots[Slots.SIZE * i] = 0;
            }
        }
        merged.add(Outcomes.list(index, refs));
        body.add(slots);
        return at + Slots.SIZE + size * Slots.SIZE;
    }
}
