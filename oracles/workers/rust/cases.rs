// One case over an `Engine`: imports, calls, and what is left behind.

use crate::common::*;
use serde_json::{json, Value as Json};
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

const BLOCK: usize = 65536;
const LARGE: usize = 64 << 20;
const LOG_LIMIT: usize = 1000;
const TABLE_LIMIT: u64 = 1000;
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// An instance, and by what its functions and exceptions are told.
pub struct Known<E: Engine> {
    pub instance: E::Instance,
    pub names: Names<E::Func>,
    pub tags: Vec<Tag<E::Item>>,
}

impl<E: Engine> Clone for Known<E> {
    fn clone(&self) -> Self {
        Known { instance: self.instance.clone(), names: self.names.clone(), tags: self.tags.clone() }
    }
}

/// The tags of a request by name: those that came in by an import, and with an instance those that it exports.
pub fn known_tags<E: Engine>(
    engine: &E, store: &mut E::Store, instance: Option<&E::Instance>, tags: &Json, imports: &[E::Item],
) -> Vec<Tag<E::Item>> {
    let mut found = vec![];
    for row in list(tags) {
        let item = match row[2].as_i64() {
            Some(at) if at >= 0 => imports.get(at as usize).cloned(),
            _ => instance.and_then(|instance| engine.export(store, instance, text(&row[0]))),
        };
        found.extend(item.map(|item| (text(&row[0]).to_string(), text(&row[1]).to_string(), item)));
    }
    found
}

/// How something ended otherwise than by returning, with what was thrown.
pub fn told<E: Engine>(
    engine: &E, store: &mut E::Store, tags: &[Tag<E::Item>], names: &Names<E::Func>, ended: &Ended,
) -> (Json, Vec<u8>) {
    if let (Ended::Threw, Some((at, values))) = (ended, thrown(engine, store, tags, ended)) {
        let (name, kinds, _) = &tags[at];
        let (slots, refs) = pack_all(engine, &values, kinds, names);
        return (json!(["threw", name, kinds, refs]), slots);
    }
    (short(ended), vec![])
}

fn thrown<E: Engine>(engine: &E, store: &mut E::Store, tags: &[Tag<E::Item>], ended: &Ended)
    -> Option<(usize, Vec<Val<E::Func>>)> {
    matches!(ended, Ended::Threw).then(|| engine.thrown(store, tags)).flatten()
}

pub fn one_call<E: Engine>(engine: &E, store: &mut E::Store, known: &Known<E>, call: &Json, blobs: &[Vec<u8>])
    -> (Json, Vec<u8>) {
    let (via, params, results) = (text(&call[1]), text(&call[2]), text(&call[3]));
    let item = engine.export(store, &known.instance, text(&call[0]));
    let func = item.clone().and_then(|item| engine.func(store, &item));
    let Some(func) = func.filter(|_| via == "host" || via == "wrapper") else {
        return (json!(["unsupported", via]), vec![]);
    };
    let slots = blob(blobs, &call[4]).unwrap_or(&[]);
    let outcome = guarded(engine, || {
        if via == "host" {
            let args = arguments(params, slots, &call[5], &known.names)?;
            let given = engine.call(store, &func, &args, results)?;
            let (slots, refs) = pack_all(engine, &given, results, &known.names);
            return Ok((json!(["returned", refs]), slots));
        }
        let module = engine.compile(store, blob(blobs, &call[6]).unwrap()).map_err(ours)?;
        let mut items = vec![item.unwrap()];
        items.extend(known.tags.iter().map(|(_, _, tag)| tag.clone()));
        let wrapper = engine.instantiate(store, &module, &items).map_err(ours)?;
        wrapped(engine, store, &wrapper, (params, results), slots, &call[5], known)
    });
    outcome.unwrap_or_else(|ended| told(engine, store, &known.tags, &known.names, &ended))
}

/// A module of the harness that the engine refuses is a limit of the engine, not of the case.
fn ours(ended: Ended) -> Ended {
    match ended {
        Ended::Rejected(said) => Ended::Unsupported(said),
        other => other,
    }
}

/// The name of a wrapper's table for references of a kind.
fn table_name(kind: char) -> String {
    match kind.to_ascii_lowercase() {
        'g' => "a".into(),
        kind => kind.to_string(),
    }
}

