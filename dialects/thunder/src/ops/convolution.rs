//! Convolutions.

mod gradient;

use super::linear::one_element_type;
use crate::axes::host_shapes;
use crate::build::*;
use crate::complex::bilinear;
use crate::compose::{broadcast, extents};
use crate::window::{Window, WindowAttributes};
use crate::{declared, infer_like};
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Library, LibraryCall, Parts, Precision, PrecisionClass, Reference,
    SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{Carrier, Tensor as HostTensor};

/// Convolution over one to three spatial dimensions, as neural networks mean it: the weight is not
/// mirrored.
///
/// `x` is `[batch, channels, space...]`, `weight` is `[features, channels / groups, window...]` and
/// the result `[batch, features, positions...]`. Feature `f` sees the channels of its group only.
/// There are `(space + low + high - dilation * (window - 1) - 1) / stride + 1` positions, rounded
/// down. Sums of floats are accumulated in at least single precision; integers wrap.
///
/// - (C1) all operands are tensors of numbers with one element type
/// - (C2) `x` and `weight` have one rank, from 3 to 5
/// - (C3) `stride`, `padding` and `dilation` have one entry per spatial dimension; steps are
///   positive, and a padding is a pair of sizes: before the first element, and after the last; none is beyond 2^40
/// - (C4) `groups` is positive and divides the features, and `groups` times the second dimension of
///   `weight` is the number of channels
/// - (C5) the window has elements, and fits in the padded operand
/// - (C6) `bias` has rank 1 and one element per feature
///
/// ```mlir
/// %y = thunder.convolution %x, %w stride = [2, 2] padding = [[1, 1], [1, 1]]
///   : (tensor<1x3x8x8xf32>, tensor<16x3x3x3xf32>) -> tensor<1x16x4x4xf32>
/// ```
#[op(
    "thunder.convolution",
    pure,
    infer,
    interfaces(Reference, ShapeRule, Differentiate, Library, Cost, Precision, Parts)
)]
pub struct Convolution {
    /// The channels of each batch element.
    #[c(1)]
    x: Operand<Tensor<AnyNumber>>,
    /// One window over its group's channels for each feature.
    #[c(1)]
    weight: Operand<Tensor<AnyNumber>>,
    /// What is added to each feature.
    #[c(1)]
    bias: OptionalOperand<Tensor<AnyNumber>>,
    /// The steps between positions, 1 unless given.
    #[c(3)]
    stride: OptionalAttr<Vec<i64>>,
    /// Zeros before and after each spatial dimension, none unless given.
    #[c(3)]
    padding: OptionalAttr<Vec<Vec<i64>>>,
    /// The steps between elements of the window, 1 unless given.
    #[c(3)]
    dilation: OptionalAttr<Vec<i64>>,
    /// Into how many groups channels and features are divided.
    #[default(1)]
    #[c(4)]
    groups: Attr<i64>,
    out: Produces<Tensor<AnyNumber>>,
}

impl<'c> Infer<'c> for Convolution<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_like(self)
    }
}

impl Convolution<'_> {
    fn window(&self, size: &[Dim]) -> Result<Window> {
        let attributes = WindowAttributes { stride: self.stride(), padding: self.padding(), dilation: self.dilation() };
        Window::new(self, size, &vec![1; size.len()], attributes, "(C3)")
    }
}

