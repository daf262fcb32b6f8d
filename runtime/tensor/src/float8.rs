//! Floats of 8 bits: how a format's bits stand for numbers, and the one rounding of numbers to it.
//!
//! No crate does that: those of MXFP4's and OCP's formats lack `fnuz`, and `microfloat` rounds `f64` twice. What is out
//! of range becomes what PyTorch makes of it: infinity where there is one, the largest number of E4M3FN, NaN of `fnuz`.

use std::cmp::Ordering;
use std::fmt;

use crate::DType;

/// What a format has beside its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Specials {
    /// Infinities, and NaN where the exponent is that of infinity, as in IEEE 754.
    Ieee,
    /// NaN where all bits but the sign are set, no infinity: numbers beyond the largest, and infinity, become the
    /// largest.
    Finite,
    /// NaN in the place of -0, and neither infinity nor -0: numbers beyond the largest, and infinity, become NaN.
    Unsigned,
}

/// How 8 bits stand for a number: a sign, an exponent, and the low `bits` of the significand, in this order from the top.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Float8Format {
    /// Bits of the significand that are stored: 2 or 3.
    pub bits: u32,
    /// What the stored exponent of 1 is.
    pub bias: i32,
    /// What is no number.
    pub specials: Specials,
}

impl Float8Format {
    /// The format of `bits` of the significand: the exponent has the other bits but the sign.
    pub const fn new(bits: u32, specials: Specials) -> Self {
        let half = 1 << (6 - bits);
        Self { bits, bias: if matches!(specials, Specials::Unsigned) { half } else { half - 1 }, specials }
    }

    /// The bits of the largest number.
    pub const fn largest(self) -> u8 {
        match self.specials {
            Specials::Ieee => 0x7f - (1 << self.bits),
            Specials::Finite => 0x7e,
            Specials::Unsigned => 0x7f,
        }
    }

    /// The bits of what positive numbers beyond the largest become.
    pub const fn overflow(self) -> u8 {
        match self.specials {
            Specials::Ieee => self.largest() + 1,
            Specials::Finite => self.largest(),
            Specials::Unsigned => self.nan(),
        }
    }

    /// The bits of the NaN that conversions make.
    pub const fn nan(self) -> u8 {
        if matches!(self.specials, Specials::Unsigned) { 0x80 } else { 0x7f }
    }

    /// The number of these bits; exact.
    pub fn widen(self, bits: u8) -> f64 {
        let magnitude = bits & 0x7f;
        let is_negative = bits > 0x7f;
        let value = match self.specials {
            Specials::Unsigned if bits == 0x80 => f64::NAN,
            Specials::Ieee if magnitude == self.overflow() => f64::INFINITY,
            _ if magnitude > self.largest() => f64::NAN,
            _ => {
                let exponent = i32::from(magnitude >> self.bits);
                let fraction = magnitude & ((1 << self.bits) - 1);
                let significand = if exponent == 0 { fraction } else { fraction | 1 << self.bits };
                f64::from(significand) * power_of_two(exponent.max(1) - self.bias - self.bits as i32)
            }
        };
        if is_negative { -value } else { value }
    }

    /// The bits of the nearest number, of two the even one.
    pub fn narrow(self, value: f64) -> u8 {
        if value.is_nan() {
            return if self.specials != Specials::Unsigned && value.is_sign_negative() { 0xff } else { self.nan() };
        }
        // Of the significand's last bit in this binade, or in that of subnormal numbers.
        let exponent = (((value.to_bits() >> 52) & 0x7ff) as i32 - 1023).max(1 - self.bias);
        let steps = (value.abs() * power_of_two(self.bits as i32 - exponent)).round_ties_even();
        // Binades follow each other, so a carry of the significand becomes one of the exponent.
        let magnitude = steps + f64::from((exponent + self.bias - 1) << self.bits);
        let sign = u8::from(value.is_sign_negative()) << 7;
        match self.specials {
            _ if magnitude > f64::from(self.largest()) => self.overflow() | sign,
            Specials::Unsigned if magnitude == 0.0 => 0,
            _ => magnitude as u8 | sign,
        }
    }
}

/// A power of two that is a normal number.
fn power_of_two(exponent: i32) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// An element of the [`DType`] whose number in [`DType::FLOATS8`] is `PLACE`.
#[derive(Clone, Copy, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(transparent)]
pub struct Float8<const PLACE: usize>(pub u8);

impl<const PLACE: usize> Float8<PLACE> {
    /// How its bits stand for a number.
    pub const FORMAT: Float8Format = match DType::FLOATS8[PLACE].float8() {
        Some(format) => format,
        None => panic!("floats of 8 bits have a format"),
    };