/// A call through a wrapper's instance (oracles/remote/wrapper.py).
fn wrapped<E: Engine>(
    engine: &E, store: &mut E::Store, wrapper: &E::Instance, kinds: (&str, &str), slots: &[u8], refs: &Json,
    known: &Known<E>,
) -> Result<(Json, Vec<u8>), Ended> {
    let (params, results) = kinds;
    let memory = engine.export(store, wrapper, "memory").unwrap();
    engine.write(store, &memory, slots);
    let mut given = list(refs).iter();
    for (i, kind) in params.chars().enumerate().filter(|(_, kind)| !is_number(*kind)) {
        let word = text(given.next().unwrap_or(&Json::Null));
        if word != "null" && !word.starts_with("i31:") {
            let table = engine.export(store, wrapper, &table_name(kind));
            let table = table.ok_or_else(|| Ended::Unsupported(format!("no host value {word}")))?;
            engine.table_set(store, &table, i as u64, reference(word, &known.names)?);
        }
    }
    let item = engine.export(store, wrapper, "call").unwrap();
    let call = engine.func(store, &item).unwrap();
    let Val::Number(code) = engine.call(store, &call, &[], "i")?[0] else { unreachable!() };
    let tag = (code as usize).checked_sub(1).and_then(|at| known.tags.get(at));
    let kinds = tag.map_or(results, |tag| &tag.1);
    let (data, _) = engine.memory(store, &memory).unwrap();
    let mut slots = data[SLOT * params.len()..SLOT * (params.len() + kinds.len())].to_vec();
    let mut found = vec![];
    for (i, kind) in kinds.chars().enumerate() {
        if is_number(kind) {
            continue;
        }
        let there = slots[SLOT * i] != 0;
        slots[SLOT * i] = 0;
        let table = engine.export(store, wrapper, &table_name(kind));
        let value = table.and_then(|table| engine.table_get(store, &table, (params.len() + i) as u64, kind));
        let value = if there { value.unwrap_or(Val::Other(1)) } else { Val::Other(0) };
        found.push(packed(engine, &value, kind, &known.names).1.unwrap());
    }
    Ok((tag.map_or(json!(["returned", found]), |tag| json!(["threw", tag.0, tag.1, found])), slots))
}

/// What host functions call, by name: exports of the module under test, and those of what changes it.
type Exports<F> = Arc<Mutex<HashMap<String, F>>>;
/// Calls of the host: how many the function peer had counted then, the import, the arguments.
type Log<F> = Arc<Mutex<Vec<(usize, usize, Vec<Val<F>>)>>>;

pub struct CaseRun<'a, E: Engine> {
    pub engine: &'a E,
    pub header: &'a Json,
    pub blobs: &'a [Vec<u8>],
    pub body: Vec<u8>,
    log: Log<E::Func>,
    peer: Option<E::Instance>,
    counter: Option<Counter>,
    imported: Vec<Tag<E::Item>>,
    /// The instances before the module under test by name; none of one that trapped or threw.
    places: HashMap<String, Option<E::Instance>>,
}

impl<'a, E: Engine> CaseRun<'a, E> {
    pub fn new(engine: &'a E, header: &'a Json, blobs: &'a [Vec<u8>]) -> Self {
        let (log, places) = Default::default();
        CaseRun { engine, header, blobs, body: vec![], log, peer: None, counter: None, imported: vec![], places }
    }

    /// How instantiating ended that failed.
    pub fn told(&mut self, store: &mut E::Store, ended: &Ended) -> Json {
        let (told, slots) = told(self.engine, store, &self.imported, &vec![], ended);
        self.body.extend(slots);
        told
    }

    fn made(&self, store: &mut E::Store, module: &E::Module, items: &[E::Item]) -> Result<E::Instance, Ended> {
        self.engine.instantiate(store, module, items).map_err(ours)
    }

    /// The peer for functions that the host cannot carry.
    fn function_peer(&mut self, store: &mut E::Store, content: &[u8], stored: Option<&E::Instance>)
        -> Result<(), Ended> {
        let engine = self.engine;
        let module = engine.compile(store, content).map_err(ours)?;
        let mut items = vec![engine.host(store, (&module, 0), ("", ""), false, Arc::new(|_, _| Err(Ended::Host)))];
        if String::from_utf8_lossy(content).contains("\u{6}tokens") {
            let none = || Ended::Unsupported("a table of host references".into());
            items.push(engine.token_table(store, (&module, 1)).ok_or_else(none)?);
        }
        let sources = list(&self.header["imports"]["sources"]);
        if let Some(tag) = sources.iter().find(|s| s[0] == "throw" && s[1] == "tag") {
            items.extend(engine.export(store, stored.unwrap(), &format!("i{}", tag[4])));
        }
        let peer = self.made(store, &module, &items)?;
        let count = engine.export(store, &peer, "count");
        self.counter = count.and_then(|item| engine.counter(store, &item));
        self.peer = Some(peer);
        Ok(())
    }

