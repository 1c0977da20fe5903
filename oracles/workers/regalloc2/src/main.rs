// The worker for regalloc2: worker ion|fastalloc REQUESTS REPLIES PROGRESS. A case is a function in the flat form
// (oracles/machine/flat.py); the reply has the allocations and moves, or the error, and what regalloc2's own checker says.

mod frames;
mod function;

use frames::{lap, text, Answer, Frames};
use function::Func;
use regalloc2::checker::Checker;
use regalloc2::{Algorithm, Allocation, Block, Edit, Function, InstOrEdit, MachineEnv, Output, RegallocOptions};
use serde_json::{json, Value as Json};

const COMPILE: u32 = 1;
const CHECK: u32 = 2;
const SAID: usize = 2000;

/// Operands of an instruction up to which its own checker looks at an allocation: it goes over all places for each
/// definition, so that 65,536 take minutes.
const WIDEST_CHECKED: usize = 2048;

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect()
}

fn bytes(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn place(allocation: Allocation) -> u32 {
    if let Some(preg) = allocation.as_reg() {
        return 1 << 29 | (preg.class() as u32) << 6 | preg.hw_enc() as u32;
    }
    allocation.as_stack().map_or(0, |slot| 2 << 29 | slot.index() as u32)
}

/// Slots, edits with their points, and the allocations of all operands in order. Edits are those that a client sees who
/// goes over the blocks: what stands behind a block's last instruction is left out there.
fn answer(func: &Func, output: &Output) -> Vec<u32> {
    let mut words = vec![output.num_spillslots as u32, 0];
    for block in (0..func.num_blocks()).map(Block::new) {
        let mut next = func.block_insns(block).first();
        for item in output.block_insts_and_edits(func, block) {
            match item {
                InstOrEdit::Inst(inst) => next = inst.next(),
                InstOrEdit::Edit(edit) => {
                    let Edit::Move { from, to } = edit;
                    words.extend([(next.index() as u32) << 1, place(*from), place(*to)]);
                    words[1] += 1;
                }
            }
        }
    }
    words.extend(output.allocs.iter().map(|allocation| place(*allocation)));
    words
}

/// What its own checker says: nothing that is wrong, null where it was not asked.
fn checked(func: &Func, env: &MachineEnv, output: &Output) -> Json {
    let insts = (0..func.num_insts()).map(regalloc2::Inst::new);
    if insts.map(|inst| func.inst_operands(inst).len()).max().unwrap_or(0) > WIDEST_CHECKED {
        return Json::Null;
    }
    let mut checker = Checker::new(func, env);
    checker.prepare(output);
    match checker.run() {
        Ok(()) => json!(""),
        Err(errors) => json!(format!("{errors:?}").chars().take(SAID).collect::<String>()),
    }
}

/// `more`: so many times more than once, for measuring.
fn case(frames: &mut Frames, options: &RegallocOptions, content: &[u8], more: u64) -> Answer {
    let (func, env) = function::read(&words(content));
    let mut mark = frames::cpu();
    frames.at(COMPILE, -1);
    for _ in 0..more {
        let _ = std::hint::black_box(regalloc2::run(&func, &env, options));
    }
    let done = regalloc2::run(&func, &env, options);
    lap(&mut frames.times[0], &mut mark);
    match done {
        Ok(output) => {
            frames.at(CHECK, -1);
            let own = checked(&func, &env, &output);
            lap(&mut frames.times[3], &mut mark);
            (json!({"own": own}), bytes(&answer(&func, &output)))
        }
        Err(error) => (json!({"refused": format!("{error:?}")}), vec![]),
    }
}

fn hello() -> Json {
    let library = std::env::current_exe().unwrap();
    json!({"protocol": 1, "features": [], "library": library, "version": env!("ENGINE_VERSION"),
           "constraints": function::constraints(), "state": null})
}

fn main() {
    let given: Vec<String> = std::env::args().collect();
    let algorithm = match given[1].as_str() {
        "fastalloc" => Algorithm::Fastalloc,
        _ => Algorithm::Ion,
    };
    let options = RegallocOptions { verbose_log: false, validate_ssa: true, algorithm };
    let mut frames = Frames::new(&given[2..]);
    while let Some((header, blobs)) = frames.receive() {
        let (header, body) = match text(&header["do"]) {
            "hello" => (hello(), vec![]),
            "echo" => (json!({}), bytes(&function::written(&function::read(&words(&blobs[0])).0))),
            _ => case(&mut frames, &options, &blobs[0], header["more"].as_u64().unwrap_or(0)),
        };
        frames.reply(&header, &body);
    }
}
