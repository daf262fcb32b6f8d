//! Where the extreme element is.

use crate::axes::{host_shapes, reduced};
use crate::{checked_axis, infer_elements};
use thunder_interface::{
    Cost, Dim, Dtypes, EvalError, Precision, Reference, SampleSet, Samples, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor, lanes};

/// Defines reductions to a position. Each line: docs, struct, name, an example, and whether the
/// second value takes the place of the first, in `f64` and in `i64`.
macro_rules! arg_reductions {
    ($($(#[$doc:meta])* $op:ident $name:literal $example:tt, $float:expr, $integer:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// Equal elements: the first. NaN comes before every number.
        ///
        /// - (C1) the operand is a tensor of integers or floats
        /// - (C2) `axis` is a dimension of the operand
        /// - (C3) the operand has elements along `axis`
        ///
        /// ```mlir
        #[doc = $example]
        /// ```
        #[op($name, pure, infer, interfaces(Reference, ShapeRule, Cost, Precision))]
        pub struct $op {
            /// What is searched.
            #[c(1)]
            operand: Operand<Tensor<Number>>,
            /// The dimension to search along.
            axis: Attr<i64>,
            /// Whether it stays, with size 1.
            #[default(false)]
            keep_dims: Attr<bool>,
            out: Produces<Tensor<I64>>,
        }

        impl<'c> Infer<'c> for $op<'c> {
            fn infer(&self) -> Result<Vec<Type<'c>>> {
                infer_elements(self, &[Type::int(self.context(), 64)])
            }
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                let dims = &inputs.operands[0];
                let axis = checked_axis(self, self.axis(), dims.len(), "(C2)")?;
                if dims[axis] == Dim::Known(0) {
                    return Err(self.error(format!("(C3) the operand has no elements along axis {axis}")));
                }
                Ok(vec![reduced(dims, &[axis], self.keep_dims())])
            }
        }

        impl Reference for $op<'_> {
            fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
                let shape = host_shapes(self, inputs)?.remove(0);
                let (operand, axis) = (&inputs[0], self.axis() as usize);
                let places = if operand.dtype().is_float() {
                    lanes(operand, axis, DType::I64, 1, |lane: &[f64], place: &mut [i64]| {
                        place[0] = first(lane, $float);
                    })
                } else {
                    lanes(operand, axis, DType::I64, 1, |lane: &[i64], place: &mut [i64]| {
                        place[0] = first(lane, $integer);
                    })
                };
                Ok(vec![places?.reshape(shape)?])
            }
        }

        impl Cost for $op<'_> {
            fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                operands[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {}

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                arg_reduction_samples(s, $name);
            }
        }
    )*};
}

/// The position of the element that no later one displaces.
fn first<T: Copy>(lane: &[T], displaces: fn(T, T) -> bool) -> i64 {
    let mut best = 0;
    for (place, value) in lane.iter().enumerate() {
        if displaces(lane[best], *value) {
            best = place;
        }
    }
    best as i64
}

arg_reductions! {
    /// Position of the largest element along `axis`.
    Argmax "thunder.argmax" "%i = thunder.argmax %x axis = 1 : tensor<2x3xf32> -> tensor<2xi64>",
        |best, x| !best.is_nan() && (x.is_nan() || x > best), |best, x| x > best;

    /// Position of the smallest element along `axis`.
    Argmin "thunder.argmin" "%i = thunder.argmin %x axis = 0 keep_dims = true : tensor<2x3xf32> -> tensor<1x3xi64>",
        |best, x| !best.is_nan() && (x.is_nan() || x < best), |best, x| x < best;
}

fn arg_reduction_samples(s: &mut SampleSet, name: &str) {
    for (operand, attributes, result, shape) in [
        ("3x37x", "axis = 1", "3x", &[3, 37][..]),
        ("5x3x4x", "axis = 0 keep_dims = true", "1x3x4x", &[5, 3, 4]),
        ("9x", "axis = 0", "", &[9]),
        ("?x?x3x", "axis = 1", "?x3x", &[2, 5, 3]),
        ("0x4x", "axis = 1", "0x", &[0, 4]),
    ] {
        let body = format!(
            "%r = {name} %x {attributes} : tensor<{operand}$T> -> tensor<{result}i64>
             return %r : tensor<{result}i64>"
        );
        let signature = format!("(%x: tensor<{operand}$T>) -> tensor<{result}i64>");
        s.add(Dtypes::NUMBERS, &signature, &body, &[shape]);
    }
    let body = format!(
        "%r = {name} %x axis = 1 : tensor<17x5x$T> -> tensor<17xi64>
         return %r : tensor<17xi64>"
    );
    s.add(Dtypes::NUMBERS, "(%x: tensor<17x5x$T>) -> tensor<17xi64>", &body, &[&[17, 5]]).specials();
}
