// The worker for wasmi: worker REQUESTS REPLIES PROGRESS.

mod cases;
mod common;
mod frames;
mod serve;

use common::{CallBack, Ended, Engine, HostCall, Val};
use serve::Worker;

use wasmi::errors::{ErrorKind, HostError, InstantiationError};
use wasmi::{
    AsContextMut, Config, Extern, ExternRef, ExternType, Func, FuncType, Global, Instance, Module, Mutability, Nullable,
    Ref, Store, TrapCode, ValType, F32, F64, V128,
};

struct Wasmi(wasmi::Engine);

#[derive(Debug)]
struct HostTrap(Ended);

impl std::fmt::Display for HostTrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host trap")
    }
}

impl HostError for HostTrap {}

fn trapped(kind: &'static str, said: &wasmi::Error) -> Ended {
    Ended::Trapped(vec![kind], said.to_string())
}

fn ended(error: wasmi::Error) -> Ended {
    if let Some(HostTrap(ended)) = error.downcast_ref::<HostTrap>() {
        return ended.clone();
    }
    match error.kind() {
        ErrorKind::TrapCode(code) => match code {
            TrapCode::UnreachableCodeReached => trapped("UNREACHABLE", &error),
            TrapCode::MemoryOutOfBounds => trapped("MEMORY_OOB", &error),
            TrapCode::TableOutOfBounds => Ended::Trapped(vec!["TABLE_OOB", "UNDEFINED_ELEMENT"], error.to_string()),
            TrapCode::IndirectCallToNull => trapped("UNINITIALIZED_ELEMENT", &error),
            TrapCode::IntegerDivisionByZero => trapped("DIV_BY_ZERO", &error),
            TrapCode::IntegerOverflow => trapped("INT_OVERFLOW", &error),
            TrapCode::BadConversionToInteger => trapped("BAD_CONVERSION", &error),
            TrapCode::BadSignature => trapped("INDIRECT_TYPE_MISMATCH", &error),
            TrapCode::StackOverflow => Ended::Exhausted("stack"),
            TrapCode::OutOfSystemMemory | TrapCode::GrowthOperationLimited => Ended::OutOfMemory(error.to_string()),
            other => Ended::Crashed(format!("a trap that is none: {other:?}")),
        },
        ErrorKind::Instantiation(InstantiationError::ElementSegmentDoesNotFit { .. }) => trapped("TABLE_OOB", &error),
        ErrorKind::Memory(_) if error.to_string().contains("out of bounds") => trapped("MEMORY_OOB", &error),
        ErrorKind::Table(_) if error.to_string().contains("out of bounds") => trapped("TABLE_OOB", &error),
        ErrorKind::Memory(_) if error.to_string().contains("memory") => Ended::OutOfMemory(error.to_string()),
        _ => Ended::Rejected(error.to_string()),
    }
}

fn sort_of(ty: &ExternType) -> usize {
    match ty {
        ExternType::Func(_) => 0,
        ExternType::Table(_) => 1,
        ExternType::Memory(_) => 2,
        ExternType::Global(_) => 3,
    }
}

fn types(kinds: &str) -> Vec<ValType> {
    let word = |kind| match kind {
        'i' => ValType::I32,
        'l' => ValType::I64,
        'f' => ValType::F32,
        'd' => ValType::F64,
        'v' => ValType::V128,
        'e' => ValType::ExternRef,
        _ => ValType::FuncRef,
    };
    kinds.chars().map(word).collect()
}

fn inward<T>(mut store: impl AsContextMut<Data = T>, values: &[Val<Func>], kinds: &[ValType]) -> Vec<wasmi::Val> {
    let one = |(value, kind): (&Val<Func>, &ValType)| match (value, kind) {
        (Val::Number(bits), ValType::I32) => wasmi::Val::I32(*bits as i32),
        (Val::Number(bits), ValType::I64) => wasmi::Val::I64(*bits as i64),
        (Val::Number(bits), ValType::F32) => wasmi::Val::F32(F32::from_bits(*bits as u32)),
        (Val::Number(bits), ValType::F64) => wasmi::Val::F64(F64::from_bits(*bits as u64)),
        (Val::Number(bits), _) => wasmi::Val::V128(V128::from(*bits)),
        (Val::Token(Some(token)), _) => wasmi::Val::ExternRef(ExternRef::new(&mut store, *token).into()),
        (Val::Func(Some(func)), _) => wasmi::Val::FuncRef((*func).into()),
        (_, ValType::ExternRef) => wasmi::Val::ExternRef(Nullable::Null),
        _ => wasmi::Val::FuncRef(Nullable::Null),
    };
    values.iter().zip(kinds).map(one).collect()
}

fn outward<T>(store: impl AsContextMut<Data = T>, value: &wasmi::Val) -> Val<Func> {
    match value {
        wasmi::Val::I32(value) => Val::Number(*value as u32 as u128),
        wasmi::Val::I64(value) => Val::Number(*value as u64 as u128),
        wasmi::Val::F32(value) => Val::Number(value.to_bits() as u128),
        wasmi::Val::F64(value) => Val::Number(value.to_bits() as u128),
        wasmi::Val::V128(value) => Val::Number(value.as_u128()),
        wasmi::Val::FuncRef(func) => Val::Func(func.val().copied()),
        wasmi::Val::ExternRef(token) => {
            Val::Token(token.val().map(|one| *one.data(store.as_context()).downcast_ref::<u32>().unwrap()))
        }
    }
}

