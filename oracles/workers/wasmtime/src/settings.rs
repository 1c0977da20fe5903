// Wasmtime's settings, and the proof that a release takes them: as `wasmtime_api.py` has it for the worker in Python.
// What might end the process is tried in a forked child.

use crate::api::{in_child, in_child_bit_by_bit, Api, Item, Part, Ptr, Value, Vector};
use crate::common::Hello;
use std::collections::BTreeSet;
use std::ffi::CString;
use std::mem::transmute;
use std::ptr::{null, null_mut};

const FEATURES: [&str; 14] = [
    "multi_value", "bulk_memory", "reference_types", "simd", "relaxed_simd", "tail_call", "multi_memory", "memory64",
    "threads", "wide_arithmetic", "custom_page_sizes", "function_references", "gc", "exceptions",
];
const OFF: [&str; 9] = [
    "component_model_more_async_builtins", "component_model_async_stackful", "component_model_async",
    "component_model_map", "component_model_implements", "component_model_canonical_names",
    "component_model_accessors", "component_model", "stack_switching",
];
/// By setting: the setter, and what it is set to; None for the number that the setting has.
const SETTERS: [(&str, &str, Option<u64>); 11] = [
    ("nan", "cranelift_nan_canonicalization", Some(1)),
    ("fuel", "consume_fuel", Some(1)),
    ("epochs", "epoch_interruption", Some(1)),
    ("signals", "signals_based_traps", Some(0)),
    ("reservation", "memory_reservation", None),
    ("guard", "memory_guard_size", None),
    ("growth", "memory_reservation_for_growth", None),
    ("stack", "max_wasm_stack", None),
    ("moves", "memory_may_move", Some(0)),
    ("unwind", "native_unwind_info", Some(0)),
    ("debug", "debug_info", Some(1)),
];
const COLLECTORS: [&str; 3] = ["drc", "null", "copying"];
/// Fuel, and ticks until the deadline, that no case uses up.
const ENOUGH: u64 = 1 << 62;

pub type Features = BTreeSet<String>;
pub type Settings = Vec<(String, String)>;

fn needs(feature: &str) -> &'static [&'static str] {
    match feature {
        "relaxed_simd" => &["simd"],
        "reference_types" => &["bulk_memory"],
        "function_references" => &["reference_types", "bulk_memory"],
        "gc" => &["function_references", "reference_types", "bulk_memory"],
        "exceptions" => &["gc", "function_references", "reference_types", "bulk_memory"],
        _ => &[],
    }
}

/// The features that are named, with what they need.
pub fn with_needs(names: &[String]) -> Features {
    let mut wanted: Features = names.iter().cloned().collect();
    wanted.extend(names.iter().flat_map(|name| needs(name)).map(|name| name.to_string()));
    wanted
}

pub fn get<'a>(settings: &'a Settings, key: &str) -> Option<&'a str> {
    settings.iter().find(|(known, _)| known == key).map(|(_, value)| &value[..])
}

fn setter(name: &str) -> String {
    format!("wasmtime_config_{name}_set")
}

fn set(api: &Api, config: Ptr, name: &str, value: u64, required: &str) -> Result<(), String> {
    match api.other(&setter(name)) {
        Some(found) => unsafe { transmute::<usize, extern "C" fn(Ptr, u64)>(found)(config, value) },
        None if required.is_empty() => {}
        None => return Err(format!("this release cannot take {required}: its C API has no {}", setter(name))),
    }
    Ok(())
}

fn flag(api: &Api, config: Ptr, name: &str, value: &str) -> Result<(), String> {
    let found = api.other(&setter("cranelift_flag")).ok_or("this release has no flags")?;
    let (name, value) = (CString::new(name).unwrap(), CString::new(value).unwrap());
    unsafe {
        transmute::<usize, extern "C" fn(Ptr, *const i8, *const i8)>(found)(
            config, name.as_ptr() as *const i8, value.as_ptr() as *const i8,
        )
    };
    Ok(())
}

fn collector(api: &Api, config: Ptr, name: &str) -> Result<(), String> {
    let number = COLLECTORS.iter().position(|known| *known == name).unwrap() as u64;
    let found = api.other("fuzz_config_collector_set").ok_or_else(|| {
        format!("collector={name} is of a build: the C API of this release has no setter for it, which a build adds")
    })?;
    match unsafe { transmute::<usize, extern "C" fn(Ptr, u64) -> bool>(found)(config, number) } {
        true => Ok(()),
        false => Err(format!("this build has no collector {name}")),
    }
}

