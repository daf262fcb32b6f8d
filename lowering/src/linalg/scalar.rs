//! Scalar bodies as `arith` and `math`: what `thunder_interface::evaluate` computes, per element.
//!
//! Floats of 32 and 64 bits are computed in themselves, narrower ones in `f32` and rounded once, at
//! the end or where the body converts. Integers wrap. Division of an integer by zero gives 0, and a
//! remainder by zero 0, where the reference reports an error: compiled code does not trap.

use super::arith::{Arith, Floats, Ints};
use super::dtype::{convert, is_unsigned, load, round, storage, storage_type, store, working};
use super::generic::{Generic, Map};
use super::lowerer::Lowerer;
use std::collections::HashMap;
use thunder_interface::{BinaryFn, Compare, Expr, ExprKind, Scalar, UnaryFn, dtype_of};
use thunder_ir::{Error, Operation, Result, Scalar as Kind, Type, Value};
use thunder_tensor::DType;

/// Lowers an elementwise op by its scalar body.
pub fn elementwise<'c>(lo: &mut Lowerer<'c>, op: Operation<'c>, scalar: &dyn Scalar) -> Result<Vec<Value<'c>>> {
    if op.result_count() != 1 {
        return Err(op.error("has a scalar body, and so must have one result"));
    }
    let dtypes = op.operands().map(|v| element_dtype(op, v.ty())).collect::<Result<Vec<DType>>>()?;
    let inputs: Vec<Expr> = dtypes.iter().enumerate().map(|(i, dtype)| Expr::input(i, *dtype)).collect();
    let expr = scalar.scalar(&inputs);
    let declared = element_dtype(op, op.result(0).ty())?;
    if expr.dtype() != declared {
        return Err(op.error(format!("has a scalar body of {}, but its elements are {declared}", expr.dtype())));
    }
    if let ExprKind::Input(index) = expr.kind() {
        return Ok(vec![lo.value(op.operand(*index))?]);
    }
    let dims = lo.dims(op.result(0));
    let rank = dims.len();
    let operands: Vec<Value<'c>> = op.operands().collect();
    let is_tensor: Vec<bool> = operands.iter().map(|v| v.ty().as_tensor().is_some()).collect();
    let mut generic = Generic::parallel(rank);
    for (value, is_tensor) in operands.iter().zip(&is_tensor) {
        let map = if *is_tensor { Map::identity(rank) } else { Map::none() };
        generic = generic.input(lo.value(*value)?, map);
    }
    let out = lo.empty(storage_type(op.context(), declared), &dims)?;
    generic.output(out, Map::identity(rank)).build(lo, |code, arguments| {
        let mut emitter = Emitter { code, arguments, is_tensor: &is_tensor, done: HashMap::new() };
        let value = emitter.emit(&expr).map_err(|e| op.error(e.message()))?;
        Ok(vec![store(code, value, declared)?])
    })
}

/// The dtype of a tensor's elements, or of a scalar.
pub fn element_dtype(op: Operation<'_>, ty: Type<'_>) -> Result<DType> {
    dtype_of(ty.element()).ok_or_else(|| op.error(format!("has elements '{}', which cannot be lowered", ty.element())))
}

struct Emitter<'a, 'c> {
    code: Arith<'a, 'c>,
    arguments: &'a [Value<'c>],
    is_tensor: &'a [bool],
    done: HashMap<usize, Value<'c>>,
}

