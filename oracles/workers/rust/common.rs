// What workers for engines in Rust share: values and an engine's own interface (`Engine`), over which `cases` runs
// cases and `serve` answers the harness (oracles/remote/protocol.py).

use serde_json::{json, Value as Json};
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;

pub const SLOT: usize = 16;

/// A value: a number's bits, a host token, a function, a small integer as a reference, or another reference, of which
/// the host knows no more than whether it is null: then it is 0.
#[derive(Clone)]
pub enum Val<F> {
    Number(u128),
    Token(Option<u32>),
    Func(Option<F>),
    I31(u32),
    Other(u64),
}

/// How a step ended that gave no result.
#[derive(Clone, Debug)]
pub enum Ended {
    Trapped(Vec<&'static str>, String),
    Host,
    Exhausted(&'static str),
    OutOfMemory(String),
    Threw, // what, the engine knows (`Engine::thrown`)
    Rejected(String),
    Unsupported(String),
    Crashed(String),
}

pub type HostCall<F> = Arc<dyn Fn(&[Val<F>], &mut CallBack<F>) -> Result<Vec<Val<F>>, Ended> + Send + Sync>;
pub type CallBack<'a, F> = dyn FnMut(&F, &[Val<F>], &str) -> Result<Vec<Val<F>>, Ended> + 'a;
pub type Counter = Arc<dyn Fn() -> usize + Send + Sync>;

/// What a hello brings: modules that prove settings, a module for each feature, and what an earlier worker of this
/// engine has found out.
pub struct Hello<'a> {
    pub basic: &'a [u8],
    pub deep: &'a [u8],
    pub probes: Vec<(&'a str, &'a [u8])>,
    pub known: Option<Vec<String>>,
    pub state: &'a Json,
}

/// A tag that an exception is told by: its name, the kinds of its payload, and itself.
pub type Tag<I> = (String, String, I);

/// An engine. Items are what is imported and exported; kinds are those of oracles/remote/interface.py.
pub trait Engine: Sized {
    type Store;
    type Module;
    type Instance: Clone;
    type Item: Clone;
    type Func: Clone + Send + Sync + 'static;

    /// Whether the engine is a library of its own, none of whose panics come through to the worker's code.
    const FOREIGN: bool = false;

