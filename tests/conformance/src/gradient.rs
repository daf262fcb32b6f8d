//! Derivatives against differences, in `f64`: reverse and forward mode, and derivatives of derivatives.

use anyhow::{Context as _, Result, bail, ensure};
use thunder_interface::{Sample, SampleSet, type_of};
use thunder_ir::op::OpDef;
use thunder_ir::{Dialect, Module, Type};
use thunder_passes::autodiff::{Mode, differentiate};
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare, map2};

use crate::executor::{Artifact, Executor, Reference};
use crate::sample;

/// What first derivatives may differ from differences by, relative to the larger of 1 and themselves.
const FIRST: f64 = 1e-8;
/// The same for second derivatives.
const SECOND: f64 = 1e-7;
/// What compiled gradients may differ from those of the reference by, in single precision.
const COMPILED: f64 = 1e-4;

/// The largest step of differences, and how often it is halved.
const STEP: f64 = 1.0 / 32.0;
const HALVINGS: usize = 16;

/// A derivative, and how far off it may be.
#[derive(Debug, Clone, Copy)]
pub struct Estimate {
    /// The derivative.
    pub value: f64,
    /// The difference between the best two extrapolations.
    pub error: f64,
}

/// The derivative of `f` at 0 by central differences whose errors are extrapolated away.
///
/// The error of a central difference is a series in the square of the step, so that each halving of
/// the step takes another term away (Ridders, "Accurate computation of F'(x) and F'(x)F''(x)", 1982).
/// Steps that reach beyond where `f` is finite do not count; of all extrapolations the one counts that
/// agrees best with those it is made from, so that steps across a kink do not either.
pub fn derivative(mut f: impl FnMut(f64) -> Result<f64>) -> Result<Estimate> {
    let mut best = Estimate { value: f64::NAN, error: f64::INFINITY };
    let mut before: Vec<f64> = Vec::new();
    for halving in 0..HALVINGS {
        let step = STEP * 0.5f64.powi(halving as i32);
        let difference = (f(step)? - f(-step)?) / (2.0 * step);
        if !difference.is_finite() {
            before.clear();
            continue;
        }
        let mut row = vec![difference];
        for (order, coarser) in before.iter().enumerate() {
            let factor = 4f64.powi(order as i32 + 1);
            let value = (factor * row[order] - coarser) / (factor - 1.0);
            let error = (value - row[order]).abs().max((value - coarser).abs());
            if error < best.error {
                best = Estimate { value, error };
            }
            row.push(value);
        }
        before = row;
    }
    ensure!(best.error.is_finite(), "the function is finite nowhere around");
    Ok(best)
}

/// The sum of products of all elements.
pub fn inner(a: &[Tensor], b: &[Tensor]) -> f64 {
    let product =
        |(a, b): (&Tensor, &Tensor)| a.to_vec::<f64>().iter().zip(b.to_vec::<f64>()).map(|(a, b)| a * b).sum::<f64>();
    a.iter().zip(b).map(product).sum()
}

/// `x + step * direction`.
fn moved(x: &Tensor, direction: &Tensor, step: f64) -> Result<Tensor> {
    Ok(map2(x, direction, x.dtype(), |x: f64, d: f64| x + step * d)?)
}

/// Checks the reverse and the forward derivative of a function in `f64` against differences, and
/// against each other.
///
/// The module gets the derivatives. The answer is one of the directional derivatives that agree; none where there is
/// nothing to check, which takes arguments and results in `f64`.
pub fn check(module: &Module<'_>, name: &str, inputs: &[Tensor], tolerance: f64, seed: u64) -> Result<Option<f64>> {
    let floats: Vec<usize> = (0..inputs.len()).filter(|i| inputs[*i].dtype() == DType::F64).collect();
    let results = Reference.run(module, name, inputs)?;
    let chosen: Vec<usize> = (0..results.len()).filter(|i| results[*i].dtype().is_float()).collect();
    let is_exact = chosen.iter().all(|i| results[*i].dtype() == DType::F64);
    if floats.is_empty() || chosen.is_empty() || !is_exact || inputs.iter().any(|t| t.dtype() == DType::F32) {
        return Ok(None);
    }
    for mode in [Mode::Vjp, Mode::Jvp] {
        differentiate(module.operation(), name, mode, &floats)?;
    }
    module.verify()?;
    compare_derivatives(module, name, inputs, tolerance, seed).map(Some)
}

/// One directional derivative, three times.
#[derive(Debug, Clone, Copy)]
pub struct Derivatives {
    /// By differences.
    pub expected: Estimate,
    /// By the function's vjp.
    pub reverse: f64,
    /// By its jvp.
    pub forward: f64,
}

