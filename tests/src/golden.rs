//! Results of other frameworks, and how close to them ours are.

use anyhow::{Result, bail, ensure};
use thunder_interface::NAME;
use thunder_ir::Module;
use thunder_tensor::{DType, Tensor};

/// How much farther than the other framework's own result one may be from the exact value.
pub const FACTOR: f64 = 2.0;
/// Roundings that are granted beside, relative to the largest value: an error of the other's may happen to be none.
pub const ROUNDINGS: f64 = 4.0;

/// Outputs in order.
pub type NamedOutputs = Vec<(String, Tensor)>;

/// The names of the outputs of `@main`.
pub fn output_names(module: &Module<'_>) -> Result<Vec<String>> {
    Ok(names(module, "main", "res_attrs", NAME)?.into_iter().flatten().collect())
}

/// The names that one attribute of a function's arguments or results gives, none where it is missing.
pub fn names(module: &Module<'_>, function: &str, list: &str, key: &str) -> Result<Vec<Option<String>>> {
    let function = thunder_conformance::sample::function(module, function)?;
    let entries = function.attribute(list).and_then(|a| a.as_array()).unwrap_or_default();
    let name = |entry: thunder_ir::Attribute<'_>| entry.entry(key).and_then(|name| name.as_string()).map(str::to_owned);
    Ok(entries.into_iter().map(name).collect())
}

/// Whether a value is as close to the exact one as the other framework's, of which `error` says how far it is off.
pub fn close(actual: &Tensor, exact: &Tensor, error: f64) -> Result<()> {
    ensure!(actual.shape() == exact.shape(), "the shape is {:?}, not {:?}", actual.shape(), exact.shape());
    ensure!(
        actual.dtype() == exact.dtype() || actual.dtype() == DType::F32 && exact.dtype() == DType::F64,
        "the dtype is {}, not {}",
        actual.dtype(),
        exact.dtype()
    );
    let (actual, exact) = (actual.cast(DType::F64), exact.cast(DType::F64));
    let pairs: Vec<(f64, f64)> = actual.to_vec::<f64>().into_iter().zip(exact.to_vec::<f64>()).collect();
    let largest = pairs.iter().map(|(_, exact)| exact.abs()).filter(|x| x.is_finite()).fold(0.0, f64::max);
    let limit = FACTOR * error + ROUNDINGS * f64::from(f32::EPSILON) * largest;
    for (index, (actual, exact)) in pairs.into_iter().enumerate() {
        let is_close = actual == exact || actual.is_nan() && exact.is_nan() || (actual - exact).abs() <= limit;
        if !is_close {
            bail!(
                "element {index} is {actual}, not {exact}, which is more than {limit:e} off: the other framework is off by {error:e}"
            );
        }
    }
    Ok(())
}
