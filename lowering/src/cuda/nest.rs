//! A `linalg.generic` taken apart: its loops, and where each iteration reads and writes.

use thunder_ir::{Block, Operation, Result, Value};

use super::affine::Affine;
use super::emitter::Emitter;
use super::lanes::Index;
use crate::access::Access;

/// The loops of an op.
pub struct Nest<'c> {
    /// The op.
    pub op: Operation<'c>,
    /// The block that computes one iteration.
    pub body: Block<'c>,
    /// The loops that combine.
    pub reductions: Vec<usize>,
    /// How many loops there are.
    pub count: usize,
    accesses: Vec<Vec<Affine>>,
}

impl<'c> Nest<'c> {
    /// Reads an op.
    pub fn of(op: Operation<'c>) -> Result<Self> {
        let body = op.region(0).entry().ok_or_else(|| op.error("has no body"))?;
        let iterators = op.attribute("iterator_types").and_then(|a| a.as_array()).unwrap_or_default();
        let is_reduction = |number: &usize| iterators[*number].to_string().contains("reduction");
        let reductions = (0..iterators.len()).filter(is_reduction).collect();
        let mut accesses = Vec::new();
        for access in Access::all_of(op)? {
            let parsed: Option<Vec<_>> = access.indices().iter().map(|index| Affine::parse(index)).collect();
            accesses.push(parsed.ok_or_else(|| op.error(format!("internal: '{access}' is no index map")))?);
        }
        Ok(Self { op, body, reductions, count: iterators.len(), accesses })
    }

    /// Whether it combines elements.
    pub fn is_reduction(&self) -> bool {
        !self.reductions.is_empty()
    }

    /// How many operands are read only.
    pub fn input_count(&self) -> usize {
        self.accesses.len() - self.op.result_count()
    }

    /// The operands that are read and used, with their indices.
    pub fn inputs(&self) -> impl Iterator<Item = (Value<'c>, &[Affine])> {
        let used = (0..self.input_count()).filter(|number| !self.body.argument(*number).is_unused());
        used.map(|number| (self.op.operand(number), self.accesses[number].as_slice()))
    }

    /// The indices of an operand.
    pub fn access(&self, operand: usize) -> &[Affine] {
        &self.accesses[operand]
    }

    /// The indices of a result.
    pub fn output(&self, number: usize) -> &[Affine] {
        &self.accesses[self.input_count() + number]
    }

    /// Whether operand `number` is read at all loops in order.
    pub fn is_identity(&self, operand: usize) -> bool {
        let access = &self.accesses[operand];
        access.len() == self.count && access.iter().enumerate().all(|(at, index)| index.as_loop() == Some(at))
    }

    /// The loops at the indices of a result, as far as these tell.
    pub fn loops_at(&self, result: usize, at: &[Option<Index<'c>>]) -> Vec<Option<Index<'c>>> {
        let mut loops = vec![None; self.count];
        for (index, place) in self.output(result).iter().zip(at) {
            if let Some(number) = index.as_loop() {
                loops[number] = place.clone();
            }
        }
        loops
    }

    /// The number of iterations of a loop.
    pub fn extent(&self, emitter: &mut Emitter<'_, 'c>, number: usize) -> Result<Value<'c>> {
        let (operand, axis) = self
            .place(number)
            .ok_or_else(|| self.op.error(format!("internal: nothing tells how long loop {number} is")))?;
        emitter.size(self.op.operand(operand), axis)
    }

    /// The number of iterations of a loop, where types tell it.
    pub fn known_extent(&self, number: usize) -> Option<i64> {
        let places = self.accesses.iter().enumerate().flat_map(|(operand, access)| {
            access
                .iter()
                .enumerate()
                .filter(|(_, index)| index.as_loop() == Some(number))
                .map(move |(axis, _)| (operand, axis))
        });
        places
            .into_iter()
            .find_map(|(operand, axis)| self.op.operand(operand).ty().as_tensor().and_then(|ty| ty.dims()[axis]))
    }

    /// An operand and the dimension of it that a loop goes over.
    fn place(&self, number: usize) -> Option<(usize, usize)> {
        self.accesses.iter().enumerate().find_map(|(operand, access)| {
            access.iter().position(|index| index.as_loop() == Some(number)).map(|axis| (operand, axis))
        })
    }
}
