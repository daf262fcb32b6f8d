//! Operations that carry out graphs.

use thunder_trace::{DType, Tensor};

use super::{Entry, Run, graphs};
use crate::arguments::{Answer, Call, malformed};

pub(super) const OPS: &[Entry] = &[
    graphs(&["higher_order.cond"], branches),
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