/// Those that choose how code is compiled.
fn set_compiler(api: &Api, config: Ptr, settings: &Settings) -> Result<(), String> {
    for (key, value) in settings {
        match (&key[..], &value[..]) {
            ("winch", _) => set(api, config, "strategy", 2, "winch")?,
            ("opt", level) => {
                let number = ["none", "speed", "speed_and_size"].iter().position(|known| *known == level).unwrap();
                set(api, config, "cranelift_opt_level", number as u64, "opt")?
            }
            ("regalloc", name) if api.other(&setter("cranelift_regalloc_algorithm")).is_some() => {
                set(api, config, "cranelift_regalloc_algorithm", (name == "single_pass") as u64, "regalloc")?
            }
            ("regalloc", "backtracking") => {}
            ("regalloc", name) => flag(api, config, "regalloc_algorithm", name)?,
            ("checker", _) => flag(api, config, "regalloc_checker", "true")?,
            ("collector", name) => collector(api, config, name)?,
            ("pulley", _) => pulley(api, config)?,
            (key, value) if key.starts_with("flag.") => {
                let any = api.other("fuzz_config_any_instruction_set").filter(|_| key.starts_with("flag.has_"));
                if let Some(any) = any {
                    unsafe { transmute::<usize, extern "C" fn(Ptr)>(any)(config) };
                }
                flag(api, config, &key[5..], if value == "on" { "true" } else { value })?
            }
            _ => {}
        }
    }
    Ok(())
}

fn pulley(api: &Api, config: Ptr) -> Result<(), String> {
    let none = "this release cannot take pulley: its C API has no wasmtime_config_target_set";
    let found = api.other(&setter("target")).ok_or(none)?;
    let name = if cfg!(target_endian = "big") { c"pulley64be" } else { c"pulley64" };
    let error = unsafe { transmute::<usize, extern "C" fn(Ptr, *const i8) -> Ptr>(found)(config, name.as_ptr() as _) };
    api.error(error).map_or(Ok(()), |said| Err(format!("this release cannot take pulley: {said}")))
}

/// A new engine. An unknown flag or a wrong combination ends the process, so it is tried in a child before.
pub fn make_engine(api: &Api, settings: &Settings, features: &Features) -> Result<Ptr, String> {
    let config = unsafe { (api.wasm_config_new)() };
    set_compiler(api, config, settings)?;
    for (key, name, value) in SETTERS {
        if let Some(asked) = get(settings, key) {
            let number = value.unwrap_or_else(|| asked.parse().unwrap());
            let required = if value == Some(1) { key.to_string() } else { format!("{key}={asked}") };
            set(api, config, name, number, &required)?;
        }
    }
    set(api, config, "parallel_compilation", 0, "")?;
    // Untouched pages of a memory must be known to be zero when a large memory is read back.
    let cow = get(settings, "cow").is_some();
    set(api, config, "memory_init_cow", cow as u64, if cow { "cow" } else { "" })?;
    for feature in OFF {
        set(api, config, &format!("wasm_{feature}"), 0, "")?;
    }
    set(api, config, "shared_memory", features.contains("threads") as u64, "")?;
    for feature in FEATURES {
        set(api, config, &format!("wasm_{feature}"), features.contains(feature) as u64, "")?;
    }
    let engine = unsafe { (api.wasm_engine_new_with_config)(config) };
    if engine.is_null() { Err("the library gave no engine for these settings".into()) } else { Ok(engine) }
}

/// A store and its context, with all the fuel and time that the settings ask to be counted.
pub fn new_store(api: &Api, engine: Ptr, settings: &Settings) -> (Ptr, Ptr) {
    unsafe {
        let store = (api.wasmtime_store_new)(engine, null_mut(), null_mut());
        let context = (api.wasmtime_store_context)(store);
        for (key, name) in [("fuel", "wasmtime_context_set_fuel"), ("epochs", "wasmtime_context_set_epoch_deadline")] {
            if let Some(found) = api.other(name).filter(|_| get(settings, key).is_some()) {
                transmute::<usize, extern "C" fn(Ptr, u64) -> Ptr>(found)(context, ENOUGH);
            }
        }
        (store, context)
    }
}

/// A hash of what the settings compile the probe to.
fn fingerprint(api: &Api, settings: &Settings, features: &Features, probe: &[u8]) -> Result<Vec<u8>, String> {
    let (found, done) = in_child(|| {
        let module = api.compile(make_engine(api, settings, features)?, probe)?;
        let mut vector = Vector::new();
        let error = unsafe { (api.wasmtime_module_serialize)(module, &mut vector) };
        if let Some(said) = api.error(error) {
            return Err(said);
        }
        let bytes = unsafe { api.bytes(&mut vector) };
        let hash = bytes.iter().fold(0xcbf29ce484222325, |h: u64, byte| (h ^ *byte as u64).wrapping_mul(0x100000001b3));
        Ok([hash.to_le_bytes(), (bytes.len() as u64).to_le_bytes()].concat())
    });
    done.map(|()| found)
}

