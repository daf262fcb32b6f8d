//! Pools: what a window sees becomes one element.

mod gradient;

use crate::axes::host_shapes;
use crate::window::{Window, WindowAttributes};
use crate::{infer_elements, infer_like};
use thunder_interface::{
    Cost, Decompose, Differentiate, Dim, Dtypes, EvalError, Precision, Reference, SampleSet, Samples, ShapeInputs,
    ShapeRule,
};
use thunder_ir::op::Op;
use thunder_ir::prelude::*;
use thunder_tensor::{Carrier, DType, Tensor as HostTensor};

/// Largest element of each window over the spatial dimensions of `[batch, channels, space...]`.
///
/// NaN if any element is. Padding is never the largest; a window of padding alone gives negative
/// infinity, or the least integer. Positions are counted as by `thunder.convolution`.
///
/// - (C1) the operand is a tensor of integers or floats
/// - (C2) the operand has rank 3 to 5, and `window` one entry per spatial dimension
/// - (C3) so have `stride`, `padding` and `dilation`; steps are positive, and a padding is a pair of
///   sizes: before the first element, and after the last; none is beyond 2^40
/// - (C4) the window has elements, and fits in the padded operand
///
/// ```mlir
/// %y = thunder.max_pool %x window = [2, 2] : tensor<1x8x6x6xf32> -> tensor<1x8x3x3xf32>
/// ```
#[op("thunder.max_pool", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision))]
pub struct MaxPool {
    /// The channels of each batch element.
    #[c(1)]
    operand: Operand<Tensor<Number>>,
    /// The elements that a window has.
    #[c(2)]
    window: Attr<Vec<i64>>,
    /// The steps between positions, the size of the window unless given.
    #[c(3)]
    stride: OptionalAttr<Vec<i64>>,
    /// Padding before and after each spatial dimension, none unless given.
    #[c(3)]
    padding: OptionalAttr<Vec<Vec<i64>>>,
    /// The steps between elements of the window, 1 unless given.
    #[c(3)]
    dilation: OptionalAttr<Vec<i64>>,
    out: Produces<Tensor<Number>>,
}

impl MaxPool<'_> {
    fn attributes(&self) -> WindowAttributes {
        WindowAttributes { stride: self.stride(), padding: self.padding(), dilation: self.dilation() }
    }
}

impl<'c> Infer<'c> for MaxPool<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl Reference for MaxPool<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let window = window_of(self, &self.window(), inputs[0].rank(), self.attributes());
        let dtype = inputs[0].dtype();
        if !dtype.is_float() {
            let least = dtype.min_value() as i64;
            return pool(self, window, &inputs[0], dtype, |lane: &[i64], _| lane.iter().fold(least, |x, y| x.max(*y)));
        }
        pool(self, window, &inputs[0], dtype, |lane: &[f64], _| {
            let larger = |best: f64, x: &f64| if x.is_nan() || *x > best { *x } else { best };
            lane.iter().fold(f64::NEG_INFINITY, larger)
        })
    }
}

const MAX_POOLS: [(&str, &str, &str, &[usize]); 6] = [
    ("2x3x17x", "window = [3]", "2x3x5x", &[2, 3, 17]),
    ("1x3x7x9x", "window = [3, 2] stride = [2, 1] padding = [[1, 1], [0, 1]]", "1x3x4x9x", &[1, 3, 7, 9]),
    ("1x2x9x8x", "window = [2, 3] stride = [1, 1] dilation = [3, 2]", "1x2x6x4x", &[1, 2, 9, 8]),
    ("1x2x4x4x5x", "window = [2, 2, 2]", "1x2x2x2x2x", &[1, 2, 4, 4, 5]),
    ("?x3x?x?x", "window = [2, 2]", "?x3x?x?x", &[2, 3, 6, 5]),
    ("0x3x4x4x", "window = [2, 2]", "0x3x2x2x", &[0, 3, 4, 4]),
];

impl Samples for MaxPool<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, attributes, out, shape) in MAX_POOLS {
            pool_sample(s, Dtypes::NUMBERS, "thunder.max_pool", ty, attributes, out, shape);
        }
        pool_sample(s, Dtypes::FLOATS, "thunder.max_pool", "2x3x17x", "window = [2]", "2x3x8x", &[2, 3, 17]).specials();
    }
}