impl ShapeRule for Convolution<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        one_element_type(self, "(C1)")?;
        let (x, weight) = (&inputs.operands[0], &inputs.operands[1]);
        if x.len() != weight.len() || !(3..=5).contains(&x.len()) {
            let message = format!("(C2) ranks must be equal and from 3 to 5: {} and {}", x.len(), weight.len());
            return Err(self.error(message));
        }
        let window = self.window(&weight[2..])?;
        let groups = self.groups();
        if groups < 1 {
            return Err(self.error(format!("(C4) groups is {groups}, which is not positive")));
        }
        if let Some(features) = weight[0].known().filter(|features| features % groups != 0) {
            return Err(self.error(format!("(C4) {groups} groups do not divide {features} features")));
        }
        x[1].unify(&weight[1].mul(&Dim::Known(groups)))
            .map_err(|e| self.error(format!("(C4) channels of the operand and of all groups differ: {e}")))?;
        let positions = window.positions(self, &x[2..], "(C5)")?;
        let mut features = weight[0].clone();
        if let Some(bias) = inputs.operands.get(2) {
            if bias.len() != 1 {
                return Err(self.error(format!("(C6) the bias has rank {}", bias.len())));
            }
            features = features
                .unify(&bias[0])
                .map_err(|e| self.error(format!("(C6) features and elements of the bias differ: {e}")))?;
        }
        Ok(vec![[&[x[0].clone(), features], &positions[..]].concat()])
    }
}

impl Library for Convolution<'_> {
    /// With few features in a group, of which one may be all, products have no reuse: a loop nest does as well. Integers
    /// have no library.
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        const FEW: i64 = 4;
        if !self.x().ty().element().as_scalar().is_some_and(|scalar| scalar.is_float()) {
            return None;
        }
        let (groups, features) = (self.groups(), declared(self.weight().ty())[0].known());
        if groups > 1 && features.is_none_or(|features| features / groups < FEW) {
            return None;
        }
        let ones = || vec![1; declared(self.weight().ty()).len() - 2];
        let low = self.padding().map(|pairs| pairs.iter().map(|pair| pair[0]).collect());
        Some(LibraryCall::Convolution {
            x: self.x(),
            weight: self.weight(),
            bias: self.bias(),
            stride: self.stride().unwrap_or_else(ones),
            low: low.unwrap_or_else(|| ones().iter().map(|_| 0).collect()),
            dilation: self.dilation().unwrap_or_else(ones),
            groups,
        })
    }
}

impl Parts for Convolution<'_> {
    fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let convolved = bilinear(b, [self.x(), self.weight()], |x, weight| {
            let (stride, padding, dilation) = (self.stride(), self.padding(), self.dilation());
            b.convolution(x, weight, None, stride, padding, dilation, self.groups())
        })?;
        let Some(bias) = self.bias() else { return Ok(vec![convolved]) };
        Ok(vec![b.add(convolved, broadcast(b, bias, &[1], &extents(b, convolved)?)?)?])
    }
}

impl Reference for Convolution<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        if inputs[0].dtype().is_float() {
            return self.sums(inputs, |x: f64, y| x + y);
        }
        self.sums(inputs, i64::wrapping_add)
    }
}

impl Convolution<'_> {
    fn sums<C: Carrier>(&self, inputs: &[HostTensor], add: fn(C, C) -> C) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let (x, weight) = (&inputs[0], &inputs[1]);
        let dims: Vec<Dim> = weight.shape()[2..].iter().map(|size| Dim::Known(*size as i64)).collect();
        let window = self.window(&dims).map_err(|e| EvalError::Input(e.message()))?;
        let space = &x.shape()[2..];
        let reads = window.reads(space, &shape[2..])?;
        let (batch, features, positions) = (shape[0], shape[1], shape[2..].iter().product::<usize>());
        let (area, channels) = (space.iter().product::<usize>(), weight.shape()[1]);
        let taps: usize = weight.shape()[2..].iter().product();
        let groups = self.groups() as usize;
        let source = x.to_vec::<C>();
        let weight = weight.cast(C::DTYPE).reshape([groups, features / groups, channels * taps])?;
        let bias = inputs.get(2).map(|bias| bias.to_vec::<C>());
        let mut out = Vec::with_capacity(batch * features * positions);
        for item in 0..batch {
            let mut patches = Vec::with_capacity(groups * channels * taps * positions);
            for channel in 0..groups * channels {
                let base = (item * groups * channels + channel) * area;
                for tap in 0..taps {
                    let read = |position: usize| reads[position * taps + tap].map(|place| source[base + place]);
                    patches.extend((0..positions).map(|position| read(position).unwrap_or_default()));
                }
            }
            let patches = HostTensor::from_vec([groups, channels * taps, positions], patches)?;
            let mut sums = thunder_tensor::matmul(&weight, &patches, C::DTYPE)?.to_vec::<C>();
            if let Some(bias) = &bias {
                let features = sums.chunks_mut(positions.max(1)).zip(bias);
                features.for_each(|(row, bias)| row.iter_mut().for_each(|sum| *sum = add(*sum, *bias)));
            }
            out.extend(sums);
        }
        Ok(vec![HostTensor::from_values(x.dtype(), shape, out)?])
    }
}

