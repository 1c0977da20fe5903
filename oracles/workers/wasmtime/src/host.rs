// Functions of the host for Wasmtime: raw slots in and out, and traps on their way through.

use crate::api::{Api, Part, Ptr};
use crate::common::{CallBack, Ended, HostCall, Val};
use crate::values::{all, called, inward, Tokens, HOST_TRAP};
use std::ptr::null_mut;

struct Host {
    api: &'static Api,
    tokens: Tokens,
    params: String,
    results: String,
    collects: bool,
    call: HostCall<usize>,
}

/// A function of the C API that gives an error in later releases, and nothing in earlier ones: it is not looked at.
type Collect = extern "C" fn(Ptr);

extern "C" fn gone(env: Ptr) {
    drop(unsafe { Box::from_raw(env as *mut Host) });
}

fn trap(api: &Api, words: &str) -> Ptr {
    unsafe { (api.wasmtime_trap_new)(words.as_ptr(), words.len()) }
}

extern "C" fn entered(env: Ptr, caller: Ptr, slots: *mut u128, _count: usize) -> Ptr {
    let host = unsafe { &*(env as *const Host) };
    let (api, tokens) = (host.api, &host.tokens);
    let context = unsafe { (api.wasmtime_caller_context)(caller) };
    let given = host.params.len().max(host.results.len());
    // The engine's slots may be where our own type of their size would not be.
    let read = |at: usize| unsafe { slots.add(at).cast::<[u8; 16]>().read() };
    let raw: Vec<u128> = (0..given).map(|at| u128::from_ne_bytes(read(at))).collect();
    let args = all(api, context, &raw, &host.params);
    if let Some(collect) = api.other("wasmtime_context_gc").filter(|_| host.collects) {
        // By the stack maps of the frames below: a reference that one of them lacks is gone then.
        let collect: Collect = unsafe { std::mem::transmute(collect) };
        collect(context);
    }
    let mut passed: Ptr = null_mut();
    let mut back = |func: &usize, args: &[Val<usize>], results: &str| {
        let (slots, error, on_its_way) = called(api, context, tokens, *func, args, results.len());
        if let Some(said) = api.error(error) {
            passed = trap(api, &said);
        } else if !on_its_way.is_null() {
            passed = on_its_way;
        } else {
            return Ok(all(api, context, &slots, results));
        }
        Err(Ended::Host)
    };
    let done = (host.call)(&args, &mut back as &mut CallBack<usize>);
    match done {
        Err(_) if !passed.is_null() => passed,
        Err(_) => trap(api, HOST_TRAP),
        Ok(values) => {
            for (at, value) in values.iter().enumerate() {
                let slot = inward(api, context, tokens, value).to_ne_bytes();
                unsafe { slots.add(at).cast::<[u8; 16]>().write(slot) };
            }
            null_mut()
        }
    }
}

/// A function of the type `ty` whose meaning is `call`.
pub fn function(
    api: &'static Api, context: Ptr, ty: Ptr, tokens: Tokens, kinds: (&str, &str), collects: bool,
    call: HostCall<usize>,
) -> Part {
    let (params, results) = (kinds.0.to_string(), kinds.1.to_string());
    let env = Box::into_raw(Box::new(Host { api, tokens, params, results, collects, call })) as Ptr;
    let made = Part::new();
    unsafe { (api.wasmtime_func_new_unchecked)(context, ty, entered, env, gone, made.ptr()) };
    made
}
