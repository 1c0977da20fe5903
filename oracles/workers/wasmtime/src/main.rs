// The worker for Wasmtime on a machine of another kind: worker REQUESTS REPLIES PROGRESS LIBRARY RELEASE KEY=VALUE...
//
// LIBRARY has Wasmtime's C API, of a release's wheel or of a build; RELEASE is the first number of its version. What
// differs between releases, and how settings are proved, is what the worker in Python knows too (wasmtime_api.py).

mod api;
mod cases;
mod common;
mod frames;
mod host;
mod serve;
mod settings;
mod values;

use api::{Api, Item, Part, Ptr, Vector};
use common::{Counter, Ended, Engine, Hello, HostCall, Tag, Val};
use serde_json::{json, Value as Json};
use serve::Worker;
use settings::{Features, Settings};
use std::cell::OnceCell;
use std::collections::HashMap;
use std::mem::transmute;
use std::path::PathBuf;
use std::ptr::null_mut;
use values::{ended, Tokens};

const FUNC: u8 = 0;
const GLOBAL: u8 = 1;
const TABLE: u8 = 2;
const MEMORY: u8 = 3;
const SHARED: u8 = 4;

struct Wasmtime {
    api: &'static Api,
    settings: Settings,
    engines: HashMap<Features, Ptr>,
    features: Features,
    basic: Vec<u8>,
}

pub struct Store {
    api: &'static Api,
    engine: Ptr,
    store: Ptr,
    context: Ptr,
    tokens: Tokens,
}

impl Drop for Store {
    fn drop(&mut self) {
        unsafe { (self.api.wasmtime_store_delete)(self.store) };
    }
}

struct Module {
    api: &'static Api,
    module: Ptr,
    imports: OnceCell<Vector>,
}

impl Module {
    /// The type of an import.
    fn import(&self, at: usize) -> Ptr {
        let imports = self.imports.get_or_init(|| {
            let mut vector = Vector::new();
            unsafe { (self.api.wasmtime_module_imports)(self.module, &mut vector) };
            vector
        });
        assert!(at < imports.size, "an import that is there");
        unsafe { (self.api.wasm_importtype_type)(*(imports.data as *const Ptr).add(at)) }
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        unsafe {
            if let Some(mut imports) = self.imports.take() {
                (self.api.wasm_importtype_vec_delete)(&mut imports);
            }
            (self.api.wasmtime_module_delete)(self.module);
        }
    }
}

fn item(kind: u8, part: &Part) -> Item {
    let made = Item::new();
    unsafe {
        *(made.ptr() as *mut u8) = kind;
        std::ptr::copy_nonoverlapping(part.ptr(), made.of(), 24);
    }
    made
}

impl Wasmtime {
    fn store_of(&self, engine: Ptr) -> Store {
        let (store, context) = settings::new_store(self.api, engine, &self.settings);
        Store { api: self.api, engine, store, context, tokens: Tokens::default() }
    }

    /// The outcome of an error or a trap; None if it is neither.
    fn check(&self, store: &Store, error: Ptr, trap: Ptr) -> Result<(), Ended> {
        let said = self.api.error(error).or_else(|| {
            (!trap.is_null()).then(|| unsafe {
                let said = self.api.words(self.api.wasm_trap_message, trap);
                (self.api.wasm_trap_delete)(trap);
                said
            })
        });
        let Some(said) = said else { return Ok(()) };
        let has = self.api.other("wasmtime_context_has_exception");
        let pending = has.is_some_and(|has| unsafe { transmute::<usize, extern "C" fn(Ptr) -> bool>(has)(store.context) });
        Err(if pending { Ended::Threw } else { ended(&said) })
    }
}

impl Engine for Wasmtime {
    type Store = Store;
    type Module = Module;
    type Instance = Part;
    type Item = Item;
    type Func = usize;
    const FOREIGN: bool = true;

    fn version(&self) -> String {
        self.api.release.to_string()
    }

    /// The file of the library that is really mapped into this process.
    fn library(&self) -> PathBuf {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let paths = maps.lines().filter_map(|line| line.find('/').map(|at| line[at..].trim()));
        let named = |path: &&str| path.contains(".so") && path.rsplit('/').next().unwrap_or("").contains("wasmtime");
        paths.into_iter().find(named).map(PathBuf::from).unwrap_or_default()
    }

    fn greet(&mut self, hello: &Hello) -> Result<(Vec<String>, Json), String> {
        self.basic = hello.basic.to_vec();
        let compiled = match &hello.known {
            Some(known) => {
                let names = common::list(hello.state).iter().map(|name| common::text(name).to_string());
                self.features = names.collect();
                known.clone()
            }
            None => {
                let (compiled, features) = settings::explore(self.api, &self.settings, hello)?;
                self.features = features;
                compiled
            }
        };
        let engine = settings::make_engine(self.api, &self.settings, &self.features)?;
        self.engines.insert(self.features.clone(), engine);
        Ok((compiled, json!(self.features)))
    }

