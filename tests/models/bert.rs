//! BERT with random weights.

use std::collections::{BTreeMap, HashSet};

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use thunder_interface::{PARAMETER, Strided, interpret};
use thunder_ir::Module;
use thunder_ir::pass::Pipeline;
use thunder_lowering::{Compiled, Phase, compile_to};
use thunder_models::bert::BertConfig;
use thunder_models::minilm::{self, Batch};
use thunder_passes::Autocast;
use thunder_runtime::program::Parameter;
use thunder_runtime::session::Options;
use thunder_tensor::{DType, Random, Tensor, Tolerance, compare};

use crate::trial;

const SMALL: BertConfig = BertConfig {
    vocabulary: 50,
    positions: 11,
    segments: 2,
    width: 24,
    layers: 2,
    heads: 3,
    intermediate: 40,
    eps: 1e-12,
};

pub fn trials() -> Vec<Trial> {
    vec![
        trial("bert::agrees_with_the_reference_for_every_batch", agrees_with_the_reference),
        trial("bert::padding_changes_nothing", padding_changes_nothing),
        trial("bert::inputs_that_disagree_are_named", inputs_that_disagree_are_named),
        trial("bert::equal_layers_share_their_kernels", equal_layers_share_their_kernels),
        trial("bert::weights_are_rounded_once", weights_are_rounded_once),
    ]
}

fn compiled(module: &Module<'_>) -> Result<Compiled> {
    Ok(thunder_lowering::compile(&mut module.duplicate(), &Default::default())?)
}

/// Random weights for the parameters of a compiled program.
fn weights(compiled: &Compiled) -> BTreeMap<String, Tensor> {
    let mut random = Random::new(7);
    let weight = |p: Parameter| (p.name, random.uniform(p.dtype, p.shape, -0.5..0.5));
    compiled.artifact.parameters().into_iter().map(weight).collect()
}

fn batch(sizes: [usize; 2], seed: u64) -> Batch<Tensor> {
    let ids = Random::new(seed).integers(DType::I64, sizes, 0..SMALL.vocabulary);
    // Sequences of different lengths, of which the first is as long as the batch.
    let mask = Tensor::from_fn(DType::I64, sizes, |at| i64::from(at[1] + 2 * at[0] < sizes[1] || at[1] == 0));
    Batch { ids, mask }
}

fn agrees_with_the_reference() -> Result<()> {
    let context = thunder_lowering::context();
    let module = minilm::trace(&context, &SMALL)?;
    let compiled = compiled(&module)?;
    let weights = weights(&compiled);
    let session = compiled.session(&weights, Options::with_threads(2))?;
    // Parameters follow the inputs in the traced function.
    let parameters = compiled.artifact.parameters().into_iter().map(|p| weights[&p.name].clone());
    let parameters: Vec<Tensor> = parameters.collect();
    for (seed, sizes) in [[1, 1], [1, 11], [3, 7], [5, 2], [16, 8]].into_iter().enumerate() {
        let Batch { ids, mask } = batch(sizes, seed as u64);
        let inputs = [ids, mask];
        let actual = session.run(&inputs)?;
        let expected = interpret(module.operation(), "main", &[inputs.as_slice(), &parameters].concat())?;
        compare(&actual[0], &expected[0], Tolerance::new(1e-5, 1e-5)).with_context(|| format!("batch {sizes:?}"))?;
    }
    Ok(())
}

fn padding_changes_nothing() -> Result<()> {
    let context = thunder_lowering::context();
    let compiled = compiled(&minilm::trace(&context, &SMALL)?)?;
    let session = compiled.session(&weights(&compiled), Options::with_threads(2))?;
    let ids = |tokens: usize| Tensor::from_fn(DType::I64, [1, tokens], |at| 3 + 5 * at[1] as i64);
    let mask = |tokens: usize| Tensor::from_fn(DType::I64, [1, tokens], |at| i64::from(at[1] < 4));
    let short = session.run(&[ids(4), mask(4)])?;
    let padded = session.run(&[ids(9), mask(9)])?;
    compare(&padded[0], &short[0], Tolerance::new(1e-5, 1e-6))?;
    Ok(())
}

