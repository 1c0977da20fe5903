// A toy engine that speaks the frame protocol: rustc --edition 2021 -O toy.rs, and fuzz run --engine program@$PWD/toy
// It runs functions that add, subtract and multiply their i32 parameters, and says of all others that it cannot. Put
// your own engine in place of `run` and `find`; all else stays as it is (docs/protocol.md). Headers are compact JSON.
use std::{env, fs::File, io::Read, io::Write, os::fd::FromRawFd, os::unix::fs::FileExt};

fn number(at: &mut &[u8]) -> usize {
    let (mut value, mut shift) = (0, 0);
    loop {
        let byte = at[0];
        (value, shift, *at) = (value | ((byte & 127) as usize) << shift, shift + 7, &at[1..]);
        if byte < 128 {
            return value;
        }
    }
}

// The body of the function that is exported as `name`: exports (section 7) stand before code (section 10).
fn find<'a>(module: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let (mut all, mut index) = (&module[8..], usize::MAX);
    while let Some((&id, mut rest)) = all.split_first() {
        let size = number(&mut rest);
        let (mut part, after) = rest.split_at(size);
        all = after;
        for i in 0..if id == 7 || id == 10 { number(&mut part) } else { 0 } {
            let length = number(&mut part);
            let item = &part[..length];
            part = &part[length..];
            if id == 10 && i == index {
                return Some(item);
            } else if id == 7 {
                let (kind, function) = (number(&mut part), number(&mut part));
                index = if kind == 0 && item == name.as_bytes() { function } else { index };
            }
        }
    }
    None
}

fn run(mut body: &[u8], slots: &[u8]) -> Result<Vec<u32>, String> {
    let mut stack: Vec<u32> = vec![];
    let locals = number(&mut body);
    loop {
        let value = match number(&mut body) {
            _ if locals > 0 => return Err("locals".into()),
            0x0b => return Ok(stack),
            0x20 => u32::from_le_bytes(slots[16 * number(&mut body)..][..4].try_into().unwrap()),
            code @ 0x6a..=0x6c => match (code, stack.pop().unwrap(), stack.pop().unwrap()) {
                (0x6a, b, a) => a.wrapping_add(b),
                (0x6b, b, a) => a.wrapping_sub(b),
                (_, b, a) => a.wrapping_mul(b),
            },
            op => return Err(format!("opcode {op:#x}")),
        };
        stack.push(value);
    }
}

fn run_case(header: &str, blobs: &[&[u8]], progress: &File) -> (String, Vec<u8>) {
    let inside = header.split_once("\"calls\":[").and_then(|(_, rest)| rest.split_once("],\"globals\":"));
    let (Some((calls, _)), true) = (inside, header.contains("\"sources\":[]")) else {
        return (r#"{"inst":["unsupported","imports, or validation alone"]}"#.into(), vec![]);
    };
    let (mut out, mut body) = (vec![], vec![]);
    for (index, call) in calls.trim_start_matches("[\"").split("],[\"").filter(|call| !call.is_empty()).enumerate() {
        progress.write_at(&[3u32.to_le_bytes(), (index as u32).to_le_bytes()].concat(), 0).unwrap();
        let words: Vec<&str> = call.split('"').collect(); // f","host","ii","i",1,[],-1]
        let slots = words[7][1..].split(',').next().unwrap().parse().map_or(&[][..], |blob: usize| blobs[blob]);
        let plain = (words[4].to_string() + words[6]).trim_matches('i').is_empty();
        match find(blobs[0], words[0]).filter(|_| plain).map_or(Err("a call".into()), |code| run(code, slots)) {
            Err(what) => out.push(format!("[\"unsupported\",\"{what}\"]")),
            Ok(given) => {
                out.push("[\"returned\",[]]".into());
                given.iter().for_each(|value| body.extend((*value as u128).to_le_bytes()));
            }
        }
    }
    (format!("{{\"inst\":[\"returned\",[]],\"out\":[{}]}}", out.join(",")), body)
}

fn main() {
    let fd = |word| unsafe { File::from_raw_fd(env::args().nth(word).unwrap().parse().unwrap()) };
    let (mut requests, mut replies, progress, mut size) = (fd(1), fd(2), fd(3), [0; 4]);
    while requests.read_exact(&mut size).is_ok() {
        let mut frame = vec![0; u32::from_le_bytes(size) as usize];
        requests.read_exact(&mut frame).unwrap();
        let (head, mut rest) = frame[4..].split_at(u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize);
        let header = std::str::from_utf8(head).unwrap();
        let mut blobs = vec![];
        for length in header.rsplit("\"blobs\":[").next().unwrap().split([',', ']']).filter_map(|n| n.parse().ok()) {
            let (blob, after) = rest.split_at(length);
            blobs.push(blob);
            rest = after;
        }
        let hello = r#"{"protocol":1,"name":"toy-rs","features":["multi_value"],"carries":"i","exact":true}"#;
        let asked = if header.contains(r#""do":"hello""#) { None } else { Some(run_case(header, &blobs, &progress)) };
        let (text, body) = asked.unwrap_or((hello.into(), vec![]));
        let sizes = [(44 + text.len() + body.len()) as u32, text.len() as u32].map(u32::to_le_bytes).concat();
        replies.write_all(&[&sizes, text.as_bytes(), &body, &[0; 40]].concat()).unwrap(); // CPU seconds are not told
    }
}
