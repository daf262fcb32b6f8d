//! Scalar expressions evaluated over whole host tensors.
//!
//! Floating-point nodes are computed in `f64` and rounded once, at the end; integer nodes wrap to
//! their dtype at every step.

use crate::expr::{BinaryFn, Compare, Expr, ExprKind, UnaryFn};
use crate::reference::EvalError;
use std::collections::HashMap;
use std::rc::Rc;
use thunder_tensor::{DType, Tensor};

#[derive(Clone)]
enum Lane {
    Float(Rc<[f64]>),
    Int(Rc<[i64]>),
}

impl Lane {
    fn floats(&self) -> &[f64] {
        match self {
            Self::Float(values) => values,
            Self::Int(_) => panic!("a float expression has float values"),
        }
    }

    fn ints(&self) -> &[i64] {
        match self {
            Self::Int(values) => values,
            Self::Float(_) => panic!("an integer expression has integer values"),
        }
    }
}

/// Evaluates `expr` elementwise. All inputs have one shape, which the result has too.
pub fn evaluate(expr: &Expr, inputs: &[Tensor], shape: &[usize]) -> Result<Tensor, EvalError> {
    let len = shape.iter().product();
    if let Some(input) = inputs.iter().find(|t| t.shape() != shape) {
        return Err(EvalError::Input(format!("elementwise operands have shapes {:?} and {shape:?}", input.shape())));
    }
    let mut done = HashMap::new();
    let lane = lane(expr, inputs, len, &mut done)?;
    let result = match lane {
        Lane::Float(values) => Tensor::from_values(expr.dtype(), shape, values.to_vec()),
        Lane::Int(values) => Tensor::from_values(expr.dtype(), shape, values.to_vec()),
    };
    result.map_err(|e| EvalError::Input(e.to_string()))
}

fn lane(expr: &Expr, inputs: &[Tensor], len: usize, done: &mut HashMap<usize, Lane>) -> Result<Lane, EvalError> {
    if let Some(lane) = done.get(&expr.key()) {
        return Ok(lane.clone());
    }
    let mut go = |e: &Expr| lane(e, inputs, len, done);
    let dtype = expr.dtype();
    let value = match expr.kind() {
        ExprKind::Input(index) => load(&inputs[*index]),
        ExprKind::Float(value) => Lane::Float(vec![*value; len].into()),
        ExprKind::Int(value) => Lane::Int(vec![*value; len].into()),
        ExprKind::Unary(function, x) => {
            let x = go(x)?;
            if dtype.is_float() {
                let f = float_unary(*function).ok_or_else(|| unsupported(format!("{function:?}"), dtype))?;
                Lane::Float(x.floats().iter().map(|x| f(*x)).collect())
            } else {
                int_unary(*function, x.ints(), dtype)?
            }
        }
        ExprKind::Binary(function, x, y) => {
            let (x, y) = (go(x)?, go(y)?);
            if dtype.is_float() {
                let f = float_binary(*function).ok_or_else(|| unsupported(format!("{function:?}"), dtype))?;
                Lane::Float(x.floats().iter().zip(y.floats()).map(|(x, y)| f(*x, *y)).collect())
            } else {
                int_binary(*function, x.ints(), y.ints(), dtype)?
            }
        }
        ExprKind::Compare(how, x, y) => {
            let is_float = x.dtype().has_fractions();
            let (x, y) = (go(x)?, go(y)?);
            let out: Vec<i64> = if is_float {
                x.floats().iter().zip(y.floats()).map(|(x, y)| holds(*how, x, y).into()).collect()
            } else {
                x.ints().iter().zip(y.ints()).map(|(x, y)| holds(*how, x, y).into()).collect()
            };
            Lane::Int(out.into())
        }
        ExprKind::Select(c, x, y) => {
            let (c, x, y) = (go(c)?, go(x)?, go(y)?);
            let c = c.ints();
            if dtype.has_fractions() {
                let pairs = x.floats().iter().zip(y.floats());
                Lane::Float(c.iter().zip(pairs).map(|(c, (x, y))| if *c != 0 { *x } else { *y }).collect())
            } else {
                let pairs = x.ints().iter().zip(y.ints());
                Lane::Int(c.iter().zip(pairs).map(|(c, (x, y))| if *c != 0 { *x } else { *y }).collect())
            }
        }
        ExprKind::Convert(x) => load(&stored(&go(x)?, x.dtype(), len)?.cast(dtype)),
        ExprKind::Bitcast(x) => {
            let bits = stored(&go(x)?, x.dtype(), len)?;
            let read = Tensor::from_bytes(dtype, [len], bits.bytes());
            load(&read.map_err(|e| EvalError::Input(e.to_string()))?)
        }
    };
    done.insert(expr.key(), value.clone());
    Ok(value)
}

