//! Derivatives of scalar expressions, in reverse mode.
//!
//! Where a function has a kink, one of its subgradients stands for the derivative: 0 for `abs` at 0
//! and for a maximum or minimum with a constant, half of each side where two values tie. Functions
//! that are constant between their jumps have no derivative: zero.

use crate::{BinaryFn, Compare, Expr, ExprKind, UnaryFn};
use std::collections::{HashMap, HashSet};
use std::f64::consts::{FRAC_2_SQRT_PI, LN_2, LN_10};

/// The cotangents of `inputs` inputs of `expr`, given that of its value; `None` is zero.
///
/// They are expressions over the same inputs, parts of `expr`, and `cotangent`.
pub fn adjoint(expr: &Expr, cotangent: &Expr, inputs: usize) -> Vec<Option<Expr>> {
    let mut found = vec![None; inputs];
    let mut order = Vec::new();
    sort(expr, &mut HashSet::new(), &mut order);
    let mut active = HashSet::new();
    for node in &order {
        let is_active = match node.kind() {
            ExprKind::Input(_) => true,
            _ => arguments(node).iter().any(|x| active.contains(&x.key())),
        };
        if is_active && node.dtype().has_fractions() {
            active.insert(node.key());
        }
    }
    let mut cotangents = HashMap::from([(expr.key(), cotangent.clone())]);
    for node in order.iter().rev() {
        let Some(dy) = cotangents.remove(&node.key()) else { continue };
        if let ExprKind::Input(index) = node.kind() {
            found[*index] = Some(sum(found[*index].take(), dy));
            continue;
        }
        for (x, dx) in arguments(node).into_iter().zip(pull(node, &dy)) {
            if let Some(dx) = dx.filter(|_| active.contains(&x.key())) {
                let total = sum(cotangents.remove(&x.key()), dx);
                cotangents.insert(x.key(), total);
            }
        }
    }
    found
}

/// Every node below `expr` once, each after its arguments.
fn sort(expr: &Expr, seen: &mut HashSet<usize>, order: &mut Vec<Expr>) {
    if seen.insert(expr.key()) {
        arguments(expr).iter().for_each(|x| sort(x, seen, order));
        order.push(expr.clone());
    }
}

fn arguments(expr: &Expr) -> Vec<Expr> {
    match expr.kind() {
        ExprKind::Input(_) | ExprKind::Float(_) | ExprKind::Int(_) => Vec::new(),
        ExprKind::Unary(_, x) | ExprKind::Convert(x) | ExprKind::Bitcast(x) => vec![x.clone()],
        ExprKind::Binary(_, x, y) | ExprKind::Compare(_, x, y) => vec![x.clone(), y.clone()],
        ExprKind::Select(c, x, y) => vec![c.clone(), x.clone(), y.clone()],
    }
}

fn sum(total: Option<Expr>, more: Expr) -> Expr {
    match total {
        Some(total) => total + more,
        None => more,
    }
}

/// The cotangents of a node's arguments.
fn pull(y: &Expr, dy: &Expr) -> Vec<Option<Expr>> {
    match y.kind() {
        ExprKind::Input(_) | ExprKind::Float(_) | ExprKind::Int(_) => Vec::new(),
        ExprKind::Unary(function, x) => vec![unary(*function, x, y, dy)],
        ExprKind::Binary(function, a, b) => binary(*function, a, b, y, dy).into(),
        ExprKind::Compare(..) => vec![None, None],
        ExprKind::Select(c, ..) => {
            let zero = dy.constant(0.0);
            vec![None, Some(c.select(dy, &zero)), Some(c.select(&zero, dy))]
        }
        ExprKind::Convert(x) => vec![x.dtype().has_fractions().then(|| dy.convert(x.dtype()))],
        // Bits have no slope.
        ExprKind::Bitcast(_) => vec![None],
    }
}

/// `x * factor`, with constants multiplied beforehand.
fn scaled(x: &Expr, factor: f64) -> Expr {
    match x.kind() {
        _ if factor == 1.0 => x.clone(),
        ExprKind::Binary(BinaryFn::Mul, x, c) if constant(c).is_some() => {
            scaled(x, constant(c).unwrap_or(1.0) * factor)
        }
        _ => x * &x.constant(factor),
    }
}

/// `x * y`, where constants go last.
fn product(x: &Expr, y: &Expr) -> Expr {
    match (constant(x), constant(y)) {
        (_, Some(factor)) => scaled(x, factor),
        (Some(factor), None) => scaled(y, factor),
        (None, None) => x * y,
    }
}

fn constant(x: &Expr) -> Option<f64> {
    if let ExprKind::Float(value) = x.kind() { Some(*value) } else { None }
}

