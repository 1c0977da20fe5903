// The worker for TinyWasm: worker REQUESTS REPLIES PROGRESS.

mod cases;
mod common;
mod frames;
mod serve;

use common::{CallBack, Ended, Engine, HostCall, Val};
use serve::Worker;

use std::sync::Arc;
use tinywasm::engine::{Config, StackConfig};
use tinywasm::types::{ExternRef, ExternVal, FuncRef, FuncType, GlobalType, ModuleInner, WasmType, WasmValue};
use tinywasm::{
    Error, Extern, ExternItem, FuncContext, Function, Global, HostFunction, Imports, Memory, Module, ModuleInstance,
    ParseError, Table, Trap,
};

const CHUNK: usize = 65536;
const ZEROS: [u8; CHUNK] = [0; CHUNK];

struct TinyWasm;

/// A store, and the copy of the memory that was looked at last: the engine lends nobody its bytes.
struct Store {
    inner: tinywasm::Store,
    copy: Vec<u8>,
}

/// A function: what calls it with its type, and the address by which references name it. A host's own has none, one
/// that came out of a reference cannot be called.
#[derive(Clone)]
struct Func {
    handle: Option<(Function, Arc<FuncType>)>,
    address: Option<u32>,
}

/// An instance, and the module that knows the types of what it exports.
#[derive(Clone)]
struct Instance {
    inner: ModuleInstance,
    module: Module,
}

#[derive(Clone)]
enum Item {
    Func(Func),
    Table(Table),
    Memory(Memory),
    Global(Global),
}

#[derive(Debug)]
struct HostTrap(Ended);

impl std::fmt::Display for HostTrap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "host trap")
    }
}

impl std::error::Error for HostTrap {}

fn trapped(trap: &Trap) -> Ended {
    let kinds = match trap {
        // The engine puts what a host gives into a trap of its own, whatever it is.
        Trap::HostFunction(error) => {
            return match (error.downcast_ref::<HostTrap>(), error.downcast_ref::<Error>()) {
                (Some(HostTrap(ended)), _) => ended.clone(),
                (_, Some(Error::Trap(inner))) => trapped(inner),
                _ => Ended::Crashed(format!("an error of no host: {error}")),
            }
        }
        Trap::CallStackOverflow | Trap::ValueStackOverflow => return Ended::Exhausted("stack"),
        Trap::OutOfMemory => return Ended::OutOfMemory(trap.to_string()),
        Trap::Unreachable => vec!["UNREACHABLE"],
        Trap::MemoryOutOfBounds { .. } => vec!["MEMORY_OOB"],
        Trap::TableOutOfBounds { .. } => vec!["TABLE_OOB", "UNDEFINED_ELEMENT"],
        Trap::DivisionByZero => vec!["DIV_BY_ZERO"],
        Trap::InvalidConversionToInt => vec!["BAD_CONVERSION"],
        Trap::IntegerOverflow => vec!["INT_OVERFLOW"],
        Trap::UndefinedElement { .. } => vec!["UNDEFINED_ELEMENT"],
        Trap::UninitializedElement { .. } => vec!["UNINITIALIZED_ELEMENT"],
        Trap::IndirectCallTypeMismatch { .. } => vec!["INDIRECT_TYPE_MISMATCH"],
        other => return Ended::Crashed(format!("a trap that is none: {other}")),
    };
    Ended::Trapped(kinds, trap.to_string())
}

/// How a step ended that gave an error; what is no trap is `otherwise`.
fn ended(error: Error, otherwise: fn(String) -> Ended) -> Ended {
    match error {
        Error::Trap(trap) => trapped(&trap),
        Error::UnsupportedFeature(what) => Ended::Unsupported(what.into()),
        other => otherwise(other.to_string()),
    }
}

fn types(kinds: &str) -> Vec<WasmType> {
    let word = |kind| match kind {
        'i' => WasmType::I32,
        'l' => WasmType::I64,
        'f' => WasmType::F32,
        'd' => WasmType::F64,
        'v' => WasmType::V128,
        'e' => WasmType::RefExtern,
        _ => WasmType::RefFunc,
    };
    kinds.chars().map(word).collect()
}