    fn version(&self) -> String;
    fn library(&self) -> PathBuf {
        std::env::current_exe().unwrap()
    }
    /// The features that it has, and what the next worker of this engine is to be told; or why it cannot be.
    fn greet(&mut self, hello: &Hello) -> Result<(Vec<String>, Json), String> {
        if let Some(known) = &hello.known {
            return Ok((known.clone(), Json::Null));
        }
        let store = self.store();
        let taken = hello.probes.iter().filter(|(_, content)| guarded(self, || self.compile(&store, content)).is_ok());
        Ok((taken.map(|(name, _)| name.to_string()).collect(), Json::Null))
    }
    fn store(&self) -> Self::Store;
    /// A store of an engine that has only those of its features that are named.
    fn store_with(&mut self, _features: &[String]) -> Result<Self::Store, Ended> {
        Ok(self.store())
    }
    fn compile(&self, store: &Self::Store, content: &[u8]) -> Result<Self::Module, Ended>;
    fn instantiate(&self, store: &mut Self::Store, module: &Self::Module, items: &[Self::Item])
        -> Result<Self::Instance, Ended>;
    fn export(&self, store: &mut Self::Store, instance: &Self::Instance, name: &str) -> Option<Self::Item>;
    /// A host function for a module's import at a position; one that `collects` collects garbage first, if there is any.
    fn host(
        &self, store: &mut Self::Store, place: (&Self::Module, usize), kinds: (&str, &str), collects: bool,
        call: HostCall<Self::Func>,
    ) -> Self::Item;
    fn token_global(&self, store: &mut Self::Store, place: (&Self::Module, usize), token: u32, mutable: bool)
        -> Self::Item;
    /// A table of the host's tokens; None where the engine has no use for one.
    fn token_table(&self, _store: &mut Self::Store, _place: (&Self::Module, usize)) -> Option<Self::Item> {
        None
    }
    fn call(&self, store: &mut Self::Store, func: &Self::Func, args: &[Val<Self::Func>], results: &str)
        -> Result<Vec<Val<Self::Func>>, Ended>;
    /// The tag and the payload of what was thrown, where it is one of these.
    fn thrown(&self, _store: &mut Self::Store, _tags: &[Tag<Self::Item>]) -> Option<(usize, Vec<Val<Self::Func>>)> {
        None
    }
    /// Reads an exported global i32 at any time, in the middle of a call of the host too.
    fn counter(&self, _store: &mut Self::Store, _item: &Self::Item) -> Option<Counter> {
        None
    }
    fn func(&self, store: &mut Self::Store, item: &Self::Item) -> Option<Self::Func>;
    fn same(&self, a: &Self::Func, b: &Self::Func) -> bool;
    /// A memory's bytes, and its size in its own pages.
    fn memory<'a>(&self, store: &'a mut Self::Store, item: &Self::Item) -> Option<(&'a [u8], u64)>;
    /// Whether what nobody has touched of a memory is zero.
    fn fresh_is_zero(&self) -> bool {
        true
    }
    fn write(&self, store: &mut Self::Store, item: &Self::Item, data: &[u8]);
    fn global(&self, store: &mut Self::Store, item: &Self::Item, kind: char) -> Option<Val<Self::Func>>;
    fn table_size(&self, store: &mut Self::Store, item: &Self::Item) -> Option<u64>;
    fn table_get(&self, store: &mut Self::Store, item: &Self::Item, at: u64, kind: char) -> Option<Val<Self::Func>>;
    fn table_set(&self, store: &mut Self::Store, item: &Self::Item, at: u64, value: Val<Self::Func>);
}

pub fn is_number(kind: char) -> bool {
    "ilfdv".contains(kind)
}

pub fn narrow(kind: char, bits: u128) -> u128 {
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

pub fn absorbed<F>(module: &str, name: &str, params: &str, args: &[Val<F>]) -> u64 {
    let mut state = seed(module, name);
    for (kind, value) in params.chars().zip(args) {
        let bits = match value {
            Val::Number(bits) => narrow(kind, *bits),
            Val::Token(token) => token.is_some() as u128,
            Val::Func(func) => func.is_some() as u128,
            Val::I31(_) => 1,
            Val::Other(bits) => (*bits != 0) as u128,
        };
        state = step(step(state, bits as u64), (bits >> 64) as u64);
    }
    state
}

pub fn mixed<F>(state: u64, results: &str) -> Vec<Val<F>> {
    let made = |(i, kind): (usize, char)| match kind {
        'e' | 'E' => Val::Token(Some((word(state, i, 0) % 16) as u32)),
        'a' | 'A' => Val::I31((word(state, i, 0) & 0x7fff_ffff) as u32),
        'c' | 'C' => Val::Func(None),
        kind if !is_number(kind) => Val::Other(0),
        _ => Val::Number(narrow(kind, word(state, i, 0) as u128 | (word(state, i, 1) as u128) << 64)),
    };
    results.chars().enumerate().map(made).collect()
}

// Headers.

pub use crate::frames::{list, text};

pub fn blob<'a>(blobs: &'a [Vec<u8>], at: &Json) -> Option<&'a [u8]> {
    at.as_i64().filter(|at| *at >= 0).map(|at| &blobs[at as usize][..])
}

/// The protocol's short form.
pub fn short(ended: &Ended) -> Json {
    match ended {
        Ended::Trapped(kinds, said) => json!(["trapped", kinds, said]),
        Ended::Host => json!(["trapped", ["HOST"], "host trap"]),
        Ended::Exhausted(what) => json!(["exhausted", what]),
        Ended::OutOfMemory(said) => json!(["out_of_memory", said]),
        Ended::Threw => json!(["threw", "?", "", []]),
        Ended::Rejected(said) => json!(["rejected", said.chars().take(2000).collect::<String>()]),
        Ended::Unsupported(what) => json!(["unsupported", what]),
        Ended::Crashed(said) => json!(["crashed", 0, said, ""]),
    }
}

