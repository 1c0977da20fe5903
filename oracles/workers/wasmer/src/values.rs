// Values of Wasmer and of the harness, and what a function is told by.

use crate::common::Val;

use wasmer::{AsStoreMut, AsStoreRef, Exception, Extern, ExternRef, Function, Imports, Instance, Module, Type, Value};
use wasmer_types::RawValue;
use wasmer_vm::{VMExtern as SysExtern, VMFunctionKind};

/// A function: the handle to call it by, and where its code and its instance are. A function that comes out of a table
/// has another handle than the same function as an export.
#[derive(Clone)]
pub struct Func {
    pub handle: Function,
    pub place: (usize, usize),
    /// It is the host's own: the engine cannot make a reference to it, other than through a module that imports it.
    pub host: bool,
}

pub fn types(kinds: &str) -> Vec<Type> {
    let word = |kind| match kind {
        'i' => Type::I32,
        'l' => Type::I64,
        'f' => Type::F32,
        'd' => Type::F64,
        'v' => Type::V128,
        'e' => Type::ExternRef,
        _ => Type::FuncRef,
    };
    kinds.chars().map(word).collect()
}

pub fn func(store: &mut impl AsStoreMut, handle: &Function) -> Func {
    let SysExtern::Function(inner) = Extern::from(handle.clone()).to_vm_extern().unwrap_sys() else {
        unreachable!("a function's item");
    };
    let known = inner.get(store.objects_mut().as_sys());
    let record = unsafe { known.anyfunc.as_ptr().as_ref() };
    let host = known.kind == VMFunctionKind::Dynamic;
    let context = unsafe { record.vmctx.host_env } as usize;
    Func { handle: handle.clone(), place: (context, if host { 0 } else { record.func_ptr as usize }), host }
}

pub fn same(a: &Func, b: &Func) -> bool {
    // Each module that imports a function of the host has code of its own to enter it by; its data are only its own.
    a.place.0 == b.place.0 && (a.host || b.host || a.place.1 == b.place.1)
}

/// The bytes of a module that imports a function and puts it into a table.
fn relay(params: &[Type], results: &[Type]) -> Vec<u8> {
    fn unsigned(mut value: usize) -> Vec<u8> {
        let mut bytes = vec![];
        while value > 127 {
            bytes.push(value as u8 & 127 | 128);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }
    fn section(id: u8, content: &[u8]) -> Vec<u8> {
        [vec![id], unsigned(content.len()), content.to_vec()].concat()
    }
    fn list(types: &[Type]) -> Vec<u8> {
        let code = |ty: &Type| match ty {
            Type::I32 => 0x7f,
            Type::I64 => 0x7e,
            Type::F32 => 0x7d,
            Type::F64 => 0x7c,
            Type::V128 => 0x7b,
            Type::ExternRef => 0x6f,
            _ => 0x70,
        };
        [unsigned(types.len()), types.iter().map(code).collect()].concat()
    }
    let header = b"\0asm\x01\0\0\0".to_vec();
    let ty = [vec![1, 0x60], list(params), list(results)].concat();
    let (imports, table, export, element) = ([1, 0, 0, 0, 0], [1, 0x70, 0, 1], [1, 1, b't', 1, 0], [1, 0, 0x41, 0, 0x0b, 1, 0]);
    let sections = [section(1, &ty), section(2, &imports), section(4, &table), section(7, &export), section(9, &element)];
    [header, sections.concat()].concat()
}

/// A handle of which the engine can make a reference.
fn lent(store: &mut impl AsStoreMut, func: &Func) -> Function {
    if !func.host {
        return func.handle.clone();
    }
    let ty = func.handle.ty(store);
    let engine = store.as_store_ref().engine().clone();
    let module = Module::new(&engine, relay(ty.params(), ty.results())).expect("a relay");
    let mut imports = Imports::new();
    imports.define("", "", func.handle.clone());
    let instance = Instance::new(store, &module, &imports).expect("a relay's instance");
    let table = instance.exports.get_table("t").expect("a relay's table").clone();
    match table.get(store, 0) {
        Some(Value::FuncRef(Some(handle))) => handle,
        _ => unreachable!("a relay's element"),
    }
}

pub fn inward(store: &mut impl AsStoreMut, value: &Val<Func>, kind: Type) -> Value {
    match (value, kind) {
        (Val::Number(bits), Type::I32) => Value::I32(*bits as i32),
        (Val::Number(bits), Type::I64) => Value::I64(*bits as i64),
        (Val::Number(bits), Type::F32) => Value::F32(f32::from_bits(*bits as u32)),
        (Val::Number(bits), Type::F64) => Value::F64(f64::from_bits(*bits as u64)),
        (Val::Number(bits), _) => Value::V128(*bits),
        (Val::Token(Some(token)), _) => Value::ExternRef(Some(ExternRef::new(store, *token))),
        (Val::Func(Some(func)), _) => Value::FuncRef(Some(lent(store, func))),
        (_, Type::ExternRef) => Value::ExternRef(None),
        _ => Value::FuncRef(None),
    }
}

pub fn outward(store: &mut impl AsStoreMut, value: &Value) -> Val<Func> {
    match value {
        Value::I32(value) => Val::Number(*value as u32 as u128),
        Value::I64(value) => Val::Number(*value as u64 as u128),
        Value::F32(value) => Val::Number(value.to_bits() as u128),
        Value::F64(value) => Val::Number(value.to_bits() as u128),
        Value::V128(value) => Val::Number(*value),
        Value::FuncRef(handle) => Val::Func(handle.as_ref().map(|handle| func(store, handle))),
        Value::ExternRef(token) => Val::Token(token.as_ref().map(|one| *one.downcast::<u32>(store).expect("a token"))),
        Value::ExceptionRef(exception) => Val::Other(exception.is_some() as u64),
    }
}

/// What an exception carries. Compiled code writes the values behind each other, each at a multiple of its size, while
/// the engine's own `Exception::payload` reads 16 bytes for each (docs/found/wasmer.md).
pub fn payload(store: &mut impl AsStoreMut, exception: &Exception, types: &[Type]) -> Vec<Val<Func>> {
    let handle = exception.vm_exceptionref().unwrap_sys().0;
    let raw = handle.get(store.objects_mut().as_sys()).payload();
    let base = raw.as_ptr() as *const u8;
    let mut at = 0usize;
    let mut values = vec![];
    for ty in types {
        let size: usize = match ty {
            Type::I32 | Type::F32 => 4,
            Type::V128 => 16,
            _ => 8,
        };
        at = at.next_multiple_of(size);
        let mut value = RawValue { u128: 0 };
        unsafe { std::ptr::copy_nonoverlapping(base.add(at), &raw mut value as *mut u8, size) };
        at += size;
        let value = unsafe { Value::from_raw(store, *ty, value) };
        values.push(outward(store, &value));
    }
    values
}
