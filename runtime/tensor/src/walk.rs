//! Loops over index spaces, and over several strided operands at once.
//!
//! The index runs in row-major order everywhere, so that results do not depend on how a loop was simplified.

/// Elements between neighbours along each axis of a dense row-major tensor.
pub fn row_major_strides(shape: &[usize]) -> Vec<isize> {
    let mut strides = vec![0; shape.len()];
    let mut step = 1isize;
    for (stride, &extent) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.wrapping_mul(extent.max(1) as isize);
    }
    strides
}

/// Every index of a shape, in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexSpace {
    shape: Vec<usize>,
}

impl IndexSpace {
    /// The indices `[0, shape[0]) x [0, shape[1]) x ...`; rank 0 has the one empty index.
    pub fn new(shape: &[usize]) -> Self {
        IndexSpace { shape: shape.to_vec() }
    }

    /// How many indices there are.
    pub fn len(&self) -> usize {
        if self.is_empty() { 0 } else { self.shape.iter().product() }
    }

    /// Whether there is no index at all.
    pub fn is_empty(&self) -> bool {
        self.shape.contains(&0)
    }

    /// Calls `f` with each index; the slice is reused from call to call.
    pub fn for_each(&self, mut f: impl FnMut(&[usize])) {
        if self.is_empty() {
            return;
        }
        let mut index = vec![0; self.shape.len()];
        loop {
            f(&index);
            if !advance(&mut index, &self.shape) {
                return;
            }
        }
    }

    /// Calls `f` with each index and with the position that `strides` give it, in elements from `offset`.
    pub fn for_each_strided(&self, offset: usize, strides: &[isize], mut f: impl FnMut(&[usize], usize)) {
        assert_eq!(strides.len(), self.shape.len(), "one stride per axis");
        self.for_each(|index| {
            let distance: isize = index.iter().zip(strides).map(|(&i, &stride)| i as isize * stride).sum();
            f(index, offset.wrapping_add_signed(distance));
        });
    }
}

/// Steps to the next index in row-major order; false after the last.
fn advance(index: &mut [usize], shape: &[usize]) -> bool {
    for (i, &extent) in index.iter_mut().zip(shape).rev() {
        *i += 1;
        if *i < extent {
            return true;
        }
        *i = 0;
    }
    false
}

/// One operand of a [`runs`] loop: where it starts and how far it steps along each axis, in elements.
#[derive(Clone, Copy, Debug)]
pub struct Strided<'a> {
    /// The position of the first element.
    pub offset: usize,
    /// The distance to the neighbour along each axis; 0 repeats, negative reverses.
    pub strides: &'a [isize],
}

/// Walks `N` operands through one shape, a run of elements at a time.
///
/// `f` gets the length of the run, and for each operand the position of its first element and the step between its
/// elements. Axes that are adjacent in every operand are walked as one, so that dense operands make one long run.
pub fn runs<const N: usize>(
    shape: &[usize],
    operands: [Strided<'_>; N],
    mut f: impl FnMut(usize, [usize; N], [isize; N]),
) {
    for operand in &operands {
        assert_eq!(operand.strides.len(), shape.len(), "one stride per axis");
    }
    if shape.contains(&0) {
        return;
    }
    let (extents, strides) = merge_axes(shape, &operands);
    let outer = extents.len() - 1;
    let (length, steps) = (extents[outer], strides[outer]);
    let mut index = vec![0usize; outer];
    let mut positions = operands.map(|operand| operand.offset);
    loop {
        f(length, positions, steps);
        let mut axis = outer;
        loop {
            if axis == 0 {
                return;
            }
            axis -= 1;
            index[axis] += 1;
            let rewind = index[axis] == extents[axis];
            let moved = if rewind { 1 - extents[axis] as isize } else { 1 };
            for (position, stride) in positions.iter_mut().zip(strides[axis]) {
                *position = position.wrapping_add_signed(stride.wrapping_mul(moved));
            }
            if !rewind {
                break;
            }
            index[axis] = 0;
        }
    }
}

/// Drops axes of extent 1 and joins neighbours whose positions form one arithmetic sequence in every operand.
fn merge_axes<const N: usize>(shape: &[usize], operands: &[Strided<'_>; N]) -> (Vec<usize>, Vec<[isize; N]>) {
    let mut extents = Vec::with_capacity(shape.len().max(1));
    let mut strides: Vec<[isize; N]> = Vec::with_capacity(shape.len().max(1));
    for (axis, &extent) in shape.iter().enumerate() {
        if extent == 1 {
            continue;
        }
        let steps = operands.map(|operand| operand.strides[axis]);
        match (extents.last_mut(), strides.last_mut()) {
            (Some(outer_extent), Some(outer))
                if outer.iter().zip(&steps).all(|(&outer, &step)| outer == step.wrapping_mul(extent as isize)) =>
            {
                *outer_extent *= extent;
                *outer = steps;
            }
            _ => {
                extents.push(extent);
                strides.push(steps);
            }
        }
    }
    if extents.is_empty() {
        extents.push(1);
        strides.push([0; N]);
    }
    (extents, strides)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rank_zero_has_one_index_and_empty_shapes_none() {
        let mut seen = 0;
        IndexSpace::new(&[]).for_each(|index| seen += 1 + index.len());
        IndexSpace::new(&[3, 0]).for_each(|_| seen += 10);
        runs(&[], [Strided { offset: 5, strides: &[] }], |length, [start], _| seen += length * start);
        runs(&[0, 3], [Strided { offset: 0, strides: &[3, 1] }], |_, _, _| seen += 100);
        assert_eq!(seen, 6);
    }

    #[test]
    fn dense_operands_make_one_run() {
        let mut count = 0;
        let strides = row_major_strides(&[4, 1, 5]);
        runs(&[4, 1, 5], [Strided { offset: 0, strides: &strides }; 2], |length, _, steps| {
            assert_eq!((length, steps), (20, [1, 1]));
            count += 1;
        });
        assert_eq!(count, 1);
    }

    proptest! {
        #[test]
        fn runs_visit_what_the_index_space_says(
            axes in prop::collection::vec((0usize..4, -7isize..7, 0isize..5), 0..5),
        ) {
            let shape: Vec<usize> = axes.iter().map(|axis| axis.0).collect();
            let first: Vec<isize> = axes.iter().map(|axis| axis.1).collect();
            let second: Vec<isize> = axes.iter().map(|axis| axis.2).collect();
            let mut expected = Vec::new();
            IndexSpace::new(&shape).for_each_strided(1000, &first, |index, position| {
                let other: isize = index.iter().zip(&second).map(|(&i, &stride)| i as isize * stride).sum();
                expected.push((position, other as usize));
            });
            let operands = [Strided { offset: 1000, strides: &first }, Strided { offset: 0, strides: &second }];
            let mut visited = Vec::new();
            runs(&shape, operands, |length, starts, steps| {
                for i in 0..length as isize {
                    visited.push((
                        starts[0].wrapping_add_signed(i * steps[0]),
                        starts[1].wrapping_add_signed(i * steps[1]),
                    ));
                }
            });
            prop_assert_eq!(visited, expected);
        }
    }
}
