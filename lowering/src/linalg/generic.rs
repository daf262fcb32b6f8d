//! `linalg.generic` and the index maps of its operands.

use super::arith::Arith;
use super::lowerer::Lowerer;
use std::fmt;
use thunder_ir::{Attribute, Blueprint, Builder, Result, Value};

/// One index of an operand, in terms of the loops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Index {
    /// The index of a loop.
    Loop(usize),
    /// Always 0: a dimension of size 1.
    Zero,
    /// Every `step`-th element from `start`, where `step` may be negative.
    Steps {
        /// The loop that counts the elements.
        at: usize,
        /// The first element.
        start: i64,
        /// The distance between elements.
        step: i64,
    },
    /// Where a sliding window's element is: `at * stride + within * dilation`.
    Window {
        /// The loop over the positions of the window.
        at: usize,
        /// The distance between positions.
        stride: i64,
        /// The loop over the elements of the window.
        within: usize,
        /// The distance between elements.
        dilation: i64,
    },
}

impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loop(i) => write!(f, "d{i}"),
            Self::Zero => f.write_str("0"),
            Self::Steps { at, start, step } => write!(f, "d{at} * {step} + {start}"),
            Self::Window { at, stride, within, dilation } => write!(f, "d{at} * {stride} + d{within} * {dilation}"),
        }
    }
}

/// Where an operand is read or written in each iteration: one index per dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map(pub Vec<Index>);

impl Map {
    /// The first `rank` loops in order.
    pub fn identity(rank: usize) -> Self {
        Self::loops(0..rank)
    }

    /// No indices: a scalar.
    pub fn none() -> Self {
        Self(Vec::new())
    }

    /// Some of the loops.
    pub fn loops(loops: impl IntoIterator<Item = usize>) -> Self {
        Self(loops.into_iter().map(Index::Loop).collect())
    }
}

/// What the iterations of a loop have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loop {
    /// Nothing.
    Parallel,
    /// They are combined.
    Reduction,
}

/// A `linalg.generic` about to be built.
pub struct Generic<'c> {
    loops: Vec<Loop>,
    inputs: Vec<(Value<'c>, Map)>,
    outputs: Vec<(Value<'c>, Map)>,
}

impl<'c> Generic<'c> {
    /// A nest of these loops, from the outermost.
    pub fn new(loops: Vec<Loop>) -> Self {
        Self { loops, inputs: Vec::new(), outputs: Vec::new() }
    }

    /// A nest of parallel loops.
    pub fn parallel(rank: usize) -> Self {
        Self::new(vec![Loop::Parallel; rank])
    }

    /// Adds an operand that is read.
    pub fn input(mut self, value: Value<'c>, map: Map) -> Self {
        self.inputs.push((value, map));
        self
    }

    /// Adds an operand whose elements are the first values of the result's.
    pub fn output(mut self, value: Value<'c>, map: Map) -> Self {
        self.outputs.push((value, map));
        self
    }

    /// Builds it. The body gets one element per input and then output, and returns one per output.
    pub fn build(
        self,
        lo: &Lowerer<'c>,
        body: impl FnOnce(Arith<'_, 'c>, &[Value<'c>]) -> Result<Vec<Value<'c>>>,
    ) -> Result<Vec<Value<'c>>> {
        self.build_at(lo.builder(), lo, body)
    }

    /// Builds it where another builder inserts.
    pub fn build_at(
        self,
        builder: &Builder<'c>,
        lo: &Lowerer<'c>,
        body: impl FnOnce(Arith<'_, 'c>, &[Value<'c>]) -> Result<Vec<Value<'c>>>,
    ) -> Result<Vec<Value<'c>>> {
        let cx = builder.context();
        let operands: Vec<&(Value<'c>, Map)> = self.inputs.iter().chain(&self.outputs).collect();
        let rank = self.loops.len();
        let maps: Vec<_> = operands.iter().map(|(_, map)| lo.affine_map(rank, map)).collect();
        let loops: Vec<_> = self.loops.iter().map(|kind| lo.iterator_type(*kind)).collect();
        let op = builder.insert(
            &Blueprint::new("linalg.generic")
                .operands(operands.iter().map(|(value, _)| *value))
                .results(self.outputs.iter().map(|(value, _)| value.ty()))
                .attribute("indexing_maps", Attribute::array(cx, &maps))
                .attribute("iterator_types", Attribute::array(cx, &loops))
                .attribute("operandSegmentSizes", lo.segments(&[self.inputs.len(), self.outputs.len()]))
                .regions(1),
        )?;
        let location = builder.location();
        let arguments: Vec<_> = operands.iter().map(|(value, _)| (value.ty().element(), location)).collect();
        let block = op.region(0).append_block(&arguments);
        builder.nested(|b| {
            b.at_end(block);
            let arguments: Vec<_> = block.arguments().collect();
            let values = body(Arith::at(b), &arguments)?;
            b.insert(&Blueprint::new("linalg.yield").operands(values))
        })?;
        Ok(op.results().collect())
    }
}

/// The index of a loop, inside of the body.
pub fn loop_index<'c>(code: Arith<'_, 'c>, number: usize) -> Result<Value<'c>> {
    let number = Attribute::i64(code.context(), number as i64);
    let index = thunder_ir::Type::index(code.context());
    let op = Blueprint::new("linalg.index").results([index]).attribute("dim", number);
    Ok(code.builder().insert(&op)?.result(0))
}
