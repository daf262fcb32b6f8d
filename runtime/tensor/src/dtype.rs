//! Element types and their names, which are MLIR's.

use std::fmt;
use std::str::FromStr;

use crate::float8::{Float8Format, Specials};

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
    /// Floats of 8 bits, 3 of the significand, without infinities: E4M3 of OCP.
    F8E4M3FN,
    /// Floats of 8 bits, 2 of the significand: the upper half of binary16.
    F8E5M2,
    /// Floats of 8 bits, 3 of the significand, without infinities and -0.
    F8E4M3FNUZ,
    /// Floats of 8 bits, 2 of the significand, without infinities and -0.
    F8E5M2FNUZ,
}

impl DType {
    /// Every dtype, in the order of the enum.
    pub const ALL: [DType; 16] = Self::joined(&Self::joined::<12>(&Self::COMPUTED, &Self::COMPLEX), &Self::FLOATS8);

    /// The dtypes that kernels compute in: complex numbers are computed by their parts, floats of 8 bits not at all.
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

    /// The complex dtypes, narrow to wide.
    pub const COMPLEX: [DType; 2] = [DType::C64, DType::C128];

    /// The floats of 8 bits, which are stored, moved and converted, but not computed in.
    pub const FLOATS8: [DType; 4] = [DType::F8E4M3FN, DType::F8E5M2, DType::F8E4M3FNUZ, DType::F8E5M2FNUZ];

    /// The integer dtypes, narrow to wide; `Bool` is not among them.
    pub const INTEGERS: [DType; 5] = [DType::U8, DType::I8, DType::I16, DType::I32, DType::I64];

    /// The `N` dtypes of both lists.
    pub const fn joined<const N: usize>(first: &[DType], second: &[DType]) -> [DType; N] {
        assert!(first.len() + second.len() == N, "N is how many there are");
        let mut all = [DType::Bool; N];
        let mut at = 0;
        while at < N {
            all[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
            at += 1;
        }
        all
    }

    /// Bytes that one element occupies.
    pub const fn size(self) -> usize {
        match self {
            DType::Bool | DType::U8 | DType::I8 => 1,
            DType::I16 | DType::F16 | DType::BF16 => 2,
            DType::I32 | DType::F32 => 4,
            DType::I64 | DType::F64 | DType::C64 => 8,
            DType::C128 => 16,
            DType::F8E4M3FN | DType::F8E5M2 | DType::F8E4M3FNUZ | DType::F8E5M2FNUZ => 1,
        }
    }

    /// MLIR's spelling of the element type: `i1`, `ui8`, `i8`, ..., `f32`, `f64`, `complex<f32>`, ..., `f8E4M3FN`, ...
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
            DType::F8E4M3FN => "f8E4M3FN",
            DType::F8E5M2 => "f8E5M2",
            DType::F8E4M3FNUZ => "f8E4M3FNUZ",
            DType::F8E5M2FNUZ => "f8E5M2FNUZ",
        }
    }

    /// Whether this is a floating-point type that is computed in.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// How its bits stand for numbers, if it is one of [`DType::FLOATS8`].
    pub const fn float8(self) -> Option<Float8Format> {
        Some(match self {
            DType::F8E4M3FN => Float8Format::new(3, Specials::Finite),
            DType::F8E5M2 => Float8Format::new(2, Specials::Ieee),
            DType::F8E4M3FNUZ => Float8Format::new(3, Specials::Unsigned),
            DType::F8E5M2FNUZ => Float8Format::new(2, Specials::Unsigned),
            _ => return None,
        })
    }

    /// Whether this is one of [`DType::FLOATS8`].
    pub const fn is_float8(self) -> bool {
        self.float8().is_some()
    }

    /// Whether its values, or their parts, have fractions, and are carried as `f64`: all but integers and `Bool`.
    pub const fn has_fractions(self) -> bool {
        self.is_float() || self.is_float8() || self.is_complex()
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

    /// The distance from 1 to the next larger value: the unit of rounding of floats and of the parts of complex
    /// numbers, 0 for others.
    pub const fn epsilon(self) -> f64 {
        match self {
            DType::F16 => 1.0 / 1024.0,
            DType::BF16 => 1.0 / 128.0,
            DType::F32 => f32::EPSILON as f64,
            DType::F64 => f64::EPSILON,
            DType::C64 | DType::C128 => self.part().epsilon(),
            DType::F8E4M3FN | DType::F8E4M3FNUZ => 1.0 / 8.0,
            DType::F8E5M2 | DType::F8E5M2FNUZ => 1.0 / 4.0,
            _ => 0.0,
        }
    }

    /// The least finite value, of complex numbers that of a part. It is exact in `f64`: the bound of `I64` is a power
    /// of two.
    pub const fn min_value(self) -> f64 {
        match self {
            DType::Bool | DType::U8 => 0.0,
            DType::I8 => i8::MIN as f64,
            DType::I16 => i16::MIN as f64,
            DType::I32 => i32::MIN as f64,
            DType::I64 => i64::MIN as f64,
            _ => -self.max_value(),
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
            DType::F8E4M3FN => 448.0,
            DType::F8E4M3FNUZ => 240.0,
            DType::F8E5M2 | DType::F8E5M2FNUZ => 57344.0,
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
    "unknown element type '{0}': expected one of i1, ui8, i8, i16, i32, i64, f16, bf16, f32, f64, complex<f32>, complex<f64>, f8E4M3FN, f8E5M2, f8E4M3FNUZ, f8E5M2FNUZ"
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
            let fractions = [dtype.is_float(), dtype.is_float8(), dtype.is_complex()];
            let classes = [dtype == DType::Bool, dtype.is_integer(), dtype.has_fractions()];
            assert_eq!(classes.iter().filter(|&&is| is).count(), 1, "{dtype}");
            assert_eq!(fractions.iter().filter(|&&is| is).count(), usize::from(dtype.has_fractions()), "{dtype}");
            assert_eq!(DType::FLOATS8.contains(&dtype), dtype.is_float8());
            assert_eq!(DType::FLOATS.contains(&dtype), dtype.is_float());
            assert_eq!(DType::INTEGERS.contains(&dtype), dtype.is_integer());
            assert_eq!(dtype.is_signed(), dtype.min_value() < 0.0);
        }
    }
}