/// Where the largest element of each window is: its number in row-major order of the spatial dimensions.
///
/// The windows are those of `thunder.max_pool`. Of equal elements it is the first; NaN is larger than every number.
/// Padding counts as negative infinity, or as the least integer, and is in the place after the last.
///
/// - (C1) the operand is a tensor of integers or floats
/// - (C2) the operand has rank 3 to 5, and `window` one entry per spatial dimension
/// - (C3) so have `stride`, `padding` and `dilation`; steps are positive, and a padding is a pair of
///   sizes: before the first element, and after the last; none is beyond 2^40
/// - (C4) the window has elements, and fits in the padded operand
///
/// ```mlir
/// %i = thunder.max_pool_index %x window = [2, 2] : tensor<1x8x6x6xf32> -> tensor<1x8x3x3xi64>
/// ```
#[op("thunder.max_pool_index", pure, infer, interfaces(Reference, ShapeRule, Decompose, Cost, Precision))]
pub struct MaxPoolIndex {
    /// The channels of each batch element.
    #[c(1)]
    operand: Operand<Tensor<Number>>,
    /// The elements that a window has.
    #[c(2)]
    window: Attr<Vec<i64>>,
    /// The steps between positions, the size of the window unless given.
    #[c(3)]
    stride: OptionalAttr<Vec<i64>>,
    /// Padding before and after each spatial dimension, none unless given.
    #[c(3)]
    padding: OptionalAttr<Vec<Vec<i64>>>,
    /// The steps between elements of the window, 1 unless given.
    #[c(3)]
    dilation: OptionalAttr<Vec<i64>>,
    out: Produces<Tensor<I64>>,
}

impl MaxPoolIndex<'_> {
    fn attributes(&self) -> WindowAttributes {
        WindowAttributes { stride: self.stride(), padding: self.padding(), dilation: self.dilation() }
    }
}

impl<'c> Infer<'c> for MaxPoolIndex<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_elements(self, &[Type::int(self.context(), 64)])
    }
}

impl Reference for MaxPoolIndex<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let window = window_of(self, &self.window(), inputs[0].rank(), self.attributes());
        let area = inputs[0].shape()[2..].iter().product::<usize>();
        let dtype = inputs[0].dtype();
        let places = if dtype.is_float() {
            let larger = |x: f64, best: f64| !best.is_nan() && (x.is_nan() || x > best);
            seen(self, window, &inputs[0], |lane, reads| first(lane, reads, f64::NEG_INFINITY, area, larger))?
        } else {
            let least = dtype.min_value() as i64;
            seen(self, window, &inputs[0], |lane, reads| first(lane, reads, least, area, |x, best| x > best))?
        };
        Ok(vec![HostTensor::from_values(DType::I64, places.0, places.1)?])
    }
}

/// The place of the first of the largest elements of a window; what is no element is `least`, in the place `area`.
fn first<C: Carrier>(
    lane: &[C],
    reads: &[Option<usize>],
    least: C,
    area: usize,
    is_larger: impl Fn(C, C) -> bool,
) -> i64 {
    let mut lane = lane.iter();
    let (mut best, mut place) = (least, None);
    for read in reads {
        let (x, at) = read.map_or((least, area), |at| (*lane.next().unwrap_or(&least), at));
        if place.is_none() || is_larger(x, best) {
            (best, place) = (x, Some(at));
        }
    }
    place.unwrap_or(area) as i64
}

impl Samples for MaxPoolIndex<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, attributes, out, shape) in MAX_POOLS {
            index_sample(s, Dtypes::NUMBERS, ty, attributes, out, shape);
        }
        index_sample(s, Dtypes::FLOATS, "2x3x17x", "window = [2]", "2x3x8x", &[2, 3, 17]).specials();
    }
}

/// Arithmetic mean of each window over the spatial dimensions of `[batch, channels, space...]`.
///
/// Padding counts as zeros. With `count_include_pad = false` it does not count at all, and a window
/// of padding alone gives NaN. Positions are counted as by `thunder.convolution`. Sums are
/// accumulated in at least single precision.
///
/// - (C1) the operand is a tensor of floats
/// - (C2) the operand has rank 3 to 5, and `window` one entry per spatial dimension
/// - (C3) so have `stride` and `padding`; steps are positive, and a padding is a pair of sizes:
///   before the first element, and after the last; none is beyond 2^40
/// - (C4) the window has elements, and fits in the padded operand
///
/// ```mlir
/// %y = thunder.avg_pool %x window = [2, 2] stride = [1, 1] : tensor<1x8x6x6xf32> -> tensor<1x8x5x5xf32>
/// ```
#[op("thunder.avg_pool", pure, infer, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision))]
pub struct AvgPool {
    /// The channels of each batch element.
    #[c(1)]
    operand: Operand<Tensor<Float>>,
    /// The elements that a window has.
    #[c(2)]
    window: Attr<Vec<i64>>,
    /// The steps between positions, the size of the window unless given.
    #[c(3)]
    stride: OptionalAttr<Vec<i64>>,
    /// Padding before and after each spatial dimension, none unless given.
    #[c(3)]
    padding: OptionalAttr<Vec<Vec<i64>>>,
    /// Whether padding counts among the elements.
    #[default(true)]
    count_include_pad: Attr<bool>,
    out: Produces<Tensor<Float>>,
}

impl AvgPool<'_> {
    fn attributes(&self) -> WindowAttributes {
        WindowAttributes { stride: self.stride(), padding: self.padding(), dilation: None }
    }
}

impl<'c> Infer<'c> for AvgPool<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl Reference for AvgPool<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let window = window_of(self, &self.window(), inputs[0].rank(), self.attributes());
        let counts_padding = self.count_include_pad();
        pool(self, window, &inputs[0], inputs[0].dtype(), |lane: &[f64], reads| {
            lane.iter().sum::<f64>() / if counts_padding { reads.len() } else { lane.len() } as f64
        })
    }
}

