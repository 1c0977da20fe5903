// Scripts: instances that import from each other by name.

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import run.endive.runtime.GlobalInstance;
import run.endive.runtime.Instance;
import run.endive.wasm.UnlinkableException;

final class Script {
    private record Made(Instance instance, References references, List<Calls.Tag> tags) {}

    private final Worker worker;
    private final Map<String, Made> instances = new HashMap<>();

    Script(Worker worker) {
        this.worker = worker;
    }

    Worker.Answer step(Worker.Request request) {
        JsonObject answer = new JsonObject();
        Slots slots = new Slots();
        Made named = instances.get(request.word("name"));
        switch (request.word("do")) {
            case "instantiate":
                answer.add("out", instantiate(request));
                break;
            case "register":
                instances.put(request.word("as"), named);
                break;
            case "invoke":
                worker.at(Worker.INVOKE, -1);
                Calls calls = new Calls(worker.engine, named.instance(), named.references(), named.tags());
                Calls.Told told = calls.call(request.list("call"), request);
                answer.add("out", told.outcome());
                slots.add(told.slots());
                break;
            default:
                get(request, named, answer, slots);
        }
        return new Worker.Answer(answer, slots);
    }

    private JsonArray instantiate(Worker.Request request) {
        Engine.Compiled compiled;
        worker.at(Worker.COMPILE, -1);
        try {
            compiled = worker.engine.compile(request.blobs().get(0));
        } catch (RuntimeException | Error refusal) {
            return Outcomes.refused(refusal);
        }
        worker.at(Worker.INSTANTIATE, -1);
        try {
            List<Object> items = new ArrayList<>();
            for (JsonElement row : request.list("imports")) {
                Made from = instances.get(row.getAsJsonArray().get(0).getAsString());
                if (from == null) {
                    throw new UnlinkableException("unknown import " + row);
                }
                items.add(Linking.export(from.instance(), row.getAsJsonArray().get(1).getAsString()));
            }
            Instance made = compiled.instantiate(Linking.inOrder(compiled.module(), items));
            References references = new References(made, request.list("funcs"));
            instances.put(request.word("name"), new Made(made, references, Calls.tags(request.list("tags"), at -> null, made)));
            return Outcomes.returned();
        } catch (RuntimeException | Error thrown) {
            return Outcomes.ended(thrown, true);
        }
    }

    private static void get(Worker.Request request, Made named, JsonObject answer, Slots slots) {
        try {
            Object item = named == null ? null : Linking.export(named.instance(), request.word("export"));
            if (item instanceof GlobalInstance global) {
                answer.addProperty("found", true);
                answer.add("ref", CaseRun.global(global, request.word("kind").charAt(0), named.references(), slots));
                return;
            }
        } catch (UnlinkableException none) {
            slots = new Slots();
        }
        answer.addProperty("found", false);
    }
}
