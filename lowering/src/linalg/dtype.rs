//! How elements are stored and computed with, and the conversions between dtypes.
//!
//! Storage: truth values are one byte, 0 or 1, and `ui8` is `i8`; every other dtype is its own type.
//! Computation: truth values are `i1`; half-precision floats are `f32`, rounded once where the value
//! is stored or converted; every other dtype is as stored. Complex numbers are their parts by then. Floats of 8 bits are
//! bits, `i8`, until they are converted.

use super::arith::{Arith, Floats, Ints};
use super::float8;
use thunder_interface::dtype_of;
use thunder_ir::{ContextRef, Result, Scalar as Kind, Type, Value};
use thunder_tensor::DType;

/// The type that elements of a dtype have in memory.
pub fn storage(dtype: DType) -> Kind {
    match dtype {
        DType::Bool | DType::U8 | DType::I8 => Kind::Int(8),
        DType::F8E4M3FN | DType::F8E5M2 | DType::F8E4M3FNUZ | DType::F8E5M2FNUZ => Kind::Int(8),
        DType::I16 => Kind::Int(16),
        DType::I32 => Kind::Int(32),
        DType::I64 => Kind::Int(64),
        DType::F16 => Kind::F16,
        DType::BF16 => Kind::BF16,
        DType::F32 => Kind::F32,
        DType::F64 => Kind::F64,
        DType::C64 => Kind::C64,
        DType::C128 => Kind::C128,
    }
}

/// The type that elements of a dtype are computed in.
pub fn working(dtype: DType) -> Kind {
    match dtype {
        DType::Bool => Kind::Int(1),
        DType::F16 | DType::BF16 => Kind::F32,
        _ => storage(dtype),
    }
}

/// Whether values are rounded from the working type to the stored one.
pub fn is_half(dtype: DType) -> bool {
    matches!(dtype, DType::F16 | DType::BF16)
}

/// Whether integers of the dtype have no sign.
pub fn is_unsigned(dtype: DType) -> bool {
    matches!(dtype, DType::Bool | DType::U8)
}

/// A tensor type with its elements as they are stored; any other type as it is.
pub fn stored(ty: Type<'_>) -> Type<'_> {
    let Some(tensor) = ty.as_tensor() else { return ty };
    match dtype_of(tensor.element()) {
        Some(dtype) => tensor.with_element(storage_type(ty.context(), dtype)),
        None => ty,
    }
}

/// [`storage`] as a type.
pub fn storage_type(cx: ContextRef<'_>, dtype: DType) -> Type<'_> {
    Type::scalar(cx, storage(dtype))
}

/// A stored element, to be computed with.
pub fn load<'c>(code: Arith<'_, 'c>, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    match dtype {
        DType::Bool => {
            let zero = code.int(x.ty(), 0)?;
            code.cmpi(Ints::Ne, x, zero)
        }
        DType::F16 | DType::BF16 => code.op("arith.extf", &[x], code.ty(Kind::F32)),
        _ => Ok(x),
    }
}

/// A computed element, to be stored.
pub fn store<'c>(code: Arith<'_, 'c>, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    let to = code.ty(storage(dtype));
    match dtype {
        DType::Bool => code.op("arith.extui", &[x], to),
        DType::F16 | DType::BF16 => code.op("arith.truncf", &[x], to),
        _ => Ok(x),
    }
}

/// A computed element, rounded to its dtype.
pub fn round<'c>(code: Arith<'_, 'c>, x: Value<'c>, dtype: DType) -> Result<Value<'c>> {
    if !is_half(dtype) {
        return Ok(x);
    }
    let stored = store(code, x, dtype)?;
    load(code, stored, dtype)
}

/// An element that is a value of `from`, as the element of `to` that `Tensor::cast` gives.
pub fn convert<'c>(code: Arith<'_, 'c>, x: Value<'c>, from: DType, to: DType) -> Result<Value<'c>> {
    if from == to {
        return Ok(x);
    }
    if let Some(format) = from.float8() {
        return convert(code, float8::widen(code, x, format)?, DType::F32, to);
    }
    if let Some(format) = to.float8() {
        let single = match from {
            DType::F64 => f64_to_odd(code, x)?,
            // What `f32` does not hold exactly is out of range.
            _ => convert(code, x, from, DType::F32)?,
        };
        return float8::narrow(code, single, format);
    }
    match (from.is_float(), to.is_float()) {
        (true, true) => float_to_float(code, x, from, to),
        (true, false) => float_to_int(code, x, to),
        (false, true) => int_to_float(code, x, from, to),
        (false, false) => int_to_int(code, x, from, to),
    }
}

fn int_to_int<'c>(code: Arith<'_, 'c>, x: Value<'c>, from: DType, to: DType) -> Result<Value<'c>> {
    if to == DType::Bool {
        let zero = code.int(x.ty(), 0)?;
        return code.cmpi(Ints::Ne, x, zero);
    }
    let (Kind::Int(old), Kind::Int(new)) = (working(from), working(to)) else {
        unreachable!("integers are computed in integer types")
    };
    let name = match old.cmp(&new) {
        std::cmp::Ordering::Equal => return Ok(x),
        std::cmp::Ordering::Greater => "arith.trunci",
        std::cmp::Ordering::Less if is_unsigned(from) => "arith.extui",
        std::cmp::Ordering::Less => "arith.extsi",
    };
    code.op(name, &[x], code.ty(Kind::Int(new)))
}

