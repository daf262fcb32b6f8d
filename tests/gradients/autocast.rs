//! A Llama in mixed precision: near single precision before and after differentiation, weights converted once.

use anyhow::{Context as _, Result, ensure};
use thunder_conformance::executor::{Executor, Reference};
use thunder_conformance::sample::{context, function};
use thunder_interface::PARAMETER;
use thunder_ir::pass::Pipeline;
use thunder_ir::{Context, Module};
use thunder_models::llama::{Llama, LlamaConfig, Rotary};
use thunder_passes::Autocast;
use thunder_passes::autodiff::value_and_grad;
use thunder_tensor::{DType, Tensor};
use thunder_trace::{Spec, Tracer};

use crate::remat::{ENTRY, arguments, run};

const CONFIG: LlamaConfig = LlamaConfig { layers: 2, width: 32, heads: 2, intermediate: 48, eps: 1e-5 };

/// How far gradients may be off, in roundings of the narrow type: those of the some forty ops of a chain add up at random.
const NEAR: f64 = 2.6;

fn traced(context: &Context) -> Result<Module<'_>> {
    let tracer = Tracer::new(context);
    let inputs = (Spec::new(DType::F32, [2, 16, CONFIG.width]), Rotary::of(DType::F32, 16, &CONFIG));
    tracer.function("main", inputs, |scope, (x, rotary)| {
        let y = Llama::new(scope, &CONFIG).forward(x, &rotary);
        (y * y).mean(..)
    })?;
    Ok(tracer.finish())
}

/// `|actual - expected| / |expected|`, over all elements.
fn distance(actual: &Tensor, expected: &Tensor) -> f64 {
    let (actual, expected) = (actual.to_vec::<f64>(), expected.to_vec::<f64>());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|x| x * x).sum::<f64>();
    let off = square(&mut actual.iter().zip(&expected).map(|(x, y)| x - y));
    (off / square(&mut expected.iter().copied()).max(f64::MIN_POSITIVE)).sqrt()
}

/// Each weight has one conversion, however often it is used: once in a run.
fn weights_are_converted_once(module: &Module<'_>) -> Result<()> {
    let function = function(module, ENTRY)?;
    let list = function.attribute("arg_attrs").and_then(|a| a.as_array()).context("arguments have names")?;
    let block = function.region(0).entry().context("has a body")?;
    let mut matrices = 0;
    for (value, attribute) in block.arguments().zip(list) {
        let is_matrix = value.ty().as_tensor().is_some_and(|t| t.rank() == 2);
        if attribute.entry(PARAMETER).is_some() && is_matrix {
            matrices += 1;
            let users: Vec<_> = value.uses().into_iter().map(|(op, _)| op.name()).collect();
            ensure!(users == ["thunder.convert"], "{attribute} is used by {users:?}");
        }
    }
    ensure!(matrices == 14, "{matrices} weights are matrices");
    Ok(())
}

#[test]
fn a_llama_computes_nearly_the_same() -> Result<()> {
    let context = context(&[]);
    let single = traced(&context)?;
    value_and_grad(single.operation(), "main", &[])?;
    let values = arguments(&single, ENTRY)?;
    let expected = Reference.run(&single, ENTRY, &values)?;
    for dtype in [DType::BF16, DType::F16] {
        let near = NEAR * dtype.epsilon();
        let autocast = Pipeline::new().pass(&Autocast::to(dtype));
        for is_first in [true, false] {
            let mut module = traced(&context)?;
            if is_first {
                autocast.run(&mut module)?;
            }
            value_and_grad(module.operation(), "main", &[])?;
            if !is_first {
                autocast.run(&mut module)?;
            }
            weights_are_converted_once(&module)?;
            let actual = Reference.run(&module, ENTRY, &values)?;
            let (_, compiled) = run(&mut module, ENTRY, &values)?;
            for ((actual, compiled), expected) in actual.iter().zip(&compiled).zip(&expected) {
                ensure!(
                    actual.dtype() == expected.dtype(),
                    "a gradient is {} for {}",
                    actual.dtype(),
                    expected.dtype()
                );
                for (what, value) in [("the reference", actual), ("machine code", compiled)] {
                    let off = distance(value, expected);
                    ensure!(off <= near, "{what} in {dtype} is off by {off}, cast first: {is_first}");
                }
            }
        }
    }
    Ok(())
}
