// Requests of the harness and their answers over an `Engine`: frames, the hello, cases and scripts.

use crate::cases::{known_tags, one_call, told, CaseRun, Known};
use crate::common::*;
use crate::frames::{cpu, lap, Answer, Frames};
use serde_json::{json, Value as Json};
use std::collections::HashMap;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};

pub struct Worker<E: Engine> {
    engine: E,
    frames: Frames,
    script: Option<Script<E>>,
}

struct Script<E: Engine> {
    store: E::Store,
    instances: HashMap<String, Known<E>>,
}

impl<E: Engine> Worker<E> {
    pub fn new(engine: E, words: &[String]) -> Self {
        Worker { engine, frames: Frames::new(words), script: None }
    }

    pub fn serve(&mut self) {
        while let Some((header, blobs)) = self.frames.receive() {
            let (answer, body) = match catch_unwind(AssertUnwindSafe(|| self.answer(&header, &blobs))) {
                Ok(answer) => answer,
                Err(panic) if !E::FOREIGN => resume_unwind(panic),
                // A fault of ours must not pass for one of the engine's.
                Err(panic) => (json!({ "broken": words_of(&panic) }), vec![]),
            };
            self.frames.reply(&answer, &body);
        }
    }

    fn answer(&mut self, header: &Json, blobs: &[Vec<u8>]) -> Answer {
        match text(&header["do"]) {
            "hello" => (self.hello(header, blobs), vec![]),
            "case" => self.case(header, blobs),
            _ => self.script_step(header, blobs),
        }
    }

    fn hello(&mut self, header: &Json, blobs: &[Vec<u8>]) -> Json {
        let rows = list(&header["features"]).iter();
        let known = header["known"].as_array().map(|names| names.iter().map(|name| text(name).to_string()).collect());
        let hello = Hello {
            basic: &blobs[0],
            deep: &blobs[1],
            probes: rows.map(|row| (text(&row[0]), blob(blobs, &row[1]).unwrap())).collect(),
            known,
            state: &header["state"],
        };
        let (features, state) = match self.engine.greet(&hello) {
            Ok(greeted) => greeted,
            Err(refused) => return json!({ "refused": refused }),
        };
        let (library, version) = (self.engine.library(), self.engine.version());
        json!({"protocol": 1, "features": features, "library": library, "version": version, "state": state})
    }

    fn store(&mut self, features: &Json) -> Result<E::Store, Ended> {
        match features.as_array() {
            None => Ok(self.engine.store()),
            Some(names) => {
                let names: Vec<String> = names.iter().map(|name| text(name).to_string()).collect();
                self.engine.store_with(&names)
            }
        }
    }

    // Cases.

    fn case(&mut self, header: &Json, blobs: &[Vec<u8>]) -> Answer {
        let mut mark = cpu();
        let mut answer = json!({"inst": ["returned", []], "phase": 1});
        self.frames.at(1, -1);
        let mut store = match self.store(&header["features"]) {
            Ok(store) => store,
            Err(ended) => {
                answer["inst"] = short(&ended);
                return (answer, vec![]);
            }
        };
        let compiled = guarded(&self.engine, || {
            self.engine.compile(&store, blob(blobs, &header["module"]).unwrap())
        });
        lap(&mut self.frames.times[0], &mut mark);
        let module = match compiled {
            Ok(module) => module,
            Err(ended) => {
                answer["inst"] = short(&ended);
                return (answer, vec![]);
            }
        };
        if header["imports"].is_null() {
            return (answer, vec![]);
        }
        self.frames.at(2, -1);
        answer["phase"] = json!(2);
        let mut run = CaseRun::new(&self.engine, header, blobs);
        let (before, ready) = run.before(&mut store);
        if !before.is_empty() {
            answer["before"] = json!(before);
        }
        let made = ready.and_then(|_| guarded(&self.engine, || run.link(&mut store, &module)));
        lap(&mut self.frames.times[1], &mut mark);
        let known = match made {
            Ok(known) => Some(known),
            Err(ended) => {
                answer["inst"] = run.told(&mut store, &ended);
                None
            }
        };
        if let Some(known) = &known {
            answer["phase"] = json!(3);
            let mut out = vec![];
            for (index, call) in list(&header["calls"]).iter().enumerate() {
                self.frames.at(3, index as i32);
                let (told, slots) = one_call(run.engine, &mut store, known, call, blobs);
                run.body.extend(slots);
                let last = ["exhausted", "out_of_memory", "crashed"].contains(&text(&told[0]));
                out.push(told);
                if last {
                    break;
                }
            }
            answer["out"] = json!(out);
            lap(&mut self.frames.times[2], &mut mark);
        }
        let none = vec![];
        if let Some(log) = run.calls(&mut store, known.as_ref().map_or(&none, |known| &known.names)) {
            answer["log"] = log;
        }
        if let Some(known) = &known {
            run.state(&mut store, known, &mut answer);
        }
        let body = run.body;
        drop(store);
        lap(&mut self.frames.times[3], &mut mark);
        (answer, body)
    }