/// The probes that compile, and the features whose probes end the process.
fn compiling(api: &Api, settings: &Settings, features: &Features, probes: &[(&str, &[u8])]) -> (Vec<String>, Features) {
    let (mut compiled, mut deadly, mut left) = (vec![], Features::new(), probes);
    while !left.is_empty() {
        let (answers, _) = in_child_bit_by_bit(|tell| {
            let engine = make_engine(api, settings, features)?;
            for (_, content) in left {
                tell(&[api.compile(engine, content).is_ok() as u8]);
            }
            Ok(())
        });
        let taken = left.iter().zip(&answers).filter(|(_, answer)| **answer == 1);
        compiled.extend(taken.map(|((name, _), _)| name.to_string()));
        deadly.extend(left.get(answers.len()).map(|(name, _)| name.to_string()));
        left = left.get(answers.len() + 1..).unwrap_or(&[]);
    }
    (compiled, deadly)
}

/// All features that can be on at once, and the fingerprint with them.
fn accepted(api: &Api, settings: &Settings, probe: &[u8]) -> Result<(Features, Vec<u8>), String> {
    let settable = FEATURES.iter().filter(|name| api.other(&setter(&format!("wasm_{name}"))).is_some());
    let mut everything: Features = settable.map(|name| name.to_string()).collect();
    if cfg!(target_arch = "riscv64") && get(settings, "flag.has_v") == Some("false") {
        everything.retain(|name| !name.ends_with("simd")); // it is not refused there, and cannot be compiled
    }
    if let Ok(print) = fingerprint(api, settings, &everything, probe) {
        return Ok((everything, print));
    }
    let mut taken = Features::new();
    let mut print = fingerprint(api, settings, &taken, probe).map_err(|why| {
        let known = ["this release", "this build", "collector"].iter().any(|words| why.starts_with(words));
        if known { why } else { format!("this release cannot take these settings: {why}") }
    })?;
    for feature in FEATURES {
        if everything.contains(feature) && needs(feature).iter().all(|name| taken.contains(*name)) {
            let mut more = taken.clone();
            more.insert(feature.into());
            if let Ok(found) = fingerprint(api, settings, &more, probe) {
                (taken, print) = (more, found);
            }
        }
    }
    Ok((taken, print))
}

/// How many calls of `f` in the module `deep` fit on the stack, by its global `n`; nothing if it cannot run.
fn depth(api: &Api, settings: &Settings, features: &Features, deep: &[u8]) -> Vec<u8> {
    let (found, _) = in_child(|| unsafe {
        let engine = make_engine(api, settings, features)?;
        let module = api.compile(engine, deep)?;
        let (_, context) = new_store(api, engine, settings);
        let (instance, func, global, value, mut trap) = (Part::new(), Item::new(), Item::new(), Value::new(), null_mut());
        (api.wasmtime_instance_new)(context, module, null(), 0, instance.ptr(), &mut trap);
        (api.wasmtime_instance_export_get)(context, instance.ptr(), b"f".as_ptr(), 1, func.ptr());
        (api.wasmtime_instance_export_get)(context, instance.ptr(), b"n".as_ptr(), 1, global.ptr());
        (api.wasmtime_func_call_unchecked)(context, func.of(), &mut 0, 1, &mut trap);
        (api.wasmtime_global_get)(context, global.of(), value.ptr());
        Ok(value.bytes()[8..12].to_vec())
    });
    found
}

/// Refuse a setting that changes nothing: old releases take some requests and ignore them.
fn guard(api: &Api, settings: &Settings, features: &Features, print: &[u8], hello: &Hello) -> Result<(), String> {
    for (key, value) in settings {
        if [("opt", "speed"), ("regalloc", "backtracking")].contains(&(key, value)) {
            continue;
        }
        let without: Settings = settings.iter().filter(|(other, _)| other != key).cloned().collect();
        let same = if key == "stack" {
            depth(api, settings, features, hello.deep) == depth(api, &without, features, hello.deep)
        } else {
            fingerprint(api, &without, features, hello.basic).is_ok_and(|other| other == print)
        };
        if same {
            let asked = if value == "on" { key.clone() } else { format!("{key}={value}") };
            return Err(format!("{asked} has no effect in this release: it compiles to the same code without it"));
        }
    }
    Ok(())
}

/// The names of the probes that compile, and the features that are on together; the settings are proved.
pub fn explore(api: &Api, settings: &Settings, hello: &Hello) -> Result<(Vec<String>, Features), String> {
    let (mut features, mut print) = accepted(api, settings, hello.basic)?;
    let (compiled, deadly) = compiling(api, settings, &features, &hello.probes);
    let fewer: Features = features.difference(&deadly).cloned().collect();
    if fewer != features {
        if let Ok(found) = fingerprint(api, settings, &fewer, hello.basic) {
            (features, print) = (fewer, found);
        }
    }
    guard(api, settings, &features, &print, hello)?;
    Ok((compiled, features))
}

pub fn works(api: &Api, settings: &Settings, features: &Features, probe: &[u8]) -> Result<(), String> {
    fingerprint(api, settings, features, probe).map(|_| ())
}
