//! Tensors made from nothing but their type.

use crate::compose::restated;
use crate::literal::{Literal, literal_tensor};
use crate::{check_sizes, checked_axis, replaced, stated_dims, stated_shape};
use thunder_interface::{
    Cost, Dim, Dtypes, EvalError, Factor, Reference, Restate, SampleSet, Samples, ShapeInputs, ShapeRule, Shard,
    ShardRule, Uniform, dtype_of,
};
use thunder_ir::prelude::*;
use thunder_tensor::{DType, Tensor as HostTensor};

/// A tensor whose elements all are `value`.
///
/// - (C1) `value` has the element type of the result
/// - (C2) there is one operand for each dynamic dimension of the result, in order: its size
///
/// ```mlir
/// %c = thunder.full %n value = 1.0 : f32 : index -> tensor<?x4xf32>
/// ```
#[op("thunder.full", pure, verify, fold, interfaces(Reference, Restate, ShapeRule, Shard, Cost, Uniform))]
pub struct Full {
    sizes: Variadic<Index>,
    /// The element.
    value: Attr<Literal>,
    out: Produces<Tensor>,
}

impl Verify for Full<'_> {
    fn verify(&self) -> Result {
        let (value, element) = (self.value(), self.out().ty().element());
        if value.ty() != Some(element) {
            return Err(self.error(format!("(C1) the value is {value}, but the elements are '{element}'")));
        }
        check_sizes(self, self.out().ty(), self.sizes().len(), "(C2)")
    }
}

impl<'c> Restate<'c> for Full<'c> {
    fn restate(&self, b: &Builder<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        restated(b, self, &self.sizes(), ty)
    }
}

impl ShapeRule for Full<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![stated_dims(self.out().ty(), &self.sizes(), inputs)])
    }
}

impl Uniform for Full<'_> {
    fn element<'b>(&'b self) -> Attribute<'b> {
        self.value()
    }
}

impl Shard for Full<'_> {
    fn rule(&self) -> ShardRule {
        generated(self.out().ty(), self.sizes().len(), None)
    }
}

/// All dimensions of a result that is made from sizes only can be split, but for `whole`.
fn generated(result: Type<'_>, sizes: usize, whole: Option<i64>) -> ShardRule {
    let rank = result.as_tensor().map_or(0, |t| t.rank()) as u32;
    let factor = |i: u32| (whole != Some(i64::from(i))).then_some(Factor(i));
    ShardRule { operands: vec![Vec::new(); sizes], results: vec![(0..rank).map(factor).collect()], reduced: Vec::new() }
}

impl Reference for Full<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let value = literal_tensor(self.value())
            .ok_or_else(|| EvalError::Unsupported("fills with a value of no known dtype".to_owned()))?;
        let shape = stated_shape(self.out().ty(), inputs)?;
        value.broadcast_in_dim(&shape, &[]).map(|t| vec![t]).map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl<'c> Fold<'c> for Full<'c> {
    fn fold(&self, _: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        // One element says all: a constant however large.
        Attribute::splat(self.out().ty(), self.value()).map(|value| replaced(Folded::Constant(value)))
    }
}

impl Cost for Full<'_> {
    fn flops(&self, _: &[Vec<i64>], _: &[Vec<i64>]) -> f64 {
        0.0
    }
}

impl Samples for Full<'_> {
    fn samples(s: &mut SampleSet) {
        for (dtypes, value) in
            [(Dtypes::FLOATS_MOVED, "-1.5 : $T"), (Dtypes::INTEGERS, "7 : $T"), (Dtypes::BOOL, "true")]
        {
            for ty in ["tensor<3x17x$T>", "tensor<0x4x$T>", "tensor<$T>"] {
                let body = format!("%r = thunder.full value = {value} : {ty}\n  return %r : {ty}");
                s.add(dtypes, &format!("() -> {ty}"), &body, &[]);
            }
            let body = format!(
                "%n = thunder.dim %x axis = 1 : tensor<3x?x$T> -> index
                 %r = thunder.full %n value = {value} : index -> tensor<?x5x$T>
                 return %r : tensor<?x5x$T>"
            );
            s.add(dtypes, "(%x: tensor<3x?x$T>) -> tensor<?x5x$T>", &body, &[&[3, 7]]);
        }
    }
}

/// The index along `axis` at every position: 0, 1, 2, ...
///
/// - (C1) the elements of the result are integers or floats
/// - (C2) `axis` is a dimension of the result
/// - (C3) there is one operand for each dynamic dimension of the result, in order: its size
///
/// ```mlir
/// %i = thunder.iota axis = 1 : tensor<2x4xi64>
/// ```
#[op("thunder.iota", pure, verify, interfaces(Reference, Restate, ShapeRule, Shard, Cost))]
pub struct Iota {
    sizes: Variadic<Index>,
    /// The dimension to count along.
    axis: Attr<i64>,
    #[c(1)]
    out: Produces<Tensor<Number>>,
}

impl Verify for Iota<'_> {
    fn verify(&self) -> Result {
        checked_axis(self, self.axis(), self.out().ty().as_tensor().map_or(0, |t| t.rank()), "(C2)")?;
        check_sizes(self, self.out().ty(), self.sizes().len(), "(C3)")
    }
}

impl<'c> Restate<'c> for Iota<'c> {
    fn restate(&self, b: &Builder<'c>, ty: Type<'c>) -> Result<Value<'c>> {
        restated(b, self, &self.sizes(), ty)
    }
}

impl ShapeRule for Iota<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![stated_dims(self.out().ty(), &self.sizes(), inputs)])
    }
}

impl Shard for Iota<'_> {
    fn rule(&self) -> ShardRule {
        generated(self.out().ty(), self.sizes().len(), Some(self.axis()))
    }
}

impl Reference for Iota<'_> {
    fn evaluate(&self, inputs: &[HostTensor]) -> Result<Vec<HostTensor>, EvalError> {
        let dtype: DType = dtype_of(self.out().ty().element())
            .ok_or_else(|| EvalError::Unsupported("counts in a type that is no dtype".to_owned()))?;
        let shape = stated_shape(self.out().ty(), inputs)?;
        HostTensor::iota(dtype, shape, self.axis() as usize)
            .map(|t| vec![t])
            .map_err(|e| EvalError::Input(e.to_string()))
    }
}

impl Cost for Iota<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        results[0].iter().product::<i64>() as f64
    }
}

impl Samples for Iota<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, axis) in [("tensor<3x17x$T>", 1), ("tensor<3x17x$T>", 0), ("tensor<0x4x$T>", 1)] {
            let body = format!("%r = thunder.iota axis = {axis} : {ty}\n  return %r : {ty}");
            s.add(Dtypes::NUMBERS, &format!("() -> {ty}"), &body, &[]);
        }
        s.add(
            Dtypes::NUMBERS,
            "(%x: tensor<?x?x$T>) -> tensor<?x2x?x$T>",
            "%n = thunder.dim %x axis = 0 : tensor<?x?x$T> -> index
             %m = thunder.dim %x axis = 1 : tensor<?x?x$T> -> index
             %r = thunder.iota %n, %m axis = 2 : (index, index) -> tensor<?x2x?x$T>
             return %r : tensor<?x2x?x$T>",
            &[&[3, 7]],
        );
    }
}
