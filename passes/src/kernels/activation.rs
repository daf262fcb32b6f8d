//! Which kernels compute functions of single elements that libraries apply to matrix products.
//!
//! A kernel is known by its values, at every number of its dtype: so it does not matter how a program spells a function.

use std::collections::{HashMap, HashSet};
use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use thunder_interface::{BinaryFn, Expr, ExprKind, Scalar, dtype_of, evaluate};
use thunder_ir::pass::Numerics;
use thunder_ir::{Operation, Value};
use thunder_tensor::{DType, Tensor};

use super::KERNEL;
use super::epilogue::is_half;
use crate::shapes::find_function;

/// The most ops of a kernel that may be such a function.
const MOST: usize = 48;

/// How far a value may be from that of a function that is rounded: so many roundings to the kernel's dtype, and so much more.
const CLOSE: [f64; 2] = [2.0, 1e-6];

/// The same for one that is not.
const EXACT: [f64; 2] = [0.0; 2];

/// A function of the elements of a matrix product, whose bias is added before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// The larger of an element and zero. Of what is no number, libraries may make zero.
    Relu,
    /// The Gaussian error linear unit, approximated by a hyperbolic tangent.
    Gelu,
    /// An element times the derivative of that at an element of another operand of the kernel's call.
    GeluGradient {
        /// The number of that operand.
        operand: usize,
    },
}

/// What the kernel that `call` calls computes of its operand `product`, if libraries know that and change no more than
/// `numerics` allows.
pub fn activation_of(call: Operation<'_>, product: usize, numerics: Numerics) -> Option<Activation> {
    let callee = call.attribute("callee").and_then(|a| a.as_symbol())?;
    let kernel = find_function(call, callee).filter(|f| f.attribute(KERNEL).is_some())?;
    let values: Vec<Value<'_>> = call.operands().chain(call.results()).collect();
    let (dtype, ty) = (dtype_of(values[product].ty().element())?, kernel.region(0).entry()?.argument(product).ty());
    let is_alike = kernel.region(0).entry()?.arguments().all(|input| input.ty() == ty);
    if call.result_count() != 1 || !is_alike || !values.iter().all(|value| is_half(*value)) {
        return None;
    }
    let computed = expression(kernel)?;
    let only_numbers = matches!(numerics, Numerics::Approximates | Numerics::Narrows);
    match call.operand_count() {
        1 if only_numbers && is(&computed, dtype, EXACT, &|x| x.max(0.0)) => Some(Activation::Relu),
        1 if is(&computed, dtype, CLOSE, &|x| gelu(x)[0]) => Some(Activation::Gelu),
        2 => {
            let slope = factor(&computed, product)?;
            is(&slope, dtype, CLOSE, &|x| gelu(x)[1]).then_some(Activation::GeluGradient { operand: 1 - product })
        }
        _ => None,
    }
}

/// The only result of a kernel of elementwise ops, by elements of its inputs.
fn expression(kernel: Operation<'_>) -> Option<Expr> {
    let body = kernel.region(0).entry()?;
    let mut known = HashMap::new();
    for (number, input) in body.arguments().enumerate() {
        known.insert(input, Expr::input(number, dtype_of(input.ty().element())?));
    }
    for op in body.operations().into_iter().take(MOST + 1) {
        if op.has_trait("terminator") {
            return known.get(&op.operand(0)).cloned();
        }
        let dtype = dtype_of(op.result(0).ty().element())?;
        let expr = match op.result(0).as_constant() {
            Some(elements) => Expr::constant_of(dtype, elements.splat_value()?.as_float()?),
            None => {
                let operands = op.operands().map(|operand| known.get(&operand).cloned());
                <dyn Scalar>::of(op)?.scalar(&operands.collect::<Option<Vec<_>>>()?)
            }
        };
        known.insert(op.result(0), expr);
    }
    None
}

/// What the element of input `number` is multiplied with, where that is all that is done with it.
fn factor(expr: &Expr, number: usize) -> Option<Expr> {
    let ExprKind::Binary(BinaryFn::Mul, a, b) = converted(expr).kind() else { return None };
    let is_it = |side: &Expr| matches!(converted(side).kind(), ExprKind::Input(input) if *input == number);
    let (other, _) =
        [(a, b), (b, a)].into_iter().find(|(other, it)| is_it(it) && !mentions(other, number, &mut HashSet::new()))?;
    Some(other.clone())
}

/// What a value was before it was converted.
fn converted(expr: &Expr) -> &Expr {
    match expr.kind() {
        ExprKind::Convert(from) => converted(from),
        _ => expr,
    }
}

/// Whether a value depends on the element of input `number`, by parts that were not seen before.
fn mentions(expr: &Expr, number: usize, seen: &mut HashSet<usize>) -> bool {
    if !seen.insert(expr.key()) {
        return false;
    }
    let mut any = |parts: &[&Expr]| parts.iter().any(|part| mentions(part, number, seen));
    match expr.kind() {
        ExprKind::Input(input) => *input == number,
        ExprKind::Float(_) | ExprKind::Int(_) => false,
        ExprKind::Unary(_, x) | ExprKind::Convert(x) | ExprKind::Bitcast(x) => any(&[x]),
        ExprKind::Binary(_, x, y) | ExprKind::Compare(_, x, y) => any(&[x, y]),
        ExprKind::Select(x, y, z) => any(&[x, y, z]),
    }
}

/// Whether a value is a function of the only input that it depends on: at every finite number of `dtype`, but a few first.
fn is(expr: &Expr, dtype: DType, [roundings, more]: [f64; 2], function: &dyn Fn(f64) -> f64) -> bool {
    let rounding = roundings * if dtype == DType::F16 { 2.0_f64.powi(-11) } else { 2.0_f64.powi(-8) };
    let agrees = |step: usize| {
        let bytes: Vec<u8> = (0..=u16::MAX).step_by(step).flat_map(u16::to_le_bytes).collect();
        let shape = [bytes.len() / 2];
        let Ok(numbers) = Tensor::from_bytes(dtype, shape, &bytes) else { return false };
        // Whichever input it is.
        let Ok(made) = evaluate(expr, &[numbers.clone(), numbers.clone()], &shape) else { return false };
        let pairs = numbers.to_vec::<f64>().into_iter().zip(made.to_vec::<f64>());
        pairs.filter(|(x, _)| x.is_finite()).all(|(x, y)| {
            let expected = function(x);
            // Of the largest numbers, both may be infinite.
            (y - expected).abs() <= rounding * expected.abs() + more || y == expected
        })
    };
    [97, 1].into_iter().all(agrees)
}

/// `x s` with `s = sigmoid(2 z)` and `z = sqrt(2/pi) (x + 0.044715 x^3)`, and its derivative `s + x s (1 - s) 2 dz/dx`.
fn gelu(x: f64) -> [f64; 2] {
    let scale = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
    let (z, slope) = (scale * (x + 0.044_715 * x.powi(3)), scale * (1.0 + 3.0 * 0.044_715 * x * x));
    let (s, rest) = (1.0 / (1.0 + (-2.0 * z).exp()), 1.0 / (1.0 + (2.0 * z).exp()));
    // Where `s` vanishes, so does all.
    let part = s * rest;
    [x * s, s + if part == 0.0 { 0.0 } else { x * part * 2.0 * slope }]
}