/// Values as elements of their dtype.
fn stored(values: &Lane, dtype: DType, len: usize) -> Result<Tensor, EvalError> {
    let tensor = match values {
        Lane::Float(values) => Tensor::from_values(dtype, [len], values.to_vec()),
        Lane::Int(values) => Tensor::from_values(dtype, [len], values.to_vec()),
    };
    tensor.map_err(|e| EvalError::Input(e.to_string()))
}

fn unsupported(function: String, dtype: DType) -> EvalError {
    EvalError::Unsupported(format!("{function} of {dtype} has no meaning"))
}

fn load(tensor: &Tensor) -> Lane {
    if tensor.dtype().has_fractions() {
        Lane::Float(tensor.to_vec::<f64>().into())
    } else {
        Lane::Int(tensor.to_vec::<i64>().into())
    }
}

fn holds<T: PartialOrd>(how: Compare, x: &T, y: &T) -> bool {
    match how {
        Compare::Eq => x == y,
        Compare::Ne => x != y,
        Compare::Lt => x < y,
        Compare::Le => x <= y,
        Compare::Gt => x > y,
        Compare::Ge => x >= y,
    }
}

fn float_unary(function: UnaryFn) -> Option<fn(f64) -> f64> {
    Some(match function {
        UnaryFn::Neg => |x| -x,
        UnaryFn::Abs => f64::abs,
        UnaryFn::Sign => |x| {
            if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                x * 0.0
            }
        },
        UnaryFn::Ceil => f64::ceil,
        UnaryFn::Floor => f64::floor,
        UnaryFn::Round => f64::round_ties_even,
        UnaryFn::Trunc => f64::trunc,
        UnaryFn::Sqrt => f64::sqrt,
        UnaryFn::Rsqrt => |x| 1.0 / x.sqrt(),
        UnaryFn::Exp => libm::exp,
        UnaryFn::Exp2 => libm::exp2,
        UnaryFn::Expm1 => libm::expm1,
        UnaryFn::Log => libm::log,
        UnaryFn::Log2 => libm::log2,
        UnaryFn::Log10 => libm::log10,
        UnaryFn::Log1p => libm::log1p,
        UnaryFn::Sin => libm::sin,
        UnaryFn::Cos => libm::cos,
        UnaryFn::Tan => libm::tan,
        UnaryFn::Asin => libm::asin,
        UnaryFn::Acos => libm::acos,
        UnaryFn::Atan => libm::atan,
        UnaryFn::Sinh => libm::sinh,
        UnaryFn::Cosh => libm::cosh,
        UnaryFn::Tanh => libm::tanh,
        UnaryFn::Asinh => libm::asinh,
        // libm's is a number below -1.
        UnaryFn::Acosh => |x| if x < 1.0 { f64::NAN } else { libm::acosh(x) },
        UnaryFn::Atanh => libm::atanh,
        UnaryFn::Erf => libm::erf,
        UnaryFn::Erfc => libm::erfc,
        UnaryFn::Not => return None,
    })
}

fn float_binary(function: BinaryFn) -> Option<fn(f64, f64) -> f64> {
    Some(match function {
        BinaryFn::Add => |x, y| x + y,
        BinaryFn::Sub => |x, y| x - y,
        BinaryFn::Mul => |x, y| x * y,
        BinaryFn::Div => |x, y| x / y,
        BinaryFn::Rem => libm::fmod,
        BinaryFn::Pow => libm::pow,
        BinaryFn::Atan2 => libm::atan2,
        BinaryFn::Max => |x, y| if x.is_nan() || x > y { x } else { y },
        BinaryFn::Min => |x, y| if x.is_nan() || x < y { x } else { y },
        _ => return None,
    })
}