impl<'c> Emitter<'_, 'c> {
    /// The value of `expr`; shared parts once.
    fn emit(&mut self, expr: &Expr) -> Result<Value<'c>> {
        if let Some(value) = self.done.get(&expr.key()) {
            return Ok(*value);
        }
        let code = self.code;
        let dtype = expr.dtype();
        let value = match expr.kind() {
            ExprKind::Input(index) if self.is_tensor[*index] => load(code, self.arguments[*index], dtype)?,
            ExprKind::Input(index) if dtype == DType::Bool => self.arguments[*index],
            ExprKind::Input(index) => load(code, self.arguments[*index], dtype)?,
            ExprKind::Float(value) if let Some(format) = dtype.float8() => {
                code.int(code.ty(working(dtype)), i64::from(format.narrow(*value)))?
            }
            ExprKind::Float(value) => code.float(code.ty(working(dtype)), *value)?,
            ExprKind::Int(value) if dtype == DType::Bool => {
                code.constant(thunder_ir::Attribute::bool(code.context(), *value != 0))?
            }
            ExprKind::Int(value) => code.int(code.ty(working(dtype)), *value)?,
            ExprKind::Unary(function, x) => {
                let x = self.emit(x)?;
                unary(code, *function, x, dtype)?
            }
            ExprKind::Binary(function, x, y) => {
                let (x, y) = (self.emit(x)?, self.emit(y)?);
                binary(code, *function, x, y, dtype)?
            }
            ExprKind::Compare(how, x, y) => {
                let of = x.dtype();
                let (x, y) = (self.emit(x)?, self.emit(y)?);
                compare(code, *how, x, y, of)?
            }
            ExprKind::Select(condition, yes, no) => {
                let (condition, yes, no) = (self.emit(condition)?, self.emit(yes)?, self.emit(no)?);
                code.select(condition, yes, no)?
            }
            ExprKind::Convert(inner) => {
                let mut value = self.emit(inner)?;
                if !matches!(inner.kind(), ExprKind::Input(_)) {
                    value = round(code, value, inner.dtype())?;
                }
                convert(code, value, inner.dtype(), dtype)?
            }
            ExprKind::Bitcast(inner) => {
                let value = self.emit(inner)?;
                let stored = store(code, value, inner.dtype())?;
                let to = code.ty(storage(dtype));
                // Integers with a sign and without are of one type.
                let bits = if stored.ty() == to { stored } else { code.op("arith.bitcast", &[stored], to)? };
                load(code, bits, dtype)?
            }
        };
        self.done.insert(expr.key(), value);
        Ok(value)
    }
}

fn meaningless(function: impl std::fmt::Debug, dtype: DType) -> Error {
    Error::new(format!("{function:?} of {dtype} has no meaning"))
}

fn compare<'c>(code: Arith<'_, 'c>, how: Compare, x: Value<'c>, y: Value<'c>, of: DType) -> Result<Value<'c>> {
    if of.is_float() {
        let how = match how {
            Compare::Eq => Floats::Oeq,
            Compare::Ne => Floats::Une,
            Compare::Lt => Floats::Olt,
            Compare::Le => Floats::Ole,
            Compare::Gt => Floats::Ogt,
            Compare::Ge => Floats::Oge,
        };
        return code.cmpf(how, x, y);
    }
    let how = match (how, is_unsigned(of)) {
        (Compare::Eq, _) => Ints::Eq,
        (Compare::Ne, _) => Ints::Ne,
        (Compare::Lt, false) => Ints::Slt,
        (Compare::Le, false) => Ints::Sle,
        (Compare::Gt, false) => Ints::Sgt,
        (Compare::Ge, false) => Ints::Sge,
        (Compare::Lt, true) => Ints::Ult,
        (Compare::Le, true) => Ints::Ule,
        (Compare::Gt, true) => Ints::Ugt,
        (Compare::Ge, true) => Ints::Uge,
    };
    code.cmpi(how, x, y)
}

fn unary<'c>(code: Arith<'_, 'c>, function: UnaryFn, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    if dtype.is_float() { float_unary(code, function, x, dtype) } else { int_unary(code, function, x, dtype) }
}

fn float_unary<'c>(code: Arith<'_, 'c>, function: UnaryFn, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    let name = match function {
        UnaryFn::Neg => "arith.negf",
        UnaryFn::Abs => "math.absf",
        UnaryFn::Ceil => "math.ceil",
        UnaryFn::Floor => "math.floor",
        UnaryFn::Round => "math.roundeven",
        UnaryFn::Trunc => "math.trunc",
        UnaryFn::Sqrt => "math.sqrt",
        UnaryFn::Rsqrt => "math.rsqrt",
        UnaryFn::Exp => "math.exp",
        UnaryFn::Exp2 => "math.exp2",
        UnaryFn::Expm1 => "math.expm1",
        UnaryFn::Log => "math.log",
        UnaryFn::Log2 => "math.log2",
        UnaryFn::Log10 => "math.log10",
        UnaryFn::Log1p => "math.log1p",
        UnaryFn::Sin => "math.sin",
        UnaryFn::Cos => "math.cos",
        UnaryFn::Tan => "math.tan",
        UnaryFn::Asin => "math.asin",
        UnaryFn::Acos => "math.acos",
        UnaryFn::Atan => "math.atan",
        UnaryFn::Sinh => "math.sinh",
        UnaryFn::Cosh => "math.cosh",
        UnaryFn::Tanh => "math.tanh",
        UnaryFn::Asinh => "math.asinh",
        UnaryFn::Acosh => "math.acosh",
        UnaryFn::Atanh => "math.atanh",
        UnaryFn::Erf => "math.erf",
        UnaryFn::Erfc => "math.erfc",
        // Zeros and NaN are their own sign.
        UnaryFn::Sign => {
            let zero = code.float(x.ty(), 0.0)?;
            let below = code.select(code.cmpf(Floats::Olt, x, zero)?, code.float(x.ty(), -1.0)?, x)?;
            return code.select(code.cmpf(Floats::Ogt, x, zero)?, code.float(x.ty(), 1.0)?, below);
        }
        UnaryFn::Not => return Err(meaningless(function, dtype)),
    };
    code.one(name, x)
}

