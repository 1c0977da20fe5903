// Where Endive and its forerunner Chicory differ (chicory/Api.java): what a reference to an object is. Endive's are objects,
// which stand beside the words at their places.

import run.endive.runtime.CallResult;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.ImportFunction;
import run.endive.runtime.Instance;
import run.endive.runtime.TableInstance;
import run.endive.runtime.WasmException;
import run.endive.runtime.WasmExternRef;
import run.endive.runtime.WasmFunctionHandle;
import run.endive.runtime.WasmI31Ref;
import run.endive.wasm.WasmEngineException;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.GlobalImport;

final class Api {
    static final String NAME = "endive";

    private Api() {}

    /** What a function gave: a vector has two words; {@code refs} may be null. */
    record Result(long[] words, Object[] refs) {}

    /** What a host function does. */
    interface Host {
        Result apply(long[] words, Object[] refs);
    }

    static WasmFunctionHandle handle(Host host) {
        return new WasmFunctionHandle() {
            @Override
            public long[] apply(Instance caller, long... words) {
                return host.apply(words, null).words();
            }

            @Override
            public CallResult applyWithRefs(Instance caller, long[] words, Object[] refs) {
                Result result = host.apply(words, refs);
                return CallResult.of(result.words(), result.refs());
            }
        };
    }

    /** A call through the machine. */
    static Result call(Instance instance, int function, long[] words, Object[] refs) {
        FunctionType type = instance.type(instance.functionType(function));
        if (type.hasObjectRefParams() || type.hasObjectRefReturns()) {
            CallResult result = instance.getMachine().callWithRefs(function, words, refs);
            return new Result(result.longs(), result.refs());
        }
        return new Result(instance.getMachine().call(function, words), null);
    }

    /** Has none made. */
    static Instance.Builder withoutTables(Instance.Builder builder) {
        return builder.withTableFactory((table, initial) -> null);
    }

    /** {@code source} is the instance that it comes from, or null. */
    static ImportFunction imported(String from, String name, FunctionType type, WasmFunctionHandle handle, Instance source) {
        return new ImportFunction(from, name, type, handle, source);
    }

    static boolean isOwn(Throwable thrown) {
        return thrown instanceof WasmEngineException;
    }

    static Object[] refs(WasmException thrown) {
        return thrown.refArgs();
    }

    static Object ref(GlobalInstance global) {
        return global.getRefValue();
    }

    static Object ref(TableInstance table, int at) {
        return table.objRef(at);
    }

    /** The identity of what is an object: all but functions and exceptions. */
    static String object(long word, Object ref) {
        if (ref == null) {
            return "null";
        } else if (ref instanceof WasmExternRef host && !host.isObjectRef()) {
            return "extern:" + host.value();
        } else if (ref instanceof WasmI31Ref small) {
            return "i31:" + (small.value() & 0x7fffffff);
        }
        return "nonnull";
    }

    /** A token of the host's as the value at a place. */
    static void token(long[] words, Object[] refs, int at, long token) {
        refs[at] = new WasmExternRef(token);
    }

    static void token(TableInstance table, int at, long token, Instance by) {
        table.setObjRef(at, new WasmExternRef(token), by);
    }

    static GlobalInstance token(GlobalImport asked, long token) {
        return GlobalInstance.builder().valType(asked.type()).mutabilityType(asked.mutabilityType())
                .refValue(new WasmExternRef(token)).build();
    }
}
