//! Calls that may begin while calls ahead of them still run, so that none waits for the last blocks of another.
//!
//! The kernels of a stream run one after the other. One that says so begins as soon as those ahead have begun, with whatever
//! multiprocessors they leave: right where it touches nothing that these write, nor writes what these touch. Products are
//! often so, as those of both gradients of a product.

use super::super::executor::Prepared;
use crate::plan::{Base, Plan, PlannedStep, Slot};
use crate::program::{Access, Program, Step};

/// The most calls that run at a time.
const MOST: usize = 8;

/// Lets calls begin early that are apart from those ahead of them. `calls` are those of the program's steps.
pub(super) fn begin_early(program: &Program, plan: &Plan, calls: &mut [Option<Box<dyn Prepared>>]) {
    // The calls that may still run when the next one begins: the first has waited for all before it.
    let mut running: Vec<Touched<'_>> = Vec::new();
    for step in &plan.steps {
        let Some((call, touched)) = Touched::by(program, plan, step) else {
            running.clear();
            continue;
        };
        let Some(prepared) = calls[call].as_deref_mut().filter(|prepared| prepared.admits()) else {
            running.clear();
            continue;
        };
        let is_apart =
            !running.is_empty() && running.len() < MOST && running.iter().all(|other| touched.is_apart(other));
        if !(is_apart && prepared.begin_early()) {
            running.clear();
        }
        running.push(touched);
    }
}

/// The memory that a call touches.
struct Touched<'a>(Vec<(&'a Slot, Access)>);

impl<'a> Touched<'a> {
    /// What a step touches that is a call, and which step of the program that is.
    fn by(program: &Program, plan: &'a Plan, step: &PlannedStep) -> Option<(usize, Self)> {
        let PlannedStep::Call { call, slots, epilogue: None, .. } = step else { return None };
        let Step::Call(own) = &program.steps[*call] else { return None };
        let accesses = own.args.iter().map(|arg| arg.access);
        Some((*call, Self(plan.slots[slots.clone()].iter().zip(accesses).collect())))
    }

    /// Whether neither touches what the other writes.
    fn is_apart(&self, other: &Self) -> bool {
        let mut pairs = self.0.iter().flat_map(|mine| other.0.iter().map(move |theirs| (mine, theirs)));
        pairs.all(|((slot, access), (other, theirs))| {
            !(access.is_write() || theirs.is_write()) || are_apart(slot, other)
        })
    }
}

