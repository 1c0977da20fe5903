// Values between the C API's slots and cells and the worker's own; how calls end.

use crate::api::{Api, Item, Part, Ptr, Value};
use crate::common::{is_number, narrow, Ended, Tag, Val};
use std::cell::RefCell;
use std::collections::HashMap;
use std::mem::transmute;
use std::ptr::null_mut;
use std::rc::Rc;

/// The externrefs of the host's tokens that a store has.
pub type Tokens = Rc<RefCell<HashMap<u32, Part>>>;

const OF_FUNC: u8 = 5;
const OF_EXTERN: u8 = 6;

pub const HOST_TRAP: &str = "host trap of an import";
const TRAPS: [(&str, &[&str]); 21] = [
    ("undefined element: out of bounds table access", &["UNDEFINED_ELEMENT", "TABLE_OOB"]),
    ("table access out of bounds", &["UNDEFINED_ELEMENT", "TABLE_OOB"]),
    ("out of bounds table access", &["UNDEFINED_ELEMENT", "TABLE_OOB"]),
    ("uninitialized element", &["UNINITIALIZED_ELEMENT", "NULL_REFERENCE"]),
    ("indirect call type mismatch", &["INDIRECT_TYPE_MISMATCH"]),
    ("out of bounds memory access", &["MEMORY_OOB"]),
    ("memory out of bounds", &["MEMORY_OOB"]),
    ("out of bounds array access", &["ARRAY_OOB"]),
    ("integer divide by zero", &["DIV_BY_ZERO"]),
    ("integer overflow", &["INT_OVERFLOW"]),
    ("invalid conversion to integer", &["BAD_CONVERSION"]),
    ("`unreachable` instruction executed", &["UNREACHABLE"]),
    ("wasm trap: unreachable", &["UNREACHABLE"]),
    ("null reference", &["NULL_REFERENCE"]),
    ("null i31", &["NULL_REFERENCE"]),
    ("cast failure", &["CAST_FAILURE"]),
    ("unaligned atomic", &["UNALIGNED_ATOMIC"]),
    ("misaligned memory access", &["UNALIGNED_ATOMIC"]),
    ("atomic wait on non-shared memory", &["EXPECTED_SHARED_MEMORY"]),
    ("expected shared memory", &["EXPECTED_SHARED_MEMORY"]),
    ("allocation size too large", &["ALLOCATION_TOO_LARGE"]),
];
const NO_MEMORY: [&str; 4] = ["gc heap out of memory", "failed to allocate", "out of memory", "cannot allocate memory"];

/// A trap's or an error's message as an outcome.
pub fn ended(said: &str) -> Ended {
    if said.contains("call stack exhausted") {
        return Ended::Exhausted("stack");
    }
    if said.contains("all fuel consumed") {
        return Ended::Exhausted("fuel");
    }
    if said.contains(HOST_TRAP) {
        return Ended::Host;
    }
    let small = said.to_ascii_lowercase();
    if NO_MEMORY.iter().any(|words| small.contains(words)) {
        return Ended::OutOfMemory(said.chars().take(500).collect());
    }
    match TRAPS.iter().find(|(words, _)| said.contains(words)) {
        Some((words, kinds)) => Ended::Trapped(kinds.to_vec(), words.to_string()),
        None => Ended::Rejected(said.into()),
    }
}

fn token(api: &Api, context: Ptr, tokens: &Tokens, number: u32) -> Part {
    let mut known = tokens.borrow_mut();
    let found = known.entry(number).or_insert_with(|| {
        let made = Part::new();
        // The data is an address to Wasmtime, and never 0 so that it is told from what holds none.
        let done = unsafe { (api.wasmtime_externref_new)(context, number as usize + 1, null_mut(), made.ptr()) };
        assert!(done, "room for an externref");
        made
    });
    found.clone()
}

/// A value as a raw slot.
pub fn inward(api: &Api, context: Ptr, tokens: &Tokens, value: &Val<usize>) -> u128 {
    let bits = match value {
        Val::Number(bits) => *bits,
        Val::Token(None) | Val::Func(None) => 0,
        Val::Token(Some(number)) => {
            let held = token(api, context, tokens, *number);
            unsafe { (api.wasmtime_externref_to_raw)(context, held.ptr()) as u128 }
        }
        Val::Func(Some(raw)) => *raw as u128,
        Val::I31(number) => unsafe {
            let held = Part::new();
            (api.wasmtime_anyref_from_i31)(context, *number, held.ptr());
            (api.wasmtime_anyref_to_raw)(context, held.ptr()) as u128
        },
        Val::Other(raw) => *raw as u128,
    };
    bits.to_le()
}

/// A raw slot as a value. What a narrow one leaves of its slot is old data.
fn outward(api: &Api, context: Ptr, slot: u128, kind: char) -> Val<usize> {
    let bits = u128::from_le(slot);
    if is_number(kind) {
        return Val::Number(narrow(kind, bits));
    }
    if "cC".contains(kind) {
        let raw = bits as usize;
        return Val::Func((raw != 0).then_some(raw));
    }
    referred(api, context, bits as u32, kind)
}

fn referred(api: &Api, context: Ptr, raw: u32, kind: char) -> Val<usize> {
    let held = Part::new();
    match kind.to_ascii_lowercase() {
        'e' if raw == 0 => Val::Token(None),
        'e' => unsafe {
            (api.wasmtime_externref_from_raw)(context, raw, held.ptr());
            match (api.wasmtime_externref_data)(context, held.ptr()) {
                0 => Val::Other(raw as u64),
                data => Val::Token(Some(data as u32 - 1)),
            }
        },
        'a' | 'g' if raw != 0 => unsafe {
            let mut number = 0;
            (api.wasmtime_anyref_from_raw)(context, raw, held.ptr());
            match (api.wasmtime_anyref_i31_get_u)(context, held.ptr(), &mut number) {
                true => Val::I31(number & 0x7fff_ffff),
                false => Val::Other(raw as u64),
            }
        },
        _ => Val::Other(raw as u64),
    }
}

