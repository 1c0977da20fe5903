// A function and its registers, out of the flat form (oracles/machine/flat.py) and back into it.

use regalloc2::{
    Block, Function, Inst, InstRange, MachineEnv, Operand, OperandConstraint, OperandKind, OperandPos, PReg, PRegSet,
    RegClass, VReg,
};

const FLOAT_SLOT: usize = 2;

struct Instruction {
    operands: Vec<Operand>,
    clobbers: PRegSet,
    edges: Option<Vec<Vec<VReg>>>, // of a terminator, the arguments along each edge
}

struct BasicBlock {
    first: usize,
    end: usize,
    params: Vec<VReg>,
    successors: Vec<Block>,
    predecessors: Vec<Block>,
}

pub struct Func {
    insts: Vec<Instruction>,
    blocks: Vec<BasicBlock>,
    classes: Vec<RegClass>,
}

/// The words of the flat form, one after the other.
struct Words<'a>(std::slice::Iter<'a, u32>);

impl Words<'_> {
    fn next(&mut self) -> usize {
        *self.0.next().expect("one word more") as usize
    }

    fn several<T>(&mut self, count: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..count).map(|_| one(self)).collect()
    }
}

fn class_of(number: usize) -> RegClass {
    if number == 0 { RegClass::Int } else { RegClass::Float }
}

fn preg_of(number: usize) -> PReg {
    PReg::new(number & 63, class_of(number >> 6))
}

/// The first half of a class's registers is preferred, as those are that a callee need not save.
fn environment(words: &mut Words) -> MachineEnv {
    let counts = [words.next(), words.next()];
    let mut listed = counts.map(|count| words.several(count, |words| preg_of(words.next())));
    let scratch = [words.next(), words.next()].map(preg_of);
    let rest = [0, 1].map(|class| listed[class].split_off((counts[class] + 1) / 2));
    let [ints, floats] = listed;
    let [more_ints, more_floats] = rest;
    MachineEnv {
        preferred_regs_by_class: [ints.into_iter().collect(), floats.into_iter().collect(), Default::default()],
        non_preferred_regs_by_class: [
            more_ints.into_iter().collect(),
            more_floats.into_iter().collect(),
            Default::default(),
        ],
        scratch_by_class: [Some(scratch[0]), Some(scratch[1]), None],
        fixed_stack_slots: vec![],
    }
}

fn constraint(number: usize, argument: usize) -> OperandConstraint {
    match number {
        0 => OperandConstraint::Any,
        1 => OperandConstraint::Reg,
        2 => OperandConstraint::FixedReg(preg_of(argument)),
        3 => OperandConstraint::Reuse(argument),
        #[cfg(has_stack)]
        4 => OperandConstraint::Stack,
        #[cfg(has_limit)]
        5 => OperandConstraint::Limit(argument),
        _ => panic!("this release has no constraint {number}"),
    }
}

/// The constraints that the release has, as the harness names them.
pub fn constraints() -> Vec<&'static str> {
    let mut names = vec!["any", "reg", "fixed", "reuse"];
    if cfg!(has_stack) {
        names.push("stack");
    }
    if cfg!(has_limit) {
        names.push("limit");
    }
    names
}

fn operand(words: &mut Words, classes: &[RegClass]) -> Operand {
    let (number, packed) = (words.next(), words.next());
    let kind = if packed & 1 == 0 { OperandKind::Def } else { OperandKind::Use };
    let pos = if packed & 2 == 0 { OperandPos::Early } else { OperandPos::Late };
    Operand::new(VReg::new(number, classes[number]), constraint(packed >> 2 & 7, packed >> 5), kind, pos)
}

pub fn read(words: &[u32]) -> (Func, MachineEnv) {
    let words = &mut Words(words.iter());
    let env = environment(words);
    let count = words.next();
    let classes = words.several(count, |words| class_of((words.next() > 1) as usize));
    let vreg = |words: &mut Words| {
        let number = words.next();
        VReg::new(number, classes[number])
    };
    let (mut insts, mut blocks) = (vec![], vec![]);
    for _ in 0..words.next() {
        let count = words.next();
        let params = words.several(count, vreg);
        let first = insts.len();
        let mut successors = vec![];
        for _ in 0..words.next() {
            let (operands, clobbers, edges) = (words.next(), words.next(), words.next());
            let operands = words.several(operands, |words| operand(words, &classes));
            let clobbers = words.several(clobbers, |words| preg_of(words.next())).into_iter().collect();
            let edges = (edges > 0).then(|| {
                words.several(edges - 1, |words| {
                    successors.push(Block::new(words.next()));
                    let count = words.next();
                    words.several(count, vreg)
                })
            });
            insts.push(Instruction { operands, clobbers, edges });
        }
        blocks.push(BasicBlock { first, end: insts.len(), params, successors, predecessors: vec![] });
    }
    for index in 0..blocks.len() {
        for successor in blocks[index].successors.clone() {
            blocks[successor.index()].predecessors.push(Block::new(index));
        }
    }
    (Func { insts, blocks, classes }, env)
}

