//! Element types as Rust types, and the conversions between them.
//!
//! Every conversion rounds once. The rules, which PyTorch's `.to` shares wherever it defines a result:
//!
//! - integer to integer wraps (two's complement);
//! - anything to `bool` is `x != 0`, so NaN is true; `bool` to anything is 0 or 1;
//! - complex to real drops the imaginary part; real to complex has an imaginary part of 0;
//! - float to integer truncates toward zero; what is out of range saturates and NaN becomes 0. PyTorch leaves these two
//!   cases undefined (its answers differ between CPU and GPU, and between vector and scalar code);
//! - integer to float and float to narrower float round to nearest, ties to even, overflow to infinity, or to what
//!   floats of 8 bits have for it. PyTorch goes from `f64` and `i64` to the narrow types by way of `f32` and so rounds
//!   twice; here it is once.

use std::fmt::Debug;

use half::{bf16, f16};

use crate::float8::Float8;
use crate::{DType, Tensor};

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element type of a [`DType`].
///
/// The methods are named apart from those of `half`'s types, which would win over a trait's and round twice.
pub trait Element:
    Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + bytemuck::NoUninit
    + bytemuck::CheckedBitPattern
    + sealed::Sealed
    + 'static
{
    /// The dtype of tensors with these elements.
    const DTYPE: DType;

    /// The value as `f64`: exact but for `i64` beyond 2^53, which rounds.
    fn as_f64(self) -> f64;
    /// The value rounded (floats), truncated and saturated (integers), or compared with zero (`bool`).
    fn of_f64(value: f64) -> Self;
    /// The value as `i64`: exact for integers and `bool`; floats truncate and saturate.
    fn as_i64(self) -> i64;
    /// The value wrapped (integers), rounded (floats), or compared with zero (`bool`).
    fn of_i64(value: i64) -> Self;
    /// Whether the value differs from zero.
    fn as_bool(self) -> bool;
    /// 1 for true, 0 for false.
    fn of_bool(value: bool) -> Self;
}

macro_rules! integer_element {
    ($($ty:ident $dtype:ident),*) => {$(
        impl sealed::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn as_f64(self) -> f64 {
                self as f64
            }
            #[inline]
            fn of_f64(value: f64) -> Self {
                value as $ty
            }
            #[inline]
            fn as_i64(self) -> i64 {
                self as i64
            }
            #[inline]
            fn of_i64(value: i64) -> Self {
                value as $ty
            }
            #[inline]
            fn as_bool(self) -> bool {
                self != 0
            }
            #[inline]
            fn of_bool(value: bool) -> Self {
                value as $ty
            }
        }
    )*};
}

macro_rules! float_element {
    ($($ty:ident $dtype:ident, |$to:ident| $as_f64:expr, |$from:ident| $of_f64:expr, |$int:ident| $of_i64:expr;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl Element for $ty {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn as_f64(self) -> f64 {
                let $to = self;
                $as_f64
            }
            #[inline]
            fn of_f64($from: f64) -> Self {
                $of_f64
            }
            #[inline]
            fn as_i64(self) -> i64 {
                self.as_f64() as i64
            }
            #[inline]
            fn of_i64($int: i64) -> Self {
                $of_i64
            }
            #[inline]
            fn as_bool(self) -> bool {
                self.as_f64() != 0.0
            }
            #[inline]
            fn of_bool(value: bool) -> Self {
                Self::of_f64(value as u8 as f64)
            }
        }
    )*};
}

integer_element!(u8 U8, i8 I8, i16 I16, i32 I32, i64 I64);
float_element! {
    f64 F64, |x| x, |x| x, |i| i as f64;
    f32 F32, |x| x as f64, |x| x as f32, |i| i as f32;
    f16 F16, |x| half_to_f64(x), |x| f16_from_f32(f32_to_odd(x)), |i| Self::of_f64(f64_to_odd(i));
    bf16 BF16, |x| bf16_to_f64(x), |x| bf16_from_f32(f32_to_odd(x)), |i| Self::of_f64(f64_to_odd(i));
}

/// A complex number, as tensors hold it: its real and its imaginary part. As a real number it is its real part, as a
/// truth value whether either part differs from zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Complex<T>(pub [T; 2]);

macro_rules! complex_element {
    ($($part:ident $dtype:ident;)*) => {$(
        impl sealed::Sealed for Complex<$part> {}
        impl Element for Complex<$part> {
            const DTYPE: DType = DType::$dtype;
            #[inline]
            fn as_f64(self) -> f64 {
                self.0[0].as_f64()
            }
            #[inline]
            fn of_f64(value: f64) -> Self {
                Self([Element::of_f64(value), 0.0])
            }
            #[inline]
            fn as_i64(self) -> i64 {
                self.0[0].as_i64()
            }
            #[inline]
            fn of_i64(value: i64) -> Self {
                Self([Element::of_i64(value), 0.0])
            }
            #[inline]
            fn as_bool(self) -> bool {
                self.0 != [0.0; 2]
            }
            #[inline]
            fn of_bool(value: bool) -> Self {
                Self([Element::of_bool(value), 0.0])
            }
        }
    )*};
}

