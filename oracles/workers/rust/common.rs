// What workers for WebAssembly engines in Rust share: host functions, cases and scripts (oracles/remote/protocol.py),
// over an engine's own interface (`Engine`).

use crate::frames::{cpu, lap, list, text, Answer, Frames};

use serde_json::{json, Value as Json};
use std::collections::HashMap;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

pub const SLOT: usize = 16;
const BLOCK: usize = 65536;
const LOG_LIMIT: usize = 1000;
const TABLE_LIMIT: u64 = 1000;

/// A value: a number's bits, a host token, or a function.
#[derive(Clone)]
pub enum Val<F> {
    Number(u128),
    Token(Option<u32>),
    Func(Option<F>),
    Other(bool), // a reference that this host knows no more of than whether it is null
}

/// How a step ended that gave no result.
#[derive(Clone, Debug)]
pub enum Ended {
    Trapped(Vec<&'static str>, String),
    Host,
    Exhausted,
    OutOfMemory(String),
    Threw,
    Rejected(String),
    Unsupported(String),
    Crashed(String),
}

pub type HostCall<F> = Arc<dyn Fn(&[Val<F>], &mut CallBack<F>) -> Result<Vec<Val<F>>, Ended> + Send + Sync>;
pub type CallBack<'a, F> = dyn FnMut(&F, &[Val<F>], &str) -> Result<Vec<Val<F>>, Ended> + 'a;

/// An engine. Items are what is imported and exported; kinds are those of oracles/remote/interface.py.
pub trait Engine: Sized {
    type Store;
    type Module;
    type Instance: Clone;
    type Item: Clone;
    type Func: Clone + Send + Sync + 'static;

    fn version() -> &'static str;
    fn store(&self) -> Self::Store;
    fn compile(&self, store: &Self::Store, content: &[u8]) -> Result<Self::Module, Ended>;
    fn instantiate(&self, store: &mut Self::Store, module: &Self::Module, items: &[Self::Item])
        -> Result<Self::Instance, Ended>;
    fn export(&self, store: &mut Self::Store, instance: &Self::Instance, name: &str) -> Option<Self::Item>;
    fn host(&self, store: &mut Self::Store, params: &str, results: &str, call: HostCall<Self::Func>) -> Self::Item;
    fn token_global(&self, store: &mut Self::Store, token: u32, mutable: bool) -> Self::Item;
    fn call(&self, store: &mut Self::Store, func: &Self::Func, args: &[Val<Self::Func>], results: &str)
        -> Result<Vec<Val<Self::Func>>, Ended>;
    fn func(&self, item: &Self::Item) -> Option<Self::Func>;
    fn same(&self, a: &Self::Func, b: &Self::Func) -> bool;
    fn memory(&self, store: &mut Self::Store, item: &Self::Item) -> Option<Vec<u8>>;
    fn write(&self, store: &mut Self::Store, item: &Self::Item, data: &[u8]);
    fn global(&self, store: &mut Self::Store, item: &Self::Item) -> Option<Val<Self::Func>>;
    fn table_size(&self, store: &mut Self::Store, item: &Self::Item) -> Option<u64>;
    fn table_get(&self, store: &mut Self::Store, item: &Self::Item, at: u64) -> Option<Val<Self::Func>>;
    fn table_set(&self, store: &mut Self::Store, item: &Self::Item, at: u64, value: Val<Self::Func>);
    fn token_table(&self, store: &mut Self::Store) -> Option<Self::Item>;
}

fn is_number(kind: char) -> bool {
    "ilfdv".contains(kind)
}

fn narrow(kind: char, bits: u128) -> u128 {
    match kind {
        'i' | 'f' => bits & 0xffff_ffff,
        'l' | 'd' => bits & 0xffff_ffff_ffff_ffff,
        _ => bits,
    }
}

// Meaning of imports (wasm/hostmix.py).

fn seed(module: &str, name: &str) -> u64 {
    let bytes = module.bytes().chain([0xff]).chain(name.bytes());
    bytes.fold(0xcbf29ce484222325, |h, byte| (h ^ byte as u64).wrapping_mul(0x100000001b3))
}

fn step(h: u64, word: u64) -> u64 {
    (h ^ word).rotate_left(29).wrapping_mul(0x9fb21c651e98df25).wrapping_add(0xd6e8feb86659fd93)
}

fn word(state: u64, index: usize, high: u64) -> u64 {
    let mut z = state.wrapping_add((2 * index as u64 + 1 + high).wrapping_mul(0x9e3779b97f4a7c15));
    z = (z ^ z >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d049bb133111eb);
    z ^ z >> 31
}

fn absorbed<F>(module: &str, name: &str, params: &str, args: &[Val<F>]) -> u64 {
    let mut state = seed(module, name);
    for (kind, value) in params.chars().zip(args) {
        let bits = match value {
            Val::Number(bits) => narrow(kind, *bits),
            Val::Token(token) => token.is_some() as u128,
            Val::Func(func) => func.is_some() as u128,
            Val::Other(there) => *there as u128,
        };
        state = step(step(state, bits as u64), (bits >> 64) as u64);
    }
    state
}

fn mixed<F>(state: u64, results: &str) -> Vec<Val<F>> {
    let made = |(i, kind): (usize, char)| match kind {
        'e' | 'E' => Val::Token(Some((word(state, i, 0) % 16) as u32)),
        'c' => Val::Func(None),
        _ => Val::Number(narrow(kind, word(state, i, 0) as u128 | (word(state, i, 1) as u128) << 64)),
    };
    results.chars().enumerate().map(made).collect()
}

pub struct Worker<E: Engine> {
    engine: E,
    frames: Frames,
    script: Option<Script<E>>,
}

struct Script<E: Engine> {
    store: E::Store,
    instances: HashMap<String, (E::Instance, Names<E::Func>)>,
}

type Names<F> = Vec<(F, String)>;

fn blob<'a>(blobs: &'a [Vec<u8>], at: &Json) -> Option<&'a [u8]> {
    at.as_i64().filter(|at| *at >= 0).map(|at| &blobs[at as usize][..])
}

