//! Scalar expressions over complex numbers as expressions over their parts.
//!
//! Sums, products and quotients are computed in the precision of the parts. Other functions are computed in double
//! precision and rounded once each: their formulas lose digits where parts differ much in size. Branch cuts are those
//! of C's `<complex.h>`, and the sign of a zero tells the side (Kahan, "Branch Cuts for Complex Elementary Functions",
//! 1987).

use std::collections::HashMap;
use std::f64::consts::{LN_2, LN_10};

use thunder_interface::{BinaryFn, Compare, Expr, ExprKind, UnaryFn};
use thunder_tensor::DType;

/// A real and an imaginary part.
type Parts = [Expr; 2];

/// The parts of `expr`, of whose input `i` they are the inputs `2 i` and `2 i + 1`; what has no meaning on complex
/// numbers is the error.
pub fn parts(expr: &Expr) -> Result<Parts, String> {
    split(expr, &mut HashMap::new())
}

fn split(expr: &Expr, done: &mut HashMap<usize, Parts>) -> Result<Parts, String> {
    if let Some(parts) = done.get(&expr.key()) {
        return Ok(parts.clone());
    }
    let (dtype, part) = (expr.dtype(), expr.dtype().part());
    let real = |x: Expr| {
        let zero = x.constant(0.0);
        [x, zero]
    };
    let mut go = |x: &Expr| split(x, done);
    let parts = match expr.kind() {
        ExprKind::Input(index) if dtype.is_complex() => [0, 1].map(|i| Expr::input(2 * index + i, part)),
        ExprKind::Input(index) => real(Expr::input(2 * index, part)),
        ExprKind::Float(value) => real(Expr::constant_of(part, *value)),
        ExprKind::Int(value) => real(Expr::integer(part, *value)),
        ExprKind::Unary(function, x) => {
            let x = go(x)?;
            match (dtype.is_complex(), function) {
                (false, _) => real(x[0].unary(*function)),
                (true, UnaryFn::Neg) => [-&x[0], -&x[1]],
                (true, _) => {
                    let unknown = || format!("has no meaning on complex numbers: {function:?}");
                    rounded(unary(*function, &doubled(&x)).ok_or_else(unknown)?, part)
                }
            }
        }
        ExprKind::Binary(function, x, y) => {
            let (x, y) = (go(x)?, go(y)?);
            match (dtype.is_complex(), function) {
                (false, _) => real(x[0].binary(*function, &y[0])),
                (true, BinaryFn::Add) => [&x[0] + &y[0], sum(&x[1], &y[1])],
                (true, BinaryFn::Sub) => [&x[0] - &y[0], difference(&x[1], &y[1])],
                (true, BinaryFn::Mul) => product(&x, &y),
                (true, BinaryFn::Div) => quotient(&x, &y),
                (true, BinaryFn::Pow) => rounded(power(&doubled(&x), &doubled(&y)), part),
                (true, _) => return Err(format!("has no meaning on complex numbers: {function:?}")),
            }
        }
        ExprKind::Compare(how, x, y) => {
            let is_complex = x.dtype().is_complex();
            let (x, y) = (go(x)?, go(y)?);
            let each = [0, 1].map(|i| x[i].compare(*how, &y[i]));
            real(match (is_complex, how) {
                (false, _) => each[0].clone(),
                (true, Compare::Eq) => &each[0] & &each[1],
                (true, Compare::Ne) => &each[0] | &each[1],
                (true, _) => return Err("has no meaning on complex numbers, which have no order".to_owned()),
            })
        }
        ExprKind::Select(condition, x, y) => {
            let (condition, x, y) = (go(condition)?, go(x)?, go(y)?);
            [0, 1].map(|i| condition[0].select(&x[i], &y[i]))
        }
        ExprKind::Convert(x) => {
            let is_complex = x.dtype().is_complex();
            let x = go(x)?;
            if dtype == DType::Bool && is_complex {
                let [re, im] = x.map(|x| x.convert(DType::Bool));
                real(&re | &im)
            } else if dtype.is_complex() {
                x.map(|x| x.convert(part))
            } else {
                real(x[0].convert(part))
            }
        }
        ExprKind::Bitcast(_) => return Err("has no meaning on complex numbers".to_owned()),
    };
    done.insert(expr.key(), parts.clone());
    Ok(parts)
}