/// Whether two pieces of memory are known to have nothing in common.
fn are_apart(a: &Slot, b: &Slot) -> bool {
    if a.base == b.base {
        return a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
    }
    // The memory of a state is that of an input or a parameter.
    let may_be_given = |base: Base| matches!(base, Base::State(_) | Base::Input(_) | Base::Parameter(_));
    let is_state = |base: Base| matches!(base, Base::State(_));
    !((is_state(a.base) || is_state(b.base)) && may_be_given(a.base) && may_be_given(b.base))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use thunder_tensor::DType;

    use super::*;
    use crate::cuda::error::Result;
    use crate::cuda::executor::Invocation;
    use crate::plan::Cut;
    use crate::program::{Arg, Buffer, Call, LibraryOp, Matmul, MatrixStrides, Port, Root};

    struct Product {
        admits: bool,
        is_early: Arc<AtomicBool>,
    }

    impl Prepared for Product {
        fn admits(&self) -> bool {
            self.admits
        }

        fn begin_early(&mut self) -> bool {
            self.is_early.store(true, Ordering::Relaxed);
            true
        }

        fn run(&self, _invocation: &Invocation<'_>) -> Result {
            unreachable!("nothing runs")
        }
    }

    /// Which of these products begin early: each of two square matrices, of which one is written.
    fn early(products: &[[Root; 3]], admits: &dyn Fn(usize) -> bool) -> Vec<bool> {
        let mut program = Program { name: "test".into(), ..Program::default() };
        let [one, eight] = [1, 8].map(|value| program.dims.constant(value));
        let strides = MatrixStrides { row: eight, column: one };
        let op = Matmul {
            dtype: DType::BF16,
            m: eight,
            n: eight,
            k: eight,
            batch: Vec::new(),
            lhs: strides,
            rhs: strides,
            out: strides,
            bias: false,
            epilogue: None,
        };
        let port = |number: usize| Port { name: format!("p{number}"), dtype: DType::BF16, shape: vec![eight, eight] };
        (program.inputs, program.outputs) = ((0..2).map(port).collect(), (0..4).map(port).collect());
        program.buffers = vec![Buffer { dtype: DType::BF16, shape: vec![eight, eight], alias: None }; 3];
        program.steps = products
            .iter()
            .map(|&[lhs, rhs, out]| {
                let args = vec![Arg::read(lhs), Arg::read(rhs), Arg::write(out)];
                Step::Call(Call { op: LibraryOp::Matmul(op.clone()), args })
            })
            .collect();
        let plan = Plan::new(&program, &[], Vec::new(), Cut::Grids).unwrap();
        let flags: Vec<Arc<AtomicBool>> = products.iter().map(|_| Arc::default()).collect();
        let prepared = flags.iter().enumerate().map(|(number, flag)| -> Option<Box<dyn Prepared>> {
            Some(Box::new(Product { admits: admits(number), is_early: Arc::clone(flag) }))
        });
        begin_early(&program, &plan, &mut prepared.collect::<Vec<_>>());
        flags.iter().map(|flag| flag.load(Ordering::Relaxed)).collect()
    }

    const X: [Root; 2] = [Root::Input(0), Root::Input(1)];
    const MADE: [Root; 2] = [Root::Buffer(0), Root::Buffer(1)];
    const OUT: [Root; 4] = [Root::Output(0), Root::Output(1), Root::Output(2), Root::Output(3)];

    #[test]
    fn what_is_apart_from_all_that_may_still_run_begins_early() {
        let apart = [[X[0], X[1], OUT[0]], [X[1], X[0], OUT[1]], [X[0], X[0], OUT[2]]];
        assert_eq!(early(&apart, &|_| true), [false, true, true]);
        // One that the next ones could begin before, and one that does not wait for those before it.
        assert_eq!(early(&apart, &|number| number != 0), [false, false, true]);
        assert_eq!(early(&apart, &|number| number != 1), [false, false, false]);
        // The third needs the first: all are done when it begins, and what needs the second may begin then.
        let chain = [[X[0], X[1], OUT[0]], [X[1], X[0], OUT[1]], [X[0], OUT[0], OUT[2]], [OUT[1], X[0], OUT[3]]];
        assert_eq!(early(&chain, &|_| true), [false, true, false, true]);
        let many = vec![apart[0]; 1 + 2 * MOST];
        let written = |(number, product): (usize, &[Root; 3])| [product[0], product[1], OUT[number % 2]];
        let twice: Vec<_> = many.iter().enumerate().map(written).collect();
        assert!(early(&twice, &|_| true).iter().enumerate().all(|(number, early)| *early == (number % 2 == 1)));
    }

    /// The first value is dead when the second is made, which may have its memory.
    #[test]
    fn what_is_made_where_others_still_read_waits_for_them() {
        let reused = [[X[0], X[1], MADE[0]], [MADE[0], X[1], OUT[0]], [X[0], X[1], MADE[1]], [MADE[1], X[0], OUT[1]]];
        assert_eq!(early(&reused, &|_| true), [false; 4]);
    }

    #[test]
    fn memory_is_apart_where_it_is_known_to_be() {
        let slot = |base, offset, bytes| Slot { base, offset, bytes };
        let apart = |a: Slot, b: Slot| {
            assert_eq!(are_apart(&a, &b), are_apart(&b, &a));
            are_apart(&a, &b)
        };
        assert!(apart(slot(Base::Arena, 0, 256), slot(Base::Arena, 256, 8)));
        assert!(!apart(slot(Base::Arena, 0, 257), slot(Base::Arena, 256, 8)));
        assert!(apart(slot(Base::Arena, 0, 256), slot(Base::Output(0), 0, 256)));
        assert!(apart(slot(Base::Output(1), 0, 256), slot(Base::Output(0), 0, 256)));
        assert!(!apart(slot(Base::State(0), 0, 256), slot(Base::Parameter(3), 0, 256)));
        assert!(!apart(slot(Base::State(0), 0, 256), slot(Base::State(1), 0, 256)));
        assert!(apart(slot(Base::State(0), 0, 256), slot(Base::Output(0), 0, 256)));
    }
}
