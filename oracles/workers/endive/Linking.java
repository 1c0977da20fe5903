// What a module's imports are given, by their order: Endive itself finds them by names and types.

import java.util.List;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.ImportGlobal;
import run.endive.runtime.ImportMemory;
import run.endive.runtime.ImportTable;
import run.endive.runtime.ImportTag;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.runtime.Memory;
import run.endive.runtime.TableInstance;
import run.endive.runtime.TagInstance;
import run.endive.runtime.WasmFunctionHandle;
import run.endive.wasm.UnlinkableException;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.Export;
import run.endive.wasm.types.ExportSection;
import run.endive.wasm.types.ExternalType;
import run.endive.wasm.types.FunctionImport;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.Import;

final class Linking {
    private Linking() {}

    /** A function of an instance, by its index. */
    record Function(Instance instance, int index) {
        FunctionType type() {
            return instance.type(instance.functionType(index));
        }
    }

    /** An exported item: a {@code Function}, or Endive's own of the other sorts. Throws {@code UnlinkableException}. */
    static Object export(Instance instance, String name) {
        ExportSection exports = instance.module().exportSection();
        for (int i = 0; i < exports.exportCount(); i++) {
            Export one = exports.getExport(i);
            if (one.name().equals(name)) {
                switch (one.exportType()) {
                    case FUNCTION:
                        return new Function(instance, one.index());
                    case TABLE:
                        return instance.table(one.index());
                    case MEMORY:
                        return instance.exports().memory(name);
                    case GLOBAL:
                        return instance.global(one.index());
                    default:
                        return instance.tag(one.index());
                }
            }
        }
        throw new UnlinkableException("unknown import " + name);
    }

    /** The items as imports of a module, one each. */
    static ImportValues inOrder(WasmModule module, List<Object> items) {
        ImportValues.Builder values = ImportValues.builder();
        for (int i = 0; i < items.size(); i++) {
            Import asked = module.importSection().getImport(i);
            add(values, module, asked, items.get(i));
        }
        return values.build();
    }

    private static void add(ImportValues.Builder values, WasmModule module, Import asked, Object item) {
        String from = asked.module(), name = asked.name();
        if (item instanceof Function function) {
            // The instance it comes from lets Endive compare types across modules, where the names agree.
            WasmFunctionHandle calls = Api.handle((words, refs) -> Api.call(function.instance(), function.index(), words, refs));
            values.addFunction(Api.imported(from, name, function.type(), calls, source(function, name)));
        } else if (item instanceof WasmFunctionHandle host && asked instanceof FunctionImport function) {
            FunctionType type = module.typeSection().getType(function.typeIndex());
            values.addFunction(Api.imported(from, name, type, host, null));
        } else if (item instanceof GlobalInstance global) {
            values.addGlobal(new ImportGlobal(from, name, global));
        } else if (item instanceof Memory memory) {
            values.addMemory(new ImportMemory(from, name, memory));
        } else if (item instanceof TableInstance table) {
            values.addTable(new ImportTable(from, name, table));
        } else if (item instanceof TagInstance tag) {
            values.addTag(new ImportTag(from, name, tag));
        } else {
            throw new UnlinkableException("incompatible import type for " + from + "." + name);
        }
    }

    private static Instance source(Function function, String name) {
        boolean same = References.exportIndex(function.instance(), name, ExternalType.FUNCTION) == function.index();
        return same ? function.instance() : null;
    }
}
