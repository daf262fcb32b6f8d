//! Reductions of rows, panel by panel.

use thunder_ir::Blueprint;
use thunder_ir::prelude::*;

use crate::compose::{Extent, converted, reshape, widened};

/// What panels of the rows that `op` reduces give, in the precision to compute in, and what these give together. Neighbouring
/// rows are of neighbouring panels.
///
/// Panels have equally many rows: what they give stands for equally many elements, so that a mean of means is the mean.
pub(super) fn in_panels<'c>(
    op: &impl Op<'c>,
    b: &Builder<'c>,
    axes: &[i64],
    panels: i64,
) -> Result<(Value<'c>, Value<'c>)> {
    let (x, out) = (op.operation().operand(0), op.operation().result(0));
    let sizes = |value: Value<'c>| value.ty().as_tensor().and_then(|ty| ty.static_dims());
    let (Some(from), Some(columns)) = (sizes(x), sizes(out)) else {
        return Err(op.error("sizes differ from run to run: there are no equal panels"));
    };
    let are_first = axes.iter().copied().eq(0..axes.len() as i64);
    let Some(rows) = from.strip_suffix(&columns[..]).filter(|rows| are_first && rows.len() == axes.len()) else {
        return Err(op.error("does not reduce the first dimensions, and these alone"));
    };
    let rows: i64 = rows.iter().product();
    if panels <= 0 || rows % panels != 0 {
        return Err(op.error(format!("{rows} rows are not {panels} equal panels")));
    }
    let before = [&[rows / panels, panels], &columns[..]].concat();
    let seen: Vec<_> = before.iter().map(|size| Extent::Known(*size)).collect();
    let seen = reshape(b, widened(b, x)?, &seen)?;
    let of_panels = again(op, b, seen, &[0])?;
    let whole = again(op, b, of_panels, &[0])?;
    Ok((of_panels, converted(b, whole, out.ty().element())?))
}

/// The reduction of some dimensions of another tensor of known sizes.
pub(super) fn again<'c>(op: &impl Op<'c>, b: &Builder<'c>, x: Value<'c>, axes: &[i64]) -> Result<Value<'c>> {
    let sizes = x.ty().as_tensor().map(|ty| ty.dims()).unwrap_or_default();
    let left = sizes.into_iter().zip(0..).filter(|(_, axis)| !axes.contains(axis));
    let left: Vec<_> = left.map(|(size, _)| size).collect();
    let again = Blueprint::new(op.operation().name())
        .operands([x])
        .results([Type::tensor(x.ty().element(), &left)])
        .attribute("axes", Attribute::i64_array(b.context(), axes));
    Ok(b.insert(&again)?.result(0))
}
