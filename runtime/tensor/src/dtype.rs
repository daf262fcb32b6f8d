//! Element types and their names, which are MLIR's.

use std::fmt;
use std::str::FromStr;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// Truth values, stored as one byte that is 0 or 1.
    Bool,
    /// Unsigned 8-bit integers.
    U8,
    /// Signed 8-bit integers.
    I8,
    /// Signed 16-bit integers.
    I16,
    /// Signed 32-bit integers.
    I32,
    /// Signed 64-bit integers.
    I64,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    BF16,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary64.
    F64,
    /// Complex numbers: two of binary32, the real part first.
    C64,
    /// Complex numbers: two of binary64, the real part first.
    C128,
}

impl DType {
    /// Every dtype, in the order of the enum.
    pub const ALL: [DType; 12] = [
        DType::Bool,
        DType::U8,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
        DType::C64,
        DType::C128,
    ];

    /// The dtypes that kernels compute in: complex numbers are computed by their parts.
    pub const COMPUTED: [DType; 10] = [
        DType::Bool,
        DType::U8,
        DType::I8,
        DType::I16,
        DType::I32,
        DType::I64,
        DType::F16,
        DType::BF16,
        DType::F32,
        DType::F64,
    ];

    /// The floating dtypes, narrow to wide.
    pub const FLOATS: [DType; 4] = [DType::F16, DType::BF16, DType::F32, DType::F64];

    /// The integer dtypes, narrow to wide; `Bool` is not among them.
    pub const INTEGERS: [DType; 5] = [DType::U8, DType::I8, DType::I16, DType::I32, DType::I64];

    /// Bytes that one element occupies.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
        }
    }

    /// MLIR's spelling of the element type: `i1`, `ui8`, `i8`, ..., `bf16`, `f32`, `f64`, `complex<f32>`, `complex<f64>`.
    pub const fn name(self) -> &'static str {
        match self {
            DType::Bool => "i1",
            DType::U8 => "ui8",
            DType::I8 => "i8",
            DType::I16 => "i16",
            DType::I32 => "i32",
            DType::I64 => "i64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::C64 => "complex<f32>",
            DType::C128 => "complex<f64>",
        }
    }

    /// Whether this is a floating-point type.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// Whether its values are complex numbers.
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }

    /// The dtype of the parts of complex numbers; others are their own real part.
    pub const fn part(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            real => real,
        }
    }

    /// The complex dtype whose parts are of this one, if there is one.
    pub const fn complex(self) -> Option<DType> {
        match self {
            DType::F32 => Some(DType::C64),
            DType::F64 => Some(DType::C128),
            _ => None,
        }
    }

    /// Whether this is an integer type; `Bool` is neither integer nor float.
    pub const fn is_integer(self) -> bool {
        matches!(self, DType::U8 | DType::I8 | DType::I16 | DType::I32 | DType::I64)
    }

    /// Whether negative values exist in this type: true for all but `Bool` and `U8`.
    pub const fn is_signed(self) -> bool {
        !matches!(self, DType::Bool | DType::U8)
    }

    /// The distance from 1 to the next larger value: the unit of rounding of floats and of the parts of complex numbers, 0
    /// for others.
    pub const fn epsilon(self) -> f64 {
        match self {
            DType::F16 => 1.0 / 1024.0,
            DType::BF16 => 1.0 / 128.0,
            DType::F32 => f32::EPSILON as f64,
            DType::F64 => f64::EPSILON,
            DType::C64 | DType::C128 => self.part().epsilon(),
            _ => 0.0,
        }
    }

    /// The least finite value, of a part of complex numbers, exact in `f64` but for `I64`, whose bound is a power of two and therefore exact too.
    pub const fn min_value(self) -> f64 {
        match self {
            DType::Bool | DType::U8 => 0.0,
            DType::I8 => i8::MIN as f64,
            DType::I16 => i16::MIN as f64,
            DType::I32 => i32::MIN as f64,
            DType::I64 => i64::MIN as f64,
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 | DType::C64 | DType::C128 => -self.max_value(),
        }
    }

    /// The greatest finite value; for `I64` rounded up to `2^63`, as `f64` cannot hold it.
    pub const fn max_value(self) -> f64 {
        match self {
            DType::Bool => 1.0,
            DType::U8 => u8::MAX as f64,
            DType::I8 => i8::MAX as f64,
            DType::I16 => i16::MAX as f64,
            DType::I32 => i32::MAX as f64,
            DType::I64 => i64::MAX as f64,
            DType::F16 => 65504.0,
            DType::BF16 => f32::from_bits(0x7f7f_0000) as f64,
            DType::F32 => f32::MAX as f64,
            DType::F64 => f64::MAX,
            DType::C64 | DType::C128 => self.part().max_value(),
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no dtype has. The caller's to fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown element type '{0}': expected one of i1, ui8, i8, i16, i32, i64, f16, bf16, f32, f64, complex<f32>, complex<f64>"
)]
pub struct ParseDTypeError(String);

impl FromStr for DType {
    type Err = ParseDTypeError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name).ok_or_else(|| ParseDTypeError(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for dtype in DType::ALL {
            assert_eq!(dtype.to_string().parse(), Ok(dtype));
        }
        assert!("float32".parse::<DType>().unwrap_err().to_string().contains("'float32'"));
    }

    #[test]
    fn classes_partition_the_dtypes() {
        for dtype in DType::ALL {
            let classes = [dtype == DType::Bool, dtype.is_integer(), dtype.is_float(), dtype.is_complex()];
            assert_eq!(classes.iter().filter(|&&is| is).count(), 1, "{dtype}");
            assert_eq!(DType::FLOATS.contains(&dtype), dtype.is_float());
            assert_eq!(DType::INTEGERS.contains(&dtype), dtype.is_integer());
            assert_eq!(dtype.is_signed(), dtype.min_value() < 0.0);
        }
    }
}
