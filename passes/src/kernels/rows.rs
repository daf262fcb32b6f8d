//! Which leading dimensions of an op's result it computes one by one, from the same rows of its
//! operands.

use thunder_interface::{Factor, Shard, ShardRule};
use thunder_ir::Operation;

/// How an op reads an operand, seen from the first `rows` dimensions of its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Row `i` of the result needs row `i` of the operand only.
    Aligned,
    /// Row `i` of the result needs a part of the operand that is elsewhere, of contiguous vectors.
    Moved,
    /// Every row of the result may need all of the operand.
    Whole,
}

/// The dimensions that move together in `op`, if it says so.
pub fn rule_of(op: Operation<'_>) -> Option<ShardRule> {
    if let Some(shard) = <dyn Shard>::of(op) {
        return Some(shard.rule());
    }
    // Equal elements are made row by row as well as anything.
    let is_splat = op.has_trait("constant_like") && op.attribute("value").is_some_and(|v| v.splat_value().is_some());
    if !op.has_trait("elementwise") && !is_splat {
        return None;
    }
    let factors = |rank: usize| (0..rank).map(|i| Some(Factor(i as u32))).collect::<Vec<_>>();
    let rank = |ty: thunder_ir::Type<'_>| ty.as_tensor().map_or(0, thunder_ir::TensorType::rank);
    Some(ShardRule {
        operands: op.operands().map(|v| factors(rank(v.ty()))).collect(),
        results: op.results().map(|v| factors(rank(v.ty()))).collect(),
        reduced: Vec::new(),
    })
}

/// The accesses of every operand when the first `rows` dimensions of all results are rows; `None`
/// where the op does not work row by row in that many dimensions.
pub fn accesses(rule: &ShardRule, rows: usize) -> Option<Vec<Access>> {
    let first = rule.results.first()?;
    let leading = first.get(..rows)?.iter().copied().collect::<Option<Vec<Factor>>>()?;
    if rule.results.iter().any(|r| r.get(..rows) != Some(&first[..rows])) {
        return None;
    }
    let distinct = (1..leading.len()).all(|i| !leading[..i].contains(&leading[i]));
    if !distinct || leading.iter().any(|f| rule.reduced.contains(f)) {
        return None;
    }
    rule.operands
        .iter()
        .map(|operand| {
            if operand.get(..rows) == Some(&first[..rows])
                && operand[rows..].iter().all(|f| f.is_none_or(|f| !leading.contains(&f)))
            {
                return Some(Access::Aligned);
            }
            let touches = |f: &Factor| leading.contains(f);
            if !operand.iter().flatten().any(touches) {
                return Some(Access::Whole);
            }
            let innermost = operand.last().copied().flatten();
            let is_moved = rule.reduced.is_empty() && innermost.is_some_and(|f| !touches(&f));
            is_moved.then_some(Access::Moved)
        })
        .collect()
}

/// The largest number of leading dimensions of the result that are rows.
pub fn max_rows(rule: &ShardRule) -> usize {
    let rank = rule.results.first().map_or(0, Vec::len);
    (0..=rank).rev().find(|rows| accesses(rule, *rows).is_some()).unwrap_or(0)
}
