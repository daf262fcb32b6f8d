//! Inputs that are the same along a dimension of a kernel's results: a thread that computes several elements along it reads
//! them once.
//!
//! Small ones, such as biases, stay in the nearest cache and need no such help; larger ones, such as the tables of rotary
//! embeddings, would be asked for as often as what is read only once.

use std::collections::HashSet;

use thunder_ir::{Operation, Result, Value};

use super::super::affine::Affine;
use super::super::emitter::Emitter;
use super::super::entry::Output;
use super::super::memory::bytes_of;
use super::super::nest::Nest;

/// Bytes of an input from which on it is worth it.
const LARGE: i64 = 64 << 10;
/// Elements along the dimension that a thread computes: the first of these that divides it and leaves work for all.
const ROUNDS: [i64; 2] = [4, 2];

/// Several elements for each thread, along a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    /// The dimension of the results.
    pub axis: usize,
    /// How many.
    pub count: i64,
}

impl Rounds {
    /// The rounds that are worth it, for results of one shape; `most` is how many there may be.
    pub fn of<'c>(
        emitter: &Emitter<'_, 'c>,
        function: Operation<'c>,
        outputs: &[Output<'c>],
        most: i64,
    ) -> Result<Option<Self>> {
        let Some(sizes) = outputs.first().map(|output| &output.memory.sizes) else { return Ok(None) };
        if sizes.len() < 2 || outputs.iter().any(|output| output.memory.sizes != *sizes) {
            return Ok(None);
        }
        let mut reads = Reads::default();
        for output in outputs {
            reads.visit(output.value, &(0..sizes.len()).map(|axis| 1 << axis.min(63)).collect::<Vec<_>>())?;
        }
        let body = function.region(0).entry().ok_or_else(|| function.error("has no body"))?;
        let bytes = |input: Value<'c>| {
            let memory = emitter.inputs.get(&input)?;
            let count: Option<i64> = memory.sizes.iter().map(|size| emitter.number(*size)).product();
            Some(count? * bytes_of(memory.element))
        };
        let saved = |axis: usize| -> i64 {
            let is_same = |input: &Value<'c>| {
                let mut places = reads.inputs.iter().filter(|(of, _)| of == input).peekable();
                places.peek().is_some() && places.all(|(_, axes)| axes & (1 << axis) == 0)
            };
            body.arguments().filter(is_same).filter_map(bytes).filter(|bytes| *bytes >= LARGE).sum()
        };
        let rounds = |axis: usize| {
            let size = emitter.number(sizes[axis])?;
            let count = ROUNDS.into_iter().find(|count| size % count == 0 && *count <= most)?;
            Some(Self { axis, count })
        };
        // Neighbours along the last dimension are the lanes of an access.
        let axes = (0..sizes.len() - 1).filter(|axis| saved(*axis) > 0);
        Ok(axes.max_by_key(|axis| saved(*axis)).and_then(rounds))
    }
}

/// What elements of inputs depend on: a set of the results' dimensions for each place where an input is read.
#[derive(Default)]
struct Reads<'c> {
    inputs: HashSet<(Value<'c>, u64)>,
    seen: HashSet<(Value<'c>, Vec<u64>)>,
}

impl<'c> Reads<'c> {
    /// Follows a tensor whose index in each dimension depends on these dimensions of the results.
    fn visit(&mut self, tensor: Value<'c>, at: &[u64]) -> Result {
        if !self.seen.insert((tensor, at.to_vec())) {
            return Ok(());
        }
        let all = at.iter().fold(0, |all, axes| all | axes);
        let Some((op, number)) = tensor.definer() else {
            self.inputs.insert((tensor, all));
            return Ok(());
        };
        match op.name() {
            "linalg.generic" => self.generic(op, number, at),
            "tensor.cast" | "tensor.extract_slice" => self.visit(op.operand(0), at),
            "tensor.insert_slice" => (0..2).try_for_each(|operand| self.visit(op.operand(operand), at)),
            _ => self.anywhere(op, all),
        }
    }

    fn generic(&mut self, op: Operation<'c>, number: usize, at: &[u64]) -> Result {
        let nest = Nest::of(op)?;
        let mut loops = vec![0; nest.count];
        for (index, axes) in nest.output(number).iter().zip(at) {
            if let Some(number) = index.as_loop() {
                loops[number] = *axes;
            }
        }
        for (operand, access) in nest.inputs() {
            let axes = |index: &Affine| {
                let mentioned = (0..nest.count).filter(|number| index.mentions(&|other| other == *number));
                mentioned.fold(0, |axes, number| axes | loops[number])
            };
            let at: Vec<u64> = access.iter().map(axes).collect();
            self.visit(operand, &at)?;
        }
        // Indices that are computed may depend on anything.
        let mut found = Vec::new();
        op.walk(|below| {
            if below.name() == "tensor.extract" {
                found.push(below);
            }
        });
        found.into_iter().try_for_each(|extract| self.anywhere(extract, u64::MAX))
    }

    /// Follows all tensors that an op reads.
    fn anywhere(&mut self, op: Operation<'c>, axes: u64) -> Result {
        for operand in op.operands() {
            if let Some(ty) = operand.ty().as_tensor() {
                self.visit(operand, &vec![axes; ty.rank()])?;
            }
        }
        Ok(())
    }
}
