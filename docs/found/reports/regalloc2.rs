//! Functions for regalloc2 0.15.2, of which the reports are about one each: `cargo run -- NAME ion|fastalloc` allocates
//! registers for the one of that name, prints the result, and asks regalloc2's own checker. Cargo.toml:
//!
//!     [dependencies]
//!     regalloc2 = { version = "=0.15.2", features = ["checker"] }
//!
use regalloc2::OperandConstraint::{Limit, Reuse, Stack};
use regalloc2::*;

struct Op(Vec<Operand>, PRegSet, Option<Vec<(usize, Vec<VReg>)>>); // operands, clobbers, a terminator's edges

struct Func {
    blocks: Vec<(Vec<VReg>, InstRange)>,
    succs: Vec<Vec<Block>>,
    preds: Vec<Vec<Block>>,
    insts: Vec<Op>,
    vregs: usize,
}

fn func(vregs: usize, blocks: Vec<(Vec<VReg>, Vec<Op>)>) -> Func {
    let mut f = Func { blocks: vec![], succs: vec![], preds: vec![vec![]; blocks.len()], insts: vec![], vregs };
    for (index, (params, insts)) in blocks.into_iter().enumerate() {
        let first = f.insts.len();
        f.insts.extend(insts);
        f.blocks.push((params, InstRange::new(Inst::new(first), Inst::new(f.insts.len()))));
        let edges = f.insts.last().unwrap().2.as_ref().unwrap();
        f.succs.push(edges.iter().map(|(to, _)| Block::new(*to)).collect());
        for (to, _) in edges {
            f.preds[*to].push(Block::new(index));
        }
    }
    f
}

impl Function for Func {
    fn num_insts(&self) -> usize { self.insts.len() }
    fn num_blocks(&self) -> usize { self.blocks.len() }
    fn entry_block(&self) -> Block { Block::new(0) }
    fn block_insns(&self, block: Block) -> InstRange { self.blocks[block.index()].1 }
    fn block_succs(&self, block: Block) -> &[Block] { &self.succs[block.index()] }
    fn block_preds(&self, block: Block) -> &[Block] { &self.preds[block.index()] }
    fn block_params(&self, block: Block) -> &[VReg] { &self.blocks[block.index()].0 }
    fn is_ret(&self, inst: Inst) -> bool { matches!(&self.insts[inst.index()].2, Some(edges) if edges.is_empty()) }
    fn is_branch(&self, inst: Inst) -> bool { matches!(&self.insts[inst.index()].2, Some(edges) if !edges.is_empty()) }
    fn branch_blockparams(&self, _: Block, inst: Inst, succ: usize) -> &[VReg] {
        &self.insts[inst.index()].2.as_ref().unwrap()[succ].1
    }
    fn inst_operands(&self, inst: Inst) -> &[Operand] { &self.insts[inst.index()].0 }
    fn inst_clobbers(&self, inst: Inst) -> PRegSet { self.insts[inst.index()].1 }
    fn num_vregs(&self) -> usize { self.vregs }
    fn spillslot_size(&self, _: RegClass) -> usize { 1 }
}

const ANY: OperandConstraint = OperandConstraint::Any;
const REG: OperandConstraint = OperandConstraint::Reg;

fn int(number: usize) -> VReg { VReg::new(number, RegClass::Int) }
fn float(number: usize) -> VReg { VReg::new(number, RegClass::Float) }
fn p(number: usize) -> PReg { PReg::new(number, RegClass::Int) }
fn f(number: usize) -> PReg { PReg::new(number, RegClass::Float) }
fn fixed(reg: PReg) -> OperandConstraint { OperandConstraint::FixedReg(reg) }
fn def(vreg: VReg, constraint: OperandConstraint) -> Operand {
    Operand::new(vreg, constraint, OperandKind::Def, OperandPos::Late)
}
fn early_def(vreg: VReg, constraint: OperandConstraint) -> Operand {
    Operand::new(vreg, constraint, OperandKind::Def, OperandPos::Early)
}
fn use_(vreg: VReg, constraint: OperandConstraint) -> Operand {
    Operand::new(vreg, constraint, OperandKind::Use, OperandPos::Early)
}
fn late_use(vreg: VReg, constraint: OperandConstraint) -> Operand {
    Operand::new(vreg, constraint, OperandKind::Use, OperandPos::Late)
}
fn op(operands: Vec<Operand>) -> Op { Op(operands, PRegSet::empty(), None) }
fn ret(operands: Vec<Operand>) -> Op { Op(operands, PRegSet::empty(), Some(vec![])) }
fn branch(operands: Vec<Operand>, edges: Vec<(usize, Vec<VReg>)>) -> Op { Op(operands, PRegSet::empty(), Some(edges)) }
fn jump(block: usize) -> Op { branch(vec![], vec![(block, vec![])]) }
fn clobber(reg: PReg) -> Op { Op(vec![], PRegSet::empty().with(reg), None) }