    /// Instantiate what comes before the module under test: what became of each; an error ends the case.
    pub fn before(&mut self, store: &mut E::Store) -> (Vec<Json>, Result<(), Ended>) {
        let (engine, header, blobs) = (self.engine, self.header, self.blobs);
        let mut outcomes = vec![];
        for row in list(&header["before"]) {
            let made = guarded(engine, || {
                let module = engine.compile(store, blob(blobs, &row[1]).unwrap())?;
                let items = self.items(store, &module, &row[2], &Default::default())?;
                engine.instantiate(store, &module, &items)
            });
            outcomes.push(match &made {
                Ok(_) => json!(["returned", []]),
                Err(ended) => self.told(store, ended),
            });
            match made {
                Err(ended) if !matches!(ended, Ended::Trapped(..) | Ended::Threw) => return (outcomes, Err(ended)),
                made => self.places.insert(text(&row[0]).into(), made.ok()),
            };
        }
        (outcomes, Ok(()))
    }

    /// Everything that a module imports.
    fn items(&mut self, store: &mut E::Store, module: &E::Module, imports: &Json, exports: &Exports<E::Func>)
        -> Result<Vec<E::Item>, Ended> {
        let engine = self.engine;
        let sources = list(&imports["sources"]);
        let stored = match blob(self.blobs, &imports["store"]) {
            Some(content) => {
                let module = engine.compile(store, content).map_err(ours)?;
                Some(self.made(store, &module, &[])?)
            }
            None => None,
        };
        if let Some(content) = blob(self.blobs, &imports["funcs"]) {
            self.function_peer(store, content, stored.as_ref())?;
        }
        let mut items: Vec<E::Item> = vec![];
        for (index, source) in sources.iter().enumerate() {
            let same = source[4].as_u64().unwrap() as usize;
            let item = match text(&source[3]) {
                _ if same != index => items[same].clone(),
                "host" => self.hosted(store, (module, index), source, exports.clone()),
                "extern" => {
                    let token = source[8].as_u64().unwrap() as u32;
                    engine.token_global(store, (module, index), token, source[7] == true)
                }
                "linked" => {
                    let place = self.places.get(text(&source[0])).cloned().flatten();
                    let item = place.and_then(|instance| engine.export(store, &instance, text(&source[1])));
                    item.ok_or_else(|| Ended::Rejected(format!("unknown import {}.{}", source[0], source[1])))?
                }
                how => {
                    let instance = if how == "store" { stored.clone() } else { self.peer.clone() }.unwrap();
                    engine.export(store, &instance, &format!("i{index}")).expect("a peer's export")
                }
            };
            items.push(item);
        }
        Ok(items)
    }

    /// The instance of the module under test.
    pub fn link(&mut self, store: &mut E::Store, module: &E::Module) -> Result<Known<E>, Ended> {
        let engine = self.engine;
        let exports: Exports<E::Func> = Default::default();
        let sources = list(&self.header["imports"]["sources"]);
        let items = self.items(store, module, &self.header["imports"], &exports)?;
        self.imported = known_tags(engine, store, None, &self.header["tags"], &items);
        let instance = engine.instantiate(store, module, &items)?;
        for (index, source) in sources.iter().enumerate().filter(|(_, source)| source[5] == "reenter") {
            let item = engine.export(store, &instance, text(&source[1]));
            let Some(func) = item.and_then(|item| engine.func(store, &item)) else { continue };
            if source[3] == "funcs" && source[4] == index {
                let table = engine.export(store, self.peer.as_ref().unwrap(), "reenter").unwrap();
                engine.table_set(store, &table, index as u64, Val::Func(Some(func.clone())));
            }
            exports.lock().unwrap().insert(format!("export {}", text(&source[1])), func);
        }
        self.ready(store, &instance, &exports)?;
        let names = function_names(engine, store, &instance, &self.header["funcs"]);
        let tags = known_tags(engine, store, Some(&instance), &self.header["tags"], &items);
        Ok(Known { instance, names, tags })
    }