fn unary(function: UnaryFn, x: &Expr, y: &Expr, dy: &Expr) -> Option<Expr> {
    let one = x.constant(1.0);
    let square = || x * x;
    Some(match function {
        UnaryFn::Neg => -dy,
        UnaryFn::Abs => dy * &x.unary(UnaryFn::Sign),
        UnaryFn::Not | UnaryFn::Sign | UnaryFn::Ceil | UnaryFn::Floor | UnaryFn::Round | UnaryFn::Trunc => return None,
        UnaryFn::Sqrt => &scaled(dy, 0.5) / y,
        UnaryFn::Rsqrt => &scaled(&(dy * y), -0.5) * &(y * y),
        UnaryFn::Exp => dy * y,
        UnaryFn::Exp2 => scaled(&(dy * y), LN_2),
        UnaryFn::Expm1 => dy * &(y + &one),
        UnaryFn::Log => dy / x,
        UnaryFn::Log2 => &scaled(dy, 1.0 / LN_2) / x,
        UnaryFn::Log10 => &scaled(dy, 1.0 / LN_10) / x,
        UnaryFn::Log1p => dy / &(x + &one),
        UnaryFn::Sin => dy * &x.unary(UnaryFn::Cos),
        UnaryFn::Cos => -&(dy * &x.unary(UnaryFn::Sin)),
        UnaryFn::Tan => dy * &(&(y * y) + &one),
        UnaryFn::Asin => dy * &(&one - &square()).unary(UnaryFn::Rsqrt),
        UnaryFn::Acos => -&(dy * &(&one - &square()).unary(UnaryFn::Rsqrt)),
        UnaryFn::Atan => dy / &(&square() + &one),
        UnaryFn::Sinh => dy * &x.unary(UnaryFn::Cosh),
        UnaryFn::Cosh => dy * &x.unary(UnaryFn::Sinh),
        UnaryFn::Tanh => dy * &(&one - &(y * y)),
        UnaryFn::Asinh => dy * &(&square() + &one).unary(UnaryFn::Rsqrt),
        // The product does not cancel where x is near 1.
        UnaryFn::Acosh => dy * &((x - &one) * (x + &one)).unary(UnaryFn::Rsqrt),
        UnaryFn::Atanh => dy / &(&one - &square()),
        UnaryFn::Erf => &scaled(dy, FRAC_2_SQRT_PI) * &(-&square()).unary(UnaryFn::Exp),
        UnaryFn::Erfc => &scaled(dy, -FRAC_2_SQRT_PI) * &(-&square()).unary(UnaryFn::Exp),
    })
}

fn binary(function: BinaryFn, a: &Expr, b: &Expr, y: &Expr, dy: &Expr) -> [Option<Expr>; 2] {
    let zero = a.constant(0.0);
    let quotient =
        || if constant(b).is_some_and(|c| c != 0.0) { scaled(dy, 1.0 / constant(b).unwrap_or(1.0)) } else { dy / b };
    match function {
        BinaryFn::Add => [Some(dy.clone()), Some(dy.clone())],
        BinaryFn::Sub => [Some(dy.clone()), Some(-dy)],
        BinaryFn::Mul => [Some(product(dy, b)), Some(product(dy, a))],
        // The reciprocal is its own numerator.
        BinaryFn::Div if constant(a) == Some(1.0) => [None, Some(-&(dy * &(y * y)))],
        BinaryFn::Div => {
            let quotient = quotient();
            [Some(quotient.clone()), Some(-&(&quotient * y))]
        }
        // a - b * trunc(a / b)
        BinaryFn::Rem => [Some(dy.clone()), Some(-&(dy * &(a / b).unary(UnaryFn::Trunc)))],
        BinaryFn::Pow => {
            let slope = b * &a.binary(BinaryFn::Pow, &(b - &b.constant(1.0)));
            // x^0 is 1 for every x, and 0^y is 0 for every positive y.
            let base = b.compare(Compare::Eq, &zero).select(&zero, &(dy * &slope));
            let is_flat = a.compare(Compare::Eq, &zero) & b.compare(Compare::Ge, &zero);
            let exponent = is_flat.select(&zero, &(dy * &(y * &a.unary(UnaryFn::Log))));
            [Some(base), Some(exponent)]
        }
        BinaryFn::Atan2 => {
            let scale = dy / &(&(a * a) + &(b * b));
            [Some(&scale * b), Some(-&(&scale * a))]
        }
        BinaryFn::Max => [Some(share(Compare::Gt, a, b, dy)), Some(share(Compare::Gt, b, a, dy))],
        BinaryFn::Min => [Some(share(Compare::Lt, a, b, dy)), Some(share(Compare::Lt, b, a, dy))],
        BinaryFn::And | BinaryFn::Or | BinaryFn::Xor | BinaryFn::ShiftLeft | BinaryFn::ShiftRight => [None, None],
    }
}

/// All of `dy` where `x` wins, half of it where two values tie.
fn share(wins: Compare, x: &Expr, other: &Expr, dy: &Expr) -> Expr {
    let zero = dy.constant(0.0);
    let lost = match constant(other).or(constant(x)) {
        Some(_) => zero,
        None => x.compare(Compare::Eq, other).select(&scaled(dy, 0.5), &zero),
    };
    x.compare(wins, other).select(dy, &lost)
}

/// Whether an expression computes more than one function of its inputs and constants.
pub fn is_compound(expr: &Expr) -> bool {
    arguments(expr).iter().any(|x| !arguments(x).is_empty())
}
