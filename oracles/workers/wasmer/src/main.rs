// The worker for Wasmer: worker SETTING REQUESTS REPLIES PROGRESS.

mod cases;
mod common;
mod frames;
mod serve;
mod values;

use common::{CallBack, Counter, Ended, Engine, HostCall, Tag, Val};
use serve::Worker;
use std::cell::RefCell;
use std::num::NonZero;
use std::sync::Arc;
use values::{func, inward, outward, types, Func};

use wasmer::sys::wasmparser::{Parser, Payload, TypeRef};
use wasmer::sys::{Cranelift, CraneliftOptLevel, EngineBuilder, Singlepass};
use wasmer::{
    AsStoreMut, CompileError, Exception, Extern, ExternRef, Function, FunctionEnv, FunctionEnvMut, FunctionType, Global,
    Instance, InstantiationError, LinkError, Module, RuntimeError, Store, Value,
};
use wasmer_vm::VMExtern as SysExtern;

/// What it says of types that it lacks. What else it calls unsupported is a refusal of what the module is entitled to.
const TYPES: [&str; 3] = ["unsupported reference type", "unsupported element type", "`ref.null T` that is not"];

/// The compiler: singlepass, or Cranelift's level of optimisation.
struct Wasmer(String);

#[derive(Debug)]
struct HostTrap(Ended);

impl std::fmt::Display for HostTrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host trap")
    }
}

impl std::error::Error for HostTrap {}

thread_local! {
    /// What was thrown last that nobody caught.
    static THROWN: RefCell<Option<Exception>> = const { RefCell::new(None) };
}

fn ended(error: RuntimeError) -> Ended {
    if let Some(HostTrap(ended)) = error.downcast_ref::<HostTrap>() {
        return ended.clone();
    }
    if let Some(exception) = error.to_exception() {
        THROWN.with(|last| *last.borrow_mut() = Some(exception));
        return Ended::Threw;
    }
    let said = error.message();
    let Some(code) = error.to_trap() else {
        return if said.contains("out of memory") {
            Ended::OutOfMemory(said)
        } else {
            Ended::Crashed(format!("an error that is no trap: {said}"))
        };
    };
    let kinds = match &format!("{code:?}")[..] {
        "StackOverflow" => return Ended::Exhausted("stack"),
        "HeapAccessOutOfBounds" => vec!["MEMORY_OOB"],
        "TableAccessOutOfBounds" => vec!["TABLE_OOB", "UNDEFINED_ELEMENT"],
        "IndirectCallToNull" => vec!["UNINITIALIZED_ELEMENT"],
        "BadSignature" => vec!["INDIRECT_TYPE_MISMATCH"],
        "IntegerOverflow" => vec!["INT_OVERFLOW"],
        "IntegerDivisionByZero" => vec!["DIV_BY_ZERO"],
        "BadConversionToInteger" => vec!["BAD_CONVERSION"],
        "UnreachableCodeReached" => vec!["UNREACHABLE"],
        "UnalignedAtomic" | "HeapMisaligned" => vec!["UNALIGNED_ATOMIC"],
        "UninitializedExnRef" => vec!["NULL_REFERENCE"],
        other => return Ended::Crashed(format!("a trap that is none: {other}")),
    };
    Ended::Trapped(kinds, said)
}

fn not_linked(error: InstantiationError) -> Ended {
    match error {
        InstantiationError::Link(LinkError::Trap(error)) | InstantiationError::Start(error) => ended(error),
        // A limit of its own, and nothing that the module asked too much of.
        InstantiationError::Link(LinkError::Resource(said)) if said.starts_with("tables of types other than") => {
            Ended::Unsupported(said)
        }
        InstantiationError::Link(LinkError::Resource(said)) => Ended::OutOfMemory(said),
        other => Ended::Rejected(other.to_string()),
    }
}

