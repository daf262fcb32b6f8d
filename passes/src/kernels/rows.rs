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
    /// Row `i`, a single element, needs column `i` of the operand, whose last dimensions are the rows.
    Column,
    /// Row `i` needs one element of the operand, of which the first indices of `i` are all.
    Outer,
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
            if is_column(operand, &leading, rule) {
                return Some(Access::Column);
            }
            if first[..rows].starts_with(operand) {
                return Some(Access::Outer);
            }
            let innermost = operand.last().copied().flatten();
            let is_moved = rule.reduced.is_empty() && innermost.is_some_and(|f| !touches(&f));
            is_moved.then_some(Access::Moved)
        })
        .collect()
}

/// Whether the last dimensions of an operand are all dimensions of the results, and the others are reduced.
fn is_column(operand: &[Option<Factor>], leading: &[Factor], rule: &ShardRule) -> bool {
    let Some((reduced, columns)) = operand.split_at_checked(operand.len().saturating_sub(leading.len())) else {
        return false;
    };
    rule.results.iter().all(|result| result.len() == leading.len())
        && columns.iter().copied().eq(leading.iter().map(|factor| Some(*factor)))
        && !reduced.is_empty()
        && reduced.iter().all(|factor| factor.is_some_and(|factor| rule.reduced.contains(&factor)))
}

/// The ops among `ops` that make columns for others of them, element by element: where rows are the first `rows`
/// dimensions of results, these are the last ones of theirs.
pub fn columns<'c>(ops: &[Operation<'c>], rows: usize) -> Vec<Operation<'c>> {
    let mut columns: Vec<Operation<'c>> = Vec::new();
    for op in ops.iter().rev() {
        let read: Vec<bool> = if columns.contains(op) {
            vec![op.has_trait("elementwise"); op.operand_count()]
        } else {
            let accesses = rule_of(*op).filter(|_| rows > 0).and_then(|rule| accesses(&rule, rows));
            accesses.unwrap_or_default().into_iter().map(|access| access == Access::Column).collect()
        };
        let makers = op.operands().zip(read).filter(|(_, is_column)| *is_column).filter_map(|(v, _)| v.defining_op());
        columns.extend(makers.filter(|maker| ops.contains(maker)));
    }
    columns
}