/// The derivatives of a function in a random direction, as a module says that has its vjp and its jvp.
pub fn derivatives(module: &Module<'_>, name: &str, inputs: &[Tensor], seed: u64) -> Result<Derivatives> {
    let floats: Vec<usize> = (0..inputs.len()).filter(|i| inputs[*i].dtype() == DType::F64).collect();
    let results = Reference.run(module, name, inputs)?;
    let chosen: Vec<usize> = (0..results.len()).filter(|i| results[*i].dtype().is_float()).collect();
    let mut random = Random::new(seed);
    let mut draw = |t: &Tensor| random.uniform(DType::F64, t.shape(), -1.0..1.0);
    let directions: Vec<Tensor> = floats.iter().map(|i| draw(&inputs[*i])).collect();
    let cotangents: Vec<Tensor> = chosen.iter().map(|i| draw(&results[*i])).collect();

    let expected = derivative(|step| {
        let mut inputs = inputs.to_vec();
        for (index, direction) in floats.iter().zip(&directions) {
            inputs[*index] = moved(&inputs[*index], direction, step)?;
        }
        let results = Reference.run(module, name, &inputs)?;
        let results: Vec<Tensor> = chosen.iter().map(|i| results[*i].clone()).collect();
        Ok(inner(&results, &cotangents))
    })?;
    let joint = Reference.run(module, &Mode::Vjp.function(name), &[inputs, &cotangents].concat())?;
    let reverse = inner(&joint[results.len()..], &directions);
    let forward = Reference.run(module, &Mode::Jvp.function(name), &[inputs, &directions].concat())?;
    let forward = inner(&forward[results.len()..], &cotangents);
    Ok(Derivatives { expected, reverse, forward })
}

/// Compares the derivatives that a module has of a function.
fn compare_derivatives(module: &Module<'_>, name: &str, inputs: &[Tensor], tolerance: f64, seed: u64) -> Result<f64> {
    let Derivatives { expected, reverse, forward } = derivatives(module, name, inputs, seed)?;
    let bound = tolerance * expected.value.abs().max(1.0);
    ensure!(expected.error <= bound, "differences give {expected:?}, which is too uncertain to compare with");
    for (what, value) in [("vjp", reverse), ("jvp", forward)] {
        let is_close = (value - expected.value).abs() <= bound;
        if !is_close {
            bail!("{what} gives {value}, but differences give {expected:?}\nin\n{module}");
        }
    }
    ensure!((reverse - forward).abs() <= 1e-11 * reverse.abs().max(1.0), "vjp gives {reverse}, jvp {forward}");
    Ok(reverse)
}

/// Checks the derivatives of order 1 or 2 of all samples of an op; it has some if it takes and gives floats.
pub fn check_op(dialect: &'static Dialect, def: &'static OpDef, set: &SampleSet, order: usize) -> Result<()> {
    let mut samples: Vec<Sample> = set.samples.iter().filter(|s| s.dtypes.0.contains(&DType::F64)).cloned().collect();
    if samples.iter().any(|s| !s.specials) {
        samples.retain(|s| !s.specials);
    }
    let mut count = 0;
    for sample in &mut samples {
        sample.specials = false;
        let derivative = check_sample(dialect, sample, order);
        let derivative = derivative.with_context(|| format!("in\n{}", sample::text(sample, DType::F64)))?;
        count += usize::from(derivative.is_some());
    }
    ensure!(
        count > 0 || !maps_floats(dialect, def),
        "takes and gives floats, but none of its samples has a derivative"
    );
    Ok(())
}

/// Whether some operand and some result can be a tensor of floats.
fn maps_floats(dialect: &'static Dialect, def: &OpDef) -> bool {
    let context = sample::context(&[dialect]);
    let element = type_of(context.as_ref(), DType::F64);
    let types = (0..4).map(|rank| Type::tensor(element, &vec![None; rank])).collect::<Vec<_>>();
    let some = |specs: &[thunder_ir::op::ValueSpec]| {
        specs.iter().any(|spec| types.iter().any(|ty| (spec.constraint.accepts)(*ty)))
    };
    some(&def.operands) && some(&def.results)
}

