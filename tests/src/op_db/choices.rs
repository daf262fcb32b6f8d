//! Positions of elements that an operation chooses: of equal elements it may choose any, as PyTorch's documentation says.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use thunder_tensor::{Carrier, Tensor};

use super::samples::Operation;

/// Operations whose results are elements of their first input along `dim`, and where these are.
const CHOICES: &[&str] = &["kthvalue", "topk"];

/// Whether the results of an operation are elements and where they are.
pub fn are(operation: &Operation) -> bool {
    CHOICES.contains(&operation.name.as_str())
}

/// Checks that positions are such that the first input has the values there, and each another one.
pub fn check(operation: &Operation, number: usize, x: &Tensor, results: &[Tensor]) -> Result<()> {
    let [values, places] = results else { anyhow::bail!("{} results, not 2", results.len()) };
    let program = operation.samples[number].program.as_ref().context("there is no program")?;
    let inputs = program["graph_module"]["graph"]["nodes"][0]["inputs"].as_array().context("there is no call")?;
    let dim = inputs.iter().find(|input| input["name"] == "dim").and_then(|input| input["arg"]["as_int"].as_i64());
    // A number alone is a row of one.
    let shape = if x.rank() == 0 { &[1] } else { x.shape() };
    let axis = dim.unwrap_or(-1).rem_euclid(shape.len() as i64) as usize;
    if x.dtype().is_float() {
        return chosen::<f64>(x, values, places, shape, axis);
    }
    chosen::<i64>(x, values, places, shape, axis)
}

fn chosen<C: Carrier>(x: &Tensor, values: &Tensor, places: &Tensor, shape: &[usize], axis: usize) -> Result<()> {
    let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let lanes = shape[..axis].iter().product::<usize>() * inner;
    let (x, values, places) = (x.to_vec::<C>(), values.to_vec::<C>(), places.to_vec::<i64>());
    let count = places.len() / lanes.max(1);
    let mut seen = BTreeSet::new();
    for (at, (value, place)) in values.iter().zip(&places).enumerate() {
        let lane = (at / (count * inner), at % inner);
        let found = usize::try_from(*place).ok().filter(|place| *place < extent);
        let found = found.with_context(|| format!("element {at} is place {place} of {extent}"))?;
        let element = x[(lane.0 * extent + found) * inner + lane.1];
        let is_same = element == *value || element.partial_cmp(value).is_none();
        ensure!(is_same, "element {at} is place {place}, where {element:?} is");
        ensure!(seen.insert((lane, found)), "element {at} is place {place} again");
    }
    Ok(())
}
