// What Chicory has in place of endive/Api.java: references to objects are words as all other values are, so there are no
// objects beside them. The rest of the worker is Endive's, under Chicory's names of packages.

import com.dylibso.chicory.runtime.GlobalInstance;
import com.dylibso.chicory.runtime.ImportFunction;
import com.dylibso.chicory.runtime.Instance;
import com.dylibso.chicory.runtime.TableInstance;
import com.dylibso.chicory.runtime.WasmException;
import com.dylibso.chicory.runtime.WasmFunctionHandle;
import com.dylibso.chicory.wasm.ChicoryException;
import com.dylibso.chicory.wasm.types.FunctionType;
import com.dylibso.chicory.wasm.types.GlobalImport;
import com.dylibso.chicory.wasm.types.Value;
import java.lang.reflect.Constructor;
import java.util.Arrays;

final class Api {
    static final String NAME = "chicory";
    private static final int TOKENS = 1 << 16;

    /** Old releases do not ask where a function comes from. */
    private static final Constructor<?> SOURCED = Arrays.stream(ImportFunction.class.getConstructors())
            .filter(one -> one.getParameterCount() == 5 && one.getParameterTypes()[4] == Instance.class).findFirst().orElse(null);

    private Api() {}

    record Result(long[] words, Object[] refs) {}

    interface Host {
        Result apply(long[] words, Object[] refs);
    }

    static WasmFunctionHandle handle(Host host) {
        return (caller, words) -> host.apply(words, null).words();
    }

    static Result call(Instance instance, int function, long[] words, Object[] refs) {
        return new Result(instance.getMachine().call(function, words), null);
    }

    /** Old releases cannot be told so. */
    static Instance.Builder withoutTables(Instance.Builder builder) {
        return builder;
    }

    static ImportFunction imported(String from, String name, FunctionType type, WasmFunctionHandle handle, Instance source) {
        if (SOURCED == null) {
            return new ImportFunction(from, name, type, handle);
        }
        try {
            return (ImportFunction) SOURCED.newInstance(from, name, type, handle, source);
        } catch (ReflectiveOperationException fault) {
            throw new IllegalStateException(fault);
        }
    }

    static boolean isOwn(Throwable thrown) {
        return thrown instanceof ChicoryException;
    }

    static Object[] refs(WasmException thrown) {
        return null;
    }

    static Object ref(GlobalInstance global) {
        return null;
    }

    static Object ref(TableInstance table, int at) {
        return null;
    }

    static String object(long word, Object ref) {
        if ((int) word == Value.REF_NULL_VALUE) {
            return "null";
        }
        return word >= 0 && word < TOKENS ? "extern:" + word : "nonnull";
    }

    static void token(long[] words, Object[] refs, int at, long token) {
        words[at] = token;
    }

    static void token(TableInstance table, int at, long token, Instance by) {
        table.setRef(at, (int) token, by);
    }

    static GlobalInstance token(GlobalImport asked, long token) {
        return new GlobalInstance(token, 0, asked.type(), asked.mutabilityType());
    }
}
