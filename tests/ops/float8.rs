//! Compiled code rounds to floats of 8 bits as host tensors do, at every boundary of theirs.

use anyhow::{Context as _, Result};
use libtest_mimic::Trial;
use thunder_conformance::executor::{Executor as _, Jit};
use thunder_conformance::{numeric, sample, trial};
use thunder_interface::Dtypes;
use thunder_ir::Module;
use thunder_tensor::{DType, Tensor};

/// One test for each format and direction.
pub fn trials() -> Vec<Trial> {
    let narrow = |dtype: DType| trial(format!("float8::to::{dtype}"), move || narrows(dtype));
    let widen = |dtype: DType| trial(format!("float8::from::{dtype}"), move || widens(dtype));
    DType::FLOATS8.into_iter().flat_map(|dtype| [narrow(dtype), widen(dtype)]).collect()
}

/// All bits, to every dtype.
fn widens(dtype: DType) -> Result<()> {
    let bits: Vec<u8> = (0..=255).collect();
    let all = Tensor::from_bytes(dtype, [256], &bits)?;
    Dtypes::MOVED.0.iter().try_for_each(|to| check(&all, *to))
}

/// All numbers, the middles between neighbours and what is just beside these, from every dtype.
fn narrows(dtype: DType) -> Result<()> {
    let format = dtype.float8().context("has a format")?;
    let numbers: Vec<f64> = (0..=format.largest()).map(|bits| format.widen(bits)).collect();
    let beyond = 2.0 * numbers[numbers.len() - 1] - numbers[numbers.len() - 2];
    let neighbours = numbers.iter().zip(numbers[1..].iter().chain([&beyond]));
    let middles: Vec<f64> = neighbours.map(|(low, high)| (low + high) / 2.0).collect();
    let [smallest, largest] = [f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)];
    let rest = [beyond, 1e9, largest, 1e300, f64::INFINITY, f64::NAN, smallest, smallest / 4.0, 1e-300];
    let mut values = numbers;
    for x in middles {
        let single = x as f32;
        values.extend([x, x.next_up(), x.next_down(), single.next_up().into(), single.next_down().into()]);
    }
    values.extend(rest);
    values.extend(values.clone().iter().map(|x| -x));
    let values = Tensor::from_values(DType::F64, [values.len()], values)?;
    Dtypes::MOVED.0.iter().try_for_each(|from| check(&values.cast(*from), dtype))
}

fn check(values: &Tensor, to: DType) -> Result<()> {
    let (length, from) = (values.len(), values.dtype());
    let text = format!(
        "func.func @sample(%x: tensor<{length}x{from}>) -> tensor<{length}x{to}> {{
           %r = thunder.convert %x : tensor<{length}x{from}> -> tensor<{length}x{to}>
           return %r : tensor<{length}x{to}>
         }}"
    );
    let context = sample::context(&[thunder_dialect::dialect()]);
    let module = Module::parse(&context, "convert.mlir", text.as_bytes())?;
    let computed = Jit.run(&module, "sample", std::slice::from_ref(values))?;
    numeric::same_bits(&computed[0], &values.cast(to)).with_context(|| format!("from {from} to {to}"))
}
