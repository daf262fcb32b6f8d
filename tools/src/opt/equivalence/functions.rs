//! Functions run on random inputs, before and after a pass.

use std::collections::BTreeMap;

use thunder_interface::{agree, dtype_of, interpret};
use thunder_ir::pass::Numerics;
use thunder_ir::{Module, Operation, TensorType};
use thunder_tensor::{DType, Random, Tensor};

/// On how many inputs each function is run.
const RUNS: usize = 4;
/// How many inputs are tried for it: sizes may not fit each other, and indices may be out of range.
const TRIES: u64 = 24;
/// Extents that all dynamic dimensions get together, before each gets its own.
const TOGETHER: [usize; 5] = [3, 4, 1, 2, 8];

/// One run of a function.
pub(super) struct Case {
    function: String,
    inputs: Vec<Tensor>,
    results: Vec<Tensor>,
}

/// Runs of every function that has a body, or why there are none.
pub(super) fn cases(module: &Module<'_>, numerics: Numerics) -> BTreeMap<String, Result<Vec<Case>, String>> {
    let functions = module.body().operations().into_iter().filter(|op| op.name() == "func.func");
    functions
        .filter_map(|function| {
            let name = function.attribute("sym_name")?.as_string()?.to_owned();
            let types = argument_types(function)?;
            let cases = runs(module, &name, types, numerics);
            Some((name, cases))
        })
        .collect()
}

/// The types of the arguments; `None` without a body.
fn argument_types<'c>(function: Operation<'c>) -> Option<Result<Vec<(DType, TensorType<'c>)>, String>> {
    let block = function.regions().next()?.entry()?;
    let ty = |value: thunder_ir::Value<'c>| {
        let tensor = value.ty().as_tensor();
        let known = tensor.and_then(|tensor| Some((dtype_of(tensor.element())?, tensor)));
        known.ok_or_else(|| format!("an argument is of type '{}'", value.ty()))
    };
    Some(block.arguments().map(ty).collect())
}

fn runs(
    module: &Module<'_>,
    name: &str,
    types: Result<Vec<(DType, TensorType<'_>)>, String>,
    numerics: Numerics,
) -> Result<Vec<Case>, String> {
    let types = types?;
    let (mut cases, mut reason) = (Vec::new(), String::new());
    for seed in 0..TRIES {
        let inputs = inputs(&types, seed, numerics == Numerics::Exact);
        match interpret(module.operation(), name, &inputs) {
            Ok(results) => cases.push(Case { function: name.to_owned(), inputs, results }),
            Err(error) => reason = error.to_string(),
        }
        if cases.len() == RUNS {
            break;
        }
    }
    if cases.is_empty() { Err(reason) } else { Ok(cases) }
}

/// Random inputs; with NaN, infinities and the like in every second run where values must stay as they are.
fn inputs(types: &[(DType, TensorType<'_>)], seed: u64, specials: bool) -> Vec<Tensor> {
    let mut random = Random::new(seed);
    let together = TOGETHER.get(seed as usize % (2 * TOGETHER.len()));
    let extent = |random: &mut Random| match together {
        Some(extent) => *extent,
        None => random.integers(DType::I64, [], 1..6).item::<i64>().map_or(1, |extent| extent as usize),
    };
    let range = [0..4, 0..1, -3..4, 0..100][(seed / 2 % 4) as usize].clone();
    types
        .iter()
        .map(|(dtype, ty)| {
            let dims = ty.dims().into_iter();
            let shape: Vec<usize> = dims.map(|dim| dim.map_or_else(|| extent(&mut random), |d| d as usize)).collect();
            match dtype {
                DType::Bool => random.integers(*dtype, shape, 0..2),
                _ if !dtype.has_fractions() => random.integers(*dtype, shape, range.clone()),
                _ if specials && seed % 2 == 1 => random.special(*dtype, shape, 0.0, 1.0),
                _ => random.normal(*dtype, shape, 0.0, 1.0),
            }
        })
        .collect()
}

impl Case {
    /// What the function of the same name computes in another module.
    pub(super) fn results_in(&self, module: &Module<'_>) -> Result<Vec<Tensor>, String> {
        interpret(module.operation(), &self.function, &self.inputs).map_err(|error| error.to_string())
    }

    /// Whether results are those that were there before, as closely as `numerics` asks.
    pub(super) fn agrees(&self, results: &[Tensor], numerics: Numerics) -> Result<(), String> {
        if self.results.len() != results.len() {
            return Err(format!("returns {} values instead of {}", results.len(), self.results.len()));
        }
        for (index, (result, expected)) in results.iter().zip(&self.results).enumerate() {
            agree(result, expected, numerics)
                .map_err(|difference| format!("returns another value #{index}: {difference}"))?;
        }
        Ok(())
    }
}