complex_element! {
    f32 C64;
    f64 C128;
}

impl sealed::Sealed for bool {}
impl Element for bool {
    const DTYPE: DType = DType::Bool;
    #[inline]
    fn as_f64(self) -> f64 {
        self as u8 as f64
    }
    #[inline]
    fn of_f64(value: f64) -> Self {
        value != 0.0
    }
    #[inline]
    fn as_i64(self) -> i64 {
        self as i64
    }
    #[inline]
    fn of_i64(value: i64) -> Self {
        value != 0
    }
    #[inline]
    fn as_bool(self) -> bool {
        self
    }
    #[inline]
    fn of_bool(value: bool) -> Self {
        value
    }
}

macro_rules! float8_element {
    ($($place:literal)*) => {$(
        impl sealed::Sealed for Float8<$place> {}
        impl Element for Float8<$place> {
            const DTYPE: DType = DType::FLOATS8[$place];
            fn as_f64(self) -> f64 {
                self.widen()
            }
            fn of_f64(value: f64) -> Self {
                Self::narrow(value)
            }
            fn as_i64(self) -> i64 {
                self.widen() as i64
            }
            // What `f64` does not hold exactly is out of range.
            fn of_i64(value: i64) -> Self {
                Self::narrow(value as f64)
            }
            fn as_bool(self) -> bool {
                self.widen() != 0.0
            }
            fn of_bool(value: bool) -> Self {
                Self::narrow(value as u8 as f64)
            }
        }
    )*};
}

float8_element!(0 1 2 3);

/// Rounds to odd: the neighbour with an odd significand when inexact.
///
/// A second rounding to a type at least two bits narrower then gives the correctly rounded result of the first value
/// (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
#[inline]
fn f32_to_odd(value: f64) -> f32 {
    let nearest = value as f32;
    if nearest as f64 == value || value.is_nan() {
        return nearest;
    }
    // Magnitudes are ordered like bits, and the step below infinity is the largest finite value.
    let overshot = (nearest as f64).abs() > value.abs();
    f32::from_bits((nearest.to_bits() - overshot as u32) | 1)
}

/// Rounds to odd, as [`f32_to_odd`] does, so that converting to a 16-bit type rounds once.
#[inline]
fn f64_to_odd(value: i64) -> f64 {
    if value.unsigned_abs() <= 1 << 53 {
        return value as f64;
    }
    let sticky = (value & 0x7ff != 0) as i64;
    ((value >> 11) | sticky) as f64 * 2048.0
}

// `half` converts through whatever instructions the processor has, one check per element, and its `f64` to `f16` rounds
// twice with them. These are the plain bit manipulations: branches that predict, the same everywhere.

#[inline]
fn half_to_f64(value: f16) -> f64 {
    let bits = value.to_bits() as u32;
    let magnitude = bits & 0x7fff;
    let sign = (bits & 0x8000) << 16;
    let unsigned = if magnitude >= 0x7c00 {
        f32::from_bits(0x7f80_0000 | ((magnitude & 0x3ff) << 13))
    } else {
        // The exponent is rebased by a multiplication, which also normalizes subnormals.
        f32::from_bits(magnitude << 13) * f32::from_bits((127 + 112) << 23)
    };
    f32::from_bits(unsigned.to_bits() | sign) as f64
}

#[inline]
fn f16_from_f32(value: f32) -> f16 {
    let bits = value.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let magnitude = bits & 0x7fff_ffff;
    let rounded = if magnitude > 0x7f80_0000 {
        0x7e00 | ((magnitude >> 13) as u16 & 0x1ff)
    } else if magnitude >= 0x4780_0000 {
        0x7c00
    } else if magnitude >= 0x3880_0000 {
        // A carry out of the significand moves into the exponent, up to infinity.
        let rebased = magnitude - (112 << 23);
        ((rebased + 0xfff + ((rebased >> 13) & 1)) >> 13) as u16
    } else {
        // Adding 0.5 aligns a subnormal's last bit with f32's last bit, where the addition rounds to nearest even.
        let aligned = f32::from_bits(magnitude) + 0.5;
        (aligned.to_bits() - 0.5f32.to_bits()) as u16
    };
    f16::from_bits(sign | rounded)
}

#[inline]
fn bf16_to_f64(value: bf16) -> f64 {
    f32::from_bits((value.to_bits() as u32) << 16) as f64
}

