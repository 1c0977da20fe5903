// Modules that the worker writes: the way to a host function, and a module whose imports have positions for names.

/// The page of a way to the host: a word that says whether the call fails, and from the next slot on what is passed.
pub const FAILS: usize = 0;
pub const SLOT: usize = 16;

/// Where a value is passed that is the call's `at`th, parameters and results together.
pub fn slot(at: usize) -> usize {
    SLOT * (at + 1)
}

fn leb(mut value: u64) -> Vec<u8> {
    let mut bytes = vec![];
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes.push(if value == 0 { low } else { low | 0x80 });
        if value == 0 {
            return bytes;
        }
    }
}

/// A number behind `i32.const`: signed, so that its last byte's top bit is no sign.
fn constant(value: usize) -> Vec<u8> {
    let mut bytes = vec![0x41];
    let mut rest = value;
    while rest >= 0x40 {
        bytes.push((rest & 0x7f) as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn list(items: &[Vec<u8>]) -> Vec<u8> {
    [leb(items.len() as u64), items.concat()].concat()
}

fn sized(bytes: Vec<u8>) -> Vec<u8> {
    [leb(bytes.len() as u64), bytes].concat()
}

fn section(id: u8, items: &[Vec<u8>]) -> Vec<u8> {
    [vec![id], sized(list(items))].concat()
}

fn named(name: &str) -> Vec<u8> {
    sized(name.as_bytes().to_vec())
}

fn type_code(kind: char) -> u8 {
    match kind {
        'i' => 0x7f,
        'l' => 0x7e,
        'f' => 0x7d,
        'd' => 0x7c,
        'e' => 0x6f,
        _ => 0x70,
    }
}

/// The codes of a number's load and store, and its alignment; None for a reference.
fn access(kind: char) -> Option<(u8, u8, u8)> {
    match kind {
        'i' => Some((0x28, 0x36, 2)),
        'l' => Some((0x29, 0x37, 3)),
        'f' => Some((0x2a, 0x38, 2)),
        'd' => Some((0x2b, 0x39, 3)),
        _ => None,
    }
}

/// The table through which references of a kind are passed.
fn table(kind: char) -> u8 {
    (kind != 'e') as u8
}

/// A function `f` of a type that passes its arguments in a memory `m` and in tables `e` and `c`, calls its only import
/// and takes its results from there. The engine's interface has host functions of types that the program knows when it
/// is compiled; this way one of these is enough for all.
pub fn way_to_host(params: &str, results: &str) -> Vec<u8> {
    let code = |kinds: &str| sized_types(kinds);
    let types = [[vec![0x60], code(""), code("")].concat(), [vec![0x60], code(params), code(results)].concat()];
    let passed = (params.len() + results.len()) as u64;
    let pages = (slot(passed as usize) as u64).div_ceil(65536);
    let mut body = vec![0];
    for (at, kind) in params.chars().enumerate() {
        let local = [vec![0x20], leb(at as u64)].concat();
        body.extend(match access(kind) {
            Some((_, store, align)) => {
                [constant(0), local, vec![store, align], leb(slot(at) as u64)].concat()
            }
            None => [constant(at), local, vec![0x26, table(kind)]].concat(),
        });
    }
    body.extend([vec![0x10, 0], constant(FAILS), vec![0x28, 2, 0, 0x04, 0x40, 0x00, 0x0b]].concat());
    for (i, kind) in results.chars().enumerate() {
        let at = params.len() + i;
        body.extend(match access(kind) {
            Some((load, _, align)) => [constant(0), vec![load, align], leb(slot(at) as u64)].concat(),
            None => [constant(at), vec![0x25, table(kind)]].concat(),
        });
    }
    body.push(0x0b);
    let place = |name: &str, sort: u8, index: u8| [named(name), vec![sort, index]].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(2, &[[named(""), named("0"), vec![0, 0]].concat()]),
        section(3, &[vec![1]]),
        section(4, &[[vec![0x6f, 0], leb(passed)].concat(), [vec![0x70, 0], leb(passed)].concat()]),
        section(5, &[[vec![0], leb(pages)].concat()]),
        section(7, &[place("f", 0, 1), place("m", 2, 0), place("e", 1, 0), place("c", 1, 1)]),
        section(10, &[sized(body)]),
    ]
    .concat()
}

fn sized_types(kinds: &str) -> Vec<u8> {
    list(&kinds.chars().map(|kind| vec![type_code(kind)]).collect::<Vec<_>>())
}

/// What is left of a valid module to be read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(size);
        self.0 = rest;
        taken
    }

    fn number(&mut self) -> usize {
        let (mut value, mut shift) = (0, 0);
        loop {
            let byte = self.take(1)[0];
            value |= ((byte & 0x7f) as usize) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                return value;
            }
        }
    }

    /// What describes an import behind its names.
    fn described(&mut self) -> &'a [u8] {
        let whole = self.0;
        match self.take(1)[0] {
            0 => {
                self.number();
            }
            3 => {
                self.take(2);
            }
            sort => {
                self.take((sort == 1) as usize); // the type of a table's elements
                for _ in 0..=self.take(1)[0] {
                    self.number();
                }
            }
        }
        &whole[..whole.len() - self.0.len()]
    }
}

/// A module that the engine takes for valid, in which the name of each import is its position.
pub fn by_position(content: &[u8]) -> Vec<u8> {
    let mut reader = Reader(content);
    let mut made = reader.take(8).to_vec();
    while !reader.0.is_empty() {
        let id = reader.take(1)[0];
        let size = reader.number();
        let inside = reader.take(size);
        if id != 2 {
            made.extend([vec![id], sized(inside.to_vec())].concat());
            continue;
        }
        let mut imports = Reader(inside);
        let rows: Vec<Vec<u8>> = (0..imports.number())
            .map(|at| {
                for _ in 0..2 {
                    let size = imports.number();
                    imports.take(size);
                }
                [named(""), named(&at.to_string()), imports.described().to_vec()].concat()
            })
            .collect();
        made.extend(section(2, &rows));
    }
    made
}