impl Cost for Convolution<'_> {
    fn flops(&self, operands: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        let window: i64 = operands[1][1..].iter().product();
        2.0 * window as f64 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Convolution<'_> {
    fn precision(&self) -> PrecisionClass {
        PrecisionClass::Lower
    }
}

impl Samples for Convolution<'_> {
    fn samples(s: &mut SampleSet) {
        for (x, weight, attributes, out, [xs, ws]) in [
            ("2x3x17x", "5x3x3x", "", "2x5x15x", [&[2, 3, 17][..], &[5, 3, 3]]),
            (
                "1x3x9x11x",
                "4x3x3x3x",
                "stride = [2, 1] padding = [[1, 1], [0, 2]]",
                "1x4x5x11x",
                [&[1, 3, 9, 11], &[4, 3, 3, 3]],
            ),
            ("2x6x8x7x", "9x2x3x2x", "dilation = [2, 3] groups = 3", "2x9x4x4x", [&[2, 6, 8, 7], &[9, 2, 3, 2]]),
            (
                "1x4x5x5x",
                "4x1x3x3x",
                "padding = [[1, 1], [1, 1]] groups = 4",
                "1x4x5x5x",
                [&[1, 4, 5, 5], &[4, 1, 3, 3]],
            ),
            ("1x2x4x5x3x", "3x2x2x2x2x", "stride = [1, 2, 1]", "1x3x3x2x2x", [&[1, 2, 4, 5, 3], &[3, 2, 2, 2, 2]]),
            (
                "?x3x?x?x",
                "4x3x3x3x",
                "stride = [2, 2] padding = [[1, 1], [1, 1]]",
                "?x4x?x?x",
                [&[2, 3, 7, 8], &[4, 3, 3, 3]],
            ),
            ("?x?x?x", "?x?x?x", "", "?x?x?x", [&[2, 3, 5], &[4, 3, 2]]),
            ("0x3x5x5x", "4x3x1x1x", "", "0x4x5x5x", [&[0, 3, 5, 5], &[4, 3, 1, 1]]),
        ] {
            let (x, weight, out) =
                (format!("tensor<{x}$T>"), format!("tensor<{weight}$T>"), format!("tensor<{out}$T>"));
            let body =
                format!("%r = thunder.convolution %x, %w {attributes} : ({x}, {weight}) -> {out}\n  return %r : {out}");
            let signature = format!("(%x: {x}, %w: {weight}) -> {out}");
            s.add(Dtypes::NUMBERS, &signature, &body, &[xs, ws]).ulps(64.0);
        }
        s.add(
            Dtypes::NUMBERS,
            "(%x: tensor<2x3x6x6x$T>, %w: tensor<5x3x3x3x$T>, %b: tensor<5x$T>) -> tensor<2x5x4x4x$T>",
            "%r = thunder.convolution %x, %w bias(%b)
               : (tensor<2x3x6x6x$T>, tensor<5x3x3x3x$T>, tensor<5x$T>) -> tensor<2x5x4x4x$T>
             return %r : tensor<2x5x4x4x$T>",
            &[&[2, 3, 6, 6], &[5, 3, 3, 3], &[5]],
        )
        .ulps(64.0);
    }
}