fn check_sample(dialect: &'static Dialect, sample: &Sample, order: usize) -> Result<Option<f64>> {
    let context = sample::context(&[dialect]);
    let module = Module::parse(&context, "sample.mlir", sample::text(sample, DType::F64).as_bytes())?;
    let inputs = sample::inputs(sample, sample::body(sample::function(&module, "sample")?)?, 0x6a4d)?;
    if order == 1 {
        return check(&module, "sample", &inputs, FIRST, 1);
    }
    let results = Reference.run(&module, "sample", &inputs)?;
    let is_double = |t: &Tensor| t.dtype() == DType::F64;
    if !inputs.iter().any(is_double) || !results.iter().all(is_double) {
        return Ok(None);
    }
    let floats: Vec<usize> = (0..inputs.len()).filter(|i| is_double(&inputs[*i])).collect();
    differentiate(module.operation(), "sample", Mode::Vjp, &floats)?;
    let mut random = Random::new(2);
    let cotangents = results.iter().map(|t| random.uniform(DType::F64, t.shape(), -1.0..1.0));
    let inputs: Vec<_> = inputs.iter().cloned().chain(cotangents).collect();
    check(&module, &Mode::Vjp.function("sample"), &inputs, SECOND, 3)
}

/// Checks that machine code computes gradients in single precision as the reference does: those of an op's first sample,
/// and of its first one with dynamic sizes.
pub fn check_compiled(dialect: &'static Dialect, set: &SampleSet) -> Result<()> {
    let fits = |sample: &&Sample| sample.dtypes.0.contains(&DType::F32) && !sample.specials;
    let samples = || set.samples.iter().filter(fits);
    let first = samples().next();
    for sample in first.into_iter().chain(samples().find(|s| s.function.contains('?'))) {
        compare_compiled(dialect, sample).with_context(|| format!("in\n{}", sample::text(sample, DType::F32)))?;
    }
    Ok(())
}

fn compare_compiled(dialect: &'static Dialect, sample: &Sample) -> Result<()> {
    let context = sample::context(&[dialect]);
    let module = Module::parse(&context, "sample.mlir", sample::text(sample, DType::F32).as_bytes())?;
    let inputs = sample::inputs(sample, sample::body(sample::function(&module, "sample")?)?, 0x6a4d)?;
    let results = Reference.run(&module, "sample", &inputs)?;
    let floats: Vec<&Tensor> = results.iter().filter(|t| t.dtype().is_float()).collect();
    if floats.is_empty() || !inputs.iter().any(|t| t.dtype().is_float()) {
        return Ok(());
    }
    differentiate(module.operation(), "sample", Mode::Vjp, &[])?;
    let mut random = Random::new(4);
    let cotangents = floats.iter().map(|t| random.uniform(t.dtype(), t.shape(), -1.0..1.0));
    let inputs: Vec<_> = inputs.iter().cloned().chain(cotangents).collect();
    let name = Mode::Vjp.function("sample");
    let expected = Reference.run(&module, &name, &inputs)?;
    let actual = Artifact.run(&module, &name, &inputs)?;
    for (actual, expected) in actual.iter().zip(&expected) {
        let bound = if expected.dtype() == DType::F32 { COMPILED } else { 8.0 * expected.dtype().epsilon() };
        compare(actual, expected, Tolerance::new(bound, bound)).map_err(|e| anyhow::anyhow!("{e}\nin\n{module}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_extrapolated_to_the_last_digits() {
        let exact = |estimate: Estimate, expected: f64| {
            assert!((estimate.value - expected).abs() <= 1e-11 * expected.abs().max(1.0), "{estimate:?} {expected}");
            assert!(estimate.error <= 1e-9, "{estimate:?}");
        };
        exact(derivative(|t| Ok((1.0 + t).exp())).unwrap(), 1f64.exp());
        exact(derivative(|t| Ok((0.5 + t).sin())).unwrap(), 0.5f64.cos());
        // Steps of 1/32 leave the domain, and cross a kink.
        exact(derivative(|t| Ok((0.03 + t).ln())).unwrap(), 1.0 / 0.03);
        exact(derivative(|t| Ok((0.001 + t).abs())).unwrap(), 1.0);
        assert!(derivative(|_| Ok(f64::NAN)).is_err());
    }

    #[test]
    fn a_wrong_derivative_is_noticed() {
        let context = sample::context(&[]);
        let source = "func.func @f(%x: tensor<3xf64>) -> tensor<3xf64> {
          %y = thunder.sin %x : tensor<3xf64>
          return %y : tensor<3xf64>
        }";
        let module = Module::parse(&context, "f.mlir", source.as_bytes()).unwrap();
        let x = Random::new(1).uniform(DType::F64, [3], -1.0..1.0);
        assert!(check(&module, "f", std::slice::from_ref(&x), FIRST, 1).unwrap().is_some());
        // The same derivatives, of another function of that name.
        let text = module.to_string().replacen("thunder.sin", "thunder.tanh", 1);
        let module = Module::parse(&context, "f.mlir", text.as_bytes()).unwrap();
        let error = compare_derivatives(&module, "f", &[x], FIRST, 1).unwrap_err();
        assert!(error.to_string().contains("but differences give"), "{error}");
    }
}
