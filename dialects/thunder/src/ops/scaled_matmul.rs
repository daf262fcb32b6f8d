//! Products of matrices of floats of 8 bits.

use crate::axes::host_shapes;
use crate::build::*;
use crate::compose::{broadcast, converted, extents};
use thunder_interface::{
    Cost, Decompose, Dim, Dtypes, EvalError, Library, LibraryCall, Precision, PrecisionClass, Reference, SampleSet,
    Samples, ShapeInputs, ShapeRule, dtype_of,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// Matrix product of floats of 8 bits, which are numbers when they are multiplied with their scales:
/// `lhs * rhs * lhs_scale * rhs_scale + bias`.
///
/// Sums are in single precision, of which tensor cores for such floats keep about 14 bits, and rounded once to the type of the
/// result. This is PyTorch's `_scaled_mm` with one scale for each matrix.
///
/// - (C1) `lhs` and `rhs` are matrices of floats of 8 bits, the scales are floats of rank 0, `bias` has rank 1
/// - (C2) `lhs` has as many columns as `rhs` has rows
/// - (C3) `bias` has the element type of the result, and as many elements as `rhs` has columns
/// - (C4) the result has the rows of `lhs` and the columns of `rhs`
///
/// ```mlir
/// %y = thunder.scaled_matmul %x, %w, %s, %t : (tensor<8x16xf8E4M3FN>, tensor<16x32xf8E4M3FN>, tensor<f32>, tensor<f32>) -> tensor<8x32xbf16>
/// ```
#[op("thunder.scaled_matmul", pure, verify, interfaces(Reference, ShapeRule, Decompose, Library, Cost, Precision))]
pub struct ScaledMatmul {
    #[c(1)]
    lhs: Operand<Ranked<Float8, 2>>,
    #[c(1)]
    rhs: Operand<Ranked<Float8, 2>>,
    /// What elements of `lhs` are multiplied with.
    #[c(1)]
    lhs_scale: Operand<Ranked<Float, 0>>,
    /// What elements of `rhs` are multiplied with.
    #[c(1)]
    rhs_scale: Operand<Ranked<Float, 0>>,
    /// What is added to each row.
    #[c(1)]
    bias: OptionalOperand<Ranked<Float, 1>>,
    out: Produces<Ranked<Float, 2>>,
}

impl Verify for ScaledMatmul<'_> {
    fn verify(&self) -> Result {
        let dims = |value: Value<'_>| value.ty().as_tensor().map(|ty| ty.dims()).unwrap_or_default();
        let differ = |a: Option<i64>, b: Option<i64>| matches!((a, b), (Some(a), Some(b)) if a != b);
        let (lhs, rhs, out) = (dims(self.lhs()), dims(self.rhs()), dims(self.out()));
        let size = |size: Option<i64>| size.map_or_else(|| "?".to_owned(), |size| size.to_string());
        if differ(lhs[1], rhs[0]) {
            let message =
                format!("(C2) {} columns of the left matrix, {} rows of the right", size(lhs[1]), size(rhs[0]));
            return Err(self.error(message));
        }
        if let Some(bias) = self.bias() {
            let (own, element) = (bias.ty().element(), self.out().ty().element());
            if own != element || differ(dims(bias)[0], rhs[1]) {
                let message = format!("(C3) a bias of '{}' for {} columns of '{element}'", bias.ty(), size(rhs[1]));
                return Err(self.error(message));
            }
        }
        if differ(out[0], lhs[0]) || differ(out[1], rhs[1]) {
            let message = format!("(C4) a result of '{}', not {} x {}", self.out().ty(), size(lhs[0]), size(rhs[1]));
            return Err(self.error(message));
        }
        Ok(())
    }
}

impl ShapeRule for ScaledMatmul<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (lhs, rhs) = (&inputs.operands[0], &inputs.operands[1]);
        lhs[1].unify(&rhs[0]).map_err(|e| self.error(format!("(C2) inner dimensions differ: {e}")))?;
        let columns = match inputs.operands.get(4) {
            None => rhs[1].clone(),
            Some(bias) => {
                rhs[1].unify(&bias[0]).map_err(|e| self.error(format!("(C3) columns and the bias differ: {e}")))?
            }
        };
        Ok(vec![vec![lhs[0].clone(), columns]])
    }
}

impl Library for ScaledMatmul<'_> {
    fn library<'b>(&'b self) -> Option<LibraryCall<'b>> {
        let dtype = |value: Value<'_>| dtype_of(value.ty().element());
        let is_known = |value| matches!(dtype(value), Some(DType::F8E4M3FN | DType::F8E5M2));
        let is_made = matches!(dtype(self.out()), Some(DType::F32 | DType::F16 | DType::BF16));
        let (lhs, rhs, scales) = (self.lhs(), self.rhs(), [self.lhs_scale(), self.rhs_scale()]);
        let is_single = scales.iter().all(|scale| dtype(*scale) == Some(DType::F32));
        let is_library = is_known(lhs) && is_known(rhs) && is_made && is_single;
        is_library.then(|| LibraryCall::ScaledMatmul { lhs, rhs, scales, bias: self.bias() })
    }
}