    /// The number; exact.
    pub fn widen(self) -> f64 {
        Self::FORMAT.widen(self.0)
    }

    /// The nearest number, of two the even one.
    pub fn narrow(value: f64) -> Self {
        Self(Self::FORMAT.narrow(value))
    }
}

impl<const PLACE: usize> PartialEq for Float8<PLACE> {
    fn eq(&self, other: &Self) -> bool {
        self.widen() == other.widen()
    }
}

impl<const PLACE: usize> PartialOrd for Float8<PLACE> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.widen().partial_cmp(&other.widen())
    }
}

impl<const PLACE: usize> fmt::Debug for Float8<PLACE> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.widen().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats() -> [Float8Format; 4] {
        DType::FLOATS8.map(|dtype| dtype.float8().unwrap())
    }

    #[test]
    fn numbers_are_those_of_the_formats() {
        let [e4m3fn, e5m2, e4m3fnuz, e5m2fnuz] = formats();
        assert_eq!(
            [0x00, 0x01, 0x07, 0x08, 0x38, 0x7e].map(|x| e4m3fn.widen(x)),
            [0.0, 2f64.powi(-9), 7.0 * 2f64.powi(-9), 2f64.powi(-6), 1.0, 448.0]
        );
        assert_eq!(
            [0x01, 0x04, 0x3c, 0x7b, 0xfc].map(|x| e5m2.widen(x)),
            [2f64.powi(-16), 2f64.powi(-14), 1.0, 57344.0, f64::NEG_INFINITY]
        );
        assert_eq!(
            [0x01, 0x08, 0x40, 0x7f, 0xff].map(|x| e4m3fnuz.widen(x)),
            [2f64.powi(-10), 2f64.powi(-7), 1.0, 240.0, -240.0]
        );
        assert_eq!([0x01, 0x04, 0x40, 0x7f].map(|x| e5m2fnuz.widen(x)), [2f64.powi(-17), 2f64.powi(-15), 1.0, 57344.0]);
        let nans = formats().map(|format| (0..=255u8).filter(|x| format.widen(*x).is_nan()).collect::<Vec<_>>());
        assert_eq!(nans, [vec![0x7f, 0xff], vec![0x7d, 0x7e, 0x7f, 0xfd, 0xfe, 0xff], vec![0x80], vec![0x80]]);
        assert!(e4m3fn.widen(0x80).is_sign_negative() && e5m2.widen(0x80).is_sign_negative());
    }

    /// Every number, every midpoint of neighbours, and the values just beside it.
    #[test]
    fn all_numbers_come_back_and_what_is_between_goes_to_the_nearest() {
        for format in formats() {
            for bits in (0..=255u8).filter(|x| !format.widen(*x).is_nan()) {
                assert_eq!(format.narrow(format.widen(bits)), bits, "{format:?}");
            }
            for low in 0..format.largest() {
                let middle = (format.widen(low) + format.widen(low + 1)) / 2.0;
                let negative = |x: u8| if format.specials == Specials::Unsigned && x == 0 { 0 } else { x | 0x80 };
                for (value, nearest) in
                    [(middle, low + low % 2), (middle.next_down(), low), (middle.next_up(), low + 1)]
                {
                    assert_eq!(format.narrow(value), nearest, "{format:?} {value}");
                    assert_eq!(format.narrow(-value), negative(nearest), "{format:?} -{value}");
                }
            }
        }
    }

    #[test]
    fn what_is_out_of_range_is_infinity_or_the_largest_or_no_number() {
        for (format, limit, overflows) in [
            (formats()[0], 464.0, [0x7e, 0xfe]),
            (formats()[1], 61440.0, [0x7c, 0xfc]),
            (formats()[2], 248.0, [0x80, 0x80]),
            (formats()[3], 61440.0, [0x80, 0x80]),
        ] {
            for value in [limit, 1e30, f64::MAX, f64::INFINITY] {
                assert_eq!([value, -value].map(|x| format.narrow(x)), overflows, "{format:?} {value}");
            }
            let [largest, least] = [limit, -limit].map(|x| format.narrow(x * (1.0 - f64::EPSILON)));
            assert_eq!([largest, least], [format.largest(), format.largest() | 0x80]);
            assert!(format.widen(format.narrow(f64::NAN)).is_nan() && format.widen(format.narrow(-f64::NAN)).is_nan());
            let zero = u8::from(format.specials != Specials::Unsigned) << 7;
            assert_eq!([0.0, -0.0, 1e-300, -f64::from_bits(1)].map(|x| format.narrow(x)), [0, zero, 0, zero]);
        }
    }
}
