//! BERT with random weights.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use libtest_mimic::Trial;
use thunder_interface::interpret;
use thunder_ir::Module;
use thunder_lowering::Compiled;
use thunder_models::bert::BertConfig;
use thunder_models::minilm::{self, Batch};
use thunder_runtime::program::Port;
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
    ]
}

fn compiled(module: &Module<'_>) -> Result<Compiled> {
    Ok(thunder_lowering::compile(&mut module.duplicate(), &Default::default())?)
}

/// Random weights for the parameters of a compiled program.
fn weights(compiled: &Compiled) -> Result<BTreeMap<String, Tensor>> {
    let program = compiled.artifact.program();
    let mut random = Random::new(7);
    let mut weight = |port: &Port| {
        let sizes = port.shape.iter().map(|dim| program.dims.as_constant(*dim));
        let shape: Option<Vec<usize>> = sizes.map(|size| usize::try_from(size?).ok()).collect();
        let shape = shape.context("a weight has a dynamic size")?;
        Ok((port.name.clone(), random.uniform(port.dtype, shape, -0.5..0.5)))
    };
    program.parameters.iter().map(&mut weight).collect()
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
    let weights = weights(&compiled)?;
    let session = compiled.session(&weights, Options::with_threads(2))?;
    // Parameters follow the inputs in the traced function.
    let parameters = compiled.artifact.program().parameters.iter().map(|port| weights[&port.name].clone());
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
    let session = compiled.session(&weights(&compiled)?, Options::with_threads(2))?;
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

/// A symbol is one size: the guard names it, and where its value came from.
fn inputs_that_disagree_are_named() -> Result<()> {
    let context = thunder_lowering::context();
    let compiled = compiled(&minilm::trace(&context, &SMALL)?)?;
    let session = compiled.session(&weights(&compiled)?, Options::with_threads(1))?;
    let tensor = |shape: [usize; 2]| Tensor::zeros(DType::I64, shape);
    let said = |inputs: &[Tensor]| session.run(inputs).err().map(|error| error.to_string()).unwrap_or_default();
    let why = "the program needs 3 (tokens is dimension 1 of input 'ids')";
    let actual = said(&[tensor([2, 3]), tensor([2, 4])]);
    ensure!(actual == format!("input 'mask': dimension 1 is 4, {why}"), "{actual}");
    let actual = said(&[tensor([2, 3]), Tensor::zeros(DType::F32, [2, 3])]);
    ensure!(actual == "input 'mask' is of f32, the program needs i64", "{actual}");
    Ok(())
}
