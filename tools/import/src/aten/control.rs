//! Operations that carry out graphs.

use thunder_trace::{DType, Tensor};

use super::{Entry, Run, graphs};
use crate::arguments::{Answer, Call, gap, malformed};

pub(super) const OPS: &[Entry] = &[
    graphs(&["higher_order.cond"], branches),
    graphs(&["higher_order.while_loop"], rounds),
    // Whether there are gradients is not a question of values.
    graphs(&["higher_order.wrap_with_set_grad_enabled", "higher_order.wrap_with_autocast"], |c, run| {
        let Some(place) = c.graph_from(0) else { return malformed("it has no graph") };
        run(c.graph_at(place)?, &c.tensors_from(place + 1)?)
    }),
    graphs(&["higher_order.tag_activation_checkpoint", "higher_order.invoke_subgraph"], |c, run| {
        let Some(place) = c.graph_from(0) else { return malformed("it has no graph") };
        run(c.graph_at(place)?, &c.tensors_from(place + 1)?)
    }),
];

/// A loop: as long as the first graph says, the second replaces the tensors of the first list. Both are given those of
/// the second list as well, in every round.
fn rounds<'t>(c: &Call<'_, 't>, run: Run<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let Some(first) = c.graph_from(0) else { return malformed("it has no graphs") };
    let (condition, body) = (c.graph_at(first)?, c.graph_at(first + 1)?);
    let (carried, kept) = (c.tensors_at(first + 2)?, c.tensors_at(first + 3)?);
    let all = |values: &[Tensor<'t>]| [values, &kept].concat();
    let holds = |values: &[Tensor<'t>]| {
        let holds = run(condition, &all(values))?;
        let [holds] = holds[..] else { return malformed("its condition is not one value") };
        Ok(if holds.dtype() == DType::Bool { holds } else { holds.ne(0) }.reshape(()))
    };
    let round = |values: &[Tensor<'t>]| {
        let made = run(body, &all(values))?;
        let like =
            |(made, value): (&Tensor<'t>, &Tensor<'t>)| made.dtype() == value.dtype() && made.rank() == value.rank();
        if made.len() != values.len() || !made.iter().zip(values).all(like) {
            return malformed("a round makes other values than it is given");
        }
        if made.iter().zip(values).any(|(made, value)| made.shape() != value.shape()) {
            return gap("a value whose sizes change from round to round");
        }
        Ok(made)
    };
    c.cx.try_while_loop(&carried, holds, round)
}

/// Both branches are carried out, as values have no effects; one of them is chosen.
fn branches<'t>(c: &Call<'_, 't>, run: Run<'_, 't>) -> Answer<Vec<Tensor<'t>>> {
    let Some(first) = c.graph_from(0) else { return malformed("it has no branches") };
    let given = c.tensors_from(first + 2)?;
    let condition = c.tensors_until(first)?;
    let [condition] = condition[..] else { return malformed("it has no condition") };
    let condition = if condition.dtype() == DType::Bool { condition } else { condition.ne(0) }.reshape(());
    let (yes, no) = (run(c.graph_at(first)?, &given)?, run(c.graph_at(first + 1)?, &given)?);
    if yes.len() != no.len() {
        return malformed("its branches differ in what they return");
    }
    Ok(yes.into_iter().zip(no).map(|(yes, no)| condition.where_(yes, no)).collect())
}