/// The protocol's short form.
fn short(ended: &Ended) -> Json {
    match ended {
        Ended::Trapped(kinds, said) => json!(["trapped", kinds, said]),
        Ended::Host => json!(["trapped", ["HOST"], "host trap"]),
        Ended::Exhausted => json!(["exhausted", "stack"]),
        Ended::OutOfMemory(said) => json!(["out_of_memory", said]),
        Ended::Threw => json!(["threw", "?", "", []]),
        Ended::Rejected(said) => json!(["rejected", said.chars().take(2000).collect::<String>()]),
        Ended::Unsupported(what) => json!(["unsupported", what]),
        Ended::Crashed(said) => json!(["crashed", 0, said, ""]),
    }
}

impl<E: Engine> Worker<E> {
    pub fn new(engine: E, words: &[String]) -> Self {
        Worker { engine, frames: Frames::new(words), script: None }
    }

    pub fn serve(&mut self) {
        while let Some((header, blobs)) = self.frames.receive() {
            let (answer, body) = self.answer(&header, &blobs);
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

    fn hello(&self, header: &Json, blobs: &[Vec<u8>]) -> Json {
        let mut accepted = header["known"].clone();
        if accepted.is_null() {
            let rows = list(&header["features"]).iter();
            let taken = rows.filter(|row| self.compiles(blob(blobs, &row[1]).unwrap()));
            accepted = taken.map(|row| row[0].clone()).collect();
        }
        let library = std::env::current_exe().unwrap();
        json!({"protocol": 1, "features": accepted, "library": library, "version": E::version(), "state": null})
    }

    fn compiles(&self, content: &[u8]) -> bool {
        let store = self.engine.store();
        guarded(|| self.engine.compile(&store, content)).is_ok()
    }

    // Cases.

    fn case(&mut self, header: &Json, blobs: &[Vec<u8>]) -> Answer {
        let mut mark = cpu();
        let mut store = self.engine.store();
        let mut answer = json!({"inst": ["returned", []], "phase": 1});
        self.frames.at(1, -1);
        let compiled = guarded(|| self.engine.compile(&store, blob(blobs, &header["module"]).unwrap()));
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
        let mut run = CaseRun { engine: &self.engine, header, blobs, log: Default::default(), peer: None, body: vec![] };
        let made = guarded(|| run.link(&mut store, &module));
        lap(&mut self.frames.times[1], &mut mark);
        let instance = match made {
            Ok(instance) => Some(instance),
            Err(ended) => {
                answer["inst"] = short(&ended);
                None
            }
        };
        let mut names = vec![];
        if let Some(instance) = &instance {
            answer["phase"] = json!(3);
            names = function_names(run.engine, &mut store, instance, &header["funcs"]);
            let mut out = vec![];
            for (index, call) in list(&header["calls"]).iter().enumerate() {
                self.frames.at(3, index as i32);
                let (told, slots) = one_call(run.engine, &mut store, instance, &names, call, blobs);
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
        if let Some(log) = run.calls(&mut store) {
            answer["log"] = log;
        }
        if let Some(instance) = &instance {
            run.state(&mut store, instance, &names, &mut answer);
        }
        lap(&mut self.frames.times[3], &mut mark);
        (answer, run.body)
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
                let told = match guarded(|| link_script(engine, script, header, &blobs[0])) {
                    Ok(made) => {
                        script.instances.insert(name, made);
                        json!(["returned", []])
                    }
                    Err(ended) => short(&ended),
                };
                (json!({ "out": told }), vec![])
            }
            "register" => {
                let made = script.instances[&name].clone();
                script.instances.insert(text(&header["as"]).into(), made);
                (json!({}), vec![])
            }
            "invoke" => {
                let (instance, names) = script.instances[&name].clone();
                let (told, slots) = one_call(engine, &mut script.store, &instance, &names, &header["call"], blobs);
                (json!({ "out": told }), slots)
            }
            _ => {
                let (instance, names) = script.instances[&name].clone();
                let item = engine.export(&mut script.store, &instance, text(&header["export"]));
                match item.and_then(|item| engine.global(&mut script.store, &item)) {
                    None => (json!({"found": false, "ref": null}), vec![]),
                    Some(value) => {
                        let kind = text(&header["kind"]).chars().next().unwrap();
                        let (slot, reference) = packed(engine, &value, kind, &names);
                        (json!({"found": true, "ref": reference}), slot)
                    }
                }
            }
        }
    }
}

fn link_script<E: Engine>(engine: &E, script: &mut Script<E>, header: &Json, content: &[u8])
    -> Result<(E::Instance, Names<E::Func>), Ended> {
    let module = engine.compile(&script.store, content)?;
    let mut items = vec![];
    for import in list(&header["imports"]) {
        let (module, name) = (text(&import[0]), text(&import[1]));
        let found = script.instances.get(module).map(|(instance, _)| instance.clone());
        let item = found.and_then(|instance| engine.export(&mut script.store, &instance, name));
        items.push(item.ok_or_else(|| Ended::Rejected(format!("unknown import {module}.{name}")))?);
    }
    let instance = engine.instantiate(&mut script.store, &module, &items)?;
    let names = function_names(engine, &mut script.store, &instance, &header["funcs"]);
    Ok((instance, names))
}

/// Something with the engine; a panic of it ends the process, as the harness expects of a crash.
fn guarded<T>(action: impl FnOnce() -> Result<T, Ended>) -> Result<T, Ended> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(done) => done,
        Err(_) => std::process::abort(), // the panic's words are on standard error
    }
}

