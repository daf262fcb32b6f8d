//! Reductions of much to little, which few blocks of a GPU would make: in two steps, of which the first is for many blocks.

use thunder_interface::{Panels, Steps};
use thunder_ir::{Operation, Result, Rewriter, Value};

/// Results at most that each get a block, and elements of each at least.
const FEW: i64 = 32;
const LONG: i64 = 1 << 18;
/// Elements of rows from which on few blocks take longer than to read them once more and to start kernels for it.
const LONGEST: i64 = 1 << 19;
/// Blocks that share a reduction, about, and elements of each at least.
const BLOCKS: i64 = 512;
const PART: i64 = 1 << 10;
/// Columns at most that are few, and rows of these at least.
const NARROW: i64 = 512;
const MANY: i64 = 1 << 14;
/// Columns of the first step at most, and rows of these at least.
const WIDE: i64 = 1 << 13;
const LEAST: i64 = 64;

/// Makes the long reductions of a function in two steps, but for some; the ops that make the first.
pub fn in_steps<'c>(function: Operation<'c>, but: &[Operation<'c>]) -> Result<Vec<Operation<'c>>> {
    let mut firsts = Vec::new();
    let body = function.regions().next().and_then(|region| region.entry());
    for op in body.map(|block| block.operations()).unwrap_or_default() {
        let Some(rule) = <dyn Panels>::of(op).filter(|_| !but.contains(&op)) else { continue };
        let Some(steps) = steps(op) else { continue };
        let rewriter = Rewriter::at(op);
        let (first, whole) = rule.in_steps(&rewriter, &steps)?;
        rewriter.replace(op, &[whole])?;
        firsts.extend(first.defining_op());
    }
    Ok(firsts)
}

/// The steps of a reduction that is better made so.
fn steps(op: Operation<'_>) -> Option<Steps> {
    let sizes = op.operand(0).ty().as_tensor()?.static_dims()?;
    let axes = op.attribute("axes")?.as_i64_array()?;
    let (rank, count) = (sizes.len() as i64, axes.len() as i64);
    if axes.iter().copied().eq(rank - count..rank) {
        let kept = (rank - count) as usize;
        // What is computed of rows and their totals is in one kernel with these, as long as rows are not too long.
        let is_longest = sizes[kept..].iter().product::<i64>() >= LONGEST;
        of_rows(&sizes, kept).filter(|_| kept == 0 || is_longest || !widens(op.result(0)))
    } else if axes.iter().copied().eq(0..count) {
        of_columns(&sizes, count as usize)
    } else {
        None
    }
}

/// Whether something larger is made of a value, or of what is computed from it element by element.
fn widens(value: Value<'_>) -> bool {
    let count = |value: Value<'_>| Some(value.ty().as_tensor()?.static_dims()?.iter().product::<i64>());
    value.uses().into_iter().any(|(user, _)| {
        let grows = |result: Value<'_>| count(result).is_none_or(|made| Some(made) > count(value));
        user.results().any(|result| result.ty().as_tensor().is_some() && (grows(result) || widens(result)))
    })
}

/// The last dimensions are reduced: several blocks have a part of what gives one result.
fn of_rows(sizes: &[i64], kept: usize) -> Option<Steps> {
    let results: i64 = sizes[..kept].iter().product();
    let length: i64 = sizes[kept..].iter().product();
    if !(1..=FEW).contains(&results) || length < LONG {
        return None;
    }
    let wanted = (BLOCKS / results).min(length / PART);
    // Whole dimensions are dealt out before a part of one.
    let (mut parts, mut axis) = (1, kept);
    while parts * sizes[axis] <= wanted {
        parts *= sizes[axis];
        axis += 1;
    }
    let size = sizes[axis];
    let outer = (1..=wanted / parts).rev().find(|outer| size % outer == 0)?;
    let split = (outer > 1).then_some((axis, [outer, size / outer]));
    let counted = axis + usize::from(split.is_some());
    let rank = sizes.len() + usize::from(split.is_some());
    let range = |from: usize, to: usize| (from as i64..to as i64).collect();
    // Few parts are no gain.
    let is_worth = parts * outer * 8 >= wanted && counted > kept;
    is_worth.then(|| Steps { split, first: range(counted, rank), then: range(kept, counted) })
}

/// The first dimensions are reduced: what gives one result is made of several columns.
fn of_columns(sizes: &[i64], reduced: usize) -> Option<Steps> {
    let columns: i64 = sizes[reduced..].iter().product();
    let rows: i64 = sizes[..reduced].iter().product();
    if !(2..=NARROW).contains(&columns) || rows < MANY {
        return None;
    }
    let axis = reduced - 1;
    let most = (WIDE / columns).min(rows / LEAST);
    let inner = (2..=most.min(sizes[axis])).rev().find(|inner| sizes[axis] % inner == 0)?;
    let split = Some((axis, [sizes[axis] / inner, inner]));
    Some(Steps { split, first: (0..reduced as i64).collect(), then: vec![0] })
}

#[cfg(test)]
mod tests {
    use super::{Steps, of_columns, of_rows};

    #[test]
    fn parts_are_dealt_out_to_many_blocks() {
        let steps =
            |split, first: &[i64], then: &[i64]| Some(Steps { split, first: first.to_vec(), then: then.to_vec() });
        assert_eq!(of_rows(&[4096, 8192], 0), steps(Some((0, [512, 8])), &[1, 2], &[0]));
        assert_eq!(of_rows(&[256, 8192], 0), steps(Some((1, [2, 4096])), &[2], &[0, 1]));
        assert_eq!(of_rows(&[512, 8192], 0), steps(None, &[1], &[0]));
        assert_eq!(of_rows(&[16, 1 << 20], 1), steps(Some((1, [32, 1 << 15])), &[2], &[1]));
        assert_eq!(of_rows(&[64, 1 << 20], 1), None);
        assert_eq!(of_rows(&[1 << 17], 0), None);
        assert_eq!(of_rows(&[1_000_003], 0), None);
        assert_eq!(of_rows(&[0, 1 << 20], 0), None);
        assert_eq!(of_columns(&[1 << 20, 64], 1), steps(Some((0, [1 << 13, 128])), &[0], &[0]));
        assert_eq!(of_columns(&[1 << 20, 4096], 1), None);
    }
}
