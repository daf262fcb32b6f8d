//! Lets attentions keep what their gradients need, so that a gradient does not compute its attention again.

use thunder_tensor::DType;

use super::{Access, Arg, Attention, AttentionBackward, Buffer, Call, LibraryOp, Program, Root, Step};

impl Program {
    /// Makes the result of each attention, and the logarithms of its rows' sums, arguments of its gradient, where both are
    /// steps of the program and nothing is overwritten between them. The program stays valid.
    pub(crate) fn save_attention(&mut self) {
        for backward in 0..self.steps.len() {
            if let Some(forward) = self.attention_of(backward) {
                self.save(forward, backward);
            }
        }
    }

    /// The step whose gradient step `backward` computes.
    fn attention_of(&self, backward: usize) -> Option<usize> {
        let (op, args) = gradient(&self.steps[backward])?;
        let inputs = 3 + usize::from(op.forward.mask.is_some());
        let is_it = |step: &usize| {
            attention(&self.steps[*step]).is_some_and(|(own, given)| {
                given[..inputs.min(given.len())] == args[..inputs]
                    && is_same(own, &op.forward)
                    && self.is_kept(*step, backward, &given[..=inputs])
            })
        };
        (0..backward).rev().find(is_it)
    }

    /// Whether no step between `first` and `last` writes what `args` point to.
    fn is_kept(&self, first: usize, last: usize, args: &[Arg]) -> bool {
        let owners: Vec<Root> = args.iter().map(|arg| self.owner(arg.place.root)).collect();
        let is_written = |step: &Step| {
            step.accesses().any(|(place, access)| access.is_write() && owners.contains(&self.owner(place.root)))
        };
        !self.steps[first + 1..last].iter().any(is_written)
    }

    fn save(&mut self, forward: usize, backward: usize) {
        let Step::Call(Call { op: LibraryOp::Attention(op), args }) = &mut self.steps[forward] else { return };
        let inputs = 3 + usize::from(op.mask.is_some());
        if !op.logsums {
            op.logsums = true;
            let shape = vec![op.batch, op.heads, op.queries];
            let logsums = Root::Buffer(self.buffers.len() as u32);
            self.buffers.push(Buffer { dtype: DType::F32, shape, alias: None });
            args.push(Arg::write(logsums));
        }
        let (strides, kept) = (op.out, [args[inputs], args[inputs + 1]]);
        let Step::Call(Call { op: LibraryOp::AttentionBackward(op), args }) = &mut self.steps[backward] else { return };
        op.saved = Some(strides);
        args.splice(inputs + 1..inputs + 1, kept.map(|arg| Arg { access: Access::Read, ..arg }));
    }
}

fn attention(step: &Step) -> Option<(&Attention, &[Arg])> {
    match step {
        Step::Call(Call { op: LibraryOp::Attention(op), args }) => Some((op, args)),
        _ => None,
    }
}

/// A gradient that computes its attention again.
fn gradient(step: &Step) -> Option<(&AttentionBackward, &[Arg])> {
    match step {
        Step::Call(Call { op: LibraryOp::AttentionBackward(op), args }) if op.saved.is_none() => Some((op, args)),
        _ => None,
    }
}

/// Whether two attentions differ in nothing but how their results lie in memory.
fn is_same(a: &Attention, b: &Attention) -> bool {
    *a == Attention { out: a.out, logsums: a.logsums, ..b.clone() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::super::{AttentionStrides, Dims, Place, Port};
    use super::*;

    /// An attention of `x` with itself, a copy into `between`, and the attention's gradient.
    fn program(between: Root) -> Program {
        let mut dims = Dims::default();
        let [one, two, eight, bytes] = [1, 2, 8, 32].map(|value| dims.constant(value));
        let strides = AttentionStrides { batch: eight, head: eight, position: eight };
        let op = Attention {
            dtype: DType::BF16,
            batch: one,
            heads: one,
            kv_heads: one,
            queries: two,
            keys: two,
            width: eight,
            value_width: eight,
            q: strides,
            k: strides,
            v: strides,
            out: strides,
            scale: 1.0,
            causal: None,
            mask: None,
            logsums: false,
        };
        let port = |name: &str| Port { name: name.into(), dtype: DType::BF16, shape: vec![two, eight] };
        let buffer = || Buffer { dtype: DType::BF16, shape: vec![two, eight], alias: None };
        let (x, made) = (Root::Buffer(0), Root::Buffer(1));
        let read = Arg::read(x);
        let copy = |from, to| Step::Copy { from: Place::new(from), to: Place::new(to), bytes };
        let gradients = [0, 1, 2].map(|i| Arg::write(Root::Output(i)));
        let backward = AttentionBackward { forward: op.clone(), saved: None, d_q: strides, d_k: strides, d_v: strides };
        let call = |op, args| Step::Call(Call { op, args });
        Program {
            name: "test".into(),
            dims,
            inputs: vec![port("x")],
            outputs: ["q", "k", "v"].map(port).into(),
            buffers: vec![buffer(), buffer(), buffer()],
            steps: vec![
                copy(Root::Input(0), x),
                call(LibraryOp::Attention(op), vec![read, read, read, Arg::write(made)]),
                copy(Root::Input(0), between),
                call(LibraryOp::AttentionBackward(backward), [&[read; 4][..], &gradients].concat()),
            ],
            ..Program::default()
        }
    }

    #[test]
    fn a_gradient_is_given_what_its_attention_made() {
        let mut program = program(Root::Buffer(2));
        program.save_attention();
        program.validate(0).unwrap();
        let (Step::Call(forward), Step::Call(backward)) = (&program.steps[1], &program.steps[3]) else {
            panic!("the steps stay what they are")
        };
        assert_eq!(forward.args[3..], [Arg::write(Root::Buffer(1)), Arg::write(Root::Buffer(3))]);
        assert_eq!(backward.args[4..6], [Arg::read(Root::Buffer(1)), Arg::read(Root::Buffer(3))]);
        let saved = program.clone();
        program.save_attention();
        assert_eq!(program, saved, "once is enough");
    }

    #[test]
    fn what_is_overwritten_is_computed_again() {
        for overwritten in [Root::Buffer(0), Root::Buffer(1)] {
            let mut program = program(overwritten);
            let before = program.clone();
            program.save_attention();
            assert_eq!(program, before);
        }
    }
}
