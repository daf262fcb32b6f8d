//! Products of matrices in groups, such as those of experts: a matrix is cut where offsets say, which a run only has.

use thunder_trace::{DType, Dim, Tensor};

use crate::arguments::{Answer, Call, ensure, gap};

/// `aten._grouped_mm`: which dimension is cut follows from the ranks. Every group is computed whole, and what is
/// another's is left out, so that it takes as many times the arithmetic as there are groups.
pub(super) fn grouped<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let (x, y) = (c.tensor("self")?, c.tensor("mat2")?);
    if c.has("bias") {
        return gap("a bias");
    }
    let dtype = c.result()?.dtype;
    if let (3, 3) = (x.rank(), y.rank()) {
        return Ok(x.matmul(y).to(dtype));
    }
    let Some(ends) = c.optional("offs")? else { return gap("matrices without offsets") };
    ensure(ends.rank() == 1, format!("offsets {ends}"))?;
    // Whether each place along a dimension is of each group, as a row for a group.
    let mine = |size: Dim| {
        let place = c.cx.arange(size, DType::I64);
        let before = place.lt(ends.to(DType::I64).unsqueeze(-1));
        // The first group whose end is behind it.
        before & before.to(DType::I64).cumsum(0).eq(1)
    };
    match (x.rank(), y.rank()) {
        (2, 3) => Ok(mine(x.size(0)).unsqueeze(-1).where_(x.unsqueeze(0).matmul(y), 0.0).sum(0).to(dtype)),
        (2, 2) => Ok(mine(x.size(1)).unsqueeze(1).where_(x.unsqueeze(0), 0.0).matmul(y.unsqueeze(0)).to(dtype)),
        (3, 2) => Ok(mine(y.size(1)).unsqueeze(1).where_(x.matmul(y.unsqueeze(0)), 0.0).sum(0).to(dtype)),
        (a, b) => gap(format!("matrices of ranks {a} and {b}")),
    }
}