fn function_names<E: Engine>(engine: &E, store: &mut E::Store, instance: &E::Instance, funcs: &Json) -> Names<E::Func> {
    let mut names: Names<E::Func> = vec![];
    for name in list(funcs) {
        let item = engine.export(store, instance, text(name));
        if let Some(func) = item.and_then(|item| engine.func(&item)) {
            if !names.iter().any(|(known, _)| engine.same(known, &func)) {
                names.push((func, text(name).into()));
            }
        }
    }
    names
}

/// A value's slot and, of a reference, its identity.
fn packed<E: Engine>(engine: &E, value: &Val<E::Func>, kind: char, names: &Names<E::Func>) -> (Vec<u8>, Option<String>) {
    let (bits, reference) = match value {
        Val::Number(bits) => (narrow(kind, *bits), None),
        Val::Token(None) | Val::Func(None) | Val::Other(false) => (0, Some("null".to_string())),
        Val::Token(Some(token)) => (0, Some(format!("extern:{token}"))),
        Val::Other(true) => (0, Some("nonnull".to_string())),
        Val::Func(Some(func)) => {
            let found = names.iter().find(|(known, _)| engine.same(known, func));
            (0, Some(found.map_or("func".into(), |(_, name)| format!("func:{name}"))))
        }
    };
    (bits.to_le_bytes().to_vec(), reference)
}

