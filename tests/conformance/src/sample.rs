//! Samples of ops as programs and inputs.

use anyhow::{Context as _, Result};
use thunder_interface::{Sample, dtype_of};
use thunder_ir::{Block, Context, Dialect, Module, Operation};
use thunder_tensor::{DType, Random, Tensor};

/// A context with all that compilation needs and these dialects, without threads.
pub fn context(dialects: &[&'static Dialect]) -> Context {
    let registry = dialects.iter().fold(thunder_lowering::registry(), |registry, dialect| registry.with(dialect));
    Context::with_threading(&registry, false)
}

/// The text of a sample with its dtype written out.
pub fn text(sample: &Sample, dtype: DType) -> String {
    sample.function.replace("$T", dtype.name())
}

/// The function `@name` of a module.
pub fn function<'c>(module: &'c Module<'_>, name: &str) -> Result<Operation<'c>> {
    let operations = module.body().operations();
    let named = |op: &&Operation<'c>| op.attribute("sym_name").and_then(|a| a.as_string()) == Some(name);
    operations.iter().find(named).copied().with_context(|| format!("no function '@{name}'"))
}

/// The only block of a function.
pub fn body<'c>(function: Operation<'c>) -> Result<Block<'c>> {
    function.region(0).entry().context("the function has no body")
}

/// Random arguments for a sample, decided by `seed`.
pub fn inputs(sample: &Sample, body: Block<'_>, seed: u64) -> Result<Vec<Tensor>> {
    let mut random = Random::new(seed);
    anyhow::ensure!(
        sample.shapes.len() == body.argument_count(),
        "{} shapes are given for {} arguments",
        sample.shapes.len(),
        body.argument_count()
    );
    let arguments = body.arguments().zip(&sample.shapes).zip(&sample.domains);
    arguments
        .map(|((argument, shape), (low, high))| {
            let element = argument.ty().element();
            let dtype = dtype_of(element).or_else(|| argument.ty().as_tensor().is_none().then_some(DType::I64));
            let dtype = dtype.with_context(|| format!("no dtype for '{element}'"))?;
            let low = if dtype.is_signed() { *low } else { low.max(0.0) };
            Ok(match sample.specials {
                true => random.special(dtype, shape.as_slice(), 0.0, 2.0),
                false => random.uniform(dtype, shape.as_slice(), low..*high),
            })
        })
        .collect()
}