fn call(store: &mut impl AsStoreMut, func: &Func, args: &[Val<Func>]) -> Result<Vec<Val<Func>>, RuntimeError> {
    let ty = func.handle.ty(store);
    let args: Vec<Value> = args.iter().zip(ty.params()).map(|(value, kind)| inward(store, value, *kind)).collect();
    let given = func.handle.call(store, &args)?;
    Ok(given.iter().map(|value| outward(store, value)).collect())
}

/// A function of the host in the midst of a call.
fn hosted(env: &mut FunctionEnvMut<()>, args: &[Value], ty: &FunctionType, does: &HostCall<Func>)
    -> Result<Vec<Value>, RuntimeError> {
    let args: Vec<Val<Func>> = args.iter().map(|value| outward(env, value)).collect();
    let mut passed = None;
    let mut back = |func: &Func, args: &[Val<Func>], _: &str| {
        call(env, func, args).map_err(|error| {
            passed = Some(error);
            Ended::Host
        })
    };
    match does(&args, &mut back as &mut CallBack<Func>) {
        Ok(given) => Ok(given.iter().zip(ty.results()).map(|(value, kind)| inward(env, value, *kind)).collect()),
        // What ended a call back goes on its way as it is: an exception may be caught.
        Err(ended) => Err(passed.unwrap_or_else(|| RuntimeError::user(Box::new(HostTrap(ended))))),
    }
}

/// Whether a module imports a function with several results, for whose call Singlepass has no code: it panics.
fn imports_several_results(content: &[u8]) -> bool {
    let mut several = vec![];
    for payload in Parser::new(0).parse_all(content) {
        match payload {
            Ok(Payload::TypeSection(types)) => {
                let types = types.into_iter_err_on_gc_types().flatten();
                several.extend(types.map(|ty| ty.results().len() > 1));
            }
            Ok(Payload::ImportSection(imports)) => {
                let found = imports.into_imports().flatten().any(|import| match import.ty {
                    TypeRef::Func(ty) => several.get(ty as usize) == Some(&true),
                    _ => false,
                });
                return found;
            }
            Ok(_) => {}
            Err(_) => return false,
        }
    }
    false
}

impl Wasmer {
    fn engine(&self) -> wasmer::Engine {
        let one = NonZero::new(1).unwrap();
        let builder = if self.0 == "singlepass" {
            let mut config = Singlepass::new();
            config.num_threads(one);
            EngineBuilder::new(config)
        } else {
            let mut config = Cranelift::new();
            config.num_threads(one);
            config.opt_level(match &self.0[..] {
                "none" => CraneliftOptLevel::None,
                "speed" => CraneliftOptLevel::Speed,
                _ => CraneliftOptLevel::SpeedAndSize,
            });
            EngineBuilder::new(config)
        };
        // The features are those that the compiler says it supports.
        builder.engine().into()
    }
}

impl Engine for Wasmer {
    type Store = Store;
    type Module = Module;
    type Instance = Instance;
    type Item = Extern;
    type Func = Func;

    fn version(&self) -> String {
        env!("ENGINE_VERSION").into()
    }

    /// An engine keeps the code of all modules that it ever compiled, so each store has one of its own.
    fn store(&self) -> Store {
        Store::new(self.engine())
    }

    fn compile(&self, store: &Store, content: &[u8]) -> Result<Module, Ended> {
        if self.0 == "singlepass" && imports_several_results(content) {
            return Err(Ended::Unsupported("singlepass: an import with several results".into()));
        }
        Module::new(store.engine(), content).map_err(|error| match error {
            CompileError::UnsupportedFeature(what) | CompileError::Resource(what) => Ended::Unsupported(what),
            // An instruction that a compiler does not have.
            CompileError::Codegen(said) if said.contains("not yet implemented") => Ended::Unsupported(said),
            CompileError::Wasm(error) if TYPES.iter().any(|type_| error.to_string().contains(type_)) => {
                Ended::Unsupported(error.to_string())
            }
            other => Ended::Rejected(other.to_string()),
        })
    }

    fn instantiate(&self, store: &mut Store, module: &Module, items: &[Extern]) -> Result<Instance, Ended> {
        Instance::new_by_index(store, module, items).map_err(not_linked)
    }

