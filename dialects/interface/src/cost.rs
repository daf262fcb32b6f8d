//! What an op costs, as far as its mathematics says.

/// The least work that an op needs, whoever does it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Work {
    /// Floating-point operations; a multiply-add is two.
    pub flops: f64,
    /// Bytes read from operands and written to results.
    pub bytes: f64,
}

/// The cost of an op, given concrete shapes.
pub trait Cost {
    /// The work for operands and results of these shapes, in elements; bytes are the caller's to
    /// count unless the op touches less than all of them.
    fn flops(&self, operands: &[Vec<i64>], results: &[Vec<i64>]) -> f64;
}

crate::interface!(Cost);
