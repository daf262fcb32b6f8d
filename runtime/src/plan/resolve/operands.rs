//! That what library operations read and write lies within their operands, and that results overlap nothing.

use thunder_tensor::DType;

use super::Resolver;
use crate::plan::extents::Strided;
use crate::plan::{PlanError, Result, fits_memory};
use crate::program::{
    Attention, AttentionBackward, AttentionStrides, Convolution, ConvolutionAxis, DimId, Fused, Groups, Matmul,
    MatrixStrides, ScaledMatmul, UpdateSlice,
};

impl Resolver<'_> {
    pub(super) fn strided(&self, index: usize, element: usize, dims: &[(DimId, DimId)]) -> Result<Strided> {
        let what = || format!("step {index}: an extent or stride");
        let dims = dims
            .iter()
            .map(|&(extent, stride)| Ok((self.values.size(extent, &what)?, self.values.size(stride, &what)?)))
            .collect::<Result<_>>()?;
        Ok(Strided { dims, element })
    }

    /// Checks operands, the last of which are results.
    pub(super) fn check_operands(&self, index: usize, first: usize, operands: &[Strided], results: usize) -> Result {
        let what = |i: usize| move || format!("step {index}, argument {i},");
        for (i, operand) in operands.iter().enumerate() {
            operand.check(self.slots[first + i], &what(i))?;
        }
        for (at, out) in operands.iter().enumerate().skip(operands.len() - results) {
            out.check_distinct(&what(at))?;
            for (i, operand) in operands[..at].iter().enumerate() {
                let other = (operand, self.slots[first + i]);
                out.check_apart(self.slots[first + at], other, &what(at), &what(i))?;
            }
        }
        Ok(())
    }

    pub(super) fn check_matmul(&self, index: usize, op: &Matmul, first: usize) -> Result {
        self.check_products(index, op, (&[op.rhs], None), 1, first)
    }

    /// The operands of a product of floats of 8 bits.
    pub(super) fn check_scaled(&self, index: usize, op: &ScaledMatmul, first: usize) -> Result {
        let ScaledMatmul { product, rhs, out } = op;
        let Matmul { m, n, k, .. } = *product;
        let matrix = |dtype: DType, rows: (DimId, DimId), columns: (DimId, DimId)| {
            self.strided(index, dtype.size(), &[rows, columns])
        };
        let scale = || Strided { dims: Vec::new(), element: DType::F32.size() };
        let mut operands = vec![
            matrix(product.dtype, (m, product.lhs.row), (k, product.lhs.column))?,
            matrix(*rhs, (k, product.rhs.row), (n, product.rhs.column))?,
            scale(),
            scale(),
        ];
        if product.bias {
            let n = self.values.size(n, &|| format!("step {index}: n"))?;
            operands.push(Strided { dims: vec![(n, 1)], element: out.size() });
        }
        operands.push(matrix(*out, (m, product.out.row), (n, product.out.column))?);
        self.check_operands(index, first, &operands, 1)
    }

    /// The operands and results of products that share all but rhs; what is kernels' is trusted.
    pub(super) fn check_fused(&self, index: usize, op: &Fused, first: usize) -> Result {
        let sides: Vec<MatrixStrides> = std::iter::once(op.product.rhs).chain(op.second).collect();
        let results = op.kept.iter().filter(|kept| **kept).count();
        self.check_products(index, &op.product, (&sides, op.groups), results, first)
    }

    /// Products of the same lhs with each of these rhs, whose columns may lie in groups; so many of them are results.
    pub(super) fn check_products(
        &self,
        index: usize,
        op: &Matmul,
        (sides, groups): (&[MatrixStrides], Option<Groups>),
        results: usize,
        first: usize,
    ) -> Result {
        let element = op.dtype.size();
        let mut lhs = vec![(op.m, op.lhs.row), (op.k, op.lhs.column)];
        let mut out = vec![(op.m, op.out.row), (op.n, op.out.column)];
        for b in &op.batch {
            lhs.push((b.extent, b.lhs));
            out.push((b.extent, b.out));
        }
        let mut operands = Vec::with_capacity(4);
        operands.push(self.strided(index, element, &lhs)?);
        for strides in sides {
            let mut rhs = vec![(op.k, strides.row)];
            match groups {
                None => rhs.push((op.n, strides.column)),
                Some(Groups { count, width, stride }) => rhs.extend([(width, strides.column), (count, stride)]),
            }
            rhs.extend(op.batch.iter().map(|b| (b.extent, b.rhs)));
            operands.push(self.strided(index, element, &rhs)?);
        }
        if op.bias {
            let n = self.values.size(op.n, &|| format!("step {index}: n"))?;
            operands.extend(sides.iter().map(|_| Strided { dims: vec![(n, 1)], element }));
        }
        for _ in 0..results {
            operands.push(self.strided(index, element, &out)?);
        }
        // Executors copy operands into layouts of their own.
        let what = || format!("step {index}: an extent");
        let [m, n, k] = [op.m, op.n, op.k].map(|dim| self.values.size(dim, &what));
        let (m, n, k) = (m?, n?, k?);
        let mut copies = 1_usize;
        for b in &op.batch {
            copies = copies.saturating_mul(self.values.size(b.extent, &what)?);
        }
        if m > 0 && n > 0 && !(fits_memory(k, n, copies) && fits_memory(m, k, 1)) {
            return Err(PlanError::TooLarge { what: format!("step {index}: an operand") });
        }
        self.check_operands(index, first, &operands, results)
    }

    /// The operands of an attention and its result.
    pub(super) fn attention(&self, index: usize, op: &Attention) -> Result<Vec<Strided>> {
        let what = || format!("step {index}: heads");
        let (heads, kv_heads) = (self.values.size(op.heads, &what)?, self.values.size(op.kv_heads, &what)?);
        if heads > 0 && (kv_heads == 0 || heads % kv_heads != 0) {
            let what = format!("step {index}: {kv_heads} key heads for {heads} query heads");
            return Err(PlanError::Heads { what });
        }
        let sizes = [op.keys, op.width, op.value_width].map(|dim| self.values.size(dim, &what));
        let [keys, width, value_width] = sizes;
        let (keys, width, value_width) = (keys?, width?, value_width?);
        if !fits_memory(keys, width, 1) || !fits_memory(keys, value_width, 1) {
            return Err(PlanError::TooLarge { what: format!("step {index}: an operand") });
        }
        let operand = |s, heads, positions, width| self.heads(index, op, s, [heads, positions, width]);
        let mut operands = Vec::with_capacity(5);
        operands.push(operand(op.q, op.heads, op.queries, op.width)?);
        operands.push(operand(op.k, op.kv_heads, op.keys, op.width)?);
        operands.push(operand(op.v, op.kv_heads, op.keys, op.value_width)?);
        if let Some(m) = op.mask {
            let dims = [(op.batch, m.batch), (op.heads, m.head), (op.queries, m.query), (op.keys, m.key)];
            operands.push(self.strided(index, op.dtype.size(), &dims)?);
        }
        operands.push(operand(op.out, op.heads, op.queries, op.value_width)?);
        Ok(operands)
    }

    pub(super) fn check_update_slice(&self, index: usize, op: &UpdateSlice, first: usize) -> Result {
        let what = || format!("step {index}: the part");
        let size = |dim| self.values.size(dim, &what);
        let (outer, extent, length, inner) = (size(op.outer)?, size(op.extent)?, size(op.length)?, size(op.inner)?);
        if length > extent {
            let what = format!("{}, of {length} positions,", what());
            return Err(PlanError::OutOfBounds { what, end: length as u128, bytes: extent });
        }
        let dense = |axis: usize| vec![(outer, axis.saturating_mul(inner)), (axis, inner), (inner, 1)];
        let operands = [
            Strided { dims: dense(length), element: op.dtype.size() },
            Strided { dims: Vec::new(), element: op.start.size() },
            Strided { dims: dense(extent), element: op.dtype.size() },
        ];
        self.check_operands(index, first, &operands, 1)
    }

    /// One number for each row of an attention's scores.
    pub(super) fn logsums(&self, index: usize, op: &Attention) -> Result<Strided> {
        let what = || format!("step {index}: the rows");
        let sizes = [op.batch, op.heads, op.queries].map(|dim| self.values.size(dim, &what));
        let [batch, heads, queries] = sizes;
        let (heads, queries) = (heads?, queries?);
        let dims = vec![(batch?, heads.saturating_mul(queries)), (heads, queries), (queries, 1)];
        Ok(Strided { dims, element: size_of::<f32>() })
    }

    /// The gradients of an attention's operands.
    pub(super) fn gradients(&self, index: usize, op: &AttentionBackward) -> Result<Vec<Strided>> {
        let forward = &op.forward;
        [
            (op.d_q, forward.heads, forward.queries, forward.width),
            (op.d_k, forward.kv_heads, forward.keys, forward.width),
            (op.d_v, forward.kv_heads, forward.keys, forward.value_width),
        ]
        .map(|(strides, heads, positions, width)| self.heads(index, forward, strides, [heads, positions, width]))
        .into_iter()
        .collect()
    }

    /// The operands of a convolution and its result, which are contiguous.
    pub(super) fn convolution(&self, index: usize, op: &Convolution) -> Result<Vec<Strided>> {
        let what = || format!("step {index}: the size of a convolution");
        let too_large = || PlanError::TooLarge { what: what() };
        let dense = |sizes: &[DimId], axes: fn(&ConvolutionAxis) -> DimId| {
            let mut count = 1_usize;
            for &dim in sizes.iter().chain(&op.axes.iter().map(axes).collect::<Vec<_>>()) {
                count = count.checked_mul(self.values.size(dim, &what)?).ok_or_else(too_large)?;
            }
            Ok::<_, PlanError>(Strided { dims: vec![(count, 1)], element: op.dtype.size() })
        };
        // Where a window reads is counted from the start of the padding.
        for axis in &op.axes {
            let sizes = [axis.positions, axis.stride, axis.window, axis.dilation, axis.low, axis.extent];
            let sizes: Vec<usize> = sizes.iter().map(|&dim| self.values.size(dim, &what)).collect::<Result<_>>()?;
            let reach = sizes[0].checked_mul(sizes[1]).zip(sizes[2].checked_mul(sizes[3]));
            let reach = reach.and_then(|(a, b)| a.checked_add(b)?.checked_add(sizes[4])?.checked_add(sizes[5]));
            reach.filter(|reach| *reach < isize::MAX as usize).ok_or_else(too_large)?;
        }
        let mut operands = vec![
            dense(&[op.batch, op.groups, op.channels], |axis| axis.extent)?,
            dense(&[op.groups, op.features, op.channels], |axis| axis.window)?,
        ];
        if op.bias {
            let [groups, features] = [op.groups, op.features].map(|dim| self.values.size(dim, &what));
            let count = groups?.checked_mul(features?).ok_or_else(too_large)?;
            operands.push(Strided { dims: vec![(count, 1)], element: op.dtype.size() });
        }
        operands.push(dense(&[op.batch, op.groups, op.features], |axis| axis.positions)?);
        Ok(operands)
    }

    /// An operand of an attention.
    pub(super) fn heads(
        &self,
        index: usize,
        op: &Attention,
        s: AttentionStrides,
        [heads, positions, width]: [DimId; 3],
    ) -> Result<Strided> {
        let dims = [(op.batch, s.batch), (heads, s.head), (positions, s.position)];
        let mut strided = self.strided(index, op.dtype.size(), &dims)?;
        strided.dims.push((self.values.size(width, &|| format!("step {index}: a width"))?, 1));
        Ok(strided)
    }
}
