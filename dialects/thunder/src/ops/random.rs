//! Random numbers as functions of a counter and a key.

use crate::fold_constants;
use thunder_interface::{BinaryFn, Cost, Dtypes, Expr, Precision, SampleSet, Samples, Scalar};
use thunder_ir::prelude::*;
use thunder_tensor::DType;

/// 64 random bits for each counter, by the generator Philox4x32-10.
///
/// The halves of an element of `counter` are the first words of the generator's counter, whose others are 0, those of
/// `key` its key; the first two words of what it makes are the halves of the result. Lower halves come first. Equal
/// counters and keys give equal numbers, wherever the program runs.
///
/// - (C1) both operands are tensors of `i64`, of one type
///
/// ```mlir
/// %bits = thunder.philox %counter, %key : tensor<4xi64>
/// ```
#[op("thunder.philox", pure, same_type, elementwise, fold, interfaces(Scalar, Cost, Precision))]
pub struct Philox {
    /// A number for each element, no two of which should be equal.
    #[c(1)]
    counter: Operand<Tensor<I64>>,
    /// What chooses the stream of numbers.
    #[c(1)]
    key: Operand<Tensor<I64>>,
    out: Produces<Tensor<I64>>,
}

const ROUNDS: usize = 10;
const MULTIPLIERS: [i64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [i64; 2] = [0x9E37_79B9, 0xBB67_AE85];

impl Scalar for Philox<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let int = |value| Expr::integer(DType::I64, value);
        let low = |x: &Expr| x & &int(0xFFFF_FFFF);
        let high = |x: &Expr| low(&x.binary(BinaryFn::ShiftRight, &int(32)));
        let [mut a, mut b, mut c, mut d] = [low(&x[0]), high(&x[0]), int(0), int(0)];
        let [mut k, mut l] = [low(&x[1]), high(&x[1])];
        for _ in 0..ROUNDS {
            let (p, q) = (&a * &int(MULTIPLIERS[0]), &c * &int(MULTIPLIERS[1]));
            (a, b, c, d) = (&(&high(&q) ^ &b) ^ &k, low(&q), &(&high(&p) ^ &d) ^ &l, low(&p));
            k = low(&(&k + &int(WEYL[0])));
            l = low(&(&l + &int(WEYL[1])));
        }
        a | b.binary(BinaryFn::ShiftLeft, &int(32))
    }
}

impl<'c> Fold<'c> for Philox<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Cost for Philox<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        120.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for Philox<'_> {}

impl Samples for Philox<'_> {
    fn samples(s: &mut SampleSet) {
        for (ty, shape) in [
            ("tensor<3x17x$T>", &[3, 17][..]),
            ("tensor<?x5x$T>", &[7, 5]),
            ("tensor<0x4x$T>", &[0, 4]),
            ("tensor<$T>", &[]),
        ] {
            let body = format!("%r = thunder.philox %x, %y : {ty}\n  return %r : {ty}");
            let sample = s.add(Dtypes(&[DType::I64]), &format!("(%x: {ty}, %y: {ty}) -> {ty}"), &body, &[shape; 2]);
            sample.domains(-1e12, 1e12);
        }
    }
}