fn inward(value: &Val<Func>, kind: WasmType) -> WasmValue {
    match (value, kind) {
        (Val::Number(bits), WasmType::I32) => WasmValue::I32(*bits as i32),
        (Val::Number(bits), WasmType::I64) => WasmValue::I64(*bits as i64),
        (Val::Number(bits), WasmType::F32) => WasmValue::F32(f32::from_bits(*bits as u32)),
        (Val::Number(bits), WasmType::F64) => WasmValue::F64(f64::from_bits(*bits as u64)),
        (Val::Number(bits), _) => WasmValue::V128(bits.to_le_bytes()),
        (Val::Token(token), _) => WasmValue::RefExtern(ExternRef::new(*token)),
        (Val::Func(Some(func)), _) => WasmValue::RefFunc(FuncRef::new(func.address)),
        (_, WasmType::RefExtern) => WasmValue::RefExtern(ExternRef::null()),
        _ => WasmValue::RefFunc(FuncRef::null()),
    }
}

fn outward(value: &WasmValue) -> Val<Func> {
    match value {
        WasmValue::I32(value) => Val::Number(*value as u32 as u128),
        WasmValue::I64(value) => Val::Number(*value as u64 as u128),
        WasmValue::F32(value) => Val::Number(value.to_bits() as u128),
        WasmValue::F64(value) => Val::Number(value.to_bits() as u128),
        WasmValue::V128(bytes) => Val::Number(u128::from_le_bytes(*bytes)),
        WasmValue::RefExtern(token) => Val::Token(token.addr()),
        WasmValue::RefFunc(func) => {
            Val::Func(func.addr().map(|address| Func { handle: None, address: Some(address) }))
        }
    }
}

fn called(func: &Func, args: &[Val<Func>], by: impl FnOnce(&Function, &[WasmValue]) -> Result<Vec<WasmValue>, Error>)
    -> Result<Vec<Val<Func>>, Ended> {
    let Some((handle, ty)) = &func.handle else {
        return Err(Ended::Unsupported("a call by a reference from outside".into()));
    };
    let args: Vec<WasmValue> = args.iter().zip(ty.params()).map(|(arg, kind)| inward(arg, *kind)).collect();
    let given = by(handle, &args).map_err(|error| ended(error, Ended::Crashed))?;
    Ok(given.iter().map(outward).collect())
}

impl Engine for TinyWasm {
    type Store = Store;
    type Module = Module;
    type Instance = Instance;
    type Item = Item;
    type Func = Func;

    fn version(&self) -> String {
        env!("ENGINE_VERSION").into()
    }

    /// As deep as a program may go in other engines: its own limits are a thousand calls, and few values.
    fn store(&self) -> Store {
        let values = StackConfig::dynamic(4096, 4 << 20);
        let config = Config::new().with_value_stack(values).with_call_stack(StackConfig::dynamic(64, 32768));
        Store { inner: tinywasm::Store::new(tinywasm::Engine::new(config)), copy: vec![] }
    }

    /// Imports are found by their names, of which a module may have some twice: here each has its position for a name.
    fn compile(&self, _store: &Store, content: &[u8]) -> Result<Module, Ended> {
        let module = tinywasm::parse_bytes(content).map_err(|error| match error {
            ParseError::UnsupportedOperator(what) => Ended::Unsupported(what),
            other => Ended::Rejected(other.to_string()),
        })?;
        let mut renamed: ModuleInner = (*module).clone();
        for (at, import) in renamed.imports.iter_mut().enumerate() {
            import.name = at.to_string().into();
            import.module = "".into();
        }
        Ok(renamed.into())
    }

    fn instantiate(&self, store: &mut Store, module: &Module, items: &[Item]) -> Result<Instance, Ended> {
        let mut imports = Imports::new();
        for (at, item) in items.iter().enumerate() {
            let item: Extern = match item {
                Item::Func(func) => func.handle.clone().expect("a function to import").0.into(),
                Item::Table(table) => (*table).into(),
                Item::Memory(memory) => (*memory).into(),
                Item::Global(global) => (*global).into(),
            };
            imports.define("", &at.to_string(), item);
        }
        let made = ModuleInstance::instantiate(&mut store.inner, module, Some(imports));
        let inner = made.map_err(|error| ended(error, Ended::Rejected))?;
        Ok(Instance { inner, module: module.clone() })
    }