/// Something with the engine; a panic of it ends the process, as the harness expects of a crash.
pub fn guarded<E: Engine, T>(_engine: &E, action: impl FnOnce() -> Result<T, Ended>) -> Result<T, Ended> {
    match catch_unwind(AssertUnwindSafe(action)) {
        Ok(done) => done,
        Err(panic) if E::FOREIGN => resume_unwind(panic),
        Err(_) => std::process::abort(), // the panic's words are on standard error
    }
}

// Values.

/// Exported functions by name.
pub type Names<F> = Vec<(F, String)>;

pub fn function_names<E: Engine>(engine: &E, store: &mut E::Store, instance: &E::Instance, funcs: &Json)
    -> Names<E::Func> {
    let mut names: Names<E::Func> = vec![];
    for name in list(funcs) {
        let item = engine.export(store, instance, text(name));
        if let Some(func) = item.and_then(|item| engine.func(store, &item)) {
            if !names.iter().any(|(known, _)| engine.same(known, &func)) {
                names.push((func, text(name).into()));
            }
        }
    }
    names
}

/// A value's slot and, of a reference, its identity.
pub fn packed<E: Engine>(engine: &E, value: &Val<E::Func>, kind: char, names: &Names<E::Func>)
    -> (Vec<u8>, Option<String>) {
    let (bits, reference) = match value {
        Val::Number(bits) => (narrow(kind, *bits), None),
        Val::Token(None) | Val::Func(None) | Val::Other(0) => (0, Some("null".to_string())),
        Val::Token(Some(token)) => (0, Some(format!("extern:{token}"))),
        Val::I31(number) => (0, Some(format!("i31:{number}"))),
        Val::Other(_) => (0, Some(if "xX".contains(kind) { "exn" } else { "nonnull" }.to_string())),
        Val::Func(Some(func)) => {
            let found = names.iter().find(|(known, _)| engine.same(known, func));
            (0, Some(found.map_or("func".into(), |(_, name)| format!("func:{name}"))))
        }
    };
    (bits.to_le_bytes().to_vec(), reference)
}

pub fn pack_all<E: Engine>(engine: &E, values: &[Val<E::Func>], kinds: &str, names: &Names<E::Func>)
    -> (Vec<u8>, Vec<String>) {
    let (mut slots, mut refs) = (vec![], vec![]);
    for (value, kind) in values.iter().zip(kinds.chars()) {
        let (slot, reference) = packed(engine, value, kind, names);
        slots.extend(slot);
        refs.extend(reference);
    }
    (slots, refs)
}

pub fn reference<F: Clone>(word: &str, names: &Names<F>) -> Result<Val<F>, Ended> {
    let none = || Ended::Unsupported(format!("no host value {word}"));
    if let Some(token) = word.strip_prefix("extern:") {
        return Ok(Val::Token(Some(token.parse().map_err(|_| none())?)));
    }
    let name = word.strip_prefix("func:").ok_or_else(none)?;
    names.iter().find(|(_, known)| known == name).map(|(func, _)| Val::Func(Some(func.clone()))).ok_or_else(none)
}

/// The arguments of a call out of packed slots and identities.
pub fn arguments<F: Clone>(kinds: &str, slots: &[u8], refs: &Json, names: &Names<F>) -> Result<Vec<Val<F>>, Ended> {
    let mut given = list(refs).iter();
    let mut values = vec![];
    for (i, kind) in kinds.chars().enumerate() {
        values.push(if is_number(kind) {
            Val::Number(u128::from_le_bytes(slots[SLOT * i..SLOT * (i + 1)].try_into().unwrap()))
        } else {
            let word = text(given.next().unwrap_or(&Json::Null));
            let small = word.strip_prefix("i31:").and_then(|number| number.parse().ok());
            match (word, kind.to_ascii_lowercase()) {
                ("null", 'e') => Val::Token(None),
                ("null", 'c') => Val::Func(None),
                ("null", _) => Val::Other(0),
                (word, 'e') if word.starts_with("extern:") => reference(word, names)?,
                (word, 'c') if word.starts_with("func:") => reference(word, names)?,
                (_, 'a') if small.is_some() => Val::I31(small.unwrap()),
                (word, _) => return Err(Ended::Unsupported(format!("no host value {word}"))),
            }
        });
    }
    Ok(values)
}
