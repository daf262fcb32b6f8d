//! `memref.copy` as a loop: its own lowering calls a function that no library has.

use thunder_ir::{Attribute, Blueprint, Operation, Result, Rewriter};

/// Replaces every copy below `root` by a `linalg.generic`.
pub fn lower(root: Operation<'_>) -> Result {
    let mut copies = Vec::new();
    root.walk(|op| {
        if op.name() == "memref.copy" {
            copies.push(op);
        }
    });
    for op in copies {
        let rewriter = Rewriter::at(op);
        let rank = rank_of(&op.operand(0).ty().to_string());
        let attribute = |text: &str| {
            Attribute::parse(op.context(), text).ok_or_else(|| op.error(format!("internal: '{text}' is no attribute")))
        };
        let map = attribute(&crate::access::Access::identity(rank).to_string())?;
        let parallel = attribute("#linalg.iterator_type<parallel>")?;
        let generic = rewriter.insert(
            &Blueprint::new("linalg.generic")
                .operands(op.operands())
                .attribute("indexing_maps", Attribute::array(op.context(), &[map, map]))
                .attribute("iterator_types", Attribute::array(op.context(), &vec![parallel; rank]))
                .attribute("operandSegmentSizes", attribute("array<i32: 1, 1>")?)
                .regions(1),
        )?;
        let element = op.operand(0).ty().element();
        let block = generic.region(0).append_block(&[(element, op.location()), (element, op.location())]);
        rewriter.at_end(block);
        rewriter.insert(&Blueprint::new("linalg.yield").operands([block.argument(0)]))?;
        Rewriter::at(op).erase(op)?;
    }
    Ok(())
}

/// The number of dimensions in the text of a memref type.
fn rank_of(ty: &str) -> usize {
    let mut rest = ty.strip_prefix("memref<").unwrap_or(ty);
    let mut rank = 0;
    while let Some((size, after)) = rest.split_once('x')
        && (size == "?" || size.bytes().all(|b| b.is_ascii_digit()))
    {
        rank += 1;
        rest = after;
    }
    rank
}

#[cfg(test)]
mod tests {
    use super::rank_of;

    #[test]
    fn dimensions_are_counted() {
        assert_eq!(rank_of("memref<f32>"), 0);
        assert_eq!(rank_of("memref<4xindex>"), 1);
        assert_eq!(rank_of("memref<?x4x?xbf16, strided<[?, 4, 1], offset: ?>>"), 3);
    }
}