impl Samples for AvgPool<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, attributes, out, shape) in [
            ("2x3x17x", "window = [3]", "2x3x5x", &[2, 3, 17][..]),
            ("1x3x7x9x", "window = [3, 2] stride = [2, 1] padding = [[1, 1], [0, 1]]", "1x3x4x9x", &[1, 3, 7, 9]),
            (
                "1x3x7x9x",
                "window = [3, 3] stride = [2, 2] padding = [[1, 1], [1, 1]] count_include_pad = false",
                "1x3x4x5x",
                &[1, 3, 7, 9],
            ),
            ("1x2x4x4x5x", "window = [2, 2, 2]", "1x2x2x2x2x", &[1, 2, 4, 4, 5]),
            ("?x3x?x?x", "window = [2, 2]", "?x3x?x?x", &[2, 3, 6, 5]),
            ("0x3x4x4x", "window = [2, 2]", "0x3x2x2x", &[0, 3, 4, 4]),
        ] {
            pool_sample(s, Dtypes::FLOATS, "thunder.avg_pool", ty, attributes, out, shape);
        }
    }
}

/// What all pools share beyond their reference.
macro_rules! pools {
    ($($op:ident),*) => {$(
        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                let dims = &inputs.operands[0];
                let window = window_of(self, &self.window(), dims.len(), self.attributes())?;
                Ok(vec![[&dims[..2], &window.positions(self, &dims[2..], "(C4)")?].concat()])
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
                self.window().iter().product::<i64>() as f64 * results[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {}
    )*};
}

pools!(MaxPool, MaxPoolIndex, AvgPool);

fn window_of<'c>(op: &impl Op<'c>, sizes: &[i64], rank: usize, attributes: WindowAttributes) -> Result<Window> {
    if !(3..=5).contains(&rank) || sizes.len() + 2 != rank {
        let message = format!("(C2) a window of {} dimensions over an operand of rank {rank}", sizes.len());
        return Err(op.error(message));
    }
    let dims: Vec<Dim> = sizes.iter().map(|size| Dim::Known(*size)).collect();
    Window::new(op, &dims, sizes, attributes, "(C3)")
}

/// What [`seen`] says, in a dtype.
fn pool<'c, C: Carrier>(
    op: &(impl Op<'c> + ShapeRule),
    window: Result<Window>,
    operand: &HostTensor,
    dtype: DType,
    f: impl Fn(&[C], &[Option<usize>]) -> C,
) -> Result<Vec<HostTensor>, EvalError> {
    let (shape, values) = seen(op, window, operand, f)?;
    Ok(vec![HostTensor::from_values(dtype, shape, values)?])
}

/// What `f` makes of the elements of each window that are no padding, with the places of all, which padding lacks; and the
/// sizes of the result.
fn seen<'c, C: Carrier, T>(
    op: &(impl Op<'c> + ShapeRule),
    window: Result<Window>,
    operand: &HostTensor,
    f: impl Fn(&[C], &[Option<usize>]) -> T,
) -> Result<(Vec<usize>, Vec<T>), EvalError> {
    let shape = host_shapes(op, std::slice::from_ref(operand))?.remove(0);
    let window = window.map_err(|e| EvalError::Input(e.message()))?;
    let space = &operand.shape()[2..];
    let reads = window.reads(space, &shape[2..])?;
    let taps: usize = window.taps()?.iter().product();
    let area: usize = space.iter().product();
    let source = operand.to_vec::<C>();
    let mut out = Vec::new();
    let mut lane = Vec::with_capacity(taps);
    for channel in 0..shape[0] * shape[1] {
        let base = channel * area;
        for reads in reads.chunks(taps) {
            lane.clear();
            lane.extend(reads.iter().flatten().map(|place| source[base + place]));
            out.push(f(&lane, reads));
        }
    }
    Ok((shape, out))
}

fn pool_sample<'s>(
    s: &'s mut SampleSet,
    dtypes: Dtypes,
    name: &str,
    ty: &str,
    attributes: &str,
    out: &str,
    shape: &[usize],
) -> &'s mut thunder_interface::Sample {
    let (ty, out) = (format!("tensor<{ty}$T>"), format!("tensor<{out}$T>"));
    let body = format!("%r = {name} %x {attributes} : {ty} -> {out}\n  return %r : {out}");
    s.add(dtypes, &format!("(%x: {ty}) -> {out}"), &body, &[shape]).ulps(16.0)
}

fn index_sample<'s>(
    s: &'s mut SampleSet,
    dtypes: Dtypes,
    ty: &str,
    attributes: &str,
    out: &str,
    shape: &[usize],
) -> &'s mut thunder_interface::Sample {
    let (ty, out) = (format!("tensor<{ty}$T>"), format!("tensor<{out}i64>"));
    let body = format!("%r = thunder.max_pool_index %x {attributes} : {ty} -> {out}\n  return %r : {out}");
    s.add(dtypes, &format!("(%x: {ty}) -> {out}"), &body, &[shape])
}
