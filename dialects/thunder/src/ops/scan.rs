//! Scans: what all elements along an axis up to each one become.

mod gradient;

use super::reduce::FEW;
use super::slice::END;
use crate::build::*;
use crate::checked_axis;
use crate::complex::{apart, part_type, polar};
use crate::compose::extents;
use thunder_interface::{
    Cost, Differentiate, Dim, Dtypes, EvalError, Parts, Precision, PrecisionClass, Reference, SampleSet, Samples,
    ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::{Carrier, DType, Tensor as HostTensor, TensorError, lanes};

/// Defines scans. Each line: docs, struct, name, the dtypes of its samples, their domain, and what a total and one more
/// element become, in `f64` and in `i64`; the total of the first element is that element.
macro_rules! scans {
    ($elements:ident $dtypes:ident $c1:tt: $($(#[$doc:meta])* $op:ident $name:literal $example:tt $flops:literal
        $low:literal..$high:literal, $float:expr, $integer:expr $(=> $parts:ident by $apart:expr)?;)*) => {$(
        $(#[$doc])*
        ///
        #[doc = $c1]
        /// - (C2) `axis` is a dimension of the operand
        ///
        /// ```mlir
        #[doc = $example]
        /// ```
        #[op($name, pure, same_type, verify, interfaces(Reference, ShapeRule, Differentiate, Cost, Precision $(, $parts)?))]
        pub struct $op {
            /// What is scanned.
            #[c(1)]
            operand: Operand<Tensor<$elements>>,
            /// The dimension to scan along.
            axis: Attr<i64>,
            out: Produces<Tensor<$elements>>,
        }

        impl Verify for $op<'_> {
            fn verify(&self) -> Result {
                let rank = self.operand().ty().as_tensor().map_or(0, |ty| ty.rank());
                checked_axis(self, self.axis(), rank, "(C2)").map(drop)
            }
        }

        impl ShapeRule for $op<'_> {
            fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
                Ok(vec![inputs.operands[0].clone()])
            }
        }

        impl Reference for $op<'_> {
            fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
                let (operand, axis) = (&inputs[0], self.axis() as usize);
                let is_float = operand.dtype().is_float();
                let totals = if is_float { scan(operand, axis, $float) } else { scan(operand, axis, $integer) };
                Ok(vec![totals?])
            }
        }

        $(impl $parts for $op<'_> {
            fn by_parts<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
                let rule: for<'o> fn(&Builder<'o>, &$op<'o>) -> Result<Vec<Value<'o>>> = $apart;
                rule(b, self)
            }
        })?

        impl Cost for $op<'_> {
            fn flops(&self, operands: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
                $flops * operands[0].iter().product::<i64>() as f64
            }
        }

        impl Precision for $op<'_> {
            fn precision(&self) -> PrecisionClass {
                PrecisionClass::Widen
            }
        }

        impl Samples for $op<'_> {
            fn samples(s: &mut SampleSet) {
                samples(s, $name, Dtypes::$dtypes, $low, $high);
                $({
                    let _: Option<&dyn $parts> = None;
                    for (dims, shape) in [("3x5", [3, 5]), ("3x17", [3, 17]), ("?x?", [2, 9]), ("2x0", [2, 0])] {
                        let ty = format!("tensor<{dims}x$T>");
                        let body = format!("%r = {} %x axis = 1 : {ty}\n  return %r : {ty}", $name);
                        s.add(Dtypes::COMPLEX, &format!("(%x: {ty}) -> {ty}"), &body, &[&shape]).ulps(1024.0);
                    }
                })?
            }
        }
    )*};
}

scans! {
    AnyNumber NUMBERS "- (C1) the operand is a tensor of numbers":

    /// Sum of all elements up to and including each one, along `axis`.
    ///
    /// Integers wrap in their own dtype. Half-precision sums are accumulated in at least single
    /// precision, and each is rounded once.
    Cumsum "thunder.cumsum" "%y = thunder.cumsum %x axis = 1 : tensor<2x3xf32>" 1.0
        -2.0..2.0, |total: f64, x| total + x, i64::wrapping_add => Parts by |b, op| apart(b, op);

    /// Product of all elements up to and including each one, along `axis`.
    ///
    /// Integers wrap in their own dtype. Half-precision products are accumulated in at least single
    /// precision, and each is rounded once.
    Cumprod "thunder.cumprod" "%y = thunder.cumprod %x axis = 1 : tensor<2x3xf32>" 1.0
        -1.5..1.5, |total: f64, x| total * x, i64::wrapping_mul => Parts by |b, op| products(b, op.operand(), op.axis());
}

