//! Ops that carry out functions and regions, and those that change nothing.

use thunder_trace::{DType, Tensor};

use super::{Build, Entry, nothing, values};
use crate::arguments::{Answer, Reason, gap, malformed};
use crate::stablehlo::call::Call;
use crate::stablehlo::program::{Attribute, Op};
use crate::stablehlo::value::Value;

pub(super) const OPS: &[Entry] = &[
    values("func.call", |c| c.writer.call(c.word("callee")?, c.operands)),
    values("stablehlo.case", |c| {
        // What is no number of a branch is the last one's.
        let branches = c.op.regions.len() as i64;
        let chosen = c.value(0)?.int().map(|index| if (0..branches).contains(&index) { index } else { branches - 1 });
        if let Some(chosen) = chosen {
            return c.run(c.region(chosen as usize)?, &[]);
        }
        let index = c.tensor(0)?.reshape(());
        let mut results = c.run(c.region(c.op.regions.len().saturating_sub(1))?, &[])?;
        for branch in (0..branches - 1).rev() {
            results = chosen_of(c, index.eq(branch), c.run(c.region(branch as usize)?, &[])?, results)?;
        }
        Ok(results)
    }),
    values("stablehlo.composite", composite),
    values("stablehlo.custom_call", custom_call),
    values("stablehlo.if", |c| {
        if let Some(chosen) = c.value(0)?.int() {
            return c.run(c.region(usize::from(chosen == 0))?, &[]);
        }
        let condition = c.tensor(0)?.reshape(());
        chosen_of(c, condition, c.run(c.region(0)?, &[])?, c.run(c.region(1)?, &[])?)
    }),
    values("stablehlo.map", |c| {
        let dims = c.value(0)?.dims().to_vec();
        c.map(c.region(0)?, &dims, c.operands)
    }),
    values("stablehlo.optimization_barrier", |c| Ok(c.operands.to_vec())),
    values("stablehlo.while", rounds),
    nothing("stablehlo.create_token"),
    nothing("stablehlo.after_all"),
];

/// The results of one of two branches, both of which are computed, as values have no effects.
fn chosen_of<'t>(
    c: &Call<'_, 't>,
    condition: Tensor<'t>,
    yes: Vec<Value<'t>>,
    no: Vec<Value<'t>>,
) -> Answer<Vec<Value<'t>>> {
    if condition.dtype() != DType::Bool || yes.len() != no.len() {
        return malformed("its branches differ in what they return");
    }
    let pick = |(yes, no): (Value<'t>, Value<'t>)| {
        if yes.element() != no.element() || yes.rank() != no.rank() {
            return malformed("its branches differ in what they return");
        }
        let element = yes.element().clone();
        Ok(Value::of(element, condition.where_(yes.tensor(c.cx), no.tensor(c.cx))))
    };
    yes.into_iter().zip(no).map(pick).collect()
}

/// A loop: written out where it is known how often it goes round, else a loop of the program.
fn rounds<'t>(c: &Call<'_, 't>) -> Answer<Vec<Value<'t>>> {
    let mut carried = c.operands.to_vec();
    loop {
        let holds = c.run(c.region(0)?, &carried)?;
        let [holds] = &holds[..] else { return malformed("its condition is not one value") };
        match holds.int() {
            Some(0) => return Ok(carried),
            Some(_) => carried = c.run(c.region(1)?, &carried)?,
            None => return looped(c, &carried),
        }
    }
}

/// A loop of the program, which begins with these values.
fn looped<'t>(c: &Call<'_, 't>, carried: &[Value<'t>]) -> Answer<Vec<Value<'t>>> {
    let (condition, body) = (c.region(0)?, c.region(1)?);
    // What is known of outside would be made where it is first needed, and not be there behind the loop.
    c.make_outer(&[condition, body]);
    let initial: Vec<Tensor<'t>> = carried.iter().map(|value| value.tensor(c.cx)).collect();
    let values = |tensors: &[Tensor<'t>]| -> Vec<Value<'t>> {
        let values = tensors.iter().zip(carried);
        values.map(|(tensor, like)| Value::of(like.element().clone(), *tensor)).collect()
    };
    let holds = |tensors: &[Tensor<'t>]| match &c.run(condition, &values(tensors))?[..] {
        [holds] if holds.tensor(c.cx).dtype() == DType::Bool => Ok(holds.tensor(c.cx).reshape(())),
        _ => malformed("its condition is not one truth value"),
    };
    let round = |tensors: &[Tensor<'t>]| {
        let made = c.run(body, &values(tensors))?;
        let is_like =
            |(made, like): (&Value<'t>, &Value<'t>)| made.element() == like.element() && made.rank() == like.rank();
        if made.len() != carried.len() || !made.iter().zip(carried).all(is_like) {
            return malformed("a round makes other values than it is given");
        }
        let made: Vec<Tensor<'t>> = made.iter().map(|value| value.tensor(c.cx)).collect();
        if made.iter().zip(tensors).any(|(made, given)| made.shape() != given.shape()) {
            return gap("a value whose sizes change from round to round");
        }
        Ok(made)
    };
    Ok(values(&c.cx.try_while_loop(&initial, holds, round)?))
}

/// What one op of CHLO makes of the same operands, if it is known here.
fn known_as<'t>(c: &Call<'_, 't>, name: &str, attributes: &[(String, Attribute)]) -> Option<Answer<Vec<Value<'t>>>> {
    let entry = super::find(name).filter(|_| name.starts_with("chlo."))?;
    let op = Op { name: name.to_owned(), attributes: attributes.to_vec(), regions: Vec::new(), ..c.op.clone() };
    let call = Call { cx: c.cx, op: &op, operands: c.operands, writer: c.writer, frame: c.frame, lift: c.lift };
    Some(match entry.build {
        Build::Tensor(build) => build(&call).and_then(|x| Ok(vec![Value::of(call.result(0)?.element.clone(), x)])),
        Build::Value(build) => build(&call).map(|value| vec![value]),
        Build::Values(build) => build(&call),
        Build::Nothing => return None,
    })
}

/// An op of another dialect with what it is in terms of this one.
fn composite<'t>(c: &Call<'_, 't>) -> Answer<Vec<Value<'t>>> {
    let attributes = match c.op.attribute("composite_attributes") {
        Some(Attribute::Table(entries)) => entries.as_slice(),
        _ => &[],
    };
    match known_as(c, c.word("name")?, attributes) {
        Some(Ok(values)) => Ok(values),
        Some(Err(Reason::Malformed(message))) => malformed(message),
        Some(Err(Reason::Gap(_))) | None => c.writer.call(c.word("decomposition")?, c.operands),
    }
}

fn custom_call<'t>(c: &Call<'_, 't>) -> Answer<Vec<Value<'t>>> {
    let target = c.word("call_target_name")?;
    match target {
        // Where values are is not a question of what they are.
        "Sharding"
        | "SPMDFullToShardShape"
        | "SPMDShardToFullShape"
        | "annotate_device_placement"
        | "LayoutConstraint" => Ok(c.operands.to_vec()),
        // Assertions about sizes that are known or checked when the program runs.
        "shape_assertion" => Ok(Vec::new()),
        _ => {
            let attributes = match c.op.attribute("mhlo.attributes") {
                Some(Attribute::Table(entries)) => entries.as_slice(),
                _ => &[],
            };
            let name = target
                .strip_prefix("mhlo.")
                .map(|name| format!("chlo.{}", if name == "topk" { "top_k" } else { name }));
            match name.and_then(|name| known_as(c, &name, attributes)) {
                Some(values) => values,
                None => gap(format!("the target '{target}'")),
            }
        }
    }
}