pub fn all(api: &Api, context: Ptr, slots: &[u128], kinds: &str) -> Vec<Val<usize>> {
    kinds.chars().zip(slots).map(|(kind, slot)| outward(api, context, *slot, kind)).collect()
}

/// A reference as what is put into a table or a global.
pub fn stored(api: &Api, context: Ptr, tokens: &Tokens, value: &Val<usize>) -> Value {
    let made = Value::new();
    unsafe {
        let kind = made.ptr() as *mut u8;
        match value {
            Val::Func(raw) => {
                *kind = OF_FUNC;
                if let Some(raw) = raw {
                    (api.wasmtime_func_from_raw)(context, *raw, made.of());
                }
            }
            Val::Token(number) => {
                *kind = OF_EXTERN;
                if let Some(number) = number {
                    std::ptr::copy_nonoverlapping(token(api, context, tokens, *number).ptr(), made.of(), 24);
                }
            }
            _ => panic!("only functions and tokens are put anywhere"),
        }
    }
    made
}

/// What a table or a global gave.
pub fn loaded(api: &Api, context: Ptr, value: &Value, kind: char) -> Val<usize> {
    let bytes = value.bytes();
    let of = &bytes[8..];
    let number = |size: usize| {
        let mut bytes = [0; 16];
        if cfg!(target_endian = "big") {
            bytes[16 - size..].copy_from_slice(&of[..size]);
        } else {
            bytes[..size].copy_from_slice(&of[..size]);
        }
        u128::from_ne_bytes(bytes)
    };
    let null = number(8) == 0;
    unsafe {
        match kind.to_ascii_lowercase() {
            'i' | 'f' => Val::Number(number(4)),
            'l' | 'd' => Val::Number(number(8)),
            'v' => Val::Number(u128::from_le_bytes(of[..16].try_into().unwrap())),
            'c' if null => Val::Func(None),
            'c' => Val::Func(Some((api.wasmtime_func_to_raw)(context, value.of()))),
            _ if null => Val::Other(0),
            'e' => referred(api, context, (api.wasmtime_externref_to_raw)(context, value.of()), kind),
            'a' | 'g' => referred(api, context, (api.wasmtime_anyref_to_raw)(context, value.of()), kind),
            _ => Val::Other(1),
        }
    }
}

pub fn global(api: &Api, context: Ptr, item: &Item, kind: char) -> Val<usize> {
    let value = Value::new();
    unsafe { (api.wasmtime_global_get)(context, item.of(), value.ptr()) };
    loaded(api, context, &value, kind)
}

/// What a call into compiled code gives. Wasmtime's code for riscv64 does not preserve the register fs1, which is its
/// caller's (docs/found/wasmtime-riscv64.md); said to be changed here, it is saved around here.
#[inline(never)]
pub fn entering<T>(call: impl FnOnce() -> T) -> T {
    let done = call();
    #[cfg(target_arch = "riscv64")]
    unsafe {
        std::arch::asm!("", out("f9") _)
    };
    done
}

/// A call: its slots, and an error or a trap where they are not null.
pub fn called(
    api: &Api, context: Ptr, tokens: &Tokens, func: usize, args: &[Val<usize>], results: usize,
) -> (Vec<u128>, Ptr, Ptr) {
    let mut slots: Vec<u128> = args.iter().map(|value| inward(api, context, tokens, value)).collect();
    slots.resize(args.len().max(results).max(1), 0);
    let (held, mut trap) = (Part::new(), null_mut());
    let error = entering(|| unsafe {
        (api.wasmtime_func_from_raw)(context, func, held.ptr());
        (api.wasmtime_func_call_unchecked)(context, held.ptr(), slots.as_mut_ptr(), slots.len(), &mut trap)
    });
    (slots, error, trap)
}

/// The exception that is pending, which is taken: the tag's position and the payload, if it is one of these.
pub fn thrown(api: &Api, context: Ptr, tags: &[Tag<Item>]) -> Option<(usize, Vec<Val<usize>>)> {
    type Take = extern "C" fn(Ptr, Ptr) -> bool;
    type Of = extern "C" fn(Ptr, Ptr, Ptr) -> Ptr;
    type Same = extern "C" fn(Ptr, Ptr, Ptr) -> bool;
    type Field = extern "C" fn(Ptr, Ptr, usize, Ptr) -> Ptr;
    let (held, tag) = (Part::new(), Part::new());
    unsafe {
        let take = transmute::<usize, Take>(api.other("wasmtime_context_take_exception")?);
        if !take(context, held.ptr()) {
            return None;
        }
        let tag_of = transmute::<usize, Of>(api.other("wasmtime_exnref_tag")?);
        let same = transmute::<usize, Same>(api.other("wasmtime_tag_eq")?);
        let field = transmute::<usize, Field>(api.other("wasmtime_exnref_field")?);
        api.error(tag_of(context, held.ptr(), tag.ptr()));
        let at = tags.iter().position(|(_, _, known)| same(context, known.of(), tag.ptr()))?;
        let payload = tags[at].1.chars().enumerate().map(|(i, kind)| {
            let value = Value::new();
            api.error(field(context, held.ptr(), i, value.ptr()));
            loaded(api, context, &value, kind)
        });
        Some((at, payload.collect()))
    }
}