    fn export(&self, _: &mut Store, instance: &Instance, name: &str) -> Option<Extern> {
        instance.exports.get_extern(name).cloned()
    }

    fn host(
        &self, store: &mut Store, _: (&Module, usize), kinds: (&str, &str), _collects: bool, does: HostCall<Func>,
    ) -> Extern {
        let ty = FunctionType::new(types(kinds.0), types(kinds.1));
        let env = FunctionEnv::new(store, ());
        let known = ty.clone();
        let entered = move |mut env: FunctionEnvMut<()>, args: &[Value]| hosted(&mut env, args, &known, &does);
        Extern::Function(Function::new_with_env(store, &env, ty, entered))
    }

    fn token_global(&self, store: &mut Store, _: (&Module, usize), token: u32, mutable: bool) -> Extern {
        let value = Value::ExternRef(Some(ExternRef::new(store, token)));
        Extern::Global(if mutable { Global::new_mut(store, value) } else { Global::new(store, value) })
    }

    fn call(&self, store: &mut Store, func: &Func, args: &[Val<Func>], _: &str) -> Result<Vec<Val<Func>>, Ended> {
        call(store, func, args).map_err(ended)
    }

    fn thrown(&self, store: &mut Store, tags: &[Tag<Extern>]) -> Option<(usize, Vec<Val<Func>>)> {
        let exception = THROWN.with(|last| last.borrow_mut().take())?;
        let tag = exception.tag(store);
        let at = tags.iter().position(|(_, _, item)| matches!(item, Extern::Tag(known) if *known == tag))?;
        Some((at, values::payload(store, &exception, &types(&tags[at].1))))
    }

    fn counter(&self, store: &mut Store, item: &Extern) -> Option<Counter> {
        let SysExtern::Global(global) = item.to_vm_extern().unwrap_sys() else { return None };
        let place = global.get(store.objects_mut().as_sys()).vmglobal().as_ptr() as usize;
        Some(Arc::new(move || unsafe { *(place as *const u32) } as usize))
    }

    fn func(&self, store: &mut Store, item: &Extern) -> Option<Func> {
        match item {
            Extern::Function(handle) => Some(func(store, handle)),
            _ => None,
        }
    }

    fn same(&self, a: &Func, b: &Func) -> bool {
        values::same(a, b)
    }

    fn memory<'a>(&self, store: &'a mut Store, item: &Extern) -> Option<(&'a [u8], u64)> {
        let Extern::Memory(memory) = item else { return None };
        let view = memory.view(&*store);
        let (base, size, pages) = (view.data_ptr(), view.data_size() as usize, view.size().0 as u64);
        Some((if size == 0 { &[] } else { unsafe { std::slice::from_raw_parts(base, size) } }, pages))
    }

    fn write(&self, store: &mut Store, item: &Extern, data: &[u8]) {
        let Extern::Memory(memory) = item else { unreachable!("a memory") };
        memory.view(&*store).write(0, data).expect("a memory that is large enough");
    }

    fn global(&self, store: &mut Store, item: &Extern, _: char) -> Option<Val<Func>> {
        let Extern::Global(global) = item else { return None };
        let value = global.get(store);
        Some(outward(store, &value))
    }

    fn table_size(&self, store: &mut Store, item: &Extern) -> Option<u64> {
        match item {
            Extern::Table(table) => Some(table.size(&*store) as u64),
            _ => None,
        }
    }

    fn table_get(&self, store: &mut Store, item: &Extern, at: u64, _: char) -> Option<Val<Func>> {
        let Extern::Table(table) = item else { return None };
        let value = table.get(store, at as u32)?;
        Some(outward(store, &value))
    }

    fn table_set(&self, store: &mut Store, item: &Extern, at: u64, value: Val<Func>) {
        let Extern::Table(table) = item else { unreachable!("a table") };
        let kind = table.ty(&*store).ty;
        let value = inward(store, &value, kind);
        table.set(store, at as u32, value).expect("an element of a table");
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    Worker::new(Wasmer(words[1].clone()), &words[2..]).serve();
}