fn int_unary<'c>(code: Arith<'_, 'c>, function: UnaryFn, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    let int = |value| code.int(x.ty(), value);
    match function {
        UnaryFn::Not if dtype == DType::Bool => code.not(x),
        UnaryFn::Not => code.two("arith.xori", x, int(-1)?),
        // A truth value that wraps is whether it is not zero.
        UnaryFn::Neg if dtype == DType::Bool => Ok(x),
        UnaryFn::Neg => code.two("arith.subi", int(0)?, x),
        UnaryFn::Abs if is_unsigned(dtype) => Ok(x),
        UnaryFn::Abs => code.one("math.absi", x),
        UnaryFn::Sign if dtype == DType::Bool => Ok(x),
        UnaryFn::Sign if is_unsigned(dtype) => code.two("arith.minui", x, int(1)?),
        UnaryFn::Sign => code.clamp(x, int(-1)?, int(1)?),
        UnaryFn::Ceil | UnaryFn::Floor | UnaryFn::Round | UnaryFn::Trunc => Ok(x),
        _ => Err(meaningless(function, dtype)),
    }
}

fn binary<'c>(code: Arith<'_, 'c>, function: BinaryFn, x: Value<'c>, y: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    match dtype {
        DType::Bool => bool_binary(code, function, x, y),
        dtype if dtype.is_float() => {
            let name = match function {
                BinaryFn::Add => "arith.addf",
                BinaryFn::Sub => "arith.subf",
                BinaryFn::Mul => "arith.mulf",
                BinaryFn::Div => "arith.divf",
                BinaryFn::Rem => "arith.remf",
                BinaryFn::Pow => "math.powf",
                BinaryFn::Atan2 => "math.atan2",
                BinaryFn::Max => "arith.maximumf",
                BinaryFn::Min => "arith.minimumf",
                _ => return Err(meaningless(function, dtype)),
            };
            code.two(name, x, y)
        }
        _ => int_binary(code, function, x, y, dtype),
    }
}

/// Arithmetic modulo two is not meant: a result that is not zero is true.
fn bool_binary<'c>(code: Arith<'_, 'c>, function: BinaryFn, x: Value<'c>, y: Value<'c>) -> Result<Value<'c>> {
    let name = match function {
        BinaryFn::Add | BinaryFn::Max | BinaryFn::Or => "arith.ori",
        BinaryFn::Mul | BinaryFn::Min | BinaryFn::And | BinaryFn::Div => "arith.andi",
        BinaryFn::Sub | BinaryFn::Xor => "arith.xori",
        BinaryFn::Rem => return code.int(x.ty(), 0),
        BinaryFn::Pow => return code.two("arith.ori", x, code.not(y)?),
        BinaryFn::ShiftLeft => return Ok(x),
        BinaryFn::ShiftRight => return code.two("arith.andi", x, code.not(y)?),
        BinaryFn::Atan2 => return Err(meaningless(function, DType::Bool)),
    };
    code.two(name, x, y)
}

fn int_binary<'c>(
    code: Arith<'_, 'c>,
    function: BinaryFn,
    x: Value<'c>,
    y: Value<'c>,
    dtype: DType,
) -> Result<Value<'c>> {
    let unsigned = is_unsigned(dtype);
    let name = match function {
        BinaryFn::Add => "arith.addi",
        BinaryFn::Sub => "arith.subi",
        BinaryFn::Mul => "arith.muli",
        BinaryFn::And => "arith.andi",
        BinaryFn::Or => "arith.ori",
        BinaryFn::Xor => "arith.xori",
        BinaryFn::Max if unsigned => "arith.maxui",
        BinaryFn::Max => "arith.maxsi",
        BinaryFn::Min if unsigned => "arith.minui",
        BinaryFn::Min => "arith.minsi",
        BinaryFn::Div | BinaryFn::Rem => return divide(code, function, x, y, unsigned),
        BinaryFn::ShiftLeft | BinaryFn::ShiftRight => return shift(code, function, x, y, unsigned),
        BinaryFn::Pow => return power(code, x, y, unsigned),
        BinaryFn::Atan2 => return Err(meaningless(function, dtype)),
    };
    code.two(name, x, y)
}