/// Wraps a value to the range of an integer dtype.
fn wrap(value: i64, dtype: DType) -> i64 {
    match dtype {
        DType::Bool => i64::from(value != 0),
        DType::U8 => i64::from(value as u8),
        DType::I8 => i64::from(value as i8),
        DType::I16 => i64::from(value as i16),
        DType::I32 => i64::from(value as i32),
        _ => value,
    }
}

fn int_unary(function: UnaryFn, x: &[i64], dtype: DType) -> Result<Lane, EvalError> {
    let f: fn(i64) -> i64 = match function {
        UnaryFn::Neg => i64::wrapping_neg,
        UnaryFn::Abs => i64::wrapping_abs,
        UnaryFn::Sign => i64::signum,
        UnaryFn::Not if dtype == DType::Bool => |x| 1 - x,
        UnaryFn::Not => |x| !x,
        UnaryFn::Ceil | UnaryFn::Floor | UnaryFn::Round | UnaryFn::Trunc => |x| x,
        _ => return Err(unsupported(format!("{function:?}"), dtype)),
    };
    Ok(Lane::Int(x.iter().map(|x| wrap(f(*x), dtype)).collect()))
}

fn int_binary(function: BinaryFn, x: &[i64], y: &[i64], dtype: DType) -> Result<Lane, EvalError> {
    if matches!(function, BinaryFn::Div | BinaryFn::Rem) && y.contains(&0) {
        return Err(EvalError::Input("an integer is divided by zero".to_owned()));
    }
    let bits = 8 * dtype.size() as i64;
    let shift = |x: i64, y: i64, left: bool| {
        let inside = (0..bits).contains(&y);
        match (left, inside) {
            (true, true) => x.wrapping_shl(y as u32),
            (true, false) => 0,
            (false, true) => x >> y,
            (false, false) => i64::from(x < 0).wrapping_neg(),
        }
    };
    let f = |x: i64, y: i64| match function {
        BinaryFn::Add => x.wrapping_add(y),
        BinaryFn::Sub => x.wrapping_sub(y),
        BinaryFn::Mul => x.wrapping_mul(y),
        BinaryFn::Div => x.wrapping_div(y),
        BinaryFn::Rem => x.wrapping_rem(y),
        BinaryFn::Pow => power(x, y),
        BinaryFn::Max => x.max(y),
        BinaryFn::Min => x.min(y),
        BinaryFn::And => x & y,
        BinaryFn::Or => x | y,
        BinaryFn::Xor => x ^ y,
        BinaryFn::ShiftLeft => shift(x, y, true),
        BinaryFn::ShiftRight => shift(x, y, false),
        BinaryFn::Atan2 => 0,
    };
    if function == BinaryFn::Atan2 {
        return Err(unsupported("Atan2".to_owned(), dtype));
    }
    Ok(Lane::Int(x.iter().zip(y).map(|(x, y)| wrap(f(*x, *y), dtype)).collect()))
}