    // Scripts.

    fn script_step(&mut self, header: &Json, blobs: &[Vec<u8>]) -> Answer {
        let name = text(&header["name"]).to_string();
        if header["do"] == "open" {
            self.script = Some(Script { store: self.engine.store(), instances: HashMap::new() });
            return (json!({}), vec![]);
        }
        self.frames.at(match text(&header["do"]) { "instantiate" => 1, _ => 3 }, -1);
        let engine = &self.engine;
        let script = self.script.as_mut().expect("an open script");
        match text(&header["do"]) {
            "instantiate" => {
                match guarded(engine, || link_script(engine, script, header, &blobs[0])) {
                    Ok(made) => {
                        script.instances.insert(name, made);
                        (json!({"out": ["returned", []]}), vec![])
                    }
                    Err(ended) => {
                        let (told, slots) = told(engine, &mut script.store, &[], &vec![], &ended);
                        (json!({ "out": told }), slots)
                    }
                }
            }
            "register" => {
                let made = script.instances[&name].clone();
                script.instances.insert(text(&header["as"]).into(), made);
                (json!({}), vec![])
            }
            "invoke" => {
                let known = script.instances[&name].clone();
                let (told, slots) = one_call(engine, &mut script.store, &known, &header["call"], blobs);
                (json!({ "out": told }), slots)
            }
            _ => {
                let known = script.instances[&name].clone();
                let kind = text(&header["kind"]).chars().next().unwrap();
                let item = engine.export(&mut script.store, &known.instance, text(&header["export"]));
                match item.and_then(|item| engine.global(&mut script.store, &item, kind)) {
                    None => (json!({"found": false, "ref": null}), vec![]),
                    Some(value) => {
                        let (slot, reference) = packed(engine, &value, kind, &known.names);
                        (json!({"found": true, "ref": reference}), slot)
                    }
                }
            }
        }
    }
}

fn link_script<E: Engine>(engine: &E, script: &mut Script<E>, header: &Json, content: &[u8])
    -> Result<Known<E>, Ended> {
    let module = engine.compile(&script.store, content)?;
    let mut items = vec![];
    for import in list(&header["imports"]) {
        let (module, name) = (text(&import[0]), text(&import[1]));
        let found = script.instances.get(module).map(|known| known.instance.clone());
        let item = found.and_then(|instance| engine.export(&mut script.store, &instance, name));
        items.push(item.ok_or_else(|| Ended::Rejected(format!("unknown import {module}.{name}")))?);
    }
    let instance = engine.instantiate(&mut script.store, &module, &items)?;
    let names = function_names(engine, &mut script.store, &instance, &header["funcs"]);
    let tags = known_tags(engine, &mut script.store, Some(&instance), &header["tags"], &items);
    Ok(Known { instance, names, tags })
}

fn words_of(panic: &Box<dyn std::any::Any + Send>) -> String {
    let words = panic.downcast_ref::<String>().cloned();
    words.or_else(|| panic.downcast_ref::<&str>().map(|words| words.to_string())).unwrap_or("a panic".into())
}
