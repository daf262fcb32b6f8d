//! Straight-line pure code as numbers, in pieces that are small enough to plan and alike where the
//! program repeats itself.

use thunder_interface::Facts;

/// Where an operand comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A value from before the chunk.
    Leaf(usize),
    /// A result of an op of the chunk.
    Result(usize, usize),
}

/// An op of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Op {
    /// The op with its attributes and types.
    pub symbol: u32,
    /// Its operands.
    pub operands: Vec<Source>,
    /// The results that are used after the chunk, or by what is not pure.
    pub outputs: Vec<usize>,
}

/// A value from before a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Leaf<'c> {
    /// What is known of it.
    pub facts: Facts<'c>,
    /// Whether it follows from weights alone, so that it is known before the program runs.
    pub is_fixed: bool,
    /// Whether ops of several kinds need it, so that it stays whatever becomes of one of them.
    pub is_kept: bool,
    /// Numbers of its dynamic sizes, in order: equal sizes have equal numbers.
    pub sizes: Vec<usize>,
}

/// A piece of code: all that its plan depends on. Equal chunks have equal plans.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Chunk<'c> {
    /// What is known of the values from before it.
    pub leaves: Vec<Leaf<'c>>,
    /// The ops in order.
    pub ops: Vec<Op>,
}

/// Pieces have at most so many ops.
pub const LARGEST: usize = 192;
/// Pieces that do not end the code have at least so many.
const SMALLEST: usize = 24;

/// Cuts `count` ops in order into ranges. `width(i)` is how many values cross the border before op `i`.
///
/// From each border the next one is where fewest values cross, the later one of equals, within the
/// sizes that a chunk may have. What follows depends on what stands there only, so that the layers of
/// a model are cut alike.
pub fn ranges(count: usize, width: impl Fn(usize) -> usize) -> Vec<std::ops::Range<usize>> {
    let (mut ranges, mut start) = (Vec::new(), 0);
    while count - start > LARGEST {
        let best = (start + SMALLEST..=start + LARGEST).rev().min_by_key(|border| width(*border));
        let end = best.unwrap_or(start + LARGEST);
        ranges.push(start..end);
        start = end;
    }
    if start < count {
        ranges.push(start..count);
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_code_is_one_chunk() {
        assert_eq!(ranges(0, |_| 1), []);
        assert_eq!(ranges(LARGEST, |_| 1).len(), 1);
    }

    #[test]
    fn layers_are_cut_where_they_meet() {
        let (prologue, layer, layers) = (7, 41, 64);
        let width = |at: usize| if at >= prologue && (at - prologue).is_multiple_of(layer) { 1 } else { 3 };
        let ranges = ranges(prologue + layer * layers, width);
        let inner = &ranges[1..ranges.len() - 1];
        assert!(inner.iter().all(|range| range.len() == inner[0].len() && range.len().is_multiple_of(layer)));
        assert!(ranges.iter().all(|range| range.len() <= LARGEST));
        assert_eq!(ranges.iter().map(|range| range.len()).sum::<usize>(), prologue + layer * layers);
    }
}
