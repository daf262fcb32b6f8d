//! Conversions between floats of 8 bits, as the bits that they are stored as, and `f32`.
//!
//! MLIR's own expansion of `arith` has none of these formats.

use super::arith::{Arith, Floats, Ints};
use thunder_ir::{Result, Scalar as Kind, Value};
use thunder_tensor::{Float8Format, Specials};

/// Bits of the significand of `f32` that are stored.
const SINGLE: u32 = 23;

/// The number of some bits, which `f32` holds exactly.
pub fn widen<'c>(code: Arith<'_, 'c>, bits: Value<'c>, format: Float8Format) -> Result<Value<'c>> {
    let (i32, f32) = (code.ty(Kind::Int(32)), code.ty(Kind::F32));
    let int = |value| code.int(i32, value);
    let bits = code.op("arith.extui", &[bits], i32)?;
    let magnitude = code.two("arith.andi", bits, int(0x7f)?)?;
    // Normal numbers have an exponent to rebase; subnormal ones are multiples of the least.
    let shifted = code.two("arith.shli", magnitude, int(i64::from(SINGLE - format.bits))?)?;
    let normal = code.two("arith.addi", shifted, int(i64::from(127 - format.bias) << SINGLE)?)?;
    let count = code.op("arith.uitofp", &[magnitude], f32)?;
    let subnormal = code.two("arith.mulf", count, code.float(f32, format.widen(1))?)?;
    let subnormal = code.op("arith.bitcast", &[subnormal], i32)?;
    let is_normal = code.cmpi(Ints::Uge, magnitude, int(1 << format.bits)?)?;
    let number = code.select(is_normal, normal, subnormal)?;
    let (infinity, nan) = (int(0x7f80_0000)?, int(0x7fc0_0000)?);
    let value = match format.specials {
        Specials::Unsigned => {
            let is_nan = code.cmpi(Ints::Eq, bits, int(i64::from(format.nan()))?)?;
            code.select(is_nan, nan, number)?
        }
        Specials::Finite => {
            let is_nan = code.cmpi(Ints::Eq, magnitude, int(i64::from(format.nan()))?)?;
            code.select(is_nan, nan, number)?
        }
        Specials::Ieee => {
            let overflow = int(i64::from(format.overflow()))?;
            let is_nan = code.cmpi(Ints::Ugt, magnitude, overflow)?;
            let is_infinite = code.cmpi(Ints::Eq, magnitude, overflow)?;
            code.select(is_nan, nan, code.select(is_infinite, infinity, number)?)?
        }
    };
    let sign = code.two("arith.andi", bits, int(0x80)?)?;
    let sign = code.two("arith.shli", sign, int(24)?)?;
    code.op("arith.bitcast", &[code.two("arith.ori", value, sign)?], f32)
}

/// The bits of the number that is nearest to an `f32`, as [`Float8Format::narrow`] says.
pub fn narrow<'c>(code: Arith<'_, 'c>, x: Value<'c>, format: Float8Format) -> Result<Value<'c>> {
    let (i32, f32) = (code.ty(Kind::Int(32)), code.ty(Kind::F32));
    let int = |value| code.int(i32, value);
    let bits = code.op("arith.bitcast", &[x], i32)?;
    let magnitude = code.two("arith.andi", bits, int(0x7fff_ffff)?)?;
    // A carry out of the significand moves into the exponent.
    let lost = i64::from(SINGLE - format.bits);
    let rebased = code.two("arith.subi", magnitude, int(i64::from(127 - format.bias) << SINGLE)?)?;
    let last = code.two("arith.andi", code.two("arith.shrui", rebased, int(lost)?)?, int(1)?)?;
    let half = code.two("arith.addi", rebased, int((1 << (lost - 1)) - 1)?)?;
    let normal = code.two("arith.shrui", code.two("arith.addi", half, last)?, int(lost)?)?;
    // A sum whose last bit is that of subnormal numbers rounds them.
    let base = format.widen(1) * 2f64.powi(SINGLE as i32);
    let aligned = code.op("arith.bitcast", &[magnitude], f32)?;
    let aligned = code.two("arith.addf", aligned, code.float(f32, base)?)?;
    let aligned = code.op("arith.bitcast", &[aligned], i32)?;
    let subnormal = code.two("arith.subi", aligned, int(i64::from((base as f32).to_bits()))?)?;
    let is_normal = code.cmpi(Ints::Uge, magnitude, int(i64::from(128 - format.bias) << SINGLE)?)?;
    let number = code.select(is_normal, normal, subnormal)?;
    let (overflow, nan) = (int(i64::from(format.overflow()))?, int(i64::from(format.nan()))?);
    let is_over = code.cmpi(Ints::Ugt, number, int(i64::from(format.largest()))?)?;
    let number = code.select(is_over, overflow, number)?;
    let number = code.select(code.cmpf(Floats::Uno, x, x)?, nan, number)?;
    let sign = code.two("arith.andi", code.two("arith.shrui", bits, int(24)?)?, int(0x80)?)?;
    let signed = code.two("arith.ori", number, sign)?;
    let signed = match format.specials {
        // Zero has no sign, and NaN has one already.
        Specials::Unsigned => code.select(code.cmpi(Ints::Eq, number, int(0)?)?, number, signed)?,
        _ => signed,
    };
    code.op("arith.trunci", &[signed], code.ty(Kind::Int(8)))
}
