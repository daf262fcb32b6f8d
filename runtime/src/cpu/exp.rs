//! The exponential function on vectors.

use pulp::Simd;

/// `e^x` to 1 ulp (2 without fused multiply-add) where that is a normal number; smaller results are 0,
/// larger ones infinity, and NaN stays NaN.
///
/// `x = n ln 2 + r` with `|r| <= ln 2 / 2` and ln 2 in two parts (Cody and Waite), then the polynomial
/// for `e^r` of Cephes' `expf` (Moshier), and `n` added to the exponent.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const LOG2_E: f32 = std::f32::consts::LOG2_E;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding it leaves the nearest integer in the low bits of the significand.
    const ROUND: f32 = 12_582_912.0;
    // Logarithms of the smallest normal and of the largest number.
    const LEAST: f32 = -87.336_54;
    const MOST: f32 = 88.722_83;
    const P: [f32; 5] = [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];
    macro_rules! splat {
        ($value:expr) => {
            simd.splat_f32s($value)
        };
    }
    let shifted = simd.mul_add_e_f32s(x, splat!(LOG2_E), splat!(ROUND));
    let n = simd.sub_f32s(shifted, splat!(ROUND));
    let r = simd.mul_add_e_f32s(n, splat!(-LN2_HIGH), x);
    let r = simd.mul_add_e_f32s(n, splat!(-LN2_LOW), r);
    let mut p = splat!(1.987_569_1e-4);
    for coefficient in P {
        p = simd.mul_add_e_f32s(p, r, splat!(coefficient));
    }
    let p = simd.mul_add_e_f32s(p, simd.mul_f32s(r, r), r);
    let p = simd.add_f32s(p, splat!(1.0));
    let bits = simd.transmute_u32s_f32s(shifted);
    let exponent = simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23));
    let scaled = simd.add_u32s(simd.transmute_u32s_f32s(p), exponent);
    let y = simd.transmute_f32s_u32s(scaled);
    // Comparisons with NaN are false; the last one replaces what the integer addition made of it.
    let y = simd.select_f32s(simd.less_than_f32s(x, splat!(LEAST)), splat!(0.0), y);
    let y = simd.select_f32s(simd.less_than_f32s(splat!(MOST), x), splat!(f32::INFINITY), y);
    simd.select_f32s(simd.equal_f32s(x, x), y, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};

    struct All<'a>(&'a mut [f32]);

    impl WithSimd for All<'_> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            let (vectors, rest) = S::as_mut_simd_f32s(self.0);
            assert!(rest.is_empty());
            for vector in vectors {
                *vector = exp(simd, *vector);
            }
        }
    }

    fn worst(arch: Arch) -> f64 {
        let mut worst = 0.0_f64;
        let mut x = vec![0.0_f32; 1 << 12];
        for block in 0..400_i32 {
            for (i, x) in x.iter_mut().enumerate() {
                let fraction = (block * 4096 + i as i32) as f32 / (400.0 * 4096.0);
                *x = -87.3 + fraction * (88.7 + 87.3);
            }
            let mut y = x.clone();
            arch.dispatch(All(&mut y));
            for (&x, &y) in x.iter().zip(&y) {
                let exact = f64::from(x).exp();
                let ulp = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
                worst = worst.max((f64::from(y) - exact).abs() / ulp);
            }
        }
        worst
    }

    #[test]
    fn within_the_stated_ulp() {
        let error = worst(Arch::new());
        assert!(error <= 1.0, "{error} ulp");
        let error = worst(Arch::Scalar);
        assert!(error <= 2.0, "{error} ulp without fused multiply-add");
    }

    #[test]
    fn limits() {
        let mut x = [0.0_f32; 16];
        let cases = [0.0, -0.0, -1e30, f32::NEG_INFINITY, f32::INFINITY, 1e30, f32::NAN, -100.0, 89.0];
        x[..9].copy_from_slice(&cases);
        let expected = [1.0, 1.0, 0.0, 0.0, f32::INFINITY, f32::INFINITY, f32::NAN, 0.0, f32::INFINITY];
        for arch in [Arch::new(), Arch::Scalar] {
            let mut y = x;
            arch.dispatch(All(&mut y));
            for (i, expected) in expected.iter().enumerate() {
                assert!(y[i] == *expected || (y[i].is_nan() && expected.is_nan()), "{} {}", x[i], y[i]);
            }
        }
    }
}
