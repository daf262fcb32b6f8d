//! Tensors from nothing.

use thunder_trace::{DType, Dim};

use super::{Entry, value};
use crate::arguments::{Answer, Reason, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::Attribute;
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] = &[
    Entry { is_elementwise: true, ..value("stablehlo.constant", constant) },
    value("chlo.constant", constant),
    value("stablehlo.dynamic_iota", |c| {
        let sizes = c.value(0)?.known().ok_or_else(|| Reason::Gap("sizes that only the program knows".to_owned()))?;
        iota(c, sizes)
    }),
    value("stablehlo.iota", |c| iota(c, c.dims()?)),
    value("stablehlo.get_dimension_size", |c| {
        let x = c.value(0)?;
        let size = x.dims()[c.axis("dimension", x.rank())?].clone();
        let element = c.result(0)?.element.clone();
        Value::numbers(element, Vec::new(), vec![size]).ok_or_else(|| Reason::Gap("a size out of range".to_owned()))
    }),
];

fn constant<'t>(c: &Call<'_, 't>) -> Answer<Value<'t>> {
    let Some(Attribute::Elements(elements)) = c.op.attribute("value") else { return malformed("it has no value") };
    if *c.result(0)? != elements.ty {
        return malformed(format!("its value is a '{}'", elements.ty));
    }
    Value::constant(c.cx, elements)
}

fn iota<'t>(c: &Call<'_, 't>, dims: Vec<Dim>) -> Answer<Value<'t>> {
    let element = c.result(0)?.element.clone();
    let axis = c.axis("iota_dimension", dims.len())?;
    let known = dims[axis].known().filter(|size| dims.len() == 1 && (0..=64).contains(size));
    let known =
        known.and_then(|size| Value::numbers(element.clone(), dims.clone(), (0..size).map(Dim::from).collect()));
    if let Some(known) = known {
        return Ok(known);
    }
    let dtype = element.dtype().filter(|dtype| *dtype != DType::Bool);
    let dtype = dtype.ok_or_else(|| Reason::Gap(format!("elements of {element}")))?;
    // Numbers are counted as indices, as those of a small dtype would not be all there are.
    let counted = c.cx.arange(dims[axis].clone(), if dtype.is_float() { DType::I64 } else { dtype }).to(dtype);
    Ok(Value::of(element, counted.broadcast_in_dim(&[axis as i64], dims)))
}
