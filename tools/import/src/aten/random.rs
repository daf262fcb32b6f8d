//! Random numbers, which are not PyTorch's: they are distributed alike, and the same wherever the program runs.

use thunder_trace::{DType, Operand, Scalar, Tensor};

use super::{Entry, copy, many, one};
use crate::arguments::{Answer, Call, ensure, gap};

pub(super) const OPS: &[Entry] = &[
    copy(&["aten.rand.default", "aten.rand_like.default"], |c| Ok(c.cx.rand(c.dims()?, c.result()?.dtype))),
    copy(&["aten.randn.default", "aten.randn_like.default"], |c| Ok(c.cx.randn(c.dims()?, c.result()?.dtype))),
    copy(
        &[
            "aten.randint.default",
            "aten.randint.low",
            "aten.randint_like.default",
            "aten.randint_like.low_dtype",
            "aten.random.from",
            "aten.random.to",
        ],
        |c| {
            let low = if c.has("from") { "from" } else { "low" };
            let high = if c.has("to") { "to" } else { "high" };
            Ok(c.cx.randint(c.int_or(low, 0)?, c.int(high)?, c.dims()?, c.result()?.dtype))
        },
    ),
    copy(&["aten.randperm.default"], |c| {
        let [count] = &c.dims()?[..] else { return gap("more than one dimension") };
        Ok(c.cx.randperm(count).to(c.result()?.dtype))
    }),
    copy(&["aten.uniform.default"], |c| {
        let (low, high) = (c.float_or("from", 0.0)?, c.float_or("to", 1.0)?);
        ensure(low <= high, format!("numbers from {low} up to {high}"))?;
        let dtype = c.result()?.dtype;
        Ok(c.cx.rand(c.dims()?, dtype) * (high - low) + in_each_part(low, dtype))
    }),
    copy(&["aten.normal_functional.default", "aten.normal.float_float", "aten.normal.default"], |c| {
        let deviation = c.float_or("std", 1.0)?;
        ensure(deviation >= 0.0, format!("a deviation of {deviation}"))?;
        let (mean, dtype) = (c.float_or("mean", 0.0)?, c.result()?.dtype);
        Ok(c.cx.randn(c.dims()?, dtype) * deviation + in_each_part(mean, dtype))
    }),
    copy(&["aten.exponential.default"], |c| {
        let rate = c.float_or("lambd", 1.0)?;
        ensure(rate > 0.0, format!("a rate of {rate}"))?;
        Ok(-(1.0f64 - c.cx.rand(c.dims()?, c.result()?.dtype)).log() / rate)
    }),
    copy(&["aten.log_normal.default"], |c| {
        let deviation = c.float_or("std", 2.0)?;
        ensure(deviation > 0.0, format!("a deviation of {deviation}"))?;
        Ok((c.cx.randn(c.dims()?, c.result()?.dtype) * deviation + c.float_or("mean", 1.0)?).exp())
    }),
    copy(&["aten.cauchy.default"], |c| {
        let scale = c.float_or("sigma", 1.0)?;
        ensure(scale > 0.0, format!("a scale of {scale}"))?;
        let angle = (c.cx.rand(c.dims()?, c.result()?.dtype) - 0.5) * std::f64::consts::PI;
        Ok(angle.tan() * scale + c.float_or("median", 0.0)?)
    }),
    copy(&["aten.geometric.default"], |c| {
        // How often until something of that probability happens.
        let (spec, p) = (c.result()?, c.float_or("p", 0.5)?);
        ensure(p > 0.0 && p < 1.0, format!("a probability of {p}"))?;
        let dtype = if spec.dtype.is_float() { spec.dtype } else { DType::F32 };
        let waited = (1.0f64 - c.cx.rand(&spec.dims[..], dtype)).log() / (-p).ln_1p();
        Ok(waited.ceil().maximum(1.0).to(spec.dtype))
    }),
    copy(&["aten.normal.Tensor_Tensor", "aten.normal.Tensor_float", "aten.normal.float_Tensor"], |c| {
        let spec = c.result()?;
        Ok(c.cx.randn(&spec.dims[..], spec.dtype) * c.operand("std")? + c.operand("mean")?)
    }),
    copy(&["aten.bernoulli.default"], |c| Ok(c.tensor("self")?.bernoulli(c.cx).to(c.result()?.dtype))),
    copy(&["aten.bernoulli.p", "aten.bernoulli.float"], |c| {
        let spec = c.result()?;
        Ok(c.cx.rand(&spec.dims[..], DType::F32).lt(c.float_or("p", 0.5)?).to(spec.dtype))
    }),
    copy(&["aten.bernoulli.Tensor"], |c| {
        let spec = c.result()?;
        let p = match c.operand("p")? {
            Operand::Tensor(p) => p.expand(&spec.dims[..]),
            Operand::Scalar(p) => c.cx.full(&spec.dims[..], p, DType::F32),
        };
        Ok(p.bernoulli(c.cx).to(spec.dtype))
    }),
    copy(&["aten.multinomial.default"], |c| {
        let (x, count) = (c.tensor("self")?, c.int("num_samples")?);
        let are_rows = (1..=2).contains(&x.rank()) && x.dtype().is_float();
        ensure(are_rows && count > 0, format!("{count} places of {x}"))?;
        Ok(x.multinomial(c.cx, count, c.bool_or("replacement", false)?))
    }),
    one(&["aten.rrelu.default"], |c| {
        let (x, low, high) = (c.tensor("self")?, c.float_or("lower", 0.125)?, c.float_or("upper", 1.0 / 3.0)?);
        if !c.bool_or("training", false)? {
            return Ok(x.leaky_relu((low + high) / 2.0));
        }
        Ok(x.gt(0).where_(x, x * (c.cx.rand(x.shape(), x.dtype()) * (high - low) + low)))
    }),
    // What takes no part of elements away is the value itself.
    one(&["aten.dropout.default"], |c| dropped(c).map(|(y, _)| y)),
    many(&["aten.native_dropout.default"], |c| {
        let (y, kept) = dropped(c)?;
        Ok(vec![y, kept.unwrap_or_else(|| c.cx.full(y.shape(), true, DType::Bool))])
    }),
    one(&["aten.feature_dropout.default"], |c| {
        let (x, p) = (c.tensor("input")?, c.float_or("p", 0.5)?);
        if !trains(c)? || p == 0.0 || x.rank() < 2 {
            return Ok(x);
        }
        // Channels stay or go as a whole.
        let ones = c.cx.ones((x.size(0), x.size(1)), x.dtype()).dropout(c.cx, p).0;
        Ok(x * (2..x.rank()).fold(ones, |ones, _| ones.unsqueeze(-1)))
    }),
    one(&["aten.alpha_dropout.default", "aten.feature_alpha_dropout.default"], |c| {
        if trains(c)? && c.float_or("p", 0.5)? != 0.0 {
            return gap("training: export the model in evaluation mode, after `model.eval()`");
        }
        c.tensor("input")
    }),
];

/// A number that PyTorch adds to elements of this dtype; of complex ones, it adds it to both parts.
fn in_each_part<'t>(value: f64, dtype: DType) -> Operand<'t> {
    Operand::Scalar(if dtype.is_complex() { Scalar::Complex(value, value) } else { Scalar::Float(value) })
}

fn trains(c: &Call<'_, '_>) -> Answer<bool> {
    c.bool_or("train", true)
}

fn dropped<'t>(c: &Call<'_, 't>) -> Answer<(Tensor<'t>, Option<Tensor<'t>>)> {
    let (x, p) = (c.tensor("input")?, c.float_or("p", 0.5)?);
    if !trains(c)? || p == 0.0 {
        return Ok((x, None));
    }
    let (y, kept) = x.dropout(c.cx, p);
    Ok((y, Some(kept)))
}