    /// What changes the module under test for host functions (oracles/remote/ready.py).
    fn ready(&self, store: &mut E::Store, instance: &E::Instance, exports: &Exports<E::Func>) -> Result<(), Ended> {
        let Some(content) = blob(self.blobs, &self.header["ready"]) else { return Ok(()) };
        let module = self.engine.compile(store, content).map_err(ours)?;
        let mut items = vec![];
        for (at, place) in list(&self.header["ready_from"]).iter().enumerate() {
            items.push(match text(&place[0]) {
                "h" => self.engine.host(store, (&module, at), ("", ""), true, Arc::new(|_, _| Ok(vec![]))),
                "f" => self.engine.export(store, self.peer.as_ref().unwrap(), text(&place[1])).unwrap(),
                _ => self.engine.export(store, instance, text(&place[1])).unwrap(),
            });
        }
        let made = self.made(store, &module, &items)?;
        for index in 0..list(&self.header["imports"]["sources"]).len() {
            for name in [format!("i{index}"), format!("b{index}")] {
                let item = self.engine.export(store, &made, &name);
                if let Some(func) = item.and_then(|item| self.engine.func(store, &item)) {
                    exports.lock().unwrap().insert(name, func);
                }
            }
        }
        Ok(())
    }

    fn hosted(
        &self, store: &mut E::Store, place: (&E::Module, usize), source: &Json, exports: Exports<E::Func>,
    ) -> E::Item {
        let words: Vec<String> = [0, 1, 5, 6, 7].iter().map(|i| text(&source[*i as usize]).to_string()).collect();
        let (params, results) = (words[3].clone(), words[4].clone());
        let (log, counter, index) = (self.log.clone(), self.counter.clone(), place.1);
        let call: HostCall<E::Func> = Arc::new(move |args, back| {
            {
                let mut log = log.lock().unwrap();
                if log.len() < LOG_LIMIT {
                    log.push((counter.as_ref().map_or(0, |count| count()), index, args.to_vec()));
                }
            }
            let state = absorbed(&words[0], &words[1], &words[3], args);
            let found = |name: &str| exports.lock().unwrap().get(name).cloned();
            if let Some(act) = found(&format!("i{index}")) {
                back(&act, &[Val::Number(state as u128)], "")?;
            }
            match &words[2][..] {
                "trap" => Err(Ended::Host),
                "reenter" => back(&found(&format!("export {}", words[1])).ok_or(Ended::Host)?, args, &words[4]),
                "callback" => back(&found(&format!("b{index}")).ok_or(Ended::Host)?, args, &words[4]),
                _ => Ok(mixed(state, &words[4])),
            }
        });
        let collects = list(&self.header["imports"]["collect"]).iter().any(|at| *at == index);
        self.engine.host(store, place, (&params, &results), collects, call)
    }

    /// Calls of host functions; nothing where a peer has logged some too, and their order is not known.
    pub fn calls(&mut self, store: &mut E::Store, names: &Names<E::Func>) -> Option<Json> {
        let sources = list(&self.header["imports"]["sources"]);
        let own = std::mem::take(&mut *self.log.lock().unwrap());
        if self.peer.is_some() && self.counter.is_none() && !own.is_empty() {
            return None;
        }
        let mut merged = self.peer_calls(store)?;
        for (counted, index, args) in own.into_iter().rev() {
            let (slots, refs) = pack_all(self.engine, &args, text(&sources[index][6]), names);
            merged.insert(counted.min(merged.len()), (index, slots, refs));
        }
        merged.truncate(LOG_LIMIT);
        let mut told = vec![];
        for (index, slots, refs) in merged {
            told.push(json!([index, refs]));
            self.body.extend(slots);
        }
        Some(json!(told))
    }

    /// What the function peer has logged into its memory.
    fn peer_calls(&self, store: &mut E::Store) -> Option<Vec<(usize, Vec<u8>, Vec<String>)>> {
        let Some(peer) = self.peer.clone() else { return Some(vec![]) };
        let sources = list(&self.header["imports"]["sources"]);
        let count = self.engine.export(store, &peer, "count");
        let Some(Val::Number(count)) = count.and_then(|item| self.engine.global(store, &item, 'i')) else {
            return None;
        };
        let memory = self.engine.export(store, &peer, "log").unwrap();
        let (data, _) = self.engine.memory(store, &memory).unwrap();
        let number = |at: usize| u32::from_le_bytes(data[at..at + 4].try_into().unwrap()) as usize;
        let (mut at, mut found) = (0, vec![]);
        for _ in 0..(count as usize).min(LOG_LIMIT) {
            let (index, size) = (number(at), number(at + 4));
            let mut slots = data[at + SLOT..at + SLOT + SLOT * size].to_vec();
            let mut refs = vec![];
            for (i, kind) in text(&sources[index][6]).chars().enumerate().filter(|(_, kind)| !is_number(*kind)) {
                let other = if "xX".contains(kind) { "exn" } else { "nonnull" };
                refs.push(if slots[SLOT * i] != 0 { other } else { "null" }.to_string());
                slots[SLOT * i] = 0;
            }
            found.push((index, slots, refs));
            at += SLOT + SLOT * size;
        }
        Some(found)
    }

