//! Composites whose results' types say less than their operands tell: decompositions have the types that are declared.

use anyhow::{Context as _, Result};
use thunder_interface::{Decompose, SampleSet};
use thunder_ir::{Attribute, Dialect, Module, Operation, Type};

use crate::executor::{Executor as _, Reference, decompose_all};
use crate::{check_types, sample};

/// Checks the samples of an op, each with all sizes of its results left open, and with each one alone.
pub fn check_op(dialect: &'static Dialect, set: &SampleSet) -> Result<()> {
    for sample in &set.samples {
        let text = sample::text(sample, *sample.dtypes.0.first().context("a sample has dtypes")?);
        let context = sample::context(&[dialect]);
        let module = Module::parse(&context, "sample.mlir", text.as_bytes())?;
        let inputs = sample::inputs(sample, sample::body(sample::function(&module, "sample")?)?, 0x5eed)?;
        let ranks = composites(&module)?.into_iter().flat_map(Operation::results).map(|v| sizes(v.ty()).len());
        let alone = (0..ranks.max().unwrap_or(0)).map(Some);
        for dim in std::iter::once(None).chain(alone) {
            let copy = module.duplicate();
            open(&copy, dim)?;
            // Other ops of the sample may hold the op to what it declared.
            if copy.verify().is_err() {
                continue;
            }
            let place = || format!("with dimension {dim:?} open, in\n{text}");
            decompose_all(&copy).with_context(place)?;
            let results = Reference.run(&copy, "sample", &inputs).with_context(place)?;
            check_types(sample::function(&copy, "sample")?, &results).with_context(place)?;
        }
    }
    Ok(())
}

fn composites<'c>(module: &'c Module<'_>) -> Result<Vec<Operation<'c>>> {
    let ops = sample::body(sample::function(module, "sample")?)?.operations();
    Ok(ops.into_iter().filter(|op| <dyn Decompose>::of(*op).is_some()).collect())
}

fn sizes(ty: Type<'_>) -> Vec<Option<i64>> {
    ty.as_tensor().map(|t| t.dims()).unwrap_or_default()
}

/// Leaves a dimension of all results of composites open, or each of them.
fn open(module: &Module<'_>, dim: Option<usize>) -> Result<()> {
    for value in composites(module)?.into_iter().flat_map(Operation::results) {
        let is_open = |axis| dim.is_none_or(|dim| dim == axis);
        let opened = sizes(value.ty()).into_iter().enumerate();
        let opened: Vec<_> = opened.map(|(axis, size)| size.filter(|_| !is_open(axis))).collect();
        value.set_type(Type::tensor(value.ty().element(), &opened));
    }
    let function = sample::function(module, "sample")?;
    let body = sample::body(function)?;
    let arguments: Vec<_> = body.arguments().map(|v| v.ty()).collect();
    let returned = body.terminator().context("the function does not return")?;
    let results: Vec<_> = returned.operands().map(|v| v.ty()).collect();
    let ty = Type::function(function.context(), &arguments, &results);
    function.set_attribute("function_type", Attribute::of_type(ty));
    Ok(())
}