    fn store(&self) -> Store {
        self.store_of(self.engines[&self.features])
    }

    fn store_with(&mut self, names: &[String]) -> Result<Store, Ended> {
        let key: Features = settings::with_needs(names).intersection(&self.features).cloned().collect();
        if !self.engines.contains_key(&key) {
            let tried = settings::works(self.api, &self.settings, &key, &self.basic)
                .and_then(|()| settings::make_engine(self.api, &self.settings, &key));
            let engine = tried.map_err(|why| Ended::Unsupported(format!("these features together: {why}")))?;
            if self.engines.len() > 8 {
                let oldest = self.engines.keys().find(|one| **one != self.features).unwrap().clone();
                unsafe { (self.api.wasm_engine_delete)(self.engines.remove(&oldest).unwrap()) };
            }
            self.engines.insert(key.clone(), engine);
        }
        Ok(self.store_of(self.engines[&key]))
    }

    fn compile(&self, store: &Store, content: &[u8]) -> Result<Module, Ended> {
        let module = self.api.compile(store.engine, content).map_err(Ended::Rejected)?;
        Ok(Module { api: self.api, module, imports: OnceCell::new() })
    }

    fn instantiate(&self, store: &mut Store, module: &Module, items: &[Item]) -> Result<Part, Ended> {
        let given: Vec<u8> = items.iter().flat_map(|item| item.bytes()[..self.api.stride()].to_vec()).collect();
        // An array of words, since the items in it are made of words.
        let mut words = vec![0u64; given.len() / 8 + 1];
        let (instance, mut trap) = (Part::new(), null_mut());
        unsafe { std::ptr::copy_nonoverlapping(given.as_ptr(), words.as_mut_ptr() as *mut u8, given.len()) };
        let (new, array) = (self.api.wasmtime_instance_new, words.as_ptr() as *const u8);
        let error = values::entering(|| unsafe {
            new(store.context, module.module, array, items.len(), instance.ptr(), &mut trap)
        });
        self.check(store, error, trap)?;
        Ok(instance)
    }

    fn export(&self, store: &mut Store, instance: &Part, name: &str) -> Option<Item> {
        let found = Item::new();
        let get = self.api.wasmtime_instance_export_get;
        unsafe { get(store.context, instance.ptr(), name.as_ptr(), name.len(), found.ptr()) }.then_some(found)
    }

    fn host(
        &self, store: &mut Store, place: (&Module, usize), kinds: (&str, &str), collects: bool, call: HostCall<usize>,
    ) -> Item {
        let ty = unsafe { (self.api.wasm_externtype_as_functype)(place.0.import(place.1)) };
        item(FUNC, &host::function(self.api, store.context, ty, store.tokens.clone(), kinds, collects, call))
    }

    fn token_global(&self, store: &mut Store, place: (&Module, usize), token: u32, _mutable: bool) -> Item {
        let made = Part::new();
        let value = values::stored(self.api, store.context, &store.tokens, &Val::Token(Some(token)));
        let error = unsafe {
            let ty = (self.api.wasm_externtype_as_globaltype)(place.0.import(place.1));
            (self.api.wasmtime_global_new)(store.context, ty, value.ptr(), made.ptr())
        };
        assert!(error.is_null(), "a global of the host: {:?}", self.api.error(error));
        item(GLOBAL, &made)
    }

    fn token_table(&self, store: &mut Store, place: (&Module, usize)) -> Option<Item> {
        let made = Part::new();
        let null = values::stored(self.api, store.context, &store.tokens, &Val::Token(None));
        let error = unsafe {
            let ty = (self.api.wasm_externtype_as_tabletype)(place.0.import(place.1));
            (self.api.wasmtime_table_new)(store.context, ty, null.ptr(), made.ptr())
        };
        assert!(error.is_null(), "a table of the host: {:?}", self.api.error(error));
        let table = item(TABLE, &made);
        for token in 0..16 {
            self.table_set(store, &table, token as u64, Val::Token(Some(token)));
        }
        Some(table)
    }

    fn call(&self, store: &mut Store, func: &usize, args: &[Val<usize>], results: &str)
        -> Result<Vec<Val<usize>>, Ended> {
        let (slots, error, trap) = values::called(self.api, store.context, &store.tokens, *func, args, results.len());
        self.check(store, error, trap)?;
        Ok(values::all(self.api, store.context, &slots, results))
    }

