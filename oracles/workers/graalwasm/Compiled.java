// Truffle's compiler for the functions of modules under test, and for nothing else: GraalJS and the worker's own program
// stay interpreted.
//
// A function is compiled when it is called and its counters are over a threshold. The threshold is one that nothing comes
// to, and the counters of the functions that are to be compiled are set above it. In an engine of several contexts, which
// ours is, all instances of a module share its functions: the code is made for what a round before has seen.

import com.oracle.truffle.api.Truffle;
import com.oracle.truffle.api.impl.DefaultTruffleRuntime;
import com.oracle.truffle.compiler.TruffleCompilerListener.CompilationResultInfo;
import com.oracle.truffle.compiler.TruffleCompilerListener.GraphInfo;
import com.oracle.truffle.js.runtime.builtins.wasm.JSWebAssemblyModuleObject;
import com.oracle.truffle.runtime.AbstractCompilationTask;
import com.oracle.truffle.runtime.OptimizedCallTarget;
import com.oracle.truffle.runtime.OptimizedTruffleRuntime;
import com.oracle.truffle.runtime.OptimizedTruffleRuntimeListener;
import java.lang.reflect.Field;
import java.util.Map;
import java.util.function.Supplier;
import org.graalvm.polyglot.Engine;
import org.graalvm.polyglot.Value;
import org.graalvm.wasm.WasmModule;
import org.graalvm.wasm.nodes.WasmRootNode;

final class Compiled implements OptimizedTruffleRuntimeListener {
    private static final int FAILED = 70;
    private static final int THRESHOLD = 100_000_000; // it is multiplied by 16 in an int
    private static final Map<String, String> OPTIONS = Map.of(
            "engine.MultiTier", "false", // the optimizing tier from the first time on
            "engine.BackgroundCompilation", "false",
            "engine.DynamicCompilationThresholds", "false",
            "engine.SingleTierCompilationThreshold", String.valueOf(THRESHOLD),
            "engine.OSR", "false", // it has a threshold of its own, which is JavaScript's too
            "engine.CompilerThreads", "1",
            "engine.EncodedGraphCachePurgeDelay", "2000000000", // what was read of the interpreter stays
            // With the defaults a function took half a minute and the whole heap.
            "compiler.MaximumGraalGraphSize", "20000",
            "compiler.InliningExpansionBudget", "4000",
            "compiler.InliningInliningBudget", "4000");

    private final Field receiver, calls, callsAndLoops;
    private int others;
    private String last = "";

    Compiled() {
        try {
            receiver = field(Value.class.getSuperclass(), "receiver");
            calls = field(OptimizedCallTarget.class, "callCount");
            callsAndLoops = field(OptimizedCallTarget.class, "callAndLoopCount");
        } catch (NoSuchFieldException gone) {
            throw new IllegalStateException(gone);
        }
        ((OptimizedTruffleRuntime) Truffle.getRuntime()).addListener(this);
    }

    private static Field field(Class<?> of, String name) throws NoSuchFieldException {
        Field found = of.getDeclaredField(name);
        found.setAccessible(true);
        return found;
    }

    /** Why this JVM has no compiler; "" if it has. */
    static String lacking() {
        if (Truffle.getRuntime() instanceof DefaultTruffleRuntime fallback) {
            return String.valueOf(fallback.getFallbackReason()).lines().findFirst().orElse("").replaceAll("\\.$", "");
        }
        return "";
    }

    static void set(Engine.Builder builder) {
        OPTIONS.forEach(builder::option);
    }

    private WasmModule module(Value module) {
        try {
            return (WasmModule) ((JSWebAssemblyModuleObject) receiver.get(module)).getWASMModule();
        } catch (IllegalAccessException never) {
            throw new IllegalStateException(never);
        }
    }

    /** Has each function of a module compiled by its call after so many others. */
    void heat(Value value, int others) {
        WasmModule module = module(value);
        try {
            for (int i = 0; i < module.numFunctions(); i++) {
                if (module.function(i).target() instanceof OptimizedCallTarget target) {
                    calls.setInt(target, THRESHOLD);
                    callsAndLoops.setInt(target, THRESHOLD - others);
                }
            }
        } catch (IllegalAccessException never) {
            throw new IllegalStateException(never);
        }
    }

    /** What is so after calls of all functions of a module, which was heated: "" if each has optimized code, else why not. */
    String doubt(Value value) {
        WasmModule module = module(value);
        for (int i = 0; i < module.numFunctions(); i++) {
            if (!(module.function(i).target() instanceof OptimizedCallTarget target) || !target.isValidLastTier()) {
                return "function " + i + " of a probe has no optimized code " + last;
            }
        }
        return others > 0 ? others + " functions were compiled that are none of WebAssembly's" : "";
    }

    @Override
    public void onCompilationSuccess(
            OptimizedCallTarget target, AbstractCompilationTask task, GraphInfo graph, CompilationResultInfo result) {
        if (!(target.getRootNode() instanceof WasmRootNode)) others++;
    }

    /**
     * A bailout is what the compiler will not do, and the function stays interpreted, as it does where there is not enough
     * memory to compile it; all else is a fault of the compiler's.
     */
    @Override
    public void onCompilationFailed(
            OptimizedCallTarget target, String reason, boolean bailout, boolean permanent, int tier, Supplier<String> trace) {
        last = "(" + reason + ")";
        if (!bailout && !reason.contains("OutOfMemoryError")) {
            System.err.println("Truffle's compiler failed: " + reason + "\n" + trace.get());
            Runtime.getRuntime().halt(FAILED);
        }
    }
}
