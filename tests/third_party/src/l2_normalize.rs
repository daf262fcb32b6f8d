//! Vectors of length one.

use thunder_dialect::build::*;
use thunder_dialect::compose::{broadcast, converted, extents, full, widened};
use thunder_interface::{Decompose, Dtypes, EvalError, Reference, SampleSet, Samples};
use thunder_ir::prelude::*;
use thunder_tensor::{Tensor as HostTensor, lanes};

/// The operand divided by its euclidean length along `axis`, or by `epsilon` where it is shorter.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) `axis` is a dimension of the operand
///
/// ```mlir
/// %y = acme.l2_normalize %x axis = 1 : tensor<4x8xf32>
/// ```
#[op("acme.l2_normalize", pure, same_type, verify, interfaces(Reference, Decompose))]
pub struct L2Normalize {
    /// The vectors.
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The dimension along which they lie.
    axis: Attr<i64>,
    /// The smallest length to divide by.
    #[default(1e-6)]
    epsilon: Attr<f64>,
    out: Produces<Tensor<Float>>,
}

impl Verify for L2Normalize<'_> {
    fn verify(&self) -> Result {
        let (axis, rank) = (self.axis(), self.operand().ty().as_tensor().map_or(0, |ty| ty.rank()));
        if (0..rank as i64).contains(&axis) {
            return Ok(());
        }
        Err(self.error(format!("(C2) axis {axis} is not one of {rank} dimensions")))
    }
}

impl Reference for L2Normalize<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let (operand, axis) = (&inputs[0], self.axis() as usize);
        let length = operand.shape()[axis];
        let out = lanes(operand, axis, operand.dtype(), length, |lane: &[f64], out: &mut [f64]| {
            let norm = libm::sqrt(lane.iter().map(|x| x * x).sum());
            let divisor = f64::max(norm, self.epsilon());
            lane.iter().zip(out).for_each(|(x, out)| *out = x / divisor);
        });
        Ok(vec![out?])
    }
}

impl Decompose for L2Normalize<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let x = widened(b, self.operand())?;
        let sizes = extents(b, x)?;
        let kept: Vec<usize> = (0..sizes.len()).filter(|dim| *dim as i64 != self.axis()).collect();
        let lengths = b.sqrt(b.sum(b.mul(x, x)?, vec![self.axis()], false)?)?;
        let rest: Vec<_> = kept.iter().map(|dim| sizes[*dim]).collect();
        let divisors = b.maximum(lengths, full(b, x.ty().element(), self.epsilon(), &rest)?)?;
        let y = b.div(x, broadcast(b, divisors, &kept, &sizes)?)?;
        Ok(vec![converted(b, y, self.operand().ty().element())?])
    }
}

impl Samples for L2Normalize<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, axis, shape) in [
            ("tensor<3x37x$T>", 1, &[3, 37][..]),
            ("tensor<5x2x3x$T>", 0, &[5, 2, 3]),
            ("tensor<?x?x$T>", 1, &[3, 9]),
            ("tensor<0x4x$T>", 1, &[0, 4]),
        ] {
            let body = format!("%r = acme.l2_normalize %x axis = {axis} : {ty}\n  return %r : {ty}");
            s.add(Dtypes::FLOATS, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).ulps(16.0);
        }
    }
}