fn call<T>(mut store: impl AsContextMut<Data = T>, func: &Func, args: &[Val<Func>]) -> Result<Vec<Val<Func>>, Ended> {
    let ty = func.ty(&store);
    let args = inward(&mut store, args, ty.params());
    let mut given: Vec<wasmi::Val> = ty.results().iter().map(|kind| wasmi::Val::default_for_ty(*kind)).collect();
    func.call(&mut store, &args, &mut given).map_err(ended)?;
    Ok(given.iter().map(|value| outward(&mut store, value)).collect())
}

impl Engine for Wasmi {
    type Store = Store<()>;
    type Module = Module;
    type Instance = Instance;
    type Item = Extern;
    type Func = Func;

    fn version(&self) -> String {
        env!("ENGINE_VERSION").into()
    }

    fn store(&self) -> Store<()> {
        Store::new(&self.0, ())
    }

    fn compile(&self, _store: &Store<()>, content: &[u8]) -> Result<Module, Ended> {
        Module::new(&self.0, content).map_err(|error| Ended::Rejected(error.to_string()))
    }

    fn instantiate(&self, store: &mut Store<()>, module: &Module, items: &[Extern]) -> Result<Instance, Ended> {
        // A module's imports are listed by their sort, not in the module's order; within a sort the order is kept.
        let mut sorted: Vec<Vec<Extern>> = vec![vec![]; 4];
        for item in items {
            sorted[sort_of(&item.ty(&*store))].push(*item);
        }
        let mut taken = [0; 4];
        let mut given = vec![];
        for import in module.imports() {
            let sort = sort_of(import.ty());
            given.extend(sorted[sort].get(taken[sort]).copied());
            taken[sort] += 1;
        }
        Instance::new(store, module, &given).map_err(ended)
    }

    fn export(&self, store: &mut Store<()>, instance: &Instance, name: &str) -> Option<Extern> {
        instance.get_export(store, name)
    }

    fn host(
        &self, store: &mut Store<()>, _: (&Module, usize), of: (&str, &str), _collects: bool, does: HostCall<Func>,
    ) -> Extern {
        let kinds = types(of.1);
        let ty = FuncType::new(types(of.0), kinds.clone());
        Extern::Func(Func::new(store, ty, move |mut caller, args, out| {
            let args: Vec<Val<Func>> = args.iter().map(|value| outward(&mut caller, value)).collect();
            let mut back = |func: &Func, args: &[Val<Func>], _: &str| call(&mut caller, func, args);
            let given = does(&args, &mut back as &mut CallBack<Func>).map_err(|e| wasmi::Error::host(HostTrap(e)))?;
            for (place, value) in out.iter_mut().zip(inward(&mut caller, &given, &kinds)) {
                *place = value;
            }
            Ok(())
        }))
    }

    fn token_global(&self, store: &mut Store<()>, _: (&Module, usize), token: u32, mutable: bool) -> Extern {
        let value = wasmi::Val::ExternRef(ExternRef::new(&mut *store, token).into());
        Extern::Global(Global::new(store, value, if mutable { Mutability::Var } else { Mutability::Const }))
    }

    fn call(&self, store: &mut Store<()>, func: &Func, args: &[Val<Func>], _: &str) -> Result<Vec<Val<Func>>, Ended> {
        call(store, func, args)
    }

    fn func(&self, _: &mut Store<()>, item: &Extern) -> Option<Func> {
        item.into_func()
    }

    fn same(&self, a: &Func, b: &Func) -> bool {
        format!("{a:?}") == format!("{b:?}")
    }

    fn memory<'a>(&self, store: &'a mut Store<()>, item: &Extern) -> Option<(&'a [u8], u64)> {
        let memory = item.into_memory()?;
        let pages = memory.size(&*store);
        Some((memory.data(&*store), pages))
    }

    fn write(&self, store: &mut Store<()>, item: &Extern, data: &[u8]) {
        item.into_memory().unwrap().write(store, 0, data).unwrap();
    }

    fn global(&self, store: &mut Store<()>, item: &Extern, _: char) -> Option<Val<Func>> {
        let value = item.into_global()?.get(&*store);
        Some(outward(store, &value))
    }

    fn table_size(&self, store: &mut Store<()>, item: &Extern) -> Option<u64> {
        item.into_table().map(|table| table.size(&*store))
    }

    fn table_get(&self, store: &mut Store<()>, item: &Extern, at: u64, _: char) -> Option<Val<Func>> {
        let value = item.into_table()?.get(&*store, at)?;
        Some(outward(store, &wasmi::Val::from(value)))
    }

    fn table_set(&self, store: &mut Store<()>, item: &Extern, at: u64, value: Val<Func>) {
        let table = item.into_table().unwrap();
        let value = match (value, table.ty(&*store).element()) {
            (Val::Func(func), _) => Ref::Func(func.map_or(Nullable::Null, Nullable::Val)),
            (Val::Token(Some(token)), _) => Ref::Extern(ExternRef::new(&mut *store, token).into()),
            _ => Ref::Extern(Nullable::Null),
        };
        table.set(store, at, value).unwrap();
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let mut config = Config::default();
    config.wasm_multi_memory(true).wasm_memory64(true).wasm_custom_page_sizes(true).wasm_wide_arithmetic(true);
    config.wasm_tail_call(true).wasm_extended_const(true).wasm_simd(true).wasm_relaxed_simd(true);
    Worker::new(Wasmi(wasmi::Engine::new(&config)), &words[1..]).serve();
}