    pub fn state(&mut self, store: &mut E::Store, known: &Known<E>, answer: &mut Json) {
        let (engine, instance) = (self.engine, &known.instance);
        let mut globals = vec![];
        for row in list(&self.header["globals"]) {
            let item = engine.export(store, instance, text(&row[0])).unwrap();
            let kind = text(&row[1]).chars().next().unwrap();
            let value = engine.global(store, &item, kind).unwrap();
            let (slot, reference) = packed(engine, &value, kind, &known.names);
            self.body.extend(slot);
            globals.push(json!(reference));
        }
        let mut memories = vec![];
        for name in list(&self.header["memories"]) {
            let item = engine.export(store, instance, text(name)).unwrap();
            let (data, pages) = engine.memory(store, &item).unwrap();
            memories.push(json!([name, pages, blocks(data, engine.fresh_is_zero())]));
        }
        let mut tables = vec![];
        for row in list(&self.header["tables"]) {
            let item = engine.export(store, instance, text(&row[0])).unwrap();
            let kind = text(&row[1]).chars().next().unwrap_or('c');
            let size = engine.table_size(store, &item).unwrap();
            let mut elements = vec![];
            for at in 0..size.min(TABLE_LIMIT) {
                let value = engine.table_get(store, &item, at, kind).unwrap_or(Val::Other(1));
                elements.push(packed(engine, &value, kind, &known.names).1.unwrap_or("nonnull".into()));
            }
            tables.push(json!([row[0], size, elements]));
        }
        let mut dumps = vec![];
        for row in list(&self.header["dump"]) {
            let item = engine.export(store, instance, text(&row[0])).unwrap();
            let (data, _) = engine.memory(store, &item).unwrap();
            let from = (BLOCK as u64).saturating_mul(row[1].as_u64().unwrap()).min(data.len() as u64) as usize;
            let block = &data[from..(from + BLOCK).min(data.len())];
            self.body.extend(block);
            dumps.push(block.len());
        }
        answer["globals"] = json!(globals);
        answer["mems"] = json!(memories);
        answer["tables"] = json!(tables);
        answer["dumps"] = json!(dumps);
    }
}

/// Each block that is not all zero, with its checksum.
fn blocks(data: &[u8], fresh_is_zero: bool) -> Vec<Json> {
    let touched = if data.len() > LARGE && fresh_is_zero { touched(data) } else { None };
    let looked_at = data.chunks(BLOCK).enumerate().filter(|(i, _)| touched.as_ref().is_none_or(|known| known[*i]));
    let full = looked_at.filter(|(_, block)| **block != ZEROS[..block.len()]);
    full.map(|(i, block)| json!([i, crc32fast::hash(block)])).collect()
}

/// Of each block of a large memory whether any page of it was ever touched; None where the system does not say.
fn touched(data: &[u8]) -> Option<Vec<bool>> {
    let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
    let base = data.as_ptr() as usize;
    let map = File::open("/proc/self/pagemap").ok()?;
    let there = |first: usize, count: usize| {
        let mut entries = vec![0; 8 * count];
        map.read_exact_at(&mut entries, (first / page * 8) as u64).ok()?;
        let bits = |entry: &[u8]| u64::from_ne_bytes(entry.try_into().unwrap()) >> 62 != 0; // swapped, or present
        Some(entries.chunks(8).map(bits).collect::<Vec<bool>>())
    };
    if base % page != 0 || !told_of_own(page, &there) {
        return None;
    }
    let pages = there(base, data.len().div_ceil(page))?;
    Some(pages.chunks(BLOCK / page).map(|some| some.contains(&true)).collect())
}

/// Whether what is said of pages is so of two of our own: under an emulator the system's addresses may be others.
fn told_of_own(page: usize, there: &dyn Fn(usize, usize) -> Option<Vec<bool>>) -> bool {
    let (all, private) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    unsafe {
        let own = libc::mmap(std::ptr::null_mut(), 2 * page, all, private, -1, 0);
        if own == libc::MAP_FAILED {
            return false;
        }
        *(own as *mut u8).add(page) = 1;
        let said = there(own as usize, 2);
        libc::munmap(own, 2 * page);
        said == Some(vec![false, true])
    }
}