impl Function for Func {
    fn num_insts(&self) -> usize {
        self.insts.len()
    }

    fn num_blocks(&self) -> usize {
        self.blocks.len()
    }

    fn entry_block(&self) -> Block {
        Block::new(0)
    }

    fn block_insns(&self, block: Block) -> InstRange {
        let block = &self.blocks[block.index()];
        InstRange::new(Inst::new(block.first), Inst::new(block.end))
    }

    fn block_succs(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].successors
    }

    fn block_preds(&self, block: Block) -> &[Block] {
        &self.blocks[block.index()].predecessors
    }

    fn block_params(&self, block: Block) -> &[VReg] {
        &self.blocks[block.index()].params
    }

    fn is_ret(&self, inst: Inst) -> bool {
        matches!(&self.insts[inst.index()].edges, Some(edges) if edges.is_empty())
    }

    fn is_branch(&self, inst: Inst) -> bool {
        matches!(&self.insts[inst.index()].edges, Some(edges) if !edges.is_empty())
    }

    fn branch_blockparams(&self, _block: Block, inst: Inst, successor: usize) -> &[VReg] {
        &self.insts[inst.index()].edges.as_ref().expect("a branch")[successor]
    }

    fn inst_operands(&self, inst: Inst) -> &[Operand] {
        &self.insts[inst.index()].operands
    }

    fn inst_clobbers(&self, inst: Inst) -> PRegSet {
        self.insts[inst.index()].clobbers
    }

    fn num_vregs(&self) -> usize {
        self.classes.len()
    }

    /// A float's slot has room for a vector: a move says nothing of the type.
    fn spillslot_size(&self, class: RegClass) -> usize {
        if class == RegClass::Int { 1 } else { FLOAT_SLOT }
    }
}

fn number_of(preg: PReg) -> u32 {
    (preg.class() as u32) << 6 | preg.hw_enc() as u32
}

/// What `Function` says of a function, in the flat form from the blocks on; the harness compares it with what it sent.
pub fn written(func: &Func) -> Vec<u32> {
    let mut words = vec![func.num_blocks() as u32];
    for block in (0..func.num_blocks()).map(Block::new) {
        words.push(func.block_params(block).len() as u32);
        words.extend(func.block_params(block).iter().map(|param| param.vreg() as u32));
        words.push(func.block_insns(block).len() as u32);
        for inst in func.block_insns(block).iter() {
            let ends = func.is_branch(inst) || func.is_ret(inst);
            let operands = func.inst_operands(inst);
            let clobbers: Vec<u32> = func.inst_clobbers(inst).into_iter().map(number_of).collect();
            let successors = if ends { func.block_succs(block) } else { &[] };
            words.extend([operands.len() as u32, clobbers.len() as u32]);
            words.push(if ends { 1 + successors.len() as u32 } else { 0 });
            words.extend(operands.iter().flat_map(|operand| [operand.vreg().vreg() as u32, packed(*operand)]));
            words.extend(clobbers);
            for (number, successor) in successors.iter().enumerate() {
                let args = func.branch_blockparams(block, inst, number);
                words.extend([successor.index() as u32, args.len() as u32]);
                words.extend(args.iter().map(|arg| arg.vreg() as u32));
            }
        }
    }
    words
}

fn packed(operand: Operand) -> u32 {
    let (number, argument) = match operand.constraint() {
        OperandConstraint::Any => (0, 0),
        OperandConstraint::Reg => (1, 0),
        OperandConstraint::FixedReg(preg) => (2, number_of(preg)),
        OperandConstraint::Reuse(index) => (3, index as u32),
        #[cfg(has_stack)]
        OperandConstraint::Stack => (4, 0),
        #[cfg(has_limit)]
        OperandConstraint::Limit(bound) => (5, bound as u32),
    };
    operand.kind() as u32 | (operand.pos() as u32) << 1 | number << 2 | argument << 5
}