impl Reference for ScaledMatmul<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let shape = host_shapes(self, inputs)?.remove(0);
        let dtype =
            dtype_of(self.out().ty().element()).ok_or_else(|| EvalError::Input("it has no dtype".to_owned()))?;
        let [lhs, rhs] = [0, 1].map(|number: usize| inputs[number].cast(DType::F64));
        let scale = inputs[2].item::<f64>()? * inputs[3].item::<f64>()?;
        let bias = inputs.get(4).map(HostTensor::to_vec::<f64>);
        let sums = thunder_tensor::matmul(&lhs, &rhs, DType::F64)?.to_vec::<f64>();
        let columns = shape[1].max(1);
        let added = |number: usize| bias.as_ref().map_or(0.0, |bias| bias[number % columns]);
        let values = sums.into_iter().enumerate().map(|(number, sum)| sum * scale + added(number)).collect();
        Ok(vec![HostTensor::from_values::<f64>(dtype, shape, values)?])
    }
}

impl Decompose for ScaledMatmul<'_> {
    fn decompose<'b>(&'b self, b: &Builder<'b>) -> Result<Vec<Value<'b>>> {
        let out = self.out().ty().element();
        let single = Type::f32(out.context());
        let sums = if dtype_of(out) == Some(DType::F64) { out } else { single };
        let [lhs, rhs] = [self.lhs(), self.rhs()].map(|value| converted(b, value, sums));
        let mut product = b.matmul(lhs?, rhs?)?;
        let sizes = extents(b, product)?;
        for scale in [self.lhs_scale(), self.rhs_scale()] {
            let scale = broadcast(b, converted(b, scale, sums)?, &[], &sizes)?;
            product = b.mul(product, scale)?;
        }
        if let Some(bias) = self.bias() {
            let bias = broadcast(b, converted(b, bias, sums)?, &[1], &sizes)?;
            product = b.add(product, bias)?;
        }
        Ok(vec![converted(b, product, out)?])
    }
}

impl Cost for ScaledMatmul<'_> {
    fn flops(&self, operands: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        let inner = operands[0].last().copied().unwrap_or_default();
        2.0 * inner as f64 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for ScaledMatmul<'_> {
    fn precision(&self) -> PrecisionClass {
        // What is narrow is narrow already; scales and sums are not to lose more.
        PrecisionClass::Widen
    }
}

impl Samples for ScaledMatmul<'_> {
    fn samples(s: &mut SampleSet) {
        for (sides, [x, w], [m, k, n], scale) in [
            (["f8E4M3FN", "f8E4M3FN"], ["5x16x", "16x32x"], [5, 16, 32], "f32"),
            (["f8E4M3FN", "f8E5M2"], ["?x?x", "?x?x"], [7, 19, 9], "f32"),
            (["f8E5M2", "f8E4M3FN"], ["3x?x", "?x17x"], [3, 33, 17], "$T"),
            (["f8E5M2", "f8E5M2"], ["0x4x", "4x3x"], [0, 4, 3], "f32"),
            (["f8E4M3FNUZ", "f8E5M2FNUZ"], ["2x0x", "0x3x"], [2, 0, 3], "$T"),
        ] {
            let (x, w) = (format!("tensor<{x}{}>", sides[0]), format!("tensor<{w}{}>", sides[1]));
            let rows = x[7..].split('x').next().unwrap_or("?").to_owned();
            let columns = w[7..].split('x').nth(1).unwrap_or("?").to_owned();
            let (out, bias) = (format!("tensor<{rows}x{columns}x$T>"), format!("tensor<{columns}x$T>"));
            let given = format!("{x}, {w}, tensor<{scale}>, tensor<{scale}>");
            let arguments = format!("%x: {x}, %w: {w}, %s: tensor<{scale}>, %t: tensor<{scale}>");
            let body = format!("%r = thunder.scaled_matmul %x, %w, %s, %t : ({given}) -> {out}\n  return %r : {out}");
            s.add(Dtypes::FLOATS, &format!("({arguments}) -> {out}"), &body, &[&[m, k], &[k, n], &[], &[]]).ulps(64.0);
            let body = format!(
                "%r = thunder.scaled_matmul %x, %w, %s, %t bias(%b) : ({given}, {bias}) -> {out}\n  return %r : {out}"
            );
            let signature = format!("({arguments}, %b: {bias}) -> {out}");
            s.add(Dtypes::FLOATS, &signature, &body, &[&[m, k], &[k, n], &[], &[], &[n]]).ulps(64.0);
        }
    }
}