fn doubled(z: &Parts) -> Parts {
    [0, 1].map(|i| z[i].convert(DType::F64))
}

fn rounded(z: Parts, part: DType) -> Parts {
    z.map(|x| x.convert(part))
}

/// Whether it is zero for certain: what real numbers have for an imaginary part.
fn is_zero(x: &Expr) -> bool {
    match x.kind() {
        ExprKind::Float(value) => *value == 0.0,
        ExprKind::Convert(x) => is_zero(x),
        _ => false,
    }
}

fn sum(x: &Expr, y: &Expr) -> Expr {
    match (is_zero(x), is_zero(y)) {
        (_, true) => x.clone(),
        (true, false) => y.clone(),
        _ => x + y,
    }
}

fn difference(x: &Expr, y: &Expr) -> Expr {
    match (is_zero(x), is_zero(y)) {
        (_, true) => x.clone(),
        (true, false) => -y,
        _ => x - y,
    }
}

fn product([a, b]: &Parts, [c, d]: &Parts) -> Parts {
    match (is_zero(b), is_zero(d)) {
        (_, true) => [a * c, if is_zero(b) { b.clone() } else { b * c }],
        (true, false) => [a * c, a * d],
        _ => [&(a * c) - &(b * d), &(a * d) + &(b * c)],
    }
}

/// The divisor is scaled, so that neither its square nor a product overflows (Smith, "Algorithm 116", 1962).
fn quotient([a, b]: &Parts, [c, d]: &Parts) -> Parts {
    if is_zero(d) {
        return [a / c, if is_zero(b) { b.clone() } else { b / c }];
    }
    let scale = abs(c).max(&abs(d));
    let [c_scaled, d_scaled] = [c, d].map(|x| x / &scale);
    let size = &(c * &c_scaled) + &(d * &d_scaled);
    [&(&(a * &c_scaled) + &(b * &d_scaled)) / &size, &(&(b * &c_scaled) - &(a * &d_scaled)) / &size]
}

fn abs(x: &Expr) -> Expr {
    x.unary(UnaryFn::Abs)
}

/// `i z`
fn turned([x, y]: &Parts) -> Parts {
    [-y, x.clone()]
}

/// `-i z`
fn turned_back([x, y]: Parts) -> Parts {
    let turned = -&x;
    [y, turned]
}

/// `sqrt(x^2 + y^2)`, where squares overflow as well; with a slope of zero at zero.
fn hypot(x: &Expr, y: &Expr) -> Expr {
    let (large, small) = (abs(x).max(&abs(y)), abs(x).min(&abs(y)));
    let (zero, infinity, one) = (x.constant(0.0), x.constant(f64::INFINITY), x.constant(1.0));
    let is_end = large.compare(Compare::Eq, &zero) | large.compare(Compare::Eq, &infinity);
    let ratio = &small / &is_end.select(&one, &large);
    is_end.select(&large, &(&large * &(&(&ratio * &ratio) + &one).unary(UnaryFn::Sqrt)))
}

/// `size` with the sign of `x`, which a zero has as well.
fn with_sign(size: &Expr, x: &Expr) -> Expr {
    let (zero, one) = (x.constant(0.0), x.constant(1.0));
    let is_negative_zero = x.compare(Compare::Eq, &zero) & (&one / x).compare(Compare::Lt, &zero);
    (x.compare(Compare::Lt, &zero) | is_negative_zero).select(&-size, size)
}

fn atan2(y: &Expr, x: &Expr) -> Expr {
    y.binary(BinaryFn::Atan2, x)
}