fn pack_all<E: Engine>(engine: &E, values: &[Val<E::Func>], kinds: &str, names: &Names<E::Func>) -> (Vec<u8>, Vec<String>) {
    let (mut slots, mut refs) = (vec![], vec![]);
    for (value, kind) in values.iter().zip(kinds.chars()) {
        let (slot, reference) = packed(engine, value, kind, names);
        slots.extend(slot);
        refs.extend(reference);
    }
    (slots, refs)
}

fn reference<F: Clone>(word: &str, names: &Names<F>) -> Result<Val<F>, Ended> {
    let none = || Ended::Unsupported(format!("no host value {word}"));
    if let Some(token) = word.strip_prefix("extern:") {
        return Ok(Val::Token(Some(token.parse().map_err(|_| none())?)));
    }
    let name = word.strip_prefix("func:").ok_or_else(none)?;
    names.iter().find(|(_, known)| known == name).map(|(func, _)| Val::Func(Some(func.clone()))).ok_or_else(none)
}

fn arguments<F: Clone>(kinds: &str, slots: &[u8], refs: &Json, names: &Names<F>) -> Result<Vec<Val<F>>, Ended> {
    let mut given = list(refs).iter();
    let mut values = vec![];
    for (i, kind) in kinds.chars().enumerate() {
        values.push(if is_number(kind) {
            Val::Number(u128::from_le_bytes(slots[SLOT * i..SLOT * (i + 1)].try_into().unwrap()))
        } else {
            match (text(given.next().unwrap_or(&Json::Null)), kind.to_ascii_lowercase()) {
                ("null", 'e') => Val::Token(None),
                ("null", 'c') => Val::Func(None),
                (word, 'e' | 'c') => reference(word, names)?,
                (word, _) => return Err(Ended::Unsupported(format!("no host value {word}"))),
            }
        });
    }
    Ok(values)
}

fn one_call<E: Engine>(
    engine: &E, store: &mut E::Store, instance: &E::Instance, names: &Names<E::Func>, call: &Json, blobs: &[Vec<u8>],
) -> (Json, Vec<u8>) {
    let (via, params, results) = (text(&call[1]), text(&call[2]), text(&call[3]));
    let item = engine.export(store, instance, text(&call[0]));
    let Some(func) = item.clone().and_then(|item| engine.func(&item)).filter(|_| via == "host" || via == "wrapper") else {
        return (json!(["unsupported", via]), vec![]);
    };
    let slots = blob(blobs, &call[4]).unwrap_or(&[]);
    let outcome = guarded(|| {
        if via == "host" {
            let args = arguments(params, slots, &call[5], names)?;
            let given = engine.call(store, &func, &args, results)?;
            let (slots, refs) = pack_all(engine, &given, results, names);
            return Ok((json!(["returned", refs]), slots));
        }
        let module = engine.compile(store, blob(blobs, &call[6]).unwrap()).map_err(ours)?;
        let wrapper = engine.instantiate(store, &module, &[item.unwrap()]).map_err(ours)?;
        wrapped(engine, store, &wrapper, (params, results), slots, &call[5], names)
    });
    outcome.unwrap_or_else(|ended| (short(&ended), vec![]))
}