#[inline]
fn bf16_from_f32(value: f32) -> bf16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return bf16::from_bits((bits >> 16) as u16 | 0x40);
    }
    bf16::from_bits(((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16)
}

/// Runs code that is generic over an element type for a dtype known at run time.
///
/// `dispatch!(dtype, T => expression)` evaluates the expression with `T` bound to the Rust type of `dtype`. Put the loop
/// inside: the choice is then made once.
///
/// ```
/// use thunder_tensor::{DType, Element, dispatch};
/// let bytes = dispatch!(DType::BF16, T => size_of::<T>());
/// assert_eq!(bytes, DType::BF16.size());
/// ```
#[macro_export]
macro_rules! dispatch {
    ($dtype:expr, $T:ident => $body:expr) => {
        match $dtype {
            $crate::DType::Bool => $crate::dispatch!(@arm bool, $T => $body),
            $crate::DType::U8 => $crate::dispatch!(@arm u8, $T => $body),
            $crate::DType::I8 => $crate::dispatch!(@arm i8, $T => $body),
            $crate::DType::I16 => $crate::dispatch!(@arm i16, $T => $body),
            $crate::DType::I32 => $crate::dispatch!(@arm i32, $T => $body),
            $crate::DType::I64 => $crate::dispatch!(@arm i64, $T => $body),
            $crate::DType::F16 => $crate::dispatch!(@arm $crate::half::f16, $T => $body),
            $crate::DType::BF16 => $crate::dispatch!(@arm $crate::half::bf16, $T => $body),
            $crate::DType::F32 => $crate::dispatch!(@arm f32, $T => $body),
            $crate::DType::F64 => $crate::dispatch!(@arm f64, $T => $body),
            $crate::DType::C64 => $crate::dispatch!(@arm $crate::Complex<f32>, $T => $body),
            $crate::DType::C128 => $crate::dispatch!(@arm $crate::Complex<f64>, $T => $body),
            $crate::DType::F8E4M3FN => $crate::dispatch!(@arm $crate::Float8<0>, $T => $body),
            $crate::DType::F8E5M2 => $crate::dispatch!(@arm $crate::Float8<1>, $T => $body),
            $crate::DType::F8E4M3FNUZ => $crate::dispatch!(@arm $crate::Float8<2>, $T => $body),
            $crate::DType::F8E5M2FNUZ => $crate::dispatch!(@arm $crate::Float8<3>, $T => $body),
        }
    };
    (@arm $ty:ty, $T:ident => $body:expr) => {{
        type $T = $ty;
        $body
    }};
}

/// A type that reference code computes in: `f64`, `i64` or `bool`.
///
/// Kernels read any dtype as a carrier and write any dtype from one, by the rules of [`Element`]; a closure over `f64`
/// therefore serves every floating dtype, with one rounding at the end.
pub trait Carrier: Element {
    /// The value of an element in this carrier.
    fn read<T: Element>(value: T) -> Self;
    /// The element of type `T` for this value.
    fn write<T: Element>(self) -> T;
    /// Reads the elements from `start` of the row-major order on; panics past the end.
    fn load(tensor: &Tensor, start: usize, values: &mut [Self]);
    /// Writes the elements from `start` of the row-major order on; panics past the end.
    fn store(tensor: &mut Tensor, start: usize, values: &[Self]);
}

macro_rules! carrier {
    ($ty:ident, $read:ident, $write:ident) => {
        impl Carrier for $ty {
            #[inline]
            fn read<T: Element>(value: T) -> Self {
                value.$read()
            }
            #[inline]
            fn write<T: Element>(self) -> T {
                T::$write(self)
            }
            // Not generic, so that these loops are compiled here once, whatever the optimization of the calling crate.
            fn load(tensor: &Tensor, start: usize, values: &mut [Self]) {
                dispatch!(tensor.dtype(), T => {
                    let elements = tensor.elements_within::<T>(start, values.len());
                    values.iter_mut().zip(elements).for_each(|(value, &element)| *value = element.$read());
                });
            }
            fn store(tensor: &mut Tensor, start: usize, values: &[Self]) {
                dispatch!(tensor.dtype(), T => {
                    let elements = tensor.elements_within_mut::<T>(start, values.len());
                    elements.iter_mut().zip(values).for_each(|(element, &value)| *element = T::$write(value));
                });
            }
        }
    };
}

carrier!(f64, as_f64, of_f64);
carrier!(i64, as_i64, of_i64);
carrier!(bool, as_bool, of_bool);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sixteen_bit_floats_widen_exactly() {
        for bits in 0..=u16::MAX {
            let (x, y) = (f16::from_bits(bits), bf16::from_bits(bits));
            if x.is_nan() {
                assert!(x.as_f64().is_nan() && f16::of_f64(x.as_f64()).is_nan());
            } else {
                assert_eq!(x.as_f64().to_bits(), f64::from(x.to_f32_const()).to_bits());
                assert_eq!(f16::of_f64(x.as_f64()).to_bits(), bits);
            }
            if y.is_nan() {
                assert!(y.as_f64().is_nan() && bf16::of_f64(y.as_f64()).is_nan());
            } else {
                assert_eq!(y.as_f64().to_bits(), f64::from(y.to_f32_const()).to_bits());
                assert_eq!(bf16::of_f64(y.as_f64()).to_bits(), bits);
            }
        }
    }

    /// Every midpoint of neighbours, and the values just beside it.
    #[test]
    fn sixteen_bit_floats_round_to_nearest_even() {
        for bits in 0..0x7bffu16 {
            let (low, high) = (f16::from_bits(bits), f16::from_bits(bits + 1));
            let middle = (low.as_f64() + high.as_f64()) / 2.0;
            let even = if bits % 2 == 0 { low } else { high };
            assert_eq!(f16::of_f64(middle), even);
            assert_eq!(f16::of_f64(middle.next_down()), low);
            assert_eq!(f16::of_f64(middle.next_up()), high);
            assert_eq!(f16::of_f64(-middle.next_up()), -high);
        }
        for bits in 0..0x7f7fu16 {
            let (low, high) = (bf16::from_bits(bits), bf16::from_bits(bits + 1));
            let middle = (low.as_f64() + high.as_f64()) / 2.0;
            let even = if bits % 2 == 0 { low } else { high };
            assert_eq!(bf16::of_f64(middle), even);
            assert_eq!(bf16::of_f64(middle.next_down()), low);
            assert_eq!(bf16::of_f64(middle.next_up()), high);
        }
    }

    #[test]
    fn overflow_becomes_infinity_and_zero_keeps_its_sign() {
        assert_eq!(f16::of_f64(65519.9), f16::MAX);
        assert_eq!(f16::of_f64(65520.0), f16::INFINITY);
        assert_eq!(f16::of_f64(-1e300), f16::NEG_INFINITY);
        assert_eq!(bf16::of_f64(f64::from(f32::MAX)), bf16::INFINITY);
        assert_eq!(bf16::of_f64(1e300), bf16::INFINITY);
        assert_eq!(f16::of_f64(-0.0).to_bits(), 0x8000);
        assert_eq!(bf16::of_f64(-1e-300).to_bits(), 0x8000);
    }

    #[test]
    fn float_to_integer_truncates_and_saturates() {
        assert_eq!(i8::of_f64(-1.9), -1);
        assert_eq!(i8::of_f64(300.0), 127);
        assert_eq!(u8::of_f64(-1.0), 0);
        assert_eq!(i32::of_f64(f64::NAN), 0);
        assert_eq!(i64::of_f64(f64::INFINITY), i64::MAX);
        assert!(bool::of_f64(f64::NAN) && bool::of_f64(0.5) && !bool::of_f64(-0.0));
    }

    #[test]
    fn integer_to_integer_wraps() {
        assert_eq!(i8::of_i64(200), -56);
        assert_eq!(u8::of_i64(-1), 255);
        assert_eq!(i32::of_i64(1 << 31), i32::MIN);
    }

    #[test]
    fn integers_round_to_floats_once() {
        // 2^24 + 2^16 is a tie of bf16; one more must go up even though f32 cannot see it.
        assert_eq!(bf16::of_i64((1 << 24) + (1 << 16)), bf16::from_f32((1 << 24) as f32));
        assert_eq!(bf16::of_i64((1 << 40) + (1 << 32) + 1).to_f32() as i64, (1 << 40) + (1 << 33));
        assert_eq!(bf16::of_i64((1 << 62) + (1 << 54) + 1).to_f32() as i64, (1 << 62) + (1 << 55));
        assert_eq!(bf16::of_i64(i64::MIN).to_f32(), i64::MIN as f32);
        assert_eq!(f32::of_i64(16_777_217), 16_777_216.0);
        assert_eq!(f16::of_i64(70_000), f16::INFINITY);
    }

    proptest! {
        #[test]
        fn narrow_floats_agree_with_a_search(x in any::<f64>()) {
            // The nearest of all finite values, found without any rounding code.
            let x = if x.is_finite() { x % 70_000.0 } else { 0.5 };
            let rounded = Element::as_f64(f16::of_f64(x));
            prop_assume!(rounded.is_finite());
            let ulp_up = Element::as_f64(f16::from_bits(f16::of_f64(rounded).to_bits() + 1));
            let half_step = (ulp_up - rounded).abs() / 2.0;
            prop_assert!((rounded - x).abs() <= half_step, "{x} became {rounded}");
        }
    }
}