/// `r (cos t + i sin t)`; an infinite real number stays one.
fn polar(r: &Expr, t: &Expr) -> Parts {
    let is_real = t.compare(Compare::Eq, &t.constant(0.0)) & r.compare(Compare::Eq, &r.constant(f64::INFINITY));
    [r * &t.unary(UnaryFn::Cos), is_real.select(t, &(r * &t.unary(UnaryFn::Sin)))]
}

fn unary(function: UnaryFn, z: &Parts) -> Option<Parts> {
    let [x, y] = z;
    let f = |function: UnaryFn, x: &Expr| x.unary(function);
    let one = x.constant(1.0);
    let scaled = |[x, y]: Parts, factor: f64| [&x * &x.constant(factor), &y * &y.constant(factor)];
    Some(match function {
        UnaryFn::Sqrt => sqrt(z),
        UnaryFn::Rsqrt => quotient(&[one.clone(), x.constant(0.0)], &sqrt(z)),
        UnaryFn::Exp => polar(&f(UnaryFn::Exp, x), y),
        UnaryFn::Exp2 => {
            let [x, y] = scaled(z.clone(), LN_2);
            polar(&f(UnaryFn::Exp, &x), &y)
        }
        UnaryFn::Expm1 => {
            let half = f(UnaryFn::Sin, &(y * &y.constant(0.5)));
            let re = &(&f(UnaryFn::Expm1, x) * &f(UnaryFn::Cos, y)) - &(&(&half * &half) * &x.constant(2.0));
            [re, polar(&f(UnaryFn::Exp, x), y)[1].clone()]
        }
        UnaryFn::Log => log(z),
        UnaryFn::Log2 => scaled(log(z), 1.0 / LN_2),
        UnaryFn::Log10 => scaled(log(z), 1.0 / LN_10),
        UnaryFn::Log1p => {
            // |1 + z|^2 - 1
            let excess = &(x * &(x + &x.constant(2.0))) + &(y * y);
            [&f(UnaryFn::Log1p, &excess) * &x.constant(0.5), atan2(y, &(x + &one))]
        }
        UnaryFn::Sin => [&f(UnaryFn::Sin, x) * &f(UnaryFn::Cosh, y), &f(UnaryFn::Cos, x) * &f(UnaryFn::Sinh, y)],
        UnaryFn::Cos => [&f(UnaryFn::Cos, x) * &f(UnaryFn::Cosh, y), -&(&f(UnaryFn::Sin, x) * &f(UnaryFn::Sinh, y))],
        UnaryFn::Sinh => [&f(UnaryFn::Sinh, x) * &f(UnaryFn::Cos, y), &f(UnaryFn::Cosh, x) * &f(UnaryFn::Sin, y)],
        UnaryFn::Cosh => [&f(UnaryFn::Cosh, x) * &f(UnaryFn::Cos, y), &f(UnaryFn::Sinh, x) * &f(UnaryFn::Sin, y)],
        UnaryFn::Tanh => tanh(z),
        // tan(z) == -i tanh(i z)
        UnaryFn::Tan => turned_back(tanh(&turned(z))),
        UnaryFn::Asin => asin(z),
        UnaryFn::Acos => acos(z),
        UnaryFn::Atanh => atanh(z),
        // atan(z) == -i atanh(i z), and so is asinh by asin
        UnaryFn::Atan => turned_back(atanh(&turned(z))),
        UnaryFn::Asinh => turned_back(asin(&turned(z))),
        UnaryFn::Acosh => acosh(z),
        _ => return None,
    })
}

fn log([x, y]: &Parts) -> Parts {
    [hypot(x, y).unary(UnaryFn::Log), atan2(y, x)]
}

