// The worker for Stitch: worker REQUESTS REPLIES PROGRESS.

mod cases;
mod common;
mod frames;
mod modules;
mod serve;

use common::{CallBack, Ended, Engine, HostCall, Val};
use serve::Worker;

use makepad_stitch as stitch;
use modules::{by_position, slot, way_to_host, FAILS};
use std::sync::{Arc, Mutex, OnceLock};
use stitch::{
    Error, ExternRef, ExternVal, FuncRef, Global, GlobalType, Instance, Linker, Mem, Module, Mut, Ref, Store, Table,
};

/// The engine, and why the host function failed that made a call trap.
struct Stitch {
    inner: stitch::Engine,
    failed: Arc<Mutex<Option<Ended>>>,
}

/// A function: the engine's handles are pointers, which stay in this one thread.
#[derive(Clone, Copy, PartialEq)]
struct Func(stitch::Func);

unsafe impl Send for Func {}
unsafe impl Sync for Func {}

/// Where a host function's arguments and results are passed (`modules::way_to_host`).
struct Places {
    memory: Mem,
    tokens: Table,
    funcs: Table,
}

unsafe impl Send for Places {}
unsafe impl Sync for Places {}

/// The engine's names for its traps; their type has none outside of its crate.
fn trapped(name: &str, said: String) -> Ended {
    let kinds = match name {
        "Unreachable" => vec!["UNREACHABLE"],
        "TypeMismatch" => vec!["INDIRECT_TYPE_MISMATCH"],
        "ElemUninited" => vec!["UNINITIALIZED_ELEMENT"],
        "IntDivByZero" => vec!["DIV_BY_ZERO"],
        "IntOverflow" => vec!["INT_OVERFLOW"],
        "InvalidConversionToInt" => vec!["BAD_CONVERSION"],
        "TableAccessOutOfBounds" => vec!["TABLE_OOB", "UNDEFINED_ELEMENT"],
        "MemAccessOutOfBounds" => vec!["MEMORY_OOB"],
        "StackOverflow" => return Ended::Exhausted("stack"),
        other => return Ended::Crashed(format!("a trap that is none: {other}")),
    };
    Ended::Trapped(kinds, said)
}

fn kind_of(ty: stitch::ValType) -> char {
    match ty {
        stitch::ValType::I32 => 'i',
        stitch::ValType::I64 => 'l',
        stitch::ValType::F32 => 'f',
        stitch::ValType::F64 => 'd',
        stitch::ValType::ExternRef => 'e',
        stitch::ValType::FuncRef => 'c',
    }
}

fn reference(store: &mut Store, value: &Val<Func>, kind: char) -> Ref {
    match (value, kind) {
        (Val::Token(Some(token)), _) => ExternRef::new(store, *token).into(),
        (Val::Func(Some(func)), _) => FuncRef::new(func.0).into(),
        (_, 'e') => ExternRef::null().into(),
        _ => FuncRef::null().into(),
    }
}

fn inward(store: &mut Store, value: &Val<Func>, kind: char) -> stitch::Val {
    match (value, kind) {
        (Val::Number(bits), 'i') => stitch::Val::I32(*bits as i32),
        (Val::Number(bits), 'l') => stitch::Val::I64(*bits as i64),
        (Val::Number(bits), 'f') => stitch::Val::F32(f32::from_bits(*bits as u32)),
        (Val::Number(bits), _) => stitch::Val::F64(f64::from_bits(*bits as u64)),
        _ => match reference(store, value, kind) {
            Ref::FuncRef(func) => func.into(),
            Ref::ExternRef(token) => token.into(),
        },
    }
}

fn referred(store: &Store, value: Ref) -> Val<Func> {
    match value {
        Ref::FuncRef(func) => Val::Func(func.get().map(Func)),
        Ref::ExternRef(token) => Val::Token(token.get(store).map(|token| *token.downcast_ref().unwrap())),
    }
}