scans! {
    Number NUMBERS "- (C1) the operand is a tensor of integers or floats":

    /// Largest of all elements up to and including each one, along `axis`; NaN once any is.
    Cummax "thunder.cummax" "%y = thunder.cummax %x axis = 1 : tensor<2x3xf32>" 1.0
        -2.0..2.0, |total: f64, x| if total.is_nan() || x <= total { total } else { x }, |total: i64, x| total.max(x);

    /// Smallest of all elements up to and including each one, along `axis`; NaN once any is.
    Cummin "thunder.cummin" "%y = thunder.cummin %x axis = 1 : tensor<2x3xf32>" 1.0
        -2.0..2.0, |total: f64, x| if total.is_nan() || x >= total { total } else { x }, |total: i64, x| total.min(x);
}

scans! {
    Float FLOATS "- (C1) the operand is a tensor of floats":

    /// Logarithm of the sum of exponentials of all elements up to and including each one, along `axis`.
    ///
    /// It neither overflows nor vanishes where its value does not. Half precision is computed in single
    /// precision and rounded once.
    Logcumsumexp "thunder.logcumsumexp" "%y = thunder.logcumsumexp %x axis = 1 : tensor<2x3xf32>" 20.0
        -8.0..8.0, log_sum, |total: i64, _| total;
}

/// `log(e^total + e^x)`.
fn log_sum(total: f64, x: f64) -> f64 {
    let (high, low) = if total >= x { (total, x) } else { (x, total) };
    let distance = low - high;
    // Equal infinities, or NaN.
    if distance.is_nan() { if low.is_nan() { low } else { high } } else { high + libm::log1p(libm::exp(distance)) }
}

/// Products of complex numbers with more and more before them: after a step over a distance, each is that of twice as
/// many (Hillis and Steele, 1986). Where they are many, they are computed by absolute values and angles.
fn products<'c>(b: &Builder<'c>, z: Value<'c>, axis: i64) -> Result<Vec<Value<'c>>> {
    let sizes = extents(b, z)?;
    let Some(size) = sizes[axis as usize].stated().filter(|size| *size <= FEW) else {
        return Ok(vec![polar(b, z, |moduli| b.cumprod(moduli, axis), |angles| b.cumsum(angles, axis))?]);
    };
    let (axis, rank) = (axis as usize, sizes.len());
    let one = Attribute::float(part_type(z.ty().element()), 1.0);
    let (mut products, mut distance) = (z, 1);
    while distance < size {
        let (mut limit, mut low) = (vec![END; rank], vec![0; rank]);
        (limit[axis], low[axis]) = (size - distance, distance);
        let before = b.slice(products, vec![0; rank], limit, vec![1; rank])?;
        products = b.mul(products, b.pad(before, low, vec![0; rank], vec![0; rank], one)?)?;
        distance *= 2;
    }
    Ok(vec![products])
}

fn scan<T: Carrier>(operand: &HostTensor, axis: usize, step: impl Fn(T, T) -> T) -> Result<HostTensor, TensorError> {
    lanes(operand, axis, operand.dtype(), operand.shape()[axis], |lane: &[T], totals: &mut [T]| {
        let mut total = None;
        for (x, place) in lane.iter().zip(totals) {
            let next = total.map_or(*x, |total| step(total, *x));
            (total, *place) = (Some(next), next);
        }
    })
}

fn samples(s: &mut SampleSet, name: &str, dtypes: Dtypes, low: f64, high: f64) {
    for (ty, axis, shape) in [
        ("tensor<3x37x$T>", 1, &[3, 37][..]),
        ("tensor<5x3x2x$T>", 0, &[5, 3, 2]),
        ("tensor<?x?x$T>", 1, &[2, 9]),
        ("tensor<0x4x$T>", 1, &[0, 4]),
        ("tensor<2x0x$T>", 1, &[2, 0]),
        ("tensor<1x$T>", 0, &[1]),
    ] {
        let body = format!("%r = {name} %x axis = {axis} : {ty}\n  return %r : {ty}");
        s.add(dtypes, &format!("(%x: {ty}) -> {ty}"), &body, &[shape]).domains(low, high).ulps(16.0);
    }
    let floats = Dtypes(if dtypes.0.contains(&DType::F32) { Dtypes::FLOATS.0 } else { &[] });
    let body = format!("%r = {name} %x axis = 1 : tensor<7x5x$T>\n  return %r : tensor<7x5x$T>");
    s.add(floats, "(%x: tensor<7x5x$T>) -> tensor<7x5x$T>", &body, &[&[7, 5]]).ulps(16.0).specials();
}