/// A module of the harness that the engine refuses is a limit of the engine, not of the case.
fn ours(ended: Ended) -> Ended {
    match ended {
        Ended::Rejected(said) => Ended::Unsupported(said),
        other => other,
    }
}

/// A call through a wrapper's instance (oracles/remote/wrapper.py).
fn wrapped<E: Engine>(
    engine: &E, store: &mut E::Store, wrapper: &E::Instance, kinds: (&str, &str), slots: &[u8], refs: &Json,
    names: &Names<E::Func>,
) -> Result<(Json, Vec<u8>), Ended> {
    let (params, results) = kinds;
    let memory = engine.export(store, wrapper, "memory").unwrap();
    engine.write(store, &memory, slots);
    let mut given = list(refs).iter();
    for (i, kind) in params.chars().enumerate().filter(|(_, kind)| !is_number(*kind)) {
        let word = text(given.next().unwrap_or(&Json::Null));
        if word != "null" && !word.starts_with("i31:") {
            let table = engine.export(store, wrapper, &kind.to_ascii_lowercase().to_string());
            let table = table.ok_or_else(|| Ended::Unsupported(format!("no host value {word}")))?;
            engine.table_set(store, &table, i as u64, reference(word, names)?);
        }
    }
    let call = engine.export(store, wrapper, "call").and_then(|item| engine.func(&item)).unwrap();
    engine.call(store, &call, &[], "i")?;
    let data = engine.memory(store, &memory).unwrap();
    let mut slots = data[SLOT * params.len()..SLOT * (params.len() + results.len())].to_vec();
    let mut found = vec![];
    for (i, kind) in results.chars().enumerate().filter(|(_, kind)| !is_number(*kind)) {
        let there = slots[SLOT * i] != 0;
        slots[SLOT * i] = 0;
        let table = engine.export(store, wrapper, &kind.to_ascii_lowercase().to_string());
        let value = table.and_then(|table| engine.table_get(store, &table, (params.len() + i) as u64));
        found.push(match value {
            Some(value) if there => packed(engine, &value, kind, names).1.unwrap(),
            _ => if there { "nonnull" } else { "null" }.to_string(),
        });
    }
    Ok((json!(["returned", found]), slots))
}

/// What host functions call, by name: exports of the module under test, and those of what changes it.
type Exports<F> = Arc<Mutex<HashMap<String, F>>>;
type Log<F> = Arc<Mutex<Vec<(usize, Vec<Val<F>>)>>>;

struct CaseRun<'a, E: Engine> {
    engine: &'a E,
    header: &'a Json,
    blobs: &'a [Vec<u8>],
    log: Log<E::Func>,
    peer: Option<E::Instance>,
    body: Vec<u8>,
}

