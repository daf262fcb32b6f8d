//! Inputs on which a program is tame: all that it computes is moderate, and roundings do not decide what it computes.
//!
//! A pass that changes roundings, or that keeps values where they are finite only, is compared on these. A program is run
//! op by op, by the reference, as it is and with noise of the size of roundings on every float that it computes. It is
//! tame where no value is beyond `LARGEST`, no number of another kind changes by noise, and noise stays noise. How far
//! noise reaches bounds how far the results of a pass may be.

use std::collections::HashMap;

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::sample;
use thunder_interface::{agree, compute};
use thunder_ir::pass::Numerics;
use thunder_ir::{Block, Module, Value};
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};

use crate::program::Program;

/// The largest magnitude of a moderate value.
const LARGEST: f64 = 1e4;

/// What inputs are drawn from; the first range on which the program is tame is taken.
const RANGES: [std::ops::Range<f64>; 3] = [-1.0..1.0, 0.5..1.5, -0.25..0.25];

/// How often noise is tried.
const RUNS: u64 = 8;

/// The noise in roundings of the largest value of a tensor.
const NOISE: f64 = 2.0;

/// How many roundings of the largest value noise may reach before it counts as decisive.
const DECISIVE: f64 = 64.0;

/// Roundings of the largest value that a change of their order may add up to, beside what noise reaches.
const ROUNDINGS: u32 = 16;

/// Inputs on which a program is tame.
pub struct Tame {
    /// The inputs.
    pub inputs: Vec<Tensor>,
    expected: Vec<Tensor>,
    /// How far noise reaches in each result.
    reach: Vec<f64>,
}

impl Tame {
    /// Inputs like those of the program on which it is tame, if there are any among those tried.
    pub fn of(module: &Module<'_>, program: &Program) -> Result<Option<Self>> {
        let block = sample::body(sample::function(module, "main")?)?;
        for (seed, range) in RANGES.into_iter().enumerate() {
            let mut random = Random::new(seed as u64);
            let mut draw = |like: &Tensor| {
                let low = if like.dtype().is_signed() { range.start } else { range.start.max(0.0) };
                random.uniform(like.dtype(), like.shape(), low..range.end)
            };
            let inputs = program.inputs.iter().map(&mut draw).collect();
            if let Some(tame) = Self::on(block, inputs)? {
                return Ok(Some(tame));
            }
        }
        Ok(None)
    }

    fn on(block: Block<'_>, inputs: Vec<Tensor>) -> Result<Option<Self>> {
        let Some(plain) = values(block, &inputs, None)? else { return Ok(None) };
        if !plain.iter().all(is_moderate) {
            return Ok(None);
        }
        let mut reach = vec![0.0; plain.len()];
        for seed in 0..RUNS {
            let Some(noisy) = values(block, &inputs, Some(&mut Random::new(seed)))? else { return Ok(None) };
            for ((noisy, plain), reach) in noisy.iter().zip(&plain).zip(&mut reach) {
                let Some(distance) = distance(noisy, plain) else { return Ok(None) };
                *reach = distance.max(*reach);
            }
        }
        // The results are the last of the values.
        let count = block.terminator().context("the function does not return")?.operand_count();
        let first = plain.len() - count;
        Ok(Some(Self { inputs, expected: plain[first..].to_vec(), reach: reach.split_off(first) }))
    }

    /// Whether results are those of the program, as closely as `numerics` asks.
    pub fn agrees(&self, results: &[Tensor], numerics: Numerics) -> Result<()> {
        ensure!(results.len() == self.expected.len(), "{} results instead of {}", results.len(), self.expected.len());
        for ((result, expected), reach) in results.iter().zip(&self.expected).zip(&self.reach) {
            if numerics == Numerics::Narrows || !expected.dtype().is_float() {
                agree(result, expected, numerics).map_err(anyhow::Error::msg)?;
                continue;
            }
            let bound = Tolerance::of_roundings(expected.dtype(), ROUNDINGS);
            let bound = Tolerance::new(bound.rtol, bound.atol * largest(expected) + 2.0 * reach);
            compare(result, expected, bound).map_err(|mismatch| anyhow::anyhow!("{mismatch}"))?;
        }
        Ok(())
    }
}

fn is_moderate(tensor: &Tensor) -> bool {
    !tensor.dtype().is_float() || tensor.to_vec::<f64>().iter().all(|x| x.abs() <= LARGEST)
}

/// The largest magnitude, at least 1.
fn largest(tensor: &Tensor) -> f64 {
    tensor.to_vec::<f64>().into_iter().fold(1.0, |most, x| most.max(x.abs()))
}

/// How far noise has moved a value; `None` where that is more than noise.
fn distance(noisy: &Tensor, plain: &Tensor) -> Option<f64> {
    if !plain.dtype().is_float() {
        return compare(noisy, plain, Tolerance::EXACT).is_ok().then_some(0.0);
    }
    let pairs = noisy.to_vec::<f64>().into_iter().zip(plain.to_vec::<f64>());
    let distance = pairs.map(|(x, y)| if x.is_nan() { f64::INFINITY } else { (x - y).abs() }).fold(0.0, f64::max);
    (distance <= DECISIVE * plain.dtype().epsilon() * largest(plain)).then_some(distance)
}

/// The arguments, the results of all ops and then what the function returns; `None` where the reference has no value.
fn values(block: Block<'_>, inputs: &[Tensor], mut noise: Option<&mut Random>) -> Result<Option<Vec<Tensor>>> {
    let mut known: HashMap<Value<'_>, Tensor> = HashMap::new();
    let mut all = Vec::new();
    let mut define = |known: &mut HashMap<_, _>, all: &mut Vec<Tensor>, value, tensor: &Tensor, moves: bool| {
        let tensor = match &mut noise {
            Some(random) if moves && tensor.dtype().is_float() => moved(tensor, random)?,
            _ => tensor.clone(),
        };
        known.insert(value, tensor.clone());
        all.push(tensor);
        Result::<()>::Ok(())
    };
    for (value, input) in block.arguments().zip(inputs) {
        define(&mut known, &mut all, value, input, true)?;
    }
    for op in block.operations() {
        let operands: Vec<Tensor> = op.operands().map(|value| known[&value].clone()).collect();
        if op.has_trait("terminator") {
            all.extend(operands);
            return Ok(Some(all));
        }
        let Some(Ok(results)) = compute(op, &operands) else { return Ok(None) };
        // What is made from nothing has its value by definition.
        let moves = operands.iter().any(|operand| operand.dtype().is_float());
        for (value, result) in op.results().zip(&results) {
            define(&mut known, &mut all, value, result, moves)?;
        }
    }
    Ok(None)
}

/// The tensor with every element moved by the noise, up or down.
fn moved(tensor: &Tensor, random: &mut Random) -> Result<Tensor> {
    let step = NOISE * tensor.dtype().epsilon() * largest(tensor);
    let up = random.uniform(DType::Bool, tensor.shape(), 0.0..2.0).to_vec::<f64>();
    let values = tensor.to_vec::<f64>().into_iter().zip(up).map(|(x, up)| x + step * (2.0 * up - 1.0)).collect();
    Ok(Tensor::from_values(tensor.dtype(), tensor.shape(), values)?)
}