fn outward(store: &Store, value: stitch::Val) -> Val<Func> {
    match value {
        stitch::Val::I32(value) => Val::Number(value as u32 as u128),
        stitch::Val::I64(value) => Val::Number(value as u64 as u128),
        stitch::Val::F32(value) => Val::Number(value.to_bits() as u128),
        stitch::Val::F64(value) => Val::Number(value.to_bits() as u128),
        stitch::Val::FuncRef(func) => referred(store, func.into()),
        stitch::Val::ExternRef(token) => referred(store, token.into()),
    }
}

/// How a step ended that gave an error: a trap may be a host's.
fn ended(failed: &Mutex<Option<Ended>>, error: Error) -> Ended {
    if let Some(ended) = failed.lock().unwrap().take() {
        return ended;
    }
    match error {
        Error::Trap(trap) => trapped(&format!("{trap:?}"), trap.to_string()),
        Error::Decode(refused) => Ended::Rejected(refused.to_string()),
        Error::Instantiate(refused) => Ended::Rejected(refused.to_string()),
        other => Ended::Crashed(format!("{other}: {other:?}")),
    }
}

fn call(failed: &Mutex<Option<Ended>>, store: &mut Store, func: &Func, args: &[Val<Func>])
    -> Result<Vec<Val<Func>>, Ended> {
    let ty = func.0.type_(store).clone();
    let args: Vec<stitch::Val> =
        args.iter().zip(ty.params()).map(|(value, kind)| inward(store, value, kind_of(*kind))).collect();
    let mut given: Vec<stitch::Val> = ty.results().iter().map(|kind| stitch::Val::default(*kind)).collect();
    func.0.call(store, &args, &mut given).map_err(|error| ended(failed, error))?;
    Ok(given.into_iter().map(|value| outward(store, value)).collect())
}

/// What is passed to the host, or by it, from the call's `from`th value on.
fn passed_in(store: &mut Store, places: &Places, kinds: &str) -> Vec<Val<Func>> {
    let one = |(at, kind): (usize, char)| {
        if !common::is_number(kind) {
            let table = if kind == 'e' { places.tokens } else { places.funcs };
            return referred(store, table.get(store, at as u32).unwrap());
        }
        let bytes = &places.memory.bytes(store)[slot(at)..];
        Val::Number(common::narrow(kind, u64::from_le_bytes(bytes[..8].try_into().unwrap()) as u128))
    };
    kinds.chars().enumerate().map(one).collect()
}

fn passed_out(store: &mut Store, places: &Places, from: usize, kinds: &str, values: &[Val<Func>]) {
    for (i, (kind, value)) in kinds.chars().zip(values).enumerate() {
        if let Val::Number(bits) = value {
            let room = &mut places.memory.bytes_mut(store)[slot(from + i)..];
            room[..8].copy_from_slice(&(*bits as u64).to_le_bytes());
        } else {
            let value = reference(store, value, kind);
            let table = if kind == 'e' { places.tokens } else { places.funcs };
            table.set(store, (from + i) as u32, value).unwrap();
        }
    }
}

impl Engine for Stitch {
    type Store = Store;
    type Module = (Module, Vec<u8>);
    type Instance = Instance;
    type Item = ExternVal;
    type Func = Func;

    fn version(&self) -> String {
        env!("ENGINE_VERSION").into()
    }

    fn store(&self) -> Store {
        Store::new(self.inner.clone())
    }

    fn compile(&self, _store: &Store, content: &[u8]) -> Result<(Module, Vec<u8>), Ended> {
        let module = Module::new(&self.inner, content).map_err(|error| Ended::Rejected(error.to_string()))?;
        Ok((module, content.to_vec()))
    }

    /// Imports are found by their names, of which a module may have some twice.
    fn instantiate(&self, store: &mut Store, module: &(Module, Vec<u8>), items: &[ExternVal])
        -> Result<Instance, Ended> {
        let mut linker = Linker::new();
        for (at, item) in items.iter().enumerate() {
            linker.define("", &at.to_string(), *item);
        }
        let failed = |error| ended(&self.failed, error);
        if items.is_empty() {
            return linker.instantiate(store, &module.0).map_err(failed);
        }
        let renamed = Module::new(&self.inner, &by_position(&module.1)).map_err(|error| failed(error.into()))?;
        linker.instantiate(store, &renamed).map_err(failed)
    }