/// The allocatable registers, of integers and of floats, and the function: VRegs, then blocks as parameters and instructions.
#[rustfmt::skip]
fn example(name: &str) -> (Vec<PReg>, Vec<PReg>, Func) {
    match name {
        "reuse-fixed-twice" => (vec![p(0), p(1), p(2)], vec![f(0)], func(3, vec![(vec![], vec![
            op(vec![def(int(0), ANY), def(int(1), ANY)]),
            op(vec![use_(int(1), fixed(p(1))), use_(int(1), fixed(p(2))), use_(int(0), REG), def(int(2), Reuse(2))]),
            ret(vec![]),
        ])])),
        "late-fixed-twice" => (vec![p(0), p(1), p(2)], vec![f(0)], func(2, vec![(vec![], vec![
            op(vec![def(int(1), ANY)]),
            op(vec![late_use(int(1), fixed(p(1))), late_use(int(1), fixed(p(2)))]),
            ret(vec![]),
        ])])),
        "limit-fixed-twice" => (vec![p(0), p(4), p(5)], vec![f(0)], func(1, vec![(vec![], vec![
            op(vec![def(int(0), ANY)]),
            op(vec![use_(int(0), Limit(4)), use_(int(0), fixed(p(5))), use_(int(0), fixed(p(4)))]),
            ret(vec![]),
        ])])),
        "reuse-any" => (vec![p(0)], vec![f(0), f(1), f(2)], func(6, vec![(vec![], vec![
            op(vec![def(float(0), ANY), def(float(1), ANY), def(float(2), ANY)]),
            op(vec![
                use_(float(2), REG), use_(float(1), REG), use_(float(2), fixed(f(1))),
                def(float(3), Reuse(0)), def(float(4), ANY), def(float(5), ANY),
            ]),
            op(vec![use_(float(3), Stack), use_(float(5), ANY), use_(float(5), ANY), use_(float(5), REG)]),
            ret(vec![]),
        ])])),
        "order" => (vec![p(0)], vec![f(0)], func(1, vec![
            (vec![], vec![jump(3)]),
            (vec![], vec![op(vec![use_(float(0), ANY)]), ret(vec![])]),
            (vec![], vec![clobber(f(0)), clobber(f(0)), jump(1)]),
            (vec![], vec![op(vec![early_def(float(0), REG)]), jump(2)]),
        ])),
        "order-checker" => (vec![p(0)], vec![f(0)], func(1, vec![
            (vec![], vec![op(vec![def(int(0), ANY)]), jump(3)]),
            (vec![], vec![op(vec![use_(int(0), ANY)]), ret(vec![])]),
            (vec![], vec![op(vec![]), jump(1)]),
            (vec![], vec![op(vec![]), jump(2)]),
        ])),
        "fastalloc-stack" => (vec![p(0)], vec![f(0)], func(1, vec![(vec![], vec![
            op(vec![def(int(0), Stack)]),
            ret(vec![use_(int(0), ANY)]),
        ])])),
        "fastalloc-passed-twice" => (vec![p(0)], vec![f(0)], func(3, vec![
            (vec![], vec![branch(vec![def(int(0), ANY)], vec![(1, vec![int(0), int(0)])])]),
            (vec![int(1), int(2)], vec![ret(vec![use_(int(1), ANY), use_(int(2), ANY)])]),
        ])),
        "fastalloc-count" => (vec![p(0), p(1)], vec![f(0)], func(3, vec![(vec![], vec![
            op(vec![def(int(0), ANY), def(int(1), REG), def(int(2), REG)]),
            ret(vec![use_(int(0), ANY)]),
        ])])),
        _ => panic!("no such example"),
    }
}

fn main() {
    let name = std::env::args().nth(1).expect("a name");
    let algorithm = match std::env::args().nth(2).as_deref() {
        Some("fastalloc") => Algorithm::Fastalloc,
        _ => Algorithm::Ion,
    };
    let (ints, floats, func) = example(&name);
    let env = MachineEnv {
        preferred_regs_by_class: [ints.into_iter().collect(), floats.into_iter().collect(), PRegSet::empty()],
        non_preferred_regs_by_class: [PRegSet::empty(); 3],
        scratch_by_class: [Some(p(31)), Some(f(31)), None],
        fixed_stack_slots: vec![],
    };
    let options = RegallocOptions { validate_ssa: true, algorithm, ..Default::default() };
    let out = match run(&func, &env, &options) {
        Ok(out) => out,
        Err(error) => return println!("{error:?}"),
    };
    for block in 0..func.num_blocks() {
        println!("block{block}:");
        for item in out.block_insts_and_edits(&func, Block::new(block)) {
            match item {
                InstOrEdit::Edit(Edit::Move { from, to }) => println!("    move {from} -> {to}"),
                InstOrEdit::Inst(inst) => {
                    let operands = func.inst_operands(inst).iter().zip(out.inst_allocs(inst));
                    let shown: Vec<_> = operands.map(|(operand, alloc)| format!("{operand} = {alloc}")).collect();
                    println!("  {inst:?}: {}", shown.join(", "));
                }
            }
        }
    }
    let mut checker = checker::Checker::new(&func, &env);
    checker.prepare(&out);
    println!("checker: {:?}", checker.run());
}
