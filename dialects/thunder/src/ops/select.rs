//! Elementwise choices: by a truth value, by bounds, by a weight.

use super::binary::SHAPES;
use super::unary::{elementwise_samples, special_sample};
use crate::build::*;
use crate::compose::{converted, widened};
use crate::cotangent::{complement, only};
use crate::literal::{Literal, Number as Known, literal_expr};
use crate::{fold_constants, fold_to, infer_elements, one_shape};
use thunder_interface::{
    Compare, Cost, Differentiate, Dim, Dtypes, Expr, Parts, Precision, SampleSet, Samples, Scalar, ShapeInputs,
    ShapeRule,
};
use thunder_ir::prelude::*;

/// `on_true` where the condition holds, `on_false` elsewhere, elementwise.
///
/// - (C1) `condition` is a tensor of truth values
/// - (C2) `on_true` and `on_false` have one element type
/// - (C3) all operands have one shape
///
/// ```mlir
/// %r = thunder.where %c, %a, %b : (tensor<4xi1>, tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
/// ```
#[op("thunder.where", pure, elementwise, infer, fold, interfaces(Scalar, ShapeRule, Cost, Precision, Parts))]
pub struct Where {
    #[c(1)]
    condition: Operand<Tensor<Bool>>,
    on_true: Operand<Tensor>,
    on_false: Operand<Tensor>,
    out: Produces<Tensor>,
}

impl<'c> Infer<'c> for Where<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_elements(self, &[self.on_true().ty().element()])
    }
}

impl ShapeRule for Where<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        let (yes, no) = (self.on_true().ty().element(), self.on_false().ty().element());
        if yes != no {
            return Err(self.error(format!("(C2) element types differ: '{yes}' and '{no}'")));
        }
        Ok(vec![one_shape(self, inputs, "(C3)")?])
    }
}

impl Scalar for Where<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        x[0].select(&x[1], &x[2])
    }
}

impl<'c> Fold<'c> for Where<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        // where(c, x, x) == x
        if self.on_true() == self.on_false() {
            return fold_to(self, self.on_true());
        }
        // where(true, x, y) == x, where(false, x, y) == y
        if let Some(Known::Int(condition)) = constants[0].and_then(Known::of_splat) {
            let chosen = if condition != 0 { self.on_true() } else { self.on_false() };
            return fold_to(self, chosen).or_else(|| fold_constants(self, constants));
        }
        fold_constants(self, constants)
    }
}

impl Cost for Where<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Where<'_> {}

crate::complex::parts_elementwise!(Where);

impl Samples for Where<'_> {
    fn samples(s: &mut SampleSet) {
        for (dims, shape) in SHAPES {
            let (c, ty) = (format!("tensor<{dims}i1>"), format!("tensor<{dims}$T>"));
            let body = format!("%r = thunder.where %c, %a, %b : ({c}, {ty}, {ty}) -> {ty}\n  return %r : {ty}");
            let signature = format!("(%c: {c}, %a: {ty}, %b: {ty}) -> {ty}");
            s.add(Dtypes::MOVED, &signature, &body, &[shape, shape, shape]).specials();
        }
    }
}

/// The operand limited to `min` from below and to `max` from above, elementwise; NaN stays NaN.
///
/// Where `min` exceeds `max` the result is `max`.
///
/// - (C1) the operand is a tensor of integers or floats
/// - (C2) `min` and `max`, as far as given, have the operand's element type
///
/// ```mlir
/// %y = thunder.clamp %x min = 0.0 : f32 max = 6.0 : f32 : tensor<4xf32>
/// ```
#[op("thunder.clamp", pure, same_type, elementwise, verify, fold, interfaces(Scalar, Cost, Precision))]
pub struct Clamp {
    #[c(1)]
    operand: Operand<Tensor<Number>>,
    /// The least value of the result; without it there is none.
    #[c(2)]
    min: OptionalAttr<Literal>,
    /// The greatest value of the result; without it there is none.
    #[c(2)]
    max: OptionalAttr<Literal>,
    out: Produces<Tensor<Number>>,
}