    fn export(&self, _: &mut Store, instance: &Instance, name: &str) -> Option<ExternVal> {
        instance.exported_val(name)
    }

    /// A host function that gives an error makes the engine panic (docs/found/stitch.md), so that it says by a word in
    /// memory that it fails, and what calls it traps.
    fn host(
        &self, store: &mut Store, _: (&(Module, Vec<u8>), usize), of: (&str, &str), _collects: bool,
        does: HostCall<Func>,
    ) -> ExternVal {
        let (params, results) = (of.0.to_string(), of.1.to_string());
        let places: Arc<OnceLock<Places>> = Arc::default();
        let (known, failed) = (places.clone(), self.failed.clone());
        let host = stitch::Func::wrap(store, move |store: &mut Store| {
            let places = known.get().unwrap();
            let args = passed_in(store, places, &params);
            let mut back = |func: &Func, args: &[Val<Func>], _: &str| call(&failed, store, func, args);
            let done = does(&args, &mut back as &mut CallBack<Func>);
            let word = u32::from(done.is_err()).to_le_bytes();
            places.memory.bytes_mut(store)[FAILS..FAILS + 4].copy_from_slice(&word);
            match done {
                Ok(given) => passed_out(store, places, params.len(), &results, &given),
                Err(ended) => *failed.lock().unwrap() = Some(ended),
            }
        });
        let module = Module::new(&self.inner, &way_to_host(of.0, of.1)).expect("a module of ours");
        let mut linker = Linker::new();
        linker.define("", "0", host);
        let way = linker.instantiate(store, &module).expect("an instance of ours");
        let table = |name| way.exported_table(name).unwrap();
        let memory = way.exported_mem("m").unwrap();
        let _ = places.set(Places { memory, tokens: table("e"), funcs: table("c") });
        way.exported_val("f").unwrap()
    }

    fn token_global(&self, store: &mut Store, _: (&(Module, Vec<u8>), usize), token: u32, mutable: bool) -> ExternVal {
        let ty = GlobalType { mut_: if mutable { Mut::Var } else { Mut::Const }, val: stitch::ValType::ExternRef };
        let value = ExternRef::new(store, token).into();
        ExternVal::Global(Global::new(store, ty, value).unwrap())
    }

    fn call(&self, store: &mut Store, func: &Func, args: &[Val<Func>], _: &str) -> Result<Vec<Val<Func>>, Ended> {
        call(&self.failed, store, func, args)
    }

    fn func(&self, _: &mut Store, item: &ExternVal) -> Option<Func> {
        item.to_func().map(Func)
    }

    fn same(&self, a: &Func, b: &Func) -> bool {
        a == b
    }

    fn memory<'a>(&self, store: &'a mut Store, item: &ExternVal) -> Option<(&'a [u8], u64)> {
        let ExternVal::Memory(memory) = item else { return None };
        let pages = memory.size(store) as u64;
        Some((memory.bytes(store), pages))
    }

    fn write(&self, store: &mut Store, item: &ExternVal, data: &[u8]) {
        let ExternVal::Memory(memory) = item else { unreachable!("a memory") };
        memory.bytes_mut(store)[..data.len()].copy_from_slice(data);
    }

    fn global(&self, store: &mut Store, item: &ExternVal, _: char) -> Option<Val<Func>> {
        let value = item.to_global()?.get(store);
        Some(outward(store, value))
    }

    fn table_size(&self, store: &mut Store, item: &ExternVal) -> Option<u64> {
        Some(item.to_table()?.size(store) as u64)
    }

    fn table_get(&self, store: &mut Store, item: &ExternVal, at: u64, _: char) -> Option<Val<Func>> {
        let value = item.to_table()?.get(store, at as u32)?;
        Some(referred(store, value))
    }

    fn table_set(&self, store: &mut Store, item: &ExternVal, at: u64, value: Val<Func>) {
        let table = item.to_table().unwrap();
        let kind = kind_of(table.type_(store).elem.into());
        let value = reference(store, &value, kind);
        table.set(store, at as u32, value).unwrap();
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    Worker::new(Stitch { inner: stitch::Engine::new(), failed: Arc::default() }, &words[1..]).serve();
}