fn sqrt([x, y]: &Parts) -> Parts {
    let (zero, half) = (x.constant(0.0), x.constant(0.5));
    let larger = (&(&abs(x) + &hypot(x, y)) * &half).unary(UnaryFn::Sqrt);
    let is_zero = larger.compare(Compare::Eq, &zero);
    let smaller = &(y * &half) / &is_zero.select(&x.constant(1.0), &larger);
    let is_right = x.compare(Compare::Ge, &zero);
    [is_right.select(&larger, &abs(&smaller)), is_right.select(&smaller, &with_sign(&larger, y))]
}

/// `exp(w log z)`; a power of zero is zero, but for the power zero, which is 1.
fn power(z: &Parts, w: &Parts) -> Parts {
    let (zero, one) = (z[0].constant(0.0), z[0].constant(1.0));
    let is_zero = |z: &Parts| z[0].compare(Compare::Eq, &zero) & z[1].compare(Compare::Eq, &zero);
    let (base_is_zero, power_is_zero) = (is_zero(z), is_zero(w));
    // Where the base is zero, what is not chosen is finite, and so are its slopes.
    let base = [base_is_zero.select(&one, &z[0]), z[1].clone()];
    let [x, y] = product(w, &log(&base));
    let [re, im] = polar(&x.unary(UnaryFn::Exp), &y);
    let at_zero = power_is_zero.select(&one, &zero);
    [base_is_zero.select(&at_zero, &re), (base_is_zero | power_is_zero).select(&zero, &im)]
}

/// `(sinh x cosh x + i sin y cos y) / (sinh^2 x + cos^2 y)`, which is constant beyond where its parts overflow.
fn tanh([x, y]: &Parts) -> Parts {
    let bound = x.constant(20.0);
    let x = x.max(&-&bound).min(&bound);
    let [sinh, cosh] = [UnaryFn::Sinh, UnaryFn::Cosh].map(|f| x.unary(f));
    let [sin, cos] = [UnaryFn::Sin, UnaryFn::Cos].map(|f| y.unary(f));
    let size = &(&sinh * &sinh) + &(&cos * &cos);
    [&(&sinh * &cosh) / &size, &(&sin * &cos) / &size]
}

/// The roots of `1 - z` and `1 + z`, by which inverse functions lose no digits near branch points (Kahan).
fn roots([x, y]: &Parts) -> [Parts; 2] {
    let one = x.constant(1.0);
    [sqrt(&[&one - x, -y]), sqrt(&[&one + x, y.clone()])]
}

/// `conj(z) w`
fn conjugated([a, b]: &Parts, [c, d]: &Parts) -> Parts {
    [&(a * c) + &(b * d), &(a * d) - &(b * c)]
}

fn asin(z: &Parts) -> Parts {
    let [minus, plus] = roots(z);
    let [cosine, _] = product(&minus, &plus);
    [atan2(&z[0], &cosine), conjugated(&minus, &plus)[1].unary(UnaryFn::Asinh)]
}

fn acos(z: &Parts) -> Parts {
    let [minus, plus] = roots(z);
    let half = atan2(&minus[0], &plus[0]);
    [&half + &half, conjugated(&plus, &minus)[1].unary(UnaryFn::Asinh)]
}

fn acosh([x, y]: &Parts) -> Parts {
    let one = x.constant(1.0);
    let [minus, plus] = [sqrt(&[x - &one, y.clone()]), sqrt(&[x + &one, y.clone()])];
    let half = atan2(&minus[1], &plus[0]);
    [conjugated(&minus, &plus)[0].unary(UnaryFn::Asinh), &half + &half]
}

fn atanh([x, y]: &Parts) -> Parts {
    let one = x.constant(1.0);
    let far = &one - x;
    let near = &(&far * &far) + &(y * y);
    // log(|1 + z|^2 / |1 - z|^2) / 4
    let re = &(&(x * &x.constant(4.0)) / &near).unary(UnaryFn::Log1p) * &x.constant(0.25);
    let turn = atan2(&(y * &y.constant(2.0)), &(&(&far * &(x + &one)) - &(y * y)));
    [re, &turn * &x.constant(0.5)]
}