    fn export(&self, store: &mut Store, instance: &Instance, name: &str) -> Option<Item> {
        if let ExternVal::Func(address) = instance.inner.export_addr(name)? {
            let module: &ModuleInner = &instance.module;
            let index = module.exports.iter().find(|export| &*export.name == name)?.index as usize;
            let ty = module.func_types[module.func_type_idxs[index] as usize].clone();
            let handle = instance.inner.func_untyped(&store.inner, name).ok()?;
            return Some(Item::Func(Func { handle: Some((handle, ty)), address: Some(address) }));
        }
        Some(match instance.inner.extern_item(name).ok()? {
            ExternItem::Table(table) => Item::Table(table),
            ExternItem::Memory(memory) => Item::Memory(memory),
            ExternItem::Global(global) => Item::Global(global),
            ExternItem::Func(_) => unreachable!("no function"),
        })
    }

    fn host(
        &self, store: &mut Store, _: (&Module, usize), of: (&str, &str), _collects: bool, does: HostCall<Func>,
    ) -> Item {
        let kinds = types(of.1);
        let ty = FuncType::new(&types(of.0), &kinds);
        let host = move |mut context: FuncContext<'_>, args: &[WasmValue]| {
            let args: Vec<Val<Func>> = args.iter().map(outward).collect();
            let mut back = |func: &Func, args: &[Val<Func>], _: &str| {
                called(func, args, |handle, args| context.call_untyped(handle, args))
            };
            let given = does(&args, &mut back as &mut CallBack<Func>)
                .map_err(|ended| Error::Trap(Trap::HostFunction(Box::new(HostTrap(ended)))))?;
            Ok(given.iter().zip(&kinds).map(|(value, kind)| inward(value, *kind)).collect())
        };
        let handle = HostFunction::from_untyped(&mut store.inner, &ty, host);
        Item::Func(Func { handle: Some((handle, ty.into())), address: None })
    }

    fn token_global(&self, store: &mut Store, _: (&Module, usize), token: u32, mutable: bool) -> Item {
        let ty = GlobalType::new(WasmType::RefExtern, mutable);
        let value = WasmValue::RefExtern(ExternRef::new(Some(token)));
        Item::Global(Global::new(&mut store.inner, ty, value).expect("a global"))
    }

    fn call(&self, store: &mut Store, func: &Func, args: &[Val<Func>], _: &str) -> Result<Vec<Val<Func>>, Ended> {
        called(func, args, |handle, args| handle.call(&mut store.inner, args))
    }

    fn func(&self, _: &mut Store, item: &Item) -> Option<Func> {
        match item {
            Item::Func(func) => Some(func.clone()),
            _ => None,
        }
    }

    fn same(&self, a: &Func, b: &Func) -> bool {
        a.address.is_some() && a.address == b.address
    }

    fn memory<'a>(&self, store: &'a mut Store, item: &Item) -> Option<(&'a [u8], u64)> {
        let Item::Memory(memory) = item else { return None };
        let length = memory.len(&store.inner).unwrap();
        store.copy = vec![0; length]; // of which only what is written takes any room
        let mut chunk = ZEROS;
        for from in (0..length).step_by(CHUNK) {
            let piece = &mut chunk[..CHUNK.min(length - from)];
            memory.read_exact(&store.inner, from, piece).unwrap();
            if piece != &ZEROS[..piece.len()] {
                store.copy[from..from + piece.len()].copy_from_slice(piece);
            }
        }
        let pages = memory.page_count(&store.inner).unwrap() as u64;
        Some((&store.copy, pages))
    }

    fn write(&self, store: &mut Store, item: &Item, data: &[u8]) {
        let Item::Memory(memory) = item else { unreachable!("a memory") };
        memory.copy_from_slice(&mut store.inner, 0, data).unwrap();
    }

    fn global(&self, store: &mut Store, item: &Item, _: char) -> Option<Val<Func>> {
        let Item::Global(global) = item else { return None };
        Some(outward(&global.get(&store.inner).unwrap()))
    }

    fn table_size(&self, store: &mut Store, item: &Item) -> Option<u64> {
        let Item::Table(table) = item else { return None };
        Some(table.size(&store.inner).unwrap() as u64)
    }

    fn table_get(&self, store: &mut Store, item: &Item, at: u64, _: char) -> Option<Val<Func>> {
        let Item::Table(table) = item else { return None };
        Some(outward(&table.get(&store.inner, at as u32).ok()?))
    }

    fn table_set(&self, store: &mut Store, item: &Item, at: u64, value: Val<Func>) {
        let Item::Table(table) = item else { unreachable!("a table") };
        let kind = table.ty(&store.inner).unwrap().element_type;
        table.set(&mut store.inner, at as u32, inward(&value, kind)).ok().expect("a place in a table");
    }
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    Worker::new(TinyWasm, &words[1..]).serve();
}