fn equal_layers_share_their_kernels() -> Result<()> {
    let kernels = |layers: i64| -> Result<Vec<String>> {
        let context = thunder_lowering::context();
        let compiled = compiled(&minilm::trace(&context, &BertConfig { layers, ..SMALL })?)?;
        Ok(compiled.artifact.program().kernels.clone())
    };
    let (two, six) = (kernels(2)?, kernels(6)?);
    ensure!(two == six, "two layers need {two:?}, six need {six:?}");
    ensure!(!six.is_empty(), "there are no kernels to share");
    Ok(())
}

/// How many ops of `@main` read parameters alone, but for views.
fn ops_on_weights(module: &Module<'_>) -> Result<usize> {
    let function = thunder_conformance::sample::function(module, "main")?;
    let block = function.region(0).entry().context("the function has a body")?;
    let names = function.attribute("arg_attrs").and_then(|a| a.as_array()).unwrap_or_default();
    let is_parameter = |number: usize| names.get(number).is_some_and(|a| a.entry(PARAMETER).is_some());
    let mut known: HashSet<_> =
        block.arguments().enumerate().filter(|(number, _)| is_parameter(*number)).map(|(_, value)| value).collect();
    let mut count = 0;
    for op in block.operations().into_iter().filter(|op| op.operand_count() > 0 && op.is_pure()) {
        if op.operands().all(|value| known.contains(&value)) {
            known.extend(op.results());
            count += usize::from(<dyn Strided>::of(op).is_none());
        }
    }
    Ok(count)
}

/// Of a model in mixed precision, runs are left with no conversion of weights.
fn weights_are_rounded_once() -> Result<()> {
    let context = thunder_lowering::context();
    let mut module = minilm::trace(&context, &SMALL)?;
    Pipeline::new().pass(&Autocast::to(DType::BF16)).run(&mut module)?;
    ensure!(ops_on_weights(&module)? >= 12, "the weights of 12 products are not rounded:\n{module}");
    let compiled = compiled(&module)?;
    let setup = compiled.artifact.setup().context("nothing is done once")?;
    ensure!(setup.outputs.iter().all(|port| port.dtype == DType::BF16), "{:?}", setup.outputs);
    let mut functional = module.duplicate();
    compile_to(&mut functional, Phase::Functional, &Default::default())?;
    let left = ops_on_weights(&functional)?;
    ensure!(left == 0, "{left} ops on weights are left:\n{functional}");
    let (weights, Batch { ids, mask }) = (weights(&compiled), batch([3, 7], 1));
    let parameters = compiled.artifact.parameters().into_iter().map(|p| weights[&p.name].clone());
    let all: Vec<Tensor> = [ids.clone(), mask.clone()].into_iter().chain(parameters).collect();
    let expected = interpret(module.operation(), "main", &all)?;
    let actual = compiled.session(&weights, Options::with_threads(2))?.run(&[ids, mask])?;
    compare(&actual[0], &expected[0], Tolerance::new(2e-2, 2e-2))?;
    Ok(())
}

/// A symbol is one size: the guard names it, and where its value came from.
fn inputs_that_disagree_are_named() -> Result<()> {
    let context = thunder_lowering::context();
    let compiled = compiled(&minilm::trace(&context, &SMALL)?)?;
    let session = compiled.session(&weights(&compiled), Options::with_threads(1))?;
    let tensor = |shape: [usize; 2]| Tensor::zeros(DType::I64, shape);
    let said = |inputs: &[Tensor]| session.run(inputs).err().map(|error| error.to_string()).unwrap_or_default();
    let why = "the program needs 3 (tokens is dimension 1 of input 'ids')";
    let actual = said(&[tensor([2, 3]), tensor([2, 4])]);
    ensure!(actual == format!("input 'mask': dimension 1 is 4, {why}"), "{actual}");
    let actual = said(&[tensor([2, 3]), Tensor::zeros(DType::F32, [2, 3])]);
    ensure!(actual == "input 'mask' is of f32, the program needs i64", "{actual}");
    Ok(())
}