fn int_to_float<'c>(code: Arith<'_, 'c>, x: Value<'c>, from: DType, to: DType) -> Result<Value<'c>> {
    let name = if is_unsigned(from) { "arith.uitofp" } else { "arith.sitofp" };
    if !is_half(to) {
        return code.op(name, &[x], code.ty(working(to)));
    }
    // f16 overflows where f32 begins to round; bf16 does not, and must not be rounded twice.
    let wide = match (from, to) {
        (DType::I64, DType::BF16) => i64_to_odd(code, x)?,
        (DType::I32, DType::BF16) => code.op(name, &[x], code.ty(Kind::F64))?,
        _ => code.op(name, &[x], code.ty(Kind::F32))?,
    };
    let stored = code.op("arith.truncf", &[wide], code.ty(storage(to)))?;
    load(code, stored, to)
}

/// An `i64` as `f64`, inexact ones with an odd significand: rounding that to a much narrower type
/// rounds the integer once.
fn i64_to_odd<'c>(code: Arith<'_, 'c>, x: Value<'c>) -> Result<Value<'c>> {
    let (i64, f64) = (x.ty(), code.ty(Kind::F64));
    let int = |value| code.int(i64, value);
    let shifted = code.two("arith.shrsi", x, int(11)?)?;
    let lost = code.two("arith.andi", x, int(0x7ff)?)?;
    let is_inexact = code.cmpi(Ints::Ne, lost, int(0)?)?;
    let sticky = code.op("arith.extui", &[is_inexact], i64)?;
    let odd = code.two("arith.ori", shifted, sticky)?;
    let odd = code.op("arith.sitofp", &[odd], f64)?;
    let odd = code.two("arith.mulf", odd, code.float(f64, 2048.0)?)?;
    let plain = code.op("arith.sitofp", &[x], f64)?;
    let offset = code.two("arith.addi", x, int(1 << 53)?)?;
    let is_large = code.cmpi(Ints::Ugt, offset, int(1 << 54)?)?;
    code.select(is_large, odd, plain)
}

/// An `f64` as `f32`, inexact ones with an odd significand, as [`i64_to_odd`] does.
fn f64_to_odd<'c>(code: Arith<'_, 'c>, x: Value<'c>) -> Result<Value<'c>> {
    let (i32, f32) = (code.ty(Kind::Int(32)), code.ty(Kind::F32));
    let nearest = code.op("arith.truncf", &[x], f32)?;
    let back = code.op("arith.extf", &[nearest], x.ty())?;
    let [far, near] = [code.one("math.absf", back)?, code.one("math.absf", x)?];
    let is_inexact = code.cmpf(Floats::One, far, near)?;
    let is_over = code.op("arith.extui", &[code.cmpf(Floats::Ogt, far, near)?], i32)?;
    let bits = code.op("arith.bitcast", &[nearest], i32)?;
    let below = code.two("arith.subi", bits, is_over)?;
    let odd = code.two("arith.ori", below, code.int(i32, 1)?)?;
    code.op("arith.bitcast", &[code.select(is_inexact, odd, bits)?], f32)
}

fn float_to_float<'c>(code: Arith<'_, 'c>, x: Value<'c>, from: DType, to: DType) -> Result<Value<'c>> {
    match (working(from), working(to)) {
        (Kind::F64, Kind::F32) if is_half(to) => {
            let stored = code.op("arith.truncf", &[x], code.ty(storage(to)))?;
            load(code, stored, to)
        }
        (Kind::F64, Kind::F32) => code.op("arith.truncf", &[x], code.ty(Kind::F32)),
        (Kind::F32, Kind::F64) => code.op("arith.extf", &[x], code.ty(Kind::F64)),
        _ => round(code, x, to),
    }
}

/// Truncates towards zero and saturates; NaN is 0. To a truth value: whether it is not zero.
fn float_to_int<'c>(code: Arith<'_, 'c>, x: Value<'c>, to: DType) -> Result<Value<'c>> {
    let float = x.ty();
    let zero = code.float(float, 0.0)?;
    if to == DType::Bool {
        return code.cmpf(Floats::Une, x, zero);
    }
    let Kind::Int(width) = storage(to) else { unreachable!("integers are stored in integer types") };
    let (least, limit) = match is_unsigned(to) {
        true => (0.0, 2f64.powi(width as i32)),
        false => (-(2f64.powi(width as i32 - 1)), 2f64.powi(width as i32 - 1)),
    };
    // The largest float below the limit, which need not be one below it.
    let precision = if float.as_scalar() == Some(Kind::F64) { 53 } else { 24 };
    let ulp = limit * 2f64.powi(-precision);
    let greatest = if ulp < 1.0 { limit - 1.0 } else { limit - ulp };
    let is_nan = code.cmpf(Floats::Uno, x, x)?;
    let number = code.select(is_nan, zero, x)?;
    let (least, greatest) = (code.float(float, least)?, code.float(float, greatest)?);
    let low = code.select(code.cmpf(Floats::Ogt, number, least)?, number, least)?;
    let inside = code.select(code.cmpf(Floats::Olt, low, greatest)?, low, greatest)?;
    let name = if is_unsigned(to) { "arith.fptoui" } else { "arith.fptosi" };
    let ty = code.ty(Kind::Int(width));
    let int = code.op(name, &[inside], ty)?;
    if ulp <= 1.0 {
        return Ok(int);
    }
    let is_over = code.cmpf(Floats::Oge, number, code.float(float, limit)?)?;
    code.select(is_over, code.int(ty, i64::MAX >> (64 - width))?, int)
}
