//! Complex numbers and their parts.

use thunder_trace::{DType, Tensor};

use super::{Entry, one, read_only, view};
use crate::arguments::{Answer, Call, ensure};

pub(super) const OPS: &[Entry] = &[
    view(
        &["aten.real.default"],
        |c| Ok(c.tensor("self")?.real()),
        |c, part| {
            let z = c.tensor("self")?;
            Ok(if z.dtype().is_complex() { part.complex(z.imag()) } else { part })
        },
    ),
    view(
        &["aten.imag.default"],
        |c| Ok(c.tensor("self")?.imag()),
        |c, part| Ok(c.tensor("self")?.real().complex(part)),
    ),
    view(
        &["aten.view_as_real.default"],
        |c| Ok(c.tensor("self")?.view_as_real()),
        |_, pairs| Ok(pairs.view_as_complex()),
    ),
    view(&["aten.view_as_complex.default"], |c| Ok(c.tensor("self")?.view_as_complex()), |_, z| Ok(z.view_as_real())),
    view(&["aten.mH.default", "aten.adjoint.default", "aten.matrix_H.default"], adjoint, |_, part| {
        Ok(part.transpose(-2, -1).conj())
    }),
    view(&["aten._conj.default"], |c| Ok(c.tensor("self")?.conj()), |_, z| Ok(z.conj())),
    read_only(&["aten.conj.default"], |c| Ok(c.tensor("self")?.conj())),
    one(&["aten.conj_physical.default", "aten._conj_physical.default", "aten._conj_copy.default"], |c| {
        Ok(c.tensor("self")?.conj())
    }),
    one(&["aten.view_as_real_copy.default"], |c| Ok(c.tensor("self")?.view_as_real())),
    one(&["aten.view_as_complex_copy.default"], |c| Ok(c.tensor("self")?.view_as_complex())),
    one(&["aten.complex.default"], |c| {
        let (re, im) = (c.tensor("real")?, c.tensor("imag")?);
        ensure(re.dtype() == im.dtype() && re.dtype().is_float(), format!("parts {re} and {im}"))?;
        Ok(re.complex(im))
    }),
    one(&["aten.polar.default"], |c| {
        let (size, angle) = (c.tensor("abs")?, c.tensor("angle")?);
        Ok((size * angle.cos()).complex(size * angle.sin()))
    }),
    one(&["aten.angle.default"], |c| Ok(c.tensor("self")?.angle().to(c.result()?.dtype))),
    one(&["aten.isreal.default"], |c| {
        let x = c.tensor("self")?;
        Ok(if x.dtype().is_complex() { x.imag().eq(0.0) } else { c.cx.full(c.dims()?, true, DType::Bool) })
    }),
];

/// Matrices whose rows are the conjugates of the columns; of less than two dimensions, the conjugates.
fn adjoint<'t>(c: &Call<'_, 't>) -> Answer<Tensor<'t>> {
    let z = c.tensor("self")?;
    Ok(if z.rank() < 2 { z } else { z.transpose(-2, -1) }.conj())
}
