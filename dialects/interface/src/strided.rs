//! Ops whose result is their operand seen with other sizes and strides.

use crate::Dim;

/// A tensor as sizes and strides, in elements, over memory that starts at some offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StridedView {
    /// The size of each dimension.
    pub sizes: Vec<Dim>,
    /// The distance between neighbours along each dimension.
    pub strides: Vec<Dim>,
    /// Where the first element is.
    pub offset: Dim,
}

impl StridedView {
    /// A dense, row-major tensor.
    pub fn dense(sizes: Vec<Dim>) -> Self {
        let mut strides = vec![Dim::Known(1); sizes.len()];
        for axis in (1..sizes.len()).rev() {
            strides[axis - 1] = strides[axis].mul(&sizes[axis]);
        }
        Self { sizes, strides, offset: Dim::Known(0) }
    }

    /// Whether it is dense and row-major, as far as its expressions tell.
    pub fn is_dense(&self) -> bool {
        let dense = Self::dense(self.sizes.clone());
        let same = |axis: usize| self.sizes[axis] == Dim::Known(1) || self.strides[axis] == dense.strides[axis];
        self.offset == Dim::Known(0) && (0..self.sizes.len()).all(same)
    }

    /// The view with its elements grouped into other sizes in row-major order, if strides can say so.
    ///
    /// Works where each new dimension splits one old dimension, or merges neighbours that are
    /// contiguous with each other.
    pub fn reshape(&self, sizes: &[Dim]) -> Option<Self> {
        if self.is_dense() {
            let mut view = Self::dense(sizes.to_vec());
            view.offset = self.offset.clone();
            return Some(view);
        }
        let old: Vec<usize> = (0..self.sizes.len()).filter(|i| self.sizes[*i] != Dim::Known(1)).collect();
        let mut strides = Vec::with_capacity(sizes.len());
        let (mut from, mut to) = (0, 0);
        while to < sizes.len() {
            if sizes[to] == Dim::Known(1) {
                strides.push(Dim::Known(1));
                to += 1;
                continue;
            }
            let first = *old.get(from)?;
            if sizes[to] == self.sizes[first] {
                strides.push(self.strides[first].clone());
                (from, to) = (from + 1, to + 1);
                continue;
            }
            // Split one old dimension into several new ones.
            let mut product = sizes[to].clone();
            let mut end = to + 1;
            while product != self.sizes[first] && end < sizes.len() {
                product = product.mul(&sizes[end]);
                end += 1;
            }
            if product == self.sizes[first] {
                let mut stride = self.strides[first].clone();
                let mut split = Vec::new();
                for size in sizes[to..end].iter().rev() {
                    split.push(stride.clone());
                    stride = stride.mul(size);
                }
                strides.extend(split.into_iter().rev());
                (from, to) = (from + 1, end);
                continue;
            }
            // Merge old dimensions that follow each other in memory.
            let mut product = self.sizes[first].clone();
            let mut last = first;
            from += 1;
            while product != sizes[to] {
                let next = *old.get(from)?;
                if self.strides[last] != self.strides[next].mul(&self.sizes[next]) {
                    return None;
                }
                product = product.mul(&self.sizes[next]);
                last = next;
                from += 1;
            }
            strides.push(self.strides[last].clone());
            to += 1;
        }
        (from == old.len()).then(|| Self { sizes: sizes.to_vec(), strides, offset: self.offset.clone() })
    }
}

/// Says that an op's result is its first operand seen differently: nothing need be computed.
pub trait Strided {
    /// The view of the result, whose sizes are `sizes`, given that of the operand; `None` where
    /// strides cannot say it.
    fn view(&self, operand: &StridedView, sizes: &[Dim]) -> Option<StridedView>;
}

crate::interface!(Strided);

#[cfg(test)]
mod tests {
    use super::*;

    fn known(sizes: &[i64]) -> Vec<Dim> {
        sizes.iter().map(|s| Dim::Known(*s)).collect()
    }

    #[test]
    fn heads_split_and_merge() {
        let (b, t) = (Dim::symbol(0), Dim::symbol(1));
        let x = StridedView::dense(vec![b.clone(), t.clone(), Dim::Known(384)]);
        let split = [b.clone(), t.clone(), Dim::Known(12), Dim::Known(32)];
        let heads = x.reshape(&split).expect("a split");
        assert_eq!(heads.strides[2..], known(&[32, 1]));
        let swapped = StridedView {
            sizes: vec![b.clone(), Dim::Known(12), t.clone(), Dim::Known(32)],
            strides: [0, 2, 1, 3].iter().map(|i| heads.strides[*i].clone()).collect(),
            offset: Dim::Known(0),
        };
        assert!(!swapped.is_dense());
        assert!(swapped.reshape(&[b, t, Dim::Known(384)]).is_none(), "not in row-major order");
    }

    #[test]
    fn neighbours_merge_when_contiguous() {
        let rows = StridedView { sizes: known(&[4, 3, 5]), strides: known(&[30, 5, 1]), offset: Dim::Known(0) };
        assert_eq!(rows.reshape(&known(&[4, 15])).expect("merges").strides, known(&[30, 1]));
        assert!(rows.reshape(&known(&[12, 5])).is_none());
    }
}