/// Integer power; a negative exponent gives the truncated reciprocal, as PyTorch does.
fn power(x: i64, y: i64) -> i64 {
    if y < 0 {
        return match x {
            1 => 1,
            -1 => 1 - 2 * (y & 1),
            _ => 0,
        };
    }
    let (mut base, mut exponent, mut result) = (x, y as u64, 1i64);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result.wrapping_mul(base);
        }
        base = base.wrapping_mul(base);
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(dtype: DType, values: &[f64]) -> Tensor {
        Tensor::from_values(dtype, [values.len()], values.to_vec()).expect("as many values as elements")
    }

    fn run(dtype: DType, inputs: &[&[f64]], body: impl Fn(&[Expr]) -> Expr) -> Result<Vec<f64>, EvalError> {
        let operands: Vec<Expr> = (0..inputs.len()).map(|i| Expr::input(i, dtype)).collect();
        let tensors: Vec<Tensor> = inputs.iter().map(|values| tensor(dtype, values)).collect();
        evaluate(&body(&operands), &tensors, tensors[0].shape()).map(|result| result.to_vec())
    }

    fn binary(dtype: DType, function: BinaryFn, x: &[f64], y: &[f64]) -> Vec<f64> {
        run(dtype, &[x, y], |e| e[0].binary(function, &e[1])).expect("the function is defined")
    }

    #[test]
    fn integers_wrap_to_their_width_at_every_step() {
        assert_eq!(binary(DType::I8, BinaryFn::Add, &[127.0, -128.0], &[1.0, -1.0]), [-128.0, 127.0]);
        assert_eq!(binary(DType::U8, BinaryFn::Sub, &[0.0], &[1.0]), [255.0]);
        assert_eq!(binary(DType::I16, BinaryFn::Mul, &[300.0], &[300.0]), [24464.0]);
        // The sum wraps before it is halved.
        let mean = run(DType::I8, &[&[100.0], &[100.0]], |e| &(&e[0] + &e[1]) / &e[0].constant(2.0));
        assert_eq!(mean.expect("defined"), [-28.0]);
        let negated = run(DType::I8, &[&[-128.0, 5.0]], |e| -&e[0]);
        assert_eq!(negated.expect("defined"), [-128.0, -5.0]);
        let magnitude = run(DType::I8, &[&[-128.0, -5.0]], |e| e[0].unary(UnaryFn::Abs));
        assert_eq!(magnitude.expect("defined"), [-128.0, 5.0]);
    }

    #[test]
    fn functions_are_nan_outside_of_their_domains() {
        let acosh = run(DType::F64, &[&[1.0, 0.5, -7946.75]], |e| e[0].unary(UnaryFn::Acosh)).expect("defined");
        assert!(acosh[0] == 0.0 && acosh[1].is_nan() && acosh[2].is_nan(), "{acosh:?}");
    }

    #[test]
    fn wide_integers_keep_all_their_bits() {
        let x = Tensor::scalar(i64::MAX);
        let doubled =
            evaluate(&(&Expr::input(0, DType::I64) + &Expr::input(0, DType::I64)), std::slice::from_ref(&x), &[]);
        assert_eq!(doubled.expect("defined").item::<i64>().expect("rank 0"), -2);
        let next = &Expr::input(0, DType::I64) - &Expr::integer(DType::I64, i64::MAX - 1);
        assert_eq!(evaluate(&next, &[x], &[]).expect("defined").item::<i64>().expect("rank 0"), 1);
    }

    #[test]
    fn division_truncates_and_refuses_zero() {
        assert_eq!(
            binary(DType::I32, BinaryFn::Div, &[7.0, -7.0, 7.0, -7.0], &[2.0, 2.0, -2.0, -2.0]),
            [3.0, -3.0, -3.0, 3.0]
        );
        assert_eq!(
            binary(DType::I32, BinaryFn::Rem, &[7.0, -7.0, 7.0, -7.0], &[2.0, 2.0, -2.0, -2.0]),
            [1.0, -1.0, 1.0, -1.0]
        );
        assert_eq!(binary(DType::I8, BinaryFn::Div, &[-128.0], &[-1.0]), [-128.0], "the quotient wraps");
        let divided = run(DType::I32, &[&[1.0, 1.0], &[1.0, 0.0]], |e| &e[0] / &e[1]);
        assert!(matches!(divided, Err(EvalError::Input(_))));
        assert_eq!(binary(DType::F32, BinaryFn::Div, &[1.0, -1.0], &[0.0, 0.0]), [f64::INFINITY, f64::NEG_INFINITY]);
    }

    #[test]
    fn extrema_keep_nan_from_either_side() {
        let (nan, one) = ([f64::NAN, 1.0], [1.0, f64::NAN]);
        for function in [BinaryFn::Max, BinaryFn::Min] {
            assert!(binary(DType::F32, function, &nan, &one).iter().all(|v| v.is_nan()));
        }
        assert_eq!(
            binary(DType::F16, BinaryFn::Max, &[f64::NEG_INFINITY, 2.0], &[-1.0, f64::INFINITY]),
            [-1.0, f64::INFINITY]
        );
    }

    #[test]
    fn comparisons_with_nan_are_false_but_for_inequality() {
        for (how, expected) in [
            (Compare::Eq, 0.0),
            (Compare::Ne, 1.0),
            (Compare::Lt, 0.0),
            (Compare::Le, 0.0),
            (Compare::Gt, 0.0),
            (Compare::Ge, 0.0),
        ] {
            let answers = run(DType::F32, &[&[f64::NAN, 1.0], &[1.0, f64::NAN]], |e| e[0].compare(how, &e[1]));
            assert_eq!(answers.expect("defined"), [expected; 2], "{how:?}");
        }
        let zeros = run(DType::F32, &[&[0.0], &[-0.0]], |e| e[0].compare(Compare::Eq, &e[1]));
        assert_eq!(zeros.expect("defined"), [1.0]);
    }

    #[test]
    fn shifts_past_the_width_leave_nothing_or_the_sign() {
        let amounts = [0.0, 1.0, 7.0, 8.0, 64.0, -1.0];
        assert_eq!(binary(DType::I8, BinaryFn::ShiftLeft, &[3.0; 6], &amounts), [3.0, 6.0, -128.0, 0.0, 0.0, 0.0]);
        assert_eq!(
            binary(DType::I8, BinaryFn::ShiftRight, &[-100.0; 6], &amounts),
            [-100.0, -50.0, -1.0, -1.0, -1.0, -1.0]
        );
        assert_eq!(binary(DType::U8, BinaryFn::ShiftRight, &[200.0; 5], &amounts[..5]), [200.0, 100.0, 1.0, 0.0, 0.0]);
        assert_eq!(binary(DType::I64, BinaryFn::ShiftLeft, &[1.0; 2], &[63.0, 64.0]), [i64::MIN as f64, 0.0]);
    }

    #[test]
    fn bits_of_truth_values_stay_truth_values() {
        let negated = run(DType::Bool, &[&[1.0, 0.0]], |e| !&e[0]);
        assert_eq!(negated.expect("defined"), [0.0, 1.0]);
        let complement = run(DType::U8, &[&[1.0, 0.0]], |e| !&e[0]);
        assert_eq!(complement.expect("defined"), [254.0, 255.0]);
    }

    #[test]
    fn integer_powers_truncate_negative_exponents() {
        assert_eq!(binary(DType::I32, BinaryFn::Pow, &[2.0, -2.0, 0.0], &[10.0, 3.0, 0.0]), [1024.0, -8.0, 1.0]);
        assert_eq!(
            binary(DType::I32, BinaryFn::Pow, &[2.0, 1.0, -1.0, -1.0], &[-1.0, -5.0, -2.0, -3.0]),
            [0.0, 1.0, 1.0, -1.0]
        );
    }

    #[test]
    fn conversions_happen_where_they_stand() {
        let saturated = run(DType::F32, &[&[300.7, -1e9, f64::NAN, -1.9]], |e| e[0].convert(DType::I8));
        assert_eq!(saturated.expect("defined"), [127.0, -128.0, 0.0, -1.0]);
        let wrapped = run(DType::I32, &[&[300.0, -129.0]], |e| e[0].convert(DType::I8));
        assert_eq!(wrapped.expect("defined"), [44.0, 127.0]);
        let truths = run(DType::F32, &[&[0.5, -0.0, f64::NAN]], |e| e[0].convert(DType::Bool));
        assert_eq!(truths.expect("defined"), [1.0, 0.0, 1.0]);
        let rounded = run(DType::F32, &[&[1.0 + 1.0 / 512.0]], |e| e[0].convert(DType::BF16).convert(DType::F32));
        assert_eq!(rounded.expect("defined"), [1.0], "the value is rounded on the way");
    }

    #[test]
    fn floats_are_rounded_once_at_the_end() {
        let step = 1.0 / 512.0;
        let sum = run(DType::BF16, &[&[1.0]], |e| {
            let step = e[0].constant(step);
            &(&(&e[0] + &step) + &step) + &e[0].constant(1e-9)
        });
        assert_eq!(sum.expect("defined"), [1.0 + 1.0 / 128.0]);
    }

    #[test]
    fn what_has_no_meaning_is_an_error() {
        let sine = run(DType::I32, &[&[1.0]], |e| e[0].unary(UnaryFn::Sin));
        assert!(matches!(sine, Err(EvalError::Unsupported(_))));
        let angle = run(DType::I32, &[&[1.0], &[1.0]], |e| e[0].binary(BinaryFn::Atan2, &e[1]));
        assert!(matches!(angle, Err(EvalError::Unsupported(_))));
        let bits = run(DType::F32, &[&[1.0], &[1.0]], |e| &e[0] & &e[1]);
        assert!(matches!(bits, Err(EvalError::Unsupported(_))));
    }
}
