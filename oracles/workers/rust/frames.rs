// The worker's end of the frame protocol (oracles/remote/protocol.py), for workers of any kind of case.

use serde_json::Value as Json;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;

/// A request or a reply: its header, and its blobs or body.
pub type Request = (Json, Vec<Vec<u8>>);
pub type Answer = (Json, Vec<u8>);

pub fn cpu() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The CPU seconds since `mark`, which is moved on.
pub fn lap(part: &mut f64, mark: &mut f64) {
    let now = cpu();
    *part = now - *mark;
    *mark = now;
}

pub fn text(value: &Json) -> &str {
    value.as_str().unwrap_or("")
}

pub fn list(value: &Json) -> &[Json] {
    value.as_array().map_or(&[], |items| items)
}

/// The descriptors of a worker, and the CPU seconds of a case's parts, which go with the next reply.
pub struct Frames {
    requests: File,
    replies: File,
    progress: File,
    pub times: [f64; 4],
}

impl Frames {
    /// `words` are the numbers of the descriptors.
    pub fn new(words: &[String]) -> Self {
        let fd = |word: &String| unsafe { File::from_raw_fd(word.parse().expect("a descriptor")) };
        Frames { requests: fd(&words[0]), replies: fd(&words[1]), progress: fd(&words[2]), times: [0.0; 4] }
    }

    /// The next request; none once the harness is gone.
    pub fn receive(&mut self) -> Option<Request> {
        let mut size = [0; 4];
        self.requests.read_exact(&mut size).ok()?;
        let mut frame = vec![0; u32::from_le_bytes(size) as usize];
        self.requests.read_exact(&mut frame).ok()?;
        let end = 4 + u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize;
        let header: Json = serde_json::from_slice(&frame[4..end]).expect("a header");
        let mut at = end;
        let mut blobs = vec![];
        for length in list(&header["blobs"]) {
            let next = at + length.as_u64().unwrap() as usize;
            blobs.push(frame[at..next].to_vec());
            at = next;
        }
        Some((header, blobs))
    }

    pub fn reply(&mut self, header: &Json, body: &[u8]) {
        let mut text = String::new();
        for unit in header.to_string().encode_utf16() {
            match unit {
                0..=127 => text.push(unit as u8 as char),
                _ => text += &format!("\\u{unit:04x}"),
            }
        }
        let mut frame = ((4 + text.len() + body.len() + 40) as u32).to_le_bytes().to_vec();
        frame.extend((text.len() as u32).to_le_bytes());
        frame.extend(text.as_bytes());
        frame.extend(body);
        for seconds in [cpu()].iter().chain(&self.times) {
            frame.extend(seconds.to_le_bytes());
        }
        self.times = [0.0; 4];
        self.replies.write_all(&frame).expect("the harness reads");
    }

    /// What comes next: a phase by its number, and an invocation.
    pub fn at(&self, phase: u32, invocation: i32) {
        let said = [phase.to_le_bytes(), invocation.to_le_bytes()].concat();
        self.progress.write_at(&said, 0).expect("progress");
    }
}