impl<E: Engine> CaseRun<'_, E> {
    fn made(&self, store: &mut E::Store, content: &[u8], items: &[E::Item]) -> Result<E::Instance, Ended> {
        let module = self.engine.compile(store, content).map_err(ours)?;
        self.engine.instantiate(store, &module, items).map_err(ours)
    }

    /// Everything that the module imports, and its instance.
    fn link(&mut self, store: &mut E::Store, module: &E::Module) -> Result<E::Instance, Ended> {
        let imports = &self.header["imports"];
        let sources = list(&imports["sources"]);
        let stored = match blob(self.blobs, &imports["store"]) {
            Some(content) => Some(self.made(store, content, &[])?),
            None => None,
        };
        let exports: Exports<E::Func> = Default::default();
        if let Some(content) = blob(self.blobs, &imports["funcs"]) {
            let mut items = vec![self.engine.host(store, "", "", Arc::new(|_, _| Err(Ended::Host)))];
            let words = String::from_utf8_lossy(content).into_owned();
            if words.contains("\u{6}tokens") {
                let none = || Ended::Unsupported("a table of host references".into());
                items.push(self.engine.token_table(store).ok_or_else(none)?);
            }
            if let Some(tag) = sources.iter().find(|s| s[0] == "throw" && s[1] == "tag") {
                let instance = stored.clone().unwrap();
                items.extend(self.engine.export(store, &instance, &format!("i{}", tag[4])));
            }
            self.peer = Some(self.made(store, content, &items)?);
        }
        let mut items: Vec<E::Item> = vec![];
        for (index, source) in sources.iter().enumerate() {
            let same = source[4].as_u64().unwrap() as usize;
            let name = format!("i{index}");
            let item = match text(&source[3]) {
                _ if same != index => items[same].clone(),
                "host" => self.hosted(store, index, source, exports.clone()),
                "extern" => {
                    self.engine.token_global(store, source[8].as_u64().unwrap() as u32, source[7] == true)
                }
                how => {
                    let instance = if how == "store" { stored.clone() } else { self.peer.clone() }.unwrap();
                    self.engine.export(store, &instance, &name).expect("a peer's export")
                }
            };
            items.push(item);
        }
        let instance = self.engine.instantiate(store, module, &items)?;
        for (index, source) in sources.iter().enumerate().filter(|(_, source)| source[5] == "reenter") {
            let item = self.engine.export(store, &instance, text(&source[1]));
            let Some(func) = item.and_then(|item| self.engine.func(&item)) else { continue };
            if source[3] == "funcs" && source[4] == index {
                let table = self.engine.export(store, self.peer.as_ref().unwrap(), "reenter").unwrap();
                self.engine.table_set(store, &table, index as u64, Val::Func(Some(func.clone())));
            }
            exports.lock().unwrap().insert(format!("export {}", text(&source[1])), func);
        }
        self.ready(store, &instance, &exports)?;
        Ok(instance)
    }

    /// What changes the module under test for host functions (oracles/remote/ready.py).
    fn ready(&self, store: &mut E::Store, instance: &E::Instance, exports: &Exports<E::Func>) -> Result<(), Ended> {
        let Some(content) = blob(self.blobs, &self.header["ready"]) else { return Ok(()) };
        let mut items = vec![];
        for place in list(&self.header["ready_from"]) {
            items.push(match text(&place[0]) {
                "h" => self.engine.host(store, "", "", Arc::new(|_, _| Ok(vec![]))), // there is no garbage
                "f" => self.engine.export(store, self.peer.as_ref().unwrap(), text(&place[1])).unwrap(),
                _ => self.engine.export(store, instance, text(&place[1])).unwrap(),
            });
        }
        let made = self.made(store, content, &items)?;
        for index in 0..list(&self.header["imports"]["sources"]).len() {
            for name in [format!("i{index}"), format!("b{index}")] {
                let item = self.engine.export(store, &made, &name);
                if let Some(func) = item.and_then(|item| self.engine.func(&item)) {
                    exports.lock().unwrap().insert(name, func);
                }
            }
        }
        Ok(())
    }

    fn hosted(
        &self, store: &mut E::Store, index: usize, source: &Json, exports: Exports<E::Func>,
    ) -> E::Item {
        let words: Vec<String> = [0, 1, 5, 6, 7].iter().map(|i| text(&source[*i as usize]).to_string()).collect();
        let (params, results) = (words[3].clone(), words[4].clone());
        let log = self.log.clone();
        let call: HostCall<E::Func> = Arc::new(move |args, back| {
            {
                let mut log = log.lock().unwrap();
                if log.len() < LOG_LIMIT {
                    log.push((index, args.to_vec()));
                }
            }
            let state = absorbed(&words[0], &words[1], &words[3], args);
            let found = |name: &str| exports.lock().unwrap().get(name).cloned();
            if let Some(act) = found(&format!("i{index}")) {
                back(&act, &[Val::Number(state as u128)], "")?;
            }
            match &words[2][..] {
                "trap" => Err(Ended::Host),
                "reenter" => back(&found(&format!("export {}", words[1])).ok_or(Ended::Host)?, args, &words[4]),
                "callback" => back(&found(&format!("b{index}")).ok_or(Ended::Host)?, args, &words[4]),
                _ => Ok(mixed(state, &words[4])),
            }
        });
        self.engine.host(store, &params, &results, call)
    }

    /// Calls of host functions; nothing where a peer has logged some too, since their order is not known.
    fn calls(&mut self, store: &mut E::Store) -> Option<Json> {
        let sources = list(&self.header["imports"]["sources"]);
        let own = std::mem::take(&mut *self.log.lock().unwrap());
        let mut told = vec![];
        if self.peer.is_some() && !own.is_empty() {
            return None;
        }
        if let Some(peer) = self.peer.clone() {
            let memory = self.engine.export(store, &peer, "log").unwrap();
            let data = self.engine.memory(store, &memory).unwrap();
            let count = self.engine.export(store, &peer, "count").and_then(|item| self.engine.global(store, &item));
            let Some(Val::Number(count)) = count else { return None };
            let number = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap()) as usize;
            let mut at = 0;
            for _ in 0..(count as usize).min(LOG_LIMIT) {
                let (index, size) = (number(at), number(at + 4));
                let mut slots = data[at + SLOT..at + SLOT + SLOT * size].to_vec();
                let mut refs = vec![];
                for (i, kind) in text(&sources[index][6]).chars().enumerate() {
                    if !is_number(kind) {
                        refs.push(if slots[SLOT * i] != 0 { "nonnull" } else { "null" });
                        slots[SLOT * i] = 0;
                    }
                }
                told.push(json!([index, refs]));
                self.body.extend(slots);
                at += SLOT + SLOT * size;
            }
        }
        for (index, args) in own {
            let (slots, refs) = pack_all(self.engine, &args, text(&sources[index][6]), &vec![]);
            told.push(json!([index, refs]));
            self.body.extend(slots);
        }
        Some(json!(told))
    }

    fn state(&mut self, store: &mut E::Store, instance: &E::Instance, names: &Names<E::Func>, answer: &mut Json) {
        let engine = self.engine;
        let mut globals = vec![];
        for row in list(&self.header["globals"]) {
            let item = engine.export(store, instance, text(&row[0])).unwrap();
            let value = engine.global(store, &item).unwrap();
            let (slot, reference) = packed(engine, &value, text(&row[1]).chars().next().unwrap(), names);
            self.body.extend(slot);
            globals.push(json!(reference));
        }
        let mut memories = vec![];
        for name in list(&self.header["memories"]) {
            let item = engine.export(store, instance, text(name)).unwrap();
            let data = engine.memory(store, &item).unwrap();
            let blocks: Vec<Json> = data.chunks(BLOCK).enumerate().filter(|(_, block)| block.iter().any(|b| *b != 0))
                .map(|(i, block)| json!([i, crc32fast::hash(block)])).collect();
            memories.push(json!([name, data.len() / BLOCK, blocks]));
        }
        let mut tables = vec![];
        for row in list(&self.header["tables"]) {
            let item = engine.export(store, instance, text(&row[0])).unwrap();
            let size = engine.table_size(store, &item).unwrap();
            let mut elements = vec![];
            for at in 0..size.min(TABLE_LIMIT) {
                let value = engine.table_get(store, &item, at).unwrap_or(Val::Other(true));
                elements.push(packed(engine, &value, 'c', names).1.unwrap_or("nonnull".into()));
            }
            tables.push(json!([row[0], size, elements]));
        }
        let mut dumps = vec![];
        for row in list(&self.header["dump"]) {
            let item = engine.export(store, instance, text(&row[0])).unwrap();
            let data = engine.memory(store, &item).unwrap();
            let from = BLOCK * row[1].as_u64().unwrap() as usize;
            let block = &data[from.min(data.len())..(from + BLOCK).min(data.len())];
            self.body.extend(block);
            dumps.push(block.len());
        }
        answer["globals"] = json!(globals);
        answer["mems"] = json!(memories);
        answer["tables"] = json!(tables);
        answer["dumps"] = json!(dumps);
    }
}
