//! What samples of an op must cover: the dtypes that it accepts, and sizes that are odd, empty and dynamic.

use anyhow::{Result, ensure};
use thunder_interface::{Dtypes, SampleSet, type_of};
use thunder_ir::op::{OpDef, ValueSpec};
use thunder_ir::{Context, Dialect, Type};
use thunder_tensor::DType;

use crate::sample;

/// Checks that samples reach everything that the op's table lets pass.
pub fn check(dialect: &'static Dialect, def: &'static OpDef, set: &SampleSet) -> Result<()> {
    let mut gaps = Vec::new();
    let context = sample::context(&[dialect]);
    let Some(spec) = def.operands.iter().chain(&def.results).find(|spec| takes_tensors(&context, spec)) else {
        return Ok(());
    };
    for dtype in Dtypes::MOVED.0.iter().filter(|dtype| accepts(&context, spec, **dtype)) {
        if !set.samples.iter().any(|sample| sample.dtypes.0.contains(dtype)) {
            gaps.push(format!("of {dtype}, which '{}' accepts", spec.name));
        }
    }
    let sizes: Vec<usize> = set.samples.iter().flat_map(|sample| sample.shapes.iter().flatten()).copied().collect();
    // Ops without tensor operands have their sizes in the text alone.
    let in_text = |wanted: &str| set.samples.iter().any(|sample| sample.function.contains(wanted));
    if !sizes.contains(&0) && !in_text("<0x") && !in_text("x0x") {
        gaps.push("with a dimension of size 0".to_owned());
    }
    let is_odd = |size: &usize| *size > 1 && !size.is_multiple_of(2);
    if !sizes.is_empty() && !sizes.iter().any(is_odd) {
        gaps.push("with an odd size".to_owned());
    }
    // Without operands nothing can say how large a dynamic size is.
    if !def.operands.is_empty() && !in_text("?x") {
        gaps.push("with a dynamic size".to_owned());
    }
    ensure!(gaps.is_empty(), "has no sample {}", gaps.join(", none "));
    Ok(())
}

fn takes_tensors(context: &Context, spec: &ValueSpec) -> bool {
    DType::COMPUTED.into_iter().any(|dtype| accepts(context, spec, dtype))
}

/// Whether tensors of a dtype are among the types of a field, at any rank.
fn accepts(context: &Context, spec: &ValueSpec, dtype: DType) -> bool {
    let element = type_of(context.as_ref(), dtype);
    (0..6).any(|rank| (spec.constraint.accepts)(Type::tensor(element, &vec![Some(2); rank])))
}
