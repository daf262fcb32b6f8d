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
            let is_float = x.dtype().is_float();
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
            if dtype.is_float() {
                let pairs = x.floats().iter().zip(y.floats());
                Lane::Float(c.iter().zip(pairs).map(|(c, (x, y))| if *c != 0 { *x } else { *y }).collect())
            } else {
                let pairs = x.ints().iter().zip(y.ints());
                Lane::Int(c.iter().zip(pairs).map(|(c, (x, y))| if *c != 0 { *x } else { *y }).collect())
            }
        }
        ExprKind::Convert(x) => {
            let from = x.dtype();
            let values = go(x)?;
            let source = match &values {
                Lane::Float(values) => Tensor::from_values(from, [len], values.to_vec()),
                Lane::Int(values) => Tensor::from_values(from, [len], values.to_vec()),
            };
            load(&source.map_err(|e| EvalError::Input(e.to_string()))?.cast(dtype))
        }
    };
    done.insert(expr.key(), value.clone());
    Ok(value)
}

fn unsupported(function: String, dtype: DType) -> EvalError {
    EvalError::Unsupported(format!("{function} of {dtype} has no meaning"))
}

fn load(tensor: &Tensor) -> Lane {
    if tensor.dtype().is_float() {
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
        UnaryFn::Acosh => libm::acosh,
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