/// Truncated quotient or remainder, without the divisors that processors trap on: 0 gives 0, and
/// the least integer divided by -1 wraps.
fn divide<'c>(
    code: Arith<'_, 'c>,
    function: BinaryFn,
    x: Value<'c>,
    y: Value<'c>,
    unsigned: bool,
) -> Result<Value<'c>> {
    let (zero, one) = (code.int(x.ty(), 0)?, code.int(x.ty(), 1)?);
    let is_zero = code.cmpi(Ints::Eq, y, zero)?;
    if unsigned {
        let safe = code.select(is_zero, one, y)?;
        if function == BinaryFn::Rem {
            return code.two("arith.remui", x, safe);
        }
        let quotient = code.two("arith.divui", x, safe)?;
        return code.select(is_zero, zero, quotient);
    }
    let is_minus_one = code.cmpi(Ints::Eq, y, code.int(x.ty(), -1)?)?;
    let is_special = code.two("arith.ori", is_zero, is_minus_one)?;
    let safe = code.select(is_special, one, y)?;
    if function == BinaryFn::Rem {
        return code.two("arith.remsi", x, safe);
    }
    let quotient = code.two("arith.divsi", x, safe)?;
    let negated = code.two("arith.subi", zero, x)?;
    let quotient = code.select(is_minus_one, negated, quotient)?;
    code.select(is_zero, zero, quotient)
}

/// Amounts outside of the width leave zeros, or copies of the sign.
fn shift<'c>(code: Arith<'_, 'c>, function: BinaryFn, x: Value<'c>, y: Value<'c>, unsigned: bool) -> Result<Value<'c>> {
    let Some(Kind::Int(width)) = x.ty().as_scalar() else { unreachable!("integers are computed in integer types") };
    let last = code.int(x.ty(), i64::from(width) - 1)?;
    let amount = code.two("arith.minui", y, last)?;
    let name = match (function, unsigned) {
        (BinaryFn::ShiftLeft, _) => "arith.shli",
        (_, true) => "arith.shrui",
        (_, false) => return code.two("arith.shrsi", x, amount),
    };
    let shifted = code.two(name, x, amount)?;
    let is_inside = code.cmpi(Ints::Ule, y, last)?;
    code.select(is_inside, shifted, code.int(x.ty(), 0)?)
}

/// Power by squaring, once per bit of the exponent; negative exponents give the truncated reciprocal.
fn power<'c>(code: Arith<'_, 'c>, x: Value<'c>, y: Value<'c>, unsigned: bool) -> Result<Value<'c>> {
    let ty = x.ty();
    let Some(Kind::Int(width)) = ty.as_scalar() else { unreachable!("integers are computed in integer types") };
    let (zero, one) = (code.int(ty, 0)?, code.int(ty, 1)?);
    let bits = if unsigned { width } else { width - 1 };
    let (first, last, step) = (code.index(0)?, code.index(i64::from(bits))?, code.index(1)?);
    let results = super::structure::repeat(code, (first, last, step), &[one, x, y], |code, _, carried| {
        let [result, base, exponent] = carried[..] else { unreachable!("three values are carried") };
        let bit = code.two("arith.andi", exponent, one)?;
        let is_set = code.cmpi(Ints::Ne, bit, zero)?;
        let factor = code.select(is_set, base, one)?;
        let result = code.two("arith.muli", result, factor)?;
        let base = code.two("arith.muli", base, base)?;
        let exponent = code.two("arith.shrui", exponent, one)?;
        Ok(vec![result, base, exponent])
    })?;
    let whole = results[0];
    if unsigned {
        return Ok(whole);
    }
    let minus_one = code.int(ty, -1)?;
    let is_odd = code.cmpi(Ints::Ne, code.two("arith.andi", y, one)?, zero)?;
    let alternating = code.select(is_odd, minus_one, one)?;
    let of_minus_one = code.select(code.cmpi(Ints::Eq, x, minus_one)?, alternating, zero)?;
    let reciprocal = code.select(code.cmpi(Ints::Eq, x, one)?, one, of_minus_one)?;
    let is_negative = code.cmpi(Ints::Slt, y, zero)?;
    code.select(is_negative, reciprocal, whole)
}
