//! Random numbers as functions of a counter and a key.

use crate::{fold_constants, infer_elements, one_shape};
use thunder_interface::{
    BinaryFn, Compare, Cost, Dim, Dtypes, Expr, Precision, SampleSet, Samples, Scalar, ShapeInputs, ShapeRule,
};
use thunder_ir::prelude::*;
use thunder_tensor::DType;

/// 64 random bits for each counter: element `n` of the stream of a key.
///
/// The stream is made by the generator Philox4x32-10 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", 2011),
/// four words of 32 bits at a time: of the number of a block, whose halves are the first words of the generator's counter
/// and whose others are 0, and of a key, whose halves are the generator's. Element `n` has the words `2n` and `2n + 1` of
/// the stream. Lower halves come first. Equal counters and keys give equal numbers, wherever the program runs.
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

/// 32 random bits for each counter: word `n` of the stream of a key, which is that of `thunder.philox`.
///
/// Where counters follow each other the generator runs once for four of them.
///
/// - (C1) both operands are tensors of `i64`
/// - (C2) both operands have one shape
///
/// ```mlir
/// %word = thunder.philox_word %counter, %key : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi32>
/// ```
#[op("thunder.philox_word", pure, elementwise, infer, fold, interfaces(Scalar, ShapeRule, Cost, Precision))]
pub struct PhiloxWord {
    /// A number for each element, no two of which should be equal.
    #[c(1)]
    counter: Operand<Tensor<I64>>,
    /// What chooses the stream of numbers.
    #[c(1)]
    key: Operand<Tensor<I64>>,
    out: Produces<Tensor<I32>>,
}

const ROUNDS: usize = 10;
const MULTIPLIERS: [i64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

fn long(value: i64) -> Expr {
    Expr::integer(DType::I64, value)
}

fn word(value: u32) -> Expr {
    Expr::integer(DType::I32, i64::from(value.cast_signed()))
}

/// A word as the lower half of 64 bits.
fn wide(word: &Expr) -> Expr {
    &word.convert(DType::I64) & &long(0xFFFF_FFFF)
}

/// The lower and the upper half of 64 bits, as words.
fn halves(bits: &Expr) -> [Expr; 2] {
    [bits.clone(), bits.binary(BinaryFn::ShiftRight, &long(32))].map(|half| half.convert(DType::I32))
}

/// The four words that the generator makes of the number of a block.
fn block(number: &Expr, key: &Expr) -> [Expr; 4] {
    let ([mut a, mut b], [mut c, mut d]) = (halves(number), [word(0), word(0)]);
    let [mut k, mut l] = halves(key);
    for _ in 0..ROUNDS {
        let [p_low, p_high] = halves(&(&wide(&a) * &long(MULTIPLIERS[0])));
        let [q_low, q_high] = halves(&(&wide(&c) * &long(MULTIPLIERS[1])));
        (a, b, c, d) = (&(&q_high ^ &b) ^ &k, q_low, &(&p_high ^ &d) ^ &l, p_low);
        (k, l) = (&k + &word(WEYL[0]), &l + &word(WEYL[1]));
    }
    [a, b, c, d]
}

/// Whether a bit of a number is set.
fn has_bit(number: &Expr, bit: i64) -> Expr {
    (number & &long(bit)).compare(Compare::Ne, &long(0))
}

impl Scalar for Philox<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let [a, b, c, d] = block(&x[0].binary(BinaryFn::ShiftRight, &long(1)), &x[1]);
        let is_second = has_bit(&x[0], 1);
        let (low, high) = (is_second.select(&c, &a), is_second.select(&d, &b));
        wide(&low) | high.convert(DType::I64).binary(BinaryFn::ShiftLeft, &long(32))
    }
}

impl Scalar for PhiloxWord<'_> {
    fn scalar(&self, x: &[Expr]) -> Expr {
        let [a, b, c, d] = block(&x[0].binary(BinaryFn::ShiftRight, &long(2)), &x[1]);
        let (is_odd, is_late) = (has_bit(&x[0], 1), has_bit(&x[0], 2));
        is_late.select(&is_odd.select(&d, &c), &is_odd.select(&b, &a))
    }
}

impl<'c> Infer<'c> for PhiloxWord<'c> {
    fn infer(&self) -> Result<Vec<Type<'c>>> {
        infer_elements(self, &[Type::int(self.context(), 32)])
    }
}

impl ShapeRule for PhiloxWord<'_> {
    fn shapes<'b>(&'b self, inputs: &ShapeInputs<'_, 'b>) -> Result<Vec<Vec<Dim>>> {
        Ok(vec![one_shape(self, inputs, "(C2)")?])
    }
}

impl<'c> Fold<'c> for Philox<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl<'c> Fold<'c> for PhiloxWord<'c> {
    fn fold(&self, constants: &[Option<Attribute<'c>>]) -> Option<FoldOutcome<'c>> {
        fold_constants(self, constants)
    }
}

impl Cost for Philox<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        60.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Cost for PhiloxWord<'_> {
    fn flops(&self, _: &[Vec<i64>], results: &[Vec<i64>]) -> f64 {
        30.0 * results[0].iter().product::<i64>() as f64
    }
}

impl Precision for PhiloxWord<'_> {}

impl Precision for Philox<'_> {}

const SHAPES: [(&str, &[usize]); 4] = [("3x17x", &[3, 17]), ("?x5x", &[7, 5]), ("0x4x", &[0, 4]), ("", &[])];

impl Samples for Philox<'_> {
    fn samples(s: &mut SampleSet) {
        for (dims, shape) in SHAPES {
            let ty = format!("tensor<{dims}$T>");
            let body = format!("%r = thunder.philox %x, %y : {ty}\n  return %r : {ty}");
            let sample = s.add(Dtypes(&[DType::I64]), &format!("(%x: {ty}, %y: {ty}) -> {ty}"), &body, &[shape; 2]);
            sample.domains(-1e12, 1e12);
        }
    }
}

impl Samples for PhiloxWord<'_> {
    fn samples(s: &mut SampleSet) {
        for (dims, shape) in SHAPES {
            let (ty, out) = (format!("tensor<{dims}$T>"), format!("tensor<{dims}i32>"));
            let body = format!("%r = thunder.philox_word %x, %y : ({ty}, {ty}) -> {out}\n  return %r : {out}");
            let sample = s.add(Dtypes(&[DType::I64]), &format!("(%x: {ty}, %y: {ty}) -> {out}"), &body, &[shape; 2]);
            sample.domains(-1e12, 1e12);
        }
    }
}
