//! Reductions of segments, which follow one another along a dimension.

use thunder_trace::{DType, Reduction, Scalar, Tensor};

use super::scatter::{How, put};
use super::{Entry, one};
use crate::arguments::{Answer, Call, ensure, gap};

pub(super) const OPS: &[Entry] = &[one(&["aten.segment_reduce.default"], reduced)];

fn reduced<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, initial) = (c.tensor("data")?, c.optional_scalar("initial")?);
    let lengths = match (c.optional("lengths")?, c.optional("offsets")?) {
        (Some(lengths), _) => lengths,
        (None, Some(offsets)) => offsets.slice(-1, 1..) - offsets.slice(-1, ..-1),
        (None, None) => return gap("indices"),
    };
    let (rank, outer) = (x.rank(), lengths.rank().saturating_sub(1));
    let axis = c.int_or("axis", 0)?;
    let is_last = lengths.rank() > 0 && outer < rank && [axis, axis + rank as i64].contains(&(outer as i64));
    ensure(is_last, format!("segments {lengths} along dimension {axis} of {x}"))?;
    let (how, none) = match c.word_or("reduce", "")? {
        "sum" | "mean" => (How::Add, 0.0),
        "prod" => (How::Reduce(Reduction::Prod), 1.0),
        "max" => (How::Reduce(Reduction::Amax), f64::NEG_INFINITY),
        "min" => (How::Reduce(Reduction::Amin), f64::INFINITY),
        other => return gap(format!("reduce '{other}'")),
    };
    let spread = |x: Tensor<'t>| (outer + 1..rank).fold(x, |x, _| x.unsqueeze(-1));
    // An element is in the first segment that ends behind it.
    let places = c.cx.arange(x.size(outer as i64), DType::I64).expand(&x.shape()[..=outer]);
    let segment = lengths.cumsum(-1).searchsorted(places, true);
    let start = c.cx.full(c.dims()?, initial.unwrap_or(Scalar::Float(none)), x.dtype());
    let total = put(start, outer as i64, spread(segment).expand(x.shape()), x, how)?;
    if c.word_or("reduce", "")? != "mean" {
        return Ok(total);
    }
    let counts = spread(lengths.to(x.dtype()));
    let mean = total / counts.maximum(1.0);
    Ok(if initial.is_some() { mean } else { counts.eq(0).where_(f64::NAN, mean) })
}