impl Verify for Clamp<'_> {
    fn verify(&self) -> Result {
        let element = self.operand().ty().element();
        for (name, bound) in [("min", self.min()), ("max", self.max())] {
            if let Some(bound) = bound
                && bound.ty() != Some(element)
            {
                return Err(self.error(format!("(C2) '{name}' is {bound}, but the elements are '{element}'")));
            }
        }
        Ok(())
    }
}

impl Scalar for Clamp<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let mut value = x[0].clone();
        if let Some(min) = self.min().and_then(literal_expr) {
            value = value.max(&min);
        }
        if let Some(max) = self.max().and_then(literal_expr) {
            value = value.min(&max);
        }
        value
    }
}

impl<'c> Fold<'c> for Clamp<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        // clamp(x) == x without bounds
        if self.min().is_none() && self.max().is_none() {
            return fold_to(self, self.operand());
        }
        fold_constants(self, constants)
    }
}

impl Cost for Clamp<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        2.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Clamp<'_> {}

impl Samples for Clamp<'_> {
    fn samples(s: &mut SampleSet) {
        let floats = " min = -0.5 : $T max = 1.0 : $T";
        elementwise_samples(s, "thunder.clamp", floats, Dtypes::FLOATS, -2.0, 2.0);
        special_sample(s, "thunder.clamp", floats, Dtypes::FLOATS).specials();
        special_sample(s, "thunder.clamp", " max = 0.0 : $T", Dtypes::FLOATS).specials();
        elementwise_samples(s, "thunder.clamp", " min = 2 : $T max = 5 : $T", Dtypes::INTEGERS, 0.0, 9.0);
    }
}

/// Linear interpolation `start + weight * (end - start)`, elementwise; exact at weights 0 and 1.
///
/// - (C1) all operands are tensors of one type, of floats
///
/// ```mlir
/// %y = thunder.lerp %start, %end, %weight : tensor<4xf32>
/// ```
#[op("thunder.lerp", pure, same_type, elementwise, fold, interfaces(Scalar, Differentiate, Cost, Precision))]
pub struct Lerp {
    #[c(1)]
    start: Operand<Tensor<Float>>,
    #[c(1)]
    end: Operand<Tensor<Float>>,
    #[c(1)]
    weight: Operand<Tensor<Float>>,
    out: Produces<Tensor<Float>>,
}

impl Scalar for Lerp<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let (start, end, weight) = (&x[0], &x[1], &x[2]);
        let span = end - start;
        let from_start = start + &(weight * &span);
        let from_end = end - &(&span * &(&weight.constant(1.0) - weight));
        weight.compare(Compare::Lt, &weight.constant(0.5)).select(&from_start, &from_end)
    }
}

impl<'c> Differentiate<'c> for Lerp<'c> {
    fn vjp(&self, b: &Builder<'c>, cotangents: &[Option<Value<'c>>]) -> Result<Vec<Option<Value<'c>>>> {
        let element = self.start().ty().element();
        let [start, end, weight] = [widened(b, self.start())?, widened(b, self.end())?, widened(b, self.weight())?];
        let dy = widened(b, only(cotangents)?)?;
        let cotangents = [b.mul(dy, complement(b, weight)?)?, b.mul(dy, weight)?, b.mul(dy, b.sub(end, start)?)?];
        cotangents.into_iter().map(|dx| converted(b, dx, element).map(Some)).collect()
    }
}

impl<'c> Fold<'c> for Lerp<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Cost for Lerp<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        7.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Lerp<'_> {}

impl Samples for Lerp<'_> {
    fn samples(s: &mut SampleSet) {
        for (dims, shape) in SHAPES {
            let ty = format!("tensor<{dims}$T>");
            let body = format!("%r = thunder.lerp %a, %b, %w : {ty}\n  return %r : {ty}");
            let signature = format!("(%a: {ty}, %b: {ty}, %w: {ty}) -> {ty}");
            s.add(Dtypes::FLOATS, &signature, &body, &[shape, shape, shape]).domain(2, -0.5, 1.5);
        }
    }
}