    fn thrown(&self, store: &mut Store, tags: &[Tag<Item>]) -> Option<(usize, Vec<Val<usize>>)> {
        values::thrown(self.api, store.context, tags)
    }

    fn counter(&self, store: &mut Store, global: &Item) -> Option<Counter> {
        let (api, context, global) = (self.api, store.context as usize, global.clone());
        Some(std::sync::Arc::new(move || {
            match values::global(api, context as Ptr, &global, 'i') {
                Val::Number(count) => count as usize,
                _ => 0,
            }
        }))
    }

    fn func(&self, store: &mut Store, item: &Item) -> Option<usize> {
        (item.kind() == FUNC).then(|| unsafe { (self.api.wasmtime_func_to_raw)(store.context, item.of()) })
    }

    fn same(&self, a: &usize, b: &usize) -> bool {
        a == b
    }

    fn memory<'a>(&self, store: &'a mut Store, item: &Item) -> Option<(&'a [u8], u64)> {
        let (api, context) = (self.api, store.context);
        let (data, size, pages) = match item.kind() {
            MEMORY => unsafe {
                let size = (api.wasmtime_memory_data_size)(context, item.of());
                ((api.wasmtime_memory_data)(context, item.of()), size, (api.wasmtime_memory_size)(context, item.of()))
            },
            SHARED => unsafe {
                let shared = *(item.of() as *const Ptr);
                let size = (api.wasmtime_sharedmemory_data_size)(shared);
                ((api.wasmtime_sharedmemory_data)(shared), size, (api.wasmtime_sharedmemory_size)(shared))
            },
            _ => return None,
        };
        Some((if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(data, size) } }, pages))
    }

    fn fresh_is_zero(&self) -> bool {
        settings::get(&self.settings, "cow").is_none()
    }

    fn write(&self, store: &mut Store, item: &Item, data: &[u8]) {
        let base = unsafe { (self.api.wasmtime_memory_data)(store.context, item.of()) };
        unsafe { std::ptr::copy_nonoverlapping(data.as_ptr(), base, data.len()) };
    }

    fn global(&self, store: &mut Store, item: &Item, kind: char) -> Option<Val<usize>> {
        (item.kind() == GLOBAL).then(|| values::global(self.api, store.context, item, kind))
    }

    fn table_size(&self, store: &mut Store, item: &Item) -> Option<u64> {
        (item.kind() == TABLE).then(|| unsafe { (self.api.wasmtime_table_size)(store.context, item.of()) })
    }

    fn table_get(&self, store: &mut Store, item: &Item, at: u64, kind: char) -> Option<Val<usize>> {
        let value = api::Value::new();
        let found = unsafe { (self.api.wasmtime_table_get)(store.context, item.of(), at, value.ptr()) };
        found.then(|| values::loaded(self.api, store.context, &value, kind))
    }

    fn table_set(&self, store: &mut Store, item: &Item, at: u64, value: Val<usize>) {
        let value = values::stored(self.api, store.context, &store.tokens, &value);
        let error = unsafe { (self.api.wasmtime_table_set)(store.context, item.of(), at, value.ptr()) };
        assert!(error.is_null(), "a table's element: {:?}", self.api.error(error));
    }
}

/// A library that cannot be loaded, in the place of an engine: it answers the hello with why.
fn refuse(words: &[String], why: String) {
    use std::io::{Read, Write};
    use std::os::fd::FromRawFd;
    let file = |word: &String| unsafe { std::fs::File::from_raw_fd(word.parse().expect("a descriptor")) };
    let (mut requests, mut replies) = (file(&words[1]), file(&words[2]));
    let header = json!({ "refused": why }).to_string();
    let mut size = [0; 4];
    requests.read_exact(&mut size).expect("a request");
    std::io::copy(&mut requests.take(u32::from_le_bytes(size) as u64), &mut std::io::sink()).expect("a request");
    let mut frame = ((4 + header.len() + 40) as u32).to_le_bytes().to_vec();
    frame.extend((header.len() as u32).to_le_bytes());
    frame.extend(header.as_bytes());
    frame.extend([0; 40]);
    replies.write_all(&frame).expect("the harness reads");
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let pairs = words[6..].iter().map(|word| word.split_once('=').expect("KEY=VALUE"));
    let settings = pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect();
    match Api::load(&words[4], words[5].parse().expect("a release's number")) {
        Err(why) => refuse(&words, why),
        Ok(api) => {
            let (api, engines) = (Box::leak(Box::new(api)), HashMap::new());
            Worker::new(Wasmtime { api, settings, engines, features: Features::new(), basic: vec![] }, &words[1..])
                .serve()
        }
    }
}
