// Endive itself: modules made into instances, by its compiler or its interpreter.

import java.util.function.Function;
import run.endive.compiler.InterpreterFallback;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.runtime.Machine;
import run.endive.wasm.InvalidException;
import run.endive.wasm.MalformedException;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.AnnotatedInstruction;
import run.endive.wasm.types.FunctionBody;

final class Engine {
    private static final int PROBE_STEPS = 1000, VECTORS = 0xfd;

    final boolean compiles;

    Engine(boolean compiles) {
        this.compiles = compiles;
    }

    /** A module that was compiled: nothing but parsed and validated for the interpreter. */
    record Compiled(WasmModule module, Function<Instance, Machine> machines) {
        Instance.Builder builder() {
            Instance.Builder builder = Instance.builder(module).withStart(false);
            return machines == null ? builder : builder.withMachineFactory(machines);
        }

        /** What of validation is left to instantiation; what imports are needed for stays unseen. */
        void validate() {
            try {
                Api.withoutTables(builder().withInitialize(false).withMemoryFactory(limits -> null)).build();
            } catch (InvalidException | MalformedException invalid) {
                throw invalid;
            } catch (RuntimeException | LinkageError later) {
                return;
            }
        }

        Instance instantiate(ImportValues imports) {
            return builder().withImportValues(imports).build();
        }
    }

    /** Endive says that a module may be refused by any exception (its issue 98): a malformed one by Java's own, too. */
    private static WasmModule parsed(byte[] content) {
        try {
            return Parser.parse(content);
        } catch (RuntimeException refusal) {
            throw Api.isOwn(refusal) ? refusal : new MalformedException(refusal.toString(), refusal);
        }
    }

    Compiled compile(byte[] content) {
        WasmModule module = parsed(content);
        if (!compiles) {
            refuseVectors(module);
            return new Compiled(module, null);
        }
        // A function that is too large for a method of the JVM is interpreted.
        MachineFactoryCompiler.Builder compiler = MachineFactoryCompiler.builder(module);
        return new Compiled(module, compiler.withInterpreterFallback(InterpreterFallback.SILENT).compile());
    }

    /** The interpreter meets a vector instruction only where it is executed; those are in a library of their own. */
    private static void refuseVectors(WasmModule module) {
        for (FunctionBody body : module.codeSection().functionBodies()) {
            for (AnnotatedInstruction instruction : body.instructions()) {
                if (instruction.opcode().opcode() >> 8 == VECTORS) {
                    throw new InvalidException("no vector instructions without the simd library");
                }
            }
        }
    }

    private static final class EnoughSteps extends RuntimeException {}

    /** Whether it has what a probe needs. The interpreter takes instructions that it lacks until it meets them. */
    boolean has(byte[] probe) {
        try {
            int[] steps = {0};
            Instance.Builder builder = compile(probe).builder();
            if (!compiles) {
                builder = builder.withUnsafeExecutionListener((instruction, stack) -> {
                    if (++steps[0] > PROBE_STEPS) {
                        throw new EnoughSteps();
                    }
                });
            }
            Instance made = builder.build();
            if (!compiles && made.functionCount() > 0) {
                made.getMachine().call(0, new long[0]);
            }
            return true;
        } catch (EnoughSteps endless) {
            return true;
        } catch (RuntimeException | LinkageError refusal) {
            return Outcomes.trapKinds(String.valueOf(refusal.getMessage())) != null;
        }
    }
}
